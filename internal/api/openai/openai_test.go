package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// TestOpenAIFields: what each field does, by multipart and by JSON.
func TestOpenAIFields(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	bad := func(code, param string) func(job.Spec, map[string]any) bool {
		return func(_ job.Spec, got map[string]any) bool {
			e, _ := got["error"].(map[string]any)
			return e["code"] == code && (e["param"] == param || param == "" && e["param"] == nil)
		}
	}
	for _, tt := range []struct {
		name  string
		field map[string]string
		ok    bool
		check func(job.Spec, map[string]any) bool
	}{
		{"model: default", nil, true, func(s job.Spec, v map[string]any) bool { return s.Model == "sora-2" && v["model"] == "sora-2" }},
		{"model: ours, native size", map[string]string{"model": "reel"}, true, func(s job.Spec, v map[string]any) bool { return s.Width == 256 && v["size"] == "256x160" }},
		{"model: unknown", map[string]string{"model": "x"}, false, bad("model_not_found", "model")},
		{"prompt: blank", map[string]string{"prompt": "  "}, false, bad("missing_required_parameter", "prompt")},
		{"seconds: default", nil, true, func(s job.Spec, v map[string]any) bool { return s.Seconds == 4 && v["seconds"] == "4" }},
		{"seconds: 12", map[string]string{"seconds": "12"}, true, func(s job.Spec, v map[string]any) bool { return s.Seconds == 12 && v["seconds"] == "12" }},
		{"seconds: 2.5", map[string]string{"seconds": "2.5"}, true, func(s job.Spec, v map[string]any) bool { return s.Seconds == 2.5 && v["seconds"] == "2.5" }},
		{"seconds: 0", map[string]string{"seconds": "0"}, false, bad("invalid_value", "seconds")},
		{"seconds: 61", map[string]string{"seconds": "61"}, false, bad("invalid_value", "seconds")},
		{"seconds: NaN", map[string]string{"seconds": "NaN"}, false, bad("invalid_value", "seconds")},
		{"seconds: 1e1", map[string]string{"seconds": "1e1"}, false, bad("invalid_value", "seconds")},
		{"size: default", nil, true, func(s job.Spec, v map[string]any) bool {
			return s.Width == 720 && s.Height == 1280 && v["size"] == "720x1280"
		}},
		{"size: 1280x720", map[string]string{"size": "1280x720"}, true, func(s job.Spec, v map[string]any) bool { return s.Width == 1280 && v["size"] == "1280x720" }},
		{"size: 1024x1792", map[string]string{"size": "1024x1792"}, true, func(s job.Spec, v map[string]any) bool { return s.Height == 1792 && v["size"] == "1024x1792" }},
		{"size: 1792x1024", map[string]string{"size": "1792x1024"}, true, func(s job.Spec, v map[string]any) bool { return s.Width == 1792 && v["size"] == "1792x1024" }},
		{"size: any even", map[string]string{"size": "128x80"}, true, func(s job.Spec, v map[string]any) bool { return s.Width == 128 && v["notes"] == nil }},
		{"size: odd", map[string]string{"size": "101x64"}, false, bad("invalid_value", "size")},
		{"size: too large", map[string]string{"size": "4098x64"}, false, bad("invalid_value", "size")},
		{"size: words", map[string]string{"size": "720p"}, false, bad("invalid_value", "size")},
		{"input_reference[image_url]", map[string]string{"input_reference[image_url]": apitest.PictureURL}, true, func(s job.Spec, _ map[string]any) bool { return s.FirstFrame != "" }},
		{"input_reference[image_url]: scheme", map[string]string{"input_reference[image_url]": "file:///etc/passwd"}, false, bad("invalid_value", "input_reference.image_url")},
		{"input_reference[image_url]: mm_file", map[string]string{"input_reference[image_url]": "mm_file://1"}, false, bad("invalid_value", "input_reference.image_url")},
		{"input_reference[file_id]: unknown", map[string]string{"input_reference[file_id]": "file_1234567890123456"}, false, bad("invalid_value", "input_reference.file_id")},
		{"input_reference: two", map[string]string{"input_reference[file_id]": "file_1", "input_reference[image_url]": apitest.PictureURL}, false, bad("invalid_value", "input_reference")},
		{"input_reference: text", map[string]string{"input_reference": "x"}, false, bad("invalid_value", "input_reference")},
		{"input_reference: no model", map[string]string{"model": "testcard", "input_reference[image_url]": apitest.PictureURL}, false, bad("unsupported_value", "input_reference")},
		{"seed", map[string]string{"seed": "7"}, true, func(s job.Spec, _ map[string]any) bool { return s.Seed == 7 }},
		{"seed: negative", map[string]string{"seed": "-1"}, false, bad("invalid_value", "seed")},
		{"seed: too large", map[string]string{"seed": "9007199254740992"}, false, bad("invalid_value", "seed")},
		{"fps", map[string]string{"fps": "12"}, true, func(s job.Spec, _ map[string]any) bool { return s.FPS == 12 }},
		{"num_inference_steps", map[string]string{"num_inference_steps": "8"}, true, func(s job.Spec, _ map[string]any) bool { return s.Steps == 8 }},
		{"guidance_scale", map[string]string{"guidance_scale": "2.5"}, true, func(s job.Spec, _ map[string]any) bool { return s.Guidance == 2.5 }},
		{"guidance_scale: NaN", map[string]string{"guidance_scale": "NaN"}, false, bad("invalid_value", "guidance_scale")},
		{"unknown", map[string]string{"negative_prompt": "rain"}, false, bad("unknown_parameter", "negative_prompt")},
		{"unknown in brackets", map[string]string{"input_reference[path]": "x"}, false, bad("unknown_parameter", "input_reference.path")},
	} {
		fields := map[string]string{"prompt": "a ball"}
		for k, v := range tt.field {
			fields[k] = v
		}
		nested := map[string]any{}
		for k, v := range fields {
			if outer, inner, ok := strings.Cut(k, "["); ok {
				m, _ := nested[outer].(map[string]any)
				if m == nil {
					m = map[string]any{}
				}
				m[strings.TrimSuffix(inner, "]")] = v
				nested[outer] = m
				continue
			}
			nested[k] = v
		}
		text, err := json.Marshal(nested)
		if err != nil {
			t.Fatal(err)
		}
		kind, body := apitest.Form(fields)
		for _, as := range [][2]string{{kind, body}, {apitest.JSON, string(text)}} {
			before := f.Count()
			resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", as[0], as[1])
			var spec job.Spec
			if tt.ok && f.Count() == before+1 {
				spec = f.Last(t).Spec
			}
			if (resp.StatusCode == 200) != tt.ok || (f.Count() == before+1) != tt.ok || !tt.check(spec, got) {
				t.Errorf("%s by %s: %d %s, %+v", tt.name, as[0], resp.StatusCode, raw, spec)
			}
		}
	}
}

// TestOpenAIBadBodies: hostile and broken bodies get a clear error.
func TestOpenAIBadBodies(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	kind, whole := apitest.Form(map[string]string{"prompt": "p"})
	twiceKind, twice := apitest.Form(map[string]string{"prompt": "p", "@prompt": "q"})
	fileKind, file := apitest.Form(map[string]string{"@prompt": "q"})
	for name, tt := range map[string]struct {
		kind, body string
		status     int
	}{
		"no JSON":           {apitest.JSON, "{", 400},
		"an array":          {apitest.JSON, "[]", 400},
		"null":              {apitest.JSON, "null", 400},
		"a list in a field": {apitest.JSON, `{"prompt":["p"]}`, 400},
		"deep":              {apitest.JSON, `{"input_reference":{"image_url":{"a":1}}}`, 400},
		"two objects":       {apitest.JSON, `{"prompt":"p"}{"prompt":"q"}`, 400},
		"another type":      {"text/plain", "prompt=p", 400},
		"cut form":          {kind, whole[:len(whole)-9], 400},
		"no boundary":       {"multipart/form-data", whole, 400},
		"field twice":       {twiceKind, twice, 400},
		"text as a file":    {fileKind, file, 400},
		"too large":         {apitest.JSON, `{"prompt":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		"too many fields":   {apitest.JSON, manyFields(40), 400},
	} {
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", tt.kind, tt.body)
		e, _ := got["error"].(map[string]any)
		if resp.StatusCode != tt.status || e["message"] == "" || e["type"] != "invalid_request_error" || len(raw) > 600 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, raw)
		}
	}
	if f.Count() != 0 {
		t.Errorf("%d jobs were submitted", f.Count())
	}
}

// manyFields is an object in an object.
func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	return `{"a":{` + b.String()[1:] + `}}`
}

// TestOpenAIShownFields: an answer has every field that the reference page names.
func TestOpenAIShownFields(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p"}`)
	for _, name := range []string{
		"id", "object", "model", "status", "progress", "prompt", "created_at", "completed_at", "expires_at", "seconds", "size", "remixed_from_video_id", "error",
	} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not in %s", name, raw)
		}
	}
	if got["queue_position"] != 0.0 || got["status"] != "queued" || got["progress"] != 0.0 || got["completed_at"] != nil || got["error"] != nil {
		t.Errorf("got %s", raw)
	}
	_, list, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos", "", "")
	for _, name := range []string{"object", "data", "first_id", "last_id", "has_more"} {
		if _, ok := list[name]; !ok {
			t.Errorf("%s is not in %s", name, raw)
		}
	}
	_, empty, raw := apitest.Ask(t, s, apitest.KeyTwo, "GET", "/v1/videos?order=asc&limit=100", "", "")
	if d, ok := empty["data"].([]any); !ok || len(d) != 0 || empty["has_more"] != false || empty["last_id"] != nil {
		t.Errorf("got %s", raw)
	}
	for _, q := range []string{"limit=0", "limit=101", "limit=x", "order=up", "after=video_1", "after=video_1234567890123456"} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos?"+q, "", ""); resp.StatusCode != 400 {
			t.Errorf("%s: %d %s", q, resp.StatusCode, raw)
		}
	}
}

// TestModelsLimits: a number that the model does not take is refused by the name that
// this API has for it.
func TestModelsLimits(t *testing.T) {
	f := apitest.New(t)
	can := f.Engines["reel"]
	can.Guidance.Min, can.Guidance.Max, can.Steps.Max = can.Guidance.Default, can.Guidance.Default, 8
	f.Engines["reel"] = can
	s := f.Serve(t, New(f))
	for name, says := range map[string]string{"guidance_scale": "leave it out", "num_inference_steps": "1 to 8"} {
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p","`+name+`":9}`)
		e, _ := got["error"].(map[string]any)
		message, _ := e["message"].(string)
		if resp.StatusCode != 400 || e["param"] != name || !strings.HasPrefix(message, name+": 9 is out of range") || !strings.Contains(message, says) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, raw)
		}
	}
}

// TestModelsSayWhatTheyCan: the list has what a model's capabilities say, within the
// server's own limits.
func TestModelsSayWhatTheyCan(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/models/sora-2", "", "")
	if got["width"] != 256.0 || got["height"] != 160.0 || got["fps"] != 24.0 || got["takes_image"] != true || got["engine"] != "reel" {
		t.Errorf("got %s", raw)
	}
	o, err := f.Offer("sora-2")
	if err != nil {
		t.Fatal(err)
	}
	var camera []any
	for _, c := range o.Can.Prompt.Camera {
		camera = append(camera, c)
	}
	want := map[string]any{
		"sizes":   []any{map[string]any{"width": 256.0, "height": 160.0}},
		"seconds": map[string]any{"default": 6.0, "min": 0.0, "max": 60.0}, "fps": []any{24.0}, "first_frame": true,
		"sound": map[string]any{"sample_rate": 48000.0, "channels": 1.0},
		"steps": map[string]any{"default": 4.0, "min": 1.0, "max": 1000.0}, "guidance": map[string]any{"default": 1.0, "min": 0.0, "max": 100.0},
		"languages": []any{}, "camera_commands": camera, "memory_bytes": float64(o.Can.Cost.Memory),
	}
	if diff := cmp.Diff(want, got["capabilities"]); diff != "" || len(camera) == 0 {
		t.Errorf("capabilities (-want +got)\n%s", diff)
	}
}

func TestOpenAIContentRanges(t *testing.T) {
	f := apitest.New(t)
	f.OnSubmit = func(f *apitest.Service, id job.ID) {}
	s := f.Serve(t, New(f))
	_, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p"}`)
	name := got["id"].(string)
	id, _ := job.ParseID(name, "video_")
	f.Finish(id)
	path := "/v1/videos/" + name + "/content"
	whole, _, text := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", "")
	resp, _, part := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", "", "Range", "bytes=9-")
	if resp.StatusCode != 206 || part != text[9:] || resp.Header.Get("Content-Range") == "" {
		t.Errorf("a range: %d %q %v", resp.StatusCode, part, resp.Header)
	}
	resp, _, part = apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", "", "If-None-Match", whole.Header.Get("ETag"))
	if resp.StatusCode != 304 || part != "" {
		t.Errorf("not modified: %d %q", resp.StatusCode, part)
	}
	if resp, _, part = apitest.Ask(t, s, apitest.KeyOne, "HEAD", path, "", ""); resp.StatusCode != 200 || part != "" || resp.ContentLength != int64(len(text)) {
		t.Errorf("head: %d %q %d", resp.StatusCode, part, resp.ContentLength)
	}
	for _, q := range []string{"?variant=gif", "?variant=../x"} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path+q, "", ""); resp.StatusCode != 400 {
			t.Errorf("%s: %d %s", q, resp.StatusCode, raw)
		}
	}
	j := f.Peek(id)
	if err := f.Blobs.Delete(t.Context(), j.Result.Files[0].Key); err != nil {
		t.Fatal(err)
	}
	if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", ""); resp.StatusCode != 404 || got["error"] == nil {
		t.Errorf("a file that is gone: %d %s", resp.StatusCode, raw)
	}
}

// TestPollAfter: pollers keep to the first interval, so it is short.
func TestPollAfter(t *testing.T) {
	for _, tt := range []struct {
		j     job.Job
		ahead int
		want  time.Duration
	}{
		{job.Job{State: job.Queued}, 0, 250 * time.Millisecond},
		{job.Job{State: job.Queued}, 3, time.Second},
		{job.Job{State: job.Queued}, 1 << 40, 2 * time.Second},
		{job.Job{State: job.Running}, 0, time.Second},
		{job.Job{State: job.Running, Left: time.Second}, 0, 250 * time.Millisecond},
		{job.Job{State: job.Running, Left: 20 * time.Second}, 0, 2 * time.Second},
		{job.Job{State: job.Running, Left: time.Hour}, 0, 5 * time.Second},
		{job.Job{State: job.Succeeded, Left: time.Hour}, 0, 0},
	} {
		if got := pollAfter(&tt.j, tt.ahead); got != tt.want {
			t.Errorf("%s, %v left, %d ahead: %v, want %v", tt.j.State, tt.j.Left, tt.ahead, got, tt.want)
		}
	}
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	resp, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p"}`)
	id, _ := job.ParseID(got["id"].(string), "video_")
	f.Set(id, func(j *job.Job) { j.State, j.Left = job.Running, 20*time.Second })
	running, _, _ := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/video_"+id.String(), "", "")
	f.Finish(id)
	done, _, _ := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/video_"+id.String(), "", "")
	if a, b, c := resp.Header.Get("openai-poll-after-ms"), running.Header.Get("openai-poll-after-ms"), done.Header.Get("openai-poll-after-ms"); a != "250" || b != "2000" || c != "" {
		t.Errorf("told to look again after %q, %q and %q ms", a, b, c)
	}
}

// TestOpenAICodes: every kind of error has a line, and its answer says what the
// line does.
func TestOpenAICodes(t *testing.T) {
	for _, code := range apitest.AllCodes(t) {
		c, ok := web.OpenAICodes[code]
		if !ok || c.Status < 400 || c.Kind == "" || c.Code == "" {
			t.Errorf("%s has no line: %+v", code, c)
			continue
		}
		w := httptest.NewRecorder()
		(&API{}).Fail(w, httptest.NewRequest("GET", "/", nil), &job.Error{Code: code, Message: "m", Param: "p", RetryAfter: 1500 * time.Millisecond})
		var got web.OpenAIFailure
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != c.Status || got.Error.Type != c.Kind || got.Error.Code != c.Code || *got.Error.Param != "p" || got.Error.Message != "m" {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
		again := c.Retry || code == job.Conflict // which says when only where it helps
		if h := w.Header(); (h.Get("Retry-After") == "2") != again || (h.Get("Retry-After-Ms") == "1500") != again || (h.Get("X-Should-Retry") == "true") != again {
			t.Errorf("%s: headers %v", code, h)
		}
	}
	w := httptest.NewRecorder()
	(&API{}).Fail(w, httptest.NewRequest("GET", "/", nil), io.ErrUnexpectedEOF)
	if w.Code != 500 || strings.Contains(w.Body.String(), "EOF") {
		t.Errorf("a defect of ours: %d %s", w.Code, w.Body)
	}
}

// TestOpenAIUnknownPaths get an error in the API's form.
func TestOpenAIUnknownPaths(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	for p, status := range map[string]int{"GET /v1/videos/video_1/frames": 404, "POST /v1/videos/video_1/upscale": 404, "PUT /v1/videos/video_1": 405, "GET /v1/videos/a/b/c": 404} {
		method, path, _ := strings.Cut(p, " ")
		if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, method, path, "", ""); resp.StatusCode != status || got["error"] == nil {
			t.Errorf("%s: %d %s", p, resp.StatusCode, raw)
		}
	}
}

// contractRow finds rows "| `POST /v1/videos` | `prompt` | yes | … |".
var contractRow = regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]+)` \\| (?:`([^`]+)`|–) \\| (yes|refused|not applicable|extra) \\| ")

// TestOpenAIContractPage: docs/api-compatibility.md and the tables of the code
// name the same endpoints and fields, and say the same of them.
func TestOpenAIContractPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "api-compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## OpenAI Videos API\n")
	if !ok {
		t.Fatal("the page has no section \"## OpenAI Videos API\"")
	}
	if next := strings.Index(section, "\n## "); next >= 0 {
		section = section[:next]
	}
	want := map[string]string{}
	for where, fields := range map[string][]formField{
		"POST /v1/videos": createFields, "POST /v1/videos/{id}/remix": remixFields, "POST /v1/videos/extensions": extendFields,
		"POST /v1/videos/edits": editFields, "POST /v1/videos/characters": characterFields,
	} {
		all := "yes"
		if where == "POST /v1/videos/edits" || where == "POST /v1/videos/characters" {
			all = "refused"
		}
		want[where] = all
		for _, f := range fields {
			status := all
			switch {
			case f.refuse != "":
				status = "refused"
			case f.extra:
				status = "extra"
			}
			want[where+" "+f.name] = status
		}
	}
	for _, where := range []string{"GET /v1/videos", "GET /v1/videos/{id}", "DELETE /v1/videos/{id}", "GET /v1/videos/{id}/content", "GET /v1/models", "GET /v1/models/{model}"} {
		want[where] = "yes"
	}
	want["GET /v1/videos/characters/{id}"] = "refused"
	for _, p := range []string{"GET /v1/videos after", "GET /v1/videos limit", "GET /v1/videos order", "GET /v1/videos/{id}/content variant"} {
		want[p] = "yes"
	}
	for _, f := range apitest.JSONFields(video{}) {
		want["GET /v1/videos/{id} "+f] = "yes"
	}
	want["GET /v1/videos/{id} notes"], want["GET /v1/videos/{id} queue_position"] = "extra", "extra"
	got := map[string]string{}
	for _, m := range contractRow.FindAllStringSubmatch(section, -1) {
		if strings.Contains(m[1], " /v1/files") { // which MiniMax's clients share
			continue
		}
		got[strings.TrimSpace(m[1]+" "+m[2])] = m[3]
	}
	for key, status := range want {
		if got[key] != status {
			t.Errorf("the page says %q of %q, the code %q", got[key], key, status)
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Errorf("the page tells of %q, which the code has not", key)
		}
	}
	for code, c := range web.OpenAICodes {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(string(code)) + ` \| (\d+) \| ` + "`" + c.Kind + "` \\| `" + c.Code + "` \\| (yes|no) \\|$").FindStringSubmatch(section)
		if row == nil || row[1] != apitest.Itoa(c.Status) || (row[2] == "yes") != c.Retry {
			t.Errorf("the page has no right row of the error %s: %+v, %v", code, c, row)
		}
	}
}

// FuzzOpenAIMultipart: no form makes the decoder panic or accept what is not in
// its table.
func FuzzOpenAIMultipart(f *testing.F) {
	for _, fields := range []map[string]string{
		{"prompt": "p"}, {"prompt": "p", "seconds": "4", "size": "1280x720", "@input_reference": "PNG"}, {"input_reference[image_url]": "data:,"}, {"x[": "y", "[": "", "]": "1"},
	} {
		kind, body := apitest.Form(fields)
		f.Add(kind, []byte(body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := httptest.NewRequest("POST", "/v1/videos", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		fuzzForm(t, r)
	})
}

// FuzzOpenAIJSON is the same for JSON.
func FuzzOpenAIJSON(f *testing.F) {
	for _, s := range []string{`{"prompt":"p"}`, `{"prompt":"p","seconds":4,"input_reference":{"file_id":"file_1"}}`, `{"":{"":null}}`, `[`, `{"seed":1e400}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/v1/videos", bytes.NewReader(body))
		r.Header.Set("Content-Type", apitest.JSON)
		fuzzForm(t, r)
	})
}

func fuzzForm(t *testing.T, r *http.Request) {
	got, err := readForm(r, createFields)
	if err != nil {
		if job.CodeOf(err) != job.Invalid && job.CodeOf(err) != job.TooLarge {
			t.Fatalf("an error that is not the sender's: %v", err)
		}
		return
	}
	defer got.close()
	for name := range got.values {
		if !slices.ContainsFunc(createFields, func(f formField) bool { return f.name == name }) {
			t.Fatalf("it took the field %q", name)
		}
	}
	var spec job.Spec
	if s, err := got.seconds(4); err == nil && !(s > 0 && s <= job.MaxSeconds) {
		t.Fatalf("it took %v seconds", s)
	}
	if err := got.size(&spec, service.Offer{API: job.OpenAI}); err == nil && (spec.Width < 16 || spec.Width > 4096 || spec.Width%2 != 0) {
		t.Fatalf("it took the size %dx%d", spec.Width, spec.Height)
	}
	if err := got.extras(&spec); err == nil && (spec.Seed > service.MaxSeed || spec.FPS > 120 || spec.Steps > 1000 || !(spec.Guidance >= 0)) {
		t.Fatalf("it took %+v", spec)
	}
	if _, err := got.sum(); err != nil {
		t.Fatal(err)
	}
}

// TestWaitingToStop: waiting until a video has stopped takes a place too.
func TestWaitingToStop(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	_, v, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p"}`)
	id, err := job.ParseID(strings.TrimPrefix(fmt.Sprint(v["id"]), VideoPrefix), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	f.Waiters = 0
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "DELETE", "/v1/videos/"+VideoPrefix+id.String(), "", "")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "5" || resp.Header.Get("X-Should-Retry") != "true" {
		t.Errorf("%d %v %s", resp.StatusCode, got, raw)
	}
}
