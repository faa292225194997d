package tensor

import (
	"runtime"

	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// fine returns the stored numbers of fixed matrices [N, K] that a product of x with
// all of them reads in place; ok is false where it does not.
func (c *CPU) fine(x *Tensor, ws ...*Tensor) (stored []gemm.Numbers, ok bool) {
	if c.precision != I16 || x.Rows() > gemm.FewRows {
		return nil, false
	}
	stored = make([]gemm.Numbers, len(ws))
	for i, w := range ws {
		if w.st.place != InStore || !w.Fixed() || len(w.Shape) != 2 || w.Dim(1) != x.Dim(-1) {
			return nil, false
		}
		stored[i] = w.st.stored.numbers(0, w.Len())
	}
	return stored, true
}

// Linears implements Inference.
func (c *CPU) Linears(x *Tensor, ws ...*Tensor) []*Tensor {
	out := make([]*Tensor, len(ws))
	stored, ok := c.fine(x, ws...)
	if !ok {
		for i, w := range ws {
			out[i] = c.Linear(x, w, nil, None)
		}
		return out
	}
	ps := make([]gemm.Few, len(ws))
	for i, w := range ws {
		out[i] = c.arena.Tensor(withLast(x, w.Dim(0))...)
		ps[i] = gemm.Few{N: w.Dim(0), W: stored[i], C: data(out[i])}
	}
	c.few(x, ps...)
	runtime.KeepAlive(ws)
	return out
}

// few multiplies the rows of x.
func (c *CPU) few(x *Tensor, ps ...gemm.Few) {
	k := x.Dim(-1)
	gemm.MulFew(x.Rows(), k, mat(data(x), k, false), ps...)
}

// LinearAdd implements Inference.
func (c *CPU) LinearAdd(x, w, add *Tensor) *Tensor {
	n := w.Dim(0)
	want(add.Dim(-1) == n && add.Rows() == x.Rows(), "LinearAdd", x, w, add)
	stored, ok := c.fine(x, w)
	if !ok {
		return c.linear(x, w, gemm.Epilogue{Residual: data(add)})
	}
	y := c.arena.Tensor(withLast(x, n)...)
	c.few(x, gemm.Few{N: n, W: stored[0], C: data(y), Residual: data(add)})
	runtime.KeepAlive(w)
	return y
}

// GatedLinear implements Inference.
func (c *CPU) GatedLinear(x, gate, up *Tensor) *Tensor {
	n := up.Dim(0)
	want(gate.Dim(0) == n && gate.Dim(1) == up.Dim(1), "GatedLinear", x, gate, up)
	stored, ok := c.fine(x, gate, up)
	if !ok {
		g, u := c.Linear(x, gate, nil, None), c.Linear(x, up, nil, None)
		elem.SwiGLUApart(data(u), data(g), data(u))
		c.arena.Recycle(g)
		return u
	}
	y := c.arena.Tensor(withLast(x, n)...)
	c.few(x, gemm.Few{N: n, Gate: stored[0], W: stored[1], C: data(y)})
	runtime.KeepAlive(gate)
	runtime.KeepAlive(up)
	return y
}

// RoPEHalves implements Inference.
func (c *CPU) RoPEHalves(x, cos, sin *Tensor) *Tensor {
	b, n, h, d := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	want(cos.Len() == n*d/2 && sin.Len() == n*d/2, "RoPEHalves", x, cos, sin)
	y := c.like(x)
	elem.RoPEHalves(data(y), data(x), data(cos), data(sin), b*n, h, d, n)
	return y
}
