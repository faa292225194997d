package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/tensor"
)

// UpscalerOptions are what training an upscaler may be told.
type UpscalerOptions struct {
	Batch int // crops a step
	Crop  int // side of a crop in pixels of what the model draws
	Fresh int // windows of videos drawn anew a step
	// Groups of a window, the single first frame counted as one. The codec
	// looks back on those before.
	Groups int
	// Noise is the largest deviation of noise added to the latents of a window,
	// relative to theirs. What a transformer makes is never quite a latent of a
	// video.
	Noise float64
	// Square weighs the logarithm of each crop's mean square error beside the L1.
	Square float64
}

// DefaultUpscaler are the options of a new run.
func DefaultUpscaler() UpscalerOptions {
	return UpscalerOptions{Batch: 48, Crop: 64, Fresh: 1, Groups: 3, Noise: 0.1, Square: 0.2}
}

func (u UpscalerOptions) check(m *reel.Model, n *upscale.Net) error {
	c := m.Config
	switch {
	case u.Batch < 1 || u.Fresh < 1 || u.Groups < 2:
		return fmt.Errorf("training of the upscaler: batch %d and fresh %d must be at least 1, groups %d at least 2", u.Batch, u.Fresh, u.Groups)
	case u.Crop < 8 || u.Crop%n.Config.Patch != 0 || u.Crop > c.Width || u.Crop > c.Height:
		return fmt.Errorf("training of the upscaler: crop %d must be a multiple of %d from 8 on within the frame of %d×%d", u.Crop, n.Config.Patch, c.Width, c.Height)
	case !(u.Noise >= 0 && u.Noise <= 1 && u.Square >= 0):
		return fmt.Errorf("training of the upscaler: noise %g must be 0 to 1, square %g not below 0", u.Noise, u.Square)
	}
	return nil
}

// cropsOfWindow is how many crops of a window are kept for steps to come.
const cropsOfWindow = 12

// sharpCrop is a crop as the codec draws it, RGB [crop, crop, 3], and as it is
// in the video at the upscaler's size.
type sharpCrop struct{ drawn, real []byte }

// upscalerTask trains an upscaler on pairs: what a codec draws of a video, and
// the same video in the larger size.
type upscalerTask struct {
	opt   UpscalerOptions
	net   *upscale.Net
	model *reel.Model
	src   Source
	crops *pool[[]sharpCrop]
	lanes *lanes
	// draw sends a window through the codec: RGB of the same size.
	draw func(w Window, noise *rand.Rand) []byte
	seed uint64
}

func newUpscalerTask(m *reel.Model, n *upscale.Net, src Source, opt UpscalerOptions, seed uint64) *upscalerTask {
	t := &upscalerTask{opt: opt, net: n, model: m, src: src, seed: seed, lanes: newLanes(n.Params)}
	t.draw = t.throughCodec(backend.New())
	t.crops = newPool(opt.Fresh, 512, t.window)
	return t
}

// window draws window id in both sizes and cuts crops of it.
func (t *upscalerTask) window(ctx context.Context, id uint64) ([]sharpCrop, error) {
	c, f := t.model.Config, t.net.Config.Factor
	small, err := t.src.Window(ctx, id, reel.Frames(t.opt.Groups), c.Width, c.Height, c.FPS)
	if err != nil {
		return nil, err
	}
	large, err := t.src.Window(ctx, id, small.T, c.Width*f, c.Height*f, c.FPS)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(t.seed^0x75707363616c65, id))
	drawn := t.draw(small, rng)
	side := t.opt.Crop
	out := make([]sharpCrop, cropsOfWindow)
	for i := range out {
		frame := rng.IntN(small.T)
		x, y := rng.IntN(c.Width-side+1), rng.IntN(c.Height-side+1)
		out[i] = sharpCrop{cutFrame(drawn, c.Width, c.Height, frame, x, y, side), cutFrame(large.Frames, large.W, large.H, frame, f*x, f*y, f*side)}
	}
	return out, nil
}

// throughCodec is draw on a backend, which nobody else may use.
func (t *upscalerTask) throughCodec(b tensor.Backend) func(w Window, noise *rand.Rand) []byte {
	return func(w Window, noise *rand.Rand) []byte {
		b.Reset()
		encoder := t.model.Codec.NewEncoder(b)
		defer encoder.Close()
		z := encoder.Next(b.Upload(w.picture(), 1, w.T, w.H, w.W, 3))
		y := tensor.Values(b, t.model.Codec.Decode(b, b.Add(z, latentNoise(b, z, t.opt.Noise, noise)), true, nil))
		out := make([]byte, len(y))
		for i, v := range y {
			out[i] = byte(max(0, min(255, v*127.5+128)))
		}
		return out
	}
}

// cutFrame copies a square of a frame of RGB frames of w×h.
func cutFrame(rgb []byte, w, h, frame, x0, y0, side int) []byte {
	out := make([]byte, 0, 3*side*side)
	for y := range side {
		out = append(out, rgb[((frame*h+y0+y)*w+x0)*3:][:3*side]...)
	}
	return out
}

// sharpBatch is a micro-batch of n frames: pixels in [0, 1], and what to make of
// them.
type sharpBatch struct {
	n       int
	x, want []float32 // [n, 1, side, side, 3]
}

func (t *upscalerTask) batch(ctx context.Context, step int) ([]sharpBatch, error) {
	rng := stepRNG(t.seed, step, 31)
	windows, err := t.crops.draw(ctx, step, t.opt.Batch, rng)
	if err != nil {
		return nil, err
	}
	const micro = 12
	var out []sharpBatch
	for at := 0; at < len(windows); at += micro {
		n := min(micro, len(windows)-at)
		b := sharpBatch{n: n}
		for _, crops := range windows[at : at+n] {
			crop := crops[rng.IntN(len(crops))]
			b.x, b.want = appendUnit(b.x, crop.drawn), appendUnit(b.want, crop.real)
		}
		out = append(out, b)
	}
	return out, nil
}

// appendUnit appends bytes as numbers in [0, 1].
func appendUnit(x []float32, bytes []byte) []float32 {
	for _, v := range bytes {
		x = append(x, float32(v)/255)
	}
	return x
}

func (t *upscalerTask) step(_ int, batch []sharpBatch) (float64, map[string]float64) {
	share := 1 / float64(len(batch))
	losses, decibels := make([]float64, len(batch)), make([]float64, len(batch))
	side, large := t.opt.Crop, t.opt.Crop*t.net.Config.Factor
	t.lanes.run(len(batch), func(o *autograd.Tape, _, i int) {
		b := batch[i]
		// Twice: from -1 to 1, as the loss of the codec is taken.
		y := o.Scale(t.net.Forward(o, o.Upload(b.x, b.n, 1, side, side, 3)), 2)
		want := o.Scale(o.Upload(b.want, b.n, 1, large, large, 3), 2)
		drawn, wanted := tensor.Values(o.Backend(), y), tensor.Values(o.Backend(), want)
		weights := o.Upload(overEachMeanSquare(drawn, wanted, b.n), b.n)
		square := o.MSE(y.Reshape(b.n, y.Len()/b.n), want.Reshape(b.n, y.Len()/b.n), weights)
		loss := o.Add(o.L1(y, want), o.Scale(square, float32(t.opt.Square)))
		losses[i] = number(o, loss)
		decibels[i] = psnrWithin(drawn, wanted, 0, 2)
		o.Backward(loss, float32(share))
	})
	var total, db float64
	for i := range batch {
		total += share * losses[i]
		db += share * decibels[i]
	}
	return total, map[string]float64{"psnr": db}
}

// Upscaler trains n to make of what m's codec draws the videos of src in n's
// larger size, from the checkpoint in o.Dir if there is one. m stays as it is.
// At the end n holds the averaged weights.
func Upscaler(ctx context.Context, m *reel.Model, n *upscale.Net, src Source, o Options, uo UpscalerOptions) error {
	if err := uo.check(m, n); err != nil {
		return err
	}
	return newUpscalerTask(m, n, src, uo, o.Seed).run(ctx, o)
}

func (t *upscalerTask) run(ctx context.Context, o Options) error {
	n := t.net
	ck, err := openCheckpoint(o, "upscaler", n.Params, shapeOf(n.Config))
	if err != nil {
		return err
	}
	err = loop(ctx, o, t, ck, func(int) error { return nil }, t.opt.Batch)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := n.Params.Copy(ck.opt.EMA()); e != nil {
		return e
	}
	return ctx.Err()
}
