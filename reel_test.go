package kinora

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// tinyReel writes an untrained reel of 64×32 pixels and opens it.
func tinyReel(t *testing.T) *Model {
	t.Helper()
	c := reel.Default()
	c.Width, c.Height = 64, 32
	c.Codec = reel.CodecConfig{Latent: 4, EncWidth: 16, EncBlocks: 1, DecWidth: 16, DecBlocks: 1, DeepWidth: 16, EncDeep: 1, DecDeep: 1}
	c.Text = reel.TextConfig{Vocab: 300, Width: 32, Blocks: 1, Heads: 2, Max: 16}
	c.Flow.Width, c.Flow.Blocks, c.Flow.Heads, c.Flow.Hidden, c.Flow.Groups = 32, 2, 2, 32, 2
	m, err := reel.New(c, token.Train(slices.Values([]string{"a red ball"}), 300), 1)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.safetensors")
	if err := m.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	out, err := Open(t.Context(), "reel", WithWeights(path), WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// allFrames returns the pixels of a video.
func allFrames(t *testing.T, c *Clip) []byte {
	t.Helper()
	var out []byte
	for img, err := range c.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, img.Pix...)
	}
	return out
}

func TestReel(t *testing.T) {
	m := tinyReel(t)
	r := Request{Prompt: "a red ball", Seconds: 1, Seed: 3, Steps: 2}
	c := generate(t, m, r)
	want := allFrames(t, c)
	if len(want) != 24*64*32*4 {
		t.Fatalf("%d bytes of frames", len(want))
	}
	if !slices.Equal(allFrames(t, c), want) {
		t.Error("drawn again, the frames are others")
	}
	if !slices.Equal(allFrames(t, generate(t, m, r)), want) {
		t.Error("the same request gives other frames")
	}
	loaded, err := m.Load(t.Context(), c.LatentsPath(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Prompt != r.Prompt || loaded.Seed != r.Seed || loaded.FrameCount != 24 {
		t.Errorf("loaded %+v", loaded)
	}
	if !slices.Equal(allFrames(t, loaded), want) {
		t.Error("the kept latents give other frames")
	}
	r.Seed = 4
	if slices.Equal(allFrames(t, generate(t, m, r)), want) {
		t.Error("another seed gives the same frames")
	}
	r.Image = image.NewGray(image.Rect(0, 0, 99, 50))
	generate(t, m, r)
}

// TestReelAtOnce: several videos at a time, one of them in the middle of
// another's frames, are what they are alone. For the race detector too.
func TestReelAtOnce(t *testing.T) {
	m := tinyReel(t)
	r := Request{Prompt: "a red ball", Seconds: 0.5, Seed: 3, Steps: 1}
	c := generate(t, m, r)
	want := allFrames(t, c)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			other, err := m.Generate(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			for _, err := range other.Frames(t.Context()) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, err := range c.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(allFrames(t, generate(t, m, r)), want) {
			t.Error("a video made inside another's loop is another one")
		}
		break
	}
	group.Wait()
}

func TestReelCancel(t *testing.T) {
	m := tinyReel(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := m.Generate(ctx, Request{Prompt: "x", Seconds: 60, Progress: func(p Progress) {
		if p.Done == 2 {
			cancel()
		}
		if p.Done > 3 {
			t.Error("sampling goes on after the cancellation")
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReelRefusesLatents(t *testing.T) {
	m := tinyReel(t)
	dir := t.TempDir()
	write := func(name string, meta map[string]string, shape ...int) string {
		n := 1
		for _, d := range shape {
			n *= d
		}
		path := filepath.Join(dir, name)
		ts := []safetensors.Tensor{safetensors.FromFloat32("latents", safetensors.F32, make([]float32, n), shape...)}
		if err := safetensors.WriteFile(path, ts, meta); err != nil {
			t.Fatal(err)
		}
		return path
	}
	meta := func(frames, seed string) map[string]string {
		return map[string]string{"format": "kinora-reel-latents-1", "frames": frames, "seed": seed}
	}
	if _, err := m.Load(t.Context(), write("good", meta("9", "1"), 2, 2, 4, 4), Request{}); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"text", text, "text"},
		{"weights", write("weights", map[string]string{"format": "kinora-reel-1"}, 1), "not latents"},
		{"size", write("size", meta("9", "1"), 2, 2, 5, 4), "shape"},
		{"rank", write("rank", meta("9", "1"), 64), "shape"},
		{"frames", write("frames", meta("10", "1"), 2, 2, 4, 4), "say they hold"},
		{"none", write("none", meta("0", "1"), 2, 2, 4, 4), "say they hold"},
		{"seed", write("seed", meta("9", "-1"), 2, 2, 4, 4), "say seed"},
	} {
		_, err := m.Load(t.Context(), tt.path, Request{})
		if KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	if _, err := m.Load(t.Context(), filepath.Join(t.TempDir(), "none"), Request{}); KindOf(err) != NotFound {
		t.Errorf("no file: %v", err)
	}
}

func TestReelRefusesWeights(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(t.Context(), "reel", WithWeights(filepath.Join(dir, "none"))); KindOf(err) != NotFound {
		t.Errorf("no file: %v", err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, make([]byte, 64), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "reel", WithWeights(bad)); KindOf(err) != Invalid || !strings.Contains(err.Error(), bad) {
		t.Errorf("a file of zeros: %v", err)
	}
}
