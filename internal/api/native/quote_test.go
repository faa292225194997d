package native

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

// TestQuote: what a job would cost and when it would begin, and the refusal that it
// would get; nothing is submitted.
func TestQuote(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	ask := func(body string) (*http.Response, map[string]any) {
		t.Helper()
		resp, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/quote", apitest.JSON, body)
		return resp, got
	}
	resp, got := ask(`{"prompt":"a red ball","seconds":4}`)
	if resp.StatusCode != 200 || got["price_usd"] == "" || got["seconds"] != 4.0 || got["width"] != 256.0 || got["jobs_ahead"] != 0.0 || got["seconds_waiting"] != 0.0 || got["seconds_expected"].(float64) <= 0 {
		t.Errorf("%d %v", resp.StatusCode, got)
	}
	short := got["seconds_expected"].(float64)
	if _, longer := ask(`{"prompt":"a red ball","seconds":8}`); longer["seconds_expected"].(float64) < 1.8*short {
		t.Errorf("twice the length: %v after %v", longer["seconds_expected"], short)
	}
	if n := f.Count(); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
	submitJob(t, s, apitest.KeyTwo)
	if _, behind := ask(`{"prompt":"a red ball"}`); behind["jobs_ahead"] != 1.0 || behind["seconds_waiting"].(float64) <= 0 {
		t.Errorf("behind another: %v", behind)
	}
	picture := base64.StdEncoding.EncodeToString(apitest.PNG(64, 40))
	for body, param := range map[string]string{
		`{"prompt":""}`:                                           "prompt",
		`{"prompt":"p","seconds":61}`:                             "seconds",
		`{"prompt":"p","model":"none"}`:                           "model",
		`{"prompt":"p","size":"1281x720"}`:                        "size",
		`{"prompt":"p","after":"job_1234"}`:                       "after",
		`{"model":"testcard","image":{"data":"` + picture + `"}}`: "image",
	} {
		if resp, got := ask(body); resp.StatusCode < 400 || resp.StatusCode > 499 || got["param"] != param {
			t.Errorf("%.60s: %d %v", body, resp.StatusCode, got)
		}
	}
	if resp, got := ask(`{"image":{"data":"` + picture + `"}}`); resp.StatusCode != 200 {
		t.Errorf("a picture alone: %d %v", resp.StatusCode, got)
	}
}

// TestQuoteMarksWords: words that the model was never taught are named, with those
// that come nearest.
func TestQuoteMarksWords(t *testing.T) {
	f := apitest.New(t)
	f.UseWords(t)
	s := f.Serve(t, testNative(f))
	_, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/quote", apitest.JSON, `{"prompt":"a tiger on a beach"}`)
	words, _ := got["unknown_words"].([]any)
	if len(words) != 1 || words[0].(map[string]any)["word"] != "tiger" || words[0].(map[string]any)["nearest"] != "cat" {
		t.Errorf("got %v", got)
	}
	_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/capabilities", "", "")
	for _, m := range got["data"].([]any) {
		m := m.(map[string]any)
		if m["name"] != "reel" {
			continue
		}
		topics := m["vocabulary"].([]any)
		first := topics[0].(map[string]any)
		said := first["said"].(map[string]any)
		if len(topics) < 3 || first["words"].([]any)[0] != "cat" || said["zh"].([]any)[0] != "猫" || len(said["ar"].([]any)) != len(first["words"].([]any)) {
			t.Errorf("the vocabulary is %v", topics)
		}
		if m["first_frame"] != true || m["seconds_per_second"].(float64) <= 0 {
			t.Errorf("reel can %v", m)
		}
		return
	}
	t.Errorf("no reel in %s", raw)
}

// TestAgain: a job that has ended is asked for once more, with its seed; one that has
// not is not, nor one of another project.
func TestAgain(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	name := submitJob(t, s, apitest.KeyOne)
	id, _ := job.ParseID(name, "job_")
	if resp, got, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/"+name+"/again", "", ""); resp.StatusCode != 409 {
		t.Errorf("while it waits: %d %v", resp.StatusCode, got)
	}
	f.Set(id, func(j *job.Job) { j.State, j.Error = job.Failed, job.Errorf(job.Internal, "", "no") })
	if resp, got, _ := apitest.Ask(t, s, apitest.KeyTwo, "POST", "/v1/jobs/"+name+"/again", "", ""); resp.StatusCode != 404 {
		t.Errorf("by another project: %d %v", resp.StatusCode, got)
	}
	if resp, got, _ := apitest.Ask(t, s, apitest.KeyRead, "POST", "/v1/jobs/"+name+"/again", "", ""); resp.StatusCode != 403 {
		t.Errorf("without the scope: %d %v", resp.StatusCode, got)
	}
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/"+name+"/again", "", "", "Idempotency-Key", "once")
	if resp.StatusCode != 202 || got["id"] == name || got["state"] != "queued" || got["seed"] != float64(f.Peek(id).Spec.Seed) || got["prompt"] != "p" {
		t.Fatalf("%d %s", resp.StatusCode, raw)
	}
	if _, twice, _ := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/"+name+"/again", "", "", "Idempotency-Key", "once"); twice["id"] != got["id"] {
		t.Errorf("with the same key another job: %v", twice["id"])
	}
}

// TestContent: a job's files have addresses that stay, for its project alone.
func TestContent(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	name := submitJob(t, s, apitest.KeyOne)
	id, _ := job.ParseID(name, "job_")
	at := "/v1/jobs/" + name + "/files/"
	if resp, _, _ := apitest.Ask(t, s, apitest.KeyOne, "GET", at+"video", "", ""); resp.StatusCode != 404 {
		t.Errorf("before there is one: %d", resp.StatusCode)
	}
	f.Finish(id)
	for role, kind := range map[string]string{"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"} {
		resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", at+role, "", "")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != kind || raw != role+" of "+id.String() || resp.Header.Get("Etag") == "" {
			t.Errorf("%s: %d %s %q", role, resp.StatusCode, resp.Header.Get("Content-Type"), raw)
		}
	}
	resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", at+"video", "", "", "Range", "bytes=0-4")
	if resp.StatusCode != 206 || raw != "video" {
		t.Errorf("a range: %d %q", resp.StatusCode, raw)
	}
	for path, want := range map[string]int{at + "image": 404, at + "preview": 404, at + "latents": 400, at + "video?n=1": 404, at + "video?x=1": 400, "/v1/jobs/job_1/files/video": 404} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", ""); resp.StatusCode != want || !strings.Contains(raw, `"code"`) {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, raw, want)
		}
	}
	if resp, _, _ := apitest.Ask(t, s, apitest.KeyTwo, "GET", at+"video", "", ""); resp.StatusCode != 404 {
		t.Errorf("another project gets %d", resp.StatusCode)
	}
}
