package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// beeper says each word as a tenth of a second of tone with silence around it.
type beeper struct {
	loud float64
	fail error // with the second sentence
}

const beepRate = 24000

func (beeper) Name() string { return "beep" }
func (beeper) By() string   { return ByKinora }
func (beeper) Rate() int    { return beepRate }

func (b beeper) Say(_ context.Context, text string, yield func(Said) error) error {
	for i, w := range strings.Fields(text) {
		if i == 1 && b.fail != nil {
			return b.fail
		}
		if w == "..." {
			continue
		}
		x := make([]float32, beepRate/5)
		for j := beepRate / 20; j < beepRate*3/20; j++ {
			x[j] = float32(b.loud * math.Cos(2*math.Pi*440*float64(j)/beepRate))
		}
		if err := yield(Said{Samples: x, Text: len(w)}); err != nil {
			return err
		}
	}
	return nil
}

func saidBy(t *testing.T, by Speaker, o SpeechOptions) ([]byte, SpeechInfo) {
	t.Helper()
	var b bytes.Buffer
	info, err := SpeakBy(t.Context(), &b, o, by)
	if err != nil {
		t.Fatal(err)
	}
	if info.Bytes != int64(b.Len()) || info.Voice != "beep" || info.Speaker != ByKinora {
		t.Errorf("%+v for %d bytes", info, b.Len())
	}
	return b.Bytes(), info
}

// TestLiveIsWhole: what goes out sentence by sentence is what is made at once.
func TestLiveIsWhole(t *testing.T) {
	for _, o := range []SpeechOptions{
		{Format: "pcm"},
		{Format: "pcm", Rate: 8000, Volume: 0.5},
		{Format: "pcm", Rate: 48000, Channels: 2},
		{Format: "pcm", Rate: 44100, Volume: 10}, // the beeps are equally loud
	} {
		o.Text = "one two <#0.25#> three <#0.5#>"
		whole, info := saidBy(t, beeper{loud: 0.25}, o)
		o.Live = true
		parts, live := saidBy(t, beeper{loud: 0.25}, o)
		if !bytes.Equal(whole, parts) || info != live {
			t.Errorf("%+v: %d bytes at once, %d live; %+v and %+v", o, len(whole), len(parts), info, live)
		}
		// Each beep has its silence, but for where a pause says how long it is.
		want := 0.05 + 0.1 + 0.1 + 0.1 + 0.25 + 0.1 + 0.5
		if got := info.Duration.Seconds(); math.Abs(got-want) > 0.01 {
			t.Errorf("%+v lasts %v s, want %v", o, got, want)
		}
	}
}

// TestLiveComesEarly: the first sentence is out before the second is spoken.
func TestLiveComesEarly(t *testing.T) {
	for _, format := range []string{"pcm", "wav"} {
		var b bytes.Buffer
		broken := errors.New("broken")
		_, err := SpeakBy(t.Context(), &b, SpeechOptions{Text: "one two", Format: format, Live: true}, beeper{loud: 0.5, fail: broken})
		if !errors.Is(err, broken) || b.Len() < 2*beepRate/10 {
			t.Errorf("%s: %d bytes, %v", format, b.Len(), err)
		}
		b.Reset()
		_, err = SpeakBy(t.Context(), &b, SpeechOptions{Text: "one two", Format: format}, beeper{loud: 0.5, fail: broken})
		if !errors.Is(err, broken) || b.Len() != 0 {
			t.Errorf("%s at once: %d bytes, %v", format, b.Len(), err)
		}
	}
}

// TestLiveLoudness: what would be clipped is not made louder.
func TestLiveLoudness(t *testing.T) {
	for _, live := range []bool{false, true} {
		data, _ := saidBy(t, beeper{loud: 0.5}, SpeechOptions{Text: "one two", Format: "pcm", Volume: 10, Live: live})
		peak := 0
		for ; len(data) > 1; data = data[2:] {
			peak = max(peak, int(int16(binary.LittleEndian.Uint16(data))))
		}
		if peak < 32700 || peak > math.MaxInt16 {
			t.Errorf("live %v: the peak is %d", live, peak)
		}
	}
}

func TestSpeakByProgress(t *testing.T) {
	var got []int
	o := SpeechOptions{Text: "one two three", Progress: func(done, of int) {
		if of != len("one two three") {
			t.Errorf("of %d", of)
		}
		got = append(got, done)
	}}
	if _, err := SpeakBy(t.Context(), &bytes.Buffer{}, o, beeper{loud: 0.5}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0] != 3 || got[3] != o.whole() {
		t.Errorf("heard %v", got)
	}
}

func (o SpeechOptions) whole() int { return len(o.Text) }

func TestSpeakByRefuses(t *testing.T) {
	for _, o := range []SpeechOptions{
		{Text: ""},
		{Text: "..."},
		{Text: "<#1#> ..."},
		{Text: "x", Speed: 3},
		{Text: "x", Rate: 11025},
		{Text: "x", Format: "ogg"},
		{Text: "<#100#>x"},
	} {
		for _, o.Live = range []bool{false, true} {
			_, err := SpeakBy(t.Context(), &bytes.Buffer{}, o, beeper{loud: 0.5})
			if _, ok := errors.AsType[*BadSpeech](err); !ok {
				t.Errorf("%+v: %v", o, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := SpeakBy(ctx, &bytes.Buffer{}, SpeechOptions{Text: "x"}, beeper{loud: 0.5}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestLiveFormats has ffmpeg make and read what goes out live.
func TestLiveFormats(t *testing.T) {
	tool, err := FFmpeg()
	if err != nil {
		t.Skip(err)
	}
	for _, format := range []string{"wav", "mp3", "flac"} {
		data, info := saidBy(t, beeper{loud: 0.5}, SpeechOptions{Text: "one two <#1#> three", Format: format, Rate: 32000, Live: true})
		p := exec.CommandContext(t.Context(), tool, "-v", "error", "-i", "pipe:0", "-f", "s16le", "-ar", "32000", "-ac", "1", "pipe:1")
		p.Stdin = bytes.NewReader(data)
		raw, err := p.Output()
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		got := time.Duration(len(raw)/2) * time.Second / 32000
		if slack := (got - info.Duration).Abs(); slack > 100*time.Millisecond {
			t.Errorf("%s: %v of sound, said to be %v", format, got, info.Duration)
		}
	}
	_, err = SpeakBy(t.Context(), failing{errors.New("gone")}, SpeechOptions{Text: strings.Repeat("word ", 300), Format: "mp3", Live: true}, beeper{loud: 0.5})
	if err == nil || !strings.Contains(err.Error(), "ffmpeg failed") {
		t.Errorf("whoever listened has gone: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestPhases: known weights give the bytes that weights computed anew do.
func TestPhases(t *testing.T) {
	x := make([]float32, 3000)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*i)/997) * 20000)
	}
	for _, step := range []float64{0.75, 0.5, 1.5, 3, 2.25} {
		known, anew := newResampler(step), newResampler(step)
		if len(known.phases) == 0 {
			t.Errorf("%v: no weights are known", step)
		}
		anew.phases = nil
		for from := 0; from < len(x); from += 700 {
			part := x[from:min(from+700, len(x))]
			if a, b := known.feed(part), anew.feed(part); !slices.Equal(a, b) || len(a) == 0 {
				t.Fatalf("%v: %d samples differ from %d", step, len(a), len(b))
			}
		}
	}
	if r := newResampler(24000.0 / 22050); len(r.phases) > 0 {
		t.Error("a long period is kept")
	}
}
