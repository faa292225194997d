package minimax

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

const (
	postV1  = "/v1/video_generation"
	queryV1 = "/v1/query/video_generation?task_id="
)

// bigPicture is large enough for V1, and not of the model's shape, which is
// 256×160.
var bigPicture = apitest.DataURI(480, 320)

// TestVideoV1Fields: each field of POST /v1/video_generation, right and wrong.
// want is MiniMax's number and words of the message; 0 is taken.
func TestVideoV1Fields(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	first := fmt.Sprintf(`"first_frame_image":%q`, bigPicture)
	for _, tt := range []struct {
		body, want string
		number     int
	}{
		{`{"model":"MiniMax-Hailuo-2.3","prompt":"a cat"}`, "", 0},
		{`{"model":"video-01","prompt":"a cat"}`, "", 0},
		{`{"model":"video-01",` + first + `}`, "", 0},
		{`{"model":"video-01","prompt":"a cat","resolution":"768P"}`, "resolution is 768P: video-01 has 720P", 2013},
		{`{"prompt":"a cat"}`, "model is missing", 2013},
		{`{"model":7,"prompt":"a cat"}`, "model must be a string, not the number 7", 2013},
		{`{"model":"no-such","prompt":"a cat"}`, `no model "no-such"`, 2013},
		{`{"model":"MiniMax-H3","prompt":"a cat"}`, "not served here", 2013},
		{`{"model":"sora-2","prompt":"a cat"}`, "not served here", 2013},
		{`{"model":"image-01","prompt":"a cat"}`, "/v1/image_generation", 2013},
		{`{"model":"T2V-01"}`, "prompt is missing", 2013},
		{`{"model":"T2V-01","prompt":"  "}`, "prompt is missing", 2013},
		{`{"model":"T2V-01","prompt":"[Shake]"}`, "nothing is left", 2013},
		{`{"model":"T2V-01","prompt":["a cat"]}`, "prompt must be a string, not a list", 2013},
		{`{"model":"T2V-01","prompt":"` + strings.Repeat("猫", 2000) + `"}`, "", 0},
		{`{"model":"T2V-01","prompt":"` + strings.Repeat("猫", 2001) + `"}`, "prompt has 2001 characters: the limit is 2000", 2013},
		{`{"model":"T2V-01","prompt":"a cat","prompt_optimizer":false}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","prompt_optimizer":"true"}`, "prompt_optimizer must be true or false, not a string", 2013},
		{`{"model":"T2V-01","prompt":"a cat","fast_pretreatment":true}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","fast_pretreatment":1}`, "fast_pretreatment must be", 2013},
		{`{"model":"T2V-01","prompt":"a cat","duration":6}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","duration":null}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","duration":"6"}`, "duration must be a whole number from 1 to 60, not a string", 2013},
		{`{"model":"T2V-01","prompt":"a cat","duration":6.5}`, "duration must be a whole number", 2013},
		{`{"model":"T2V-01","prompt":"a cat","duration":1e400}`, "duration is out of range", 2013},
		{`{"model":"T2V-01","prompt":"a cat","duration":-6}`, "duration is -6", 2013},
		{`{"model":"T2V-01","prompt":"a cat","resolution":"720P"}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","resolution":"720p"}`, `resolution must be one of 512P, 720P, 768P, 1080P, not "720p"`, 2013},
		{`{"model":"T2V-01","prompt":"a cat","resolution":720}`, "resolution must be", 2013},
		{`{"model":"I2V-01",` + first + `}`, "", 0},
		{`{"model":"I2V-01","prompt":"a cat","first_frame_image":""}`, "first_frame_image is empty", 2013},
		{`{"model":"I2V-01","prompt":"a cat","first_frame_image":{}}`, "first_frame_image must be a string, not an object", 2013},
		{`{"model":"I2V-01","first_frame_image":"picture.png"}`, "first_frame_image: ", 2013},
		{`{"model":"I2V-01","first_frame_image":"` + apitest.DataURI(480, 300) + `"}`, "first_frame_image: ", 2013},
		{`{"model":"I2V-01","first_frame_image":"` + apitest.DataURI(301, 760) + `"}`, "first_frame_image: ", 2013},
		{`{"model":"MiniMax-Hailuo-02","prompt":"a cat",` + first + `,"last_frame_image":"` + apitest.PictureURL + `"}`, "last_frame_image: the local models take no last frame", 2013},
		{`{"model":"T2V-01","prompt":"a cat","last_frame_image":""}`, "", 0},
		{`{"model":"S2V-01","prompt":"a cat","subject_reference":[{"type":"character","image":["` + apitest.PictureURL + `"]}]}`, "subject_reference: the local models cannot keep", 2013},
		{`{"model":"S2V-01","prompt":"a cat","subject_reference":[{"type":"dog","image":[]}]}`, "subject_reference[0].type must be character", 2013},
		{`{"model":"S2V-01","prompt":"a cat","subject_reference":{}}`, "subject_reference must be a list", 2013},
		{`{"model":"S2V-01","prompt":"a cat"}`, "S2V-01 is not for this", 2013},
		{`{"model":"T2V-01","prompt":"a cat","subject_reference":[]}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","callback_url":"https://example.com/hook"}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","callback_url":["x"]}`, "callback_url must be a string", 2013},
		{`{"model":"T2V-01","prompt":"a cat","aigc_watermark":true}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat","aigc_watermark":"yes"}`, "aigc_watermark must be true or false", 2013},
		{`{"model":"T2V-01","prompt":"a cat","unheard_of":[{}]}`, "", 0},
		{`{"model":"T2V-01","prompt":"a cat"} {}`, "goes on after", 2013},
		{`[]`, "must be a JSON object", 2013},
		{`null`, "must be a JSON object", 2013},
		{`{"model":`, "must be a JSON object", 2013},
		{``, "must be a JSON object", 2013},
		{`{"model":"T2V-01","prompt":"` + strings.Repeat("x", 1<<20) + `"}`, "larger than 1048576 bytes", 2013},
	} {
		before := f.Count()
		status, a := c.json("POST", postV1, tt.body)
		n, message := errorOf(t, a)
		if status != http.StatusOK || n != tt.number || !strings.Contains(message, tt.want) || tt.number == 0 != (f.Count() == before+1) {
			t.Errorf("%.160s: %d, %d %q; want %d %q", tt.body, status, n, message, tt.number, tt.want)
		}
		if tt.number == 0 {
			mustID(t, a)
		}
	}
}

// TestVideoV1Models: the table of models: modes, resolutions and seconds.
func TestVideoV1Models(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	for _, tt := range []struct {
		model, mode, resolution string
		seconds                 int
		want                    string // size, or the field of the error
	}{
		{"MiniMax-Hailuo-2.3", "text", "", 0, "1366x768"},
		{"MiniMax-Hailuo-2.3", "text", "768P", 10, "1366x768"},
		{"MiniMax-Hailuo-2.3", "first", "1080P", 6, "1920x1080"},
		{"MiniMax-Hailuo-2.3", "text", "1080P", 10, "duration"},
		{"MiniMax-Hailuo-2.3", "text", "768P", 7, "duration"},
		{"MiniMax-Hailuo-2.3", "text", "512P", 6, "resolution"},
		{"MiniMax-Hailuo-2.3", "text", "720P", 6, "resolution"},
		{"MiniMax-Hailuo-2.3-Fast", "first", "768P", 10, "1366x768"},
		{"MiniMax-Hailuo-2.3-Fast", "first", "1080P", 10, "duration"},
		{"MiniMax-Hailuo-2.3-Fast", "text", "768P", 6, "first_frame_image"},
		{"MiniMax-Hailuo-02", "text", "768P", 10, "1366x768"},
		{"MiniMax-Hailuo-02", "text", "1080P", 6, "1920x1080"},
		{"MiniMax-Hailuo-02", "first", "512P", 6, "910x512"},
		{"MiniMax-Hailuo-02", "first", "512P", 10, "910x512"},
		{"MiniMax-Hailuo-02", "text", "512P", 6, "resolution"},
		{"T2V-01", "text", "720P", 6, "1280x720"},
		{"T2V-01", "text", "768P", 6, "resolution"},
		{"T2V-01", "text", "720P", 10, "duration"},
		{"T2V-01", "first", "720P", 6, "first_frame_image"},
		{"T2V-01-Director", "text", "", 0, "1280x720"},
		{"T2V-01-Director", "first", "", 0, "first_frame_image"},
		{"I2V-01", "first", "", 0, "1280x720"},
		{"I2V-01", "text", "", 0, "first_frame_image"},
		{"I2V-01-Director", "first", "", 0, "1280x720"},
		{"I2V-01-live", "first", "", 0, "1280x720"},
		{"I2V-01-live", "text", "", 0, "first_frame_image"},
		{"S2V-01", "text", "", 0, "model"},
		{"abab-video-1", "text", "", 3, "1280x720"},
		{"abab-video-1", "text", "", 7, "duration"},
		{"abab-video-1", "first", "", 6, "first_frame_image"},
		// A name of our own: the engine's size, and whatever is asked for.
		{"reel", "text", "", 23, "0x0"},
		{"reel", "first", "512P", 60, "910x512"},
		{"reel", "text", "", 61, "duration"},
		{"testcard", "first", "", 6, "first_frame_image"},
	} {
		body := fmt.Sprintf(`{"model":%q,"prompt":"a cat"`, tt.model)
		if tt.mode == "first" {
			body += fmt.Sprintf(`,"first_frame_image":%q`, bigPicture)
		}
		if tt.resolution != "" {
			body += fmt.Sprintf(`,"resolution":%q`, tt.resolution)
		}
		if tt.seconds != 0 {
			body += fmt.Sprintf(`,"duration":%d`, tt.seconds)
		}
		_, a := c.json("POST", postV1, body+"}")
		if n, message := errorOf(t, a); n != 0 {
			if n != 2013 || !strings.HasPrefix(message, tt.want) {
				t.Errorf("%+v: %d %q", tt, n, message)
			}
			continue
		}
		s := f.Last(t).Spec
		want := job.Spec{Kind: job.Video, Model: tt.model, Engine: "reel", Seconds: float64(tt.seconds)}
		if tt.seconds == 0 {
			want.Seconds = 6
		}
		if got := fmt.Sprintf("%dx%d", s.Width, s.Height); got != tt.want || s.Kind != want.Kind || s.Model != want.Model || s.Engine != want.Engine ||
			s.Seconds != want.Seconds || (s.FirstFrame != "") != (tt.mode == "first") || (s.FPS == 25) != (tt.model == "abab-video-1") {
			t.Errorf("%+v: %s %+v", tt, got, s)
		}
	}
}

// TestVideoV1Spec: what becomes of the fields that have no answer of their own.
func TestVideoV1Spec(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV1, `{"model":"MiniMax-Hailuo-02","prompt":"[Truck left] a cat [Shake]","first_frame_image":"`+bigPicture+`","callback_url":"https://example.com/hook","aigc_watermark":true}`)
	id := mustID(t, a)
	sub := f.Last(t)
	s := sub.Spec
	if sub.API != job.MiniMaxV1 || sub.Callback != "https://example.com/hook" || s.Prompt != "[Pan left] a cat" || s.Asked != "[Truck left] a cat [Shake]" || !s.Watermark || s.InputImages != 1 || s.Resolution != "768P" {
		t.Errorf("got %+v", sub)
	}
	notes := fmt.Sprint(a["notes"])
	for _, want := range []string{"[Shake] was left out", "no chat model to expand prompts", "enlarged", "cut off"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes %s lack %q", notes, want)
		}
	}
	if _, q := c.json("GET", queryV1+id.String(), ""); fmt.Sprint(q["notes"]) != notes {
		t.Errorf("the query has other notes: %v", q)
	}
}

// TestQueryV1: each state of a job as V1 shows it.
func TestQueryV1(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV1, `{"model":"T2V-01","prompt":"a cat"}`)
	id := mustID(t, a)
	for _, tt := range []struct {
		name   string
		change func(*job.Job)
		status string
		number int
		words  string
	}{
		{"queued", func(*job.Job) {}, "Queueing", 0, "success"},
		{"preparing", func(j *job.Job) { j.State, j.Phase = job.Running, "preparing" }, "Preparing", 0, "success"},
		{"running", func(j *job.Job) { j.State, j.Phase = job.Running, "sampling" }, "Processing", 0, "success"},
		{"cancelled", func(j *job.Job) { j.State = job.Cancelled }, "Fail", 1000, "cancelled"},
		{"expired", func(j *job.Job) { j.State = job.Expired }, "Fail", 1001, "expired"},
		{"unsafe", func(j *job.Job) { j.State, j.Error = job.Failed, job.Errorf(job.OutputUnsafe, "", "not shown") }, "Fail", 1027, "not shown"},
		{"broken", func(j *job.Job) { j.State, j.Error = job.Failed, job.Errorf(job.PastAttempts, "", "3 attempts failed") }, "Fail", 1024, "3 attempts failed"},
		{"no reason", func(j *job.Job) { j.State, j.Error = job.Failed, nil }, "Fail", 1013, "the task failed"},
		{"no film", func(j *job.Job) { j.State, j.Result = job.Succeeded, &job.Result{} }, "Fail", 1013, "without a video"},
	} {
		f.Set(id, tt.change)
		status, q := c.json("GET", queryV1+id.String(), "")
		if n, message := errorOf(t, q); status != 200 || q["status"] != tt.status || n != tt.number || !strings.Contains(message, tt.words) ||
			q["task_id"] != id.String() || q["file_id"] != nil || q["video_width"] != nil || q["video_height"] != nil {
			t.Errorf("%s: %d %v", tt.name, status, q)
		}
	}
	f.Finish(id)
	_, q := c.json("GET", queryV1+id.String(), "")
	file, ok := q["file_id"].(string)
	if !ok || q["status"] != "Success" || q["video_width"] != 1280.0 || q["video_height"] != 720.0 || apitest.At(q, "base_resp", "status_code") != 0.0 {
		t.Fatalf("got %v", q)
	}
	if done := f.Peek(id); file != idText(done.Result.Files[0].ID) {
		t.Errorf("file_id is %s, not the film's", file)
	}
	for _, bad := range []string{"", "abc", "1", "-5", "9999999999999999", "1234567890123456"} {
		if _, q := c.json("GET", queryV1+bad, ""); apitest.At(q, "base_resp", "status_code") != 2013.0 {
			t.Errorf("%q: %v", bad, q)
		}
	}
	c.key = apitest.KeyTwo
	if _, q := c.json("GET", queryV1+id.String(), ""); apitest.At(q, "base_resp", "status_code") != 2013.0 {
		t.Errorf("another project sees %v", q)
	}
}

// TestIdempotentV1: a repeated request is the same task.
func TestIdempotentV1(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	ask := func() string {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", c.base+postV1, strings.NewReader(`{"model":"T2V-01","prompt":"a cat"}`))
		req.Header.Set("X-Api-Key", apitest.KeyOne)
		req.Header.Set("Idempotency-Key", "again")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	if a, b := ask(), ask(); a != b || f.Count() != 1 {
		t.Errorf("%d jobs: %s and %s", f.Count(), a, b)
	}
}

// TestHowPromptsAreExpanded: what each way to ask for an expanded prompt means.
func TestHowPromptsAreExpanded(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	for body, want := range map[string]service.Expansion{
		``: service.ExpandBalanced, `,"prompt_optimizer":true`: service.ExpandBalanced, `,"fast_pretreatment":true`: service.ExpandQuick,
		`,"prompt_optimizer":false`: service.ExpandNone, `,"prompt_optimizer":false,"fast_pretreatment":true`: service.ExpandNone,
	} {
		c.json("POST", postV1, `{"model":"T2V-01","prompt":"a cat"`+body+`}`)
		if got := f.Last(t).Expand; got != want {
			t.Errorf("V1 %s: %q, want %q", body, got, want)
		}
	}
	for mode, want := range map[string]service.Expansion{"": service.ExpandNone, "disabled": service.ExpandNone, "balanced": service.ExpandBalanced, "quality": service.ExpandQuality} {
		c.json("POST", "/v2/video_generation", bodyV2(`[{"type":"text","text":"a cat"}]`, "16:9", `,"extra":{"prompt_expansion_mode":"`+mode+`"}`))
		if got := f.Last(t).Expand; mode != "" && got != want {
			t.Errorf("V2 %q: %q, want %q", mode, got, want)
		}
	}
}
