package main

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// webhook DIR PROJECT puts a webhook into a server's database, with a delivery
// that failed, whose ID goes into FAILED, and one that is pending.
func webhook(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	clock := time.Now().Add(-time.Hour)
	now := func() time.Time { clock = clock.Add(time.Second); return clock } // so that their order is certain
	db, err := store.Open(ctx, filepath.Join(ts.MkAbs(args[0]), "kinora.db"), store.Options{Now: now})
	ts.Check(err)
	defer db.Close()
	p, err := db.ProjectNamed(ctx, args[1])
	ts.Check(err)
	ts.Check(db.AddEndpoint(ctx, store.Endpoint{
		ID: store.NewID(), Project: p.ID, URL: "https://example.com/hook", Description: "ours",
		Events: []string{"job.failed", "video.completed"}, Secret: "whsec_MQ==", CreatedAt: db.Now(),
	}))
	add := func(event, eventID string) (id int64) {
		ts.Check(db.Write(ctx, func(tx *store.Tx) error {
			return tx.AddDeliveries(ctx, job.Job{ID: job.ID(store.NewID()), Project: p.ID}, []string{event}, func() string { return eventID })
		}))
		all, err := db.Deliveries(ctx, store.DeliveryFilter{Project: p.ID, Limit: 10})
		ts.Check(err)
		for _, d := range all {
			if d.EventID == eventID {
				id = d.ID
			}
		}
		return id
	}
	failed := add("job.failed", "evt_1")
	ts.Check(db.Attempted(ctx, failed, 500, "the receiver answered with status 500", false, time.Time{}))
	add("video.completed", "evt_2")
	ts.Setenv("FAILED", strconv.FormatInt(failed, 10))
}
