package kinora

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
)

// Samples yields the video's sound: interleaved channels in [-1, 1], some samples
// at a time, and in all exactly as many as the video lasts. The slice is reused:
// copy what you keep. A silent video yields nothing. An error ends the sequence; its
// slice is nil.
func (c *Clip) Samples(ctx context.Context) iter.Seq2[[]float32, error] {
	return func(yield func([]float32, error) bool) {
		stopped := false
		err := c.listen(ctx, 0, func(samples []float32) error {
			if !yield(samples, nil) {
				stopped = true
				return errEnough
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// listen yields the sound of the video from a frame on.
func (c *Clip) listen(ctx context.Context, from int, yield func(samples []float32) error) error {
	switch {
	case c.Sound == nil:
		return nil
	case c.heard != nil:
		return c.playMixed(ctx, from, yield)
	}
	return c.play(ctx, from, yield)
}

// play yields the model's own sound from a frame on, in the length of the frames: it
// cuts what the model gives too much, and adds silence for what it gives too little.
func (c *Clip) play(ctx context.Context, from int, yield func(samples []float32) error) error {
	sounder, ok := c.model.engine.(engine.Sounder)
	if !ok {
		return &Error{Kind: Internal, Op: "play sound with", What: c.Model, Err: errors.New("it says that it has sound, and gives none")}
	}
	skip := c.samplesOf(from)
	left := c.samplesOf(c.FrameCount) - skip
	use := func(samples []float32) error {
		n := min(skip, len(samples))
		samples, skip = samples[n:], skip-n
		samples = samples[:min(left, len(samples))]
		if len(samples) > 0 {
			if err := yield(samples); err != nil {
				return err
			}
		}
		if left -= len(samples); left == 0 {
			return errEnough
		}
		return ctx.Err()
	}
	err := c.model.yielding(ctx, func(during func(func() error) error) error {
		return sounder.Sound(ctx, c.latents, func(samples []float32) error {
			if len(samples)%c.own.Channels != 0 {
				return fmt.Errorf("%d samples of %d channels", len(samples), c.own.Channels)
			}
			return during(func() error { return use(samples) })
		})
	})
	for err == nil && left > 0 {
		skip = 0
		err = use(make([]float32, min(left, c.own.Rate*c.own.Channels)))
	}
	if err != nil && !errors.Is(err, errEnough) {
		return wrap(Internal, "play sound with", c.Model, err, "")
	}
	return nil
}

// samplesOf returns how many samples of the model, of all channels, last as long as
// so many frames.
func (c *Clip) samplesOf(frames int) int {
	return c.own.Channels * int(math.Round(float64(frames)*float64(c.own.Rate)/float64(c.FPS)))
}

// track returns the sound from a frame on, in the form that package media takes;
// nil for a silent video.
func (c *Clip) track(from int) *media.Sound {
	if c.Sound == nil {
		return nil
	}
	return &media.Sound{Rate: c.Sound.Rate, Channels: c.Sound.Channels, Play: func(ctx context.Context, yield func([]float32) error) error {
		return c.listen(ctx, from, yield)
	}}
}

// HasSound says whether files of the format can hold sound.
func (f Format) HasSound() bool { return f == MP4 }

// CanWrite returns nil if this machine can write the model's videos in a format,
// with their sound if the format can hold it. Otherwise it returns an *Error of kind
// Unsupported that says what to install.
func (m *Model) CanWrite(ctx context.Context, f Format) error {
	if err := canWrite(ctx, f); err != nil || m.caps.Sound == nil || !f.HasSound() {
		return err
	}
	return canWriteSound(ctx, m.caps.Name)
}

// canWriteSound returns nil if this machine can write the sound of a model's videos.
func canWriteSound(ctx context.Context, model string) error {
	if err := media.CanWriteSound(ctx); err != nil {
		return wrap(Unsupported, "write the sound of", model, media.Plain(err), "or choose WebP, which is silent")
	}
	return nil
}
