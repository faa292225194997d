package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/job"
)

// Limits of tags.
const (
	MaxTags = 16 // of a job
	MaxTag  = 40 // characters of a tag
)

// Labels change what a job's owner marks it with. nil leaves something as it is.
type Labels struct {
	Starred *bool
	Tags    *[]string
}

// readTags reads the column tags: a line for each, after a line end, so that a tag
// can be looked for with a line end on both sides.
func readTags(column string) []string {
	if column == "" {
		return nil
	}
	return strings.Split(strings.Trim(column, "\n"), "\n")
}

// writeTags checks tags, and puts them in order.
func writeTags(tags []string) (string, error) {
	var all []string
	for _, t := range tags {
		t = strings.TrimSpace(t)
		switch n := utf8.RuneCountInString(t); {
		case n == 0 || n > MaxTag || !utf8.ValidString(t) || strings.ContainsFunc(t, unicode.IsControl):
			return "", job.Errorf(job.Invalid, "tags", "a tag has 1 to %d characters, and no control characters", MaxTag)
		}
		all = append(all, t)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > MaxTags {
		return "", job.Errorf(job.Invalid, "tags", "%d tags are too many: at most %d", len(all), MaxTags)
	}
	if len(all) == 0 {
		return "", nil
	}
	return "\n" + strings.Join(all, "\n") + "\n", nil
}

// labels adds the conditions on what jobs are marked with, and on their prompts.
func (f *JobFilter) labels(w *where) {
	if f.Starred {
		w.and("starred = 1")
	}
	if f.Tag != "" {
		w.and("tags LIKE " + w.arg(containing("\n"+f.Tag+"\n")) + ` ESCAPE '\'`)
	}
	for _, word := range f.Words {
		// The specification of a job that came before there was the column words holds
		// its prompt too.
		pattern := w.arg(containing(strings.ToLower(word)))
		w.and("(words LIKE " + pattern + ` ESCAPE '\' OR words = '' AND LOWER(spec) LIKE ` + pattern + ` ESCAPE '\')`)
	}
}

// containing is the pattern of LIKE for texts that have another one in them.
func containing(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

// Label marks a project's job.
func (db *DB) Label(ctx context.Context, project int64, id job.ID, l Labels) (j job.Job, err error) {
	var tags string
	if l.Tags != nil {
		if tags, err = writeTags(*l.Tags); err != nil {
			return job.Job{}, err
		}
	}
	err = db.Write(ctx, func(tx *Tx) error {
		w := &where{}
		set := []string{"revision = revision + 1"}
		if l.Starred != nil {
			set = append(set, "starred = "+w.arg(bit(*l.Starred)))
		}
		if l.Tags != nil {
			set = append(set, "tags = "+w.arg(tags))
		}
		query := "UPDATE jobs SET " + strings.Join(set, ", ") + " WHERE id = " + w.arg(int64(id)) + " AND project = " + w.arg(project) + " AND deleted_at = 0 RETURNING " + jobColumns
		j, err = scanJob(tx.QueryRowContext(ctx, query, w.args...))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("job", id)
		}
		tx.AfterCommit(func() { db.followers.wake(project, id) })
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}

// MoveBefore gives a queued job its turn just before another queued job of the same
// project. It takes that one's priority; the jobs between them keep their order. A
// job that does not wait any more is a Conflict.
func (db *DB) MoveBefore(ctx context.Context, project int64, id, before job.ID) error {
	if id == before {
		return job.Errorf(job.Invalid, "before", "before names the job itself: name another one that waits")
	}
	err := db.Write(ctx, func(tx *Tx) error {
		// The project's row is locked first, as by a submission.
		if _, err := tx.ExecContext(ctx, "UPDATE project_load SET seq = seq WHERE project = $1", project); err != nil {
			return err
		}
		moved, err := tx.turnOf(ctx, project, id)
		if err != nil {
			return err
		}
		target, err := tx.turnOf(ctx, project, before)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT id, priority, seq FROM jobs WHERE state = 'queued' AND project = $1 AND (priority = $2 OR id = $3) ORDER BY priority DESC, seq"+tx.Lock(),
			project, target.priority, int64(id))
		if err != nil {
			return err
		}
		line, err := collect(rows, func(row interface{ Scan(...any) error }) (t turn, err error) {
			err = row.Scan(&t.id, &t.priority, &t.seq)
			return t, err
		})
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { db.followers.wake(project, id) })
		return tx.reorder(ctx, line, moved, target)
	})
	return err
}

// turn is a queued job's place among those of its project.
type turn struct {
	id            job.ID
	priority, seq int64
}

func (tx *Tx) turnOf(ctx context.Context, project int64, id job.ID) (t turn, err error) {
	var state job.State
	err = tx.QueryRowContext(ctx, "SELECT id, priority, seq, state FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0"+tx.Lock(), int64(id), project).
		Scan(&t.id, &t.priority, &t.seq, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return t, notFound("job", id)
	case err == nil && state != job.Queued:
		return t, job.Errorf(job.Conflict, "", "the job %s is %s: only jobs that wait have a place to change", id, state)
	}
	return t, err
}

// reorder puts a job before another one in a line, and shares the line's numbers out
// anew. Only the jobs whose number is another one are written.
func (tx *Tx) reorder(ctx context.Context, line []turn, moved, target turn) error {
	seqs := make([]int64, len(line))
	for i, t := range line {
		seqs[i] = t.seq
	}
	slices.Sort(seqs)
	line = slices.DeleteFunc(line, func(t turn) bool { return t.id == moved.id })
	at := slices.IndexFunc(line, func(t turn) bool { return t.id == target.id })
	line = slices.Insert(line, at, moved)
	for i, t := range line {
		if t.seq == seqs[i] && t.priority == target.priority {
			continue
		}
		_, err := tx.ExecContext(ctx, "UPDATE jobs SET seq = $1, priority = $2, revision = revision + 1 WHERE id = $3", seqs[i], target.priority, int64(t.id))
		if err != nil {
			return err
		}
	}
	return nil
}
