package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Form is the format of a delivery's body.
type Form string

// The forms.
const (
	FormStandard Form = "standard" // Standard Webhooks, with OpenAI's or our own events
	FormMiniMax  Form = "minimax"  // the body of MiniMax's query, unsigned
)

// DeliveryState is the state of a delivery.
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
	// Waits is set by BeginDelivery alone: every slot of the project was taken.
	// The store enqueues the delivery again when a slot is free.
	Waits bool
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

// AddDeliveries writes the deliveries that report a job's change, with their
// entries in the queue: to the job's own callback, and to the project's endpoints
// that want one of the events.
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
	if err := tx.lockSlots(ctx, j.Project); err != nil {
		return err
	}
	free, err := tx.freeSlots(ctx, j.Project, 0)
	if err != nil {
		return err
	}
	slot := slotNone
	if free == 0 {
		slot = slotWaiting
	}
	for _, d := range ds {
		d.ID, d.EventID = NewID(), eventID()
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (`+deliveryColumns+`, slot) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, 0, '', $11, 0, $12)`,
			d.ID, j.Project, d.Endpoint, d.URL, d.Form, d.Event, d.EventID, j.ID, string(snapshot), DeliveryPending, millis(tx.Now()), slot)
		if err != nil {
			return fmt.Errorf("keeping a delivery: %w", err)
		}
		if slot != slotWaiting {
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
