package tensor

import (
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// SquareSum implements Optimizer.
func (c *CPU) SquareSum(ts ...*Tensor) float64 {
	var sum float64
	for _, t := range ts {
		sum += elem.SumSquares(data(t))
	}
	return sum
}

// Store implements Optimizer.
func (c *CPU) Store(t *Tensor, values []float32) {
	want(len(values) == t.Len(), "Store", t)
	copy(data(t), values)
	t.Drop()
}

// Optimize implements Optimizer: several parameters side by side.
func (c *CPU) Optimize(steps []Step) {
	simd.Tasks(len(steps), func(i int) { steps[i].apply() })
}

var muons = sync.Pool{New: func() any { return &muon{momentum: 0.95} }}

// apply steps a parameter along its gradient and then updates its average.
func (s *Step) apply() {
	average := data(s.Average)
	if !s.Param.Needs() { // a measured constant, not a learned weight
		copy(average, data(s.Param))
		return
	}
	switch {
	case s.Grad == nil:
	case s.Muon:
		u := muons.Get().(*muon)
		u.update(s.Param, data(s.M), data(s.Grad), s.LR, s.Decay, s.Scale)
		muons.Put(u)
	default:
		elem.AdamW{
			LR: float32(s.LR), Beta1: float32(s.Beta1), Beta2: float32(s.Beta2), Eps: float32(s.Eps),
			WeightDecay: float32(s.Decay), Step: s.Number, GradScale: float32(s.Scale),
		}.Update(data(s.Param), data(s.M), data(s.V), data(s.Grad))
	}
	elem.EMA(average, data(s.Param), float32(s.AverageDecay))
}

// Muon (Jordan 2024) replaces the step of a weight matrix by the orthogonal
// matrix nearest to its momentum, found with five Newton-Schulz iterations. The
// step is scaled to a root mean square of the learning rate, whatever the
// shape: about that of AdamW's early steps, so that both share a learning rate
// and a decay. (Liu 2025 uses a fifth of it; here the full size learned
// faster.)
type muon struct {
	momentum float32
	x, y     []float32 // scratch: the matrix, and its product
	a, b     []float32 // scratch: Gram matrix, polynomial
}

// muonRMS is the root mean square of a step at a learning rate of 1.
const muonRMS = 1.0

// matrices returns the number of matrices in a parameter and their shape: a
// stack of experts [E, N, K] is E matrices, a convolution [O, ...] is one.
func matrices(t *Tensor) (count, rows, cols int) {
	if len(t.Shape) == 3 {
		return t.Dim(0), t.Dim(1), t.Dim(2)
	}
	return 1, t.Dim(0), t.Len() / t.Dim(0)
}

// update steps t along its gradient g, times scale, with momentum m.
func (u *muon) update(t *Tensor, m, g []float32, lr, decay, scale float64) {
	count, rows, cols := matrices(t)
	n := rows * cols
	for i := range count {
		p, mi, gi := data(t)[i*n:(i+1)*n], m[i*n:(i+1)*n], g[i*n:(i+1)*n]
		elem.Scale(mi, mi, u.momentum)
		elem.AddScaled(mi, gi, float32(scale))
		// Nesterov: look ahead along the new momentum.
		x := grow(&u.x, n)
		elem.Scale(x, mi, u.momentum)
		elem.AddScaled(x, gi, float32(scale))
		o := u.orthogonal(x, rows, cols)
		elem.Scale(p, p, float32(1-lr*decay))
		elem.AddScaled(p, o, float32(-lr*muonRMS*math.Sqrt(float64(max(rows, cols)))))
	}
}

// orthogonal returns X after the iterations X ← aX + (bA + cA²)X, A = XXᵀ, on
// the smaller side of x [rows, cols], which is overwritten.
func (u *muon) orthogonal(x []float32, rows, cols int) []float32 {
	const a, b, c = 3.4445, -4.7750, 2.0315
	norm := math.Sqrt(elem.SumSquares(x))
	elem.Scale(x, x, float32(1/(norm+1e-7)))
	tall := rows > cols
	d := min(rows, cols)
	y := grow(&u.y, len(x))
	gram, poly := grow(&u.a, d*d), grow(&u.b, d*d)
	for range 5 {
		xs := gemm.Matrix{Data: x, Stride: cols}
		xt := gemm.Matrix{Data: x, Stride: cols, Trans: true}
		g, p := gemm.Matrix{Data: gram, Stride: d}, gemm.Matrix{Data: poly, Stride: d}
		if tall {
			gemm.Mul(gemm.BF16, d, d, rows, xt, xs, gram, d, gemm.Epilogue{})
		} else {
			gemm.Mul(gemm.BF16, d, d, cols, xs, xt, gram, d, gemm.Epilogue{})
		}
		gemm.Mul(gemm.BF16, d, d, d, g, g, poly, d, gemm.Epilogue{})
		elem.Scale(poly, poly, c)
		elem.AddScaled(poly, gram, b)
		for i := range d {
			poly[i*d+i] += a
		}
		if tall {
			gemm.Mul(gemm.BF16, rows, cols, d, xs, p, y, cols, gemm.Epilogue{})
		} else {
			gemm.Mul(gemm.BF16, rows, cols, d, p, xs, y, cols, gemm.Epilogue{})
		}
		x, y = y, x
	}
	return x
}

// grow returns n elements of a scratch buffer.
func grow(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = make([]float32, n)
	}
	return (*buf)[:n]
}
