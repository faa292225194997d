package minimax

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

func TestImages(t *testing.T) {
	f := apitest.New(t)
	f.OnSubmit = finishAll
	c := serve(t, f)
	post := func(body string) map[string]any { _, a := c.json("POST", "/v1/image_generation", body); return a }
	a := post(`{"model":"image-01","prompt":"a [Shake] cat","n":3,"seed":7,"aigc_watermark":true}`)
	s := f.Last(t).Spec
	if urls, _ := apitest.At(a, "data", "image_urls").([]any); len(urls) != 3 || apitest.At(a, "metadata", "success_count") != 3.0 || apitest.At(a, "metadata", "failed_count") != 0.0 ||
		apitest.At(a, "data", "success_count") != 3.0 || a["id"] == nil || a["id"] != apitest.At(a, "data", "task_id") || apitest.At(a, "base_resp", "status_code") != 0.0 || apitest.At(a, "data", "image_base64") != nil {
		t.Errorf("got %v", a)
	}
	if s.Kind != job.Image || s.Count != 3 || s.Seed != 7 || !s.Watermark || s.ImageType != "image/jpeg" || s.Prompt != "a cat" || s.Asked != "a [Shake] cat" || s.Width != 1024 || s.Height != 1024 {
		t.Errorf("got %+v", s)
	}
	a = post(`{"model":"image-01","prompt":"a cat","response_format":"base64"}`)
	if list, _ := apitest.At(a, "data", "image_base64").([]any); len(list) != 1 || list[0] != apitest.Base64([]byte("image of "+a["id"].(string))) || apitest.At(a, "data", "image_urls") != nil {
		t.Errorf("got %v", a)
	}
	for ratio, size := range service.ImageSizes {
		post(fmt.Sprintf(`{"model":"image-01","prompt":"a cat","aspect_ratio":%q}`, ratio))
		if s := f.Last(t).Spec; s.Width != size[0] || s.Height != size[1] || s.Ratio != ratio {
			t.Errorf("%s: %+v", ratio, s)
		}
	}
	post(`{"model":"image-01","prompt":"a cat","width":512,"height":2048,"aspect_ratio":"1:1"}`)
	if s := f.Last(t).Spec; s.Width != 512 || s.Height != 2048 || s.Count != 1 {
		t.Errorf("got %+v", s)
	}
	for body, want := range map[string]string{
		`"model":"image-01"`:                                                                          "prompt is missing",
		`"prompt":"a cat"`:                                                                            "model is missing",
		`"model":"T2V-01","prompt":"a cat"`:                                                           "makes videos",
		`"model":"S2V-01","prompt":"a cat"`:                                                           "makes videos",
		`"model":"MiniMax-H3","prompt":"a cat"`:                                                       "not served here",
		`"model":"image-01","prompt":" "`:                                                             "prompt is missing",
		`"model":"image-01","prompt":"` + strings.Repeat("x", 1501) + `"`:                             "the limit is 1500",
		`"model":"image-01","prompt":"a","n":0`:                                                       "n is 0: it must be from 1 to 9",
		`"model":"image-01","prompt":"a","n":10`:                                                      "n is 10",
		`"model":"image-01","prompt":"a","n":"2"`:                                                     "n must be a whole number",
		`"model":"image-01","prompt":"a","seed":-1`:                                                   "seed is -1",
		`"model":"image-01","prompt":"a","seed":1.5`:                                                  "seed must be a whole number",
		`"model":"image-01","prompt":"a","aspect_ratio":"2:1"`:                                        "aspect_ratio must be one of",
		`"model":"image-01","prompt":"a","width":512`:                                                 "go together",
		`"model":"image-01","prompt":"a","height":512`:                                                "go together",
		`"model":"image-01","prompt":"a","width":511,"height":512`:                                    "width is 511",
		`"model":"image-01","prompt":"a","width":512,"height":2049`:                                   "height is 2049",
		`"model":"image-01","prompt":"a","width":516,"height":512`:                                    "multiples of 8",
		`"model":"image-01","prompt":"a","response_format":"png"`:                                     "response_format must be one of url, base64",
		`"model":"image-01","prompt":"a","prompt_optimizer":2`:                                        "prompt_optimizer must be",
		`"model":"image-01","prompt":"a","subject_reference":[{"type":"character","image_file":"x"}]`: "subject_reference: the local models",
	} {
		before := f.Count()
		if n, message := errorOf(t, post("{"+body+"}")); n != 2013 || !strings.Contains(message, want) || f.Count() != before {
			t.Errorf("%.100s: %d %q, want %q", body, n, message, want)
		}
	}
}

// TestImagesThatFail: what a job ends with is the answer; one that takes too
// long is cancelled.
func TestImagesThatFail(t *testing.T) {
	f := apitest.New(t)
	post := func(wait time.Duration) (int, string) {
		c := &client{t: t, base: f.Serve(t, &V1{service: f, ImageWait: wait}).URL, key: apitest.KeyOne}
		_, a := c.json("POST", "/v1/image_generation", `{"model":"image-01","prompt":"a cat"}`)
		return errorOf(t, a)
	}
	if n, message := post(20 * time.Millisecond); n != 1001 || !strings.Contains(message, "not ready in 20ms") {
		t.Errorf("slow: %d %q", n, message)
	}
	id := f.Order()[0]
	if j := f.Peek(id); j.State != job.Cancelled {
		t.Errorf("a job that nobody waits for is %s", j.State)
	}
	for _, tt := range []struct {
		state  job.State
		err    *job.Error
		number int
	}{{job.Failed, job.Errorf(job.OutputUnsafe, "", "no"), 1027}, {job.Failed, nil, 1000}, {job.Cancelled, nil, 1000}, {job.Expired, nil, 1000}} {
		f.OnSubmit = func(f *apitest.Service, id job.ID) {
			f.Set(id, func(j *job.Job) { j.State, j.Error = tt.state, tt.err })
		}
		if n, message := post(imageWait); n != tt.number || message == "" {
			t.Errorf("%s %v: %d %q", tt.state, tt.err, n, message)
		}
	}
}

func TestSpeech(t *testing.T) {
	f := apitest.New(t)
	sound := strings.Repeat("sound", 20_000)
	var got service.SpeechRequest
	f.OnSpeak = func(s service.SpeechRequest) (service.SpeechResult, error) {
		got = s
		return service.SpeechResult{Data: []byte(sound), Format: s.Format, Duration: 1500 * time.Millisecond, SampleRate: s.SampleRate, Channels: s.Channels, BitRate: s.BitRate, Characters: 9}, nil
	}
	c := serve(t, f)
	post := func(body string) map[string]any { _, a := c.json("POST", "/v1/t2a_v2", body); return a }
	a := post(`{"model":"speech-2.8-hd","text":"good day!"}`)
	if audio, err := hex.DecodeString(apitest.At(a, "data", "audio").(string)); err != nil || string(audio) != sound {
		t.Errorf("%d bytes, %v", len(audio), err)
	}
	for path, want := range map[string]any{
		"data.status": 2.0, "extra_info.audio_length": 1500.0, "extra_info.audio_sample_rate": 32000.0, "extra_info.audio_size": 100_000.0, "extra_info.bitrate": 128000.0,
		"extra_info.audio_format": "mp3", "extra_info.audio_channel": 1.0, "extra_info.usage_characters": 9.0, "extra_info.word_count": 2.0,
		"trace_id": "req_test", "base_resp.status_code": 0.0, "notes": nil,
	} {
		if v := apitest.At(a, strings.Split(path, ".")...); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
	if want := (service.SpeechRequest{Model: "speech-2.8-hd", Text: "good day!", Speed: 1, Volume: 1, Format: "mp3", SampleRate: 32000, BitRate: 128000, Channels: 1, RequestID: "req_test"}); got != want {
		t.Errorf("got %+v", got)
	}
	a = post(`{"model":"speech-02","text":"x","output_format":"url","language_boost":"Arabic","voice_setting":{"voice_id":"female-shaonv","speed":0.5,"vol":10,"pitch":-12,"emotion":"happy","text_normalization":true},"audio_setting":{"sample_rate":8000,"bitrate":32000,"format":"wav","channel":2}}`)
	if want := (service.SpeechRequest{Model: "speech-02", Text: "x", Voice: "female-shaonv", Speed: 0.5, Volume: 10, Pitch: -12, Language: "Arabic", Format: "wav", SampleRate: 8000, BitRate: 32000, Channels: 2, Keep: true, RequestID: "req_test"}); got != want {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(apitest.At(a, "data", "audio").(string), "/media/file/") || !strings.Contains(fmt.Sprint(a["notes"]), "emotion") {
		t.Errorf("got %v", a)
	}
	for body, want := range map[string]string{
		`"text":"x"`:            "model is missing",
		`"model":"s"`:           "text is missing",
		`"model":"s","text":""`: "text is missing",
		`"model":"s","text":"` + strings.Repeat("x", 10_001) + `"`:     "the limit is 10000",
		`"model":"s","text":"x","stream":"yes"`:                        "stream must be",
		`"model":"s","text":"x","stream":true,"output_format":"url"`:   "a stream is hex",
		`"model":"s","text":"x","output_format":"raw"`:                 "output_format must be one of hex, url",
		`"model":"s","text":"x","voice_setting":{"speed":0.4}`:         "voice_setting.speed is 0.4: it must be from 0.5 to 2",
		`"model":"s","text":"x","voice_setting":{"speed":"fast"}`:      "voice_setting.speed must be a number",
		`"model":"s","text":"x","voice_setting":{"vol":0}`:             "voice_setting.vol is 0",
		`"model":"s","text":"x","voice_setting":{"vol":11}`:            "voice_setting.vol is 11",
		`"model":"s","text":"x","voice_setting":{"pitch":13}`:          "voice_setting.pitch is 13",
		`"model":"s","text":"x","voice_setting":{"pitch":1.5}`:         "voice_setting.pitch must be a whole number",
		`"model":"s","text":"x","voice_setting":{"voice_id":4}`:        "voice_setting.voice_id must be a string",
		`"model":"s","text":"x","voice_setting":{"emotion":4}`:         "voice_setting.emotion must be a string",
		`"model":"s","text":"x","voice_setting":{"latex_read":true}`:   "voice_setting.latex_read: the local voices",
		`"model":"s","text":"x","audio_setting":{"sample_rate":48000}`: "audio_setting.sample_rate must be one of",
		`"model":"s","text":"x","audio_setting":{"bitrate":1}`:         "audio_setting.bitrate must be one of",
		`"model":"s","text":"x","audio_setting":{"format":"ogg"}`:      "audio_setting.format must be one of mp3, pcm, flac, wav",
		`"model":"s","text":"x","audio_setting":{"channel":3}`:         "audio_setting.channel must be one of 1, 2",
		`"model":"s","text":"x","language_boost":1`:                    "language_boost must be",
		`"model":"s","text":"x","pronunciation_dict":{"tone":["a/b"]}`: "pronunciation_dict: the local voices",
		`"model":"s","text":"x","timber_weights":[{"voice_id":"a"}]`:   "timber_weights: the local voices",
		`"model":"s","text":"x","voice_modify":{"pitch":1}`:            "voice_modify: the local voices",
		`"model":"s","text":"x","subtitle_enable":true`:                "subtitle_enable: there are no subtitles",
		`"model":"s","text":"x","stream_options":[]`:                   "stream_options must be an object",
	} {
		if n, message := errorOf(t, post("{"+body+"}")); n != 2013 || !strings.Contains(message, want) {
			t.Errorf("%.100s: %d %q, want %q", body, n, message, want)
		}
	}
	f.OnSpeak = nil
	if n, message := errorOf(t, post(`{"model":"s","text":"x","subtitle_enable":false}`)); n != 2013 || !strings.Contains(message, "cannot speak") {
		t.Errorf("without a voice: %d %q", n, message)
	}
}

func TestSpeechStream(t *testing.T) {
	f := apitest.New(t)
	sound := strings.Repeat("sound", 20_000)
	f.OnSpeak = func(s service.SpeechRequest) (service.SpeechResult, error) {
		return service.SpeechResult{Data: []byte(sound), Format: s.Format}, nil
	}
	c := serve(t, f)
	for _, whole := range []bool{false, true} {
		body := `{"model":"s","text":"x","stream":true}`
		if whole {
			body = `{"model":"s","text":"x","stream":true,"stream_options":{"exclude_aggregated_audio":false}}`
		}
		status, h, data := c.ask("POST", "/v1/t2a_v2", "application/json", []byte(body))
		if status != 200 || h.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %v", status, h)
		}
		events := strings.Split(strings.TrimSuffix(string(data), "\n\n"), "\n\n")
		var heard string
		for i, e := range events {
			a := apitest.Decode(t, []byte(strings.TrimPrefix(e, "data: ")))
			audio, err := hex.DecodeString(apitest.At(a, "data", "audio").(string))
			last := i == len(events)-1
			if err != nil || (apitest.At(a, "data", "status") == 2.0) != last || (a["extra_info"] != nil) != last || apitest.At(a, "base_resp", "status_code") != 0.0 {
				t.Errorf("event %d of %d: %v", i, len(events), err)
			}
			if last && whole && string(audio) != sound || last && !whole && len(audio) > 0 {
				t.Errorf("the last event has %d bytes", len(audio))
			}
			if !last {
				heard += string(audio)
			}
		}
		if heard != sound || len(events) != 5 {
			t.Errorf("%d events with %d bytes", len(events), len(heard))
		}
	}
}

func TestChat(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	const body = `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[]}`
	paths := []string{"/v1/text/chatcompletion_v2", "/v1/chat/completions"}
	for _, path := range paths {
		if status, a := c.json("POST", path, body); apitest.At(a, "base_resp", "status_code") != 2013.0 || (status == 200) != (path == paths[0]) {
			t.Errorf("%s without an upstream: %d %v", path, status, a)
		}
	}
	f.UseChat()
	var asked string
	var answer *service.ChatAnswer
	f.OnChat = func(body []byte) (*service.ChatAnswer, error) { asked = string(body); return answer, nil }
	for _, path := range paths {
		answer = apitest.ChatAnswer(200, "application/json; charset=utf-8", `{"id":"c1","big":12345678901234567890,"choices":[{"message":{"content":"<hi>"}}]}`)
		status, _, data := c.ask("POST", path, "application/json", []byte(body))
		if a := apitest.Decode(t, data); status != 200 || a["id"] != "c1" || apitest.At(a, "base_resp", "status_code") != 0.0 || asked != body || !strings.Contains(string(data), "12345678901234567890") {
			t.Errorf("%s: %d %s, asked %s", path, status, data, asked)
		}
		answer = apitest.ChatAnswer(200, "text/event-stream", "data: {\"a\":1}\n\ndata: [DONE]\n\n")
		if status, h, data := c.ask("POST", path, "application/json", []byte(body)); status != 200 || h.Get("Content-Type") != "text/event-stream" || string(data) != "data: {\"a\":1}\n\ndata: [DONE]\n\n" {
			t.Errorf("%s: %d %v %q", path, status, h, data)
		}
		for _, tt := range []struct {
			status, number, code int
			words                string
		}{{400, 2013, 400, "too many tokens"}, {401, 1033, 503, "not available"}, {500, 1033, 503, "not available"}, {429, 1002, 429, "too much to do"}} {
			answer = apitest.ChatAnswer(tt.status, "application/json", `{"error":{"message":"too many tokens"}}`)
			status, a := c.json("POST", path, body)
			if path == paths[0] {
				tt.code = 200
			}
			if n, message := apitest.At(a, "base_resp", "status_code"), fmt.Sprint(apitest.At(a, "base_resp", "status_msg")); status != tt.code || n != float64(tt.number) || !strings.Contains(message, tt.words) {
				t.Errorf("%s, upstream %d: %d %v", path, tt.status, status, a)
			}
		}
		answer = apitest.ChatAnswer(200, "text/html", "<p>hello")
		if _, a := c.json("POST", path, body); apitest.At(a, "base_resp", "status_code") != 1033.0 {
			t.Errorf("%s, a page: %v", path, a)
		}
		for bad, want := range map[string]string{`{"model":"m"}`: "messages is missing", `{"messages":[]}`: "messages is missing", `{"messages":["x"]}`: "messages[0] must be an object", `[]`: "JSON object", `{"messages":[{}],"stream":1}`: "stream must be", `{"model":1,"messages":[{}]}`: "model must be"} {
			if _, a := c.json("POST", path, bad); apitest.At(a, "base_resp", "status_code") != 2013.0 || !strings.Contains(apitest.JSONText(a), want) {
				t.Errorf("%s %s: %v", path, bad, a)
			}
		}
	}
}

func TestRemains(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	end := now.Add(24 * time.Hour)
	for _, tt := range []struct {
		name                 string
		u                    service.Allowance
		total, used, percent int64
		status               int
	}{
		{"credits", service.Allowance{Plan: "free", CreditsTotal: 10_000_000, CreditsUsed: 2_500_000, PeriodEnds: end}, 1000, 250, 75, limited},
		{"overdrawn", service.Allowance{Plan: "free", CreditsTotal: 1_000_000, CreditsUsed: 9_000_000, PeriodEnds: end}, 100, 100, 0, limited},
		{"balance", service.Allowance{Balance: 7_000_000, Held: 3_000_000}, 1000, 300, 70, limited},
		{"nothing", service.Allowance{}, 0, 0, 0, limited},
		{"debt", service.Allowance{Balance: -1_000_000}, 0, 0, 0, limited},
		{"postpaid", service.Allowance{Plan: "unlimited", Postpaid: true}, 0, 0, 100, unlimited},
	} {
		m := remainsOf(tt.u, now).Models[0]
		if m.Total != tt.total || m.Used != tt.used || m.Percent != tt.percent || m.Status != tt.status || m.WeekStatus != unlimited {
			t.Errorf("%s: %+v", tt.name, m)
		}
		if !tt.u.PeriodEnds.IsZero() && (m.Remains != 86_400_000 || m.End != end.UnixMilli() || m.Start >= m.End) {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
	for micros, want := range map[int64]string{0: "0.000000", 1: "0.000001", 5_270_000: "5.270000", -270_000: "-0.270000"} {
		if got := dollars(micros); got != want {
			t.Errorf("%d: %s, want %s", micros, got, want)
		}
	}
	c := serve(t, apitest.New(t))
	_, a := c.json("GET", "/v1/token_plan/remains", "")
	if list, _ := a["model_remains"].([]any); len(list) != 2 || apitest.At(list[0], "current_interval_total_count") != 1000.0 || a["balance"] != "5.000000" || apitest.At(a, "base_resp", "status_code") != 0.0 {
		t.Errorf("got %v", a)
	}
}

// handlerOf serves the APIs to who is checked already, without a network.
func handlerOf(f *apitest.Service) http.Handler {
	mux := http.NewServeMux()
	for _, a := range New(f) {
		for _, rt := range a.Routes() {
			mux.HandleFunc(rt.Pattern, func(w http.ResponseWriter, r *http.Request) { rt.Handle(w, r, f.Keys[apitest.KeyOne]) })
		}
	}
	return mux
}

// fuzzAsk holds an answer to what every answer is: JSON in the API's form, and
// an internal error never.
func fuzzAsk(t *testing.T, h http.Handler, method, path, kind string, body []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	data, _ := io.ReadAll(w.Body)
	if w.Header().Get("Content-Type") == "text/event-stream" {
		return
	}
	var answer map[string]any
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatalf("%s: %d %q", path, w.Code, data)
	}
	if n, message := errorOf(t, answer); n == 1013 || n == 1000 {
		t.Errorf("%s: %d %q", path, n, message)
	}
}

// FuzzMiniMaxBodies: no JSON body makes a handler panic or fail inside.
func FuzzMiniMaxBodies(f *testing.F) {
	var paths []string
	for name := range requests {
		if method, path, _ := strings.Cut(name, " "); method == "POST" && path != "/v1/files/upload" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for i := range paths {
		for _, body := range []string{
			`{"model":"T2V-01","prompt":"[Truck left, Shake] a cat","duration":6,"subject_reference":[]}`,
			`{"model":"reel","content":` + items(media("image_url", "")) + `,"ratio":"16:9","extra":{}}`,
			`{"model":"image-01","prompt":"a cat","n":2,"width":512,"height":512}`,
			`{"model":"s","text":"x","voice_setting":{"speed":1e0}}`, `{"messages":[{}]}`, `{"file_id":"1234567890123456"}`, `{"source_task_id":1e99}`, `[[[[`,
		} {
			f.Add(uint8(i), body)
		}
	}
	able := apitest.New(f)
	able.OnSubmit = finishAll
	able.UseChat()
	able.OnChat = func([]byte) (*service.ChatAnswer, error) {
		return apitest.ChatAnswer(200, "application/json", `{"choices":[]}`), nil
	}
	able.OnSpeak = func(s service.SpeechRequest) (service.SpeechResult, error) {
		return service.SpeechResult{Data: []byte("x"), Format: s.Format}, nil
	}
	h := handlerOf(able)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		fuzzAsk(t, h, "POST", paths[int(which)%len(paths)], "application/json", []byte(body))
	})
}

// FuzzMiniMaxQueries: nor do parameters.
func FuzzMiniMaxQueries(f *testing.F) {
	for i := range 5 {
		f.Add(uint8(i), "task_id=1234567890123456&page_num=2&filter.task_ids=1,2&file_id=x")
	}
	paths := []string{"/v1/query/video_generation", "/v2/query/video_generation", "/v1/files/list", "/v1/files/retrieve", "/v1/files/retrieve_content"}
	h := handlerOf(apitest.New(f))
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", paths[int(which)%len(paths)], nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if n, message := errorOf(t, apitest.Decode(t, w.Body.Bytes())); n == 1013 {
			t.Errorf("%s?%s: %q", r.URL.Path, query, message)
		}
	})
}
