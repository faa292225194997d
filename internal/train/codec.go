package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/tensor"
)

// CodecOptions are what training the codec may be told.
type CodecOptions struct {
	Batch int // crops a step
	Crop  int // side of a crop in pixels, a multiple of 32
	// Groups of a crop, the single first frame counted as one. Films have more:
	// after fewer groups than the layers over time look back on, later ones come
	// out worse.
	Groups int
	Fresh  int // films drawn anew a step
	// Noise is the largest deviation of noise added to the latents, relative to
	// theirs; each crop draws its own. What a transformer makes is never quite a
	// latent of a film, and the decoder is to draw that too. The others weigh
	// parts of the loss beside the L1 of the frames: Square the logarithm of
	// each crop's mean square error, which is its PSNR; KL the mean square of
	// the latents; Motion the L1 of frame differences; Scale scale equivariance.
	Noise, Square, KL, Motion, Scale float64
	// DecoderOnly leaves the encoder as it is, so that a transformer trained
	// on its latents stays right.
	DecoderOnly bool
	// Anchor, if any, is the model whose latents this one's stay near, by the
	// weight Hold of the mean square of their difference: it lets the encoder
	// get better while a transformer trained on the old latents stays nearly
	// right. Of its channels there must be as many or fewer; more are free.
	Anchor *reel.Model
	Hold   float64
}

// DefaultCodec are the options of a new run.
func DefaultCodec() CodecOptions {
	return CodecOptions{Batch: 8, Crop: 96, Groups: 7, Fresh: 1, Noise: 0.25, Square: 0.2, KL: 1e-3, Motion: 1, Scale: 0.25, Hold: 0.5}
}

// codecTask trains the autoencoder on crops of films.
type codecTask struct {
	opt   CodecOptions
	cfg   reel.Config
	model *reel.Codec
	films *pool[Window]
	lanes *lanes
	seed  uint64
}

func newCodecTask(m *reel.Model, src Source, opt CodecOptions, seed uint64) *codecTask {
	cfg := m.Config
	if opt.DecoderOnly {
		m.Codec.FreezeEncoder()
		opt.KL, opt.Scale = 0, 0 // they shape the latents
	}
	if opt.Anchor != nil {
		opt.Anchor.Codec.FreezeEncoder()
		opt.Scale = 0 // the anchor holds what it has made
	}
	t := &codecTask{opt: opt, cfg: cfg, model: m.Codec, seed: seed, lanes: newLanes(m.CodecParams)}
	t.films = newPool(opt.Fresh, 256, func(ctx context.Context, id uint64) (Window, error) {
		return src.Window(ctx, id, reel.Frames(opt.Groups), cfg.Width, cfg.Height, cfg.FPS)
	})
	return t
}

// crops is a micro-batch of codec training: pixels [B, T, side, side, 3].
type crops struct {
	shape []int
	x     []float32
}

// batch is a step's crops in micro-batches.
func (t *codecTask) batch(ctx context.Context, step int) ([]crops, error) {
	rng := stepRNG(t.seed, step, 1)
	films, err := t.films.draw(ctx, step, t.opt.Batch, rng)
	if err != nil {
		return nil, err
	}
	side := t.opt.Crop
	var out []crops
	const micro = 4
	for at := 0; at < len(films); at += micro {
		part := films[at:min(at+micro, len(films))]
		n := part[0].T * side * side * 3
		c := crops{[]int{len(part), part[0].T, side, side, 3}, make([]float32, len(part)*n)}
		for i, f := range part {
			x0, y0 := rng.IntN(f.W-side+1), rng.IntN(f.H-side+1)
			f.pixels(c.x[i*n:(i+1)*n], x0, y0, side, side)
		}
		out = append(out, c)
	}
	return out, nil
}

// step runs forward and backward over the micro-batches and returns the mean
// loss and its parts.
func (t *codecTask) step(step int, batch []crops) (float64, map[string]float64) {
	share := 1 / float32(len(batch))
	losses := make([]codecLoss, len(batch))
	t.lanes.run(len(batch), func(o *autograd.Tape, _, i int) {
		losses[i] = t.micro(o, step, i, batch[i], share)
	})
	var total float64
	parts := map[string]float64{}
	for _, l := range losses {
		total += l.total / float64(len(batch))
		for k, v := range map[string]float64{"l1": l.l1, "latent": l.latent, "psnr": l.psnr} {
			parts[k] += v / float64(len(batch))
		}
	}
	return total, parts
}

// codecLoss is what one micro-batch says.
type codecLoss struct{ total, l1, latent, psnr float64 }

func (t *codecTask) micro(o *autograd.Tape, step, i int, c crops, share float32) codecLoss {
	x := o.Upload(c.x, c.shape...)
	z := t.model.Encode(o, x, true, nil)
	noise := latentNoise(o.Backend(), z, t.opt.Noise, stepRNG(t.seed, step, 16+uint64(i)))
	y := t.model.Decode(o, o.Add(z, noise), true, nil)
	drawn := tensor.Values(o.Backend(), y)
	l1, kl := o.L1(y, x), o.MeanSquare(z)
	move := o.L1(differences(o, y), differences(o, x))
	loss := o.Add(o.Add(l1, o.Scale(kl, float32(t.opt.KL))), o.Scale(move, float32(t.opt.Motion)))
	loss = o.Add(loss, o.Scale(o.MSE(y, x, overMeanSquare(o, drawn, c)), float32(t.opt.Square)))
	if t.opt.Anchor != nil {
		near := o.Narrow(z, 4, 0, t.opt.Anchor.Config.Codec.Latent)
		drift := o.MeanSquare(o.Sub(near, t.opt.Anchor.Codec.Encode(o, x, true, nil)))
		loss = o.Add(loss, o.Scale(drift, float32(t.opt.Hold)))
	}
	if t.opt.Scale > 0 && step%4 == 0 {
		// Scale equivariance (Kouzelis 2025): a latent shrunk by two decodes
		// to the video shrunk by two.
		half := t.model.Decode(o, o.AvgPool2(z), true, nil)
		loss = o.Add(loss, o.Scale(o.L1(half, o.AvgPool2(x)), float32(t.opt.Scale)))
	}
	out := codecLoss{
		total: number(o, loss), l1: number(o, l1), latent: math.Sqrt(number(o, kl)), psnr: psnr(drawn, c.x),
	}
	o.Backward(loss, share)
	return out
}

// latentNoise is noise for latents z [B, ...] of a deviation of its own for
// each of the B, from none to most times that of the latents.
func latentNoise(b tensor.Backend, z *tensor.Tensor, most float64, rng *rand.Rand) *tensor.Tensor {
	out := make([]float32, z.Len())
	var square float64
	for _, v := range tensor.Values(b, z) {
		square += float64(v) * float64(v)
	}
	most *= math.Sqrt(square / float64(z.Len()))
	n := z.Len() / z.Dim(0)
	for i := range z.Dim(0) {
		u := rng.Float64()
		for k := range n {
			out[i*n+k] = float32(rng.NormFloat64() * most * u * u)
		}
	}
	return b.Upload(out, z.Shape...)
}

// overMeanSquare is overEachMeanSquare for each pixel of the videos c, drawn as y.
func overMeanSquare(o tensor.Ops, y []float32, c crops) *tensor.Tensor {
	out := make([]float32, 0, len(c.x)/3)
	for _, v := range overEachMeanSquare(y, c.x, c.shape[0]) {
		out = append(out, slices.Repeat([]float32{v}, len(c.x)/c.shape[0]/3)...)
	}
	return o.Upload(out, len(out))
}

// overEachMeanSquare is one over the mean square error of each of some videos x,
// drawn as y: what makes the derivative of the error that of its logarithm. It is
// bounded, as an empty sky is drawn without any.
func overEachMeanSquare(y, x []float32, videos int) []float32 {
	n := len(x) / videos
	out := make([]float32, videos)
	for i := range out {
		var sum float64
		for k, v := range x[i*n : (i+1)*n] {
			d := float64(y[i*n+k] - v)
			sum += d * d
		}
		out[i] = float32(1 / max(sum/float64(n), 1e-3))
	}
	return out
}

// differences are those of successive frames.
func differences(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	t := x.Dim(1)
	return o.Sub(o.Narrow(x, 1, 1, t), o.Narrow(x, 1, 0, t-1))
}

// psnr is in decibels for signals in [-1, 1], clamped.
func psnr(y, x []float32) float64 { return psnrWithin(y, x, -1, 1) }

// psnrWithin is psnr for signals in [lo, hi].
func psnrWithin(y, x []float32, lo, hi float32) float64 {
	var sum float64
	for i, a := range y {
		d := float64(max(lo, min(hi, a)) - x[i])
		sum += d * d
	}
	return 10 * math.Log10(float64((hi-lo)*(hi-lo))/(sum/float64(len(x))+1e-12))
}

// Reconstruct sends a window through m's codec and back, and returns the
// frames and their PSNR in decibels.
func Reconstruct(m *reel.Model, w Window) (frames []byte, decibels float64) {
	b, x := backend.New(), w.picture()
	z := m.Codec.NewEncoder(b).Next(b.Upload(x, 1, w.T, w.H, w.W, 3))
	y := tensor.Values(b, m.Codec.Decode(b, z, true, nil))
	frames = make([]byte, len(y))
	for i, v := range y {
		frames[i] = byte(max(0, min(255, v*127.5+128)))
	}
	return frames, psnr(y, x)
}
