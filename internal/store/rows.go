package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// jobColumns are the columns that scanJob reads, in this order.
const jobColumns = `id, project, key_id, api, spec, state, priority, attempt, max_attempts, worker, cancel_asked,
	phase, progress, left_ms, result, error, latents, preview, callback, price, sponsor, revision,
	created_at, started_at, finished_at, updated_at, expires_at, starred, tags`

// scanJob reads a row of jobColumns.
func scanJob(row interface{ Scan(...any) error }) (job.Job, error) {
	var j job.Job
	var spec, result, failure, tags string
	var left, created, started, finished, updated, expires int64
	var cancel, sponsor, starred int64
	err := row.Scan(&j.ID, &j.Project, &j.Key, &j.API, &spec, &j.State, &j.Priority, &j.Attempt, &j.MaxAttempts, &j.Worker, &cancel,
		&j.Phase, &j.Progress, &left, &result, &failure, &j.Latents, &j.Preview, &j.Callback, &j.Price, &sponsor, &j.Revision,
		&created, &started, &finished, &updated, &expires, &starred, &tags)
	if err != nil {
		return job.Job{}, err
	}
	j.CancelAsked, j.Sponsor, j.Starred, j.Tags = cancel != 0, sponsor != 0, starred != 0, readTags(tags)
	j.Left = time.Duration(left) * time.Millisecond
	j.CreatedAt, j.StartedAt, j.FinishedAt = fromMillis(created), fromMillis(started), fromMillis(finished)
	j.UpdatedAt, j.ExpiresAt = fromMillis(updated), fromMillis(expires)
	if err := json.Unmarshal([]byte(spec), &j.Spec); err != nil {
		return job.Job{}, fmt.Errorf("read job %d: its spec: %w", j.ID, err)
	}
	if result != "" {
		j.Result = new(job.Result)
		if err := json.Unmarshal([]byte(result), j.Result); err != nil {
			return job.Job{}, fmt.Errorf("read job %d: its result: %w", j.ID, err)
		}
	}
	if failure != "" {
		j.Error = new(job.Error)
		if err := json.Unmarshal([]byte(failure), j.Error); err != nil {
			return job.Job{}, fmt.Errorf("read job %d: its error: %w", j.ID, err)
		}
	}
	return j, nil
}

// encode returns a value as JSON, and "" for nil.
func encode[T any](v *T) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// where collects the conditions and arguments of a statement.
type where struct {
	terms []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// and adds a condition.
func (w *where) and(term string) { w.terms = append(w.terms, term) }

// in adds the condition that a column has one of some values. An empty list adds
// nothing.
func in[T any](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = w.arg(v)
	}
	w.and(column + " IN (" + strings.Join(marks, ", ") + ")")
}

func (w *where) String() string { return strings.Join(w.terms, " AND ") }

// The bounds of a page of a list.
const (
	DefaultPage = 20
	MaxPage     = 1000
)

func page(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// JobFilter selects jobs. An empty field is no condition, but Project always
// applies.
type JobFilter struct {
	Project   int64
	States    []job.State
	API       []job.API
	IDs       []job.ID
	Models    []string
	TaskTypes []string
	Kind      job.Kind
	Since     time.Time // of creation
	Starred   bool      // only those with a star
	Tag       string    // only those with this tag
	Words     []string  // only those whose prompt has all of these, in any case
	// After and Before are jobs of the same project. The page holds jobs between
	// them, in the order of the list.
	After, Before job.ID
	Offset        int
	// Limit is the length of the page: 0 is DefaultPage, at most MaxPage.
	Limit int
	// Ascending puts the oldest job first; otherwise the newest is first.
	Ascending bool
}

// Jobs lists a page of jobs. total is how many match the filter without regard to
// After, Before, Offset and Limit.
func (db *DB) Jobs(ctx context.Context, f JobFilter) (jobs []job.Job, total int, err error) {
	w := &where{}
	w.and("project = " + w.arg(f.Project))
	w.and("deleted_at = 0")
	in(w, "state", f.States)
	in(w, "api", f.API)
	in(w, "id", f.IDs)
	in(w, "model", f.Models)
	in(w, "task_type", f.TaskTypes)
	if f.Kind != "" {
		w.and("kind = " + w.arg(string(f.Kind)))
	}
	if !f.Since.IsZero() {
		w.and("created_at >= " + w.arg(millis(f.Since)))
	}
	f.labels(w)
	err = db.Read(ctx, func(q Queryer) error {
		jobs, total = nil, 0
		if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM jobs WHERE "+w.String(), w.args...).Scan(&total); err != nil {
			return err
		}
		if err := f.cursors(ctx, q, w); err != nil {
			return err
		}
		order := "DESC"
		if f.Ascending {
			order = "ASC"
		}
		limit, offset := w.arg(page(f.Limit)), w.arg(max(0, f.Offset))
		rows, err := q.QueryContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE "+w.String()+
			" ORDER BY created_at "+order+", id "+order+" LIMIT "+limit+" OFFSET "+offset, w.args...)
		if err != nil {
			return err
		}
		jobs, err = collect(rows, scanJob)
		return err
	})
	return jobs, total, err
}

// cursors adds the conditions of After and Before.
func (f *JobFilter) cursors(ctx context.Context, q Queryer, w *where) error {
	for _, c := range []struct {
		name string
		id   job.ID
		more bool // further on in the list
	}{{"after", f.After, true}, {"before", f.Before, false}} {
		if c.id == 0 {
			continue
		}
		var created int64
		err := q.QueryRowContext(ctx, "SELECT created_at FROM jobs WHERE id = $1 AND project = $2", int64(c.id), f.Project).Scan(&created)
		if errors.Is(err, sql.ErrNoRows) {
			return job.Errorf(job.Invalid, c.name, "%s names job %s, which does not exist: give the id of a job of the previous page", c.name, c.id)
		}
		if err != nil {
			return err
		}
		op := "<"
		if c.more == f.Ascending {
			op = ">"
		}
		at, id := w.arg(created), w.arg(int64(c.id))
		w.and("(created_at " + op + " " + at + " OR created_at = " + at + " AND id " + op + " " + id + ")")
	}
	return nil
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(interface{ Scan(...any) error }) (T, error)) ([]T, error) {
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Job finds a project's job. A job that does not exist, is deleted or belongs to
// another project is job.NotFound.
func (db *DB) Job(ctx context.Context, project int64, id job.ID) (j job.Job, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		j, err = scanJob(q.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0", int64(id), project))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("job", id)
	}
	return j, err
}

// Stats are figures for the operator.
type Stats struct {
	Queued, Running int
	// Oldest is when the job that has waited longest arrived; zero if none waits.
	Oldest   time.Time
	Projects []Load // those with jobs in flight
}

// Load is what a project has in flight.
type Load struct {
	Project         int64
	Queued, Running int
}

// Stats counts the jobs in flight.
func (db *DB) Stats(ctx context.Context) (s Stats, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		s = Stats{}
		rows, err := q.QueryContext(ctx, "SELECT project, queued, running FROM project_load WHERE queued > 0 OR running > 0 ORDER BY project")
		if err != nil {
			return err
		}
		s.Projects, err = collect(rows, func(row interface{ Scan(...any) error }) (l Load, err error) {
			err = row.Scan(&l.Project, &l.Queued, &l.Running)
			return l, err
		})
		if err != nil {
			return err
		}
		for _, l := range s.Projects {
			s.Queued += l.Queued
			s.Running += l.Running
		}
		var oldest sql.NullInt64
		err = q.QueryRowContext(ctx, "SELECT MIN(created_at) FROM jobs WHERE state = 'queued'").Scan(&oldest)
		s.Oldest = fromMillis(oldest.Int64)
		return err
	})
	return s, err
}

// ProjectOf is the project that a job belongs to, deleted or not.
func (db *DB) ProjectOf(ctx context.Context, id job.ID) (project int64, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		return q.QueryRowContext(ctx, "SELECT project FROM jobs WHERE id = $1", int64(id)).Scan(&project)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("job", id)
	}
	return project, err
}
