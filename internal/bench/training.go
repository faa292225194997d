package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/train"
)

// counter is a tape that counts the floating point operations of the products
// that pass it, from their shapes, way back included: 2mnk a product of m×n×k,
// again for the gradient of each operand that wants one. Attention counts the
// pairs that its mask lets see each other, two products of them forward and
// four back; what the way back computes again is not counted, and neither is
// anything that is no matrix product: norms, activations, depthwise
// convolutions, rotations, routing, the optimizer.
type counter struct {
	*autograd.Tape
	flops float64
}

var _ tensor.Ops = (*counter)(nil)

// product counts one of m×n×k between x and a weight.
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

// GroupedLinear implements tensor.Ops: each row meets one expert.
func (c *counter) GroupedLinear(x, w *tensor.Tensor, offsets []int) *tensor.Tensor {
	c.product(x.Rows(), w.Dim(1), w.Dim(2), x, w)
	return c.Tape.GroupedLinear(x, w, offsets)
}

// Conv implements tensor.Ops.
func (c *counter) Conv(x, w, b, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	c.product(x.Rows(), w.Dim(0), w.Len()/w.Dim(0), x, w)
	return c.Tape.Conv(x, w, b, past, act)
}

// Attention implements tensor.Ops.
func (c *counter) Attention(q, k, v *tensor.Tensor, m tensor.Mask) *tensor.Tensor {
	s := tensor.AttnShape(q, k)
	pairs := 0.0
	for b := range s.B {
		for i := range s.Q {
			lo, hi := 0, s.K
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
	c.flops += 3 * 4 * pairs * float64(s.H*s.D)
	return c.Tape.Attention(q, k, v, m)
}

// LinearAttention implements tensor.Ops.
func (c *counter) LinearAttention(q, k, qr, kr, v, state *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	s := tensor.AttnShape(q, k)
	rows := 0
	for _, g := range segs {
		rows += g.Q1 - g.Q0 + g.K1 - g.K0
	}
	c.flops += 3 * 2 * float64(s.B*rows*s.H) * float64(s.D*s.D)
	return c.Tape.LinearAttention(q, k, qr, kr, v, state, segs)
}

// lanes run side by side, as in package train.
const lanes = 2

// rehearsal is a training step of the transformer without films: of windows of
// noise, with the sizes, the lanes and the optimizer of package train.
type rehearsal struct {
	flow   *reel.Flow
	params *nn.Params
	opt    *nn.AdamW
	parts  []reel.Batch // micro-batches
	texts  [][]int32
	tapes  [lanes]*counter
}

func newRehearsal(cfg reel.Config, o train.FlowOptions) *rehearsal {
	r := &rehearsal{params: nn.NewParams(1)}
	r.flow = reel.NewFlow(r.params, cfg)
	r.opt = nn.NewAdamW(r.params)
	r.opt.Muon = true
	groups := 1 + cfg.Flow.Groups*o.Chunks
	rng := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < o.Batch; at += o.Micro {
		n := min(o.Micro, o.Batch-at)
		h, w := cfg.LatentSize()
		b := reel.Batch{Z: tensor.Zeros(n, groups, h, w, cfg.Codec.Latent)}
		for i := range b.Z.Data() {
			b.Z.Data()[i] = float32(rng.NormFloat64())
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
		r.parts = append(r.parts, b)
	}
	for range o.Micro {
		r.texts = append(r.texts, make([]int32, min(40, cfg.Text.Max))) // about as long as captions are
	}
	for i := range r.tapes {
		r.tapes[i] = &counter{Tape: autograd.NewLocalTape(tensor.NewCPU(gemm.BF16))}
	}
	return r
}

// step is forward, backward and the optimizer.
func (r *rehearsal) step() {
	simd.Apart(lanes, func(lane int) {
		o := r.tapes[lane]
		for i := lane; i < len(r.parts); i += lanes {
			b := r.parts[i]
			text := r.flow.Encode(o, r.texts[:b.Z.Dim(0)])
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

// flops takes what was counted.
func (r *rehearsal) flops() float64 {
	var sum float64
	for _, t := range r.tapes {
		sum += t.flops
		t.flops = 0
	}
	return sum
}

// MeasureTraining times steps of training the transformer of cfg and sets them
// beside the peak, which must be known. The best of them counts.
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
