package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// TestFloodOfKeys: addresses that have used up their requests without a valid key
// cost the database only a few look-ups in all, even with well-formed keys. Known
// keys from such addresses, and other addresses, are served.
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
	s.lookups = rate.NewLimiter(0, 1)
	get(flood, stranger(), 429) // the last look-up
	get(flood, keys.Admin, 429) // it was never used here, so it is unknown
	get(other, keys.Admin, 200)
	get(flood, keys.Admin, 200) // it is known now

	s.auth.Forget()
	s.db.Close() // requests that need a look-up fail
	for range 10 {
		get(flood, stranger(), 429)
	}
	get(other, stranger(), 503)
	get(flood, keys.API, 503)
}

// TestAddressesBehindProxies: a client that claims another address each time is
// one customer, by the address that a trusted proxy reports.
func TestAddressesBehindProxies(t *testing.T) {
	s, _ := realServer(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Limits.AnonymousRPM = 6
	})
	var last *httptest.ResponseRecorder
	for i := range 7 {
		r := httptest.NewRequest("GET", "/v1/jobs", nil)
		r.RemoteAddr = "10.1.1.1:5"
		r.Header["X-Forwarded-For"] = []string{"203.0.113." + apitest.Itoa(i), "198.51.100.9:" + apitest.Itoa(5000+i)}
		r.Header.Set("Authorization", "Bearer kn-wrong")
		last = httptest.NewRecorder()
		s.Handler().ServeHTTP(last, r)
	}
	if last.Code != http.StatusTooManyRequests {
		t.Errorf("the seventh wrong key of a minute: %d", last.Code)
	}
}
