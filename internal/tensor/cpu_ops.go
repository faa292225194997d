package tensor

import (
	"math"
	"runtime"
	"runtime/debug"

	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
	"github.com/kinora-video/kinora/internal/simd"
)

// withLast is the shape of x with another last axis.
func withLast(x *Tensor, n int) []int {
	s := append([]int(nil), x.Shape...)
	s[len(s)-1] = n
	return s
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
	f(data(z), data(x), data(y))
	return z
}

// Scale implements Ops.
func (c *CPU) Scale(x *Tensor, s float32) *Tensor {
	y := c.like(x)
	elem.Scale(data(y), data(x), s)
	return y
}

// spread is the number of rows of x that one row of r serves.
func spread(op string, x, r *Tensor) int {
	want(r.Dim(-1) == x.Dim(-1) && x.Rows()%r.Rows() == 0, op, x, r)
	return x.Rows() / r.Rows()
}

// AddRows implements Ops.
func (c *CPU) AddRows(x, r *Tensor) *Tensor {
	y := c.like(x)
	elem.AddRows(data(y), data(x), data(r), x.Rows(), x.Dim(-1), spread("AddRows", x, r))
	return y
}

// Activate implements Ops.
func (c *CPU) Activate(x *Tensor, act Act) *Tensor {
	y := c.like(x)
	elem.Act(gemm.Act(act), data(y), data(x))
	return y
}

// SwiGLU implements Ops.
func (c *CPU) SwiGLU(x *Tensor) *Tensor {
	h := x.Dim(-1) / 2
	y := c.arena.Tensor(withLast(x, h)...)
	elem.SwiGLU(data(y), data(x), x.Rows(), h)
	return y
}

// Softmax implements Ops.
func (c *CPU) Softmax(x *Tensor) *Tensor {
	y := c.like(x)
	norm.Softmax(data(y), data(x), x.Rows(), x.Dim(-1))
	return y
}

// RMSNorm implements Ops.
func (c *CPU) RMSNorm(x, g *Tensor) *Tensor { return c.rmsNorm(x, g, nil) }

func (c *CPU) rmsNorm(x, g *Tensor, rstd []float32) *Tensor {
	want(g == nil || g.Len() == x.Dim(-1), "RMSNorm", x, g)
	y := c.like(x)
	norm.RMS(data(y), rstd, data(x), data(g), x.Rows(), x.Dim(-1), Eps)
	return y
}

// Modulate implements Ops.
func (c *CPU) Modulate(x, scale, shift *Tensor) *Tensor {
	y := c.like(x)
	elem.Modulate(data(y), data(x), data(scale), data(shift), x.Rows(), x.Dim(-1), spread("Modulate", x, scale))
	return y
}

// GatedAdd implements Ops.
func (c *CPU) GatedAdd(x, z, gate *Tensor) *Tensor {
	y := c.like(x)
	elem.GatedAdd(data(y), data(x), data(z), data(gate), x.Rows(), x.Dim(-1), spread("GatedAdd", x, gate))
	return y
}

// convShape is the shape of a convolution of video x [N, T, H, W, C] by
// w [O, KT, KH, KW, C], or by one filter a channel, w [KT, KH, KW, C].
func convShape(x, w *Tensor) conv.Shape {
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
	s := convShape(x, w)
	y := c.arena.Tensor(s.N, s.T, s.H, s.W, s.O)
	c.convolve(y, x, w, past, gemm.Epilogue{Bias: data(b), Act: gemm.Act(act)}, s)
	return y
}

// ConvPReLU implements Ops.
func (c *CPU) ConvPReLU(x, w, b, slope, past *Tensor) *Tensor {
	s := convShape(x, w)
	want(slope.Len() == s.O, "ConvPReLU", x, w, slope)
	y := c.arena.Tensor(s.N, s.T, s.H, s.W, s.O)
	c.convolve(y, x, w, past, gemm.Epilogue{Bias: data(b), Slope: data(slope)}, s)
	return y
}

func (c *CPU) convolve(y, x, w, past *Tensor, ep gemm.Epilogue, s conv.Shape) {
	var packed conv.Weights
	if w.Fixed() {
		packed = c.filters(w, s)
	} else {
		packed = conv.Pack(c.kernelPrecision(), data(w), s)
	}
	conv.ForwardPacked(data(y), data(x), data(past), packed, ep, s)
}

// Depthwise implements Ops.
func (c *CPU) Depthwise(x, w, b, past *Tensor) *Tensor {
	s := convShape(x, w)
	y := c.like(x)
	conv.Depthwise(data(y), data(x), data(past), data(w), data(b), s)
	return y
}

// Unshuffle implements Ops.
func (c *CPU) Unshuffle(x *Tensor, pt, ph, pw int) *Tensor {
	n, t, h, w, ch := x.Dim(0), x.Dim(1)/pt, x.Dim(2)/ph, x.Dim(3)/pw, x.Dim(4)
	want(t*pt == x.Dim(1) && h*ph == x.Dim(2) && w*pw == x.Dim(3), "Unshuffle", x)
	y := c.arena.Tensor(n, t, h, w, pt*ph*pw*ch)
	elem.Unshuffle(data(y), data(x), n, t, h, w, ch, pt, ph, pw)
	return y
}

// Shuffle implements Ops.
func (c *CPU) Shuffle(x *Tensor, pt, ph, pw int) *Tensor {
	n, t, h, w, ch := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(4)/(pt*ph*pw)
	want(ch*pt*ph*pw == x.Dim(4), "Shuffle", x)
	y := c.arena.Tensor(n, t*pt, h*ph, w*pw, ch)
	elem.Shuffle(data(y), data(x), n, t, h, w, ch, pt, ph, pw)
	return y
}

// AvgPool2 implements Ops.
func (c *CPU) AvgPool2(x *Tensor) *Tensor {
	n, h, w, ch := x.Dim(0)*x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(4)
	want(h%2 == 0 && w%2 == 0, "AvgPool2", x)
	y := c.arena.Tensor(x.Dim(0), x.Dim(1), h/2, w/2, ch)
	elem.AvgPool2(data(y), data(x), n, h/2, w/2, ch)
	return y
}

// attnShape is the shape of attention of q [B, Q, H, D] on k [B, K, H, D].
func attnShape(q, k *Tensor) attn.Shape {
	want(len(q.Shape) == 4 && len(k.Shape) == 4 && q.Dim(0) == k.Dim(0) && q.Dim(2) == k.Dim(2) && q.Dim(3) == k.Dim(3), "Attention", q, k)
	return attn.Shape{B: q.Dim(0), Q: q.Dim(1), K: k.Dim(1), H: q.Dim(2), D: q.Dim(3)}
}

// attnScale is the factor of the scores, 1/√D.
func attnScale(s attn.Shape) float32 { return float32(1 / math.Sqrt(float64(s.D))) }

// Attention implements Ops.
func (c *CPU) Attention(q, k, v *Tensor, m Mask) *Tensor { return c.attention(q, k, v, nil, m) }

func (c *CPU) attention(q, k, v *Tensor, lse []float32, m Mask) *Tensor {
	s := attnShape(q, k)
	y := c.like(q)
	attn.Softmax(data(y), lse, data(q), data(k), data(v), attnScale(s), s, attn.Mask(m))
	return y
}

// LinearAttention implements Ops.
func (c *CPU) LinearAttention(q, k, qr, kr, v *Tensor, segs []Segment) *Tensor {
	return c.linearAttention(q, k, qr, kr, v, nil, nil, segs)
}

// LinearAttentionOn implements Carried.
func (c *CPU) LinearAttentionOn(state, q, k, qr, kr, v *Tensor, segs []Segment) *Tensor {
	return c.linearAttention(q, k, qr, kr, v, state, nil, segs)
}

func (c *CPU) linearAttention(q, k, qr, kr, v, state *Tensor, den []float32, segs []Segment) *Tensor {
	s := attnShape(q, k)
	y := c.like(q)
	attn.Linear(data(y), den, data(q), data(k), data(qr), data(kr), data(v), data(state), Eps, s, segments(segs))
	return y
}

// segments are segs as the kernels know them.
func segments(segs []Segment) []attn.Segment {
	out := make([]attn.Segment, len(segs))
	for i, g := range segs {
		out[i] = attn.Segment(g)
	}
	return out
}

// LinearState implements Carried.
func (c *CPU) LinearState(k, kr, v *Tensor) *Tensor {
	s := attnShape(k, k)
	y := c.arena.Tensor(s.B, s.H, (s.D+1)*s.D)
	attn.LinearState(data(y), data(k), data(kr), data(v), s, 0, s.K)
	return y
}

// RoPE implements Ops.
func (c *CPU) RoPE(x, cos, sin *Tensor) *Tensor {
	want(len(x.Shape) == 4 && cos.Dim(0) == x.Dim(1) && 2*cos.Dim(1) == x.Dim(3), "RoPE", x, cos, sin)
	y := c.like(x)
	elem.RoPE(data(y), data(x), data(cos), data(sin), x.Dim(0)*x.Dim(1), x.Dim(2), x.Dim(3), x.Dim(1), false)
	return y
}

// runs splits a shape around an axis: how many runs there are, and how many
// elements one step along the axis spans.
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
	y := c.arena.Tensor(shape...)
	outer, inner := runs(shape, axis)
	row, at := shape[axis]*inner, 0
	for _, x := range xs {
		n := x.Dim(axis) * inner
		want(x.Len() == outer*n, "Concat", xs...)
		elem.CopyRuns(data(y)[at:], row, data(x), n, outer, n)
		at += n
	}
	return y
}

// Narrow implements Ops.
func (c *CPU) Narrow(x *Tensor, axis, lo, hi int) *Tensor {
	shape := append([]int(nil), x.Shape...)
	shape[axis] = hi - lo
	y := c.arena.Tensor(shape...)
	outer, inner := runs(shape, axis)
	row, n := x.Dim(axis)*inner, (hi-lo)*inner
	elem.CopyRuns(data(y), n, data(x)[lo*inner:], row, outer, n)
	return y
}

// Embed implements Ops. A table in store is read row by row.
func (c *CPU) Embed(table *Tensor, ids []int32) *Tensor {
	w := table.Dim(-1)
	y := c.arena.Tensor(len(ids), w)
	if table.Place() != InStore {
		gather(data(y), data(table), ids, w)
		return y
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	from := table.st.stored.numbers(0, table.Len())
	for i, id := range ids {
		from.Widen(data(y)[i*w:(i+1)*w], int(id)*w)
	}
	runtime.KeepAlive(table)
	return y
}

func gather(dst, src []float32, rows []int32, w int) {
	for i, r := range rows {
		copy(dst[i*w:(i+1)*w], src[int(r)*w:(int(r)+1)*w])
	}
}

// PoolRows implements Ops.
func (c *CPU) PoolRows(x *Tensor, lens []int32) *Tensor {
	b, l, w := x.Dim(0), x.Dim(1), x.Dim(2)
	y := c.arena.Tensor(b, w)
	clear(data(y))
	for i := range b {
		n := int(lens[i])
		for j := range n {
			elem.AddScaled(data(y)[i*w:(i+1)*w], data(x)[(i*l+j)*w:(i*l+j+1)*w], 1/float32(n))
		}
	}
	return y
}

// lossBlock is how many rows are summed at a time. It is fixed, so that a loss
// does not depend on the number of threads.
const lossBlock = 256

// MSE implements Losses.
func (c *CPU) MSE(x, y, w *Tensor) *Tensor {
	rows, n := x.Rows(), x.Dim(-1)
	want(x.Len() == y.Len() && (w == nil || w.Len() == rows), "MSE", x, y, w)
	parts := make([]float64, (rows+lossBlock-1)/lossBlock)
	simd.For(rows, lossBlock, func(lo, hi int) {
		var sum float64
		if w == nil {
			sum = elem.SquaredError(data(x)[lo*n:hi*n], data(y)[lo*n:hi*n])
		} else {
			for r := lo; r < hi; r++ {
				sum += float64(data(w)[r]) * elem.SquaredError(data(x)[r*n:(r+1)*n], data(y)[r*n:(r+1)*n])
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
	z := c.arena.Tensor(1)
	data(z)[0] = float32(sum / float64(n))
	return z
}

// L1 implements Losses.
func (c *CPU) L1(x, y *Tensor) *Tensor {
	want(x.Len() == y.Len(), "L1", x, y)
	return c.scalar([]float64{elem.AbsError(data(x), data(y))}, x.Len())
}

// MeanSquare implements Losses.
func (c *CPU) MeanSquare(x *Tensor) *Tensor {
	return c.scalar([]float64{elem.SumSquares(data(x))}, x.Len())
}
