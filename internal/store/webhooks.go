package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/kinora-video/kinora/internal/job"
)

// Form is how a delivery is written.
type Form string

// The forms.
const (
	FormStandard Form = "standard" // Standard Webhooks, with OpenAI's or our own events
	FormMiniMax  Form = "minimax"  // the body of MiniMax's query, unsigned
)

// Endpoint is a URL that a project wants its events at.
type Endpoint struct {
	ID          int64
	Project     int64
	URL         string
	Description string
	Events      []string // names of events, such as "video.completed" or "job.failed"
	Secret      string   // whsec_…
	// PreviousSecret signs too until PreviousUntil, so that a receiver can
	// change over.
	PreviousSecret string
	PreviousUntil  time.Time
	Disabled       string // why it is not called, or ""
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed" // every attempt failed, or the endpoint is gone
)

// Delivery is an event on its way to a URL.
type Delivery struct {
	ID         int64
	Project    int64
	Endpoint   int64 // 0 for a job's own callback
	URL        string
	Form       Form
	Event      string
	EventID    string // the same for every attempt and replay
	Job        job.ID
	Snapshot   job.Job // the job when it happened
	State      DeliveryState
	Attempts   int
	NextAt     time.Time
	LastStatus int // of the last answer; 0 when there was none
	LastError  string
	CreatedAt  time.Time
	FinishedAt time.Time
	// Waits says, in the answer of BeginDelivery, that as many deliveries of the
	// project are under way as may be: the store calls this one when its turn
	// has come.
	Waits bool
}

// Limits of webhooks.
const (
	MaxEndpoints = 50  // of a project
	maxLastError = 500 // bytes
)

const endpointColumns = `id, project, url, description, events, secret, previous_secret, previous_until, disabled, created_at, updated_at`

func scanEndpoint(row interface{ Scan(...any) error }) (Endpoint, error) {
	var e Endpoint
	var events string
	var until, created, updated int64
	err := row.Scan(&e.ID, &e.Project, &e.URL, &e.Description, &events, &e.Secret, &e.PreviousSecret, &until, &e.Disabled, &created, &updated)
	if err != nil {
		return e, err
	}
	e.PreviousUntil, e.CreatedAt, e.UpdatedAt = fromMillis(until), fromMillis(created), fromMillis(updated)
	return e, json.Unmarshal([]byte(events), &e.Events)
}

func errNoEndpoint(id int64) error {
	return job.Errorf(job.NotFound, "id", "there is no webhook %d", id)
}

// AddEndpoint keeps a new endpoint; more than MaxEndpoints are refused.
func (db *DB) AddEndpoint(ctx context.Context, e Endpoint) error {
	events, err := json.Marshal(e.Events)
	if err != nil {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM endpoints WHERE project = $1`, e.Project).Scan(&n); err != nil {
			return err
		}
		if n >= MaxEndpoints {
			return job.Errorf(job.TooMany, "", "the project has %d webhooks: remove one first", n)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO endpoints (`+endpointColumns+`) VALUES ($1, $2, $3, $4, $5, $6, '', 0, '', $7, $7)`,
			e.ID, e.Project, e.URL, e.Description, string(events), e.Secret, millis(e.CreatedAt))
		return err
	})
}

// Endpoint returns one of a project's endpoints.
func (db *DB) Endpoint(ctx context.Context, project, id int64) (e Endpoint, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		e, err = scanEndpoint(q.QueryRowContext(ctx, `SELECT `+endpointColumns+` FROM endpoints WHERE project = $1 AND id = $2`, project, id))
		if errors.Is(err, sql.ErrNoRows) {
			return errNoEndpoint(id)
		}
		return err
	})
	return e, err
}

// Endpoints lists a project's endpoints, oldest first.
func (db *DB) Endpoints(ctx context.Context, project int64) (out []Endpoint, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		out, err = endpoints(ctx, q, project)
		return err
	})
	return out, err
}

func endpoints(ctx context.Context, q Queryer, project int64) ([]Endpoint, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+endpointColumns+` FROM endpoints WHERE project = $1 ORDER BY created_at, id`, project)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Endpoint
	for rows.Next() {
		e, err := scanEndpoint(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// ChangeEndpoint applies a change to an endpoint and keeps it; deliveries on
// their way follow it to another URL.
func (db *DB) ChangeEndpoint(ctx context.Context, project, id int64, change func(*Endpoint) error) (e Endpoint, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		e, err = scanEndpoint(tx.QueryRowContext(ctx, `SELECT `+endpointColumns+` FROM endpoints WHERE project = $1 AND id = $2`+tx.Lock(), project, id))
		if errors.Is(err, sql.ErrNoRows) {
			return errNoEndpoint(id)
		}
		if err != nil {
			return err
		}
		before := e.URL
		if err := change(&e); err != nil {
			return err
		}
		events, err := json.Marshal(e.Events)
		if err != nil {
			return err
		}
		e.UpdatedAt = tx.Now()
		_, err = tx.ExecContext(ctx, `UPDATE endpoints SET url = $1, description = $2, events = $3, secret = $4, previous_secret = $5,
			previous_until = $6, disabled = $7, updated_at = $8 WHERE id = $9`,
			e.URL, e.Description, string(events), e.Secret, e.PreviousSecret, millis(e.PreviousUntil), e.Disabled, millis(e.UpdatedAt), id)
		if err != nil || e.URL == before {
			return err
		}
		// What is on its way goes to where the endpoint is now.
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET url = $1 WHERE endpoint = $2 AND state = $3`, e.URL, id, DeliveryPending)
		return err
	})
	return e, err
}

// DeleteEndpoint removes an endpoint; what is on its way to it fails.
func (db *DB) DeleteEndpoint(ctx context.Context, project, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.oneByOne(ctx, project); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM endpoints WHERE project = $1 AND id = $2`, project, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoEndpoint(id))
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, last_error = 'the webhook was removed', finished_at = $2, busy_until = 0 WHERE endpoint = $3 AND state = $4`,
			DeliveryFailed, millis(tx.Now()), id, DeliveryPending)
		if err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}

const deliveryColumns = `id, project, endpoint, url, form, event, event_id, job, snapshot, state, attempts, next_at, last_status, last_error, created_at, finished_at`

func scanDelivery(row interface{ Scan(...any) error }) (Delivery, error) {
	var d Delivery
	var snapshot string
	var next, created, finished int64
	err := row.Scan(&d.ID, &d.Project, &d.Endpoint, &d.URL, &d.Form, &d.Event, &d.EventID, &d.Job, &snapshot, &d.State,
		&d.Attempts, &next, &d.LastStatus, &d.LastError, &created, &finished)
	if err != nil {
		return d, err
	}
	d.NextAt, d.CreatedAt, d.FinishedAt = fromMillis(next), fromMillis(created), fromMillis(finished)
	return d, json.Unmarshal([]byte(snapshot), &d.Snapshot)
}

// AddDeliveries writes the deliveries that tell of a job's change, with their
// entries in the queue: to the job's own callback and to the project's
// endpoints that want one of the events.
func (tx *Tx) AddDeliveries(ctx context.Context, j job.Job, events []string, eventID func() string) error {
	var ds []Delivery
	if j.Callback != "" {
		ds = append(ds, Delivery{URL: j.Callback, Form: FormMiniMax, Event: "job." + string(j.State)})
	}
	all, err := endpoints(ctx, tx, j.Project)
	if err != nil {
		return err
	}
	for _, e := range all {
		for _, event := range events {
			if e.Disabled == "" && slices.Contains(e.Events, event) {
				ds = append(ds, Delivery{Endpoint: e.ID, URL: e.URL, Form: FormStandard, Event: event})
			}
		}
	}
	if len(ds) == 0 {
		return nil
	}
	snapshot, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := tx.oneByOne(ctx, j.Project); err != nil {
		return err
	}
	room, err := tx.roomToDeliver(ctx, j.Project)
	if err != nil {
		return err
	}
	busy := 0
	if room == 0 {
		busy = inLine
	}
	for _, d := range ds {
		d.ID, d.EventID = NewID(), eventID()
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (`+deliveryColumns+`, busy_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, 0, '', $11, 0, $12)`,
			d.ID, j.Project, d.Endpoint, d.URL, d.Form, d.Event, d.EventID, j.ID, string(snapshot), DeliveryPending, millis(tx.Now()), busy)
		if err != nil {
			return fmt.Errorf("keeping a delivery: %w", err)
		}
		if busy != inLine {
			tx.EnqueueDelivery(d.ID, time.Time{})
		}
	}
	return nil
}

// Delivery returns a delivery by its ID; project 0 means any.
func (db *DB) Delivery(ctx context.Context, project, id int64) (d Delivery, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		d, err = scanDelivery(q.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE id = $1 AND (CAST($2 AS BIGINT) = 0 OR project = $2)`, id, project))
		if errors.Is(err, sql.ErrNoRows) {
			return job.Errorf(job.NotFound, "id", "there is no delivery %d", id)
		}
		return err
	})
	return d, err
}

// DeliveryFilter chooses deliveries of the log.
type DeliveryFilter struct {
	Project  int64
	Endpoint int64 // 0 for all
	Job      job.ID
	State    DeliveryState
	Before   time.Time // created before; zero for now
	Limit    int
}

// Deliveries lists the log, newest first.
func (db *DB) Deliveries(ctx context.Context, f DeliveryFilter) (out []Delivery, err error) {
	before := int64(1) << 62
	if !f.Before.IsZero() {
		before = millis(f.Before)
	}
	err = db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, `SELECT `+deliveryColumns+` FROM deliveries
			WHERE project = $1 AND (CAST($2 AS BIGINT) = 0 OR endpoint = $2) AND (CAST($3 AS BIGINT) = 0 OR job = $3) AND ($4 = '' OR state = $4) AND created_at < $5
			ORDER BY created_at DESC, id DESC LIMIT $6`, f.Project, f.Endpoint, int64(f.Job), string(f.State), before, f.Limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d, err := scanDelivery(rows)
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return rows.Err()
	})
	return out, err
}

// BeginDelivery gives a delivery that is due to one sender: until busy has passed
// or Attempted is called, nobody else gets it. ok is false when the delivery is
// over, not due yet, another sender's, or has to wait for others of its project; d
// then says which, and is zero when there is no such delivery. When busy passes,
// the sender counts as lost, and Reap puts the delivery into the queue again.
func (db *DB) BeginDelivery(ctx context.Context, id int64, busy time.Duration) (d Delivery, ok bool, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		d, ok = Delivery{}, false
		project, err := tx.projectOfDelivery(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		room, err := tx.roomToDeliver(ctx, project)
		if err != nil {
			return err
		}
		until := int64(inLine)
		if room > 0 {
			until = millis(tx.Now().Add(busy))
		}
		d, err = scanDelivery(tx.QueryRowContext(ctx, `UPDATE deliveries SET busy_until = $1 WHERE id = $2 AND state = $3 AND busy_until <= $4 AND next_at <= $4 RETURNING `+deliveryColumns,
			until, id, DeliveryPending, millis(tx.Now())))
		ok, d.Waits = err == nil && room > 0, err == nil && room == 0
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		d, err = scanDelivery(tx.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			d, err = Delivery{}, nil
		}
		return err
	})
	return d, ok && err == nil, err
}

// ReleaseDelivery gives up an attempt that was begun, as if it had not been.
func (db *DB) ReleaseDelivery(ctx context.Context, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		project, err := tx.projectOfDelivery(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET busy_until = 0 WHERE id = $1`, id); err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}

// An entry of River's queue is replaced that is still marked as running
// lostAfter its attempt began, and whose delivery no sender holds: its process was
// lost before it began the delivery, or after it noted how that went. If the
// process was only slow, the new entry waits while the old one has the delivery.
const lostAfter = 5 * time.Second

// maxRunning bounds how many entries that are marked as running are looked at.
const maxRunning = 1000

// rescueDeliveries puts deliveries into the queue again whose sender was lost:
// before it began the delivery, at it, or before River knew how it went.
func (db *DB) rescueDeliveries(ctx context.Context, now time.Time) error {
	if err := db.rescueEntries(ctx, now); err != nil {
		return err
	}
	// What River has no running entry of: the database did not take the note of
	// an attempt.
	lost, err := db.due(ctx, `SELECT id, 0 FROM deliveries WHERE busy_until > 0 AND busy_until <= $1 ORDER BY busy_until LIMIT $2`, now)
	if err != nil || len(lost) == 0 {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		for _, d := range lost {
			if _, err := tx.freeDelivery(ctx, int64(d.id), 1, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// rescueEntries replaces the entries of River's queue whose process was lost.
// River itself does so too, but only after rescueAfter.
func (db *DB) rescueEntries(ctx context.Context, now time.Time) error {
	var some int // River's own question is a long one
	err := db.Read(ctx, func(q Queryer) error {
		return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM river_job WHERE state = 'running' AND queue = '"+deliveryQueue+"' LIMIT 1) AS running").Scan(&some)
	})
	if err != nil || some == 0 {
		return err
	}
	running, err := db.queue.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).Queues(deliveryQueue).First(maxRunning))
	if err != nil {
		return explain("read the queue", err)
	}
	for _, entry := range running.Jobs {
		if entry.AttemptedAt == nil || now.Sub(*entry.AttemptedAt) < lostAfter {
			continue
		}
		var args deliveryArgs
		if err := json.Unmarshal(entry.EncodedArgs, &args); err != nil {
			return fmt.Errorf("read entry %d of the queue: %w", entry.ID, err)
		}
		// Most have a sender that waits for its receiver: that costs no write.
		if held, err := db.hasSender(ctx, args.ID, now); err != nil {
			return err
		} else if held {
			continue
		}
		err := db.Write(ctx, func(tx *Tx) error {
			if freed, err := tx.freeDelivery(ctx, args.ID, 0, now); err != nil || !freed {
				return err
			}
			n, err := tx.Changed(ctx, `DELETE FROM river_job WHERE id = $1 AND attempt = $2 AND state = 'running'`, entry.ID, entry.Attempt)
			if err == nil && n == 0 {
				err = errEntryLives
			}
			return err
		})
		if err != nil && !errors.Is(err, errEntryLives) {
			return err
		}
	}
	return nil
}

// hasSender reports whether somebody is at a delivery.
func (db *DB) hasSender(ctx context.Context, id int64, now time.Time) (held bool, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		var n int
		err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM deliveries WHERE id = $1 AND busy_until > $2`, id, millis(now)).Scan(&n)
		held = n > 0
		return err
	})
	return held, err
}

// errEntryLives undoes the rescue of what was not lost.
var errEntryLives = errors.New("the entry of the queue went on")

// freeDelivery takes a pending delivery from a sender whose time is over, and
// with least 0 also one that nobody has, and puts it into the queue for when it
// is due. It reports whether it did.
func (tx *Tx) freeDelivery(ctx context.Context, id, least int64, now time.Time) (bool, error) {
	var next int64
	err := tx.QueryRowContext(ctx, `UPDATE deliveries SET busy_until = 0 WHERE id = $1 AND state = $2 AND busy_until BETWEEN $3 AND $4 RETURNING next_at`,
		id, DeliveryPending, least, millis(now)).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	at := fromMillis(next)
	if !at.After(tx.Now()) {
		at = time.Time{}
	}
	tx.EnqueueDelivery(id, at)
	return true, nil
}

// Attempted notes how an attempt at a delivery went. next is when another is
// due; zero ends it, delivered or failed.
func (db *DB) Attempted(ctx context.Context, id int64, status int, why string, delivered bool, next time.Time) error {
	state := DeliveryPending
	switch {
	case delivered:
		state = DeliveryDelivered
	case next.IsZero():
		state = DeliveryFailed
	}
	why = strings.ReplaceAll(why[:min(len(why), maxLastError)], "\x00", "") // Postgres takes none
	why = strings.ToValidUTF8(why, "")
	return db.Write(ctx, func(tx *Tx) error {
		var finished int64
		if state != DeliveryPending {
			finished = millis(tx.Now())
		}
		project, err := tx.projectOfDelivery(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, attempts = attempts + 1, next_at = $2, last_status = $3, last_error = $4, finished_at = $5, busy_until = 0
			WHERE id = $6 AND state = $7`, state, millis(next), status, why, finished, id, DeliveryPending)
		if err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}

// Replay makes a finished delivery pending again, to where its endpoint is now,
// and puts it into the queue.
func (db *DB) Replay(ctx context.Context, project, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, attempts = 0, next_at = $2, last_error = '', finished_at = 0,
			url = COALESCE((SELECT endpoints.url FROM endpoints WHERE endpoints.id = deliveries.endpoint), url)
			WHERE id = $3 AND project = $4 AND state <> $1`, DeliveryPending, millis(tx.Now()), id, project)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, job.Errorf(job.NotFound, "id", "there is no finished delivery %d to replay", id))
		}
		tx.EnqueueDelivery(id, time.Time{})
		return nil
	})
}
