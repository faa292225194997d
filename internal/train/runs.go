package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// SampleFunc makes a sample with a model of the current averaged weights. It is
// called every Options.SampleEvery steps, and never if that is 0.
type SampleFunc func(step int, averaged *nn.Params) error

// Codec trains m's codec, continuing from the checkpoint in o.Dir if there is
// one, and then measures the latents' statistics. At the end m holds the
// averaged weights.
func Codec(ctx context.Context, m *reel.Model, src Source, o Options, co CodecOptions, sample SampleFunc) error {
	if err := co.check(m.Config); err != nil {
		return err
	}
	ck, err := openCheckpoint(o, "codec", m.CodecParams, shapeOf(m.Config.Codec))
	if err != nil {
		return err
	}
	t := newCodecTask(m, src, co, o.Seed)
	err = loop(ctx, o, t, ck, func(step int) error { return sample(step, ck.opt.EMA()) }, co.Batch)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := m.CodecParams.Copy(ck.opt.EMA()); e != nil {
		return e
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if co.DecoderOnly {
		return nil
	}
	return measureLatents(ctx, m, src, o.Seed)
}

// TextVideo trains m's transformer and text encoder on the latents of m's
// codec, continuing from the checkpoint in o.Dir if there is one. At the end m
// holds the averaged weights, and knows the words of src's edition.
func TextVideo(ctx context.Context, m *reel.Model, src Source, o Options, fo FlowOptions, sample SampleFunc) error {
	if err := fo.check(); err != nil {
		return err
	}
	ck, err := openCheckpoint(o, "text-video", m.FlowParams, shapeOf(m.Config))
	if err != nil {
		return err
	}
	ck.teach(m.Storybook, src.Edition())
	t := newFlowTask(m, src, fo, o.Seed)
	err = loop(ctx, o, t, ck, func(step int) error { return sample(step, ck.opt.EMA()) }, fo.Batch)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := m.FlowParams.Copy(ck.opt.EMA()); e != nil {
		return e
	}
	m.Storybook = ck.taught
	return ctx.Err()
}

// shapeOf is the text by which a checkpoint identifies its model: the
// configuration as in weights files, which leaves out the parts that a model
// does not have.
func shapeOf(cfg any) map[string]string {
	text, err := json.Marshal(cfg)
	if err != nil {
		panic(err) // numbers and names always have a JSON form
	}
	return map[string]string{metaModel: string(text)}
}

func (c CodecOptions) check(cfg reel.Config) error {
	switch {
	case c.Batch < 1 || c.Fresh < 1 || c.Groups < 2:
		return fmt.Errorf("codec training: batch %d and fresh %d must be at least 1, groups %d at least 2", c.Batch, c.Fresh, c.Groups)
	case c.Crop < 32 || c.Crop%32 != 0 || c.Crop > cfg.Width || c.Crop > cfg.Height:
		return fmt.Errorf("codec training: crop %d must be a multiple of 32 within the frame of %d×%d", c.Crop, cfg.Width, cfg.Height)
	case c.Anchor != nil && c.Anchor.Config.Codec.Latent > cfg.Codec.Latent:
		return fmt.Errorf("codec training: the model to stay near has latents of %d channels, this one only of %d", c.Anchor.Config.Codec.Latent, cfg.Codec.Latent)
	}
	return nil
}

func (f FlowOptions) check() error {
	switch {
	case f.Batch < 1 || f.Micro < 1 || f.Fresh < 1 || f.Keep < f.Fresh:
		return fmt.Errorf("training: batch %d, micro %d and fresh %d must be at least 1, keep %d at least fresh", f.Batch, f.Micro, f.Fresh, f.Keep)
	case f.Groups < 0 || f.Groups > 64:
		return fmt.Errorf("training: %d groups a chunk, must be 1 to 64, or 0 for the model's own", f.Groups)
	case f.Chunks < 1 || f.Chunks > 2:
		return fmt.Errorf("training: %d chunks, must be 1 or 2", f.Chunks)
	case !(f.Stills >= 0 && f.Stills <= 1):
		return fmt.Errorf("training: the share of steps of single frames is %g, must be 0 to 1", f.Stills)
	}
	return nil
}

// measureLatents sets the mean and deviation of each latent channel from 64
// windows that training does not draw.
func measureLatents(ctx context.Context, m *reel.Model, src Source, seed uint64) error {
	c := m.Config.Codec.Latent
	sum, sq := make([]float64, c), make([]float64, c)
	n := 0.0
	b := backend.New()
	for i := range uint64(64) {
		w, err := src.Window(ctx, 1<<40+seed<<8+i, reel.Frames(3), m.Config.Width, m.Config.Height, m.Config.FPS)
		if err != nil {
			return fmt.Errorf("measuring the latents: %w", err)
		}
		b.Reset()
		x := b.Upload(w.picture(), 1, w.T, w.H, w.W, 3)
		for j, v := range tensor.Values(b, m.Codec.Encode(b, x, true, nil)) {
			sum[j%c] += float64(v)
			sq[j%c] += float64(v) * float64(v)
		}
		n += float64(w.H * w.W / 256 * 3)
	}
	mean, std := make([]float32, c), make([]float32, c)
	for j := range c {
		mu := sum[j] / n
		mean[j], std[j] = float32(mu), float32(math.Sqrt(max(sq[j]/n-mu*mu, 1e-6)))
	}
	m.Codec.SetStatistics(mean, std)
	return nil
}
