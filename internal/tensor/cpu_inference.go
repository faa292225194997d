package tensor

import (
	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
)

// The operations of Inference that are not in Ops.

// fits reports whether g is nil or has a number for each channel of x.
func fits(g, x *Tensor) bool { return g == nil || g.Len() == x.Dim(-1) }

// LayerNorm implements Inference.
func (c *CPU) LayerNorm(x, g, b *Tensor, eps float32) *Tensor {
	want(fits(g, x) && fits(b, x), "LayerNorm", x, g, b)
	y := c.like(x)
	norm.Layer(data(y), data(x), data(g), data(b), x.Rows(), x.Dim(-1), eps)
	return y
}

// LayerNormModulate implements Inference.
func (c *CPU) LayerNormModulate(x, scale, shift *Tensor, eps float32) *Tensor {
	const op = "LayerNormModulate"
	want(scale.Len() == shift.Len(), op, x, scale, shift)
	y := c.like(x)
	norm.LayerModulate(data(y), data(x), data(scale), data(shift), x.Rows(), x.Dim(-1), spread(op, x, scale), eps)
	return y
}

// RMSNormEps implements Inference.
func (c *CPU) RMSNormEps(x, g *Tensor, eps float32) *Tensor {
	want(fits(g, x), "RMSNormEps", x, g)
	y := c.like(x)
	norm.RMS(data(y), nil, data(x), data(g), x.Rows(), x.Dim(-1), eps)
	return y
}

// LengthNorm implements Inference.
func (c *CPU) LengthNorm(x, g *Tensor, act Act) *Tensor {
	want(fits(g, x), "LengthNorm", x, g)
	y := c.like(x)
	norm.Length(data(y), data(x), data(g), gemm.Act(act), x.Rows(), x.Dim(-1))
	return y
}

// GELUErf implements Inference.
func (c *CPU) GELUErf(x *Tensor) *Tensor {
	y := c.like(x)
	elem.GELUErf(data(y), data(x))
	return y
}

// Tanh implements Inference.
func (c *CPU) Tanh(x *Tensor) *Tensor {
	y := c.like(x)
	elem.Tanh(data(y), data(x))
	return y
}

// Exp implements Inference.
func (c *CPU) Exp(x *Tensor) *Tensor {
	y := c.like(x)
	elem.Exp(data(y), data(x))
	return y
}

// SoftmaxAttention implements Inference.
func (c *CPU) SoftmaxAttention(q, k, v, bias *Tensor, scale float32, m Mask) *Tensor {
	const op = "SoftmaxAttention"
	s := attnShape(q, k)
	want(v.Len() == k.Len() && (bias == nil || bias.Rows() == s.Q+s.K-1 && bias.Dim(-1) == s.H), op, q, k, v, bias)
	y := c.like(q)
	attn.Flash(c.kernelPrecision(), data(y), data(q), data(k), data(v), data(bias), scale, s, attn.Mask(m))
	return y
}

// ConvDown implements Inference.
func (c *CPU) ConvDown(x, w, b *Tensor, before int, act Act) *Tensor {
	const op = "ConvDown"
	want(len(x.Shape) == 5 && len(w.Shape) == 5 && w.Dim(1) == 1 && w.Dim(2) == w.Dim(3) && w.Dim(4) == x.Dim(4), op, x, w)
	s := conv.DownShape{
		N: x.Dim(0) * x.Dim(1), H: x.Dim(2), W: x.Dim(3), C: x.Dim(4), O: w.Dim(0), K: w.Dim(2), Before: before,
	}
	want(before >= 0 && min(s.H, s.W)+1+before >= s.K && (b == nil || b.Len() == s.O), op, x, w, b)
	y := c.arena.Tensor(x.Dim(0), x.Dim(1), s.OutH(), s.OutW(), s.O)
	k := s.K * s.K * s.C
	var packed *gemm.Packed
	if w.Fixed() {
		packed = c.matrix(w)
	} else {
		packed = gemm.Pack(c.kernelPrecision(), k, s.O, mat(data(w), k, true))
	}
	conv.Down(data(y), data(x), packed, gemm.Epilogue{Bias: data(b), Act: gemm.Act(act)}, s)
	return y
}

// Nearest2 implements Inference.
func (c *CPU) Nearest2(x *Tensor) *Tensor {
	n, t, h, w, ch := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(4)
	y := c.arena.Tensor(n, t, 2*h, 2*w, ch)
	elem.Nearest2(data(y), data(x), n*t, h, w, ch)
	return y
}

// AvgDown implements Inference.
func (c *CPU) AvgDown(x *Tensor, out, pt, ph, pw int) *Tensor {
	f := elem.Fold{
		N: x.Dim(0), T: x.Dim(1) / pt, H: x.Dim(2) / ph, W: x.Dim(3) / pw,
		Large: x.Dim(4), Small: out, PT: pt, PH: ph, PW: pw,
	}
	want(f.T*pt == x.Dim(1) && f.H*ph == x.Dim(2) && f.W*pw == x.Dim(3) && out > 0, "AvgDown", x)
	y := c.arena.Tensor(f.N, f.T, f.H, f.W, out)
	elem.AvgDown(data(y), data(x), f)
	return y
}

// DupUp implements Inference.
func (c *CPU) DupUp(x *Tensor, out, pt, ph, pw int) *Tensor {
	f := elem.Fold{
		N: x.Dim(0), T: x.Dim(1), H: x.Dim(2), W: x.Dim(3),
		Large: out, Small: x.Dim(4), PT: pt, PH: ph, PW: pw,
	}
	y := c.arena.Tensor(f.N, f.T*pt, f.H*ph, f.W*pw, out)
	elem.DupUp(data(y), data(x), f)
	return y
}
