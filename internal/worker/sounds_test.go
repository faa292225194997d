package worker

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/soundtrack"
	"github.com/kinora-video/kinora/internal/store"
)

// storeSound stores a WAV of a tone.
func (g *rig) storeSound(seconds float64) string {
	g.t.Helper()
	var pcm []byte
	for i := range int(seconds * soundtrack.Rate) {
		v := int16(9000 * math.Sin(float64(i)/20))
		pcm = append(pcm, byte(v), byte(v>>8))
	}
	var b bytes.Buffer
	if err := media.WriteWAV(&b, soundtrack.Rate, 1, pcm); err != nil {
		g.t.Fatal(err)
	}
	key, err := blob.NewKey(blob.KindSound, "audio/wav")
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.blobs.Put(g.t.Context(), key, &b, blob.Meta{}); err != nil {
		g.t.Fatal(err)
	}
	return key
}

// TestSounds: the engine is given a job's narration and track as files, and a job
// whose sounds are gone fails with words that say what to do.
func TestSounds(t *testing.T) {
	if err := media.CanWriteSound(t.Context()); err != nil {
		t.Skip(err)
	}
	g := newRig(t, store.SQLite, nil)
	speech, track := g.storeSound(0.5), g.storeSound(0.7)
	with := g.submit(job.Spec{
		Kind: job.Video, Seconds: 1, OwnSound: "mix",
		Narration: &job.Narration{Key: speech, Text: "words", Voice: "v", SpokenBy: "v"}, Sound: &job.Sound{Key: track, Volume: 0.5},
	})
	gone := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Sound: &job.Sound{Key: track + "x", Volume: 1}})
	g.engine.generate = nil
	g.work()
	if got := g.get(with); got.State != job.Succeeded {
		t.Fatalf("%+v, %v", got, got.Error)
	}
	r := g.engine.requests[0]
	if n := r.Narration; n == nil || n.Text != "words" || n.SpokenBy != "v" || !strings.HasSuffix(n.File, "narration.wav") {
		t.Errorf("the engine was asked for the narration %+v", n)
	}
	if s := r.Sound; s == nil || s.Volume != 0.5 || !strings.HasSuffix(s.Path, "sound.wav") || r.OwnSound != kinora.OwnMix {
		t.Errorf("the engine was asked for the sound %+v, %q", s, r.OwnSound)
	}
	if got := g.get(gone); got.State != job.Failed || got.Error.Code != job.Invalid || !strings.Contains(got.Error.Message, "send it again") {
		t.Errorf("without its track: %+v", got.Error)
	}
	g.clean(g.Runner)
	t.Setenv("KINORA_FFMPEG", "/none")
	late := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Narration: &job.Narration{Key: speech}})
	before, _ := g.engine.count()
	g.work()
	if got := g.get(late); got.State != job.Failed || got.Error.Code != job.PastAttempts && got.Error.Code != job.Unavailable {
		t.Errorf("without ffmpeg: %+v", got.Error)
	}
	if after, _ := g.engine.count(); after != before {
		t.Error("without ffmpeg a video was sampled")
	}
}

// TestRealSounds: a video of a real model with a narration and a track has sound, as
// long as its pictures, and says how it was made.
func TestRealSounds(t *testing.T) {
	if err := media.CanWriteSound(t.Context()); err != nil {
		t.Skip(err)
	}
	pool := kinora.NewPool(0, kinora.WithLatentsDir(t.TempDir()))
	e, err := Pooled(pool, "testcard")
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, store.SQLite, func(o *Options) { o.Engines = map[string]Engine{"fake": e} })
	first := g.submit(job.Spec{
		Kind: job.Video, Seconds: 1.5,
		Narration: &job.Narration{Key: g.storeSound(0.5), Text: "words", SpokenBy: "en"}, Sound: &job.Sound{Key: g.storeSound(0.7), Volume: 0.5},
	})
	g.work()
	joined := g.submit(job.Spec{Kind: job.Video, Seconds: 1, After: first.ID, Join: true, Narration: &job.Narration{Key: g.storeSound(1), Text: "more"}})
	g.work()
	for _, c := range []struct {
		j      job.Job
		frames int
	}{{first, 36}, {joined, 60}} {
		got := g.get(c.j)
		if got.State != job.Succeeded || got.Result.Frames != c.frames {
			t.Fatalf("%+v, %v", got, got.Error)
		}
		f, _ := got.Result.File(job.RoleVideo)
		path := t.TempDir() + "/video.mp4"
		if err := os.WriteFile(path, g.read(f.Key), 0o600); err != nil {
			t.Fatal(err)
		}
		sound, err := media.ProbeSound(t.Context(), path)
		if err != nil || math.Abs(sound.Duration.Seconds()-float64(c.frames)/24) > 1.0/24 || sound.Codec != "aac" {
			t.Errorf("%d frames: the sound is %+v, %v", c.frames, sound, err)
		}
		if c.j.ID != first.ID {
			continue
		}
		v, err := kinora.ReadVideo(t.Context(), path)
		if err != nil || v.Settings.Narration == nil || v.Settings.Narration.Text != "words" || v.Settings.Narration.SpokenBy != "en" || v.Settings.Narration.File != "" {
			t.Errorf("%+v, %v", v.Settings, err)
		}
		if !slices.ContainsFunc(got.Result.Notes, func(n string) bool { return strings.Contains(n, "left out") }) {
			t.Errorf("notes %q", got.Result.Notes)
		}
	}
	g.clean(g.Runner)
}
