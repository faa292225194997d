package kinora

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/upscale"
)

// ownNetwork is the fake engine with the small network of reel.
type ownNetwork struct{ *fakeEngine }

func (ownNetwork) Upscaler(width, height int) (engine.Enlarger, error) {
	n, err := upscale.Open(upscale.Storybook())
	if err != nil {
		return nil, err
	}
	return n.NewRunner(width, height)
}

// fakeUpscaled is a model of 32×24 pixels, with a network of its own or without.
func fakeUpscaled(t *testing.T, own bool) *Model {
	t.Helper()
	e := &fakeEngine{change: func(c *Capabilities) { c.Enlarge.Own = own }}
	if own {
		return newModel(ownNetwork{e}, t.TempDir())
	}
	return newModel(e, t.TempDir())
}

// enlargingTo is what a model enlarges its frames by.
func enlargingTo(m *Model, how Upscaling, w, h int) enlarging {
	return m.enlarging(&plan{job: engine.Job{Video: engine.Video{Width: 32, Height: 24}}, upscale: how, width: w, height: h})
}

// TestUpscaleWays: each way gives the frames that its parts give, one by one.
func TestUpscaleWays(t *testing.T) {
	src := picture(32, 24, func(x, y int) byte {
		if (x-16)*(x-16)+(y-12)*(y-12) < 50 {
			return 240
		}
		return byte(4*x + y)
	})
	enlarge := func(n *upscale.Net, err error) media.Frame {
		if err != nil {
			t.Fatal(err)
		}
		r, err := n.NewRunner(32, 24)
		if err != nil {
			t.Fatal(err)
		}
		w, h := r.Size()
		f := media.NewFrame(w, h)
		if err := r.Frame(f.Pix, src); err != nil {
			t.Fatal(err)
		}
		return f
	}
	general, err := upscale.Open(upscale.General())
	if err != nil {
		t.Fatal(err)
	}
	by4, by2 := enlarge(general, nil), enlarge(general.Reduced(2))
	storybook := enlarge(upscale.Open(upscale.Storybook()))
	native := media.Frame{W: 32, H: 24, Pix: src}
	for _, tt := range []struct {
		how  Upscaling
		own  bool
		w, h int
		want media.Frame // before the last scaling
	}{
		{"", false, 64, 48, by2},
		{UpscaleAuto, true, 48, 36, by2},
		{UpscaleAuto, true, 44, 33, native},
		{UpscaleAuto, false, 80, 60, by4},
		{UpscaleSmall, true, 64, 48, storybook},
		{UpscaleSmall, true, 160, 120, storybook},
		{UpscaleSmall, false, 64, 48, native},
		{UpscaleLearned, true, 64, 48, by2},
		{UpscaleLearned, false, 40, 30, by2},
		{UpscaleLearned, false, 24, 18, native},
		{UpscaleFast, true, 128, 96, native},
	} {
		s, err := newScaler(32, 24, tt.w, tt.h, enlargingTo(fakeUpscaled(t, tt.own), tt.how, tt.w, tt.h))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.apply(src)
		if err != nil {
			t.Fatal(err)
		}
		want := scale(t, tt.want.Pix, tt.want.W, tt.want.H, tt.w, tt.h)
		if !bytes.Equal(got, want) {
			t.Errorf("%q to %d×%d, own network %v: other frames than its parts give", tt.how, tt.w, tt.h, tt.own)
		}
	}
}

// TestUpscaledClip: the request's way reaches the clip, from latents too.
func TestUpscaledClip(t *testing.T) {
	m, _ := fakeModel(t)
	r := Request{Prompt: "x", Seconds: 0.1, Seed: 130, Steps: 60, Width: 64, Height: 48}
	seen := map[Upscaling][]byte{}
	for _, how := range []Upscaling{"", UpscaleAuto, UpscaleLearned, UpscaleSmall, UpscaleFast} {
		r.Upscale = how
		c := generate(t, m, r)
		seen[how] = allFrames(t, c)
		again, err := m.Load(t.Context(), c.LatentsPath(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(allFrames(t, again), seen[how]) {
			t.Errorf("%q: other frames from the latents", how)
		}
	}
	if !bytes.Equal(seen[UpscaleSmall], seen[UpscaleFast]) {
		t.Error("a model without a network of its own is enlarged by another one")
	}
	if !bytes.Equal(seen[""], seen[UpscaleAuto]) || !bytes.Equal(seen[UpscaleLearned], seen[UpscaleAuto]) || bytes.Equal(seen[UpscaleFast], seen[UpscaleAuto]) {
		t.Error("the default is not auto, auto not learned, or fast is no other way")
	}
}

func TestUpscaleRefused(t *testing.T) {
	m, e := fakeModel(t)
	_, err := m.Generate(t.Context(), Request{Prompt: "x", Upscale: "best"})
	var said *Error
	if !errors.As(err, &said) || said.Kind != Invalid || said.What != "upscale" || len(e.jobs) != 0 {
		t.Errorf("%v; the engine was started %d times", err, len(e.jobs))
	}
}

// TestUpscalersInside: what the program carries for it stays small, and takes
// its share of the time that is told.
func TestUpscalersInside(t *testing.T) {
	if size := len(upscale.General()) + len(upscale.Storybook()); size > 2_600_000 {
		t.Errorf("the upscalers take %d bytes", size)
	}
	reel, err := Open(t.Context(), "reel")
	if err != nil {
		t.Fatal(err)
	}
	var shares []float64
	for _, how := range []Upscaling{UpscaleFast, UpscaleSmall, UpscaleLearned} {
		p := plan{job: engine.Job{Video: engine.Video{Width: 256, Height: 160}}, upscale: how, width: 512, height: 320}
		e := reel.enlarging(&p)
		if (e == nil) != (how == UpscaleFast) {
			t.Errorf("%s: a network %v", how, e != nil)
		}
		share, err := reel.share(&p, e)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	if none, small, large := shares[0], shares[1], shares[2]; none != reel.caps.Cost.SamplingShare || !(small < none && small > 0.5) || !(large < 0.2 && large > 0.02) {
		t.Errorf("sampling takes %g of the time", shares)
	}
	card, err := Open(t.Context(), "testcard")
	if err != nil {
		t.Fatal(err)
	}
	if enlargingTo(card, UpscaleAuto, 512, 320) != nil {
		t.Error("the test card is enlarged by a network")
	}
}
