package service_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
)

// wav is a WAV of a tone.
func wav(t *testing.T, seconds float64) []byte {
	t.Helper()
	var pcm []byte
	for i := range int(seconds * 16000) {
		v := int16(9000 * math.Sin(float64(i)/5))
		pcm = append(pcm, byte(v), byte(v>>8))
	}
	var b bytes.Buffer
	if err := media.WriteWAV(&b, 16000, 1, pcm); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// soundService is a service whose speech upstream speaks a second for each word, and
// less at more speed. said counts what it spoke.
func soundService(t *testing.T) (s *service.Service, who auth.Principal, o service.Options, said *[]string) {
	t.Helper()
	if err := media.CanWriteSound(t.Context()); err != nil {
		t.Skip(err)
	}
	said = new([]string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Text  string
			Voice struct {
				ID    string `json:"voice_id"`
				Speed float64
			} `json:"voice_setting"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Voice.Speed == 0 {
			t.Errorf("the upstream was asked for %+v, %v", in, err)
		}
		*said = append(*said, fmt.Sprintf("%s %s %.2f", in.Voice.ID, in.Text, in.Voice.Speed))
		sound := wav(t, float64(len(strings.Fields(in.Text)))/in.Voice.Speed)
		fmt.Fprintf(w, `{"data":{"audio":"%s"}}`, hex.EncodeToString(sound))
	}))
	t.Cleanup(srv.Close)
	s, who, o = newService(t, func(o *service.Options) {
		o.Speech = servicetest.Upstream(t, srv.URL)
		o.Filter = filter(t, moderation.Options{Words: map[string][]string{"en": {"forbidden"}}})
	})
	return s, who, o, said
}

// blobs counts what is kept of sounds.
func blobs(t *testing.T, s *service.Service, keys ...string) (n int) {
	t.Helper()
	for _, key := range keys {
		r, _, err := s.OpenBlob(t.Context(), key)
		if err == nil {
			r.Close()
			n++
		}
	}
	return n
}

func spec(seconds float64) *job.Spec {
	return &job.Spec{Kind: job.Video, Model: "testcard", Engine: "testcard", Prompt: "[Pan left] two words", Seconds: seconds, Width: 256, Height: 160}
}

// TestNarrationOfJob: a narration is spoken at submission, decides how long the video
// is, is kept, paid for with the job, and goes with it.
func TestNarrationOfJob(t *testing.T) {
	s, who, _, said := soundService(t)
	sp := spec(6)
	r := service.SoundRequest{Narration: &service.NarrationRequest{Voice: "calm"}, OwnSound: "off"}
	if err := s.Sounds(t.Context(), who, sp, r); err != nil {
		t.Fatal(err)
	}
	n := sp.Narration
	if (*said)[0] != "calm two words 1.00" || n.Characters != 9 || math.Abs(n.Seconds-2.1) > 0.15 || sp.Seconds != 6 || sp.OwnSound != "off" || n.Text != "" {
		t.Errorf("%q, %+v, %v s", *said, n, sp.Seconds)
	}
	j, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: *sp})
	if err != nil {
		t.Fatal(err)
	}
	if j.Price != 300_000+540 { // six seconds, and nine characters at 60 dollars a million
		t.Errorf("it costs %d", j.Price)
	}
	for name, c := range map[string]struct {
		n       service.NarrationRequest
		given   bool
		seconds float64 // asked for, and made
		made    float64
		note    string
	}{
		"longer":  {service.NarrationRequest{Text: "a b c d e f g h"}, false, 6, 8.6, "its narration is that long"},
		"faster":  {service.NarrationRequest{Text: "a b c d e f g h"}, true, 6, 6, "times as fast"},
		"as long": {service.NarrationRequest{Text: "a", Fit: "video"}, false, 6, 1.6, ""},
	} {
		sp := spec(c.seconds)
		if err := s.Sounds(t.Context(), who, sp, service.SoundRequest{Narration: &c.n, Seconds: c.given}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if math.Abs(sp.Seconds-c.made) > 0.15 || c.note != "" && !strings.Contains(strings.Join(sp.Notes, " "), c.note) {
			t.Errorf("%s: %v s, notes %q", name, sp.Seconds, sp.Notes)
		}
		s.DropInputs(t.Context(), sp)
		if blobs(t, s, sp.Narration.Key) != 0 {
			t.Errorf("%s: what nobody submits is kept", name)
		}
	}
	if blobs(t, s, n.Key) != 1 {
		t.Error("the narration of a job is not kept")
	}
	// The same request again is the same job, and what was spoken for it goes.
	again := spec(6)
	if err := s.Sounds(t.Context(), who, again, r); err != nil {
		t.Fatal(err)
	}
	sub := service.Submission{API: job.Native, Spec: *again, IdempotencyKey: "k"}
	first, err := s.Submit(t.Context(), who, sub)
	if err != nil {
		t.Fatal(err)
	}
	twice := spec(6)
	if err := s.Sounds(t.Context(), who, twice, r); err != nil {
		t.Fatal(err)
	}
	sub.Spec = *twice
	if second, err := s.Submit(t.Context(), who, sub); err != nil || second.ID != first.ID || blobs(t, s, twice.Narration.Key) != 0 || blobs(t, s, again.Narration.Key) != 1 {
		t.Errorf("a repeated request: %v, %v", second.ID, err)
	}
	if _, err := s.Cancel(t.Context(), who, j.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), who, j.ID); err != nil || blobs(t, s, n.Key) != 0 {
		t.Errorf("the narration of a deleted job is kept: %v", err)
	}
}

// TestTrackOfJob: of a sound file, however it comes, the part that the video needs is
// kept in the platform's own form.
func TestTrackOfJob(t *testing.T) {
	s, who, _, _ := soundService(t)
	file, err := s.AddFile(t.Context(), who, service.NewFile{Purpose: "input", Name: "a.wav"}, bytes.NewReader(wav(t, 5)))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]service.TrackRequest{
		"a file": {Ref: "file:" + service.FileName(file.ID), Start: 1, Volume: 0.5},
		"data":   {Ref: "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(wav(t, 5)), Start: 1, Volume: 0.5},
	} {
		sp := spec(2)
		if err := s.Sounds(t.Context(), who, sp, service.SoundRequest{Track: &r}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, _, err := s.OpenBlob(t.Context(), sp.Sound.Key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "a.wav")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, b); err != nil {
			t.Fatal(err)
		}
		f.Close()
		b.Close()
		if info, err := media.ProbeSound(t.Context(), path); err != nil || info.Codec != "pcm_s16le" || math.Abs(info.Duration.Seconds()-2) > 0.01 || sp.Sound.Volume != 0.5 || sp.Sound.Start != 1 {
			t.Errorf("%s: kept as %+v, %v; %+v", name, info, err, sp.Sound)
		}
	}
}

// TestSoundsRefused: what cannot be heard is refused, before anything is spoken where
// that can be known, and nothing stays.
func TestSoundsRefused(t *testing.T) {
	s, who, o, said := soundService(t)
	text, err := s.AddFile(t.Context(), who, service.NewFile{Purpose: "input", Name: "a.mp3"}, strings.NewReader("no sound at all"))
	if err != nil {
		t.Fatal(err)
	}
	other := servicetest.Tenant(t, &o, "two")
	theirs, err := s.AddFile(t.Context(), other, service.NewFile{Purpose: "input", Name: "a.wav"}, bytes.NewReader(wav(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	narrated := func(words string) service.SoundRequest {
		return service.SoundRequest{Seconds: true, Narration: &service.NarrationRequest{Text: words}}
	}
	track := func(ref string, start float64) service.SoundRequest {
		return service.SoundRequest{Track: &service.TrackRequest{Param: "sound", Ref: ref, Start: start}}
	}
	data := "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(wav(t, 1))
	for name, c := range map[string]struct {
		r     service.SoundRequest
		spec  *job.Spec
		code  job.Code
		param string
		said  int
	}{
		"too long":        {narrated("a b c d"), spec(2), job.Invalid, "narration", 1},
		"too many words":  {narrated(strings.Repeat("a ", 1001)), spec(2), job.Invalid, "narration.text", 0},
		"nothing":         {narrated(" "), spec(2), job.Invalid, "narration.text", 0},
		"forbidden":       {narrated("forbidden"), spec(2), job.PromptUnsafe, "prompt", 0},
		"a bad length":    {narrated("a"), spec(-1), job.Invalid, "seconds", 0},
		"no file":         {track("file:file_1234567890123456", 0), spec(2), job.Invalid, "sound", 0},
		"a path":          {track("file:../../etc/passwd", 0), spec(2), job.Invalid, "sound", 0},
		"another's file":  {track("file:"+service.FileName(theirs.ID), 0), spec(2), job.Invalid, "sound", 0},
		"text":            {track("file:"+service.FileName(text.ID), 0), spec(2), job.Invalid, "sound", 0},
		"a private host":  {track("http://169.254.169.254/a.mp3", 0), spec(2), job.Invalid, "sound", 0},
		"after its end":   {track(data, 7), spec(2), job.Invalid, "sound", 0},
		"hardly anything": {track(data, 0.95), spec(2), job.Invalid, "sound", 0},
	} {
		*said = nil
		err := s.Sounds(t.Context(), who, c.spec, c.r)
		if e := job.AsError(err); err == nil || e.Code != c.code || e.Param != c.param || len(*said) != c.said {
			t.Errorf("%s: %+v after %q", name, e, *said)
		}
	}
	// A narration that was kept goes when the track is refused.
	both := spec(2)
	r := track("file:"+service.FileName(text.ID), 0)
	r.Narration = &service.NarrationRequest{Text: "a"}
	if err := s.Sounds(t.Context(), who, both, r); job.CodeOf(err) != job.Invalid || both.Narration == nil || blobs(t, s, both.Narration.Key) != 0 {
		t.Errorf("a refused track: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Sounds(ctx, who, spec(2), narrated("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("KINORA_FFMPEG", "/none")
	if err := s.Sounds(t.Context(), who, spec(2), narrated("a")); job.CodeOf(err) != job.Unavailable {
		t.Errorf("without ffmpeg: %v", err)
	}
}

// TestLocalNarration: without an upstream, espeak-ng speaks, with the voices of
// speech.
func TestLocalNarration(t *testing.T) {
	if _, err := media.Espeak(); err != nil || media.CanWriteSound(t.Context()) != nil {
		t.Skip("no espeak-ng, or no ffmpeg")
	}
	s, who, _ := newService(t, nil)
	for voice, n := range map[string]service.NarrationRequest{
		"": {Text: "A red ball."}, "de": {Text: "Ein Ball.", Voice: "de"}, "female-shaonv": {Text: "一只红球", Voice: "female-shaonv"},
	} {
		sp := spec(6)
		if err := s.Sounds(t.Context(), who, sp, service.SoundRequest{Narration: &n}); err != nil || sp.Narration.Seconds < 0.4 || sp.Narration.Seconds > 4 || sp.Narration.SpokenBy == "" {
			t.Errorf("%q: %v, %+v", voice, err, sp.Narration)
		}
	}
	err := s.Sounds(t.Context(), who, spec(6), service.SoundRequest{Narration: &service.NarrationRequest{Text: "x", Voice: "nobody at all"}})
	if e := job.AsError(err); err == nil || e.Code != job.Invalid || e.Param != "narration.voice" {
		t.Errorf("an unknown voice: %+v", e)
	}
}

// TestCopiedSounds: a spec that is copied for the same prompt has sounds of its own,
// and one for another prompt has none.
func TestCopiedSounds(t *testing.T) {
	s, who, _, _ := soundService(t)
	sp := spec(2)
	ref := "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(wav(t, 1))
	if err := s.Sounds(t.Context(), who, sp, service.SoundRequest{Narration: &service.NarrationRequest{Text: "a"}, Track: &service.TrackRequest{Ref: ref}}); err != nil {
		t.Fatal(err)
	}
	again := *sp
	if err := service.OwnFrame(t.Context(), s, &again); err != nil {
		t.Fatal(err)
	}
	if again.Narration.Key == sp.Narration.Key || again.Sound.Key == sp.Sound.Key || again.Narration.Characters != 1 {
		t.Errorf("%+v and %+v share", again, sp)
	}
	s.DropInputs(t.Context(), sp)
	if blobs(t, s, again.Inputs()...) != 2 || blobs(t, s, sp.Inputs()...) != 0 {
		t.Error("the copies went with the originals")
	}
	service.WithoutSounds(&again)
	if len(again.Inputs()) != 0 || again.OwnSound != "" || len(again.Notes) != 1 || len(sp.Inputs()) != 2 {
		t.Errorf("%+v", again)
	}
}
