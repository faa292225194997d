package kinora

import (
	"image"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
)

// TestRegistry: what the registry says of a model is what the open model says,
// and it holds together.
func TestRegistry(t *testing.T) {
	if got := registry[0].Capabilities().Name; got != DefaultModel {
		t.Errorf("the first model is %s, not %s", got, DefaultModel)
	}
	for _, name := range Inside() {
		said, err := CapabilitiesOf(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		open := m.Capabilities()
		if sound := open.Sound != nil; sound != isSounder(m.engine) {
			t.Errorf("%s says sound %v, and its engine does not agree", name, sound)
		}
		if _, has := m.engine.(engine.Upscaler); open.Enlarge.Own && !has {
			t.Errorf("%s says it has a network of its own, and its engine does not agree", name)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if a, b := said.Prompt.Words, open.Prompt.Words; (a == nil) != (b == nil) || a != nil && !reflect.DeepEqual(a.Topics, b.Topics) {
			t.Errorf("%s: the words are %+v, open %+v", name, a, b)
		}
		said.Prompt.Words, open.Prompt.Words = nil, nil
		if !reflect.DeepEqual(said, open) {
			t.Errorf("%s is said to be\n%+v, and open it is\n%+v", name, said, open)
		}
		wellFormed(t, said)
	}
	if _, err := CapabilitiesOf("sora"); KindOf(err) != NotFound {
		t.Errorf("an unknown model: %v", err)
	}
}

func isSounder(e engine.Engine) bool {
	_, ok := e.(engine.Sounder)
	return ok
}

// wellFormed checks what every model's capabilities have to say.
func wellFormed(t *testing.T, c Capabilities) {
	t.Helper()
	if c.Name == "" || c.About == "" || len(c.Sizes.Native) == 0 || len(c.Rates) == 0 {
		t.Errorf("%q lacks a name, a line about it, a size or a rate", c.Name)
	}
	for _, s := range c.Sizes.Native {
		if s.Width%2 != 0 || s.Height%2 != 0 || min(s.Width, s.Height) < MinSide || max(s.Width, s.Height) > MaxSide {
			t.Errorf("%s: the size %v is none of a video", c.Name, s)
		}
	}
	if s := c.Steps; s.Min < 1 || s.Min > s.Default || s.Default > s.Max || s.Max > MaxSteps {
		t.Errorf("%s: steps %+v", c.Name, s)
	}
	if g := c.Guidance; g.Min > g.Default || g.Default > g.Max || g.Default == 0 {
		t.Errorf("%s: guidance %+v", c.Name, g)
	}
	if l := c.Lengths; l.Min > l.Default || l.Default > l.Max || l.Max > MaxSeconds || l.Default <= 0 {
		t.Errorf("%s: lengths %+v", c.Name, l)
	}
	if k := c.Cost; !(k.SamplingShare > 0 && k.SamplingShare < 1) || k.Memory <= 0 || k.CoreSeconds <= 0 {
		t.Errorf("%s: cost %+v", c.Name, k)
	}
}

// TestCapabilityRefusals: a request is held against what the model says of
// itself, and the refusal names a model that can.
func TestCapabilityRefusals(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 4, 4))
	pictures := func(n int) References { return References{Images: slices.Repeat([]image.Image{picture}, n)} }
	none := func(*Capabilities) {}
	for _, tt := range []struct {
		name, want string
		kind       Kind
		model      func(*Capabilities)
		request    Request
	}{
		{
			"no first frame", "the model fake takes no first frame (a model that can: reel, testcard)", Unsupported,
			func(c *Capabilities) { c.FirstFrame = false },
			Request{Image: picture},
		},
		{"no last frame", "the model fake takes no last frame", Unsupported, none, Request{Prompt: "x", LastFrame: picture}},
		{
			"an empty last frame", "last frame: it has no pixels", Invalid,
			func(c *Capabilities) { c.LastFrame = true },
			Request{Prompt: "x", LastFrame: image.NewGray(image.Rectangle{})},
		},
		{"no negative prompt", "takes no negative prompt", Unsupported, none, Request{Prompt: "x", NegativePrompt: "y"}},
		{"no references", "takes no reference image", Unsupported, none, Request{Prompt: "x", References: pictures(1)}},
		{
			"too many references", "there are 3 (fake takes at most 2)", Invalid,
			func(c *Capabilities) { c.References.Images = 2 },
			Request{Prompt: "x", References: pictures(3)},
		},
		{
			"an empty reference", "number 2 has no pixels", Invalid,
			func(c *Capabilities) { c.References.Images = 2 },
			Request{Prompt: "x", References: References{Images: []image.Image{picture, nil}}},
		},
		{"no reference videos", "takes no reference video", Unsupported, none, Request{Prompt: "x", References: References{Videos: []string{"a.mp4"}}}},
		{"no reference sounds", "takes no reference sound", Unsupported, none, Request{Prompt: "x", References: References{Sounds: []string{"a.wav"}}}},
		{
			"too long", "seconds: 9 is out of range (4 to 8)", Invalid,
			func(c *Capabilities) { c.Lengths = engine.Lengths{Default: 5, Min: 4, Max: 8} },
			Request{Prompt: "x", Seconds: 9},
		},
		{
			"too short", "seconds: 3 is out of range (4 to 8)", Invalid,
			func(c *Capabilities) { c.Lengths = engine.Lengths{Default: 5, Min: 4, Max: 8} },
			Request{Prompt: "x", Seconds: 3},
		},
		{
			"fixed steps", "steps: 9 is out of range (it is always 4", Invalid,
			func(c *Capabilities) { c.Steps = engine.Range[int]{Default: 4, Min: 4, Max: 4} },
			Request{Prompt: "x", Steps: 9},
		},
		{
			"guidance", "guidance: 9 is out of range (1 to 5", Invalid,
			func(c *Capabilities) { c.Guidance = engine.Range[float32]{Default: 2, Min: 1, Max: 5} },
			Request{Prompt: "x", Guidance: 9},
		},
		{
			"a long prompt", "prompt: it has 6 bytes (the limit is 5)", Invalid,
			func(c *Capabilities) { c.Prompt.MaxBytes = 5 },
			Request{Prompt: "sixsix"},
		},
	} {
		e := &fakeEngine{change: tt.model}
		_, err := newModel(e, t.TempDir()).Generate(t.Context(), tt.request)
		if KindOf(err) != tt.kind || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
		if len(e.jobs) != 0 {
			t.Errorf("%s: the engine was started all the same", tt.name)
		}
	}
}

// TestCapabilitiesReachTheEngine: what a model can do is asked of it, in a size and
// at a rate of its own.
func TestCapabilitiesReachTheEngine(t *testing.T) {
	e := &fakeEngine{change: func(c *Capabilities) {
		c.LastFrame, c.Negative, c.References.Images = true, true, 1
		c.Rates = []int{24, 12}
	}}
	m := newModel(e, t.TempDir())
	grey := image.NewGray(image.Rect(0, 0, 300, 7))
	generate(t, m, Request{
		Prompt: "x", NegativePrompt: "y", Seconds: 1, FPS: 12, Width: 64, Image: grey, LastFrame: grey,
		References: References{Images: []image.Image{grey}},
	})
	j := e.jobs[0]
	if j.Negative != "y" || len(j.References.Images) != 1 || len(j.First) != 32*24*3 || len(j.Last) != 32*24*3 || j.Last[0] != -1 {
		t.Errorf("the engine was asked for %q, %d references, pictures of %d and %d values", j.Negative, len(j.References.Images), len(j.First), len(j.Last))
	}
	if want := (engine.Video{Width: 32, Height: 24, FPS: 12, Frames: 12}); j.Video != want {
		t.Errorf("the engine was asked to draw %+v, want %+v", j.Video, want)
	}
}

// TestEngineRefuses: a refusal that only the engine can give is the caller's to
// mend.
func TestEngineRefuses(t *testing.T) {
	m, e := fakeModel(t)
	e.sampleErr = &engine.Refusal{Field: "prompt", Why: "it has 600 tokens", Hint: "at most 512"}
	_, err := m.Generate(t.Context(), Request{Prompt: "x"})
	if KindOf(err) != Invalid || err.Error() != "request prompt: it has 600 tokens (at most 512)" {
		t.Error(err)
	}
}
