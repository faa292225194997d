package server

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// voice is a speech upstream for tests.
func voice(t *testing.T) string {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":{"audio":"`+hex.EncodeToString([]byte("sound"))+`"},"extra_info":{"audio_length":900}}`)
	}))
	t.Cleanup(up.Close)
	return up.URL + "/v1"
}

// TestSpeechIsChargedWhenItIsThere: speech whose file cannot be stored costs
// nothing and leaves nothing.
func TestSpeechIsChargedWhenItIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		format  string
		room    bool
		charged bool
	}{
		"hex":                 {format: "hex", room: true, charged: true},
		"hex without room":    {format: "hex", charged: true}, // it needs no file
		"a link":              {format: "url", room: true, charged: true},
		"a link without room": {format: "url"},
	} {
		t.Run(name, func(t *testing.T) {
			s, keys := realServer(t, func(cfg *Config) {
				cfg.Upstreams.Speech.URL = voice(t)
				if !c.room {
					cfg.Limits.FreeSpace = 1 << 50
				}
			})
			who := ownerOf(t, s, keys.API)
			_, body := call(t, s, "POST", "/v1/t2a_v2", keys.API, `{"model":"speech-2.6-hd","text":"good day","output_format":"`+c.format+`"}`)
			var a struct {
				Data struct{ Audio string }
				Base struct {
					Code int `json:"status_code"`
				} `json:"base_resp"`
			}
			if err := json.Unmarshal([]byte(body), &a); err != nil || (a.Base.Code == 0) != c.charged || (a.Data.Audio != "") != c.charged {
				t.Fatalf("%v: %s", err, body)
			}
			left, err := s.service.Usage(t.Context(), who)
			if err != nil || left.Held != 0 || (left.Balance < 0) != c.charged {
				t.Errorf("charged: %+v, %v", left, err)
			}
			files, err := s.service.Files(t.Context(), who, store.FileFilter{Limit: 10})
			kept := c.charged && c.format == "url"
			if err != nil || (len(files) == 1) != kept || (blobsOf(t, s, blob.KindFile) == 1) != kept {
				t.Errorf("files: %+v, %v", files, err)
			}
			if !kept {
				return
			}
			if files[0].Purpose != "t2a" || files[0].Name != "speech.mp3" {
				t.Errorf("%+v", files[0])
			}
			resp, sound := call(t, s, "GET", a.Data.Audio[strings.Index(a.Data.Audio, "/media/"):], "", "")
			if resp.StatusCode != 200 || sound != "sound" {
				t.Errorf("the link: %d %q", resp.StatusCode, sound)
			}
		})
	}
}

// TestSpeechNotSettled: speech that cannot be charged is not returned, and its
// file is removed.
func TestSpeechNotSettled(t *testing.T) {
	s, keys := realServer(t, func(cfg *Config) { cfg.Upstreams.Speech.URL = voice(t) })
	who := ownerOf(t, s, keys.API)
	// The database refuses earnings.
	err := s.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.ExecContext(t.Context(), `CREATE TRIGGER refuse BEFORE UPDATE ON wallets WHEN new.revenue > old.revenue BEGIN SELECT RAISE(ABORT, 'no'); END`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, body := call(t, s, "POST", "/v1/t2a_v2", keys.API, `{"model":"speech-2.6-hd","text":"good day","output_format":"url"}`)
	if !strings.Contains(body, `"status_code":1013`) || strings.Contains(body, "/media/") {
		t.Errorf("got %s", body)
	}
	files, err := s.service.Files(t.Context(), who, store.FileFilter{Limit: 10})
	if err != nil || len(files) != 0 || blobsOf(t, s, blob.KindFile) != 0 {
		t.Errorf("%d files, %d blobs, %v", len(files), blobsOf(t, s, blob.KindFile), err)
	}
}

// TestSpeechWithoutEspeak: English needs no program. For what does, a missing one is
// not the request's mistake: the answer says that it may work later, and nothing is
// charged.
func TestSpeechWithoutEspeak(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KINORA_ESPEAK", "")
	s, keys := realServer(t, nil)
	for body, missing := range map[string]string{
		`{"model":"speech-2.6-hd","text":"你好","audio_setting":{"format":"wav"}}`: "espeak-ng",
		`{"model":"speech-2.6-hd","text":"good day"}`:                            "ffmpeg", // for an MP3
		`{"model":"speech-2.6-hd","text":"good day","stream":true}`:              "ffmpeg",
	} {
		resp, answer := call(t, s, "POST", "/v1/t2a_v2", keys.API, body)
		if resp.StatusCode != 200 || !strings.Contains(answer, `"status_code":1033`) || !strings.Contains(answer, missing) || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", body, resp.StatusCode, answer)
		}
	}
	if left, err := s.service.Usage(t.Context(), ownerOf(t, s, keys.API)); err != nil || left.Held != 0 || left.Balance != 0 {
		t.Errorf("charged: %+v, %v", left, err)
	}
	resp, answer := call(t, s, "POST", "/v1/t2a_v2", keys.API, `{"model":"speech-2.6-hd","text":"good day","audio_setting":{"format":"wav","sample_rate":24000}}`)
	if resp.StatusCode != 200 || !strings.Contains(answer, `"status_code":0`) || !strings.Contains(answer, `"voice_id":"heart","speaker":"kinora"`) || !strings.Contains(answer, hex.EncodeToString([]byte("RIFF"))) {
		t.Errorf("%d %.300s", resp.StatusCode, answer)
	}
	_, answer = call(t, s, "POST", "/v1/get_voice", keys.API, `{"voice_type":"system"}`)
	if !strings.Contains(answer, `"system_voice":[{"voice_id":"heart"`) || strings.Contains(answer, "espeak") || !strings.Contains(answer, "English_expressive_narrator") {
		t.Errorf("voices: %.300s", answer)
	}
}

// TestSpeechStreams: English goes out sentence by sentence, as the same sound as at
// once, and is charged.
func TestSpeechStreams(t *testing.T) {
	t.Setenv("KINORA_ESPEAK", "/nowhere/espeak-ng")
	s, keys := realServer(t, nil)
	const ask = `{"model":"speech-2.6-hd","text":"This is one. And this is two.<#0.5#>Three.","audio_setting":{"format":"pcm","sample_rate":16000}`
	_, whole := call(t, s, "POST", "/v1/t2a_v2", keys.API, ask+"}")
	var once struct{ Data struct{ Audio string } }
	if err := json.Unmarshal([]byte(whole), &once); err != nil || len(once.Data.Audio) < 4*16000 {
		t.Fatalf("%v, %.200s", err, whole)
	}
	resp, stream := call(t, s, "POST", "/v1/t2a_v2", keys.API, ask+`,"stream":true}`)
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Trace-Id") == "" {
		t.Errorf("%v", resp.Header)
	}
	heard, events := "", 0
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var one struct{ Data struct{ Audio string } }
			if err := json.Unmarshal([]byte(data), &one); err != nil {
				t.Fatal(err)
			}
			heard += one.Data.Audio
			events++
		}
	}
	if heard != once.Data.Audio || events < 4 || !strings.Contains(stream, `"audio_size":`+strconv.Itoa(len(heard)/2)) {
		t.Errorf("%d events with %d bytes, at once there were %d", events, len(heard)/2, len(once.Data.Audio)/2)
	}
}

// TestUpstreamVoices: with a speech upstream the voices are the upstream's.
func TestUpstreamVoices(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/get_voice" || string(body) != `{"voice_type":"all"}` || err != nil {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "\ufeff"+`{"system_voice":[{"voice_id":"a","voice_name":"A","description":["calm"]}],"voice_cloning":[{"voice_id":"b"}],"base_resp":{"status_code":0}}`)
	}))
	t.Cleanup(up.Close)
	s, keys := realServer(t, func(c *Config) { c.Upstreams.Speech.URL = up.URL + "/v1" })
	_, answer := call(t, s, "POST", "/v1/get_voice", keys.API, `{"voice_type":"all"}`)
	var a struct {
		service.Voices
		Base struct {
			Code int `json:"status_code"`
		} `json:"base_resp"`
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil || a.Base.Code != 0 || len(a.System) != 1 || a.System[0].Name != "A" || len(a.Cloned) != 1 || a.Cloned[0].ID != "b" {
		t.Errorf("%v: %s", err, answer)
	}
}
