package hub

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/shelf"
)

// bounds reads a Range header.
func bounds(t *testing.T, r *http.Request) (from, to int) {
	t.Helper()
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		t.Errorf("the range is %q", r.Header.Get("Range"))
	}
	return from, to
}

// part answers with a range as it should be.
func part(w http.ResponseWriter, b []byte, from, to int) {
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
	w.Header().Set("Content-Length", strconv.Itoa(to-from+1))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(b[from : to+1])
}

// TestPassingFaults: faults of a server that pass are borne, and the model is whole
// in the end.
func TestPassingFaults(t *testing.T) {
	for name, fault := range map[string]func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte){
		"500": func(_ *testing.T, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.WriteHeader(http.StatusInternalServerError)
		},
		"429": func(_ *testing.T, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"expired": func(_ *testing.T, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.WriteHeader(http.StatusForbidden)
		},
		"a truncated body": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
			w.Header().Set("Content-Length", strconv.Itoa(to-from+1))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(b[from : (from+to)/2])
		},
		"a truncated body without its length": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(b[from : (from+to)/2])
			w.(http.Flusher).Flush()
		},
		"a broken connection": func(*testing.T, http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) },
		"a stall": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
			w.Header().Set("Content-Length", strconv.Itoa(to-from+1))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(b[from : from+100])
			w.(http.Flusher).Flush()
			<-r.Context().Done() // until the client gives up
		},
		"no headers": func(_ *testing.T, _ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() },
		"another range": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			part(w, b, max(0, from-1), to-1)
		},
		"another length": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
			w.Header().Set("Content-Length", strconv.Itoa(to-from+2))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(append(b[from:to+1:to+1], 'x'))
		},
		"longer than claimed": func(t *testing.T, w http.ResponseWriter, r *http.Request, b []byte) {
			from, to := bounds(t, r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(b[from : to+1])
			_, _ = w.Write(bytes.Repeat([]byte("more"), 100000))
		},
		"a file of another size": func(_ *testing.T, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Length", "7")
			_, _ = w.Write([]byte("<html/>"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o Options
			if name == "a stall" || name == "no headers" {
				o.Stall = time.Second // a busy machine must not seem to stall
			}
			srv, h, s := setup(t, o)
			want := files()
			srv.Put(repository, hubtest.Repo{Files: want})
			var times atomic.Int32
			srv.OnCDN(func(w http.ResponseWriter, r *http.Request) bool {
				if b := srv.Large(r.URL.Path); len(b) == many && times.Add(1)%2 == 1 && times.Load() < 8 {
					fault(t, w, r, b)
					return true
				}
				return false
			})
			if err := pull(t.Context(), h, s); err != nil {
				t.Fatal(err)
			}
			whole(t, srv, s, want)
			if times.Load() < 6 {
				t.Errorf("there were %d requests: the fault was not met", times.Load())
			}
		})
	}
}

// TestNoRanges: from a server without ranges a file comes whole.
func TestNoRanges(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	srv.OnCDN(func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = w.Write(srv.Large(r.URL.Path))
		return true
	})
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, want)
}

// TestLastingFaults: faults that do not pass end the pull with an error that names
// the file, and no model appears; what came stays for the next pull.
func TestLastingFaults(t *testing.T) {
	large := "a-00001-of-1.safetensors of test/model"
	for name, tt := range map[string]struct {
		hub, cdn func(srv *hubtest.Server, w http.ResponseWriter, r *http.Request) bool
		want     []string
	}{
		"a wrong digest": {cdn: func(srv *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			b := bytes.Clone(srv.Large(r.URL.Path))
			if len(b) != many {
				return false
			}
			b[many/2] ^= 1
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
			return true
		}, want: []string{large, "what came is not the file", "its SHA-256 is", "nothing of it was kept"}},
		"always 503": {cdn: func(_ *hubtest.Server, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, want: []string{"cannot be had from 127.0.0.1", "503", "try again later"}},
		"always 429": {cdn: func(_ *hubtest.Server, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("RateLimit", `"resolvers";r=0;t=0`)
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, want: []string{"is asked for too often"}},
		"always the wrong range": {cdn: func(srv *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 0-0/1")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte("x"))
			return true
		}, want: []string{`answers with the range "bytes 0-0/1" instead of`}},
		"gone": {cdn: func(_ *hubtest.Server, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		}, want: []string{"has no bytes", "have changed since they were listed"}},
		"another digest than listed": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "a-00001-of-1.safetensors") {
				return false
			}
			w.Header().Set("X-Linked-Etag", `"`+hubtest.Digest([]byte("other"))+`"`)
			w.WriteHeader(http.StatusOK)
			return true
		}, want: []string{large, "now has the digest", "pull again"}},
		"another commit than listed": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "a-00001-of-1.safetensors") {
				return false
			}
			w.Header().Set("X-Repo-Commit", hubtest.Commit("other"))
			w.WriteHeader(http.StatusOK)
			return true
		}, want: []string{large, "answers with commit"}},
		"a file that is gone": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "a-00001-of-1.safetensors") {
				return false
			}
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.WriteHeader(http.StatusNotFound)
			return true
		}, want: []string{"has no file transformer/a-00001-of-1.safetensors at revision", "have changed"}},
		"another small file than listed": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/config.json") {
				return false
			}
			_, _ = w.Write([]byte(`{"layers": 4}`))
			return true
		}, want: []string{"transformer/config.json of test/model", "not those that the list promises"}},
		"a longer small file than listed": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/config.json") {
				return false
			}
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
			return true
		}, want: []string{"not those that the list promises"}},
		"a shorter small file than listed": {hub: func(_ *hubtest.Server, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/config.json") {
				return false
			}
			_, _ = w.Write([]byte(`{"l`))
			return true
		}, want: []string{"transformer/config.json", "it ended after 3 of 13 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, h, s := setup(t, Options{})
			want := files()
			srv.Put(repository, hubtest.Repo{Files: want})
			if tt.hub != nil {
				srv.OnHub(func(w http.ResponseWriter, r *http.Request) bool {
					return strings.Contains(r.URL.Path, "/resolve/") && tt.hub(srv, w, r)
				})
			}
			if tt.cdn != nil {
				srv.OnCDN(func(w http.ResponseWriter, r *http.Request) bool { return tt.cdn(srv, w, r) })
			}
			mentions(t, pull(t.Context(), h, s), tt.want...)
			none(t, s)
			srv.OnHub(nil)
			srv.OnCDN(nil)
			if err := pull(t.Context(), h, s); err != nil {
				t.Fatal(err)
			}
			whole(t, srv, s, want)
		})
	}
}

// TestTruncatedPart: pieces whose bytes a crash has lost are fetched again, and only
// those.
func TestTruncatedPart(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	plan, err := h.Plan(t.Context(), s, entry())
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	var wrote atomic.Int64
	err = h.pull(t.Context(), s, plan, nil, func(p *shelf.Part, b []byte, off int64) (int, error) {
		if off >= 3*shelf.PieceBytes && p.Size() == many {
			for p.Have() < 3*shelf.PieceBytes { // the first three are done before the others fail
				time.Sleep(time.Millisecond)
			}
			return 0, stop
		}
		wrote.Add(int64(len(b)))
		return p.WriteAt(b, off)
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	// Another file may have been stopped in the middle too.
	damage(t, filepath.Join(s.Folder(), ".blobs", hubtest.Digest(big())+".part"), shelf.PieceBytes+7)
	srv.Requests()
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, want)
	fetched := 0
	for _, r := range srv.Requests() {
		var from, to int
		if _, err := fmt.Sscanf(r.Range, "bytes=%d-%d", &from, &to); err == nil && r.CDN && strings.Contains(r.Path, hubtest.Digest(big())) {
			fetched += to - from + 1
		}
	}
	if least := many - 2*shelf.PieceBytes; fetched != least {
		t.Errorf("%d bytes were fetched, want the %d that were missing or damaged", fetched, least)
	}
}

func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestRedirects: the token goes to the hub and to nobody else, redirects end, and
// none leads from https to http.
func TestRedirects(t *testing.T) {
	var got atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization") + r.Header.Get("Cookie"))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer other.Close()
	for name, tt := range map[string]struct{ to, want string }{
		"to another host": {other.URL, "is not there"},
		"round and round": {"", "more than 5 redirects"},
		"to a file":       {"file:///etc/passwd", "no plain web address"},
		"with a password": {"http://a:b@127.0.0.1/", "no plain web address"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, h, s := setup(t, Options{Token: "hf_mine"})
			srv.OnHub(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") != "Bearer hf_mine" {
					t.Errorf("the hub got the token %q", r.Header.Get("Authorization"))
				}
				to := tt.to
				if to == "" {
					to = r.URL.Path
				}
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
				return true
			})
			_, err := h.Plan(t.Context(), s, entry())
			mentions(t, err, tt.want)
		})
	}
	if got.Load() != "" {
		t.Errorf("another host got %q", got.Load())
	}
	secure := httptest.NewTLSServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer secure.Close()
	h, err := New(Options{Endpoint: secure.URL, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	h.client.Transport = secure.Client().Transport
	_, err = h.Info(t.Context(), repository, "")
	mentions(t, err, "redirects from https to http")
}

// TestEnv: endpoint and token come from where Hugging Face's own client has them.
func TestEnv(t *testing.T) {
	home := t.TempDir()
	write := func(path, token string) {
		t.Helper()
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cache/huggingface/token", "hf_cache\n")
	write("hf/token", " hf_home ")
	write("path", "hf_path")
	write("bad", "two words")
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "hf_cache"},
		{map[string]string{"HF_HOME": filepath.Join(home, "hf")}, "hf_home"},
		{map[string]string{"HF_HOME": filepath.Join(home, "hf"), "HF_TOKEN_PATH": filepath.Join(home, "path")}, "hf_path"},
		{map[string]string{"HF_TOKEN": "hf_env\n", "HF_HOME": filepath.Join(home, "hf")}, "hf_env"},
		{map[string]string{"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, ""},
		{map[string]string{"HF_HOME": filepath.Join(home, "none")}, ""},
		{map[string]string{"HF_TOKEN_PATH": filepath.Join(home, "bad")}, "error: holds no token"},
		{map[string]string{"HF_TOKEN": "a\nb"}, "error: HF_TOKEN holds no token"},
	} {
		for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_DISABLE_IMPLICIT_TOKEN"} {
			t.Setenv(name, tt.env[name])
		}
		t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
		t.Setenv("HF_ENDPOINT", "https://hub.example")
		o, err := FromEnv()
		if why, wrong := strings.CutPrefix(tt.want, "error: "); wrong {
			mentions(t, err, why)
		} else if err != nil || o.Token != tt.want || o.Endpoint != "https://hub.example" {
			t.Errorf("%v: %+v, %v; want %q", tt.env, o, err, tt.want)
		}
	}
	for _, bad := range []string{"ftp://x", "hub.example", "https://a:b@hub.example"} {
		if _, err := New(Options{Endpoint: bad}); err == nil {
			t.Errorf("%s is taken for a hub", bad)
		}
	}
}
