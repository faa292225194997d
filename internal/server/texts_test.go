package server

import (
	"bytes"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// onEach runs a test with a server on each available database.
func onEach(t *testing.T, test func(*testing.T, *Server, auth.FirstKeys)) {
	t.Helper()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			s, keys := realServer(t, func(c *Config) { c.Database = storetest.URL(t, dialect) })
			test(t, s, keys)
		})
	}
}

// partsOf returns a form made of parts, each a header and what follows it.
func partsOf(t testing.TB, parts ...[2]string) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {p[0]}})
		if err == nil {
			_, err = part.Write([]byte(p[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// refusals are the forms in which each API says that a request is wrong.
var refusals = map[string]struct {
	status int
	part   string
}{
	"native": {400, `"code":"invalid"`}, "openai": {400, `"invalid_request_error"`}, "v1": {200, `"status_code":2013`}, "v2": {400, `(2013)`},
}

// TestTextsAreChecked: invalid text reaches no database and no reader. Each API
// refuses it in its own form, wherever in a request it is.
func TestTextsAreChecked(t *testing.T) {
	tooLong, formLong := partsOf(t, [2]string{`form-data; name="purpose"`, strings.Repeat("é", 64)}, [2]string{`form-data; name="file"; filename="a.png"`, "x"})
	long, form := partsOf(t, [2]string{`form-data; name="purpose"`, "a\x00b"}, [2]string{`form-data; name="file"; filename="a.png"`, "x"})
	named, formName := partsOf(t, [2]string{"form-data; name=\"file\"; filename=\"a\xff.png\"", "x"}, [2]string{`form-data; name="purpose"`, "vision"})
	prompted, formPrompt := partsOf(t, [2]string{`form-data; name="prompt"`, "a \xff ball"})
	onEach(t, func(t *testing.T, s *Server, keys auth.FirstKeys) {
		for _, tt := range []struct{ api, method, target, kind, body string }{
			{"v1", "GET", "/v1/files/list?purpose=a%00b", "", ""},
			{"v1", "GET", "/v1/files/list?purpose=%ff", "", ""},
			{"v1", "GET", "/v1/files/list?purpose=%zz", "", ""},
			{"v1", "GET", "/v1/files/list?purpose=a;b=1", "", ""},
			{"v2", "GET", "/v2/query/video_generation?filter.model=a%00", "", ""},
			{"native", "GET", "/v1/uploads?purpose=a%00b", "", ""},
			{"native", "GET", "/v1/jobs?model=%c3%28", "", ""},
			{"native", "GET", "/v1/jobs?%00=1", "", ""},
			{"native", "GET", "/v1/jobs/%00", "", ""},
			{"openai", "GET", "/v1/videos?after=%ff", "", ""},
			{"openai", "GET", "/v1/videos/%ff", "", ""},
			{"openai", "GET", "/v1/models/a%00b", "", ""},
			{"openai", "GET", "/v1/files/%ff", "", ""},
			{"native", "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a\u0000b"}`},
			{"native", "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a ball","metadata":{"a":"\\\u0000"}}`},
			{"native", "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a ball","metadata":{"\u0000":"a"}}`},
			{"native", "POST", "/v1/jobs", apitest.JSON, "{\"prompt\":\"a ball\",\"metadata\":{\"a\":\"\xff\"}}"},
			{"native", "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a ball","metadata":{"a":"\ud83d"}}`},
			{"native", "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a ball","metadata":{"a":"\udc36\ud83d"}}`},
			{"native", "POST", "/v1/webhooks", apitest.JSON, `{"url":"https://example.com/\u0000"}`},
			{"native", "POST", "/v1/admin/projects", apitest.JSON, `{"name":"a\u0000"}`},
			{"openai", "POST", "/v1/videos", apitest.JSON, `{"prompt":"a ball","model":"\u0000"}`},
			{"openai", "POST", "/v1/videos", apitest.JSON, "{\"prompt\":\"a \xff ball\"}"},
			{"openai", "POST", "/v1/chat/completions", apitest.JSON, `{"messages":[{"role":"user","content":"\u0000"}]}`},
			{"v1", "POST", "/v1/video_generation", apitest.JSON, "{\"model\":\"reel\",\"prompt\":\"a \xff ball\"}"},
			{"v1", "POST", "/v1/video_generation", "multipart/form-data; boundary=a", `{"model":"reel","prompt":"\ud800"}`},
			{"v1", "POST", "/v1/t2a_v2", apitest.JSON, `{"model":"speech-02","text":"\u0000"}`},
			{"v2", "POST", "/v2/video_generation", apitest.JSON, `{"model":"reel","content":[{"type":"text","text":"\u0000"}]}`},
			{"native", "POST", "/v1/uploads", long, form},
			{"native", "POST", "/v1/uploads", named, formName},
			{"v1", "POST", "/v1/files/upload", long, form},
			{"v1", "POST", "/v1/files/upload", named, formName},
			{"openai", "POST", "/v1/videos", prompted, formPrompt},
		} {
			want := refusals[tt.api]
			key := keys.API
			if strings.Contains(tt.target, "/admin/") {
				key = keys.Admin
			}
			resp, body := call(t, s, tt.method, tt.target, key, tt.body, "Content-Type", tt.kind)
			if resp.StatusCode != want.status || !strings.Contains(body, want.part) || strings.ContainsAny(body, "\x00\ufffd") {
				t.Errorf("%s %s %.80q: %d %s", tt.method, tt.target, tt.body, resp.StatusCode, body)
			}
		}
		if _, body := call(t, s, "POST", "/v1/uploads", keys.API, formLong, "Content-Type", tooLong); !strings.Contains(body, "1 to 64 bytes") {
			t.Errorf("a purpose that would be cut within a character: %s", body)
		}
		for _, path := range []string{"/v1/jobs", "/v1/videos"} {
			resp, body := call(t, s, "POST", path, keys.API, `{"prompt":"a ball"}`, "Idempotency-Key", "a\xffb")
			if resp.StatusCode != 400 || !strings.Contains(body, "Idempotency-Key") {
				t.Errorf("%s: %d %s", path, resp.StatusCode, body)
			}
		}
		good := `{"prompt":"a ball","metadata":{"a":"\\u0000 \\\\\ud83d\udc36 ` + "🐶" + `","\ufffd":"\ufffd"}}`
		if resp, body := call(t, s, "POST", "/v1/jobs", keys.API, good); resp.StatusCode != 202 || !strings.Contains(body, `\\u0000 \\\\🐶 🐶`) {
			t.Errorf("good text: %d %s", resp.StatusCode, body)
		}
	})
}

// TestFormsThatAreNone: a malformed form is the sender's mistake, at every
// endpoint that accepts a form.
func TestFormsThatAreNone(t *testing.T) {
	onEach(t, func(t *testing.T, s *Server, keys auth.FirstKeys) {
		head := "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n"
		for name, body := range map[string]string{
			"a line that is no header":  "--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\ninput\r\n--B\r\ngarbage line\r\n\r\nhello\r\n--B--\r\n",
			"a header without a name":   "--B\r\n: x\r\n\r\nhello\r\n--B--\r\n",
			"no boundary":               "hello",
			"nothing":                   "",
			"an end within":             head + "\r\nhello",
			"an end in a header":        head[:len(head)-4],
			"bytes that are not quoted": head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n\x01\r\n--B--\r\n",
			"a header without end":      "--B\r\nX: " + strings.Repeat("x", 1<<20),
		} {
			for path, api := range map[string]string{"/v1/uploads": "native", "/v1/files/upload": "v1", "/v1/files": "openai", "/v1/videos": "openai", "/v1/videos/extensions": "openai"} {
				resp, answer := call(t, s, "POST", path, keys.API, body, "Content-Type", "multipart/form-data; boundary=B")
				tooLarge := strings.Contains(name, "without end") && strings.Contains(answer, "too large")
				if want := refusals[api]; !tooLarge && (resp.StatusCode != want.status || !strings.Contains(answer, want.part)) {
					t.Errorf("%s, %s: %d %s", path, name, resp.StatusCode, answer)
				}
			}
		}
	})
}

// TestUploadsEndWithTheirFile: fields after the file are an error instead of
// being ignored, and a form that is cut short leaves no file.
func TestUploadsEndWithTheirFile(t *testing.T) {
	s, keys := realServer(t, nil)
	file, purpose := [2]string{`form-data; name="file"; filename="a.txt"`, "hello"}, [2]string{`form-data; name="purpose"`, "story"}
	kind, good := partsOf(t, purpose, file)
	lateKind, late := partsOf(t, file, purpose)
	for name, tt := range map[string]struct {
		kind, body string
		status     int
		part       string
	}{
		"purpose first": {kind, good, 201, `"purpose":"story"`},
		"purpose last":  {lateKind, late, 400, "after the part file"},
		"cut":           {kind, strings.TrimSuffix(good, "--\r\n"), 400, "ends early"},
	} {
		before := blobsOf(t, s, blob.KindFile)
		resp, body := call(t, s, "POST", "/v1/uploads", keys.API, tt.body, "Content-Type", tt.kind)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.part) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		if more := blobsOf(t, s, blob.KindFile) - before; (more == 1) != (tt.status == 201) {
			t.Errorf("%s: %d files more", name, more)
		}
	}
}
