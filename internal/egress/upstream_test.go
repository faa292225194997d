package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func mustUpstream(t *testing.T, o UpstreamOptions) *Upstream {
	t.Helper()
	u, err := NewUpstream(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// TestUpstreamStreams: an event arrives before the next one is sent.
func TestUpstreamStreams(t *testing.T) {
	next := make(chan bool)
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Set-Cookie", "id=1")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
	})
	u := mustUpstream(t, UpstreamOptions{BaseURL: s.URL})
	resp, err := u.Do(t.Context(), httptest.NewRequest(http.MethodGet, "/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if h := resp.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Set-Cookie") != "" {
		t.Errorf("headers %v", h)
	}
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) || !lines.Scan() {
			t.Fatalf("event %d: %q, %v", i, lines.Text(), lines.Err())
		}
		next <- true
	}
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after the last event: %q, %v", lines.Text(), lines.Err())
	}
}

// TestUpstreamRequest: of a customer's request only the content reaches the
// upstream.
func TestUpstreamRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	s, conns := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"error":{}}`)
	})
	u := mustUpstream(t, UpstreamOptions{BaseURL: s.URL + "/v1/", APIKey: "sk-upstream", UserAgent: "kinora-test"})
	for range 3 {
		req := httptest.NewRequest(http.MethodPost, "http://kinora.test/chat/completions?api-version=1", strings.NewReader(`{"stream":false}`))
		for name, value := range map[string]string{
			"Authorization": "Bearer kn_customer", "X-Api-Key": "kn_customer", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Host": "kinora.test",
			"Accept-Encoding": "gzip", "Content-Type": "application/json", "Accept": "text/event-stream", "X-Request-Id": "r1", "Connection": "upgrade",
		} {
			req.Header.Set(name, value)
		}
		resp, err := u.Do(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := ReadAll(resp.Body, 100)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || string(answer) != `{"error":{}}` {
			t.Errorf("%d %q %v, want the upstream's answer as it is", resp.StatusCode, answer, err)
		}
		resp.Body.Close()
	}
	if got.RequestURI != "/v1/chat/completions?api-version=1" || got.Host != s.Listener.Addr().String() || string(body) != `{"stream":false}` {
		t.Errorf("%s at %s: %q", got.RequestURI, got.Host, body)
	}
	want := http.Header{
		"Authorization": {"Bearer sk-upstream"}, "Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "X-Request-Id": {"r1"},
		"User-Agent": {"kinora-test"}, "Accept-Encoding": {"identity"}, "Content-Length": {"16"},
	}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("headers %v, want %v", got.Header, want)
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for three requests, want one that is kept", conns.Load())
	}
	for _, way := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(way, u); strings.Contains(text, "sk-upstream") {
			t.Errorf("%s prints the key: %s", way, text)
		}
	}
}

func TestUpstreamFails(t *testing.T) {
	hang := raw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	stall := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhalf")
		io.Copy(io.Discard, c)
	})
	broken := raw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") })
	redirect := raw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n") })
	const closed = "http://127.0.0.1:1" // a port of the system, which no other test is given
	for name, tt := range map[string]struct {
		base, path string
		kind       error
		late       bool // the headers come, the body fails
	}{
		"no answer":      {hang, "/x", ErrTimeout, false},
		"pause":          {stall, "/x", ErrTimeout, true},
		"breaks off":     {broken, "/x", ErrUnreachable, true},
		"redirect":       {redirect, "/x", ErrStatus, false},
		"nobody listens": {closed, "/x", ErrUnreachable, false},
		"leads out":      {hang, "/../admin", ErrUnreachable, false},
		"leads out, too": {hang, "/..%2fadmin", ErrUnreachable, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := mustUpstream(t, UpstreamOptions{
				BaseURL: tt.base, APIKey: "sk-upstream", HeaderTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond,
			})
			resp, err := u.Do(t.Context(), httptest.NewRequest(http.MethodPost, tt.path, strings.NewReader("{}")))
			if tt.late {
				if err != nil {
					t.Fatal(err)
				}
				var text []byte
				text, err = io.ReadAll(resp.Body)
				if string(text) != "half" {
					t.Errorf("got %q, want what was sent", text)
				}
				resp.Body.Close()
			}
			e := wantKind(t, err, tt.kind)
			if text := err.Error() + e.URL; strings.Contains(text, "127.0.0.1") || strings.Contains(text+e.Detail(), "sk-upstream") {
				t.Errorf("%q (%s) reveals too much", text, e.Detail())
			}
			if !strings.Contains(e.Detail(), strings.TrimPrefix(tt.base, "http://")) {
				t.Errorf("the detail %q does not name the upstream", e.Detail())
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := mustUpstream(t, UpstreamOptions{BaseURL: hang}).Do(ctx, httptest.NewRequest(http.MethodGet, "/x", nil))
	wantKind(t, err, context.Canceled)
}

func TestUpstreamOptionsAreChecked(t *testing.T) {
	const good = "http://127.0.0.1:1/v1"
	for name, o := range map[string]UpstreamOptions{
		"empty":     {},
		"no scheme": {BaseURL: "127.0.0.1:11434"},
		"socket":    {BaseURL: "unix:///run/llm.sock"},
		"password":  {BaseURL: "http://a:secret@127.0.0.1/"},
		"query":     {BaseURL: good + "?key=secret"},
		"key":       {BaseURL: good, APIKey: "secret\r\nX: y"},
		"timeout":   {BaseURL: good, IdleTimeout: -1},
		"agent":     {BaseURL: good, UserAgent: "\n"},
	} {
		if _, err := NewUpstream(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want an error without secrets", name, err)
		}
	}
}

func TestReadAll(t *testing.T) {
	if b, err := ReadAll(strings.NewReader("12345"), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q %v", b, err)
	}
	if b, err := ReadAll(strings.NewReader("12345"), 1<<63-1); err != nil || string(b) != "12345" {
		t.Errorf("%q %v", b, err)
	}
	_, err := ReadAll(strings.NewReader("123456"), 5)
	wantKind(t, err, ErrTooLarge)
	broken := errors.New("broken")
	if _, err := ReadAll(io.MultiReader(strings.NewReader("1"), errReader{broken}), 5); !errors.Is(err, broken) {
		t.Errorf("%v, want the reader's error", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
