package egress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// raw serves bytes that net/http's server would not send: it calls speak with
// each connection after the request's headers.
func raw(t *testing.T, speak func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if strings.TrimSpace(line) == "" {
						break
					}
				}
				speak(c)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/file"
}

// flood writes block until the other side closes, and adds up the bytes written.
func flood(c io.Writer, block string, sent *atomic.Int64) {
	for {
		n, err := io.WriteString(c, block)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

var allowed = Options{Allow: []netip.Prefix{loopback}}

func TestFetch(t *testing.T) {
	var got http.Header
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		got.Set("URI", r.RequestURI)
		w.Header().Set("Content-Type", "application/octet-stream; x=y")
		w.Write(png)
	})
	c := mustClient(t, Options{Allow: allowed.Allow, UserAgent: "kinora-test"}, seams{})
	f, err := c.Fetch(t.Context(), s.URL+"/a%2Fb%20c?q=%5C#part", Limits{Accept: []string{"image/", "video/mp4"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Data) != string(png) || f.Type != "image/png" || f.Declared != unknownType {
		t.Errorf("got %q of type %q, declared %q", f.Data, f.Type, f.Declared)
	}
	for name, want := range map[string]string{
		"URI": "/a%2Fb%20c?q=%5C", "User-Agent": "kinora-test", "Accept": "image/*, video/mp4, */*;q=0.1", "Accept-Encoding": "identity",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

// TestBytesAreLimited: whatever size a host declares, no more than the limit is
// kept and not much more is transferred.
func TestBytesAreLimited(t *testing.T) {
	const limit = 100_000
	var sent atomic.Int64
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 8192, strings.Repeat("x", 8192))
	for name, tt := range map[string]struct {
		speak func(net.Conn)
		kind  error
		bytes int
	}{
		"honest": {func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", limit, strings.Repeat("x", limit))
		}, nil, limit},
		"one more": {func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n\r\n%s", strings.Repeat("x", limit+1))
		}, ErrTooLarge, 0},
		"declared too large": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")
			flood(c, chunk, &sent)
		}, ErrTooLarge, 0},
		"declared enormous": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n")
		}, ErrTooLarge, 0},
		"declares less than it sends": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
			flood(c, chunk, &sent)
		}, nil, 10},
		"declares more than it sends": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxxxxxxxxx")
		}, ErrUnreachable, 0},
		"two lengths": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\nxxxxxxxxxxxxxxxxxxxx")
		}, ErrUnreachable, 0},
		"endless, chunked": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			flood(c, chunk, &sent)
		}, ErrTooLarge, 0},
		"endless, until close": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			flood(c, chunk, &sent)
		}, ErrTooLarge, 0},
		"endless header": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			flood(c, chunk[:4], &sent)
		}, ErrUnreachable, 0},
		"endless headers": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			flood(c, strings.Repeat("X: y\r\n", 1000), &sent)
		}, ErrUnreachable, 0},
		"endless hints": {func(c net.Conn) {
			flood(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 100), &sent)
		}, ErrUnreachable, 0},
		"endless status": {func(c net.Conn) {
			flood(c, "HTTP/1.1 200 ", &sent)
		}, ErrUnreachable, 0},
		"no HTTP": {func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n")
		}, ErrUnreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sent.Store(0)
			c := mustClient(t, Options{Allow: allowed.Allow, Timeout: 20 * time.Second}, seams{})
			f, err := c.Fetch(t.Context(), raw(t, tt.speak), Limits{MaxBytes: limit})
			if tt.kind != nil {
				wantKind(t, err, tt.kind)
			} else if err != nil || len(f.Data) != tt.bytes {
				t.Errorf("%v, %v, want %d bytes", f, err, tt.bytes)
			}
			if n := sent.Load(); n > 16<<20 { // the capacity of the sockets' buffers
				t.Errorf("the host could send %d bytes", n)
			}
		})
	}
}

// TestNothingIsUnpacked: a body of ten thousand bytes that would unpack to ten
// million is refused.
func TestNothingIsUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 10_000_000))
	z.Close()
	coding := ""
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.Header().Set("Content-Type", "image/png")
		w.Write(bomb.Bytes())
	})
	c := mustClient(t, allowed, seams{})
	for _, coding = range []string{"gzip", "GZIP", "br", "gzip, gzip"} {
		_, err := c.Fetch(t.Context(), s.URL, Limits{MaxBytes: 1 << 20})
		wantKind(t, err, ErrType)
	}
	for _, coding = range []string{"", "identity"} {
		f, err := c.Fetch(t.Context(), s.URL, Limits{MaxBytes: 1 << 20})
		if err != nil || len(f.Data) != bomb.Len() || f.Type != "application/x-gzip" {
			t.Errorf("%q: %v, want the %d bytes as they were sent", coding, err, bomb.Len())
		}
	}
}

// TestTimeIsLimited: hosts that are slow at each stage are given up.
func TestTimeIsLimited(t *testing.T) {
	hang := func(c net.Conn) { io.Copy(io.Discard, c) } // until the client leaves
	for name, tt := range map[string]struct {
		speak func(net.Conn)
		stall time.Duration
		says  string
	}{
		"no answer": {hang, time.Minute, "time allowed"},
		"half a header": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConte")
			hang(c)
		}, time.Minute, "time allowed"},
		"no body": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			hang(c)
		}, time.Minute, "time allowed"},
		"slow drip": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}, time.Minute, "time allowed"},
		"stall": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 1000))
			hang(c)
		}, 50 * time.Millisecond, "stopped sending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustClient(t, allowed, seams{stall: tt.stall})
			timeout := 250 * time.Millisecond
			if tt.stall < timeout {
				timeout = time.Minute // so that the pause ends the request
			}
			start := time.Now()
			_, err := c.Fetch(t.Context(), raw(t, tt.speak), Limits{Timeout: timeout})
			if e := wantKind(t, err, ErrTimeout); !strings.Contains(e.Msg, tt.says) {
				t.Errorf("%q, want a word of %q", e.Msg, tt.says)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestCallerEndsFetch(t *testing.T) {
	url := raw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c := mustClient(t, allowed, seams{})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("the job was cancelled")) })
	_, err := c.Fetch(ctx, url, Limits{})
	wantKind(t, err, context.Canceled)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	_, err = c.Fetch(ctx, url, Limits{})
	if wantKind(t, err, ErrTimeout); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: not the caller's deadline", err)
	}
}

func TestStatuses(t *testing.T) {
	for _, status := range []int{201, 204, 206, 300, 304, 305, 400, 401, 404, 410, 429, 500, 503, 599} {
		s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		_, err := mustClient(t, allowed, seams{}).Fetch(t.Context(), s.URL, Limits{})
		if e := wantKind(t, err, ErrStatus); e.Status != status || !strings.Contains(e.Msg, fmt.Sprint(status)) {
			t.Errorf("status %d: %d %q", status, e.Status, e.Msg)
		}
	}
}

// TestTypes: the first bytes decide about the type, early and whatever is
// declared.
func TestTypes(t *testing.T) {
	var body []byte
	var sent atomic.Int64
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		w.Write(body)
		if r.URL.Path == "/long" {
			flood(w, strings.Repeat(" ", 32<<10), &sent)
		}
	})
	c := mustClient(t, allowed, seams{})
	for _, tt := range []struct {
		body   string
		accept []string
		says   string
	}{
		{string(png), []string{"image/"}, ""},
		{string(png), nil, ""},
		{"", nil, ""},
		{string(png), []string{"video/", "audio/"}, "image/png: give the direct URL of a file of the type video/, audio/"},
		{"<!DOCTYPE html><title>", []string{"image/"}, "a web page"},
		{"", []string{"image/", "text/"}, "empty"},
		{"\x00\x01\x02\x03", []string{"image/"}, "unknown"},
		{"#!/bin/sh\n", []string{"image/"}, "text/plain"},
		{"<svg xmlns='http://www.w3.org/2000/svg'/>", []string{"image/"}, "text/plain"},
	} {
		body = []byte(tt.body)
		f, err := c.Fetch(t.Context(), s.URL, Limits{Accept: tt.accept})
		if tt.says == "" {
			if err != nil || string(f.Data) != tt.body {
				t.Errorf("%q for %v: %v", tt.body, tt.accept, err)
			}
		} else if e := wantKind(t, err, ErrType); !strings.Contains(e.Msg, tt.says) {
			t.Errorf("%q for %v: %q", tt.body, tt.accept, e.Msg)
		}
	}
	body = []byte("<html>")
	_, err := c.Fetch(t.Context(), s.URL+"/long", Limits{Accept: []string{"image/"}, MaxBytes: 1 << 40})
	wantKind(t, err, ErrType)
}

func TestSniff(t *testing.T) {
	for head, want := range map[string]string{
		"\x89PNG\r\n\x1a\n":                                "image/png",
		"\xff\xd8\xff\xe0\x00\x10JFIF":                     "image/jpeg",
		"RIFF\x00\x00\x00\x00WEBPVP8 ":                     "image/webp",
		"RIFF\x00\x00\x00\x00WAVEfmt ":                     "audio/wav",
		"GIF89a":                                           "image/gif",
		"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom": "video/mp4",
		"\x00\x00\x00\x1cftypisom\x00\x00\x02\x00":         "video/mp4",
		"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ":     "video/quicktime",
		"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00":         "audio/mp4",
		"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00":         "image/avif",
		"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00":         "image/heic",
		"\x1aE\xdf\xa3":                                    "video/webm",
		"ID3\x04\x00":                                      "audio/mpeg",
		"\xff\xfb\x90\x64\x00":                             "audio/mpeg",
		"\xff\xf3\x40\xc0":                                 "audio/mpeg",
		"\xff\xf1\x50\x80\x00":                             "audio/aac",
		"fLaC\x00\x00\x00\x22":                             "audio/flac",
		"OggS\x00":                                         "application/ogg",
		"\xff\xfe<\x00h\x00t\x00":                          "text/plain", // UTF-16's mark
		"\xff\xff\xff\xff":                                 "text/plain",
		"\xff\xfb\xf0\x00":                                 unknownType, // no such bit rate
		"\xff\xfb":                                         "text/plain",
		"\x00\x00\x00\x18ftyp":                             unknownType,
	} {
		if got := sniff([]byte(head)); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}

// TestEnvironmentProxiesAreIgnored uses a host name that no exception for
// loopback covers.
func TestEnvironmentProxiesAreIgnored(t *testing.T) {
	proxy, hits := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "from the proxy")
	})
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	s, _ := listen(t, "tcp", "127.0.0.1:0", servePNG)
	dns := newNames(map[string][]string{"media.test": {"127.0.0.1"}})
	c := mustClient(t, allowed, seams{resolver: dns.resolver()})
	url := "http://media.test:" + port(t, s)
	if f, err := c.Fetch(t.Context(), url, Limits{}); err != nil || string(f.Data) != string(png) {
		t.Errorf("fetch: %v, %v", f, err)
	}
	if _, answer, err := c.Post(t.Context(), url, nil, nil); err != nil || string(answer) != string(png) {
		t.Errorf("post: %q, %v", answer, err)
	}
	if hits.Load() != 0 {
		t.Errorf("the proxy was asked %d times", hits.Load())
	}
	u, err := NewUpstream(UpstreamOptions{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	// An upstream's name cannot be replaced here, so the test checks its
	// transport.
	if u.transport.Proxy != nil {
		t.Error("upstreams are asked through a proxy")
	}
}

// TestNothingFollowsARedirect: cookies, referers and credentials do not follow a
// redirect.
func TestNothingFollowsARedirect(t *testing.T) {
	var got []http.Header
	s, _ := listen(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header)
		if r.URL.Path == "/end" {
			servePNG(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
		w.Header().Set("Alt-Svc", `h3=":1"`)
		http.Redirect(w, r, "http://other.test:"+r.Host[strings.LastIndexByte(r.Host, ':')+1:]+"/end", http.StatusTemporaryRedirect)
	})
	dns := newNames(map[string][]string{"other.test": {"127.0.0.1"}})
	c := mustClient(t, allowed, seams{resolver: dns.resolver()})
	for range 2 {
		if _, err := c.Fetch(t.Context(), s.URL+"/?token=1", Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	status, _, err := c.Post(t.Context(), s.URL, http.Header{"Authorization": {"Bearer x"}}, []byte("{}"))
	if err != nil || status != http.StatusTemporaryRedirect {
		t.Errorf("post: %d %v, want the redirect itself", status, err)
	}
	if len(got) != 5 {
		t.Fatalf("%d requests, want 5: a post follows no redirect", len(got))
	}
	for _, h := range got[:4] {
		for _, name := range []string{"Cookie", "Referer", "Authorization"} {
			if h.Get(name) != "" {
				t.Errorf("%s was sent: %q", name, h.Get(name))
			}
		}
	}
}

// TestTLS: certificates are verified, HTTP/2 is not offered, and a redirect
// does not lose the encryption.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/down":
			http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
		default:
			fmt.Fprint(w, r.Proto)
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail here on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := mustClient(t, allowed, seams{}).Fetch(t.Context(), s.URL, Limits{})
	if e := wantKind(t, err, ErrUnreachable); !strings.Contains(e.Msg, "certificate") {
		t.Errorf("an untrusted certificate: %q", e.Msg)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	dns := newNames(map[string][]string{"wrong.test": {"127.0.0.1"}})
	c := mustClient(t, allowed, seams{roots: pool, resolver: dns.resolver()})
	f, err := c.Fetch(t.Context(), s.URL, Limits{})
	if err != nil || string(f.Data) != "HTTP/1.1" {
		t.Errorf("%v, %v, want HTTP/1.1", f, err)
	}
	_, err = c.Fetch(t.Context(), "https://wrong.test:"+port(t, s), Limits{})
	if e := wantKind(t, err, ErrUnreachable); !strings.Contains(e.Msg, "certificate") {
		t.Errorf("another host's certificate: %q", e.Msg)
	}
	_, err = c.Fetch(t.Context(), s.URL+"/down", Limits{})
	wantKind(t, err, ErrURL)
	plain, _ := listen(t, "tcp", "127.0.0.1:0", servePNG)
	_, err = c.Fetch(t.Context(), "https://127.0.0.1:"+port(t, plain), Limits{})
	if e := wantKind(t, err, ErrUnreachable); !strings.Contains(e.Msg, "TLS") {
		t.Errorf("a host without TLS: %q", e.Msg)
	}
}
