package egress

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPost(t *testing.T) {
	var got *http.Request
	var body []byte
	status, answer := 200, "{}"
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
	c := mustClient(t, allowed, seams{})
	header := http.Header{
		"webhook-id": {"msg_1"}, "Webhook-Signature": {"v1,abc"}, "Host": {"elsewhere.test"},
		"Content-Length": {"1"}, "Transfer-Encoding": {"chunked"}, "Accept-Encoding": {"gzip"},
		"connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Proxy-Authorization": {"Basic x"}, "TE": {"trailers"},
	}
	code, reply, err := c.Post(t.Context(), s.URL+"/hook?a=b", header, []byte(`{"challenge":"x"}`))
	if err != nil || code != 200 || string(reply) != "{}" {
		t.Fatalf("%d %q %v", code, reply, err)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/hook?a=b" || string(body) != `{"challenge":"x"}` || got.ContentLength != int64(len(body)) {
		t.Errorf("%s %s %q", got.Method, got.RequestURI, body)
	}
	if got.Host != s.Listener.Addr().String() {
		t.Errorf("Host %q is not the URL's", got.Host)
	}
	for name, want := range map[string]string{
		"Webhook-Id": "msg_1", "Webhook-Signature": "v1,abc", "Content-Type": "application/json",
		"User-Agent": DefaultUserAgent, "Accept-Encoding": "identity",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	for _, name := range []string{"Upgrade", "Proxy-Authorization", "Te"} {
		if got.Header.Get(name) != "" {
			t.Errorf("%s was sent: %q", name, got.Header.Get(name))
		}
	}
	if got.Header.Get("Connection") != "close" { // every request has a connection of its own
		t.Errorf("Connection: %q, want close", got.Header.Get("Connection"))
	}
	if len(header) != 10 || header.Get("Host") == "" {
		t.Error("the caller's headers were changed")
	}
	for _, status = range []int{204, 301, 302, 307, 308, 400, 410, 500} {
		answer = ""
		if code, _, err := c.Post(t.Context(), s.URL, nil, nil); err != nil || code != status {
			t.Errorf("status %d: %d %v", status, code, err)
		}
	}
	status, answer = 500, strings.Repeat("x", MaxAnswer+1000)
	if code, reply, err := c.Post(t.Context(), s.URL, nil, nil); err != nil || code != 500 || len(reply) != MaxAnswer {
		t.Errorf("a long answer: %d, %d bytes, %v, want its first %d", code, len(reply), err, MaxAnswer)
	}
}

// TestPostTellsTheStatus: if a receiver breaks off after its status, the status
// is returned.
func TestPostTellsTheStatus(t *testing.T) {
	url := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")
		io.Copy(io.Discard, c)
	})
	c := mustClient(t, Options{Allow: allowed.Allow, Timeout: time.Minute}, seams{stall: 50 * time.Millisecond})
	status, answer, err := c.Post(t.Context(), url, nil, nil)
	wantKind(t, err, ErrTimeout)
	if status != 202 || string(answer) != "half" {
		t.Errorf("%d %q beside the error, want what had come", status, answer)
	}
	url = raw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c = mustClient(t, Options{Allow: allowed.Allow, Timeout: 50 * time.Millisecond}, seams{})
	status, _, err = c.Post(t.Context(), url, nil, nil)
	if wantKind(t, err, ErrTimeout); status != 0 {
		t.Errorf("status %d of no answer", status)
	}
}

// TestTell: Tell returns the status, whatever the answer's body is.
func TestTell(t *testing.T) {
	rest := make(chan struct{})
	t.Cleanup(func() { close(rest) })
	for name, tt := range map[string]struct {
		answer string
		status int
	}{
		"cut short": {"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf", 202},
		"broken":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", 200},
		"a failure": {"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf", 500},
		"no answer": {"", 0},
	} {
		c := mustClient(t, allowed, seams{})
		url := raw(t, func(c net.Conn) { io.WriteString(c, tt.answer) })
		status, err := c.Tell(t.Context(), url, nil, []byte("{}"))
		if status != tt.status || (err == nil) != (tt.status != 0) {
			t.Errorf("%s: %d, %v, want %d", name, status, err, tt.status)
		}
	}
	// An endless answer is abandoned before the request's own time limit.
	c := mustClient(t, Options{Allow: allowed.Allow, Timeout: time.Hour}, seams{stall: time.Hour, drain: time.Millisecond})
	url := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n.")
		<-rest
	})
	if status, err := c.Tell(t.Context(), url, nil, nil); status != 200 || err != nil {
		t.Errorf("without an end: %d, %v", status, err)
	}
}
