package tensor

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
	"github.com/kinora-video/kinora/internal/simd"
)

// CPU runs the operations on the processor. It is not safe for concurrent
// use; it spreads each operation over the worker pool by itself.
type CPU struct {
	Arena     *Arena
	Precision gemm.Precision // of matrix products
	// Frozen says that weights do not change, so that their packed form may be
	// kept with them. All backends of one model have one precision.
	Frozen bool
}

var _ Ops = (*CPU)(nil)

// NewCPU returns a CPU with an arena of its own.
func NewCPU(p gemm.Precision) *CPU { return &CPU{Arena: new(Arena), Precision: p} }

func (c *CPU) like(x *Tensor) *Tensor { return c.Arena.Tensor(x.Shape...) }

// withLast is the shape of x with another last axis.
func withLast(x *Tensor, n int) []int {
	s := append([]int(nil), x.Shape...)
	s[len(s)-1] = n
	return s
}

func data(t *Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.st.data
}

func want(ok bool, op string, ts ...*Tensor) {
	if !ok {
		panic(fmt.Sprintf("tensor: %s does not take %v", op, ts))
	}
}

// Linear implements Ops.
func (c *CPU) Linear(x, w, b *Tensor, act Act) *Tensor {
	n, k := w.Dim(0), w.Dim(1)
	want(x.Dim(-1) == k && (b == nil || b.Len() == n), "Linear", x, w, b)
	y := c.Arena.Tensor(withLast(x, n)...)
	ep := gemm.Epilogue{Bias: data(b), Act: act}
	a := gemm.Matrix{Data: x.Data(), Stride: k}
	if c.Frozen {
		gemm.MulPacked(x.Rows(), a, c.pack(w, n, k), y.Data(), n, ep)
		return y
	}
	gemm.Mul(c.Precision, x.Rows(), n, k, a, gemm.Matrix{Data: w.Data(), Stride: k, Trans: true}, y.Data(), n, ep)
	return y
}

func (c *CPU) pack(w *Tensor, n, k int) *gemm.Packed {
	w.st.packOnce.Do(func() {
		w.st.packed = gemm.Pack(c.Precision, k, n, gemm.Matrix{Data: w.Data(), Stride: k, Trans: true})
	})
	return w.st.packed
}

// GroupedLinear implements Ops.
func (c *CPU) GroupedLinear(x, w *Tensor, offsets []int) *Tensor {
	e, n, k := w.Dim(0), w.Dim(1), w.Dim(2)
	want(x.Dim(-1) == k && len(offsets) == e+1 && offsets[e] == x.Rows(), "GroupedLinear", x, w)
	y := c.Arena.Tensor(withLast(x, n)...)
	groups := make([]gemm.Group, e)
	for i := range groups {
		lo, hi := offsets[i], offsets[i+1]
		groups[i] = gemm.Group{
			M: hi - lo, A: gemm.Matrix{Data: x.Data()[lo*k : hi*k], Stride: k},
			B: gemm.Matrix{Data: w.Data()[i*n*k : (i+1)*n*k], Stride: k, Trans: true},
			C: y.Data()[lo*n : hi*n], LDC: n,
		}
	}
	gemm.Grouped(c.Precision, n, k, groups, None, false)
	return y
}

// GatherRows implements Ops.
func (c *CPU) GatherRows(x *Tensor, rows []int32) *Tensor {
	w := x.Dim(-1)
	y := c.Arena.Tensor(len(rows), w)
	for i, r := range rows {
		copy(y.Data()[i*w:(i+1)*w], x.Data()[int(r)*w:(int(r)+1)*w])
	}
	return y
}

// Combine implements Ops.
func (c *CPU) Combine(x, weights *Tensor, rows, cols []int32, n int) *Tensor {
	w, e := x.Dim(-1), weights.Dim(-1)
	y := c.Arena.Tensor(n, w)
	clear(y.Data())
	for i, r := range rows {
		elem.AddScaled(y.Data()[int(r)*w:(int(r)+1)*w], x.Data()[i*w:(i+1)*w], weights.Data()[int(r)*e+int(cols[i])])
	}
	return y
}

// Add implements Ops.
func (c *CPU) Add(x, y *Tensor) *Tensor { return c.binary("Add", x, y, elem.Add) }

// Sub implements Ops.
func (c *CPU) Sub(x, y *Tensor) *Tensor { return c.binary("Sub", x, y, elem.Sub) }

// Mul implements Ops.
func (c *CPU) Mul(x, y *Tensor) *Tensor { return c.binary("Mul", x, y, elem.Mul) }

func (c *CPU) binary(op string, x, y *Tensor, f func(dst, a, b []float32)) *Tensor {
	want(x.Len() == y.Len(), op, x, y)
	z := c.like(x)
	f(z.Data(), x.Data(), y.Data())
	return z
}

// Scale implements Ops.
func (c *CPU) Scale(x *Tensor, s float32) *Tensor {
	y := c.like(x)
	elem.Scale(y.Data(), x.Data(), s)
	return y
}

// Spread is the number of rows of x that one row of r serves.
func Spread(op string, x, r *Tensor) int {
	want(r.Dim(-1) == x.Dim(-1) && x.Rows()%r.Rows() == 0, op, x, r)
	return x.Rows() / r.Rows()
}

// AddRows implements Ops.
func (c *CPU) AddRows(x, r *Tensor) *Tensor {
	y := c.like(x)
	elem.AddRows(y.Data(), x.Data(), r.Data(), x.Rows(), x.Dim(-1), Spread("AddRows", x, r))
	return y
}

// Activate implements Ops.
func (c *CPU) Activate(x *Tensor, act Act) *Tensor {
	y := c.like(x)
	elem.Act(act, y.Data(), x.Data())
	return y
}

// SwiGLU implements Ops.
func (c *CPU) SwiGLU(x *Tensor) *Tensor {
	h := x.Dim(-1) / 2
	y := c.Arena.Tensor(withLast(x, h)...)
	elem.SwiGLU(y.Data(), x.Data(), x.Rows(), h)
	return y
}

// Softmax implements Ops.
func (c *CPU) Softmax(x *Tensor) *Tensor {
	y := c.like(x)
	norm.Softmax(y.Data(), x.Data(), x.Rows(), x.Dim(-1))
	return y
}

// RMSNorm implements Ops.
func (c *CPU) RMSNorm(x, g *Tensor) *Tensor { return c.RMSNormKeep(x, g, nil) }

// RMSNormKeep is RMSNorm that also keeps 1/rms of each row in rstd [rows].
func (c *CPU) RMSNormKeep(x, g *Tensor, rstd []float32) *Tensor {
	want(g == nil || g.Len() == x.Dim(-1), "RMSNorm", x, g)
	y := c.like(x)
	norm.RMS(y.Data(), rstd, x.Data(), data(g), x.Rows(), x.Dim(-1), Eps)
	return y
}

// Modulate implements Ops.
func (c *CPU) Modulate(x, scale, shift *Tensor) *Tensor {
	y := c.like(x)
	elem.Modulate(y.Data(), x.Data(), scale.Data(), shift.Data(), x.Rows(), x.Dim(-1), Spread("Modulate", x, scale))
	return y
}

// GatedAdd implements Ops.
func (c *CPU) GatedAdd(x, z, gate *Tensor) *Tensor {
	y := c.like(x)
	elem.GatedAdd(y.Data(), x.Data(), z.Data(), gate.Data(), x.Rows(), x.Dim(-1), Spread("GatedAdd", x, gate))
	return y
}

// ConvShape is the shape of a convolution of video x [N, T, H, W, C] by
// w [O, KT, KH, KW, C], or by one filter a channel, w [KT, KH, KW, C].
func ConvShape(x, w *Tensor) conv.Shape {
	s := conv.Shape{N: x.Dim(0), T: x.Dim(1), H: x.Dim(2), W: x.Dim(3), C: x.Dim(4), O: x.Dim(4)}
	d := w.Shape
	if len(d) == 5 {
		s.O, d = d[0], d[1:]
	}
	want(d[3] == s.C, "Conv", x, w)
	s.KT, s.KH, s.KW = d[0], d[1], d[2]
	return s
}

// Conv implements Ops.
func (c *CPU) Conv(x, w, b, past *Tensor, act Act) *Tensor {
	s := ConvShape(x, w)
	y := c.Arena.Tensor(s.N, s.T, s.H, s.W, s.O)
	conv.Forward(c.Precision, y.Data(), x.Data(), data(past), w.Data(), data(b), act, s)
	return y
}

// ConvPReLU implements Ops.
func (c *CPU) ConvPReLU(x, w, b, slope, past *Tensor) *Tensor {
	s := ConvShape(x, w)
	want(slope.Len() == s.O, "ConvPReLU", x, w, slope)
	y := c.Arena.Tensor(s.N, s.T, s.H, s.W, s.O)
	conv.ForwardPReLU(c.Precision, y.Data(), x.Data(), data(past), w.Data(), data(b), slope.Data(), s)
	return y
}

// Depthwise implements Ops.
func (c *CPU) Depthwise(x, w, b, past *Tensor) *Tensor {
	s := ConvShape(x, w)
	y := c.like(x)
	conv.Depthwise(y.Data(), x.Data(), data(past), w.Data(), data(b), s)
	return y
}

// Unshuffle implements Ops.
func (c *CPU) Unshuffle(x *Tensor, pt, ph, pw int) *Tensor {
	n, t, h, w, ch := x.Dim(0), x.Dim(1)/pt, x.Dim(2)/ph, x.Dim(3)/pw, x.Dim(4)
	want(t*pt == x.Dim(1) && h*ph == x.Dim(2) && w*pw == x.Dim(3), "Unshuffle", x)
	y := c.Arena.Tensor(n, t, h, w, pt*ph*pw*ch)
	elem.Unshuffle(y.Data(), x.Data(), n, t, h, w, ch, pt, ph, pw)
	return y
}

// Shuffle implements Ops.
func (c *CPU) Shuffle(x *Tensor, pt, ph, pw int) *Tensor {
	n, t, h, w, ch := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(4)/(pt*ph*pw)
	want(ch*pt*ph*pw == x.Dim(4), "Shuffle", x)
	y := c.Arena.Tensor(n, t*pt, h*ph, w*pw, ch)
	elem.Shuffle(y.Data(), x.Data(), n, t, h, w, ch, pt, ph, pw)
	return y
}

// AvgPool2 implements Ops.
func (c *CPU) AvgPool2(x *Tensor) *Tensor {
	n, h, w, ch := x.Dim(0)*x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(4)
	want(h%2 == 0 && w%2 == 0, "AvgPool2", x)
	y := c.Arena.Tensor(x.Dim(0), x.Dim(1), h/2, w/2, ch)
	elem.AvgPool2(y.Data(), x.Data(), n, h/2, w/2, ch)
	return y
}

// AttnShape is the shape of attention of q [B, Q, H, D] on k [B, K, H, D].
func AttnShape(q, k *Tensor) attn.Shape {
	want(len(q.Shape) == 4 && len(k.Shape) == 4 && q.Dim(0) == k.Dim(0) && q.Dim(2) == k.Dim(2) && q.Dim(3) == k.Dim(3), "Attention", q, k)
	return attn.Shape{B: q.Dim(0), Q: q.Dim(1), K: k.Dim(1), H: q.Dim(2), D: q.Dim(3)}
}

// AttnScale is the factor of the scores, 1/√D.
func AttnScale(s attn.Shape) float32 { return float32(1 / math.Sqrt(float64(s.D))) }

// Attention implements Ops.
func (c *CPU) Attention(q, k, v *Tensor, m Mask) *Tensor { return c.AttentionKeep(q, k, v, nil, m) }

// AttentionKeep is Attention that keeps the logarithm of each softmax's sum
// in lse [B, H, Q].
func (c *CPU) AttentionKeep(q, k, v *Tensor, lse []float32, m Mask) *Tensor {
	s := AttnShape(q, k)
	y := c.like(q)
	attn.Softmax(y.Data(), lse, q.Data(), k.Data(), v.Data(), AttnScale(s), s, m)
	return y
}

// LinearAttention implements Ops.
func (c *CPU) LinearAttention(q, k, qr, kr, v, state *Tensor, segs []Segment) *Tensor {
	return c.LinearAttentionKeep(q, k, qr, kr, v, state, nil, segs)
}

// LinearAttentionKeep is LinearAttention that keeps the denominators in
// den [B, Q, H].
func (c *CPU) LinearAttentionKeep(q, k, qr, kr, v, state *Tensor, den []float32, segs []Segment) *Tensor {
	s := AttnShape(q, k)
	y := c.like(q)
	if den == nil {
		den = c.Arena.Tensor(s.B, s.Q, s.H).Data()
	}
	attn.Linear(y.Data(), den, q.Data(), k.Data(), qr.Data(), kr.Data(), v.Data(), data(state), Eps, s, segs)
	return y
}

// LinearState implements Ops.
func (c *CPU) LinearState(k, kr, v *Tensor) *Tensor {
	s := AttnShape(k, k)
	y := c.Arena.Tensor(s.B, s.H, (s.D+1)*s.D)
	attn.LinearState(y.Data(), k.Data(), kr.Data(), v.Data(), s, 0, s.K)
	return y
}

// RoPE implements Ops.
func (c *CPU) RoPE(x, cos, sin *Tensor) *Tensor {
	want(len(x.Shape) == 4 && cos.Dim(0) == x.Dim(1) && 2*cos.Dim(1) == x.Dim(3), "RoPE", x, cos, sin)
	y := c.like(x)
	elem.RoPE(y.Data(), x.Data(), cos.Data(), sin.Data(), x.Dim(0)*x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(1), false)
	return y
}

// runs splits a shape around an axis: how many runs there are, and how long
// one step along the axis is.
func runs(shape []int, axis int) (outer, inner int) {
	return Elems(shape[:axis]), Elems(shape[axis+1:])
}

// Concat implements Ops.
func (c *CPU) Concat(axis int, xs ...*Tensor) *Tensor {
	shape := append([]int(nil), xs[0].Shape...)
	shape[axis] = 0
	for _, x := range xs {
		shape[axis] += x.Dim(axis)
	}
	y := c.Arena.Tensor(shape...)
	outer, inner := runs(shape, axis)
	row, at := shape[axis]*inner, 0
	for _, x := range xs {
		n := x.Dim(axis) * inner
		want(x.Len() == outer*n, "Concat", xs...)
		for o := range outer {
			copy(y.Data()[o*row+at:o*row+at+n], x.Data()[o*n:(o+1)*n])
		}
		at += n
	}
	return y
}

// Narrow implements Ops.
func (c *CPU) Narrow(x *Tensor, axis, lo, hi int) *Tensor {
	shape := append([]int(nil), x.Shape...)
	shape[axis] = hi - lo
	y := c.Arena.Tensor(shape...)
	outer, inner := runs(shape, axis)
	row, n := x.Dim(axis)*inner, (hi-lo)*inner
	for o := range outer {
		copy(y.Data()[o*n:(o+1)*n], x.Data()[o*row+lo*inner:o*row+lo*inner+n])
	}
	return y
}

// Embed implements Ops.
func (c *CPU) Embed(table *Tensor, ids []int32) *Tensor { return c.GatherRows(table, ids) }

// PoolRows implements Ops.
func (c *CPU) PoolRows(x *Tensor, lens []int32) *Tensor {
	b, l, w := x.Dim(0), x.Dim(1), x.Dim(2)
	y := c.Arena.Tensor(b, w)
	clear(y.Data())
	for i := range b {
		n := int(lens[i])
		for j := range n {
			elem.AddScaled(y.Data()[i*w:(i+1)*w], x.Data()[(i*l+j)*w:(i*l+j+1)*w], 1/float32(n))
		}
	}
	return y
}

// lossBlock rows are summed at a time, so that a loss does not depend on the
// number of threads.
const lossBlock = 256

// MSE implements Ops.
func (c *CPU) MSE(x, y, w *Tensor) *Tensor {
	rows, n := x.Rows(), x.Dim(-1)
	want(x.Len() == y.Len() && (w == nil || w.Len() == rows), "MSE", x, y, w)
	parts := make([]float64, (rows+lossBlock-1)/lossBlock)
	simd.For(rows, lossBlock, func(lo, hi int) {
		var sum float64
		if w == nil {
			sum = elem.SquaredError(x.Data()[lo*n:hi*n], y.Data()[lo*n:hi*n])
		} else {
			for r := lo; r < hi; r++ {
				sum += float64(w.Data()[r]) * elem.SquaredError(x.Data()[r*n:(r+1)*n], y.Data()[r*n:(r+1)*n])
			}
		}
		parts[lo/lossBlock] = sum
	})
	return c.scalar(parts, x.Len())
}

func (c *CPU) scalar(parts []float64, n int) *Tensor {
	var sum float64
	for _, p := range parts {
		sum += p
	}
	z := c.Arena.Tensor(1)
	z.Data()[0] = float32(sum / float64(n))
	return z
}

// L1 implements Ops.
func (c *CPU) L1(x, y *Tensor) *Tensor {
	want(x.Len() == y.Len(), "L1", x, y)
	return c.scalar([]float64{elem.AbsError(x.Data(), y.Data())}, x.Len())
}

// MeanSquare implements Ops.
func (c *CPU) MeanSquare(x *Tensor) *Tensor {
	return c.scalar([]float64{elem.SumSquares(x.Data())}, x.Len())
}
