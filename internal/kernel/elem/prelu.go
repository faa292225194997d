package elem

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/simd"
)

// PReLU by itself, as training needs it: in use it is what a product ends in
// (gemm.Epilogue).

// PReLU computes y = x where x > 0 and slope·x elsewhere, for x, y [rows, c] and slope [c] (He et al. 2015).
// y may be x.
func PReLU(y, x, slope []float32, rows, c int) {
	check.Len("elem.PReLU", "y", y, rows*c)
	check.Len("elem.PReLU", "x", x, rows*c)
	check.Len("elem.PReLU", "slope", slope, c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out, in := y[r*c:][:c], x[r*c:][:c]
			for j, s := range slope[:c] {
				out[j] = max(in[j], 0) + s*min(in[j], 0)
			}
		}
	})
}

// preluBlock rows are summed by themselves, so that the slopes' gradient does
// not depend on the number of threads.
const preluBlock = 1024

// GradPReLU adds the gradients of PReLU to dx [rows, c] and dslope [c]; either may be nil.
func GradPReLU(dx, dslope, dy, x, slope []float32, rows, c int) {
	check.Len("elem.GradPReLU", "dy", dy, rows*c)
	check.Len("elem.GradPReLU", "x", x, rows*c)
	check.Len("elem.GradPReLU", "slope", slope, c)
	if dx != nil {
		check.Len("elem.GradPReLU", "dx", dx, rows*c)
		simd.For(rows, rowGrain(c), func(lo, hi int) {
			for r := lo; r < hi; r++ {
				d, g, in := dx[r*c:][:c], dy[r*c:][:c], x[r*c:][:c]
				for j, s := range slope[:c] {
					if in[j] > 0 {
						s = 1
					}
					d[j] += s * g[j]
				}
			}
		})
	}
	if dslope == nil {
		return
	}
	check.Len("elem.GradPReLU", "dslope", dslope, c)
	parts := make([]float32, (rows+preluBlock-1)/preluBlock*c)
	simd.For(rows, preluBlock, func(lo, hi int) {
		sum := parts[lo/preluBlock*c:][:c]
		for r := lo; r < hi; r++ {
			g, in := dy[r*c:][:c], x[r*c:][:c]
			for j := range sum {
				sum[j] += g[j] * min(in[j], 0)
			}
		}
	})
	for i, v := range parts {
		dslope[i%c] += v
	}
}
