package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// endpoint makes an endpoint of a project that wants some events.
func endpoint(t *testing.T, db *store.DB, project int64, events ...string) store.Endpoint {
	t.Helper()
	e := store.Endpoint{
		ID: store.NewID(), Project: project, URL: "https://example.com/hook", Description: "ours",
		Events: events, Secret: "whsec_MQ==", CreatedAt: db.Now(),
	}
	if err := db.AddEndpoint(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// reportChanges registers the hook that writes deliveries, with the webhook
// package's event names and consecutive IDs.
func reportChanges(db *store.DB) {
	var n atomic.Int64
	db.OnChange(func(tx *store.Tx, j job.Job) error {
		return tx.AddDeliveries(context.Background(), j, []string{"job." + string(j.State)}, func() string { return fmt.Sprintf("evt_%d", n.Add(1)) })
	})
}

// deliveries returns the log, newest first, or ends the test.
func deliveries(t *testing.T, db *store.DB, f store.DeliveryFilter) []store.Delivery {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 100
	}
	out, err := db.Deliveries(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// begin takes a delivery to send, or ends the test.
func begin(t *testing.T, db *store.DB, id int64) store.Delivery {
	t.Helper()
	d, ok, err := db.BeginDelivery(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("begin delivery %d: %v, %v", id, ok, err)
	}
	return d
}

func TestEndpoints(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		first := endpoint(t, db, 1, "job.failed", "video.completed")
		c.add(time.Second)
		second := endpoint(t, db, 1, "job.queued")
		endpoint(t, db, 2, "job.queued")

		got, err := db.Endpoint(ctx, 1, first.ID)
		if err != nil || got.URL != first.URL || got.Description != "ours" || got.Secret != first.Secret || !got.CreatedAt.Equal(first.CreatedAt) ||
			strings.Join(got.Events, " ") != "job.failed video.completed" || got.Disabled != "" || !got.PreviousUntil.IsZero() {
			t.Errorf("got %+v, %v, want %+v", got, err, first)
		}
		all, err := db.Endpoints(ctx, 1)
		if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
			t.Errorf("listed %+v, %v", all, err)
		}

		c.add(time.Second)
		until := c.Now().Add(time.Hour)
		changed, err := db.ChangeEndpoint(ctx, 1, first.ID, func(e *store.Endpoint) error {
			e.URL, e.Events, e.Secret, e.PreviousSecret, e.PreviousUntil, e.Disabled = "https://example.com/b", []string{"job.running"}, "whsec_Mg==", e.Secret, until, "paused"
			return nil
		})
		if err != nil || !changed.UpdatedAt.Equal(c.Now()) {
			t.Fatalf("changed %+v, %v", changed, err)
		}
		if got, err = db.Endpoint(ctx, 1, first.ID); err != nil || got.URL != "https://example.com/b" || got.Events[0] != "job.running" ||
			got.Secret != "whsec_Mg==" || got.PreviousSecret != first.Secret || !got.PreviousUntil.Equal(until) || got.Disabled != "paused" || !got.UpdatedAt.Equal(c.Now()) {
			t.Errorf("after the change: %+v, %v", got, err)
		}
		no := errors.New("no")
		if _, err := db.ChangeEndpoint(ctx, 1, first.ID, func(e *store.Endpoint) error { e.URL = "x"; return no }); !errors.Is(err, no) {
			t.Errorf("a change that was refused: %v", err)
		}
		if got, err = db.Endpoint(ctx, 1, first.ID); err != nil || got.URL != "https://example.com/b" {
			t.Errorf("a change that was refused left %+v, %v", got, err)
		}

		// Another project cannot see, change or remove it.
		_, err = db.Endpoint(ctx, 2, first.ID)
		wantCode(t, "another's endpoint", err, job.NotFound)
		_, err = db.ChangeEndpoint(ctx, 2, first.ID, func(*store.Endpoint) error { return nil })
		wantCode(t, "a change of another's", err, job.NotFound)
		wantCode(t, "removal of another's", db.DeleteEndpoint(ctx, 2, first.ID), job.NotFound)
		if err := db.DeleteEndpoint(ctx, 1, first.ID); err != nil {
			t.Error(err)
		}
		wantCode(t, "a second removal", db.DeleteEndpoint(ctx, 1, first.ID), job.NotFound)
	})
}

func TestEndpointLimit(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		var last store.Endpoint
		for range store.MaxEndpoints {
			last = endpoint(t, db, 1, "job.queued")
		}
		more := store.Endpoint{ID: store.NewID(), Project: 1, Events: []string{"job.queued"}, CreatedAt: db.Now()}
		wantCode(t, "one more than there may be", db.AddEndpoint(t.Context(), more), job.TooMany)
		endpoint(t, db, 2, "job.queued") // another project has a limit of its own
		if err := db.DeleteEndpoint(t.Context(), 1, last.ID); err != nil {
			t.Fatal(err)
		}
		if err := db.AddEndpoint(t.Context(), more); err != nil {
			t.Errorf("after one was removed: %v", err)
		}
	})
}

// TestDeliveriesOfAChange: deliveries are written in the transaction of the
// change, to the job's callback and to the endpoints that want the event.
func TestDeliveriesOfAChange(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		reportChanges(db)
		wants := endpoint(t, db, 1, "job.queued", "job.cancelled")
		endpoint(t, db, 1, "job.failed")
		endpoint(t, db, 2, "job.queued")
		paused := endpoint(t, db, 1, "job.queued")
		if _, err := db.ChangeEndpoint(t.Context(), 1, paused.ID, func(e *store.Endpoint) error { e.Disabled = "paused"; return nil }); err != nil {
			t.Fatal(err)
		}
		s := submission(1)
		s.Job.Callback = "https://example.com/callback"
		j := submit(t, db, s)

		got := deliveries(t, db, store.DeliveryFilter{Project: 1})
		if len(got) != 2 {
			t.Fatalf("%d deliveries of one change: %+v", len(got), got)
		}
		ids := map[string]bool{}
		for _, d := range got {
			ids[d.EventID] = true
			if d.Job != j.ID || d.Event != "job.queued" || d.State != store.DeliveryPending || d.Attempts != 0 || !d.NextAt.Equal(db.Now()) ||
				d.Snapshot.ID != j.ID || d.Snapshot.State != job.Queued || d.Snapshot.Spec.Prompt != j.Spec.Prompt {
				t.Errorf("delivery %+v", d)
			}
			switch {
			case d.Endpoint == 0 && d.URL == s.Job.Callback && d.Form == store.FormMiniMax:
			case d.Endpoint == wants.ID && d.URL == wants.URL && d.Form == store.FormStandard:
			default:
				t.Errorf("a delivery to %q of endpoint %d in the form %s", d.URL, d.Endpoint, d.Form)
			}
		}
		if len(ids) != 2 {
			t.Errorf("event ids %v", ids)
		}
		if due, putOff, err := db.Entries(t.Context(), store.DeliveryQueue); err != nil || due != 2 || putOff != 0 {
			t.Errorf("%d entries are due and %d put off, %v; want 2 that are due", due, putOff, err)
		}

		// A change that is undone writes no delivery.
		no := errors.New("no")
		if _, err := db.Cancel(t.Context(), 1, j.ID, func(*store.Tx, *job.Job) error { return no }); !errors.Is(err, no) {
			t.Fatal(err)
		}
		if got := deliveries(t, db, store.DeliveryFilter{Project: 1}); len(got) != 2 || riverDeliveries(t, db) != 2 {
			t.Errorf("%d deliveries after a change that was undone", len(got))
		}
	})
}

// TestDeliveriesFollowTheirEndpoint: pending and replayed deliveries go to the
// endpoint's present URL. The log keeps the URLs of the others.
func TestDeliveriesFollowTheirEndpoint(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		ctx := t.Context()
		reportChanges(db)
		e := endpoint(t, db, 1, "job.queued")
		submit(t, db, submission(1))
		sent := deliveries(t, db, store.DeliveryFilter{Project: 1})[0].ID
		begin(t, db, sent)
		if err := db.Attempted(ctx, sent, 200, "", true, time.Time{}); err != nil {
			t.Fatal(err)
		}
		submit(t, db, submission(1))
		const moved = "https://example.com/moved"
		if _, err := db.ChangeEndpoint(ctx, 1, e.ID, func(e *store.Endpoint) error { e.URL = moved; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries(t, db, store.DeliveryFilter{Project: 1}) {
			if want := map[bool]string{true: e.URL, false: moved}[d.ID == sent]; d.URL != want {
				t.Errorf("a %s delivery is for %s, want %s", d.State, d.URL, want)
			}
		}
		if err := db.Replay(ctx, 1, sent); err != nil {
			t.Fatal(err)
		}
		if d, err := db.Delivery(ctx, 1, sent); err != nil || d.URL != moved {
			t.Errorf("the replay is for %s, %v", d.URL, err)
		}
	})
}

// riverDeliveries counts the queue's entries for deliveries that wait.
func riverDeliveries(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	due, putOff, err := db.Entries(t.Context(), store.DeliveryQueue)
	if err != nil {
		t.Fatal(err)
	}
	return due + putOff
}

func TestAttempts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		reportChanges(db)
		endpoint(t, db, 1, "job.queued")
		submit(t, db, submission(1))
		id := deliveries(t, db, store.DeliveryFilter{Project: 1})[0].ID

		begin(t, db, id)
		next := c.Now().Add(5 * time.Second)
		if err := db.Attempted(ctx, id, 500, "xx\x00"+strings.Repeat("é", 400), false, next); err != nil {
			t.Fatal(err)
		}
		d, err := db.Delivery(ctx, 1, id)
		if err != nil || d.State != store.DeliveryPending || d.Attempts != 1 || d.LastStatus != 500 || !d.NextAt.Equal(next) || !d.FinishedAt.IsZero() ||
			len(d.LastError) > 500 || d.LastError != "xx"+strings.Repeat("é", 248) {
			t.Errorf("after an attempt that failed: %+v, %v", d, err)
		}
		if d, ok, err := db.BeginDelivery(ctx, id); ok || err != nil || d.State != store.DeliveryPending || !d.NextAt.Equal(next) {
			t.Errorf("begun before it is due: %+v, %v, %v", d, ok, err)
		}
		c.add(5 * time.Second)
		begin(t, db, id)
		if err := db.Attempted(ctx, id, 204, "", true, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if d, err = db.Delivery(ctx, 0, id); err != nil || d.State != store.DeliveryDelivered || d.Attempts != 2 || d.LastStatus != 204 || d.LastError != "" || !d.FinishedAt.Equal(c.Now()) {
			t.Errorf("after one that did not: %+v, %v", d, err)
		}
		// A finished delivery cannot be begun, and a late Attempted changes
		// nothing.
		if _, ok, err := db.BeginDelivery(ctx, id); ok || err != nil {
			t.Errorf("begun after its end: %v, %v", ok, err)
		}
		if err := db.Attempted(ctx, id, 500, "late", false, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if d, err = db.Delivery(ctx, 1, id); err != nil || d.State != store.DeliveryDelivered || d.Attempts != 2 {
			t.Errorf("after a late Attempted: %+v, %v", d, err)
		}
		_, err = db.Delivery(ctx, 2, id)
		wantCode(t, "another's delivery", err, job.NotFound)
	})
}

// TestReleased: an attempt that was not made does not count, and the delivery can
// be sent at once.
func TestReleased(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		reportChanges(db)
		endpoint(t, db, 1, "job.queued")
		submit(t, db, submission(1))
		id := deliveries(t, db, store.DeliveryFilter{Project: 1})[0].ID
		begin(t, db, id)
		if err := db.ReleaseDelivery(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if d := begin(t, db, id); d.Attempts != 0 {
			t.Errorf("it counts as attempt %d", d.Attempts)
		}
	})
}

// TestLostSender: River alone repeats a delivery whose process was lost, whether
// the process had begun it or not. The new attempt uses the slot that the lost
// one held. A finished or postponed delivery stays as it is.
func TestLostSender(t *testing.T) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Deliveries: 3})
			reportChanges(db)
			endpoint(t, db, 1, "job.queued")
			ids := map[string]int64{}
			for _, name := range []string{"never begun", "begun", "delivered", "put off"} {
				j := submit(t, db, submission(1))
				ids[name] = deliveries(t, db, store.DeliveryFilter{Project: 1, Job: j.ID})[0].ID
			}
			begin(t, db, ids["begun"])
			begin(t, db, ids["delivered"])
			begin(t, db, ids["put off"])
			if err := errors.Join(db.Attempted(t.Context(), ids["delivered"], 200, "", true, time.Time{}),
				db.Attempted(t.Context(), ids["put off"], 500, "no", false, db.Now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
			if err := db.LoseDeliveries(t.Context(), time.Minute); err != nil { // their process took all of them and was killed
				t.Fatal(err)
			}
			if n := riverDeliveries(t, db); n != 0 {
				t.Fatalf("%d entries are waiting, although the lost process had taken all", n)
			}
			came := make(chan store.Delivery, 9)
			startQueue(t, db, store.QueueConfig{DeliverTime: 10 * time.Second, Deliver: func(ctx context.Context, id int64) (time.Duration, error) {
				d, ok, err := db.BeginDelivery(ctx, id)
				if err != nil {
					return 0, err
				}
				if ok {
					err = db.Attempted(ctx, id, 200, "", true, time.Time{})
				}
				came <- d
				if !ok && d.State == store.DeliveryPending {
					return max(time.Millisecond, d.NextAt.Sub(db.Now())), err
				}
				return 0, err
			}})
			got := map[int64]store.Delivery{}
			for range ids {
				d := recv(t, "a delivery that was lost", came)
				got[d.ID] = d
			}
			for name, id := range ids {
				want := store.DeliveryDelivered
				if name == "put off" {
					want = store.DeliveryPending
				}
				if d, err := db.Delivery(t.Context(), 1, id); got[id].ID != id || err != nil || d.State != want || d.Attempts > 1 {
					t.Errorf("%s: %+v, %v; River gave %+v", name, d, err, got[id])
				}
			}
		})
	}
}

func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		reportChanges(db)
		endpoint(t, db, 1, "job.queued")
		submit(t, db, submission(1))
		before := deliveries(t, db, store.DeliveryFilter{Project: 1})[0]
		wantCode(t, "a replay of what is pending", db.Replay(ctx, 1, before.ID), job.NotFound)
		if err := db.Attempted(ctx, before.ID, 500, "no", false, time.Time{}); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "a replay of another's", db.Replay(ctx, 2, before.ID), job.NotFound)
		queued := riverDeliveries(t, db)
		c.add(time.Minute)
		if err := db.Replay(ctx, 1, before.ID); err != nil {
			t.Fatal(err)
		}
		d, err := db.Delivery(ctx, 1, before.ID)
		if err != nil || d.State != store.DeliveryPending || d.Attempts != 0 || d.EventID != before.EventID || d.LastError != "" || !d.FinishedAt.IsZero() || !d.NextAt.Equal(c.Now()) {
			t.Errorf("replayed: %+v, %v", d, err)
		}
		if n := riverDeliveries(t, db); n != queued+1 {
			t.Errorf("%d entries in the queue, want %d", n, queued+1)
		}
		begin(t, db, before.ID)
	})
}

// TestRemovedEndpoint: an endpoint's pending deliveries fail when it is removed.
// Finished ones stay as they are.
func TestRemovedEndpoint(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		reportChanges(db)
		e := endpoint(t, db, 1, "job.queued", "job.running")
		submit(t, db, submission(1))
		done := deliveries(t, db, store.DeliveryFilter{Project: 1})[0].ID
		if err := db.Attempted(t.Context(), done, 200, "", true, time.Time{}); err != nil {
			t.Fatal(err)
		}
		claim(t, db)
		if err := db.DeleteEndpoint(t.Context(), 1, e.ID); err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries(t, db, store.DeliveryFilter{Project: 1}) {
			want, why := store.DeliveryFailed, "the webhook was removed"
			if d.ID == done {
				want, why = store.DeliveryDelivered, ""
			}
			if d.State != want || d.LastError != why {
				t.Errorf("delivery of %s: %s, %q, want %s, %q", d.Event, d.State, d.LastError, want, why)
			}
		}
	})
}

func TestDeliveryFilter(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		reportChanges(db)
		a, b := endpoint(t, db, 1, "job.queued"), endpoint(t, db, 1, "job.queued", "job.running")
		endpoint(t, db, 2, "job.queued")
		one := submit(t, db, submission(1))
		c.add(time.Second)
		middle := c.Now()
		two := submit(t, db, submission(1))
		c.add(time.Second)
		claim(t, db) // one: running
		submit(t, db, submission(2))
		first := deliveries(t, db, store.DeliveryFilter{Project: 1, Job: one.ID, Endpoint: a.ID})
		if len(first) != 1 {
			t.Fatalf("%+v", first)
		}
		if err := db.Attempted(t.Context(), first[0].ID, 200, "", true, time.Time{}); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			f    store.DeliveryFilter
			want int
		}{
			"all":             {store.DeliveryFilter{Project: 1}, 5},
			"another project": {store.DeliveryFilter{Project: 2}, 1},
			"a project of no": {store.DeliveryFilter{Project: 3}, 0},
			"endpoint a":      {store.DeliveryFilter{Project: 1, Endpoint: a.ID}, 2},
			"endpoint b":      {store.DeliveryFilter{Project: 1, Endpoint: b.ID}, 3},
			"job two":         {store.DeliveryFilter{Project: 1, Job: two.ID}, 2},
			"delivered":       {store.DeliveryFilter{Project: 1, State: store.DeliveryDelivered}, 1},
			"pending":         {store.DeliveryFilter{Project: 1, State: store.DeliveryPending}, 4},
			"before":          {store.DeliveryFilter{Project: 1, Before: middle}, 2},
			"a page":          {store.DeliveryFilter{Project: 1, Limit: 3}, 3},
		} {
			got := deliveries(t, db, tt.f)
			if len(got) != tt.want {
				t.Errorf("%s: %d deliveries, want %d", name, len(got), tt.want)
			}
			for i := 1; i < len(got); i++ {
				if got[i].CreatedAt.After(got[i-1].CreatedAt) {
					t.Errorf("%s: not the newest first", name)
				}
			}
		}
	})
}

func TestForgetDeliveries(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		reportChanges(db)
		endpoint(t, db, 1, "job.queued")
		submit(t, db, submission(1))
		c.add(time.Hour)
		submit(t, db, submission(1))
		both := deliveries(t, db, store.DeliveryFilter{Project: 1})
		forget := func(want int) {
			t.Helper()
			if _, err := db.ForgetDeliveries(t.Context(), c.Now().Add(-time.Minute), 10); err != nil {
				t.Fatal(err)
			}
			if got := deliveries(t, db, store.DeliveryFilter{Project: 1}); len(got) != want || got[0].ID != both[0].ID {
				t.Errorf("%d deliveries are left, want %d", len(got), want)
			}
		}
		forget(2) // an old pending one stays
		for _, d := range both {
			if err := db.Attempted(t.Context(), d.ID, 200, "", true, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		forget(1) // and a new one
	})
}

// TestForgetDeliveriesInBatches: one call removes at most limit deliveries, the
// oldest first.
func TestForgetDeliveriesInBatches(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		reportChanges(db)
		endpoint(t, db, 1, "job.queued")
		for range 7 {
			submit(t, db, submission(1))
			c.add(time.Second)
		}
		all := deliveries(t, db, store.DeliveryFilter{Project: 1})
		for _, d := range all[1:] { // all but the newest, which is pending
			if err := db.Attempted(t.Context(), d.ID, 200, "", true, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []struct{ gone, left int64 }{{4, 3}, {2, 1}, {0, 1}} {
			n, err := db.ForgetDeliveries(t.Context(), c.Now(), 4)
			left := deliveries(t, db, store.DeliveryFilter{Project: 1})
			if err != nil || n != want.gone || int64(len(left)) != want.left {
				t.Fatalf("%d went and %d are left, %v; want %+v", n, len(left), err, want)
			}
			for i, d := range left {
				if d.ID != all[i].ID {
					t.Errorf("delivery %d of those left is %d, want %d", i, d.ID, all[i].ID)
				}
			}
		}
	})
}
