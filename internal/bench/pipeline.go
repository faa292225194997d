package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/world"
)

// Untrained is a model of the usual shape that has learned nothing. It is as
// fast as one that has.
func Untrained() (*reel.Model, error) {
	cfg := reel.Default()
	captions := func(yield func(string) bool) {
		for i := range uint64(300) {
			if !yield(world.Sample(i, world.SampleOptions{}).Caption(world.Lang(i%world.NumLangs), i)) {
				return
			}
		}
	}
	m, err := reel.New(cfg, token.Train(captions, cfg.Text.Vocab), 1)
	if err != nil {
		return nil, err
	}
	// By way of a file: weights that cannot change any more run faster.
	dir, remove, err := scratch.Folder("")
	if err != nil {
		return nil, err
	}
	defer remove()
	path := filepath.Join(dir, "reel.safetensors")
	if err := m.WriteFile(path, nil); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return reel.Open(data)
}

// MeasurePipeline times the parts of making a film: the prompt's encoding,
// sampling, drawing the frames, and writing them as MP4, or as animated WebP
// where no ffmpeg can write that. Generating overlaps the last two, which are timed
// one after the other here. steps 0 is the model's default.
func (b *Report) MeasurePipeline(ctx context.Context, w Stopwatch, m *reel.Model, seconds float64, steps int, progress func(done, total int)) error {
	c := m.Config
	if steps == 0 {
		steps = reel.DefaultSteps
	}
	p := &PipelineTime{Seconds: seconds, Frames: int(seconds*float64(c.FPS) + 0.5), Steps: steps, Format: "mp4"}
	if _, _, err := media.MP4Encoder(ctx); err != nil {
		p.Format = "webp"
	}
	prompt := "A small red cat bounces in a meadow at sunset, the camera pans left."
	phase := func(name string, sec float64) {
		p.Phases = append(p.Phases, Phase{name, sec})
		p.Total += sec
	}
	// Weights are packed at their first use, which is not counted.
	warm := reel.Request{Prompt: prompt, Frames: 1, Steps: 1}
	if _, err := m.Sample(ctx, warm, nil); err != nil {
		return err
	}
	text := w.best(func() { m.Flow.Encode(tensor.NewCPU(gemm.BF16), [][]int32{m.Tokens(prompt), m.Tokens("")}) })
	phase("text", text)
	var l *reel.Latents
	var err error
	sampling := w.of(func() {
		l, err = m.Sample(ctx, reel.Request{Prompt: prompt, Frames: p.Frames, Steps: steps}, progress)
	})
	if err != nil {
		return err
	}
	phase("sampling", max(sampling-text, 0))
	var frames []byte
	decode := w.of(func() {
		err = m.Decode(ctx, l, func(rgb []byte) error { frames = append(frames, rgb...); return nil })
	})
	if err != nil {
		return err
	}
	phase("drawing", decode)
	// ffmpeg is another program: its time is the clock's.
	writing := Stopwatch{}.of(func() { err = writeFilm(ctx, c, "."+p.Format, frames) })
	if err != nil {
		return err
	}
	phase("writing", writing)
	b.Pipeline = p
	return nil
}

// writeFilm writes frames to a file that nobody keeps.
func writeFilm(ctx context.Context, c reel.Config, ext string, frames []byte) error {
	dir, remove, err := scratch.Folder("")
	if err != nil {
		return fmt.Errorf("a folder for the film: %w", err)
	}
	defer remove()
	e, err := media.Create(ctx, filepath.Join(dir, "film"+ext), media.Options{W: c.Width, H: c.Height, FPS: float64(c.FPS)})
	if err != nil {
		return err
	}
	defer e.Abort()
	for size := c.Width * c.Height * 3; len(frames) >= size; frames = frames[size:] {
		if err := e.WriteFrame(frames[:size]); err != nil {
			return err
		}
	}
	return e.Close()
}
