// Package servicetest makes services for tests: on a database and a folder of
// their own, with the capabilities of models and no models.
package servicetest

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// anyCallback lets every callback URL be called.
type anyCallback struct{}

// Challenge agrees.
func (anyCallback) Challenge(context.Context, string) error { return nil }

// models are the public models: reel draws 256×160 pixels and takes first frames,
// testcard takes none.
var models = []service.ModelName{
	{Name: "reel", Engine: "reel"},
	{Name: "testcard", Engine: "testcard"},
	{Name: "sora-2", Engine: "reel", API: job.OpenAI},
	{Name: "sora-2-pro", Engine: "reel", API: job.OpenAI},
	{Name: "video-01", Engine: "reel", API: job.MiniMaxV1},
	{Name: "T2V-01", Engine: "reel", API: job.MiniMaxV1},
	{Name: "T2V-01-Director", Engine: "reel", API: job.MiniMaxV1},
	{Name: "I2V-01", Engine: "reel", API: job.MiniMaxV1},
	{Name: "I2V-01-Director", Engine: "reel", API: job.MiniMaxV1},
	{Name: "I2V-01-live", Engine: "reel", API: job.MiniMaxV1},
	{Name: "S2V-01", Engine: "reel", API: job.MiniMaxV1},
	{Name: "MiniMax-Hailuo-02", Engine: "reel", API: job.MiniMaxV1},
	{Name: "MiniMax-Hailuo-2.3", Engine: "reel", API: job.MiniMaxV1},
	{Name: "MiniMax-Hailuo-2.3-Fast", Engine: "reel", API: job.MiniMaxV1},
	{Name: "abab-video-1", Engine: "reel", API: job.MiniMaxV1},
	{Name: "image-01", Engine: "reel", API: job.MiniMaxV1},
	{Name: "image-01-live", Engine: "reel", API: job.MiniMaxV1},
	{Name: "MiniMax-H3", Engine: "reel", API: job.MiniMaxV2},
}

// can is what a model of the tests can do: what the test card does, which takes
// every number that a request may have, with reel's camera commands.
func can(t testing.TB, name string, firstFrame bool) kinora.Capabilities {
	t.Helper()
	c, err := kinora.CapabilitiesOf("testcard")
	if err != nil {
		t.Fatal(err)
	}
	reel, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	c.Name, c.FirstFrame, c.Prompt.Camera = name, firstFrame, reel.Prompt.Camera
	return c
}

// Options are the parts of a service on SQLite in a temporary folder. now is the
// clock of its database; nil is time.Now.
func Options(t testing.TB, now func() time.Time) service.Options {
	t.Helper()
	o := service.Options{
		DB:        storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{Now: now}),
		Callbacks: anyCallback{}, Log: slog.New(slog.DiscardHandler),
		Engines: map[string]kinora.Capabilities{"reel": can(t, "reel", true), "testcard": can(t, "testcard", false)},
		Models:  models, Address: "http://kinora.test",
		Queue: 10_000, Attempts: job.DefaultAttempts, Patience: time.Hour, Seconds: job.MaxSeconds, Waiters: 4,
		Poll: 5 * time.Millisecond, FileBytes: 1 << 20, KeepFiles: 24 * time.Hour, KeepLinks: time.Hour,
	}
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o.Blobs, err = blob.Open(t.Context(), t.TempDir())
	check()
	t.Cleanup(func() {
		if err := o.Blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Signer, err = blob.NewSigner(bytes.Repeat([]byte("k"), 32))
	check()
	o.Fetch, err = egress.New(egress.Options{})
	check()
	o.Filter, err = moderation.New(moderation.Options{})
	check()
	o.Meter, err = meter.New(o.DB, meter.Config{})
	check()
	return o
}

// Tenant makes a project with a key that has scopes.
func Tenant(t testing.TB, o *service.Options, name string, scopes ...string) auth.Principal {
	t.Helper()
	p, err := o.Meter.NewProject(name, "")
	if err == nil {
		p.MaxInFlight = 100
		p, err = o.DB.CreateProject(t.Context(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return auth.Principal{Project: p, Key: store.Key{ID: store.NewID(), Project: p.ID, Scopes: scopes}}
}

// Upstream is a client of a service that an operator would run, at an address of
// this machine.
func Upstream(t testing.TB, url string) *egress.Upstream {
	t.Helper()
	u, err := egress.NewUpstream(egress.UpstreamOptions{BaseURL: url, HeaderTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
