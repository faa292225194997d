package openai

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

// tests/clients has OpenAI's own client do what these tests do by HTTP, as far as
// a server whose jobs nobody moves by hand lets it.

// made submits a video.
func made(t *testing.T, s *httptest.Server, body string) (name string, id job.ID) {
	t.Helper()
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, body)
	name, _ = got["id"].(string)
	id, err := job.ParseID(name, VideoPrefix)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", resp.StatusCode, raw, err)
	}
	return name, id
}

func TestContentOfAVideo(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	name, id := made(t, s, `{"prompt":"p","seconds":"8","size":"1280x720"}`)
	f.Finish(id)
	_, v, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+name, "", "")
	if v["status"] != "completed" || v["progress"] != 100.0 || v["seconds"] != "8" || v["size"] != "1280x720" || v["object"] != "video" || v["error"] != nil || v["completed_at"] == nil {
		t.Errorf("got %s", raw)
	}
	for query, want := range map[string][2]string{
		"": {"video", "video/mp4"}, "?variant=video": {"video", "video/mp4"},
		"?variant=thumbnail": {"thumbnail", "image/webp"}, "?variant=spritesheet": {"spritesheet", "image/jpeg"},
	} {
		resp, _, body := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+name+"/content"+query, "", "")
		if body != want[0]+" of "+id.String() || resp.Header.Get("Content-Type") != want[1] || resp.Header.Get("ETag") == "" {
			t.Errorf("%s: %q of type %s", query, body, resp.Header.Get("Content-Type"))
		}
	}
}

// TestDelete: a video can be deleted in any state; a running one is stopped first.
func TestDelete(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	gone := func(state, name string) {
		t.Helper()
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "DELETE", "/v1/videos/"+name, "", "")
		if resp.StatusCode != 200 || got["deleted"] != true || got["id"] != name || got["object"] != "video.deleted" {
			t.Errorf("%s: %d %s", state, resp.StatusCode, raw)
		}
		if resp, _, _ := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+name, "", ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: it is there after it was deleted: %d", state, resp.StatusCode)
		}
	}
	name, id := made(t, s, `{"prompt":"p"}`)
	f.Finish(id)
	gone("finished", name)
	name, _ = made(t, s, `{"prompt":"p"}`)
	gone("queued", name)
	name, id = made(t, s, `{"prompt":"p"}`)
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	go func() { // the worker, which sees that it is to stop
		for !f.Peek(id).CancelAsked {
			time.Sleep(time.Millisecond)
		}
		f.Set(id, func(j *job.Job) { j.State = job.Cancelled })
	}()
	gone("running", name)
}

func TestRemixAndExtend(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	src, id := made(t, s, `{"prompt":"a cat","seconds":4,"size":"640x400","input_reference":{"image_url":"`+apitest.DataURI(64, 40)+`"}}`)
	f.Finish(id)
	before := f.Last(t).Spec
	resp, remix, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos/"+src+"/remix", apitest.JSON, `{"prompt":"a dog"}`)
	if resp.StatusCode != 200 || remix["remixed_from_video_id"] != src || remix["prompt"] != "a dog" || remix["seconds"] != "4" || remix["size"] != "640x400" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	after := f.Last(t).Spec
	if after.Seed != before.Seed || after.FirstFrame == "" || after.FirstFrame == before.FirstFrame || after.Engine != before.Engine || after.Prompt != "a dog" || after.Width != 640 {
		t.Errorf("a remix of %+v is %+v", before, after)
	}
	resp, longer, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos/extensions", apitest.JSON, `{"prompt":"it runs off","seconds":"16","video":{"id":"`+src+`"}}`)
	got := f.Last(t).Spec
	if resp.StatusCode != 200 || longer["seconds"] != "20" || longer["size"] != "640x400" || got.After != id || !got.Join || got.Seconds != 16 || got.InputSeconds != 4 || got.FPS != 24 {
		t.Errorf("%d %s of %+v", resp.StatusCode, raw, got)
	}
}

// TestVideoRefusals: what cannot be done is said once, and no client is told to
// send it again.
func TestVideoRefusals(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	name, _ := made(t, s, `{"prompt":"p"}`)
	for _, tt := range []struct {
		do, body    string
		status      int
		code, param string
	}{
		{"POST /v1/videos/edits", `{"prompt":"p","video":{"id":"` + name + `"}}`, 400, "unsupported_operation", "video"},
		{"POST /v1/videos/characters", `{"name":"n"}`, 400, "unsupported_operation", "video"},
		{"GET /v1/videos/characters/c_1", "", 404, "not_found", ""},
		{"GET /v1/videos/" + name + "/content", "", 409, "video_not_ready", ""},
		{"POST /v1/videos/" + name + "/remix", `{"prompt":"q"}`, 409, "conflict", ""},
		{"POST /v1/videos", `{"prompt":"p","model":"sora-9"}`, 404, "model_not_found", "model"},
		{"POST /v1/videos", `{"prompt":"p","model":"T2V-01"}`, 400, "unsupported_value", "model"},
		{"POST /v1/videos", `{}`, 400, "missing_required_parameter", "prompt"},
	} {
		before := f.Count()
		kind := ""
		if tt.body != "" {
			kind = apitest.JSON
		}
		method, path, _ := strings.Cut(tt.do, " ")
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, method, path, kind, tt.body)
		e, _ := got["error"].(map[string]any)
		param, _ := e["param"].(string)
		if resp.StatusCode != tt.status || e["code"] != tt.code || param != tt.param || e["type"] != "invalid_request_error" || e["message"] == "" {
			t.Errorf("%s %s: %d %s", tt.do, tt.body, resp.StatusCode, raw)
		}
		if resp.Header.Get("X-Should-Retry") != "false" || f.Count() != before {
			t.Errorf("%s: headers %v, %d submissions", tt.do, resp.Header, f.Count()-before)
		}
	}
}

// TestVideoFailures: how a video ended that did not come to be.
func TestVideoFailures(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	for name, tt := range map[string]struct {
		end  func(*job.Job)
		code string
	}{
		"failed": {func(j *job.Job) {
			j.State, j.Error = job.Failed, job.Errorf(job.OutputUnsafe, "", "moderation refused the video")
		}, "moderation_blocked"},
		"worn out":  {func(j *job.Job) { j.State, j.Error = job.Failed, job.Errorf(job.PastAttempts, "", "3 attempts failed") }, "generation_failed"},
		"cancelled": {func(j *job.Job) { j.State = job.Cancelled }, "cancelled"},
		"expired":   {func(j *job.Job) { j.State = job.Expired }, "expired"},
		"no reason": {func(j *job.Job) { j.State = job.Failed }, "server_error"},
	} {
		video, id := made(t, s, `{"prompt":"p"}`)
		f.Set(id, tt.end)
		_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+video, "", "")
		e, _ := got["error"].(map[string]any)
		if got["status"] != "failed" || e["code"] != tt.code || e["message"] == "" || got["completed_at"] != nil {
			t.Errorf("%s: %s", name, raw)
		}
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+video+"/content", "", ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: content: %d %s", name, resp.StatusCode, raw)
		}
	}
}

// TestOneKeyIsOneVideo: a request that was refused for now may be sent again, and
// with an idempotency key that is one job.
func TestOneKeyIsOneVideo(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	full := true
	f.OnCall = func(method string) error {
		if method == "Submit" && full {
			return &job.Error{Code: job.QueueFull, Message: "the queue is full", RetryAfter: 2 * time.Second}
		}
		return nil
	}
	post := func(body string) (*http.Response, map[string]any) {
		resp, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", apitest.JSON, body, "Idempotency-Key", "k1")
		return resp, got
	}
	if resp, _ := post(`{"prompt":"p"}`); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" || resp.Header.Get("X-Should-Retry") == "false" {
		t.Errorf("a full queue: %d, %v", resp.StatusCode, resp.Header)
	}
	full = false
	_, a := post(`{"prompt":"p"}`)
	_, b := post(`{"prompt":"p"}`)
	if a["id"] == nil || a["id"] != b["id"] || f.Count() != 1 {
		t.Errorf("the same key and request gave %v and %v, %d jobs", a["id"], b["id"], f.Count())
	}
	if resp, _ := post(`{"prompt":"another"}`); resp.StatusCode != http.StatusConflict {
		t.Errorf("the same key for another request: %d", resp.StatusCode)
	}
}

// TestProjectsApart: another project's video is not there, whatever is asked, nor
// is it for keys that may not.
func TestProjectsApart(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, New(f))
	name, id := made(t, s, `{"prompt":"p"}`)
	f.Finish(id)
	extension, err := json.Marshal(map[string]any{"prompt": "q", "seconds": "4", "video": map[string]string{"id": name}})
	if err != nil {
		t.Fatal(err)
	}
	for do, body := range map[string]string{
		"GET /v1/videos/" + name: "", "DELETE /v1/videos/" + name: "", "GET /v1/videos/" + name + "/content": "",
		"POST /v1/videos/" + name + "/remix": `{"prompt":"q"}`, "POST /v1/videos/extensions": string(extension),
	} {
		method, path, _ := strings.Cut(do, " ")
		kind := ""
		if body != "" {
			kind = apitest.JSON
		}
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyTwo, method, path, kind, body); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", do, resp.StatusCode, raw)
		}
	}
	if resp, _, _ := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/videos/"+name, "", ""); resp.StatusCode != 200 {
		t.Errorf("its owner lost it: %d", resp.StatusCode)
	}
	for key, want := range map[string]string{"kn-wrong": "invalid_api_key", apitest.KeyRead: "insufficient_permissions"} {
		_, got, raw := apitest.Ask(t, s, key, "POST", "/v1/videos", apitest.JSON, `{"prompt":"p"}`)
		if e, _ := got["error"].(map[string]any); e["code"] != want {
			t.Errorf("%s: %s", key, raw)
		}
	}
}
