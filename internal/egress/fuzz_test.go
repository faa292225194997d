package egress

import (
	"errors"
	"hash/fnv"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// private reports whether an address is not a public one. It is written with
// net/netip and the RFCs, independently of the guard.
func private(a netip.Addr) bool {
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is4In6() {
		return true
	}
	if a.Is4() {
		b := a.As4()
		return b[0] == 0 || b[0] >= 224 || b[0] == 100 && b[1]&0xc0 == 64 || b == [4]byte{168, 63, 129, 16}
	}
	b := a.As16()
	return b[0]&0xe0 != 0x20 || b[0] == 0x20 && b[1] == 0x02 || string(b[:4]) == "\x20\x01\x00\x00"
}

// fuzzAnswers are the addresses of names in fuzzed URLs.
var fuzzAnswers = [][]netip.Addr{
	nil,
	{netip.MustParseAddr("93.184.216.34")},
	{netip.MustParseAddr("127.0.0.1")},
	{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("93.184.216.34")},
	{netip.MustParseAddr("::1"), netip.MustParseAddr("169.254.169.254")},
	{netip.MustParseAddr("64:ff9b::7f00:1"), netip.MustParseAddr("::ffff:127.0.0.1")},
}

// FuzzFetchURL: for any URL and any redirect, no connection to a private address
// is attempted.
func FuzzFetchURL(f *testing.F) {
	canary, hits := listen(f, "tcp", "127.0.0.1:0", servePNG)
	fill := strings.NewReplacer("PORT", port(f, canary), "SOCKET", "/run/s")
	for _, a := range attempts {
		f.Add(fill.Replace(a.url))
	}
	for _, u := range []string{"http://public.test/", "https://[2606:4700::1]:8443/a?b#c", "data:image/png;base64,AAAA", "data:,x"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		h := fnv.New32a()
		io.WriteString(h, raw)
		answer := fuzzAnswers[h.Sum32()%uint32(len(fuzzAnswers))]
		dns := &names{everything: answer}
		var out loopbackOnly
		c := mustClient(t, Options{}, seams{
			admitted: out.admitted,
			resolver: dns.resolver(),
		})
		_, err := c.FetchURL(t.Context(), raw, Limits{MaxBytes: 1 << 16, Timeout: 5 * time.Second})
		if err == nil && !isData(raw) {
			t.Fatalf("%q was fetched", raw)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %T %v, want *Error", raw, err, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Fatalf("%q: an error of %d bytes", raw, len(err.Error()))
		}
		for _, to := range out.take() {
			if private(to.Addr()) || to.Port() == 0 {
				t.Fatalf("%q: the guard let %v through", raw, to)
			}
		}
		// The same text as a redirect's target is refused in the same way.
		base := &url.URL{Scheme: "http", Host: "public.test", Path: "/a/b"}
		if u, err := parseTarget(base, raw); err == nil && (u.User != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "") {
			t.Fatalf("%q leads to %v", raw, u)
		}
		if hits.Load() != 0 {
			t.Fatalf("%q reached the server on loopback", raw)
		}
	})
}

// FuzzGuard compares the guard with the oracle, for any address.
func FuzzGuard(f *testing.F) {
	for _, a := range []string{"127.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "::1", "64:ff9b::1", "2002::1", "2001::1", "2606:4700::1", "fd00::1"} {
		f.Add(netip.MustParseAddr(a).AsSlice(), uint16(80))
	}
	g, err := newGuard(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		to := netip.AddrPortFrom(a, port)
		err := g.check(to)
		if err == nil && (private(a.Unmap()) || port < 1024 && port != 80 && port != 443) {
			t.Fatalf("%v is let through", to)
		}
		if err != nil && !errors.Is(err, errRefused) {
			t.Fatalf("%v: %v", to, err)
		}
	})
}
