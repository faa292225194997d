package native

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/service"
)

// TestNativeSounds: what each field about sound does.
func TestNativeSounds(t *testing.T) {
	if _, err := media.Espeak(); err != nil || media.CanWriteSound(t.Context()) != nil {
		t.Skip("no espeak-ng, or no ffmpeg")
	}
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	var wav bytes.Buffer
	if err := media.WriteWAV(&wav, 8000, 1, bytes.Repeat([]byte{0, 9, 0, 18}, 8000)); err != nil {
		t.Fatal(err)
	}
	file, err := f.AddFile(t.Context(), f.Keys[apitest.KeyOne], service.NewFile{Purpose: "input", Name: "a.wav"}, bytes.NewReader(wav.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	id, data := service.FileName(file.ID), base64.StdEncoding.EncodeToString(wav.Bytes())
	for _, tt := range []struct {
		body  string
		param string
		check func(job.Spec) bool
	}{
		{`{"prompt":"a ball","narration":{}}`, "", func(s job.Spec) bool {
			return s.Narration != nil && s.Narration.Characters == 6 && s.Seconds == 6 && s.Sound == nil
		}},
		{`{"prompt":"a ball","narration":{"text":"A red ball.","voice":"en-gb","fit":"video"},"own_sound":"off"}`, "", func(s job.Spec) bool {
			return s.Narration.Text == "A red ball." && s.Seconds < 3 && s.OwnSound == "off" && s.Narration.SpokenBy != ""
		}},
		{`{"prompt":"p","sound":{"file_id":"` + id + `","start":0.5,"volume":2}}`, "", func(s job.Spec) bool {
			return s.Sound.Start == 0.5 && s.Sound.Volume == 2 && s.Narration == nil
		}},
		{`{"prompt":"p","sound":{"data":"` + data + `"}}`, "", func(s job.Spec) bool { return s.Sound.Volume == 1 }},
		{`{"prompt":"p","narration":null}`, "narration", nil},
		{`{"prompt":"p","sound":null}`, "sound", nil},
		{`{"prompt":"p","sound":{}}`, "sound", nil},
		{`{"prompt":"p","sound":{"file_id":"` + id + `","data":"x"}}`, "sound", nil},
		{`{"prompt":"p","sound":{"file_id":"file_1234567890123456"}}`, "sound.file_id", nil},
		{`{"prompt":"p","sound":{"url":"file:///etc/passwd"}}`, "sound.url", nil},
		{`{"prompt":"p","sound":{"data":"aGVsbG8="}}`, "sound.data", nil},
		{`{"prompt":"p","sound":{"file_id":"` + id + `","volume":5}}`, "sound.volume", nil},
		{`{"prompt":"p","sound":{"file_id":"` + id + `","start":-1}}`, "sound.start", nil},
		{`{"prompt":"p","sound":{"path":"/etc/passwd"}}`, "sound.path", nil},
		{`{"prompt":"p","narration":{"text":"` + strings.Repeat("x", 2001) + `"}}`, "narration.text", nil},
		{`{"prompt":"p","narration":{"fit":"x"}}`, "narration.fit", nil},
		{`{"prompt":"p","narration":{"fit":"video"},"seconds":4}`, "seconds", nil},
		{`{"prompt":"p","narration":{"text":"much too long for a second, whoever speaks"},"seconds":0.5}`, "narration", nil},
		{`{"prompt":"p","narration":{"voice":"nobody at all"}}`, "narration.voice", nil},
		{`{"prompt":"p","own_sound":"x"}`, "own_sound", nil},
		{`{"prompt":"p","kind":"image","narration":{}}`, "narration", nil},
	} {
		before := f.Count()
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs", apitest.JSON, tt.body)
		if tt.param != "" {
			if resp.StatusCode != 400 && resp.StatusCode != 422 || got["param"] != tt.param || f.Count() != before {
				t.Errorf("%.90s: %d %s, want a complaint about %s", tt.body, resp.StatusCode, raw, tt.param)
			}
			continue
		}
		if resp.StatusCode != 202 || f.Count() != before+1 || !tt.check(f.Last(t).Spec) {
			t.Errorf("%.90s: %d %s", tt.body, resp.StatusCode, raw)
			continue
		}
		if strings.Contains(tt.body, `"narration":{}`) {
			resp, quote, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/jobs/quote", apitest.JSON, tt.body)
			if resp.StatusCode != 200 || quote["price_usd"] != got["price_usd"] {
				t.Errorf("%s is quoted %s, and costs %v", tt.body, raw, got["price_usd"])
			}
		}
		if n, ok := got["narration"].(map[string]any); ok != strings.Contains(tt.body, "narration") || ok && (n["seconds"].(float64) < 0.2 || n["characters"] == nil) {
			t.Errorf("%.90s: the job shows the narration %v", tt.body, got["narration"])
		}
	}
}
