package egress

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// attempts are URLs that must not reach the machine that fetches them, nor its
// network. PORT is that of a server on loopback, SOCKET a unix socket.
var attempts = []struct {
	url  string
	kind error
}{
	// Loopback and unspecified.
	{"http://127.0.0.1:PORT/", ErrBlocked},
	{"HTTP://127.0.0.1:PORT/", ErrBlocked},
	{"https://127.0.0.1:PORT/", ErrBlocked},
	{"http://127.0.0.2:PORT/", ErrBlocked},
	{"http://127.255.255.254:PORT/", ErrBlocked},
	{"http://0.0.0.0:PORT/", ErrBlocked},
	{"http://0.1.2.3:PORT/", ErrBlocked},
	{"http://localhost:PORT/", ErrBlocked},
	{"http://LocalHost:PORT/", ErrBlocked},
	{"http://localhost.:PORT/", ErrURL},
	{"http://127.0.0.1.:PORT/", ErrURL},
	{"http://[::1]:PORT/", ErrBlocked},
	{"http://[0:0:0:0:0:0:0:1]:PORT/", ErrBlocked},
	{"http://[::]:PORT/", ErrBlocked},
	// IPv4 within IPv6.
	{"http://[::ffff:127.0.0.1]:PORT/", ErrBlocked},
	{"http://[::ffff:7f00:1]:PORT/", ErrBlocked},
	{"http://[::ffff:0.0.0.0]:PORT/", ErrBlocked},
	{"http://[::127.0.0.1]:PORT/", ErrBlocked},
	{"http://[::ffff:0:127.0.0.1]:PORT/", ErrBlocked},
	{"http://[64:ff9b::127.0.0.1]:PORT/", ErrBlocked},
	{"http://[64:ff9b::a9fe:a9fe]/", ErrBlocked},
	{"http://[64:ff9b:1::7f00:1]:PORT/", ErrBlocked},
	{"http://[2002:7f00:1::]:PORT/", ErrBlocked},
	{"http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/", ErrBlocked},
	// Zones.
	{"http://[fe80::1%25lo]:PORT/", ErrURL},
	{"http://[::1%25lo]:PORT/", ErrURL},
	{"http://[::1%25]:PORT/", ErrURL},
	{"http://[::1%lo]:PORT/", ErrURL},
	{"http://[fe80::1]:PORT/", ErrBlocked},
	// Clouds' metadata, private, shared, multicast, reserved.
	{"http://169.254.169.254/latest/meta-data/", ErrBlocked},
	{"http://[::ffff:169.254.169.254]/", ErrBlocked},
	{"http://[fd00:ec2::254]/", ErrBlocked},
	{"http://[fd20:ce::254]/", ErrBlocked},
	{"http://100.100.100.200/", ErrBlocked},
	{"http://192.0.0.192/", ErrBlocked},
	{"http://168.63.129.16/", ErrBlocked},
	{"http://10.0.0.1/", ErrBlocked},
	{"http://172.16.0.1/", ErrBlocked},
	{"http://172.31.255.255/", ErrBlocked},
	{"http://192.168.1.1/", ErrBlocked},
	{"http://100.64.0.1/", ErrBlocked},
	{"http://100.127.255.255/", ErrBlocked},
	{"http://192.0.2.1/", ErrBlocked},
	{"http://192.88.99.1/", ErrBlocked},
	{"http://198.18.0.1/", ErrBlocked},
	{"http://198.51.100.1/", ErrBlocked},
	{"http://203.0.113.1/", ErrBlocked},
	{"http://224.0.0.1/", ErrBlocked},
	{"http://239.255.255.250:1900/", ErrBlocked},
	{"http://240.0.0.1/", ErrBlocked},
	{"http://255.255.255.255/", ErrBlocked},
	{"http://[fc00::1]/", ErrBlocked},
	{"http://[fec0::1]/", ErrBlocked},
	{"http://[ff02::1]/", ErrBlocked},
	{"http://[100::1]/", ErrBlocked},
	{"http://[2001:db8::1]/", ErrBlocked},
	{"http://[3fff::1]/", ErrBlocked},
	// Decimal, octal, hexadecimal, shortened.
	{"http://2130706433:PORT/", ErrURL},
	{"http://017700000001:PORT/", ErrURL},
	{"http://0x7f000001:PORT/", ErrURL},
	{"http://0X7F000001:PORT/", ErrURL},
	{"http://0177.0.0.1:PORT/", ErrURL},
	{"http://0x7f.0.0.1:PORT/", ErrURL},
	{"http://0x7f.1:PORT/", ErrURL},
	{"http://127.0.0.0x1:PORT/", ErrURL},
	{"http://127.0.0.0x:PORT/", ErrURL},
	{"http://127.1:PORT/", ErrURL},
	{"http://127.0.1:PORT/", ErrURL},
	{"http://127.0.0.01:PORT/", ErrURL},
	{"http://0:PORT/", ErrURL},
	{"http://00000000177.0.0.1:PORT/", ErrURL},
	{"http://256.0.0.1:PORT/", ErrURL},
	{"http://1.2.3.127.0.0.1:PORT/", ErrURL},
	// Other scripts and escapes.
	{"http://１２７.0.0.1:PORT/", ErrURL},
	{"http://127。0。0。1:PORT/", ErrURL},
	{"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/", ErrURL},
	{"http://%31%32%37.0.0.1:PORT/", ErrURL},
	{"http://127.0.0.1%00.example.test:PORT/", ErrURL},
	{"http://127.0.0.1%2f.example.test:PORT/", ErrURL},
	{"http://127.0.0.1%23.example.test:PORT/", ErrURL},
	{"http://127.0.0\t.1:PORT/", ErrURL},
	{"http://127.0.0.1:PORT/\r\nX-Injected: 1", ErrURL},
	{" http://127.0.0.1:PORT/", ErrURL},
	// Two parsers, two hosts.
	{`http://public.test\@127.0.0.1:PORT/`, ErrURL},
	{`http://127.0.0.1:PORT\@public.test/`, ErrURL},
	{`http:\\127.0.0.1:PORT\`, ErrURL},
	{`http:/\127.0.0.1:PORT/`, ErrURL},
	{"http://public.test@127.0.0.1:PORT/", ErrURL},
	{"http://public.test:80@127.0.0.1:PORT/", ErrURL},
	{"http://user:secret@127.0.0.1:PORT/", ErrURL},
	{"http://127.0.0.1:PORT@public.test/", ErrURL},
	{"http://@127.0.0.1:PORT/", ErrURL},
	{"http://a@b@127.0.0.1:PORT/", ErrURL},
	{"http://127.0.0.1:PORT#@public.test/", ErrBlocked},
	{"http://127.0.0.1:PORT?@public.test/", ErrBlocked},
	{"http://127.0.0.1:PORT;public.test/", ErrURL},
	{"http://127.0.0.1:80:PORT/", ErrURL},
	{"http://127.0.0.1 :PORT/", ErrURL},
	{"http://[127.0.0.1]:PORT/", ErrURL},
	{"http://[::1:PORT/", ErrURL},
	{"http:127.0.0.1:PORT/", ErrURL},
	{"http:///127.0.0.1:PORT/", ErrURL},
	{"//127.0.0.1:PORT/", ErrURL},
	{"127.0.0.1:PORT", ErrURL},
	{"http://", ErrURL},
	{"", ErrURL},
	// Ports.
	{"http://127.0.0.1:0/", ErrURL},
	{"http://127.0.0.1:99999/", ErrURL},
	{"http://127.0.0.1:/", ErrURL},
	{"http://127.0.0.1:-1/", ErrURL},
	{"http://public.test:22/", ErrBlocked},
	{"http://public.test:25/", ErrBlocked},
	{"http://93.184.216.34:1023/", ErrBlocked},
	// Schemes and unix sockets.
	{"file:///etc/passwd", ErrURL},
	{"gopher://127.0.0.1:PORT/_GET", ErrURL},
	{"ftp://127.0.0.1:PORT/", ErrURL},
	{"dict://127.0.0.1:PORT/", ErrURL},
	{"ldap://127.0.0.1:PORT/", ErrURL},
	{"ws://127.0.0.1:PORT/", ErrURL},
	{"javascript:fetch('http://127.0.0.1:PORT')", ErrURL},
	{"unix://SOCKET", ErrURL},
	{"unix:SOCKET", ErrURL},
	{"http+unix://SOCKET", ErrURL},
	{"http://unix:SOCKET", ErrURL},
	{"http://unix:SOCKET:/", ErrURL},
	{"http://SOCKET/", ErrURL},
	// Names.
	{"http://private.test:PORT/", ErrBlocked},
	{"http://PRIVATE.test:PORT/", ErrBlocked},
	{"http://six.test:PORT/", ErrBlocked},
	{"http://mapped.test:PORT/", ErrBlocked},
	{"http://nat64.test:PORT/", ErrBlocked},
	{"http://sixtofour.test:PORT/", ErrBlocked},
	{"http://metadata.test/", ErrBlocked},
	{"http://zero.test:PORT/", ErrBlocked},
	{"http://several.test:PORT/", ErrBlocked},
	{"http://internal:PORT/", ErrBlocked},
	{"http://unknown.test:PORT/", ErrBlocked},
	{"http://" + strings.Repeat("a.", 127) + "test:PORT/", ErrURL},
}

var testNames = map[string][]string{
	"public.test":    {"93.184.216.34"},
	"private.test":   {"127.0.0.1"},
	"six.test":       {"::1"},
	"mapped.test":    {"::ffff:127.0.0.1"},
	"nat64.test":     {"64:ff9b::7f00:1"},
	"sixtofour.test": {"2002:7f00:1::"},
	"metadata.test":  {"169.254.169.254"},
	"zero.test":      {"0.0.0.0 ::"},
	"several.test":   {"10.0.0.1 127.0.0.1 ::1 fd00::1"},
	"internal":       {"10.1.2.3"},
}

// TestNothingPrivateIsReached makes each attempt, by fetch and by post, while
// servers listen on IPv4, on IPv6 and on a unix socket.
func TestNothingPrivateIsReached(t *testing.T) {
	four, hits := listen(t, "tcp", "127.0.0.1:0", servePNG)
	port := port(t, four)
	counts := []*atomic.Int64{hits}
	if l, err := net.Listen("tcp6", "[::1]:"+port); err == nil {
		l.Close()
		_, hits := listen(t, "tcp6", "[::1]:"+port, servePNG)
		counts = append(counts, hits)
	}
	socket := filepath.Join(t.TempDir(), "s")
	_, hits = listen(t, "unix", socket, servePNG)
	counts = append(counts, hits)

	var out loopbackOnly
	c := mustClient(t, Options{}, seams{resolver: newNames(testNames).resolver(), admitted: out.admitted})
	fill := strings.NewReplacer("PORT", port, "SOCKET", socket)
	for _, a := range attempts {
		url := fill.Replace(a.url)
		_, fetched := c.FetchURL(t.Context(), url, Limits{})
		_, _, posted := c.Post(t.Context(), url, nil, []byte("{}"))
		for _, err := range []error{fetched, posted} {
			e := wantKind(t, err, a.kind)
			if errors.Is(a.kind, ErrBlocked) && e.Msg != msgBlocked {
				t.Errorf("%s: %q differs from the message for refused addresses", url, e.Msg)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error repeats the password: %v", url, err)
			}
		}
		if seen := out.take(); len(seen) > 0 {
			t.Errorf("%s: the guard let %v through", url, seen)
		}
	}
	for i, n := range counts {
		if n.Load() != 0 {
			t.Errorf("listener %d was reached %d times", i, n.Load())
		}
	}

	// The listeners can be reached where it is allowed, so the checks above can
	// fail.
	c = mustClient(t, Options{Allow: []netip.Prefix{loopback}}, seams{resolver: newNames(testNames).resolver()})
	for _, url := range []string{"http://127.0.0.1:PORT/", "http://private.test:PORT/", "http://[::ffff:127.0.0.1]:PORT/"} {
		got, err := c.Fetch(t.Context(), fill.Replace(url), Limits{})
		if err != nil || string(got.Data) != string(png) {
			t.Errorf("%s: %v, %v where it is allowed", url, got, err)
		}
	}
	if counts[0].Load() != 3 {
		t.Errorf("%d connections, want 3", counts[0].Load())
	}
}

// TestRefusalsLookTheSame: an error does not reveal whether a private name
// exists.
func TestRefusalsLookTheSame(t *testing.T) {
	c := mustClient(t, Options{}, seams{resolver: newNames(testNames).resolver()})
	text := func(name string) string {
		_, err := c.Fetch(t.Context(), "http://"+name+"/a?key=1", Limits{})
		wantKind(t, err, ErrBlocked)
		return strings.ReplaceAll(err.Error(), name, "NAME")
	}
	want := text("unknown.test")
	for _, name := range []string{"private.test", "internal", "metadata.test", "nat64.test", "10.0.0.1", "[::1]"} {
		if got := text(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(want, "key=1") {
		t.Errorf("%q repeats the query", want)
	}
}

// TestErrorsAreShort: a failing name server is not reported as a refusal, and a
// long URL is not repeated.
func TestErrorsAreShort(t *testing.T) {
	c := mustClient(t, Options{}, seams{resolver: newNames(nil).resolver()})
	_, err := c.Fetch(t.Context(), "http://broken.test/"+strings.Repeat("€", 1000)+"?secret", Limits{})
	e := wantKind(t, err, ErrUnreachable)
	if !strings.Contains(e.Msg, "looked up") || !strings.Contains(e.Detail(), "broken.test") {
		t.Errorf("%q (%q)", e.Msg, e.Detail())
	}
	if len(err.Error()) > 400 || !strings.HasPrefix(err.Error(), "fetch http://broken.test/") || !strings.Contains(e.URL, "…") {
		t.Errorf("%q", err)
	}
	_, err = c.Fetch(t.Context(), "ftp://broken.test/", Limits{})
	if e := wantKind(t, err, ErrURL); e.Detail() != "" {
		t.Errorf("detail %q of a URL that was not followed", e.Detail())
	}
}

// TestPublicIsLetThrough: public addresses are accepted.
func TestPublicIsLetThrough(t *testing.T) {
	var out loopbackOnly
	c := mustClient(t, Options{}, seams{admitted: out.admitted, resolver: newNames(map[string][]string{
		"public.test": {"93.184.216.34"}, "six.test": {"2606:2800:21f:cb07::1"}, "a_b.x-y.test": {"8.8.8.8"},
	}).resolver()})
	for url, want := range map[string]string{
		"http://public.test/x":                   "93.184.216.34:80",
		"https://public.test/x":                  "93.184.216.34:443",
		"https://public.test:8443/x":             "93.184.216.34:8443",
		"http://public.test:1024/":               "93.184.216.34:1024",
		"http://public.test#@127.0.0.1/":         "93.184.216.34:80",
		"http://six.test/":                       "[2606:2800:21f:cb07::1]:80",
		"http://a_b.x-y.test/":                   "8.8.8.8:80",
		"http://1.1.1.1/":                        "1.1.1.1:80",
		"https://[2606:4700:4700::1111]/dns":     "[2606:4700:4700::1111]:443",
		"http://[::ffff:1.1.1.1]/":               "1.1.1.1:80",
		"http://public.test/%5C@127.0.0.1?a=%20": "93.184.216.34:80",
	} {
		_, err := c.Fetch(t.Context(), url, Limits{})
		if e := wantKind(t, err, ErrUnreachable); !strings.Contains(e.Detail(), errNoNetwork.Error()) {
			t.Errorf("%s: %s", url, e.Detail())
		}
		if seen := out.take(); len(seen) != 1 || seen[0] != netip.MustParseAddrPort(want) {
			t.Errorf("%s went to %v, want %s", url, seen, want)
		}
	}
}

// TestRebinding: a name that resolves to a public address at first and to a
// private one later is not followed there.
func TestRebinding(t *testing.T) {
	secret, hits := listen(t, "tcp", "127.0.0.2:0", servePNG)
	front, fronted := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://rebind.test:"+port(t, secret)+"/", http.StatusFound)
	})
	dns := newNames(map[string][]string{
		"rebind.test": {"127.0.0.1", "127.0.0.2"},
		"flip.test":   {"93.184.216.34", "127.0.0.2"},
		"both.test":   {"93.184.216.34 127.0.0.2 ::1"},
	})
	var out loopbackOnly
	c := mustClient(t, Options{Allow: []netip.Prefix{loopback}}, seams{resolver: dns.resolver(), admitted: out.admitted})

	_, err := c.Fetch(t.Context(), "http://rebind.test:"+port(t, front)+"/", Limits{})
	wantKind(t, err, ErrBlocked)
	if fronted.Load() != 1 {
		t.Errorf("the first host was reached %d times, want once", fronted.Load())
	}
	out.take()
	url := "http://flip.test:" + port(t, secret) + "/"
	_, err = c.Fetch(t.Context(), url, Limits{})
	wantKind(t, err, ErrUnreachable)
	_, err = c.Fetch(t.Context(), url, Limits{})
	wantKind(t, err, ErrBlocked)
	if _, err = c.Fetch(t.Context(), "http://both.test:"+port(t, secret)+"/", Limits{}); err == nil {
		t.Error("a private address among several answered")
	}
	for _, to := range out.take() {
		if to.Addr() != netip.MustParseAddr("93.184.216.34") {
			t.Errorf("the guard let %v through", to)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the second answer was followed %d times", hits.Load())
	}
}

// TestRedirectsPassTheGuard: each target of a redirect is refused as it would be
// as a first URL.
func TestRedirectsPassTheGuard(t *testing.T) {
	secret, hits := listen(t, "tcp", "127.0.0.2:0", servePNG)
	var location string
	var status int
	front, fronted := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	})
	c := mustClient(t, Options{Allow: []netip.Prefix{loopback}}, seams{resolver: newNames(testNames).resolver()})
	secretPort := port(t, secret)
	for _, target := range []struct {
		url  string
		kind error
	}{
		{secret.URL, ErrBlocked},
		{"//127.0.0.2:" + secretPort + "/", ErrBlocked},
		{"http://127.0.0.3:22/", ErrBlocked},
		{"http://[::ffff:127.0.0.2]:" + secretPort, ErrBlocked},
		{"http://[64:ff9b::127.0.0.2]:" + secretPort, ErrBlocked},
		{"http://169.254.169.254/latest/meta-data/", ErrBlocked},
		{"http://internal/", ErrBlocked},
		{"http://2130706434:" + secretPort, ErrURL},
		{"http://x@127.0.0.2:" + secretPort, ErrURL},
		{`http://public.test\@127.0.0.2:` + secretPort, ErrURL},
		{`/\127.0.0.2:` + secretPort, ErrURL},
		{"file:///etc/passwd", ErrURL},
		{"gopher://127.0.0.2:" + secretPort, ErrURL},
		{"unix:///var/run/docker.sock", ErrURL},
		{"data:image/png;base64,AAAA", ErrURL},
		{"http://a/" + strings.Repeat("a", MaxURL), ErrURL},
		{"", ErrStatus},
	} {
		for _, status = range []int{301, 302, 303, 307, 308} {
			location = target.url
			_, err := c.Fetch(t.Context(), front.URL, Limits{})
			if e := wantKind(t, err, target.kind); e.URL != front.URL {
				t.Errorf("redirect to %s: the error shows %s and not the URL that was given", target.url, e.URL)
			}
		}
	}
	if hits.Load() != 0 || fronted.Load() != 17*5 {
		t.Errorf("%d connections where none may go, %d to the host that redirects, want 85", hits.Load(), fronted.Load())
	}
}

func TestRedirectsEnd(t *testing.T) {
	var requests atomic.Int64
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch r.URL.Path {
		case "/3":
			http.Redirect(w, r, "2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, "/1?q=1#f", http.StatusMovedPermanently)
		case "/1":
			http.Redirect(w, r, "http://"+r.Host+"/0", http.StatusPermanentRedirect)
		case "/0":
			servePNG(w, r)
		default:
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}
	})
	for _, tt := range []struct {
		max, requests int
		path          string
		ok            bool
	}{
		{0, 4, "/3", true}, // three are the default
		{0, 4, "/loop", false},
		{1, 2, "/1", true},
		{1, 2, "/2", false},
		{-1, 1, "/1", false},
		{-1, 1, "/0", true},
	} {
		c := mustClient(t, Options{Allow: []netip.Prefix{loopback}, MaxRedirects: tt.max}, seams{})
		requests.Store(0)
		_, err := c.Fetch(t.Context(), s.URL+tt.path, Limits{})
		if !tt.ok {
			wantKind(t, err, ErrStatus)
		} else if err != nil {
			t.Errorf("%s with %d redirects: %v", tt.path, tt.max, err)
		}
		if n := requests.Load(); n != int64(tt.requests) {
			t.Errorf("%s with %d redirects: %d requests, want %d", tt.path, tt.max, n, tt.requests)
		}
	}
}

// TestAllowListIsExact: exactly the allowed ranges are accepted, on all ports;
// denied ones stay denied.
func TestAllowListIsExact(t *testing.T) {
	prefixes := func(ss ...string) (out []netip.Prefix) {
		for _, s := range ss {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	g, err := newGuard(
		prefixes("10.1.0.0/16", "192.168.7.9/32", "fd00:1::/32", "::ffff:172.16.0.0/108", "64:ff9b::/96"),
		prefixes("10.1.5.0/24", "93.184.216.34/32", "2606:4700:4700::/48"))
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]bool{
		"10.1.0.0:80":                   true,
		"10.1.255.255:22":               true,
		"[::ffff:10.1.2.3]:9000":        true,
		"10.0.255.255:80":               false,
		"10.2.0.0:80":                   false,
		"10.1.1.1:0":                    false,
		"10.1.5.6:80":                   false,
		"192.168.7.9:6379":              true,
		"192.168.7.8:80":                false,
		"192.168.7.10:80":               false,
		"[fd00:1:ffff::1]:25":           true,
		"[fd00:2::1]:80":                false,
		"[fd00::1]:80":                  false,
		"[fd00:1::1%eth0]:80":           false,
		"172.16.0.1:80":                 true,
		"172.31.255.255:80":             true,
		"172.32.0.1:22":                 false,
		"127.0.0.1:80":                  false,
		"[64:ff9b::8.8.8.8]:443":        true,
		"[64:ff9b::8.8.8.8]:22":         false,
		"[64:ff9b::127.0.0.1]:80":       false,
		"[64:ff9b::169.254.169.254]:80": false,
		"[64:ff9b::10.1.2.3]:22":        true,
		"[64:ff9b::10.1.5.3]:80":        false,
		"93.184.216.34:443":             false,
		"93.184.216.35:443":             true,
		"[2606:4700:4700::1111]:443":    false,
		"[2606:4700:4701::1111]:443":    true,
	} {
		err := g.check(netip.MustParseAddrPort(to))
		if (err == nil) != want || err != nil && !errors.Is(err, errRefused) {
			t.Errorf("%s: %v, want let through %v", to, err, want)
		}
	}
	for _, network := range []string{"udp4", "udp6", "unix", "tcp", "ip4"} {
		if err := g.control(network, "10.1.0.1:80", nil); !errors.Is(err, errRefused) {
			t.Errorf("%s: %v, want a refusal", network, err)
		}
	}
	if err := g.control("tcp4", "/var/run/docker.sock", nil); !errors.Is(err, errRefused) {
		t.Errorf("a path: %v, want a refusal", err)
	}
}

// TestAllowedRangeIsReached connects to a range of loopback and beside it.
func TestAllowedRangeIsReached(t *testing.T) {
	in, _ := listen(t, "tcp", "127.0.0.2:0", servePNG)
	beside, hits := listen(t, "tcp", "127.0.0.4:0", servePNG)
	c := mustClient(t, Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/31")}}, seams{})
	if _, err := c.Fetch(t.Context(), in.URL, Limits{}); err != nil {
		t.Error(err)
	}
	_, err := c.Fetch(t.Context(), beside.URL, Limits{})
	wantKind(t, err, ErrBlocked)
	if hits.Load() != 0 {
		t.Error("an address beside the range was reached")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"Allow":        {Allow: []netip.Prefix{{}}},
		"Deny":         {Deny: []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/90")}},
		"MaxRedirects": {MaxRedirects: DefaultRedirects + 1},
		"Timeout":      {Timeout: -time.Second},
		"UserAgent":    {UserAgent: "a\r\nb"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckURL: CheckURL decides about form and addresses, and resolves no name.
func TestCheckURL(t *testing.T) {
	dns := newNames(testNames)
	c := mustClient(t, Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, seams{resolver: dns.resolver()})
	for url, want := range map[string]error{
		"https://hooks.example.test/x": nil,
		"http://private.test/":         nil, // checked when connecting
		"http://10.2.3.4:25/":          nil,
		"http://93.184.216.34/":        nil,
		"http://93.184.216.34:25/":     ErrBlocked,
		"http://127.0.0.1/":            ErrBlocked,
		"https://[::1]:8080/":          ErrBlocked,
		"ftp://hooks.example.test/":    ErrURL,
		"hooks.example.test":           ErrURL,
	} {
		if err := c.CheckURL(url); want != nil {
			wantKind(t, err, want)
		} else if err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(dns.asked) != 0 {
		t.Errorf("names were resolved: %v", dns.asked)
	}
}
