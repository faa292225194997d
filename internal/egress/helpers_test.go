package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// errNoNetwork replaces the internet, which tests do not access.
var errNoNetwork = errors.New("tests connect to loopback only")

// loopbackOnly lets connections through to loopback and records all others.
type loopbackOnly struct {
	mu   sync.Mutex
	seen []netip.AddrPort
}

func (l *loopbackOnly) admitted(to netip.AddrPort) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, to)
	if to.Addr().Unmap().IsLoopback() {
		return nil
	}
	return errNoNetwork
}

func (l *loopbackOnly) take() []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

// names is a DNS server in memory. The nth look-up of a name gets its nth answer;
// later look-ups get the last one.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   map[string]int // look-ups by name and type
	// everything, if not empty, is the answer to all names.
	everything []netip.Addr
}

func newNames(m map[string][]string) *names {
	n := &names{answers: map[string][][]netip.Addr{}, asked: map[string]int{}}
	for name, steps := range m {
		for _, step := range steps {
			var list []netip.Addr
			for a := range strings.SplitSeq(step, " ") {
				list = append(list, netip.MustParseAddr(a))
			}
			n.answers[name+"."] = append(n.answers[name+"."], list)
		}
	}
	return n
}

const typeA, typeAAAA = 1, 28

func (n *names) lookup(name string, qtype uint16) (out []netip.Addr, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	step := n.everything
	if len(step) == 0 {
		steps := n.answers[strings.ToLower(name)]
		if len(steps) == 0 {
			return nil, false
		}
		key := strings.ToLower(name) + string(rune('a'+qtype))
		step = steps[min(n.asked[key], len(steps)-1)]
		n.asked[key]++
	}
	for _, a := range step {
		if a.Is4() == (qtype == typeA) {
			out = append(out, a)
		}
	}
	return out, true
}

// resolver returns Go's own resolver, which asks n.
func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go n.serve(there)
		return here, nil
	}}
}

// serve answers one connection in DNS's form for streams (RFC 1035, 4.2.2).
func (n *names) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil || len(q) < 12 {
			return
		}
		var name strings.Builder
		at := 12
		for at < len(q) && q[at] != 0 {
			end := at + 1 + int(q[at])
			name.Write(q[at+1 : end])
			name.WriteByte('.')
			at = end
		}
		qtype := binary.BigEndian.Uint16(q[at+1:])
		found, known := n.lookup(name.String(), qtype)
		flags := uint16(0x8180)
		switch {
		case strings.HasPrefix(name.String(), "broken."):
			flags |= 2 // SERVFAIL
		case !known:
			flags |= 3 // NXDOMAIN
		}
		r := append([]byte{0, 0}, q[:2]...)
		for _, v := range []uint16{flags, 1, uint16(len(found)), 0, 0} {
			r = binary.BigEndian.AppendUint16(r, v)
		}
		r = append(r, q[12:at+5]...)
		for _, a := range found {
			for _, v := range []uint16{0xc00c, qtype, 1, 0, 0, uint16(a.BitLen() / 8)} {
				r = binary.BigEndian.AppendUint16(r, v)
			}
			r = append(r, a.AsSlice()...)
		}
		binary.BigEndian.PutUint16(r, uint16(len(r)-2))
		if _, err := c.Write(r); err != nil {
			return
		}
	}
}

// countingListener counts connections.
type countingListener struct {
	net.Listener
	n *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

// listen returns a server at a loopback address and the count of its connections.
func listen(t testing.TB, network, address string, h http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	n := new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = countingListener{l, n}
	s.Start()
	t.Cleanup(s.Close)
	return s, n
}

func port(t testing.TB, s *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// png is a file whose first bytes show its type.
var png = []byte("\x89PNG\r\n\x1a\n and then some")

func servePNG(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/png")
	w.Write(png)
}

// loopback is the range that a client must be allowed so that a test reaches its
// server.
var loopback = netip.MustParsePrefix("127.0.0.1/32")

func mustClient(t testing.TB, o Options, s seams) *Client {
	t.Helper()
	if s.admitted == nil {
		s.admitted = new(loopbackOnly).admitted
	}
	c, err := newClient(o, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

// wantKind checks an error and returns it.
func wantKind(t failer, err, kind error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want *Error", err, err)
	}
	if !errors.Is(err, kind) {
		t.Fatalf("%v (%s): not of the kind %q", err, e.Detail(), kind)
	}
	if e.Op == "" || !strings.Contains(e.Msg, ": ") && !errors.Is(kind, context.Canceled) {
		t.Errorf("%q does not name the operation and what to do", err)
	}
	return e
}
