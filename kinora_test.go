package kinora

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func fakeModel(t *testing.T) (*Model, *fakeEngine) {
	t.Helper()
	e := &fakeEngine{}
	return newModel(e, t.TempDir()), e
}

func generate(t *testing.T, m *Model, r Request) *Clip {
	t.Helper()
	c, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpen(t *testing.T) {
	m, err := Open(t.Context(), "testcard")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Capabilities().Name; got != "testcard" {
		t.Errorf("name %q", got)
	}
	_, err = Open(t.Context(), "sora")
	if KindOf(err) != NotFound || !strings.Contains(err.Error(), `"sora"`) || !strings.Contains(err.Error(), "testcard") {
		t.Errorf("an unknown model: %v", err)
	}
	if _, err = Open(t.Context(), "testcard", WithWeights("x")); KindOf(err) != Invalid {
		t.Errorf("weights for the test card: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Open(ctx, "testcard"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestGenerateDefaults(t *testing.T) {
	m, e := fakeModel(t)
	c := generate(t, m, Request{Prompt: "a red ball", Seed: 7})
	if c.Width != 32 || c.Height != 24 || c.FPS != 24 || c.FrameCount != 144 || c.Duration() != 6*time.Second {
		t.Errorf("the video is %d×%d, %d frames at %d fps, %v", c.Width, c.Height, c.FrameCount, c.FPS, c.Duration())
	}
	if c.Model != "fake" || c.Prompt != "a red ball" || c.Seed != 7 || c.Upscaled {
		t.Errorf("the video says %q, %q, seed %d, upscaled %v", c.Model, c.Prompt, c.Seed, c.Upscaled)
	}
	j := e.jobs[0]
	if j.Frames != 144 || j.Prompt != "a red ball" || j.Seed != 7 || j.Steps != 4 || j.Guidance != 3 || j.First != nil {
		t.Errorf("the engine was asked for %+v", j)
	}
	if c := generate(t, m, Request{Prompt: "\ufeffa red ball"}); c.Prompt != "a red ball" || e.jobs[1].Prompt != "a red ball" {
		t.Errorf("a byte order mark before the prompt was kept: %q", c.Prompt)
	}
}

func TestFrameCounts(t *testing.T) {
	for _, tt := range []struct {
		seconds          float64
		fps              int
		frames, engine   int
		firsts, natively []int // native frame behind some of the clip's
	}{
		{0.01, 0, 1, 1, []int{0}, []int{0}},
		{1, 0, 24, 24, []int{0, 23}, []int{0, 23}},
		{25.0 / 24, 0, 25, 25, []int{24}, []int{24}},
		{26.0 / 24, 0, 26, 26, []int{25}, []int{25}},
		{1, 12, 12, 24, []int{0, 1, 11}, []int{0, 2, 22}},
		{1, 30, 30, 24, []int{0, 1, 2, 29}, []int{0, 0, 1, 23}},
		{1, 60, 60, 24, []int{0, 59}, []int{0, 23}},
		{1, 1, 1, 24, []int{0}, []int{0}},
	} {
		m, e := fakeModel(t)
		c := generate(t, m, Request{Prompt: "x", Seconds: tt.seconds, FPS: tt.fps})
		if c.FrameCount != tt.frames || e.jobs[0].Frames != tt.engine {
			t.Errorf("%v s at %d fps: %d frames from %d, want %d from %d", tt.seconds, tt.fps, c.FrameCount, e.jobs[0].Frames, tt.frames, tt.engine)
		}
		var seen []int
		for img, err := range c.Frames(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, int(img.Pix[0]))
		}
		if len(seen) != tt.frames {
			t.Fatalf("%v s at %d fps: %d frames came", tt.seconds, tt.fps, len(seen))
		}
		for i, f := range tt.firsts {
			if seen[f] != tt.natively[i] {
				t.Errorf("%v s at %d fps: frame %d is native frame %d, want %d", tt.seconds, tt.fps, f, seen[f], tt.natively[i])
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	ok := func() Request { return Request{Prompt: "x"} }
	for _, tt := range []struct {
		name, want string
		change     func(*Request)
	}{
		{"no prompt", "prompt: it is empty", func(r *Request) { r.Prompt = "" }},
		{"blank prompt", "prompt: it is empty", func(r *Request) { r.Prompt = " \n" }},
		{"long prompt", fmt.Sprintf("has %d bytes", MaxPromptBytes+1), func(r *Request) { r.Prompt = strings.Repeat("x", MaxPromptBytes+1) }},
		{"bad prompt", "UTF-8", func(r *Request) { r.Prompt = "\xff" }},
		{"negative seconds", "seconds", func(r *Request) { r.Seconds = -1 }},
		{"endless", "seconds", func(r *Request) { r.Seconds = math.Inf(1) }},
		{"no number", "seconds", func(r *Request) { r.Seconds = math.NaN() }},
		{"odd", "odd side", func(r *Request) { r.Width, r.Height = 321, 200 }},
		{"tiny", "out of range", func(r *Request) { r.Width, r.Height = 2, 2 }},
		{"huge", "out of range", func(r *Request) { r.Width = 100000 }},
		{"negative side", "out of range", func(r *Request) { r.Width, r.Height = -16, 16 }},
		{"fps", "fps", func(r *Request) { r.FPS = 1000 }},
		{"steps", "steps", func(r *Request) { r.Steps = -1 }},
		{"guidance", "guidance", func(r *Request) { r.Guidance = float32(math.NaN()) }},
		{"image", "no pixels", func(r *Request) { r.Image = image.NewRGBA(image.Rectangle{}) }},
	} {
		m, e := fakeModel(t)
		r := ok()
		tt.change(&r)
		_, err := m.Generate(t.Context(), r)
		if KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
		if len(e.jobs) != 0 {
			t.Errorf("%s: the engine was started all the same", tt.name)
		}
	}
}

func TestSizeKeepsShape(t *testing.T) {
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.1, Width: 64})
	if c.Width != 64 || c.Height != 48 || !c.Upscaled {
		t.Errorf("%d×%d, upscaled %v", c.Width, c.Height, c.Upscaled)
	}
	for img, err := range c.Frames(t.Context()) {
		if err != nil || img.Rect.Dx() != 64 || img.Rect.Dy() != 48 || img.Pix[3] != 255 {
			t.Fatalf("a frame of %v, error %v", img.Rect, err)
		}
	}
}

func TestFirstFrame(t *testing.T) {
	m, e := fakeModel(t)
	img := image.NewNRGBA(image.Rect(5, 5, 85, 65)) // 4:3, like the model, off the origin
	for y := 5; y < 65; y++ {
		for x := 5; x < 85; x++ {
			img.Set(x, y, color.NRGBA{R: 255, A: 255})
		}
	}
	generate(t, m, Request{Image: img, Seconds: 0.1})
	got := e.jobs[0].First
	if len(got) != 32*24*3 {
		t.Fatalf("%d values", len(got))
	}
	for i := 0; i < len(got); i += 3 {
		if got[i] != 1 || got[i+1] != -1 || got[i+2] != -1 {
			t.Fatalf("pixel %d is %v", i/3, got[i:i+3])
		}
	}
	if clear, err := firstFrame(image.NewNRGBA(image.Rect(0, 0, 4, 4)), 32, 24); err != nil || clear[0] != 1 {
		t.Errorf("a transparent image gives %v, %v, want white", clear[:3], err)
	}
}

func TestProgress(t *testing.T) {
	m, e := fakeModel(t)
	e.layers = 3
	var seen []Progress
	c := generate(t, m, Request{Prompt: "x", Seconds: 1, Progress: func(p Progress) { seen = append(seen, p) }})
	for _, err := range c.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	last := -1.0
	phases := map[Phase]int{}
	for i, p := range seen {
		if p.Overall < last || p.Overall > 1 || p.Left < 0 || p.Elapsed < 0 || p.Done > p.Total {
			t.Errorf("report %d is %+v after %v", i, p, last)
		}
		last = p.Overall
		phases[p.Phase]++
	}
	if r := seen[2]; r.Phase != Reading || r.Done != 3 || r.Total != 3 || r.Overall != 0 {
		t.Errorf("the prompt was read with %+v", r)
	}
	if s := seen[4]; s.Phase != Sampling || s.Done != 0 || s.Total != 4 || math.Abs(s.Overall-2./3/4*0.5) > 1e-6 {
		t.Errorf("two of three layers of the first step are %+v", s)
	}
	if phases[Reading] != 3 || phases[Sampling] != 4+4*3 || phases[Drawing] != 25 || last != 1 {
		t.Errorf("reports %v, the last at %v", phases, last)
	}
}

func TestLatentsAreKept(t *testing.T) {
	m, e := fakeModel(t)
	path := filepath.Join(t.TempDir(), "x.latents")
	c := generate(t, m, Request{Prompt: "a red ball", Seconds: 1, Seed: 9, Steps: 3, Latents: path})
	if c.LatentsPath() != path {
		t.Fatalf("kept in %q", c.LatentsPath())
	}
	if _, err := m.Generate(t.Context(), Request{Prompt: "x", Latents: path}); !errors.Is(err, fs.ErrExist) || len(e.jobs) != 1 {
		t.Errorf("latents of an earlier clip: %v, %d jobs", err, len(e.jobs))
	}
	again, err := m.Load(t.Context(), path, Request{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Prompt != "a red ball" || again.Seed != 9 || again.FrameCount != 24 || again.LatentsPath() != "" {
		t.Errorf("loaded %+v", again)
	}
	for img, err := range again.Frames(t.Context()) {
		if err != nil || img.Pix[1] != 9 || img.Pix[2] != 3 {
			t.Fatalf("a frame of %v, %v", img.Pix[:4], err)
		}
	}
	short, err := m.Load(t.Context(), path, Request{Seconds: 0.5, FPS: 12, Width: 64, Height: 48})
	if err != nil || short.FrameCount != 6 || short.Width != 64 {
		t.Errorf("loaded in part: %+v, %v", short, err)
	}
	if err := c.Discard(); err != nil || c.LatentsPath() != "" {
		t.Errorf("discard: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("discarded latents are still there")
	}
	if err := c.Discard(); err != nil {
		t.Errorf("a second discard: %v", err)
	}
}

func TestLoadRefusals(t *testing.T) {
	m, _ := fakeModel(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Load(t.Context(), filepath.Join(dir, "none"), Request{}); KindOf(err) != NotFound {
		t.Errorf("no file: %v", err)
	}
	if _, err := m.Load(t.Context(), bad, Request{}); KindOf(err) != Invalid || !strings.Contains(err.Error(), bad) {
		t.Errorf("a broken file: %v", err)
	}
}

func TestUnwritableLatents(t *testing.T) {
	m, e := fakeModel(t)
	_, err := m.Generate(t.Context(), Request{Prompt: "x", Latents: filepath.Join(t.TempDir(), "none", "x.latents")})
	if KindOf(err) != Storage || len(e.jobs) != 0 {
		t.Errorf("a folder that is not there: %v, %d jobs", err, len(e.jobs))
	}
}

func TestCancelSampling(t *testing.T) {
	m, e := fakeModel(t)
	ctx, cancel := context.WithCancel(t.Context())
	e.atStep = func(i int) {
		if i == 2 {
			cancel()
		}
	}
	if _, err := m.Generate(ctx, Request{Prompt: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	left, err := os.ReadDir(m.latentsDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFramesEnd(t *testing.T) {
	m, e := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 2})
	n := 0
	for range c.Frames(t.Context()) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 || e.stopped > 3 {
		t.Errorf("%d frames seen, %d drawn", n, e.stopped)
	}
	e.decodeErr = errors.New("boom")
	var last error
	n = 0
	for img, err := range c.Frames(t.Context()) {
		if err != nil {
			last = err
			if img != nil {
				t.Error("an image with an error")
			}
			continue
		}
		n++
	}
	if n != 2 || KindOf(last) != Internal || !strings.Contains(last.Error(), "boom") {
		t.Errorf("%d frames, then %v", n, last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e.decodeErr = nil
	n = 0
	for _, err := range c.Frames(ctx) {
		if n++; n == 5 {
			cancel()
		}
		last = err
	}
	if n != 6 || !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled after 5: %d, %v", n, last)
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "clip",
		"../../etc/passwd":          "etc-passwd",
		"A red ball, bouncing!":     "a-red-ball-bouncing",
		"[Pan left] 两只蓝色的鸟":         "pan-left-两只蓝色的鸟",
		"قطة حمراء":                 "قطة-حمراء",
		strings.Repeat("long ", 20): "long-long-long-long-long-long-long-long",
		strings.Repeat("x", 99):     strings.Repeat("x", 40),
		strings.Repeat("𠀀", 40):     strings.Repeat("𠀀", 30), // four bytes each
		"NUL":                       "clip-nul",
		"com1!":                     "clip-com1",
		"con artist":                "con-artist",
	} {
		if got := Slug(in); got != want {
			t.Errorf("Slug(%.30q) = %q, want %q", in, got, want)
		}
	}
}

func TestTestCard(t *testing.T) {
	dir := t.TempDir()
	m, err := Open(t.Context(), "testcard", WithLatentsDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	frame := func(c *Clip) []byte {
		for img, err := range c.Frames(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			return append([]byte(nil), img.Pix...)
		}
		return nil
	}
	a := generate(t, m, Request{Prompt: "x", Seconds: 1, Seed: 1})
	b := generate(t, m, Request{Prompt: "x", Seconds: 1, Seed: 2})
	if string(frame(a)) == string(frame(b)) {
		t.Error("another seed gives the same picture")
	}
	again, err := m.Load(t.Context(), a.LatentsPath(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if string(frame(a)) != string(frame(again)) {
		t.Error("its latents do not come back")
	}
}
