package train

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/tensor"
)

func smallUpscaler(t *testing.T) *upscale.Net {
	t.Helper()
	n, err := upscale.New(upscale.Config{Factor: 2, Patch: 2, Width: 8, Depth: 3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func upscalerOptions() UpscalerOptions {
	u := DefaultUpscaler()
	u.Batch, u.Crop, u.Groups = 6, 16, 2
	return u
}

// lossless is what a codec that loses nothing draws.
func lossless(w Window, _ *rand.Rand) []byte { return w.Frames }

// TestUpscalerLearns: what it makes of frames comes nearer to the videos, and an
// interrupted run gives the same.
func TestUpscalerLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	const steps = 60
	run := func(ctx context.Context, n *upscale.Net, o Options) error {
		task := newUpscalerTask(tiny(t), n, Storybook{Seed: 3}, upscalerOptions(), o.Seed)
		task.draw = lossless
		return task.run(ctx, o)
	}
	// loss is that of a network on crops that no step draws.
	loss := func(n *upscale.Net) float64 {
		task := newUpscalerTask(tiny(t), n, Storybook{Seed: 3}, upscalerOptions(), 9)
		task.draw = lossless
		batch, err := task.batch(context.Background(), steps)
		if err != nil {
			t.Fatal(err)
		}
		total, _ := task.step(0, batch)
		return total
	}
	o := options(t.TempDir(), steps)
	o.LR = 5e-3
	n := smallUpscaler(t)
	if err := run(context.Background(), n, o); err != nil {
		t.Fatal(err)
	}
	before, after := loss(smallUpscaler(t)), loss(n)
	t.Logf("the loss of unseen crops went from %.4f to %.4f", before, after)
	if !(after < 0.85*before) {
		t.Errorf("the loss of unseen crops went from %g to %g", before, after)
	}

	again := smallUpscaler(t)
	o.Dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	o.Progress = func(p Progress) {
		if p.Step == 7 {
			cancel()
		}
	}
	if err := run(ctx, again, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a run that was stopped: %v", err)
	}
	o.Progress = nil
	if err := run(context.Background(), again, o); err != nil {
		t.Fatal(err)
	}
	for _, name := range n.Params.Names() {
		if !slices.Equal(n.Params.Get(name).Data(), again.Params.Get(name).Data()) {
			t.Errorf("%s differs after a run in two parts", name)
		}
	}
}

// TestUpscalerPairs: a crop of what the codec draws lies where its larger twin
// lies in the video.
func TestUpscalerPairs(t *testing.T) {
	m := tiny(t)
	n := smallUpscaler(t)
	opt := upscalerOptions()
	opt.Noise = 0
	task := newUpscalerTask(m, n, Storybook{Seed: 5}, opt, 9)
	task.draw = lossless
	batch, err := task.batch(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	cpu := backend.Exact()
	for _, b := range batch {
		half := cpu.AvgPool2(cpu.Upload(b.want, b.n, 1, 32, 32, 3))
		if db := psnrWithin(tensor.Values(cpu, half), b.x, 0, 1); !(db > 24) {
			t.Errorf("the means of the large crops are %.1f dB from the small ones", db)
		}
	}
}

// TestUpscalerLeavesTheCodec: a step through the codec gives gradients to the
// upscaler alone.
func TestUpscalerLeavesTheCodec(t *testing.T) {
	m, n := tiny(t), smallUpscaler(t)
	before, start := slices.Clone(m.CodecParams.Get("codec.out.weight").Data()), slices.Clone(n.Params.Get("layers.0.weight").Data())
	if err := Upscaler(context.Background(), m, n, Storybook{Seed: 3}, options(t.TempDir(), 2), upscalerOptions()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, m.CodecParams.Get("codec.out.weight").Data()) {
		t.Error("the codec was trained too")
	}
	if slices.Equal(start, n.Params.Get("layers.0.weight").Data()) {
		t.Error("the upscaler was not trained")
	}
}

func TestUpscalerRefuses(t *testing.T) {
	m, n := tiny(t), smallUpscaler(t)
	for what, change := range map[string]func(u *UpscalerOptions){
		"no batch": func(u *UpscalerOptions) { u.Batch = 0 }, "a crop beyond the frame": func(u *UpscalerOptions) { u.Crop = 34 },
		"a crop of half a patch": func(u *UpscalerOptions) { u.Crop = 17 }, "noise below none": func(u *UpscalerOptions) { u.Noise = -1 },
		"one group": func(u *UpscalerOptions) { u.Groups = 1 },
	} {
		u := upscalerOptions()
		change(&u)
		dir := t.TempDir()
		if err := Upscaler(context.Background(), m, n, Storybook{}, options(dir, 1), u); err == nil {
			t.Errorf("%s was taken", what)
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("%s: files were written", what)
		}
	}
}
