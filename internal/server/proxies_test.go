package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestProxiesTakeTurns: the customer's address is the last one that no proxy of
// ours has, over all lines of the header and in every form that proxies write.
func TestProxiesTakeTurns(t *testing.T) {
	s, _ := realServer(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
		c.Limits.AnonymousRPM = 6
	})
	for _, tt := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"10.1.1.1:5", []string{"203.0.113.5", "198.51.100.9"}, "198.51.100.9"}, // the first is what the customer sent
		{"10.1.1.1:5", []string{"203.0.113.5", "198.51.100.9, 10.2.2.2", "10.3.3.3"}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"198.51.100.9:4711"}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"198.51.100.9, 10.2.2.2:80"}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"[2001:db8::9]:4711"}, "2001:db8::9"},
		{"10.1.1.1:5", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"10.1.1.1:5", []string{"2001:db8::9"}, "2001:db8::9"},
		{"10.1.1.1:5", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"198.51.100.9, ", ""}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"198.51.100.9,,10.2.2.2"}, "198.51.100.9"},
		{"10.1.1.1:5", []string{"203.0.113.5, unknown"}, "10.1.1.1"},
		{"[2001:db8:1::7]:5", []string{"203.0.113.5"}, "203.0.113.5"},
		{"[2001:db8:1::7%eth0]:5", []string{"203.0.113.5"}, "203.0.113.5"},
		{"[::ffff:10.1.1.1]:5", []string{"203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.1:5", []string{"203.0.113.5", "198.51.100.9"}, "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = tt.peer, tt.lines
		if got := s.clientOf(r).String(); got != tt.want {
			t.Errorf("%s, forwarded %q: %s, want %s", tt.peer, tt.lines, got, tt.want)
		}
	}
	var last *httptest.ResponseRecorder
	for i := range 7 { // who sends another address each time is one customer
		r := httptest.NewRequest("GET", "/v1/jobs", nil)
		r.RemoteAddr = "10.1.1.1:5"
		r.Header["X-Forwarded-For"] = []string{"203.0.113." + itoa(i), "198.51.100.9:" + itoa(5000+i)}
		r.Header.Set("Authorization", "Bearer kn-wrong")
		last = httptest.NewRecorder()
		s.Handler().ServeHTTP(last, r)
	}
	if last.Code != http.StatusTooManyRequests {
		t.Errorf("the seventh wrong key of a minute: %d", last.Code)
	}
}

// TestLinksBehindProxies: links begin as the customer's own address did.
func TestLinksBehindProxies(t *testing.T) {
	s, _ := realServer(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	for _, tt := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"10.1.1.1:5", []string{"https"}, "https"},
		{"10.1.1.1:5", []string{"https, http"}, "https"},
		{"10.1.1.1:5", []string{"https", "http"}, "https"},
		{"10.1.1.1:5", []string{"HTTPS"}, "https"},
		{"10.1.1.1:5", []string{"http, https"}, "http"},
		{"10.1.1.1:5", []string{"", "https"}, "https"},
		{"10.1.1.1:5", nil, "http"},
		{"10.1.1.1:5", []string{"gopher"}, "http"},
		{"192.0.2.1:5", []string{"https"}, "http"},
	} {
		r := httptest.NewRequest("GET", "http://video.example.com/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-Proto"] = tt.peer, tt.lines
		if got := s.baseOf(r); got != tt.want+"://video.example.com" {
			t.Errorf("%s, forwarded %q: %s", tt.peer, tt.lines, got)
		}
	}
}

// TestRangesThatMatchNothing are told of.
func TestRangesThatMatchNothing(t *testing.T) {
	for text, fine := range map[string]bool{"10.0.0.0/8": true, "2001:db8::/32": true, "::ffff:10.0.0.0/104": false} {
		c := DefaultConfig()
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(text)}
		if err := c.Check([]string{"reel", "testcard"}); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "trusted_proxies[0]") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
