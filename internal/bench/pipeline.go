package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/world"
)

// Untrained is a model of the usual shape with random weights. It is as fast as
// a trained one.
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
	// The model goes through a file: weights that cannot change run faster.
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

// MeasurePipeline times the parts of making a video: encoding the prompt,
// sampling, decoding the frames, and writing them as MP4, or as animated WebP
// if no ffmpeg can write MP4. Generation overlaps decoding and writing; here
// they are timed one after the other. steps 0 is the model's default.
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
	text := w.best(func() { m.Flow.Encode(backend.New(), [][]int32{m.Tokens(prompt), m.Tokens("")}) })
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
	// ffmpeg is another program, so its time is wall-clock time.
	writing := Stopwatch{}.of(func() { err = writeVideo(ctx, c, "."+p.Format, frames) })
	if err != nil {
		return err
	}
	phase("writing", writing)
	b.Pipeline = p
	return nil
}

// writeVideo writes frames to a file that is then removed.
func writeVideo(ctx context.Context, c reel.Config, ext string, frames []byte) error {
	dir, remove, err := scratch.Folder("")
	if err != nil {
		return fmt.Errorf("a folder for the video: %w", err)
	}
	defer remove()
	e, err := media.Create(ctx, filepath.Join(dir, "video"+ext), media.Options{W: c.Width, H: c.Height, FPS: float64(c.FPS)})
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
