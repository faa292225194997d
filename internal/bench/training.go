package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/train"
)

// counter is a tape that counts the floating point operations of matrix
// products from their shapes, including the backward pass: 2mnk for a product
// of m×n×k, and the same for the gradient of each operand that needs one.
// Attention counts the pairs that its mask allows, with two products forward
// and four backward. Recomputation in the backward pass is not counted, nor is
// anything that is no matrix product: norms, activations, depthwise
// convolutions, rotations, routing, the optimizer.
type counter struct {
	*autograd.Tape
	flops float64
}

var _ tensor.Ops = (*counter)(nil)

// product counts a product of m×n×k between x and a weight.
func (c *counter) product(m, n, k int, x, w *tensor.Tensor) {
	one := 2 * float64(m) * float64(n) * float64(k)
	c.flops += one
	for _, t := range []*tensor.Tensor{x, w} {
		if t.Needs() {
			c.flops += one
		}
	}
}

// Linear implements tensor.Ops.
func (c *counter) Linear(x, w, b *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	c.product(x.Rows(), w.Dim(0), w.Dim(1), x, w)
	return c.Tape.Linear(x, w, b, act)
}

// GroupedLinear implements tensor.Ops: each row goes through one expert.
func (c *counter) GroupedLinear(x, w *tensor.Tensor, to *tensor.Routes) *tensor.Tensor {
	c.product(x.Rows(), w.Dim(1), w.Dim(2), x, w)
	return c.Tape.GroupedLinear(x, w, to)
}

// Conv implements tensor.Ops.
func (c *counter) Conv(x, w, b, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	c.product(x.Rows(), w.Dim(0), w.Len()/w.Dim(0), x, w)
	return c.Tape.Conv(x, w, b, past, act)
}

// Attention implements tensor.Ops.
func (c *counter) Attention(q, k, v *tensor.Tensor, m tensor.Mask) *tensor.Tensor {
	batch, queries, keys := q.Dim(0), q.Dim(1), k.Dim(1)
	pairs := 0.0
	for b := range batch {
		for i := range queries {
			lo, hi := 0, keys
			if m.Lo != nil {
				lo = int(m.Lo[i])
			}
			if m.Hi != nil {
				hi = int(m.Hi[i])
			}
			if m.KeyLen != nil {
				hi = min(hi, int(m.KeyLen[b]))
			}
			pairs += float64(max(hi-lo, 0))
		}
	}
	c.flops += 3 * 4 * pairs * float64(q.Dim(2)*q.Dim(3))
	return c.Tape.Attention(q, k, v, m)
}

// LinearAttention implements tensor.Ops.
func (c *counter) LinearAttention(q, k, qr, kr, v *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	heads, width := q.Dim(2), q.Dim(3)
	rows := 0
	for _, g := range segs {
		rows += g.Q1 - g.Q0 + g.K1 - g.K0
	}
	c.flops += 3 * 2 * float64(q.Dim(0)*rows*heads) * float64(width*width)
	return c.Tape.LinearAttention(q, k, qr, kr, v, segs)
}

// lanes is the number of micro-batches in parallel, as in package train.
const lanes = 2

// rehearsal is a training step of the transformer on noise instead of videos,
// with the sizes, the lanes and the optimizer of package train.
type rehearsal struct {
	flow   *reel.Flow
	params *nn.Params
	opt    *nn.AdamW
	parts  []reel.Batch // micro-batches without their latents, which are in z
	z      [][]float32  // the latents of each micro-batch
	shape  []int        // of the latents of one window, [1, G, H, W, Latent]
	texts  [][]int32
	tapes  [lanes]*counter
}

func newRehearsal(cfg reel.Config, o train.FlowOptions) *rehearsal {
	r := &rehearsal{params: nn.NewParams(1)}
	r.flow = reel.NewFlow(r.params, cfg)
	r.opt = nn.NewAdamW(r.params, backend.Training())
	r.opt.Muon = true
	groups := 1 + cfg.Flow.Groups*o.Chunks
	h, w := cfg.LatentSize()
	r.shape = []int{1, groups, h, w, cfg.Codec.Latent}
	rng := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < o.Batch; at += o.Micro {
		n := min(o.Micro, o.Batch-at)
		var b reel.Batch
		z := make([]float32, n*tensor.Elems(r.shape))
		for i := range z {
			z[i] = float32(rng.NormFloat64())
		}
		for range n {
			b.Seconds = append(b.Seconds, 6)
			for g := range groups {
				b.T = append(b.T, rng.Float32())
				b.Place = append(b.Place, reel.PlaceOf(g, 0, 6, cfg.FPS))
			}
		}
		for c := range o.Chunks {
			b.Chunks = append(b.Chunks, cfg.Flow.Groups)
			if c == 0 {
				b.Chunks[0]++
			}
		}
		r.parts, r.z = append(r.parts, b), append(r.z, z)
	}
	for range o.Micro {
		r.texts = append(r.texts, make([]int32, min(40, cfg.Text.Max))) // about as long as captions are
	}
	for i := range r.tapes {
		r.tapes[i] = &counter{Tape: autograd.NewLocalTape(backend.Training())}
	}
	return r
}

// step runs forward, backward and the optimizer.
func (r *rehearsal) step() {
	simd.Tasks(lanes, func(lane int) {
		o := r.tapes[lane]
		for i := lane; i < len(r.parts); i += lanes {
			b, shape := r.parts[i], slices.Clone(r.shape)
			shape[0] = len(b.Seconds)
			b.Z = o.Upload(r.z[i], shape...)
			text := r.flow.Encode(o, r.texts[:shape[0]])
			loss := o.MSE(r.flow.Forward(o, b, text, nil, nil), b.Z, nil)
			o.Backward(loss, 1/float32(len(r.parts)))
			o.Reset()
		}
	})
	for _, name := range r.params.Names() {
		for _, tape := range r.tapes {
			tape.Flush(r.params.Get(name))
		}
	}
	r.opt.Update(1)
}

// flops returns the count and clears it.
func (r *rehearsal) flops() float64 {
	var sum float64
	for _, t := range r.tapes {
		sum += t.flops
		t.flops = 0
	}
	return sum
}

// MeasureTraining times steps of training the transformer of cfg and compares
// them with the peak, which must be known. The best step counts.
func (b *Report) MeasureTraining(ctx context.Context, w Stopwatch, cfg reel.Config, steps int, progress func(done, total int)) error {
	if b.Peak <= 0 {
		return fmt.Errorf("the peak is not measured yet")
	}
	o := train.DefaultFlow()
	r := newRehearsal(cfg, o)
	t := &TrainSpeed{Batch: o.Batch, Frames: reel.Frames(1 + cfg.Flow.Groups*o.Chunks)}
	for i := range steps + 1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		sec := w.of(r.step)
		t.FLOPs = r.flops()
		if i > 0 && (t.Seconds == 0 || sec < t.Seconds) { // the first one fills the arenas
			t.Seconds = sec
		}
		if progress != nil {
			progress(i+1, steps+1)
		}
	}
	t.GFLOPS = t.FLOPs / t.Seconds / 1e9
	t.Share, t.Windows = t.GFLOPS/b.Peak, float64(t.Batch)/t.Seconds
	b.Training = t
	return nil
}
