package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/openai"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// These targets send a request through the whole server to a handler, on SQLite
// and on Postgres at once (KINORA_TEST_POSTGRES names one; without it they start
// their own if its programs are installed). No request may make a server panic or
// answer with an internal error, and both databases answer alike.

// fuzzed is a server with one object of each kind that requests can name.
type fuzzed struct {
	*Server
	keys  auth.FirstKeys
	named map[string]string // the ids of a path's wildcards, by the path's beginning
}

// fuzzedServers returns one server per database. They reach nothing outside the
// machine, and no request waits for long.
func fuzzedServers(f *testing.F) (list []*fuzzed) {
	f.Helper()
	was := net.DefaultResolver
	f.Cleanup(func() { net.DefaultResolver = was })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no names here") }}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":"Description: a ball"}}]}`)
			return
		}
		fmt.Fprint(w, `{"data":{"audio":"00","status":2},"extra_info":{"audio_length":1,"audio_sample_rate":32000,"audio_size":1,"audio_format":"mp3"},"base_resp":{"status_code":0}}`)
	}))
	f.Cleanup(up.Close)
	for _, dialect := range storetest.Dialects(f) {
		s, keys := realServer(f, func(c *Config) {
			c.Database = storetest.URL(f, dialect)
			c.Egress.Deny = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			c.Limits.KeyRPM, c.Jobs.Queue = 0, 10_000_000
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			c.CORSOrigins = []string{"https://app.example.com"}
			c.Upstreams.Chat.URL, c.Upstreams.Chat.Model, c.Upstreams.Speech.URL = up.URL+"/v1", "m", up.URL+"/v1"
		})
		for _, a := range s.apis {
			if v1, ok := a.(*minimax.V1); ok {
				v1.ImageWait = time.Millisecond
			}
		}
		close(s.stopping) // requests that wait for a job end at once
		fz := &fuzzed{Server: s, keys: keys, named: map[string]string{}}
		fz.name(f)
		list = append(list, fz)
	}
	return list
}

// name creates the objects that requests name.
func (s *fuzzed) name(f *testing.F) {
	f.Helper()
	create := func(path, key, body string) string {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", apitest.JSON)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		var got struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID == "" {
			f.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return got.ID
	}
	j := create("/v1/jobs", s.keys.API, `{"prompt":"a ball"}`)
	digits := strings.TrimPrefix(j, "job_")
	project := create("/v1/admin/projects", s.keys.Admin, `{"name":"fuzzed"}`)
	key := create("/v1/admin/projects/"+project+"/keys", s.keys.Admin, `{"name":"fuzzed"}`)
	hook := create("/v1/webhooks", s.keys.API, `{"url":"https://example.com/hook","events":["job.failed"]}`)
	for path, ids := range map[string]string{
		"/v1/jobs/": j, "/v1/videos/": openai.VideoPrefix + digits, "/v2/": digits, "/v1/webhooks/": hook, "/v1/admin/projects/": project + " " + key,
	} {
		s.named[path] = ids
	}
}

// target returns a route's path with existing ids for its wildcards.
func (s *fuzzed) target(path string) string {
	var ids []string
	for begin, names := range s.named {
		if strings.HasPrefix(path, begin) {
			ids = strings.Fields(names)
		}
	}
	for n := 0; strings.Contains(path, "{"); n++ {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		id := "1234567890123456"
		if n < len(ids) {
			id = ids[n]
		}
		path = before + id + after
	}
	return path
}

// answeredAlike sends a request to each server and checks the properties that
// every answer must have.
func answeredAlike(t *testing.T, all []*fuzzed, request func(*fuzzed) *http.Request) {
	t.Helper()
	var first string
	for i, s := range all {
		r := request(s)
		key := s.keys.API
		if strings.HasPrefix(r.URL.Path, "/v1/admin/") {
			key = s.keys.Admin
		}
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		body := w.Body.Bytes()
		is := fmt.Sprint(w.Code)
		if strings.Contains(w.Header().Get("Content-Type"), "json") {
			var v1 struct {
				Base struct {
					Code    int    `json:"status_code"`
					Message string `json:"status_msg"`
				} `json:"base_resp"`
			}
			if err := json.Unmarshal(body, &v1); err != nil && !json.Valid(body) {
				t.Fatalf("%s %s: %d, no JSON: %q", r.Method, r.URL.Path, w.Code, body)
			}
			is = fmt.Sprint(w.Code, " ", v1.Base.Code)
			// A job that an earlier request cancelled, and that a repeated key
			// finds, has code 1000 too.
			cancelled := v1.Base.Message == "the task was cancelled"
			if slices.Contains([]int{1000, 1013, 1024, 1033}, v1.Base.Code) && !cancelled {
				t.Fatalf("%s %s on %s: %s", r.Method, r.URL.Path, s.cfg.Database, body)
			}
		}
		if w.Code >= 500 {
			t.Fatalf("%s %s on %s: %d %s", r.Method, r.URL.Path, s.cfg.Database, w.Code, body)
		}
		if i == 0 {
			first = is
		} else if is != first {
			t.Fatalf("%s %s: %s on SQLite, %s on Postgres: %s", r.Method, r.URL.Path, first, is, body)
		}
	}
}

// askFor returns a request as net/http would pass it, whatever its parts contain.
func askFor(ctx context.Context, method, path, query, kind string, body []byte) *http.Request {
	r := httptest.NewRequestWithContext(ctx, method, "/", bytes.NewReader(body))
	r.URL = &url.URL{Path: path, RawQuery: query}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

// fuzzPaths returns the paths, without methods, of all routes that pass accepts.
func fuzzPaths(s *fuzzed, pass func(method, path string) bool) (patterns []string) {
	for _, a := range s.apis {
		for _, rt := range a.Routes() {
			if method, path, _ := strings.Cut(rt.Pattern, " "); pass(method, path) {
				patterns = append(patterns, rt.Pattern)
			}
		}
	}
	slices.Sort(patterns)
	return patterns
}

// forms are the paths that accept a form.
var forms = []string{"/v1/files", "/v1/files/upload", "/v1/uploads", "/v1/videos", "/v1/videos/characters", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/{id}/remix"}

// FuzzDoorJSON sends JSON to every handler that reads it.
func FuzzDoorJSON(f *testing.F) {
	all := fuzzedServers(f)
	bodies := []string{
		`{"prompt":"a ball","metadata":{"a":"\u0000"},"seed":1,"size":"64x64"}`, `{"prompt":"a \ud83d\udc36","kind":"image","count":2}`,
		`{"model":"T2V-01","prompt":"[Truck left] a cat","duration":6}`, `{"model":"reel","content":[{"type":"text","text":"a cat"}],"ratio":"16:9"}`,
		`{"model":"image-01","prompt":"a cat","n":2}`, `{"model":"speech-02-hd","text":"hello","voice_setting":{"speed":1}}`, `{"messages":[{"role":"user","content":"hi"}]}`,
		`{"name":"a","plan":"payg","weight":2,"scopes":["files"],"rpm":1,"amount_usd":"1.5","ref":"r","url":"https://example.com/","events":["job.failed"],"overlap_hours":1}`,
		`{"file_id":1234567890123456,"purpose":"vision"}`, `{"video":{"id":"video_1"},"input_reference":{"file_id":"file_1"},"seconds":"4"}`, `[`, "\xff", `{"":{"":null}}`, `{"prompt":1e999}`,
	}
	patterns := fuzzPaths(all[0], func(method, path string) bool {
		return method != "GET" && (method != "DELETE" || path == "/v1/files") && !slices.Contains([]string{"/v1/files/upload", "/v1/uploads"}, path)
	})
	for i := range patterns {
		for n := i % 4; n < len(bodies); n += 4 { // only some of them, as each request goes to two databases
			f.Add(uint8(i), []byte(bodies[n]))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		method, path, _ := strings.Cut(patterns[int(which)%len(patterns)], " ")
		answeredAlike(t, all, func(s *fuzzed) *http.Request {
			return askFor(t.Context(), method, s.target(path), "", apitest.JSON, body)
		})
	})
}

// FuzzDoorForms sends forms to every handler that reads them.
func FuzzDoorForms(f *testing.F) {
	all := fuzzedServers(f)
	for i := range forms {
		for _, parts := range [][][2]string{
			{{`form-data; name="purpose"`, "vision"}, {`form-data; name="file"; filename="a.png"`, string(pngOf(f, 64, 40))}},
			{{`form-data; name="prompt"`, "a ball"}, {`form-data; name="seconds"`, "4"}, {`form-data; name="input_reference"; filename="a\x00.png"`, "x"}},
			{{`form-data; name="video[id]"`, "video_1"}, {"form-data; name=\"prompt\"; filename*=utf-8''%ff", "\xff"}},
			{{"form-data", ""}, {`form-data; name="file"`, ""}},
		} {
			kind, body := partsOf(f, parts...)
			f.Add(uint8(i), kind, []byte(body))
		}
		f.Add(uint8(i), "multipart/form-data; boundary=B", []byte("--B\r\ngarbage line\r\n\r\nhello\r\n--B--\r\n"))
		f.Add(uint8(i), "multipart/form-data; boundary=B", []byte("--B\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: form-data; name=file\r\n\r\n\x01=ZZ\r\n--B"))
		f.Add(uint8(i), "multipart/form-data", []byte("x"))
		f.Add(uint8(i), "multipart/mixed; boundary=B", []byte("--B\r\n\r\n--B--"))
	}
	f.Fuzz(func(t *testing.T, which uint8, kind string, body []byte) {
		path := forms[int(which)%len(forms)]
		answeredAlike(t, all, func(s *fuzzed) *http.Request {
			return askFor(t.Context(), "POST", s.target(path), "", kind, body)
		})
	})
}

// FuzzDoorAddress puts texts into paths, queries and headers of every endpoint.
func FuzzDoorAddress(f *testing.F) {
	all := fuzzedServers(f)
	patterns := fuzzPaths(all[0], func(string, string) bool { return true })
	patterns = append(patterns, "GET "+service.MediaPath+"{key}", "GET "+service.SponsorPath+"{sponsor}/{job}", "PUT /{x}", "OPTIONS /v1/{x}", "GET /docs")
	for i := range patterns {
		f.Add(uint8(i), "a\x00\xff", "purpose=%00&since=2026-01-01T00%3A00%3A00Z&variant=thumbnail&model=%ff&format=csv", "\xff")
		if i%4 != 0 {
			continue
		}
		f.Add(uint8(i), "1234567890123456", "after=job_1&limit=2&state=queued&wait=1&purpose=a&file_id=1&task_id=2&page_num=1&filter.task_ids=1,2", "k")
		f.Add(uint8(i), "../..//", "a;b&%zz", "198.51.100.9:1, [2001:db8::1]:2")
	}
	f.Fuzz(func(t *testing.T, which uint8, value, query, header string) {
		method, path, _ := strings.Cut(patterns[int(which)%len(patterns)], " ")
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + strings.ReplaceAll(value, "{", "") + after
		}
		answeredAlike(t, all, func(*fuzzed) *http.Request {
			r := askFor(t.Context(), method, path, query, apitest.JSON, []byte(`{"prompt":"a ball","model":"reel"}`))
			for _, name := range []string{"Idempotency-Key", "Last-Event-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "Origin", "User-Agent", "Range", "If-None-Match"} {
				r.Header.Set(name, header)
			}
			return r
		})
	})
}
