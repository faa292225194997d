package apitest_test

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/openai"
)

// TestEmptyReference: who names a picture or a job and leaves the name empty
// forgot it. A video from the text alone would be another than was asked for, and
// be charged; so it is refused, by each API and in each form.
func TestEmptyReference(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, append(minimax.New(f), openai.New(f), nativeOn(f))...)
	type request struct{ path, kind, body string }
	with := func(path, body string) request { return request{path, apitest.JSON, body} }
	asForm := func(fields map[string]string) request {
		fields["prompt"] = "a red ball"
		kind, body := apitest.Form(fields)
		return request{"/v1/videos", kind, body}
	}
	openAI := func(reference string) request {
		return with("/v1/videos", `{"prompt":"a red ball","input_reference":`+reference+`}`)
	}
	for name, tt := range map[string]struct {
		request
		param string
	}{
		"OpenAI: text":            {openAI(`""`), "input_reference"},
		"OpenAI: null":            {openAI(`null`), "input_reference"},
		"OpenAI: object":          {openAI(`{}`), "input_reference"},
		"OpenAI: list":            {openAI(`[]`), "input_reference"},
		"OpenAI: file_id null":    {openAI(`{"file_id":null}`), "input_reference"},
		"OpenAI: both empty":      {openAI(`{"file_id":"","image_url":null}`), "input_reference"},
		"OpenAI: form":            {asForm(map[string]string{"input_reference": ""}), "input_reference"},
		"OpenAI: form, file_id":   {asForm(map[string]string{"input_reference[file_id]": ""}), "input_reference"},
		"OpenAI: form, image_url": {asForm(map[string]string{"input_reference[image_url]": ""}), "input_reference"},
		"OpenAI: file":            {asForm(map[string]string{"@input_reference": ""}), "input_reference"},
		"OpenAI: prefix alone":    {openAI(`{"file_id":"file_"}`), "input_reference.file_id"},
		"OpenAI: extension":       {with("/v1/videos/extensions", `{"prompt":"p","seconds":"4","video":{"id":""}}`), "video"},
		"MiniMax V1":              {with("/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"a red ball","first_frame_image":""}`), "first_frame_image"},
		"MiniMax V2":              {with("/v2/video_generation", `{"model":"MiniMax-H3","ratio":"16:9","content":[{"type":"text","text":"a red ball"},{"type":"image_url","image_url":{"url":""}}]}`), "content[1].image_url"},
		"MiniMax V2: source":      {with("/v2/video_regeneration", `{"source_task_id":""}`), "source_task_id"},
		"native: image":           {with("/v1/jobs", `{"prompt":"a red ball","image":{}}`), "image"},
		"native: null":            {with("/v1/jobs", `{"prompt":"a red ball","image":null}`), "image"},
		"native: file_id":         {with("/v1/jobs", `{"prompt":"a red ball","image":{"file_id":""}}`), "image"},
		"native: after":           {with("/v1/jobs", `{"prompt":"a red ball","after":""}`), "after"},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Count()
			_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", tt.path, tt.kind, tt.body)
			if refused := got["error"] != nil || got["code"] == "invalid" || strings.Contains(raw, `"status_code":2013`); !refused || !strings.Contains(raw, tt.param) {
				t.Errorf("got %s", raw)
			}
			if n := f.Count(); n > before {
				t.Errorf("%d jobs were submitted", n-before)
			}
		})
	}
	// One of the two is enough, and null is no text in MiniMax's API.
	for _, r := range []request{
		openAI(`{"file_id":null,"image_url":"` + apitest.PictureURL + `"}`),
		with("/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"a red ball","first_frame_image":null}`),
	} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", r.path, r.kind, r.body); resp.StatusCode != 200 || badParameter.MatchString(raw) {
			t.Errorf("%s: %s", r.body, raw)
		}
	}
}
