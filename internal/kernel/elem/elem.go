// Package elem holds the element-wise kernels: arithmetic, activations, modulation, rotary positions, layout changes of
// pixels, conversions and the optimizer's update.
//
// It never allocates its results and never keeps a slice: operands are the caller's plain row-major slices. Work is
// cut into fixed blocks, so that the bytes of a result do not depend on the number of threads. Functions whose
// names end in Grad add to their results; a nil result is not computed. A slice that is too short panics.
package elem

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// grain is the number of elements in a block of work: small enough for a core's second-level cache, large enough to
// hide the cost of handing it out.
const grain = 1 << 14

// binary runs f over blocks of dst, a and b.
func binary(name string, dst, a, b []float32, f func(dst, a, b []float32)) {
	n := len(dst)
	check.Len(name, "first operand", a, n)
	check.Len(name, "second operand", b, n)
	simd.For(n, grain, func(lo, hi int) { f(dst[lo:hi], a[lo:hi], b[lo:hi]) })
}

// unary runs f over blocks of dst and a.
func unary(name string, dst, a []float32, f func(dst, a []float32)) {
	check.Len(name, "operand", a, len(dst))
	simd.For(len(dst), grain, func(lo, hi int) { f(dst[lo:hi], a[lo:hi]) })
}

// Add sets dst = a + b.
func Add(dst, a, b []float32) { binary("elem.Add", dst, a, b, vec.Add) }

// Sub sets dst = a - b.
func Sub(dst, a, b []float32) { binary("elem.Sub", dst, a, b, vec.Sub) }

// Mul sets dst = a * b.
func Mul(dst, a, b []float32) { binary("elem.Mul", dst, a, b, vec.Mul) }

// MulAdd adds a*b to dst.
func MulAdd(dst, a, b []float32) { binary("elem.MulAdd", dst, a, b, vec.MulAdd) }

// Scale sets dst = s*a.
func Scale(dst, a []float32, s float32) {
	unary("elem.Scale", dst, a, func(dst, a []float32) { vec.Scale(dst, a, s) })
}

// AddScaled adds s*a to dst.
func AddScaled(dst, a []float32, s float32) {
	unary("elem.AddScaled", dst, a, func(dst, a []float32) { vec.AddScaled(dst, a, s) })
}

// Act sets dst = act(x); gemm.None copies.
func Act(kind gemm.Act, dst, x []float32) { unary("elem.Act", dst, x, ActRow(kind)) }

// ActRow returns the function that Act applies to a piece of its slices, on one core.
func ActRow(kind gemm.Act) func(dst, x []float32) {
	switch kind {
	case gemm.None:
		return func(dst, x []float32) { copy(dst, x) }
	case gemm.ReLU:
		return vec.ReLU
	case gemm.SiLU:
		return vec.SiLU
	case gemm.GELU:
		return vec.GELU
	}
	panic(fmt.Sprintf("elem.Act: unknown activation %d", kind))
}

// GELUErf sets dst = x*Φ(x): the Gaussian error linear unit by the error function, which gemm.GELU approximates.
func GELUErf(dst, x []float32) { unary("elem.GELUErf", dst, x, vec.GELUErf) }

// Tanh sets dst = tanh(x).
func Tanh(dst, x []float32) {
	unary("elem.Tanh", dst, x, func(dst, x []float32) {
		for i, v := range x[:len(dst)] {
			dst[i] = float32(math.Tanh(float64(v)))
		}
	})
}

// Exp sets dst = e^x, which is 0 below -104.5 and infinite above 89.
func Exp(dst, x []float32) {
	unary("elem.Exp", dst, x, func(dst, x []float32) { vec.ExpSub(dst, x, 1, 0) })
}

// ActGrad adds dy * act'(x) to dx.
func ActGrad(kind gemm.Act, dx, dy, x []float32) {
	if dx == nil {
		return
	}
	switch kind {
	case gemm.None:
		AddScaled(dx, dy, 1)
	case gemm.ReLU:
		binary("elem.ActGrad", dx, dy, x, vec.ReLUGrad)
	case gemm.SiLU:
		binary("elem.ActGrad", dx, dy, x, vec.SiLUGrad)
	case gemm.GELU:
		binary("elem.ActGrad", dx, dy, x, vec.GELUGrad)
	default:
		panic(fmt.Sprintf("elem.ActGrad: unknown activation %d", kind))
	}
}

// rowGrain is the number of rows of c elements that make a block of work.
func rowGrain(c int) int { return max(1, grain/max(c, 1)) }

// SwiGLU computes y [rows, h] = silu(x[:, :h]) * x[:, h:] from x [rows, 2h] (Shazeer 2020).
func SwiGLU(y, x []float32, rows, h int) {
	check.Len("elem.SwiGLU", "y", y, rows*h)
	check.Len("elem.SwiGLU", "x", x, 2*rows*h)
	simd.For(rows, rowGrain(h), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			in := x[2*r*h : 2*(r+1)*h]
			vec.SwiGLU(y[r*h:(r+1)*h], in[:h], in[h:])
		}
	})
}

// SwiGLUApart computes y = silu(gate) * up; y may be either of them.
func SwiGLUApart(y, gate, up []float32) {
	check.Len("elem.SwiGLUApart", "gate", gate, len(y))
	check.Len("elem.SwiGLUApart", "up", up, len(y))
	simd.For(len(y), grain, func(lo, hi int) { vec.SwiGLU(y[lo:hi], gate[lo:hi], up[lo:hi]) })
}

// SwiGLUGrad adds the gradient of SwiGLU to dx [rows, 2h], from dy [rows, h] and the input x [rows, 2h].
func SwiGLUGrad(dx, dy, x []float32, rows, h int) {
	if dx == nil {
		return
	}
	check.Len("elem.SwiGLUGrad", "dx", dx, 2*rows*h)
	check.Len("elem.SwiGLUGrad", "dy", dy, rows*h)
	check.Len("elem.SwiGLUGrad", "x", x, 2*rows*h)
	simd.For(rows, rowGrain(h), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			in, din := x[2*r*h:2*(r+1)*h], dx[2*r*h:2*(r+1)*h]
			vec.SwiGLUGrad(din[:h], din[h:], dy[r*h:(r+1)*h], in[:h], in[h:])
		}
	})
}
