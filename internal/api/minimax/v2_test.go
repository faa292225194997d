package minimax

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

const (
	postV2  = "/v2/video_generation"
	queryV2 = "/v2/query/video_generation"
)

// items is a JSON list of content: a text, and what else is given.
func items(more ...string) string {
	return `[` + strings.Join(append([]string{`{"type":"text","text":"a cat"}`}, more...), ",") + `]`
}

func media(kind, role string) string {
	r := ""
	if role != "" {
		r = fmt.Sprintf(`,"role":%q`, role)
	}
	return fmt.Sprintf(`{"type":%q,%q:{"url":%q}%s}`, kind, kind, apitest.PictureURL, r)
}

// body is a V2 request of MiniMax-H3; without a ratio when that is "".
func bodyV2(content, ratio, more string) string {
	s := `{"model":"MiniMax-H3","content":` + content
	if ratio != "" {
		s += fmt.Sprintf(`,"ratio":%q`, ratio)
	}
	return s + more + `}`
}

// TestVideoV2Fields: each field and limit of POST /v2/video_generation.
func TestVideoV2Fields(t *testing.T) {
	f := apitest.New(t)
	f.Models = append(f.Models, service.ModelName{Name: "MiniMax-H3-Max", Engine: "reel", API: job.MiniMaxV2})
	c := serve(t, f)
	text := items()
	frame, last := media("image_url", "first_frame"), media("image_url", "last_frame")
	image, video, sound := media("image_url", "reference_image"), media("video_url", "reference_video"), media("audio_url", "reference_audio")
	times := func(s string, n int) []string { return strings.Split(strings.Repeat(s+"\n", n-1)+s, "\n") }
	for _, tt := range []struct{ body, want string }{
		{bodyV2(text, "16:9", ""), ""},
		{strings.Replace(bodyV2(text, "16:9", ""), "MiniMax-H3", "T2V-01", 1), "not served here"},
		{`{"content":` + text + `}`, "model is missing"},
		{`{"model":"MiniMax-H3"}`, "content is missing"},
		{bodyV2(`[]`, "16:9", ""), "content is missing"},
		{bodyV2(`"a cat"`, "16:9", ""), "content must be a list"},
		{bodyV2(`["a cat"]`, "16:9", ""), "content[0] must be an object"},
		{bodyV2(`[{"text":"a cat"}]`, "16:9", ""), "content[0].type is missing"},
		{bodyV2(`[{"type":"smell","text":"a cat"}]`, "16:9", ""), "content[0].type must be one of"},
		{bodyV2(`[{"type":"text","text":""}]`, "16:9", ""), "content[0].text is empty"},
		{bodyV2(`[{"type":"text","text":" "}]`, "16:9", ""), "content[0].text is empty"},
		{bodyV2(`[{"type":"text","text":"a","role":"first_frame"}]`, "16:9", ""), "content[0].role is"},
		{bodyV2(`[{"type":"text","text":"a","image_url":{"url":"x"}}]`, "16:9", ""), "content[0].image_url is there"},
		{bodyV2(items(`{"type":"text","text":"a dog"}`), "16:9", ""), "exactly one item"},
		{bodyV2(`[`+frame+`]`, "16:9", ""), "content has 0 texts"},
		{bodyV2(`[{"type":"text","text":"`+strings.Repeat("猫", 7000)+`"}]`, "16:9", ""), ""},
		{bodyV2(`[{"type":"text","text":"`+strings.Repeat("猫", 7001)+`"}]`, "16:9", ""), "content[0].text has 7001 characters"},
		{bodyV2(items(times(`{"type":"text","text":"a"}`, 64)...), "16:9", ""), "content has 65 items"},
		// URLs.
		{bodyV2(items(`{"type":"image_url"}`), "", ""), "content[1].image_url is missing"},
		{bodyV2(items(`{"type":"image_url","image_url":{}}`), "", ""), "content[1].image_url.url is missing"},
		{bodyV2(items(`{"type":"image_url","image_url":{"url":"/etc/passwd"}}`), "", ""), "content[1].image_url.url must be"},
		{bodyV2(items(`{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}`), "", ""), "content[1].image_url.url must be"},
		{bodyV2(items(`{"type":"image_url","image_url":{"url":"mm_file://1234567890123456"}}`), "", ""), "content[1].image_url.url: there is no file"},
		{bodyV2(items(`{"type":"image_url","image_url":{"url":"`+apitest.DataURI(255, 300)+`"}}`), "", ""), "content[1].image_url.url: "},
		// Roles.
		{bodyV2(items(frame, frame), "", ""), "more than one first_frame"},
		{bodyV2(items(last, last), "", ""), "more than one first_frame or last_frame"},
		{bodyV2(items(frame, last), "", ""), "the local models take no last frame"},
		{bodyV2(items(last), "", ""), "the local models take no last frame"},
		{bodyV2(items(frame, image), "", ""), "exclude each other"},
		{bodyV2(items(frame, video), "", ""), "exclude each other"},
		{bodyV2(items(media("image_url", ""), image), "", ""), "content[1] has no role"},
		{bodyV2(items(media("image_url", "reference_video")), "", ""), "content[1].role"},
		{bodyV2(items(media("image_url", "villain")), "", ""), "content[1].role must be one of"},
		{bodyV2(items(media("video_url", "")), "", ""), "content[1].role"},
		{bodyV2(items(media("audio_url", "")), "", ""), "content[1].role"},
		{bodyV2(items(image), "16:9", ""), "take no references"},
		{bodyV2(items(video), "16:9", ""), "take no references"},
		{bodyV2(items(image, sound), "16:9", ""), "take no references"},
		{bodyV2(items(sound), "16:9", ""), "needs an image or a video"},
		{bodyV2(items(media("video_url", "base_video")), "16:9", ""), "cannot be made again"},
		{bodyV2(items(media("video_url", "base_video"), video), "16:9", ""), "stands alone"},
		{bodyV2(items(times(image, 9)...), "16:9", ""), "take no references"},
		{bodyV2(items(times(image, 10)...), "16:9", ""), "10 images: the limit is 9"},
		{bodyV2(items(times(video, 4)...), "16:9", ""), "4 videos: the limit is 3"},
		{bodyV2(items(append(times(sound, 4), image)...), "16:9", ""), "4 sounds: the limit is 3"},
		{bodyV2(items(append(times(image, 9), append(times(video, 3), sound)...)...), "16:9", ""), "13 files: the limit is 12"},
		// The rest.
		{bodyV2(text, "16:9", `,"resolution":"768P"`), ""},
		{bodyV2(text, "16:9", `,"resolution":"2K"`), ""},
		{bodyV2(text, "16:9", `,"resolution":"480P"`), "resolution is 480P: MiniMax-H3 has 768P and 2K"},
		{bodyV2(text, "16:9", `,"resolution":"1080P"`), "resolution must be one of"},
		{strings.Replace(bodyV2(text, "16:9", `,"resolution":"480P"`), "MiniMax-H3", "MiniMax-H3-Max", 1), ""},
		{strings.Replace(bodyV2(text, "16:9", `,"resolution":"2K"`), "MiniMax-H3", "MiniMax-H3-Max", 1), "resolution is 2K"},
		{bodyV2(text, "16:9", `,"duration":4`), ""},
		{bodyV2(text, "16:9", `,"duration":15`), ""},
		{bodyV2(text, "16:9", `,"duration":3`), "duration is 3: it must be from 4 to 15"},
		{bodyV2(text, "16:9", `,"duration":16`), "duration is 16"},
		{bodyV2(text, "16:9", `,"duration":"5"`), "duration must be a whole number"},
		{bodyV2(text, "16:9", `,"duration":5.5`), "duration must be a whole number"},
		{bodyV2(text, "", ""), "ratio must be given"},
		{bodyV2(text, "adaptive", ""), "ratio must be given, and not adaptive"},
		{bodyV2(text, "2:1", ""), "ratio must be one of"},
		{bodyV2(text, "16:9", `,"callback_url":5`), "callback_url must be a string"},
		{bodyV2(text, "16:9", `,"aigc_watermark":true`), ""},
		{bodyV2(text, "16:9", `,"aigc_watermark":0`), "aigc_watermark must be"},
		{bodyV2(text, "16:9", `,"extra":{"prompt_expansion_mode":"disabled"}`), ""},
		{bodyV2(text, "16:9", `,"extra":{"prompt_expansion_mode":"balanced"}`), ""},
		{bodyV2(text, "16:9", `,"extra":{"prompt_expansion_mode":"quality"}`), ""},
		{bodyV2(text, "16:9", `,"extra":{"prompt_expansion_mode":"most"}`), "extra.prompt_expansion_mode must be one of"},
		{bodyV2(text, "16:9", `,"extra":[]`), "extra must be an object"},
	} {
		before := f.Count()
		status, a := c.json("POST", postV2, tt.body)
		n, message := errorOf(t, a)
		switch {
		case tt.want == "" && (status != 200 || n != 0 || f.Count() != before+1):
			t.Errorf("%.200s: %d %v", tt.body, status, a)
		case tt.want != "" && (status != http.StatusBadRequest || n != 2013 || !strings.Contains(message, tt.want) || f.Count() != before):
			t.Errorf("%.200s: %d, %d %q; want %q", tt.body, status, n, message, tt.want)
		}
	}
}

// TestVideoV2Sizes: the short side by resolution, the shape by ratio.
func TestVideoV2Sizes(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	for _, tt := range []struct {
		model, resolution, ratio string
		w, h                     int
	}{
		{"MiniMax-H3", "", "16:9", 1366, 768},
		{"MiniMax-H3", "768P", "9:16", 768, 1366},
		{"MiniMax-H3", "768P", "21:9", 1792, 768},
		{"MiniMax-H3", "768P", "4:3", 1024, 768},
		{"MiniMax-H3", "768P", "3:4", 768, 1024},
		{"MiniMax-H3", "768P", "1:1", 768, 768},
		{"MiniMax-H3", "2K", "16:9", 2560, 1440},
		{"MiniMax-H3", "2K", "21:9", 3360, 1440},
		{"reel", "480P", "16:9", 854, 480},
		{"reel", "", "1:1", 160, 160},
	} {
		body := fmt.Sprintf(`{"model":%q,"content":%s,"ratio":%q`, tt.model, items(), tt.ratio)
		if tt.resolution != "" {
			body += fmt.Sprintf(`,"resolution":%q`, tt.resolution)
		}
		_, a := c.json("POST", postV2, body+"}")
		mustID(t, a)
		if s := f.Last(t).Spec; s.Width != tt.w || s.Height != tt.h || s.Ratio != tt.ratio || s.Seconds != 5 || s.TaskType != taskGeneration {
			t.Errorf("%+v: %+v", tt, s)
		}
	}
}

// TestVideoV2Frames: with a first frame the shape is its own.
func TestVideoV2Frames(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	for _, tt := range []struct {
		picture string
		role    string
		w, h    int // 0: refused
	}{
		{apitest.DataURI(256, 256), "", 768, 768},
		{apitest.DataURI(512, 256), roleFirst, 1536, 768},
		{apitest.DataURI(300, 600), "", 768, 1536},
		{apitest.DataURI(255, 256), "", 0, 0},
		{apitest.DataURI(700, 256), "", 0, 0},
		{apitest.DataURI(256, 700), "", 0, 0},
		{"data:image/png;base64,AAAA", "", 0, 0},
	} {
		item := fmt.Sprintf(`{"type":"image_url","image_url":{"url":%q}}`, tt.picture)
		if tt.role != "" {
			item = strings.Replace(item, `}}`, `},"role":"`+tt.role+`"}`, 1)
		}
		status, a := c.json("POST", postV2, bodyV2(items(item), "1:1", "")) // the ratio is ignored
		if tt.w == 0 {
			if n, message := errorOf(t, a); status != 400 || n != 2013 || !strings.HasPrefix(message, "content[1].image_url.url: ") {
				t.Errorf("%.40s: %d %v", tt.picture, status, a)
			}
			continue
		}
		s := f.Last(t).Spec
		if s.Width != tt.w || s.Height != tt.h || s.Ratio != adaptive || s.TaskType != taskGeneration || s.FirstFrame == "" || s.InputImages != 1 {
			t.Errorf("%.40s: %+v", tt.picture, s)
		}
	}
	_, up := c.json("POST", postV2, bodyV2(items(media("image_url", "")), "", ""))
	if n, message := errorOf(t, up); n != 2013 || !strings.Contains(message, "320×200") {
		t.Errorf("a picture of 200 rows: %v", up)
	}
}

// TestTaskV2: each state of a job as V2 shows it.
func TestTaskV2(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV2, bodyV2(items(), "16:9", `,"duration":8`))
	id := mustID(t, a)
	show := func() any {
		t.Helper()
		status, q := c.json("GET", queryV2+"/"+id.String(), "")
		if status != 200 {
			t.Fatalf("%d %v", status, q)
		}
		return q["task"]
	}
	for _, tt := range []struct {
		state  job.State
		err    *job.Error
		number any
	}{
		{job.Queued, nil, nil},
		{job.Running, nil, nil},
		{job.Cancelled, nil, nil},
		{job.Expired, nil, "1001"},
		{job.Failed, job.Errorf(job.OutputUnsafe, "", "not shown"), "1027"},
		{job.Failed, nil, "1013"},
	} {
		f.Set(id, func(j *job.Job) { j.State, j.Error = tt.state, tt.err })
		task := show()
		if apitest.At(task, "status") != string(tt.state) || apitest.At(task, "error", "code") != tt.number || apitest.At(task, "content", "url") != nil || apitest.At(task, "usage", "total_seconds") != 0.0 {
			t.Errorf("%s: %v", tt.state, task)
		}
	}
	f.Finish(id)
	f.Set(id, func(j *job.Job) { j.Error = nil })
	task := show()
	j := f.Peek(id)
	if link := fmt.Sprint(apitest.At(task, "content", "url")); !strings.Contains(link, "/media/"+j.Result.Files[0].Key+"?") {
		t.Errorf("content.url is %s", link)
	}
	for path, want := range map[string]any{
		"id": id.String(), "model": "MiniMax-H3", "status": "succeeded", "created_at": float64(j.CreatedAt.Unix()), "updated_at": float64(j.UpdatedAt.Unix()),
		"resolution": "768P", "duration": 8.0, "ratio": "16:9", "task_type": "generation", "modality": "video", "error": nil,
		"content.prompt":      nil,
		"usage.total_seconds": 8.0, "usage.input_seconds": 0.0, "usage.output_seconds": 8.0, "usage.input_image_count": 0.0, "usage.input_video_count": 0.0, "usage.input_audio_count": 0.0,
	} {
		if got := apitest.At(task, strings.Split(path, ".")...); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	// What is another's, too old, of another API or no id is not found.
	c.key = apitest.KeyTwo
	notFound(t, c, id.String())
	c.key = apitest.KeyOne
	f.Set(id, func(j *job.Job) { j.CreatedAt = time.Now().Add(-recordTime - time.Minute) })
	notFound(t, c, id.String())
	f.Set(id, func(j *job.Job) { j.CreatedAt, j.API = time.Now(), job.MiniMaxV1 })
	notFound(t, c, id.String())
	notFound(t, c, "abc")
}

func notFound(t *testing.T, c *client, id string) {
	t.Helper()
	for _, ask := range [][2]string{{"GET", queryV2 + "/"}, {"DELETE", postV2 + "/"}} {
		if status, a := c.json(ask[0], ask[1]+id, ""); status != 400 || !strings.HasSuffix(apitest.At(a, "error", "message").(string), "(2013)") {
			t.Errorf("%s %s: %d %v", ask[0], id, status, a)
		}
	}
}

func TestListV2(t *testing.T) {
	f := apitest.New(t)
	f.UseChat()
	c := serve(t, f)
	var ids []string
	for range 5 {
		_, a := c.json("POST", postV2, bodyV2(items(), "16:9", ""))
		ids = append(ids, mustID(t, a).String())
	}
	_, a := c.json("POST", "/v2/h3_context_ir", bodyV2(items(), "", ""))
	ids = append(ids, mustID(t, a).String())
	c.json("POST", postV1, `{"model":"T2V-01","prompt":"a cat"}`) // never in the list
	id, _ := job.ParseID(ids[0], "")
	f.Finish(id)
	id, _ = job.ParseID(ids[1], "")
	f.Set(id, func(j *job.Job) { j.CreatedAt = time.Now().Add(-recordTime - time.Hour) })
	for _, tt := range []struct {
		query string
		want  []int // indices, newest first
		total int
	}{
		{"", []int{5, 4, 3, 2, 0}, 5},
		{"page_size=2", []int{5, 4}, 5},
		{"page_size=2&page_num=3", []int{0}, 5},
		{"page_size=2&page_num=4", nil, 5},
		{"filter.status=succeeded", []int{0}, 1},
		{"filter.status=queued&page_size=100", []int{5, 4, 3, 2}, 4},
		{"filter.task_ids=" + ids[4] + "," + ids[3], []int{4, 3}, 2},
		{"filter.task_ids=" + ids[4] + "&filter.task_ids=" + ids[2], []int{4, 2}, 2},
		{"filter.model=MiniMax-H3", []int{5, 4, 3, 2, 0}, 5},
		{"filter.model=reel", nil, 0},
		{"filter.task_type=h3_context_ir", []int{5}, 1},
		{"filter.task_type=generation&filter.status=queued", []int{4, 3, 2}, 3},
	} {
		status, a := c.json("GET", queryV2+"?"+tt.query, "")
		list, _ := a["items"].([]any)
		var got []string
		for _, item := range list {
			got = append(got, apitest.At(item, "id").(string))
		}
		var want []string
		for _, i := range tt.want {
			want = append(want, ids[i])
		}
		if status != 200 || fmt.Sprint(got) != fmt.Sprint(want) || a["total"] != float64(tt.total) || a["items"] == nil {
			t.Errorf("%q: %d %v of %v, want %v of %d", tt.query, status, got, a["total"], want, tt.total)
		}
	}
	for query, want := range map[string]string{
		"page_num=0": "page_num", "page_num=x": "page_num", "page_size=101": "page_size", "page_size=-1": "page_size",
		"filter.status=done": "filter.status", "filter.task_ids=1": "filter.task_ids",
		"filter.task_ids=" + strings.Repeat(ids[0]+",", 101): "filter.task_ids",
	} {
		if status, a := c.json("GET", queryV2+"?"+query, ""); status != 400 || !strings.HasPrefix(apitest.At(a, "error", "message").(string), want) {
			t.Errorf("%q: %d %v", query, status, a)
		}
	}
}

func TestDeleteV2(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV2, bodyV2(items(), "16:9", ""))
	id := mustID(t, a)
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	if status, a := c.json("DELETE", postV2+"/"+id.String(), ""); status != 400 || !strings.Contains(apitest.JSONText(a), "is running") {
		t.Errorf("running: %d %v", status, a)
	}
	if j := f.Peek(id); j.CancelAsked {
		t.Error("a running task was asked to stop")
	}
	f.Set(id, func(j *job.Job) { j.State = job.Queued })
	if status, a := c.json("DELETE", postV2+"/"+id.String(), ""); status != 200 || a["action"] != "cancelled" || a["task_id"] != id.String() || a["status"] != "cancelled" {
		t.Errorf("queued: %d %v", status, a)
	}
	if j := f.Peek(id); j.State != job.Cancelled {
		t.Errorf("it is %s", j.State)
	}
	if status, a := c.json("DELETE", postV2+"/"+id.String(), ""); status != 400 || !strings.Contains(apitest.JSONText(a), "was cancelled already") {
		t.Errorf("cancelled: %d %v", status, a)
	}
	f.Set(id, func(j *job.Job) { j.State = job.Failed })
	if status, a := c.json("DELETE", postV2+"/"+id.String(), ""); status != 200 || a["action"] != "deleted" || a["status"] != "failed" {
		t.Errorf("finished: %d %v", status, a)
	}
	notFound(t, c, id.String())
}

func TestContextIR(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	post := func(body string) (int, map[string]any) { return c.json("POST", "/v2/h3_context_ir", body) }
	if status, a := post(bodyV2(items(), "", "")); status != 400 || !strings.Contains(apitest.JSONText(a), "no chat model") || f.Count() != 0 {
		t.Errorf("without an upstream: %d %v", status, a)
	}
	f.UseChat()
	if status, a := post(bodyV2(items(media("image_url", "")), "", "")); status != 400 || !strings.Contains(apitest.JSONText(a), "of the text alone") {
		t.Errorf("with an image: %d %v", status, a)
	}
	if status, _ := post(`{"content":` + items() + `}`); status != 400 {
		t.Errorf("without a model: %d", status)
	}
	_, a := post(bodyV2(items(), "", `,"callback_url":"https://example.com/hook"`))
	id := mustID(t, a)
	if s := f.Last(t); s.Spec.Kind != job.Expansion || s.Spec.Prompt != "a cat" || s.Spec.TaskType != "h3_context_ir" || s.Callback == "" || s.API != job.MiniMaxV2 {
		t.Errorf("got %+v", s)
	}
	finishAll(f, id)
	_, q := c.json("GET", queryV2+"/"+id.String(), "")
	if apitest.At(q, "task", "content", "prompt") != "Description: a cat" || apitest.At(q, "task", "modality") != "text" || apitest.At(q, "task", "content", "url") != nil || apitest.At(q, "task", "task_type") != "h3_context_ir" {
		t.Errorf("got %v", q)
	}
}

func TestRegeneration(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV2, bodyV2(items(), "9:16", `,"duration":7`))
	id := mustID(t, a)
	post := func(body string) (int, map[string]any) { return c.json("POST", "/v2/video_regeneration", body) }
	source := fmt.Sprintf(`{"source_task_id":%q`, id)
	if status, a := post(source + `}`); status != 400 || !strings.Contains(apitest.JSONText(a), "has no video") {
		t.Errorf("of a task that waits: %d %v", status, a)
	}
	f.Finish(id)
	src := f.Last(t).Spec
	status, a := post(source + `,"resolution":"2K"}`)
	s := f.Last(t).Spec
	if status != 200 || s.Width != 1440 || s.Height != 2560 || s.Seed != src.Seed || s.Prompt != src.Prompt || s.Seconds != 7 || s.TaskType != "regeneration" || s.Resolution != "2K" || s.Ratio != "9:16" {
		t.Errorf("%d %+v", status, s)
	}
	if notes := fmt.Sprint(a["notes"]); !strings.Contains(notes, "made again") || !strings.Contains(notes, "cut from the middle of that and enlarged") {
		t.Errorf("notes: %s", notes)
	}
	again := mustID(t, a)
	f.Finish(again)
	if _, q := c.json("GET", queryV2+"/"+again.String(), ""); apitest.At(q, "task", "usage", "total_seconds") != 14.0 || apitest.At(q, "task", "usage", "input_seconds") != 7.0 {
		t.Errorf("got %v", q)
	}
	for body, want := range map[string]string{
		`{}`:                                   "source_task_id is missing",
		source + `,"resolution":"768P"}`:       "resolution must be 2K",
		source + `,"model":"reel"}`:            "model is reel",
		source + `,"content":` + items() + `}`: "exclude each other",
		`{"content":` + items(media("video_url", "base_video")) + `}`: "cannot be made again",
		`{"source_task_id":"1234567890123456"}`:                       "1234567890123456",
		`{"source_task_id":"x"}`:                                      "source_task_id must be an id of digits",
	} {
		if status, a := post(body); status != 400 || !strings.Contains(apitest.JSONText(a), want) {
			t.Errorf("%s: %d %v, want %q", body, status, a, want)
		}
	}
}

// TestFormerTaskTypes: tasks that an older version made are shown and found by
// today's words.
func TestFormerTaskTypes(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	_, a := c.json("POST", postV2, bodyV2(items(), "16:9", ""))
	id := mustID(t, a)
	for former, now := range map[string]string{"text_to_video": "generation", "image_to_video": "generation", "video_regeneration": "regeneration", "h3_context_ir": "h3_context_ir"} {
		f.Set(id, func(j *job.Job) { j.Spec.TaskType = former })
		if _, a := c.json("GET", "/v2/query/video_generation/"+id.String(), ""); apitest.At(a, "task", "task_type") != now {
			t.Errorf("%s: %v", former, a)
		}
		if _, a := c.json("GET", "/v2/query/video_generation?filter.task_type="+now, ""); a["total"] != 1.0 {
			t.Errorf("%s: listed %v", former, a)
		}
	}
}
