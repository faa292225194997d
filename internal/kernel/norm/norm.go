// Package norm has the normalisations of rows: RMS norm and softmax, each with its gradient; layer norm and the norm to
// a fixed length, which are used without one.
//
// It works on plain row-major slices and keeps none of them. Sums over rows are taken over fixed blocks of rows,
// which do not depend on the number of threads, and are combined in order. Functions whose names end in Grad add to
// their results; a nil result is not computed. A slice that is too short panics.
package norm

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// grain is the number of elements in a block of rows.
const grain = 1 << 14

func rowGrain(c int) int { return max(1, grain/max(c, 1)) }

// gains returns g, or c ones when g is nil.
func gains(g []float32, c int) []float32 {
	if g != nil {
		return g
	}
	ones := make([]float32, c)
	for i := range ones {
		ones[i] = 1
	}
	return ones
}

// reduceRows calls f on blocks of rows with cleared partial sums of width elements, and adds the blocks' partial sums to
// dst in order, beginning with dst[0:]. It calls f even when dst is nil.
func reduceRows(dst [][]float32, rows, c int, f func(partial [][]float32, lo, hi int)) {
	step := max(rowGrain(c), (rows+127)/128)
	blocks := (rows + step - 1) / step
	wanted := false
	for _, d := range dst {
		wanted = wanted || d != nil
	}
	var sums []float32
	if wanted {
		sums = make([]float32, blocks*len(dst)*c)
	}
	simd.For(rows, step, func(lo, hi int) {
		partial := make([][]float32, len(dst))
		for i, d := range dst {
			if d != nil {
				at := (lo/step*len(dst) + i) * c
				partial[i] = sums[at : at+c]
			}
		}
		f(partial, lo, hi)
	})
	for i, d := range dst {
		if d == nil {
			continue
		}
		for b := range blocks {
			at := (b*len(dst) + i) * c
			vec.Add(d[:c], d[:c], sums[at:at+c])
		}
	}
}

// RMS normalises every row of x [rows, c] by its root mean square (Zhang and Sennrich 2019): y = x /
// sqrt(mean(x²)+eps) * g, with g [c] or nil for ones. rstd [rows], unless nil, receives the reciprocal roots. y may
// be x.
func RMS(y, rstd, x, g []float32, rows, c int, eps float32) {
	check.Len("norm.RMS", "y", y, rows*c)
	check.Len("norm.RMS", "x", x, rows*c)
	check.LenOrNil("norm.RMS", "rstd", rstd, rows)
	check.LenOrNil("norm.RMS", "g", g, c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := x[r*c : (r+1)*c]
			k := rsqrt(float64(vec.Dot(row, row))/float64(c), eps)
			if rstd != nil {
				rstd[r] = k
			}
			if g == nil {
				vec.Scale(y[r*c:(r+1)*c], row, k)
			} else {
				vec.MulScaled(y[r*c:(r+1)*c], row, g[:c], k)
			}
		}
	})
}

func rsqrt(meanSquare float64, eps float32) float32 {
	return float32(1 / math.Sqrt(meanSquare+float64(eps)))
}

// RMSGrad adds the gradients of RMS to dx [rows, c] and dg [c], from dy [rows, c], the input x and the rstd that
// RMS returned.
func RMSGrad(dx, dg, dy, x, g, rstd []float32, rows, c int) {
	check.LenOrNil("norm.RMSGrad", "dx", dx, rows*c)
	check.LenOrNil("norm.RMSGrad", "dg", dg, c)
	check.Len("norm.RMSGrad", "dy", dy, rows*c)
	check.Len("norm.RMSGrad", "x", x, rows*c)
	check.LenOrNil("norm.RMSGrad", "g", g, c)
	check.Len("norm.RMSGrad", "rstd", rstd, rows)
	g = gains(g, c)[:c]
	reduceRows([][]float32{dg}, rows, c, func(partial [][]float32, lo, hi int) {
		for r := lo; r < hi; r++ {
			dyr, xr, k := dy[r*c:(r+1)*c], x[r*c:(r+1)*c], rstd[r]
			if dx != nil {
				t := vec.Dot3(dyr, g, xr)
				vec.RMSBack(dx[r*c:(r+1)*c], dyr, g, xr, k, -k*k*k*t/float32(c))
			}
			if partial[0] != nil {
				vec.MulAddScaled(partial[0], dyr, xr, k)
			}
		}
	})
}

// Softmax computes y = e^x / Σ e^x over every row of x [rows, c]. A row that is all -Inf gives zeros. y may be x.
func Softmax(y, x []float32, rows, c int) {
	check.Len("norm.Softmax", "y", y, rows*c)
	check.Len("norm.Softmax", "x", x, rows*c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out := y[r*c : (r+1)*c]
			m := vec.Max(x[r*c : (r+1)*c])
			if math.IsInf(float64(m), -1) {
				clear(out)
				continue
			}
			s := vec.ExpSum(out, x[r*c:(r+1)*c], 1, m)
			vec.Scale(out, out, 1/s)
		}
	})
}

// SoftmaxGrad adds the gradient of Softmax to dx [rows, c], from dy and the result y.
func SoftmaxGrad(dx, dy, y []float32, rows, c int) {
	if dx == nil {
		return
	}
	check.Len("norm.SoftmaxGrad", "dx", dx, rows*c)
	check.Len("norm.SoftmaxGrad", "dy", dy, rows*c)
	check.Len("norm.SoftmaxGrad", "y", y, rows*c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, dyr, yr := dx[r*c:(r+1)*c], dy[r*c:(r+1)*c], y[r*c:(r+1)*c]
			t := vec.Dot(dyr, yr)
			vec.MulAdd(row, dyr, yr)
			vec.AddScaled(row, yr, -t)
		}
	})
}
