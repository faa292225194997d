package server

import (
	"net/http/httptest"
	"testing"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// TestFloodOfKeys: beyond their requests all addresses together cost the database
// a few looks, however well their keys are formed; who is known behind them, and
// others, are served.
func TestFloodOfKeys(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.AnonymousRPM = 3 })
	elsewhere := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{})
	p, err := elsewhere.CreateProject(t.Context(), store.Project{Name: "other", Plan: "payg", Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	stranger := func() string {
		t.Helper()
		key, _, err := auth.Issue(t.Context(), elsewhere, store.Key{Project: p.ID, Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	get := func(from, key string, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", "/v1/jobs?limit=1", nil)
		r.RemoteAddr = from + ":1234"
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: %d %s, want %d", from, w.Code, w.Body, want)
		}
	}
	const flood, other = "192.0.2.7", "192.0.2.8"
	get(flood, keys.API, 200)
	for range 3 {
		get(flood, stranger(), 401)
	}
	get(flood, keys.API, 200)
	s.looks = rate.NewLimiter(0, 1)
	get(flood, stranger(), 429) // the last look
	get(flood, keys.Admin, 429) // it was never used here: it may be anybody's
	get(other, keys.Admin, 200)
	get(flood, keys.Admin, 200) // it is known now

	s.auth.Forget()
	s.db.Close() // who asks it is told so
	for range 10 {
		get(flood, stranger(), 429)
	}
	get(other, stranger(), 503)
	get(flood, keys.API, 503)
}
