package native

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// testNative is the native API on a service, without hooks, tenants and reports.
func testNative(f *apitest.Service) *API {
	return New(Parts{Service: f, Sponsors: oneSponsor{f}})
}

// oneSponsor shows a line.
type oneSponsor struct{ f *apitest.Service }

func (s oneSponsor) Show(_ context.Context, _ string, j *job.Job) (service.SponsorText, bool) {
	return service.SponsorText{Text: "Tea, for those who wait", Link: "https://kinora.test/sponsor/tea/" + j.ID.String()}, true
}

// TestNativeFields: what each field of POST /v1/jobs does.
func TestNativeFields(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	src, _, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"a film","seconds":4,"size":"640x400","fps":12}`)
	first := strings.TrimPrefix(src.Header.Get("Location"), "/v1/jobs/")
	id, err := job.ParseID(first, "job_")
	if src.StatusCode != 202 || err != nil {
		t.Fatalf("%d, %v", src.StatusCode, err)
	}
	f.Finish(id)
	file, err := f.AddFile(t.Context(), f.Keys[apitest.KeyOne], service.NewFile{Purpose: "input", Name: "a.png"}, strings.NewReader(string(apitest.PNG(64, 40))))
	if err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString(apitest.PNG(64, 40))
	for _, tt := range []struct {
		body  string
		param string // of the error; "" when it is to be taken
		check func(job.Spec) bool
	}{
		{`{"prompt":"p"}`, "", func(s job.Spec) bool {
			return s.Kind == job.Video && s.Model == "reel" && s.Seconds == 6 && s.Width == 256 && s.Height == 160 && s.Prompt == "p"
		}},
		{`{"prompt":"p","kind":"image","count":3}`, "", func(s job.Spec) bool { return s.Kind == job.Image && s.Count == 3 && s.Seconds == 0 }},
		{`{"prompt":"p","kind":"image"}`, "", func(s job.Spec) bool { return s.Count == 1 }},
		{`{"prompt":"p","kind":"context"}`, "kind", nil},
		{`{"prompt":"p","kind":"image","seconds":4}`, "seconds", nil},
		{`{"prompt":"p","kind":"image","count":10}`, "count", nil},
		{`{"prompt":"p","count":2}`, "count", nil},
		{`{"prompt":"p","kind":"image","count":0}`, "count", nil},
		{`{"prompt":"p","seconds":0}`, "seconds", nil},
		{`{"prompt":"p","fps":0}`, "fps", nil},
		{`{"prompt":"p","steps":0}`, "steps", nil},
		{`{"prompt":"p","width":0}`, "width", nil},
		{`{"prompt":"p","model":"T2V-01"}`, "", func(s job.Spec) bool { return s.Model == "T2V-01" && s.Engine == "reel" }},
		{`{"prompt":"p","model":"none"}`, "model", nil},
		{`{"prompt":"` + strings.Repeat("x", 7001) + `"}`, "prompt", nil},
		{`{"prompt":3}`, "prompt", nil},
		{`{"prompt":"p","seconds":2.5}`, "", func(s job.Spec) bool { return s.Seconds == 2.5 }},
		{`{"prompt":"p","seconds":61}`, "seconds", nil},
		{`{"prompt":"p","seconds":-1}`, "seconds", nil},
		{`{"prompt":"p","seconds":"4"}`, "seconds", nil},
		{`{"prompt":"p","size":"1280x720"}`, "", func(s job.Spec) bool { return s.Width == 1280 && s.Height == 720 }},
		{`{"prompt":"p","size":"1281x720"}`, "size", nil},
		{`{"prompt":"p","size":"big"}`, "size", nil},
		{`{"prompt":"p","size":"64x64","width":64}`, "size", nil},
		{`{"prompt":"p","width":512}`, "", func(s job.Spec) bool { return s.Width == 512 && s.Height == 320 }},
		{`{"prompt":"p","height":320}`, "", func(s job.Spec) bool { return s.Width == 512 && s.Height == 320 }},
		{`{"prompt":"p","width":512,"height":14}`, "height", nil},
		{`{"prompt":"p","width":5000}`, "width", nil},
		{`{"prompt":"p","fps":60}`, "", func(s job.Spec) bool { return s.FPS == 60 }},
		{`{"prompt":"p","fps":121}`, "fps", nil},
		{`{"prompt":"p","seed":9007199254740991}`, "", func(s job.Spec) bool { return s.Seed == 9007199254740991 }},
		{`{"prompt":"p","seed":0}`, "", func(s job.Spec) bool { return s.Seed == 0 }},
		{`{"prompt":"p","seed":-1}`, "seed", nil},
		{`{"prompt":"p","steps":9,"guidance":2.5,"watermark":true}`, "", func(s job.Spec) bool { return s.Steps == 9 && s.Guidance == 2.5 && s.Watermark }},
		{`{"prompt":"p","steps":1001}`, "steps", nil},
		{`{"prompt":"p","guidance":101}`, "guidance", nil},
		{`{"image":{"url":"` + apitest.PictureURL + `"}}`, "", func(s job.Spec) bool { return s.FirstFrame != "" && s.InputImages == 1 }},
		{`{"image":{"data":"` + data + `"}}`, "", func(s job.Spec) bool { return s.FirstFrame != "" }},
		{`{"image":{"data":"data:image/png;base64,` + data + `"}}`, "", func(s job.Spec) bool { return s.FirstFrame != "" }},
		{fmt.Sprintf(`{"image":{"file_id":"file_%d"}}`, file.ID), "", func(s job.Spec) bool { return s.FirstFrame != "" }},
		{`{"image":{"file_id":"file_1234567890123456"}}`, "image.file_id", nil},
		{`{"image":{"file_id":"../../etc"}}`, "image.file_id", nil},
		{`{"image":{"url":"file:///etc/passwd"}}`, "image.url", nil},
		{`{"image":{"url":"file:123"}}`, "image.url", nil},
		{`{"image":{"url":"x","data":"y"}}`, "image", nil},
		{`{"image":{}}`, "image", nil},
		{`{"image":{"path":"/etc/passwd"}}`, "image.path", nil},
		{`{"model":"testcard","image":{"url":"` + apitest.PictureURL + `"}}`, "image", nil},
		{`{"prompt":"p","after":"` + first + `","join":true,"seconds":8}`, "", func(s job.Spec) bool {
			return s.After == id && s.Join && s.Seconds == 8 && s.Width == 640 && s.FPS == 24 && s.InputSeconds == 4
		}},
		{`{"prompt":"p","after":"` + first + `","size":"64x64"}`, "", func(s job.Spec) bool { return s.After == id && !s.Join && s.Width == 64 }},
		{`{"prompt":"p","after":"job_1234567890123456"}`, "after", nil},
		{`{"prompt":"p","join":true}`, "join", nil},
		{`{"prompt":"p","after":"` + first + `","image":{"url":"x"}}`, "image", nil},
		{`{"prompt":"p","priority":9}`, "", func(job.Spec) bool { return *f.Last(t).Priority == 9 }},
		{`{"prompt":"p","priority":10}`, "priority", nil},
		{`{"prompt":"p","metadata":{"order":"42"}}`, "", func(s job.Spec) bool { return s.Metadata["order"] == "42" }},
		{`{"prompt":"p","metadata":{"order":42}}`, "metadata.order", nil},
		{`{"prompt":"p","metadata":{"k":"` + strings.Repeat("v", 513) + `"}}`, "metadata", nil},
		{`{"prompt":"p","negative_prompt":"x"}`, "negative_prompt", nil},
	} {
		before := f.Count()
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, tt.body)
		if tt.param == "" {
			if resp.StatusCode != 202 || f.Count() != before+1 || !tt.check(f.Last(t).Spec) || f.Last(t).API != job.Native {
				t.Errorf("%.80s: %d %s", tt.body, resp.StatusCode, raw)
			}
			continue
		}
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || got["param"] != tt.param || f.Count() != before {
			t.Errorf("%.80s: %d %s, want a complaint about %s", tt.body, resp.StatusCode, raw, tt.param)
		}
		if resp.Header.Get("Content-Type") != "application/problem+json" || got["request_id"] != "req_test" || got["hint"] == "" || got["status"] != float64(resp.StatusCode) || len(raw) > 900 {
			t.Errorf("%.80s: it is no problem: %s", tt.body, raw)
		}
	}
}

// TestNativeLife follows a job by the API from its submission to its deletion.
func TestNativeLife(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	body := `{"prompt":"a ball","size":"1280x720","metadata":{"order":"42"}}`
	_, other, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"before"}`)
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, body, "Idempotency-Key", "k")
	if resp.StatusCode != 202 || got["state"] != "queued" || got["queue_position"] != 1.0 || got["price_usd"] != "0.30" || got["percent"] != 0.0 || got["notes"] == nil || got["api"] != "native" {
		t.Fatalf("%d %s", resp.StatusCode, raw)
	}
	path := resp.Header.Get("Location")
	id, err := job.ParseID(strings.TrimPrefix(path, "/v1/jobs/"), "job_")
	if err != nil {
		t.Fatal(err)
	}
	// Spaces do not make another request of it, another field does.
	if _, again, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, "  "+strings.ReplaceAll(body, ",", " , "), "Idempotency-Key", "k"); again["id"] != got["id"] {
		t.Errorf("it was submitted twice: %s", raw)
	}
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"b"}`, "Idempotency-Key", "k"); resp.StatusCode != 409 || got["code"] != "conflict" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	f.Set(id, func(j *job.Job) {
		j.State, j.Attempt, j.Phase, j.Progress, j.Left, j.Preview = job.Running, 1, "sampling", 0.5, 90*time.Second, "p/1.jpg"
	})
	_, got, raw = apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", "")
	if got["state"] != "running" || got["percent"] != 50.0 || got["phase"] != "sampling" || got["seconds_left"] != 90.0 || got["preview_url"] == nil || got["queue_position"] != nil {
		t.Errorf("%s", raw)
	}
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "DELETE", path, "", ""); resp.StatusCode != 409 {
		t.Errorf("a running job was deleted: %d %s", resp.StatusCode, raw)
	}
	_, got, raw = apitest.Ask(t, s, apitest.KeyOne, "POST", path+"/cancel", "", "")
	if got["state"] != "running" || got["cancel_asked"] != true {
		t.Errorf("%s", raw)
	}
	f.Finish(id) // it was faster
	_, got, raw = apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", "")
	result, _ := got["result"].(map[string]any)
	files, _ := result["files"].([]any)
	if got["state"] != "succeeded" || got["percent"] != 100.0 || got["cancel_asked"] != nil || len(files) != 3 || result["upscaled"] != true || got["finished_at"] == nil || got["expires_at"] == nil {
		t.Fatalf("%s", raw)
	}
	if v := files[0].(map[string]any); v["role"] != "video" || !strings.HasPrefix(v["url"].(string), s.URL+"/media/video/") || len(v["sha256"].(string)) != 64 {
		t.Errorf("%v", v)
	}
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", path+"/cancel", "", ""); resp.StatusCode != 409 || got["code"] != "conflict" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "DELETE", path, "", ""); resp.StatusCode != 204 || raw != "" {
		t.Errorf("%d %q", resp.StatusCode, raw)
	}
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", ""); resp.StatusCode != 404 || got["code"] != "not_found" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	_, got, raw = apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/"+other["id"].(string)+"/cancel", "", "")
	if e, _ := got["error"].(map[string]any); got["state"] != "cancelled" || e["code"] != "cancelled" {
		t.Errorf("%s", raw)
	}
}

func TestNativeWait(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	resp, _, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p"}`)
	path := resp.Header.Get("Location")
	id, _ := job.ParseID(strings.TrimPrefix(path, "/v1/jobs/"), "job_")
	go func() {
		f.Set(id, func(j *job.Job) { j.State = job.Running })
		time.Sleep(20 * time.Millisecond)
		f.Finish(id)
	}()
	if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path+"?wait=60", "", ""); got["state"] != "succeeded" {
		t.Errorf("%s", raw)
	}
	resp, _, _ = apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"q"}`)
	start := time.Now()
	if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", resp.Header.Get("Location")+"?wait=1", "", ""); got["state"] != "queued" || time.Since(start) < 900*time.Millisecond {
		t.Errorf("after %v: %s", time.Since(start), raw)
	}
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path+"?wait=61", "", ""); resp.StatusCode != 400 || got["param"] != "wait" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
}

func TestNativeLists(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	var ids []string
	for i := range 7 {
		model := []string{"reel", "T2V-01"}[i%2]
		_, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, fmt.Sprintf(`{"prompt":"p","model":%q}`, model))
		ids = append(ids, got["id"].(string))
	}
	if _, err := f.Submit(t.Context(), f.Keys[apitest.KeyOne], service.Submission{API: job.MiniMaxV1, Spec: job.Spec{Kind: job.Image, Model: "image-01", Engine: "reel", Prompt: "p", Count: 1}}); err != nil {
		t.Fatal(err)
	}
	first, _ := job.ParseID(ids[0], "job_")
	f.Finish(first)
	list := func(query string) (got []string, next string) {
		t.Helper()
		resp, page, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/jobs?"+query, "", "")
		data, ok := page["data"].([]any)
		if resp.StatusCode != 200 || !ok {
			t.Fatalf("%s: %d %s", query, resp.StatusCode, raw)
		}
		for _, j := range data {
			got = append(got, j.(map[string]any)["id"].(string))
		}
		next, _ = page["next"].(string)
		if (next != "") != (page["has_more"] == true) {
			t.Errorf("%s: %s", query, raw)
		}
		return got, next
	}
	var all []string
	for after := ""; ; {
		got, next := list("order=asc&kind=video&limit=3&after=" + after)
		all = append(all, got...)
		if after = next; after == "" {
			break
		}
	}
	if !slices.Equal(all, ids) {
		t.Errorf("got %v, want %v", all, ids)
	}
	for query, want := range map[string]int{
		"": 8, "state=succeeded": 1, "state=succeeded,queued": 8, "state=running": 0, "model=T2V-01": 3, "model=T2V-01,reel": 7, "kind=image": 1,
		"api=minimax-v1": 1, "api=native": 7, "since=2099-01-01T00:00:00Z": 0, "limit=2": 2,
	} {
		if got, _ := list(query); len(got) != want {
			t.Errorf("%q: %d jobs, want %d", query, len(got), want)
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "state=paused", "kind=film", "order=up", "since=yesterday", "after=job_1", "page=2"} {
		if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/jobs?"+query, "", ""); resp.StatusCode != 400 || got["code"] != "invalid" {
			t.Errorf("%s: %d %s", query, resp.StatusCode, raw)
		}
	}
	if got := func() map[string]any {
		_, got, _ := apitest.Ask(t, s, apitest.KeyTwo, "GET", "/v1/jobs", "", "")
		return got
	}(); len(got["data"].([]any)) != 0 {
		t.Errorf("another project sees %v", got)
	}
}

func TestNativeKeepsProjectsApart(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	resp, _, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p"}`)
	path := resp.Header.Get("Location")
	id, _ := job.ParseID(strings.TrimPrefix(path, "/v1/jobs/"), "job_")
	f.Finish(id)
	file, err := f.AddFile(t.Context(), f.Keys[apitest.KeyOne], service.NewFile{Purpose: "input", Name: "a.png"}, strings.NewReader(string(apitest.PNG(8, 8))))
	if err != nil {
		t.Fatal(err)
	}
	fpath := fmt.Sprintf("/v1/uploads/file_%d", file.ID)
	for _, p := range []string{
		"GET " + path, "GET " + path + "/events", "POST " + path + "/cancel", "DELETE " + path, "GET " + fpath, "DELETE " + fpath,
	} {
		method, path, _ := strings.Cut(p, " ")
		if resp, got, raw := apitest.Ask(t, s, apitest.KeyTwo, method, path, "", ""); resp.StatusCode != 404 || got["code"] != "not_found" {
			t.Errorf("%s: %d %s", p, resp.StatusCode, raw)
		}
	}
	for _, body := range []string{fmt.Sprintf(`{"prompt":"p","after":%q}`, strings.TrimPrefix(path, "/v1/jobs/")), fmt.Sprintf(`{"image":{"file_id":"file_%d"}}`, file.ID)} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyTwo, "POST", "/v1/jobs", apitest.JSON, body); resp.StatusCode != 400 {
			t.Errorf("%s: %d %s", body, resp.StatusCode, raw)
		}
	}
	if j := f.Peek(id); j.ID != id {
		t.Error("another project deleted the job")
	}
}

// TestNativeScopes: every endpoint asks for a scope, and a key without it gets
// 403 in the API's form.
func TestNativeScopes(t *testing.T) {
	f := apitest.New(t)
	n := testNative(f)
	s := f.Serve(t, n)
	for _, rt := range n.Routes() {
		if !slices.Contains(auth.Scopes(), rt.Scope) {
			t.Errorf("%s asks for the scope %q", rt.Pattern, rt.Scope)
		}
		method, path, _ := strings.Cut(rt.Pattern, " ")
		path = strings.NewReplacer("{id}", "x", "{key}", "y").Replace(path)
		if rt.Scope != web.ScopeJobsRead {
			if resp, got, raw := apitest.Ask(t, s, apitest.KeyRead, method, path, "", ""); resp.StatusCode != 403 || got["code"] != "forbidden" {
				t.Errorf("%s: %d %s", rt.Pattern, resp.StatusCode, raw)
			}
		}
		resp, got, raw := apitest.Ask(t, s, "kn-none", method, path, "", "")
		if resp.StatusCode != 401 || got["code"] != "unauthorized" || resp.Header.Get("Www-Authenticate") == "" {
			t.Errorf("%s: %d %s", rt.Pattern, resp.StatusCode, raw)
		}
		if strings.HasPrefix(path, "/v1/admin/") != (rt.Scope == web.ScopeAdmin) {
			t.Errorf("%s has the scope %s", rt.Pattern, rt.Scope)
		}
	}
}

// TestNativeErrors: each kind of error keeps its status and what it says, and
// what is ours is not shown.
func TestNativeErrors(t *testing.T) {
	for _, code := range apitest.AllCodes(t) {
		kind, ok := problems[code]
		if !ok || kind.status < 400 || kind.title == "" {
			t.Errorf("%s has no line", code)
			continue
		}
		f := apitest.New(t)
		f.OnCall = func(string) error {
			return fmt.Errorf("layer: %w", &job.Error{Code: code, Message: "told", Param: "p", RetryAfter: 2500 * time.Millisecond, Err: fmt.Errorf("secret")})
		}
		s := f.Serve(t, testNative(f))
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p"}`)
		if resp.StatusCode != kind.status || got["code"] != string(code) || got["detail"] != "told" || got["param"] != "p" || got["title"] != kind.title ||
			got["type"] != "/docs#error-"+string(code) || resp.Header.Get("Retry-After") != "3" || strings.Contains(raw, "secret") {
			t.Errorf("%s: %d %s %v", code, resp.StatusCode, raw, resp.Header)
		}
	}
	f := apitest.New(t)
	f.OnCall = func(string) error { return fmt.Errorf("dial 10.0.0.1: refused") }
	s := f.Serve(t, testNative(f))
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p"}`); resp.StatusCode != 500 || got["code"] != "internal" || strings.Contains(raw, "10.0.0.1") {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
}

func TestNativeBadBodies(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	for name, tt := range map[string]struct {
		kind, body string
		status     int
	}{
		"no JSON":   {apitest.JSON, "{", 400},
		"an array":  {apitest.JSON, "[1]", 400},
		"null":      {apitest.JSON, "null", 400},
		"nothing":   {apitest.JSON, "", 400},
		"too large": {apitest.JSON, `{"prompt":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		"a form":    {"application/x-www-form-urlencoded", "prompt=p", 400},
	} {
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", tt.kind, tt.body)
		if resp.StatusCode != tt.status || got["detail"] == "" || got["code"] == nil || len(raw) > 900 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, raw)
		}
	}
	if f.Count() != 0 {
		t.Errorf("%d jobs were submitted", f.Count())
	}
	for body, want := range map[string]string{
		"prompt=p":                       "the body is no JSON at byte 1",
		`{"prompt":"p","size":"7x7"}`:    "size: expected string to be width x height of 16 to 4096, such as 1280x720",
		`{"prompt":"p","seconds":-1}`:    "seconds: expected number > 0",
		`{"prompt":"p","seconds":"six"}`: "seconds: expected number",
	} {
		if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, body); !strings.HasPrefix(fmt.Sprint(got["detail"]), want) {
			t.Errorf("%s: %s", body, raw)
		}
	}
	if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/jobs?since=yesterday", "", ""); got["detail"] != "since: expected a time such as 2026-11-25T18:00:00Z" {
		t.Errorf("%s", raw)
	}
	// curl -d says so of whatever it sends.
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", "application/x-www-form-urlencoded", `{"prompt":"p"}`); resp.StatusCode != 202 {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
}

// FuzzNativeJob: no body makes the decoder panic, and what it takes is within
// the limits.
func FuzzNativeJob(f *testing.F) {
	for _, s := range []string{
		`{"prompt":"p"}`, `{"prompt":"p","kind":"image","count":2,"size":"64x64"}`, `{"image":{"url":"https://example.com/picture.png"},"metadata":{"a":"b"}}`,
		`{"prompt":"p","seed":18446744073709551615}`, `{"width":4096,"height":2}`, `[`, `{"seconds":1e999}`, `{"priority":null,"seed":null,"image":null}`,
	} {
		f.Add([]byte(s))
	}
	b := apitest.New(f)
	n := testNative(b)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/jobs", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", apitest.JSON)
		for _, rt := range n.Routes() {
			if rt.Pattern == "POST /v1/jobs" {
				rt.Handle(w, r, b.Keys[apitest.KeyOne])
			}
		}
		if w.Code != http.StatusAccepted {
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || w.Code >= 500 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return
		}
		s := b.Last(t).Spec
		if s.Kind == job.Video && !(s.Seconds > 0 && s.Seconds <= job.MaxSeconds) || s.Width < kinora.MinSide || s.Width%2 != 0 || s.Height > 4096 || s.Seed > service.MaxSeed || s.Count > job.MaxImages || len(s.Metadata) > maxMetadata {
			t.Fatalf("it took %+v", s)
		}
	})
}
