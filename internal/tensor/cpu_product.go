package tensor

import (
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// Linear implements Ops.
func (c *CPU) Linear(x, w, b *Tensor, act Act) *Tensor {
	want(b == nil || b.Len() == w.Dim(0), "Linear", x, w, b)
	return c.linear(x, w, gemm.Epilogue{Bias: data(b), Act: gemm.Act(act)})
}

func (c *CPU) linear(x, w *Tensor, ep gemm.Epilogue) *Tensor {
	n, k := w.Dim(0), w.Dim(1)
	want(x.Dim(-1) == k, "Linear", x, w)
	y := c.arena.Tensor(withLast(x, n)...)
	a := gemm.Matrix{Data: data(x), Stride: k}
	if w.Fixed() {
		if c.precision == I16 && w.st.place == InStore {
			c.linearFine(x, w, data(y), ep)
			return y
		}
		if stored, ok := small(w); ok {
			c.linearSmall(x, w, stored, data(y), ep)
			return y
		}
		gemm.MulPacked(x.Rows(), a, c.matrix(w), data(y), n, ep)
		return y
	}
	gemm.Mul(c.kernelPrecision(), x.Rows(), n, k, a, gemm.Matrix{Data: data(w), Stride: k, Trans: true}, data(y), n, ep)
	return y
}

// cpuRoutes are routes in the CPU's memory. Pair i sends row Rows[i] to expert
// Cols[i]; the pairs of expert e are Offsets[e] <= i < Offsets[e+1].
type cpuRoutes struct {
	Rows, Cols []int32
	Offsets    []int
}

func routes(r *Routes) *cpuRoutes { return r.Mem.(*cpuRoutes) }

// Route implements Ops.
func (c *CPU) Route(scores, bias *Tensor, k int) *Routes {
	n, experts := scores.Rows(), scores.Dim(-1)
	want(k >= 1 && k <= experts && (bias == nil || bias.Len() == experts), "Route", scores, bias)
	picked := make([][]int32, experts)
	row := make([]float32, experts)
	taken := make([]bool, experts)
	for r := range n {
		copy(row, data(scores)[r*experts:(r+1)*experts])
		for e, b := range data(bias) {
			row[e] += b
		}
		clear(taken)
		for range k {
			best := -1
			for e, s := range row {
				if !taken[e] && (best < 0 || s > row[best]) {
					best = e
				}
			}
			taken[best] = true
			picked[best] = append(picked[best], int32(r))
		}
	}
	out := &cpuRoutes{Rows: make([]int32, 0, n*k), Cols: make([]int32, 0, n*k), Offsets: make([]int, experts+1)}
	for e, list := range picked {
		out.Rows = append(out.Rows, list...)
		for range list {
			out.Cols = append(out.Cols, int32(e))
		}
		out.Offsets[e+1] = len(out.Rows)
	}
	return &Routes{Rows: n, TopK: k, Experts: experts, Mem: out}
}

// RouteCounts implements Gradients.
func (c *CPU) RouteCounts(r *Routes) []int {
	out := make([]int, r.Experts)
	for e := range out {
		out[e] = routes(r).Offsets[e+1] - routes(r).Offsets[e]
	}
	return out
}

// Dispatch implements Ops.
func (c *CPU) Dispatch(x *Tensor, r *Routes) *Tensor {
	rows, w := routes(r).Rows, x.Dim(-1)
	want(x.Rows() == r.Rows, "Dispatch", x)
	y := c.arena.Tensor(len(rows), w)
	gather(data(y), data(x), rows, w)
	return y
}

// GroupedLinear implements Ops.
func (c *CPU) GroupedLinear(x, w *Tensor, r *Routes) *Tensor {
	e, n, k := w.Dim(0), w.Dim(1), w.Dim(2)
	offsets := routes(r).Offsets
	want(x.Dim(-1) == k && len(offsets) == e+1 && offsets[e] == x.Rows(), "GroupedLinear", x, w)
	y := c.arena.Tensor(withLast(x, n)...)
	a := func(i int) gemm.Matrix {
		return gemm.Matrix{Data: data(x)[offsets[i]*k : offsets[i+1]*k], Stride: k}
	}
	if w.Fixed() {
		packed := c.experts(w)
		groups := make([]gemm.GroupPacked, e)
		for i := range groups {
			lo, hi := offsets[i], offsets[i+1]
			groups[i] = gemm.GroupPacked{M: hi - lo, A: a(i), B: packed[i], C: data(y)[lo*n : hi*n], LDC: n}
		}
		gemm.GroupedPacked(groups, gemm.None)
		return y
	}
	groups := make([]gemm.Group, e)
	for i := range groups {
		lo, hi := offsets[i], offsets[i+1]
		groups[i] = gemm.Group{
			M: hi - lo, A: a(i), B: gemm.Matrix{Data: data(w)[i*n*k : (i+1)*n*k], Stride: k, Trans: true},
			C: data(y)[lo*n : hi*n], LDC: n,
		}
	}
	gemm.Grouped(c.kernelPrecision(), n, k, groups, gemm.None, false)
	return y
}

// Combine implements Ops.
func (c *CPU) Combine(x, weights *Tensor, r *Routes) *Tensor {
	w, e, to := x.Dim(-1), weights.Dim(-1), routes(r)
	want(x.Rows() == len(to.Rows) && weights.Rows() == r.Rows && e == r.Experts, "Combine", x, weights)
	y := c.Zeros(r.Rows, w)
	for i, row := range to.Rows {
		elem.AddScaled(data(y)[int(row)*w:(int(row)+1)*w], data(x)[i*w:(i+1)*w], data(weights)[int(row)*e+int(to.Cols[i])])
	}
	return y
}
