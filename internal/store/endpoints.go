package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Endpoint is a URL that receives a project's events.
type Endpoint struct {
	ID          int64
	Project     int64
	URL         string
	Description string
	Events      []string // names of events, such as "video.completed" or "job.failed"
	Secret      string   // whsec_…
	// PreviousSecret also signs until PreviousUntil, so that a receiver can
	// change over.
	PreviousSecret string
	PreviousUntil  time.Time
	Disabled       string // why it is not called, or ""
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// MaxEndpoints is how many endpoints a project may have.
const MaxEndpoints = 50

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

// AddEndpoint stores a new endpoint. A project that has MaxEndpoints already gets
// an error of code TooMany.
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

// ChangeEndpoint applies a change to an endpoint and stores it. Pending
// deliveries go to the new URL.
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
		// Pending deliveries go to the endpoint's new URL.
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET url = $1 WHERE endpoint = $2 AND state = $3`, e.URL, id, DeliveryPending)
		return err
	})
	return e, err
}

// DeleteEndpoint removes an endpoint. Its pending deliveries fail.
func (db *DB) DeleteEndpoint(ctx context.Context, project, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.lockSlots(ctx, project); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM endpoints WHERE project = $1 AND id = $2`, project, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoEndpoint(id))
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, last_error = 'the webhook was removed', finished_at = $2, slot = '' WHERE endpoint = $3 AND state = $4`,
			DeliveryFailed, millis(tx.Now()), id, DeliveryPending)
		if err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}
