package apitest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/openai"
	"github.com/kinora-video/kinora/internal/service"
)

// TestWholeNumbersWithAFraction: to JSON 1.0 and 1 are one number, which some
// programs write with a fraction. Each API takes it, and none tells of its
// decoder's types.
func TestWholeNumbersWithAFraction(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, append(minimax.New(f), openai.New(f), nativeOn(f))...)
	for _, r := range []struct{ path, body string }{
		{"/v1/jobs", `{"prompt":"p","seed":1.0,"width":1.28e2,"height":80.0,"steps":4.0,"priority":5.0}`},
		{"/v1/videos", `{"prompt":"p","seed":1.0,"seconds":4.0,"num_inference_steps":4e0}`},
		{"/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"p","duration":6.0}`},
		{"/v2/video_generation", `{"model":"MiniMax-H3","ratio":"16:9","duration":5.0,"content":[{"type":"text","text":"1.0"}]}`},
	} {
		resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", r.path, apitest.JSON, r.body)
		if resp.StatusCode >= 300 || badParameter.MatchString(raw) {
			t.Errorf("%s %s: %d %s", r.path, r.body, resp.StatusCode, raw)
			continue
		}
		if spec := f.Last(t).Spec; r.path[:4] == "/v1/" && r.path != "/v1/video_generation" && (spec.Seed != 1 || spec.Steps != 4) || spec.Prompt != "p" && spec.Prompt != "1.0" {
			t.Errorf("%s: %+v", r.path, spec)
		}
	}
	kind, body := apitest.Form(map[string]string{"prompt": "p", "seed": "1.0", "fps": "24.0"})
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/videos", kind, body); resp.StatusCode != 200 || f.Last(t).Spec.Seed != 1 || f.Last(t).Spec.FPS != 24 {
		t.Errorf("a form: %d %s", resp.StatusCode, raw)
	}
	for path, bodies := range map[string][]string{
		"/v1/jobs":             {`{"prompt":"p","seed":1.5}`, `{"prompt":"p","seed":"1"}`, `{"prompt":"p","seed":1e400}`, `{"prompt":"p","seed":1.}`, `{"prompt":"p","seed":01.0}`, `{"prompt":"p",`, `{"prompt":}`},
		"/v1/videos":           {`{"prompt":"p","seed":1.5}`, `{"prompt":"p","seed":1e400}`},
		"/v1/video_generation": {`{"model":"T2V-01","prompt":"p","duration":6.5}`, `{"model":"T2V-01","prompt":"p","duration":"6"}`},
		"/v2/video_generation": {`{"model":"MiniMax-H3","ratio":"16:9","duration":5.5,"content":[{"type":"text","text":"p"}]}`},
	} {
		for _, body := range bodies {
			resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", path, apitest.JSON, body)
			refused := resp.StatusCode == 400 || badParameter.MatchString(raw)
			if !refused || strings.Contains(raw, "Go ") || strings.Contains(raw, "json:") || strings.Contains(raw, "float64") {
				t.Errorf("%s %s: %d %s", path, body, resp.StatusCode, raw)
			}
		}
	}
}

// badParameter is MiniMax's code for it, which the digits of an id may hold too.
var badParameter = regexp.MustCompile(`\b2013\b`)

// TestSchemesInCapitals: a URL's scheme is the same in either case, to each API.
func TestSchemesInCapitals(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, append(minimax.New(f), openai.New(f), nativeOn(f))...)
	data := strings.Replace(apitest.DataURI(320, 320), "data:", "DATA:", 1)
	for _, link := range []string{strings.Replace(apitest.PictureURL, "https", "HTTPS", 1), data} {
		for path, body := range map[string]string{
			"/v1/videos":           `{"prompt":"p","input_reference":{"image_url":"LINK"}}`,
			"/v1/jobs":             `{"prompt":"p","image":{"url":"LINK"}}`,
			"/v1/video_generation": `{"model":"MiniMax-Hailuo-2.3","prompt":"p","first_frame_image":"LINK"}`,
			"/v2/video_generation": `{"model":"MiniMax-H3","content":[{"type":"text","text":"p"},{"type":"image_url","image_url":{"url":"LINK"}}]}`,
		} {
			if link == data && path == "/v1/jobs" {
				body = strings.Replace(body, `"url"`, `"data"`, 1)
			}
			resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", path, apitest.JSON, strings.Replace(body, "LINK", link, 1))
			if strings.Contains(raw, "320×200 pixels") { // it was fetched, and is too small for MiniMax's rules
				continue
			}
			if resp.StatusCode >= 300 || badParameter.MatchString(raw) || f.Last(t).Spec.FirstFrame == "" {
				t.Errorf("%s %.40s: %d %s", path, link, resp.StatusCode, raw)
			}
		}
	}
	for link, want := range map[string]bool{"http://a": true, "hTTp://a": true, "http:a": false, "http://": false, "file:///etc": false, "httpx://a": false, "": false, "data:,x": false} {
		if service.HasScheme(link, "http", "https") != want {
			t.Errorf("%q: %v", link, !want)
		}
	}
}
