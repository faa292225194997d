package norm

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Layer normalises every row of x [rows, c] by its mean and variance (Ba et al. 2016): y = (x-mean) / sqrt(var+eps) * g
// + b, with g [c] or nil for ones, and b [c] or nil for zeros. y may be x.
func Layer(y, x, g, b []float32, rows, c int, eps float32) {
	const op = "norm.Layer"
	check.LenOrNil(op, "g", g, c)
	check.LenOrNil(op, "b", b, c)
	if g == nil && b == nil {
		layer(op, y, x, rows, c, eps, func(_ int, y, x []float32, m, k float32) { vec.Center(y, x, m, k) })
		return
	}
	g = gains(g, c)
	if b == nil {
		b = make([]float32, c)
	}
	layer(op, y, x, rows, c, eps, func(_ int, y, x []float32, m, k float32) { vec.CenterAffine(y, x, g, b, m, k) })
}

// LayerModulate is Layer without gain and bias, and then y*(1+scale) + shift, where each row of scale and shift
// [rows/group, c] serves group consecutive rows (Peebles and Xie 2022).
func LayerModulate(y, x, scale, shift []float32, rows, c, group int, eps float32) {
	const op = "norm.LayerModulate"
	if group <= 0 || rows%group != 0 {
		panic(fmt.Sprintf("%s: %d rows do not divide into groups of %d", op, rows, group))
	}
	check.Len(op, "scale", scale, rows/group*c)
	check.Len(op, "shift", shift, rows/group*c)
	layer(op, y, x, rows, c, eps, func(r int, y, x []float32, m, k float32) {
		at := r / group * c
		vec.CenterModulate(y, x, scale[at:at+c], shift[at:at+c], m, k)
	})
}

// layer calls write with each row, its mean m and k = 1/sqrt(var+eps).
func layer(op string, y, x []float32, rows, c int, eps float32, write func(r int, y, x []float32, m, k float32)) {
	check.Len(op, "y", y, rows*c)
	check.Len(op, "x", x, rows*c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := x[r*c : (r+1)*c]
			m := float32(float64(vec.Sum(row)) / float64(c))
			write(r, y[r*c:(r+1)*c], row, m, rsqrt(float64(vec.SqDev(row, m))/float64(c), eps))
		}
	})
}

// shortest is the least length that Length divides by.
const shortest = 1e-12

// Length scales every row of x [rows, c] to the Euclidean length sqrt(c): y = act(x / max(|x|, 1e-12) * sqrt(c) * g), with
// g [c] or nil for ones. y may be x.
func Length(y, x, g []float32, act gemm.Act, rows, c int) {
	check.Len("norm.Length", "y", y, rows*c)
	check.Len("norm.Length", "x", x, rows*c)
	check.LenOrNil("norm.Length", "g", g, c)
	g = gains(g, c)[:c]
	after := elem.ActRow(act)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			in, out := x[r*c:(r+1)*c], y[r*c:(r+1)*c]
			length := max(math.Sqrt(float64(vec.Dot(in, in))), shortest)
			vec.MulScaled(out, in, g, float32(math.Sqrt(float64(c))/length))
			if act != gemm.None {
				after(out, out)
			}
		}
	})
}
