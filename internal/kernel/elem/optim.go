package elem

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019).
type AdamW struct {
	LR, Beta1, Beta2, Eps, WeightDecay float32
	Step                               int     // counts from 1
	GradScale                          float32 // multiplies every gradient, for clipping; 0 means 1
}

// Update moves the parameters p and the moments m and v, all [n], along the gradient g [n]:
//
//	m = β1*m + (1-β1)*g,  v = β2*v + (1-β2)*g²,  p = p*(1-lr*decay) - lr*m̂/(√v̂+eps)
//
// where m̂ and v̂ are m and v with the bias of their zero start corrected.
func (o AdamW) Update(p, m, v, g []float32) {
	n := len(p)
	check.Len("elem.AdamW", "m", m, n)
	check.Len("elem.AdamW", "v", v, n)
	check.Len("elem.AdamW", "g", g, n)
	if o.Step < 1 {
		panic("elem.AdamW: steps count from 1")
	}
	if o.GradScale == 0 {
		o.GradScale = 1
	}
	bias1 := 1 - math.Pow(float64(o.Beta1), float64(o.Step))
	bias2 := math.Sqrt(1 - math.Pow(float64(o.Beta2), float64(o.Step)))
	step := vec.AdamStep(o.LR, o.Beta1, o.Beta2, o.Eps, o.WeightDecay, o.GradScale, float32(bias1), float32(bias2))
	simd.For(n, grain, func(lo, hi int) { vec.Adam(p[lo:hi], m[lo:hi], v[lo:hi], g[lo:hi], step) })
}

// EMA moves an average towards src: dst = decay*dst + (1-decay)*src.
func EMA(dst, src []float32, decay float32) {
	unary("elem.EMA", dst, src, func(dst, src []float32) { vec.Lerp(dst, src, decay) })
}

// run is the number of elements that are summed in float32 before the sum continues in float64.
const run = 512

// total adds f over pieces of [0, n) in float64: the pieces of a block in order, then the blocks in order.
func total(n int, f func(lo, hi int) float32) float64 {
	blocks := make([]float64, (n+grain-1)/grain)
	simd.For(n, grain, func(lo, hi int) {
		var s float64
		for i := lo; i < hi; i += run {
			s += float64(f(i, min(i+run, hi)))
		}
		blocks[lo/grain] = s
	})
	var s float64
	for _, b := range blocks {
		s += b
	}
	return s
}

// SumSquares returns the sum of the squares of x.
func SumSquares(x []float32) float64 {
	return total(len(x), func(lo, hi int) float32 { return vec.Dot(x[lo:hi], x[lo:hi]) })
}

// SquaredError returns the sum of (x-y)².
func SquaredError(x, y []float32) float64 {
	check.Len("elem.SquaredError", "y", y, len(x))
	return total(len(x), func(lo, hi int) float32 { return vec.SqDiff(x[lo:hi], y[lo:hi]) })
}

// AbsError returns the sum of |x-y|.
func AbsError(x, y []float32) float64 {
	check.Len("elem.AbsError", "y", y, len(x))
	return total(len(x), func(lo, hi int) float32 { return vec.AbsDiff(x[lo:hi], y[lo:hi]) })
}

// SignDiff adds s*sign(x-y) to dx: the gradient of s*AbsError with respect to x.
func SignDiff(dx, x, y []float32, s float32) {
	if dx == nil {
		return
	}
	binary("elem.SignDiff", dx, x, y, func(dx, x, y []float32) { vec.SignDiff(dx, x, y, s) })
}

// ToBF16 rounds len(dst) elements of src to bfloat16, ties to even.
func ToBF16(dst []uint16, src []float32) { narrow("elem.ToBF16", dst, src, vec.ToBF16) }

// ToF16 rounds src to IEEE half precision, ties to even; values that are too large become infinite.
func ToF16(dst []uint16, src []float32) { narrow("elem.ToF16", dst, src, vec.ToF16) }

func narrow(name string, dst []uint16, src []float32, f func([]uint16, []float32)) {
	check.Len(name, "operand", src, len(dst))
	simd.For(len(dst), grain, func(lo, hi int) { f(dst[lo:hi], src[lo:hi]) })
}
