package kinora

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
)

// soundEngine is a fake whose sample n, of each of two channels at 1000 a second,
// is n/10000: it gives some of them, ten at a time.
type soundEngine struct {
	fakeEngine
	samples int // of a channel
	err     error
}

func (e *soundEngine) Sound(_ context.Context, _ engine.Latents, yield func([]float32) error) error {
	for at := 0; at < e.samples; at += 10 {
		part := make([]float32, 20)
		for i := range part {
			part[i] = float32(at+i/2) / 10000
		}
		if err := yield(part); err != nil {
			return err
		}
	}
	return e.err
}

func soundModel(t *testing.T, samples int) (*Model, *soundEngine) {
	e := &soundEngine{samples: samples}
	e.change = func(c *Capabilities) { c.Sound = &Track{Rate: 1000, Channels: 2} }
	return newModel(e, t.TempDir()), e
}

// TestSamples: the sound is as long as the frames, cut where the model gives more
// and silent where it gives less.
func TestSamples(t *testing.T) {
	for given, name := range map[int]string{5000: "more", 1000: "as much", 400: "less", 0: "nothing"} {
		m, _ := soundModel(t, given)
		c := generate(t, m, Request{Prompt: "x", Seconds: 1})
		var got []float32
		for samples, err := range c.Samples(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, samples...)
		}
		if len(got) != 2000 {
			t.Fatalf("%s: %d samples", name, len(got))
		}
		for i, v := range got {
			want := float32(0)
			if i/2 < given {
				want = float32(i/2) / 10000
			}
			if v != want {
				t.Fatalf("%s: sample %d is %v, want %v", name, i, v, want)
			}
		}
	}
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 1})
	for range c.Samples(t.Context()) {
		t.Error("a silent video plays")
	}
	if c.Sound != nil {
		t.Errorf("a silent video has sound %+v", c.Sound)
	}
}

// TestSoundIsWritten: the encoder is given the sound that belongs to the frames it
// is given.
func TestSoundIsWritten(t *testing.T) {
	m, _ := soundModel(t, 5000)
	c := generate(t, m, Request{Prompt: "x", Seconds: 1})
	var got []float32
	open := func(o media.Options) (encoder, error) {
		if o.Sound == nil || o.Sound.Rate != 1000 || o.Sound.Channels != 2 {
			t.Fatalf("sound %+v", o.Sound)
		}
		return &fakeEncoder{}, o.Sound.Play(t.Context(), func(s []float32) error {
			got = append(got, s...)
			return nil
		})
	}
	if err := c.encode(t.Context(), "out.mp4", MP4, open, FromFrame(6)); err != nil { // a quarter of a second
		t.Fatal(err)
	}
	if len(got) != 1500 || got[0] != 0.025 || got[len(got)-1] != 0.0999 {
		t.Errorf("%d samples from %v to %v", len(got), got[0], got[len(got)-1])
	}
}

// TestWithoutSound: who wants none has none, and none is played.
func TestWithoutSound(t *testing.T) {
	m, e := soundModel(t, 100)
	e.err = errors.New("boom")
	c := generate(t, m, Request{Prompt: "x", Seconds: 1})
	err := c.encode(t.Context(), "out.mp4", MP4, func(o media.Options) (encoder, error) {
		if o.Sound != nil {
			t.Errorf("sound %+v", o.Sound)
		}
		return &fakeEncoder{}, nil
	}, WithoutSound())
	if err != nil {
		t.Error(err)
	}
}

func TestSoundFails(t *testing.T) {
	m, e := soundModel(t, 100)
	e.err = errors.New("boom")
	c := generate(t, m, Request{Prompt: "x", Seconds: 1})
	var last error
	for _, err := range c.Samples(t.Context()) {
		last = err
	}
	if KindOf(last) != Internal || last == nil || !strings.Contains(last.Error(), "boom") {
		t.Errorf("a model that fails: %v", last)
	}
	for range c.Samples(t.Context()) {
		break // which is no failure
	}
	mute := newModel(&fakeEngine{change: e.change}, t.TempDir())
	for _, err := range generate(t, mute, Request{Prompt: "x", Seconds: 1}).Samples(t.Context()) {
		last = err
	}
	if KindOf(last) != Internal || !strings.Contains(last.Error(), "gives none") {
		t.Errorf("a model that promised sound: %v", last)
	}
}

// TestCardSound: the test card beeps as each second begins, and its MP4 has that
// sound.
func TestCardSound(t *testing.T) {
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	c := generate(t, m, Request{Prompt: "x", Seconds: 1.5})
	var all []float32
	for samples, err := range c.Samples(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, samples...)
	}
	if len(all) != 72000 {
		t.Fatalf("%d samples", len(all))
	}
	rms := func(from, to float64) float64 {
		var sum float64
		part := all[int(from*48000):int(to*48000)]
		for _, v := range part {
			sum += float64(v) * float64(v)
		}
		return math.Sqrt(sum / float64(len(part)))
	}
	for from, loud := range map[float64]bool{0: true, 0.1: false, 0.5: false, 0.9: false, 1: true, 1.2: false} {
		if got := rms(from, from+0.1); loud != (got > 0.1) || !loud && got != 0 {
			t.Errorf("from %v s on it is as loud as %v", from, got)
		}
	}
	if CanWrite(MP4) != nil {
		t.Skip("no MP4 here")
	}
	path := filepath.Join(t.TempDir(), "card.mp4")
	if err := c.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if i, err := media.Inspect(t.Context(), path); err != nil || !i.Audio || i.Frames != 36 {
		t.Errorf("the file is %+v, %v", i, err)
	}
}
