package kinora

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/soundtrack"
)

// fakeSpeech replaces the voice: a tone of 700 Hz that takes a second for each word,
// and less at more speed. It returns what was asked for.
func fakeSpeech(t *testing.T) *[]media.SpeechOptions {
	t.Helper()
	var asked []media.SpeechOptions
	was := speak
	t.Cleanup(func() { speak = was })
	speak = func(ctx context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error) {
		asked = append(asked, o)
		n := int(float64(len(strings.Fields(o.Text))) * float64(o.Rate) / o.Speed)
		var b []byte
		for i := range n {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(8000*math.Sin(2*math.Pi*700*float64(i)/float64(o.Rate)))))
		}
		_, err := w.Write(b)
		return media.SpeechInfo{Voice: "tone"}, errors.Join(err, ctx.Err())
	}
	return &asked
}

// heardSamples are all samples of a clip.
func heardSamples(t *testing.T, c *Clip) (all []float32) {
	t.Helper()
	for s, err := range c.Samples(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s...)
	}
	return all
}

// strength is the amplitude of a frequency in stereo sound, in a second of it.
func strength(all []float32, hertz float64, second int) float64 {
	var re, im float64
	for i := second * soundtrack.Rate; i < (second+1)*soundtrack.Rate; i++ {
		s, c := math.Sincos(2 * math.Pi * hertz * float64(i) / soundtrack.Rate)
		re, im = re+c*float64(all[2*i]), im+s*float64(all[2*i])
	}
	return 2 * math.Hypot(re, im) / soundtrack.Rate
}

// TestNarration: the prompt, without its camera commands, or a text is spoken, in the
// language of its script, and the video is as long as the rule says.
func TestNarration(t *testing.T) {
	asked := fakeSpeech(t)
	for name, c := range map[string]struct {
		r        Request
		text     string
		language string
		seconds  float64
	}{
		"the prompt":     {Request{Prompt: "[Pan left] a  red ball", Narration: &Narration{}}, "a red ball", "en", 6},
		"a text":         {Request{Prompt: "x", Narration: &Narration{Text: "一只红球"}}, "一只红球", "cmn", 6},
		"a voice":        {Request{Prompt: "x", Narration: &Narration{Text: "ein Ball", Voice: "de"}}, "ein Ball", "", 6},
		"a long text":    {Request{Prompt: "x", Narration: &Narration{Text: "a b c d e f g h i"}}, "a b c d e f g h i", "en", 9.5},
		"a short video":  {Request{Prompt: "x", Seconds: 3, Narration: &Narration{Text: "a b c d"}}, "a b c d", "en", 3},
		"as long as it":  {Request{Prompt: "x", Narration: &Narration{Text: "a b", Fit: FitVideo}}, "a b", "en", 2.5},
		"made to fit it": {Request{Prompt: "x", Narration: &Narration{Text: "a b c d e f g", Fit: FitSpeech}}, "a b c d e f g", "en", 6},
	} {
		*asked = nil
		m, e := fakeModel(t)
		clip := generate(t, m, c.r)
		if got := (*asked)[0]; got.Text != c.text || got.Language != c.language {
			t.Errorf("%s: %q was spoken in %q", name, got.Text, got.Language)
		}
		if got := float64(clip.FrameCount) / 24; math.Abs(got-c.seconds) > 0.05 || e.jobs[0].Frames != clip.FrameCount {
			t.Errorf("%s: the video has %v s and %d frames of %d", name, got, clip.FrameCount, e.jobs[0].Frames)
		}
		all := heardSamples(t, clip)
		if len(all) != 2*int(math.Round(float64(clip.FrameCount)*soundtrack.Rate/24)) || *clip.Sound != *mixedTrack {
			t.Errorf("%s: %d samples for %d frames", name, len(all), clip.FrameCount)
		}
		if got := strength(all, 700, 0); got < 0.05 {
			t.Errorf("%s: the speech has an amplitude of %v", name, got)
		}
		if s := clip.Settings(); s.Narration == nil || s.Narration.Text != c.r.Narration.Text || s.Narration.SpokenBy != "tone" {
			t.Errorf("%s: settings %+v", name, s.Narration)
		}
	}
}

// TestSoundRefused: what cannot be heard is refused before anything is sampled.
func TestSoundRefused(t *testing.T) {
	fakeSpeech(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text.mp3")
	if err := os.WriteFile(text, []byte("no sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	webp, err := Reserve(filepath.Join(dir, "a.webp"))
	if err != nil {
		t.Fatal(err)
	}
	defer webp.Release()
	hasFFmpeg := CanWrite(MP4) == nil
	for name, c := range map[string]struct {
		r    Request
		kind Kind
		says string
		tool bool
	}{
		"WebP":            {Request{Narration: &Narration{}, Output: webp}, Unsupported, "webp holds no sound", false},
		"sound in WebP":   {Request{Sound: &SoundFile{Path: text}, Output: webp}, Unsupported, "webp holds no sound", false},
		"too long":        {Request{Seconds: 2, Narration: &Narration{Text: "a b c d"}}, Invalid, "4.0 s to speak", false},
		"much too long":   {Request{Narration: &Narration{Text: strings.Repeat("a ", 30)}}, Invalid, "20 s", false},
		"a fit":           {Request{Narration: &Narration{Fit: "x"}}, Invalid, "speech or video", false},
		"fit and seconds": {Request{Seconds: 3, Narration: &Narration{Fit: FitVideo}}, Invalid, "seconds", false},
		"nothing":         {Request{Prompt: "[Pan left]", Narration: &Narration{}}, Invalid, "nothing to speak", false},
		"UTF-8":           {Request{Narration: &Narration{Text: "\xff"}}, Invalid, "UTF-8", false},
		"a volume":        {Request{Sound: &SoundFile{Path: text, Volume: math.NaN()}}, Invalid, "volume", false},
		"a start":         {Request{Sound: &SoundFile{Path: text, Start: -1}}, Invalid, "begin", false},
		"no file":         {Request{Sound: &SoundFile{Path: filepath.Join(dir, "none.wav")}}, NotFound, "none.wav", true},
		"a text file":     {Request{Sound: &SoundFile{Path: text}}, Invalid, "no sound file", true},
		"a text narrates": {Request{Narration: &Narration{File: text}}, Invalid, "no sound file", true},
		"own sound":       {Request{OwnSound: "x"}, Invalid, "mix or off", false},
	} {
		if c.tool && !hasFFmpeg {
			continue
		}
		if c.r.Prompt == "" {
			c.r.Prompt = "x"
		}
		e := &fakeEngine{change: func(c *Capabilities) { c.Lengths.Max = 20 }}
		m := newModel(e, t.TempDir())
		_, err := m.Generate(t.Context(), c.r)
		if err == nil || KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || len(e.jobs) != 0 {
			t.Errorf("%s: %v of kind %v after %d samplings", name, err, KindOf(err), len(e.jobs))
		}
	}
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Narration: &Narration{}})
	if err := c.Save(t.Context(), filepath.Join(dir, "b.webp")); KindOf(err) != Unsupported || !strings.Contains(err.Error(), "given the narration") {
		t.Errorf("saved as WebP: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Generate(ctx, Request{Prompt: "x", Narration: &Narration{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// music has ffmpeg make a file with a tone of 300 Hz.
func music(t *testing.T, seconds float64) string {
	t.Helper()
	tool, err := media.FFmpeg()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "tone.flac")
	out, err := exec.Command(tool, "-loglevel", "error", "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=300:duration=%v", seconds), path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestMixed: a sound file replaces the model's own sound unless both are wanted, and
// is lower under a narration. No temporary file stays.
func TestMixed(t *testing.T) {
	fakeSpeech(t)
	path := music(t, 2.5)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	file := &SoundFile{Path: path}
	var alone float64
	for _, c := range []struct {
		name                string
		r                   Request
		speech, track, beep bool
	}{
		{"a track", Request{Sound: file}, false, true, false},
		{"a track and the model", Request{Sound: file, OwnSound: OwnMix}, false, true, true},
		{"a narration", Request{Narration: &Narration{Text: "a b"}}, true, false, true},
		{"a narration alone", Request{Narration: &Narration{Text: "a b"}, OwnSound: OwnOff}, true, false, false},
		{"all", Request{Narration: &Narration{Text: "a b"}, Sound: file, OwnSound: OwnMix}, true, true, true},
	} {
		c.r.Prompt, c.r.Seconds = "x", 5
		clip := generate(t, m, c.r)
		all := heardSamples(t, clip)
		speech, track, beep := strength(all, 700, 0), strength(all, 300, 0), strength(all, 1000, 0)
		if (speech > 0.02) != c.speech || (track > 0.02) != c.track || (beep > 0.001) != c.beep {
			t.Errorf("%s: speech %.4f, track %.4f, beep %.4f", c.name, speech, track, beep)
		}
		if c.name == "a track" {
			alone = track
		}
		if c.name == "all" && track > alone/3 {
			t.Errorf("under a narration the track has %.4f, alone %.4f", track, alone)
		}
		s := clip.Settings()
		if (s.Sound != nil) != c.track || s.OwnSound != c.r.OwnSound || c.track && (s.Sound.File != "tone.flac" || s.Sound.Volume != 1 || !strings.HasPrefix(s.Sound.Digest, "sha256:")) {
			t.Errorf("%s: settings %+v", c.name, s.Sound)
		}
	}
	silent := generate(t, m, Request{Prompt: "x", Seconds: 1, OwnSound: OwnOff})
	if silent.Sound != nil || len(heardSamples(t, silent)) != 0 {
		t.Error("without the model's own sound the video is not silent")
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left in the folder of temporary files: %v", left)
	}
}

// lengths asks ffprobe how long the pictures and the sound of a video are.
func lengths(t *testing.T, path string) (video, audio float64) {
	t.Helper()
	of := func(stream string) float64 {
		out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "stream=duration", "-of", "csv=p=0", path).Output()
		if err != nil {
			t.Skip(err)
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			t.Fatalf("%s: ffprobe says %q", path, out)
		}
		return v
	}
	return of("v:0"), of("a:0")
}

// TestEndsTogether: sound and pictures of a narrated video end within one frame of
// each other, in files of many lengths and rates, and in a stream.
func TestEndsTogether(t *testing.T) {
	fakeSpeech(t)
	if CanWrite(MP4) != nil {
		t.Skip("no ffmpeg")
	}
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		seconds float64
		fps     int
	}{{0.1, 24}, {1, 24}, {1.37, 30}, {2.9, 120}, {7.51, 25}, {60, 8}} {
		clip := generate(t, m, Request{Prompt: "x", Seconds: c.seconds, FPS: c.fps, Width: 64, Height: 40, Narration: &Narration{File: music(t, min(1, c.seconds))}})
		path := filepath.Join(t.TempDir(), "a.mp4")
		if err := clip.Save(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		video, audio := lengths(t, path)
		if math.Abs(video-audio) > 1/float64(c.fps) {
			t.Errorf("%v s at %d fps: the pictures have %v s and the sound %v s", c.seconds, c.fps, video, audio)
		}
	}
}

// TestLoudness: the finished file has the loudness and the peak, as ffmpeg measures
// them after decoding.
func TestLoudness(t *testing.T) {
	fakeSpeech(t)
	path := music(t, 3)
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	clip := generate(t, m, Request{Prompt: "x", Seconds: 6, FPS: 8, Width: 64, Height: 40, Narration: &Narration{Text: "a b c"}, Sound: &SoundFile{Path: path, Start: time.Second / 2}, OwnSound: OwnMix})
	out := filepath.Join(t.TempDir(), "a.mp4")
	if err := clip.Save(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	loudness, peak := ebur128(t, out)
	if math.Abs(loudness-soundtrack.TargetLoudness) > 0.5 || peak > -1 {
		t.Errorf("the file has %v LUFS and %v dBTP", loudness, peak)
	}
}

// ebur128 has ffmpeg measure a file.
func ebur128(t *testing.T, path string) (loudness, peak float64) {
	t.Helper()
	tool, err := media.FFmpeg()
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command(tool, "-nostats", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	summary := string(out[strings.LastIndex(string(out), "Summary:"):])
	for line := range strings.Lines(summary) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "I:" {
			loudness, _ = strconv.ParseFloat(f[1], 64)
		}
		if len(f) == 3 && f[0] == "Peak:" {
			peak, _ = strconv.ParseFloat(f[1], 64)
		}
	}
	return loudness, peak
}

// TestHeardAgain: what a file says of its sound can be read, and Load takes a
// narration as Generate does.
func TestHeardAgain(t *testing.T) {
	fakeSpeech(t)
	if CanWrite(MP4) != nil {
		t.Skip("no ffmpeg")
	}
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	clip := generate(t, m, Request{Prompt: "x", Seconds: 2, Narration: &Narration{Text: "a b"}, OwnSound: OwnOff})
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.Link(clip.LatentsPath(), kept); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := clip.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	v, err := ReadVideo(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&NarrationSettings{Text: "a b", SpokenBy: "tone"}, v.Settings.Narration); diff != "" || v.Settings.OwnSound != OwnOff || !v.Sound {
		t.Errorf("%s, own sound %q", diff, v.Settings.OwnSound)
	}
	again, err := m.Load(t.Context(), kept, Request{Narration: &Narration{Text: "a b"}, OwnSound: OwnOff})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(heardSamples(t, clip), heardSamples(t, again)); diff != "" {
		t.Error("loaded latents sound different")
	}
	if _, err := m.Load(t.Context(), kept, Request{Narration: &Narration{Text: "a b c d"}}); KindOf(err) != Invalid {
		t.Errorf("a narration that is too long for latents: %v", err)
	}
}
