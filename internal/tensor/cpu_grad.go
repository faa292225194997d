package tensor

import (
	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// The derivatives of all operations, as declared by Gradients.

func mat(data []float32, stride int, trans bool) gemm.Matrix {
	return gemm.Matrix{Data: data, Stride: stride, Trans: trans}
}

// addTo is dx += dy; it does nothing if dx is nil.
func addTo(dx, dy []float32) {
	if dx != nil {
		elem.Add(dx, dx, dy)
	}
}

// Copy implements Gradients.
func (c *CPU) Copy(dst, src *Tensor) { copy(data(dst), data(src)) }

// AddTo implements Gradients.
func (c *CPU) AddTo(dst, src *Tensor, s float32) {
	if s == 1 {
		addTo(data(dst), data(src))
		return
	}
	elem.AddScaled(data(dst), data(src), s)
}

// Clear implements Gradients.
func (c *CPU) Clear(dst *Tensor) { clear(data(dst)) }

// RMSNormKept implements Gradients.
func (c *CPU) RMSNormKept(x, g *Tensor) (y, rstd *Tensor) {
	rstd = c.arena.Tensor(x.Rows())
	return c.rmsNorm(x, g, data(rstd)), rstd
}

// AttentionKept implements Gradients; lse is [B, H, Q].
func (c *CPU) AttentionKept(q, k, v *Tensor, m Mask) (y, lse *Tensor) {
	s := attnShape(q, k)
	lse = c.arena.Tensor(s.B, s.H, s.Q)
	return c.attention(q, k, v, data(lse), m), lse
}

// LinearAttentionKept implements Gradients; den is [B, Q, H].
func (c *CPU) LinearAttentionKept(q, k, qr, kr, v *Tensor, segs []Segment) (y, den *Tensor) {
	s := attnShape(q, k)
	den = c.arena.Tensor(s.B, s.Q, s.H)
	return c.linearAttention(q, k, qr, kr, v, nil, data(den), segs), den
}

// LinearGrad implements Gradients: dx = dy·w, dw = dyᵀ·x, db = Σ dy.
func (c *CPU) LinearGrad(dx *Tensor, fresh bool, dw, db, dy, x, w *Tensor) {
	n, k, m := w.Dim(0), w.Dim(1), x.Rows()
	if dx != nil {
		gemm.Mul(c.kernelPrecision(), m, k, n, mat(data(dy), n, false), mat(data(w), k, false), data(dx), k, gemm.Epilogue{Accumulate: !fresh})
	}
	if dw != nil {
		gemm.Mul(c.kernelPrecision(), n, k, m, mat(data(dy), n, true), mat(data(x), k, false), data(dw), k, gemm.Epilogue{Accumulate: true})
	}
	if db != nil {
		elem.SumRows(data(db), data(dy), m, n, m)
	}
}

// GroupedLinearGrad implements Gradients: LinearGrad, expert by expert.
func (c *CPU) GroupedLinearGrad(dx *Tensor, fresh bool, dw, dy, x, w *Tensor, r *Routes) {
	e, n, k := w.Dim(0), w.Dim(1), w.Dim(2)
	offsets := routes(r).Offsets
	var in []gemm.Group
	for i := range e {
		lo, hi := offsets[i], offsets[i+1]
		wi, dyi := data(w)[i*n*k:(i+1)*n*k], data(dy)[lo*n:hi*n]
		if dx != nil {
			in = append(in, gemm.Group{M: hi - lo, A: mat(dyi, n, false), B: mat(wi, k, false), C: data(dx)[lo*k : hi*k], LDC: k})
		}
		if dw != nil && hi > lo {
			gemm.Mul(c.kernelPrecision(), n, k, hi-lo, mat(dyi, n, true), mat(data(x)[lo*k:hi*k], k, false), data(dw)[i*n*k:(i+1)*n*k], k, gemm.Epilogue{Accumulate: true})
		}
	}
	if dx != nil {
		gemm.Grouped(c.kernelPrecision(), k, n, in, gemm.None, !fresh)
	}
}

// scatter adds rows of dy to those of dx.
func scatter(dx, dy []float32, rows []int32, w int) {
	for i, r := range rows {
		addTo(dx[int(r)*w:(int(r)+1)*w], dy[i*w:(i+1)*w])
	}
}

// DispatchGrad implements Gradients.
func (c *CPU) DispatchGrad(dx, dy *Tensor, r *Routes) {
	scatter(data(dx), data(dy), routes(r).Rows, dx.Dim(-1))
}

// EmbedGrad implements Gradients.
func (c *CPU) EmbedGrad(dtable, dy *Tensor, ids []int32) {
	scatter(data(dtable), data(dy), ids, dtable.Dim(-1))
}

// CombineGrad implements Gradients: dx_i = weight·dy_row, dweight = dy_row·x_i.
func (c *CPU) CombineGrad(dx, dweights, dy, x, weights *Tensor, r *Routes) {
	w, e, to := x.Dim(-1), weights.Dim(-1), routes(r)
	for i, row := range to.Rows {
		dyi, at := data(dy)[int(row)*w:(int(row)+1)*w], int(row)*e+int(to.Cols[i])
		if dx != nil {
			elem.AddScaled(data(dx)[i*w:(i+1)*w], dyi, data(weights)[at])
		}
		if dweights != nil {
			data(dweights)[at] += vec.Dot(dyi, data(x)[i*w:(i+1)*w])
		}
	}
}

// MulGrad implements Gradients.
func (c *CPU) MulGrad(dx, dy, y *Tensor) { elem.MulAdd(data(dx), data(dy), data(y)) }

// AddRowsGrad implements Gradients.
func (c *CPU) AddRowsGrad(dr, dy *Tensor) {
	elem.SumRows(data(dr), data(dy), dy.Rows(), dy.Dim(-1), spread("AddRows", dy, dr))
}

// ActivateGrad implements Gradients.
func (c *CPU) ActivateGrad(dx, dy, x *Tensor, act Act) {
	elem.ActGrad(gemm.Act(act), data(dx), data(dy), data(x))
}

// SwiGLUGrad implements Gradients.
func (c *CPU) SwiGLUGrad(dx, dy, x *Tensor) {
	elem.SwiGLUGrad(data(dx), data(dy), data(x), x.Rows(), x.Dim(-1)/2)
}

// SoftmaxGrad implements Gradients.
func (c *CPU) SoftmaxGrad(dx, dy, y *Tensor) {
	norm.SoftmaxGrad(data(dx), data(dy), data(y), y.Rows(), y.Dim(-1))
}

// RMSNormGrad implements Gradients.
func (c *CPU) RMSNormGrad(dx, dg, dy, x, g, rstd *Tensor) {
	norm.RMSGrad(data(dx), data(dg), data(dy), data(x), data(g), data(rstd), x.Rows(), x.Dim(-1))
}

// ModulateGrad implements Gradients.
func (c *CPU) ModulateGrad(dx, dscale, dshift, dy, x, scale *Tensor) {
	elem.ModulateGrad(data(dx), data(dscale), data(dshift), data(dy), data(x), data(scale), x.Rows(), x.Dim(-1), spread("Modulate", x, scale))
}

// GatedAddGrad implements Gradients.
func (c *CPU) GatedAddGrad(dz, dgate, dy, z, gate *Tensor) {
	elem.GatedAddGrad(data(dz), data(dgate), data(dy), data(z), data(gate), z.Rows(), z.Dim(-1), spread("GatedAdd", z, gate))
}

// ConvGrad implements Gradients. The pass that computes dw computes db too.
func (c *CPU) ConvGrad(dx, dw, db, dy, x, w, past *Tensor) {
	s := convShape(x, w)
	if dx != nil {
		conv.GradInput(c.kernelPrecision(), data(dx), data(dy), data(w), s)
	}
	if dw != nil {
		conv.GradWeight(c.kernelPrecision(), data(dw), data(db), data(dy), data(x), data(past), s)
	}
}

// PReLU implements Gradients.
func (c *CPU) PReLU(x, slope *Tensor) *Tensor {
	want(slope.Len() == x.Dim(-1), "PReLU", x, slope)
	y := c.like(x)
	elem.PReLU(data(y), data(x), data(slope), x.Rows(), slope.Len())
	return y
}

// PReLUGrad implements Gradients.
func (c *CPU) PReLUGrad(dx, dslope, dy, x, slope *Tensor) {
	elem.GradPReLU(data(dx), data(dslope), data(dy), data(x), data(slope), x.Rows(), slope.Len())
}

// DepthwiseGrad implements Gradients.
func (c *CPU) DepthwiseGrad(dx, dw, db, dy, x, w, past *Tensor) {
	s := convShape(x, w)
	if dx != nil {
		conv.DepthwiseGradInput(data(dx), data(dy), data(w), s)
	}
	if dw != nil {
		conv.DepthwiseGradWeight(data(dw), data(db), data(dy), data(x), data(past), s)
	}
}

// UnshuffleGrad implements Gradients.
func (c *CPU) UnshuffleGrad(dx, dy *Tensor, pt, ph, pw int) {
	elem.ShuffleAdd(data(dx), data(dy), dy.Dim(0), dy.Dim(1), dy.Dim(2), dy.Dim(3), dx.Dim(4), pt, ph, pw)
}

// ShuffleGrad implements Gradients.
func (c *CPU) ShuffleGrad(dx, dy *Tensor, pt, ph, pw int) {
	elem.UnshuffleAdd(data(dx), data(dy), dx.Dim(0), dx.Dim(1), dx.Dim(2), dx.Dim(3), dy.Dim(4), pt, ph, pw)
}

// AvgPool2Grad implements Gradients.
func (c *CPU) AvgPool2Grad(dx, dy *Tensor) {
	elem.AvgPool2Grad(data(dx), data(dy), dx.Dim(0)*dx.Dim(1), dx.Dim(2)/2, dx.Dim(3)/2, dx.Dim(4))
}

// AttentionGrad implements Gradients (Dao 2022: backward from the logarithms of
// the softmax sums).
func (c *CPU) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *Tensor, m Mask) {
	s := attnShape(q, k)
	attn.SoftmaxGrad(data(dq), data(dk), data(dv), data(dy), data(y), data(lse), data(q), data(k), data(v), attnScale(s), s, attn.Mask(m))
}

// LinearAttentionGrad implements Gradients.
func (c *CPU) LinearAttentionGrad(dq, dk, dqr, dkr, dv, dy, y, den, q, k, qr, kr, v *Tensor, segs []Segment) {
	attn.LinearGrad(data(dq), data(dk), data(dqr), data(dkr), data(dv), data(dy), data(y), data(den),
		data(q), data(k), data(qr), data(kr), data(v), attnShape(q, k), segments(segs))
}

// RoPEGrad implements Gradients: RoPE is a rotation, so its derivative rotates
// back.
func (c *CPU) RoPEGrad(dx, dy, cos, sin *Tensor) {
	tmp := c.arena.Get(dy.Len())
	elem.RoPE(tmp, data(dy), data(cos), data(sin), dy.Dim(0)*dy.Dim(1), dy.Dim(2), dy.Dim(3), dy.Dim(1), true)
	addTo(data(dx), tmp)
	c.arena.Put(tmp)
}

// ConcatGrad implements Gradients.
func (c *CPU) ConcatGrad(dx, dy *Tensor, axis, at int) {
	outer, inner := runs(dy.Shape, axis)
	row, n, from := dy.Dim(axis)*inner, dx.Dim(axis)*inner, at*inner
	for o := range outer {
		addTo(data(dx)[o*n:(o+1)*n], data(dy)[o*row+from:o*row+from+n])
	}
}

// NarrowGrad implements Gradients.
func (c *CPU) NarrowGrad(dx, dy *Tensor, axis, lo, hi int) {
	outer, inner := runs(dx.Shape, axis)
	row, n := dx.Dim(axis)*inner, (hi-lo)*inner
	for o := range outer {
		addTo(data(dx)[o*row+lo*inner:o*row+lo*inner+n], data(dy)[o*n:(o+1)*n])
	}
}

// PoolRowsGrad implements Gradients.
func (c *CPU) PoolRowsGrad(dx, dy *Tensor, lens []int32) {
	l, w := dx.Dim(1), dx.Dim(2)
	for b, n := range lens {
		for j := range int(n) {
			elem.AddScaled(data(dx)[(b*l+j)*w:(b*l+j+1)*w], data(dy)[b*w:(b+1)*w], 1/float32(n))
		}
	}
}

// MSEGrad implements Gradients: 2·w_r·(x-y)/elements.
func (c *CPU) MSEGrad(dx, dy, dloss, x, y, w *Tensor) {
	n, s := x.Dim(-1), 2*data(dloss)[0]/float32(x.Len())
	xs, ys, ws, dxs, dys := data(x), data(y), data(w), data(dx), data(dy)
	simd.For(x.Rows(), 64, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			f := s
			if ws != nil {
				f *= ws[r]
			}
			for i := r * n; i < (r+1)*n; i++ {
				d := f * (xs[i] - ys[i])
				if dxs != nil {
					dxs[i] += d
				}
				if dys != nil {
					dys[i] -= d
				}
			}
		}
	})
}

// L1Grad implements Gradients: sign(x-y)/elements.
func (c *CPU) L1Grad(dx, dy, dloss, x, y *Tensor) {
	s := data(dloss)[0] / float32(x.Len())
	if dx != nil {
		elem.SignDiff(data(dx), data(x), data(y), s)
	}
	if dy != nil {
		elem.SignDiff(data(dy), data(y), data(x), s)
	}
}

// MeanSquareGrad implements Gradients: 2x/elements.
func (c *CPU) MeanSquareGrad(dx, dloss, x *Tensor) {
	elem.AddScaled(data(dx), data(x), 2*data(dloss)[0]/float32(x.Len()))
}
