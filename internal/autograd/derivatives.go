package autograd

import (
	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Every derivative of the operation set, one method an operation: the forward
// pass on the CPU, then the way back. Gradients are added to, never set.

func mat(data []float32, stride int, trans bool) gemm.Matrix {
	return gemm.Matrix{Data: data, Stride: stride, Trans: trans}
}

// addTo is dx += dy, nothing when dx is nil.
func addTo(dx, dy []float32) {
	if dx != nil {
		elem.Add(dx, dx, dy)
	}
}

// Linear implements tensor.Ops: dx = dy·w, dw = dyᵀ·x, db = Σ dy.
func (t *Tape) Linear(x, w, b *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	y := t.CPU.Linear(x, w, b, tensor.None)
	n, k, m := w.Dim(0), w.Dim(1), x.Rows()
	y = t.record(y, func(g *gradient) {
		if dx, add := g.start(x); dx != nil {
			gemm.Mul(t.Precision, m, k, n, mat(g.dy, n, false), mat(w.Data(), k, false), dx, k, gemm.Epilogue{Accumulate: add})
		}
		if dw := g.of(w); dw != nil {
			gemm.Mul(t.Precision, n, k, m, mat(g.dy, n, true), mat(x.Data(), k, false), dw, k, gemm.Epilogue{Accumulate: true})
		}
		if b != nil && b.Needs() {
			elem.SumRows(g.of(b), g.dy, m, n, m)
		}
	}, nil, x, w, b)
	if act == tensor.None {
		return y
	}
	return t.Activate(y, act)
}

// GroupedLinear implements tensor.Ops: Linear's derivative, expert by expert.
func (t *Tape) GroupedLinear(x, w *tensor.Tensor, offsets []int) *tensor.Tensor {
	y := t.CPU.GroupedLinear(x, w, offsets)
	e, n, k := w.Dim(0), w.Dim(1), w.Dim(2)
	return t.record(y, func(g *gradient) {
		dx, add := g.start(x)
		dw := g.of(w)
		var in []gemm.Group
		for i := range e {
			lo, hi := offsets[i], offsets[i+1]
			wi, dy := w.Data()[i*n*k:(i+1)*n*k], g.dy[lo*n:hi*n]
			if dx != nil {
				in = append(in, gemm.Group{M: hi - lo, A: mat(dy, n, false), B: mat(wi, k, false), C: dx[lo*k : hi*k], LDC: k})
			}
			if dw != nil && hi > lo {
				gemm.Mul(t.Precision, n, k, hi-lo, mat(dy, n, true), mat(x.Data()[lo*k:hi*k], k, false), dw[i*n*k:(i+1)*n*k], k, gemm.Epilogue{Accumulate: true})
			}
		}
		if dx != nil {
			gemm.Grouped(t.Precision, k, n, in, gemm.None, add)
		}
	}, nil, x, w)
}

// GatherRows implements tensor.Ops.
func (t *Tape) GatherRows(x *tensor.Tensor, rows []int32) *tensor.Tensor {
	c := x.Dim(-1)
	return t.record(t.CPU.GatherRows(x, rows), func(g *gradient) {
		dx := g.of(x)
		for i, r := range rows {
			addTo(dx[int(r)*c:(int(r)+1)*c], g.dy[i*c:(i+1)*c])
		}
	}, nil, x)
}

// Embed implements tensor.Ops.
func (t *Tape) Embed(table *tensor.Tensor, ids []int32) *tensor.Tensor {
	return t.GatherRows(table, ids)
}

// Combine implements tensor.Ops: dx_i = weight·dy_row, dweight = dy_row·x_i.
func (t *Tape) Combine(x, weights *tensor.Tensor, rows, cols []int32, n int) *tensor.Tensor {
	c, e := x.Dim(-1), weights.Dim(-1)
	return t.record(t.CPU.Combine(x, weights, rows, cols, n), func(g *gradient) {
		dx, dw := g.of(x), g.of(weights)
		for i, r := range rows {
			dy, at := g.dy[int(r)*c:(int(r)+1)*c], int(r)*e+int(cols[i])
			if dx != nil {
				elem.AddScaled(dx[i*c:(i+1)*c], dy, weights.Data()[at])
			}
			if dw != nil {
				dw[at] += vec.Dot(dy, x.Data()[i*c:(i+1)*c])
			}
		}
	}, nil, x, weights)
}

// Add implements tensor.Ops.
func (t *Tape) Add(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.Add(x, y), func(g *gradient) {
		g.pass(x)
		g.pass(y)
	}, nil, x, y)
}

// Sub implements tensor.Ops.
func (t *Tape) Sub(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.Sub(x, y), func(g *gradient) {
		g.pass(x)
		if dy := g.of(y); dy != nil {
			elem.AddScaled(dy, g.dy, -1)
		}
	}, nil, x, y)
}

// Mul implements tensor.Ops.
func (t *Tape) Mul(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.Mul(x, y), func(g *gradient) {
		if dx := g.of(x); dx != nil {
			elem.MulAdd(dx, g.dy, y.Data())
		}
		if dy := g.of(y); dy != nil {
			elem.MulAdd(dy, g.dy, x.Data())
		}
	}, nil, x, y)
}

// Scale implements tensor.Ops.
func (t *Tape) Scale(x *tensor.Tensor, s float32) *tensor.Tensor {
	return t.record(t.CPU.Scale(x, s), func(g *gradient) {
		elem.AddScaled(g.of(x), g.dy, s)
	}, nil, x)
}

// AddRows implements tensor.Ops.
func (t *Tape) AddRows(x, r *tensor.Tensor) *tensor.Tensor {
	rows, c, group := x.Rows(), x.Dim(-1), tensor.Spread("AddRows", x, r)
	return t.record(t.CPU.AddRows(x, r), func(g *gradient) {
		g.pass(x)
		if dr := g.of(r); dr != nil {
			elem.SumRows(dr, g.dy, rows, c, group)
		}
	}, nil, x, r)
}

// Activate implements tensor.Ops.
func (t *Tape) Activate(x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return t.record(t.CPU.Activate(x, act), func(g *gradient) {
		elem.ActGrad(act, g.of(x), g.dy, x.Data())
	}, nil, x)
}

// SwiGLU implements tensor.Ops.
func (t *Tape) SwiGLU(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.SwiGLU(x), func(g *gradient) {
		elem.SwiGLUGrad(g.of(x), g.dy, x.Data(), x.Rows(), x.Dim(-1)/2)
	}, nil, x)
}

// Softmax implements tensor.Ops.
func (t *Tape) Softmax(x *tensor.Tensor) *tensor.Tensor {
	y := t.CPU.Softmax(x)
	return t.record(y, func(g *gradient) {
		norm.SoftmaxGrad(g.of(x), g.dy, y.Data(), x.Rows(), x.Dim(-1))
	}, nil, x)
}

// RMSNorm implements tensor.Ops.
func (t *Tape) RMSNorm(x, gain *tensor.Tensor) *tensor.Tensor {
	rows, c := x.Rows(), x.Dim(-1)
	rstd := t.Arena.Get(rows)
	return t.record(t.RMSNormKeep(x, gain, rstd), func(g *gradient) {
		var dg, gd []float32
		if gain != nil {
			dg, gd = g.of(gain), gain.Data()
		}
		norm.RMSGrad(g.of(x), dg, g.dy, x.Data(), gd, rstd, rows, c)
	}, [][]float32{rstd}, x, gain)
}

// Modulate implements tensor.Ops.
func (t *Tape) Modulate(x, scale, shift *tensor.Tensor) *tensor.Tensor {
	group := tensor.Spread("Modulate", x, scale)
	return t.record(t.CPU.Modulate(x, scale, shift), func(g *gradient) {
		elem.ModulateGrad(g.of(x), g.of(scale), g.of(shift), g.dy, x.Data(), scale.Data(), x.Rows(), x.Dim(-1), group)
	}, nil, x, scale, shift)
}

// GatedAdd implements tensor.Ops.
func (t *Tape) GatedAdd(x, z, gate *tensor.Tensor) *tensor.Tensor {
	group := tensor.Spread("GatedAdd", x, gate)
	return t.record(t.CPU.GatedAdd(x, z, gate), func(g *gradient) {
		g.pass(x)
		elem.GatedAddGrad(g.of(z), g.of(gate), g.dy, z.Data(), gate.Data(), x.Rows(), x.Dim(-1), group)
	}, nil, x, z, gate)
}

// Conv implements tensor.Ops. What lies before the first frame is a constant.
func (t *Tape) Conv(x, w, b, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	s := tensor.ConvShape(x, w)
	y := t.record(t.CPU.Conv(x, w, b, past, tensor.None), func(g *gradient) {
		if dx := g.of(x); dx != nil {
			conv.GradInput(t.Precision, dx, g.dy, w.Data(), s)
		}
		if w.Needs() {
			conv.GradWeight(t.Precision, g.of(w), g.bias(b), g.dy, x.Data(), pastData(past), s)
		}
	}, nil, x, w, b)
	if act == tensor.None {
		return y
	}
	return t.Activate(y, act)
}

// ConvPReLU implements tensor.Ops: below zero the gradient is multiplied by the
// slope, and the slope's is that times what it multiplied.
func (t *Tape) ConvPReLU(x, w, b, slope, past *tensor.Tensor) *tensor.Tensor {
	pre := t.Conv(x, w, b, past, tensor.None)
	y := t.Arena.Tensor(pre.Shape...)
	elem.PReLU(y.Data(), pre.Data(), slope.Data(), pre.Rows(), slope.Len())
	return t.record(y, func(g *gradient) {
		elem.GradPReLU(g.of(pre), g.of(slope), g.dy, pre.Data(), slope.Data(), pre.Rows(), slope.Len())
	}, nil, pre, slope)
}

// Depthwise implements tensor.Ops.
func (t *Tape) Depthwise(x, w, b, past *tensor.Tensor) *tensor.Tensor {
	s := tensor.ConvShape(x, w)
	return t.record(t.CPU.Depthwise(x, w, b, past), func(g *gradient) {
		if dx := g.of(x); dx != nil {
			conv.DepthwiseGradInput(dx, g.dy, w.Data(), s)
		}
		if w.Needs() {
			conv.DepthwiseGradWeight(g.of(w), g.bias(b), g.dy, x.Data(), pastData(past), s)
		}
	}, nil, x, w, b)
}

func (g *gradient) bias(b *tensor.Tensor) []float32 {
	if b == nil {
		return nil
	}
	return g.of(b)
}

func pastData(past *tensor.Tensor) []float32 {
	if past == nil {
		return nil
	}
	return past.Data()
}

// Unshuffle implements tensor.Ops.
func (t *Tape) Unshuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	y := t.CPU.Unshuffle(x, pt, ph, pw)
	return t.record(y, func(g *gradient) {
		elem.ShuffleAdd(g.of(x), g.dy, y.Dim(0), y.Dim(1), y.Dim(2), y.Dim(3), x.Dim(4), pt, ph, pw)
	}, nil, x)
}

// Shuffle implements tensor.Ops.
func (t *Tape) Shuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	y := t.CPU.Shuffle(x, pt, ph, pw)
	return t.record(y, func(g *gradient) {
		elem.UnshuffleAdd(g.of(x), g.dy, x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3), y.Dim(4), pt, ph, pw)
	}, nil, x)
}

// AvgPool2 implements tensor.Ops.
func (t *Tape) AvgPool2(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.AvgPool2(x), func(g *gradient) {
		elem.AvgPool2Grad(g.of(x), g.dy, x.Dim(0)*x.Dim(1), x.Dim(2)/2, x.Dim(3)/2, x.Dim(4))
	}, nil, x)
}

// Attention implements tensor.Ops (Dao 2022 for the way back from the
// logarithms of the sums).
func (t *Tape) Attention(q, k, v *tensor.Tensor, m tensor.Mask) *tensor.Tensor {
	s := tensor.AttnShape(q, k)
	lse := t.Arena.Get(s.B * s.H * s.Q)
	y := t.AttentionKeep(q, k, v, lse, m)
	return t.record(y, func(g *gradient) {
		attn.SoftmaxGrad(g.of(q), g.of(k), g.of(v), g.dy, y.Data(), lse, q.Data(), k.Data(), v.Data(), tensor.AttnScale(s), s, m)
	}, [][]float32{lse}, q, k, v)
}

// LinearAttention implements tensor.Ops. A carried state is for inference and
// has no derivative.
func (t *Tape) LinearAttention(q, k, qr, kr, v, state *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	if state != nil {
		panic("autograd: linear attention with a carried state has no derivative")
	}
	s := tensor.AttnShape(q, k)
	den := t.Arena.Get(s.B * s.Q * s.H)
	y := t.LinearAttentionKeep(q, k, qr, kr, v, nil, den, segs)
	return t.record(y, func(g *gradient) {
		attn.LinearGrad(g.of(q), g.of(k), g.of(qr), g.of(kr), g.of(v), g.dy, y.Data(), den, q.Data(), k.Data(), qr.Data(), kr.Data(), v.Data(), s, segs)
	}, [][]float32{den}, q, k, qr, kr, v)
}

// RoPE implements tensor.Ops: a rotation, so the way back rotates back.
func (t *Tape) RoPE(x, cos, sin *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.RoPE(x, cos, sin), func(g *gradient) {
		tmp := t.Arena.Get(x.Len())
		elem.RoPE(tmp, g.dy, cos.Data(), sin.Data(), x.Dim(0)*x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(1), true)
		addTo(g.of(x), tmp)
		t.Arena.Put(tmp)
	}, nil, x)
}

// Concat implements tensor.Ops.
func (t *Tape) Concat(axis int, xs ...*tensor.Tensor) *tensor.Tensor {
	y := t.CPU.Concat(axis, xs...)
	return t.record(y, func(g *gradient) {
		outer, inner := tensor.Elems(y.Shape[:axis]), tensor.Elems(y.Shape[axis+1:])
		row, at := y.Dim(axis)*inner, 0
		for _, x := range xs {
			n := x.Dim(axis) * inner
			if dx := g.of(x); dx != nil {
				for o := range outer {
					addTo(dx[o*n:(o+1)*n], g.dy[o*row+at:o*row+at+n])
				}
			}
			at += n
		}
	}, nil, xs...)
}

// Narrow implements tensor.Ops.
func (t *Tape) Narrow(x *tensor.Tensor, axis, lo, hi int) *tensor.Tensor {
	return t.record(t.CPU.Narrow(x, axis, lo, hi), func(g *gradient) {
		outer, inner := tensor.Elems(x.Shape[:axis]), tensor.Elems(x.Shape[axis+1:])
		row, n, dx := x.Dim(axis)*inner, (hi-lo)*inner, g.of(x)
		for o := range outer {
			addTo(dx[o*row+lo*inner:o*row+lo*inner+n], g.dy[o*n:(o+1)*n])
		}
	}, nil, x)
}

// PoolRows implements tensor.Ops.
func (t *Tape) PoolRows(x *tensor.Tensor, lens []int32) *tensor.Tensor {
	return t.record(t.CPU.PoolRows(x, lens), func(g *gradient) {
		l, c, dx := x.Dim(1), x.Dim(2), g.of(x)
		for b, n := range lens {
			for j := range int(n) {
				elem.AddScaled(dx[(b*l+j)*c:(b*l+j+1)*c], g.dy[b*c:(b+1)*c], 1/float32(n))
			}
		}
	}, nil, x)
}

// MSE implements tensor.Ops: 2·w_r·(x-y)/elements.
func (t *Tape) MSE(x, y, w *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.MSE(x, y, w), func(g *gradient) {
		dx, dy, n := g.of(x), g.of(y), x.Dim(-1)
		s := 2 * g.dy[0] / float32(x.Len())
		simd.For(x.Rows(), 64, func(lo, hi int) {
			for r := lo; r < hi; r++ {
				f := s
				if w != nil {
					f *= w.Data()[r]
				}
				for i := r * n; i < (r+1)*n; i++ {
					d := f * (x.Data()[i] - y.Data()[i])
					if dx != nil {
						dx[i] += d
					}
					if dy != nil {
						dy[i] -= d
					}
				}
			}
		})
	}, nil, x, y)
}

// L1 implements tensor.Ops: sign(x-y)/elements.
func (t *Tape) L1(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.L1(x, y), func(g *gradient) {
		s := g.dy[0] / float32(x.Len())
		if dx := g.of(x); dx != nil {
			elem.SignDiff(dx, x.Data(), y.Data(), s)
		}
		if dy := g.of(y); dy != nil {
			elem.SignDiff(dy, y.Data(), x.Data(), s)
		}
	}, nil, x, y)
}

// MeanSquare implements tensor.Ops: 2x/elements.
func (t *Tape) MeanSquare(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.CPU.MeanSquare(x), func(g *gradient) {
		elem.AddScaled(g.of(x), x.Data(), 2*g.dy[0]/float32(x.Len()))
	}, nil, x)
}
