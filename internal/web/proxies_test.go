package web

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientBehindProxies(t *testing.T) {
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "198.51.100.9", "192.0.2.1"}, // not a proxy of ours: its header is ignored
		{"10.1.1.1:5", "198.51.100.9", "198.51.100.9"},
		{"10.1.1.1:5", "203.0.113.5, 198.51.100.9, 10.2.2.2", "198.51.100.9"},
		{"10.1.1.1:5", "nonsense", "10.1.1.1"},
		{"[2001:db8::1]:5", "", "2001:db8::1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		if got := p.clientOf(r).String(); got != tt.want {
			t.Errorf("%s, forwarded %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

// TestProxiesTakeTurns: the customer's address is the last one that is no proxy
// of ours, over all lines of the header and in every form that proxies write.
func TestProxiesTakeTurns(t *testing.T) {
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}}
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
		if got := p.clientOf(r).String(); got != tt.want {
			t.Errorf("%s, forwarded %q: %s, want %s", tt.peer, tt.lines, got, tt.want)
		}
	}
}

// TestLinksBehindProxies: links begin with the address that the customer used.
func TestLinksBehindProxies(t *testing.T) {
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
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
		if got := p.baseOf(r); got != tt.want+"://video.example.com" {
			t.Errorf("%s, forwarded %q: %s", tt.peer, tt.lines, got)
		}
	}
}
