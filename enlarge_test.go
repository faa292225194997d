package kinora

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/upscale"
)

// TestUpscaleWays: each way gives the frames that its parts give, one by one.
func TestUpscaleWays(t *testing.T) {
	by4, err := openGeneral()
	if err != nil {
		t.Fatal(err)
	}
	by2, err := by4.Reduced(2)
	if err != nil {
		t.Fatal(err)
	}
	src := picture(32, 24, func(x, y int) byte {
		if (x-16)*(x-16)+(y-12)*(y-12) < 50 {
			return 240
		}
		return byte(4*x + y)
	})
	enlarge := func(n *upscale.Net) media.Frame {
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
	storybook, err := openStorybook()
	if err != nil {
		t.Fatal(err)
	}
	native := media.Frame{W: 32, H: 24, Pix: src}
	for _, tt := range []struct {
		how  Upscaling
		own  bool
		w, h int
		want media.Frame // before the last scaling
	}{
		{"", false, 64, 48, enlarge(by2)},
		{UpscaleAuto, true, 48, 36, enlarge(by2)},
		{UpscaleAuto, true, 44, 33, native},
		{UpscaleAuto, false, 80, 60, enlarge(by4)},
		{UpscaleSmall, true, 64, 48, enlarge(storybook)},
		{UpscaleSmall, true, 160, 120, enlarge(storybook)},
		{UpscaleSmall, false, 64, 48, native},
		{UpscaleLearned, true, 64, 48, enlarge(by2)},
		{UpscaleLearned, false, 40, 30, enlarge(by2)},
		{UpscaleLearned, false, 24, 18, native},
		{UpscaleFast, true, 128, 96, native},
	} {
		in := Info{Width: 32, Height: 24}
		if tt.own {
			in.upscaler = openStorybook
		}
		net, err := in.network(tt.how, tt.w, tt.h)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newScaler(32, 24, tt.w, tt.h, net)
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
	in := Info{Width: 256, Height: 160, samplingShare: 0.7, plain: true}
	if n, err := in.network(UpscaleAuto, 512, 320); n != nil || err != nil {
		t.Errorf("a plain model is enlarged by %v, %v", n, err)
	}
	general, err := generalUpscaler(2)
	if err != nil {
		t.Fatal(err)
	}
	storybook, err := openStorybook()
	if err != nil {
		t.Fatal(err)
	}
	none, small, large := in.share(nil), in.share(storybook), in.share(general)
	if none != 0.7 || !(small < none && small > 0.5) || !(large < 0.2 && large > 0.02) {
		t.Errorf("sampling takes %g, %g and %g of the time", none, small, large)
	}
}
