// Package norm holds the normalisations: RMS, layer and group norm and softmax over rows, each with its gradient.
//
// It works on plain row-major slices and keeps none of them. Sums over rows are taken over blocks of rows that do not
// depend on the number of threads and are combined in order. Functions whose names end in Grad add to their results; a
// nil result means that nobody wants it. A slice that is too short panics.
package norm

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// grain is the number of elements in a block of rows.
const grain = 1 << 14

func rowGrain(c int) int { return max(1, grain/max(c, 1)) }

func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("norm.%s holds %d elements, %d are needed", what, have, want))
	}
}

// needIf is need for a slice that may be nil.
func needIf(what string, x []float32, want int) {
	if x != nil {
		need(what, len(x), want)
	}
}

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

// RMS normalises every row of x [rows, c] by its root mean square (Zhang and Sennrich 2019): y = x / sqrt(mean(x²)+eps)
// * g, with g [c] or nil for ones. The reciprocal roots go to rstd [rows] unless it is nil. y may be x.
func RMS(y, rstd, x, g []float32, rows, c int, eps float32) {
	need("RMS: y", len(y), rows*c)
	need("RMS: x", len(x), rows*c)
	needIf("RMS: rstd", rstd, rows)
	needIf("RMS: g", g, c)
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

// RMSGrad adds the gradients of RMS to dx [rows, c] and dg [c], from dy [rows, c], the input x and the rstd that RMS kept.
func RMSGrad(dx, dg, dy, x, g, rstd []float32, rows, c int) {
	needIf("RMSGrad: dx", dx, rows*c)
	needIf("RMSGrad: dg", dg, c)
	need("RMSGrad: dy", len(dy), rows*c)
	need("RMSGrad: x", len(x), rows*c)
	needIf("RMSGrad: g", g, c)
	need("RMSGrad: rstd", len(rstd), rows)
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

// Layer normalises every row of x [rows, c] to mean 0 and variance 1 (Ba et al. 2016), then applies the gain g [c] and
// the bias b [c], each nil for none. Means and reciprocal deviations go to mean and rstd [rows] unless nil. y may be x.
func Layer(y, mean, rstd, x, g, b []float32, rows, c int, eps float32) {
	need("Layer: y", len(y), rows*c)
	need("Layer: x", len(x), rows*c)
	needIf("Layer: mean", mean, rows)
	needIf("Layer: rstd", rstd, rows)
	needIf("Layer: g", g, c)
	needIf("Layer: b", b, c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out := y[r*c : (r+1)*c]
			mu := vec.Sum(x[r*c:(r+1)*c]) / float32(c)
			vec.ScaleShift(out, x[r*c:(r+1)*c], 1, -mu)
			k := rsqrt(float64(vec.Dot(out, out))/float64(c), eps)
			if mean != nil {
				mean[r] = mu
			}
			if rstd != nil {
				rstd[r] = k
			}
			if g != nil {
				vec.MulScaled(out, out, g[:c], k)
			} else {
				vec.Scale(out, out, k)
			}
			if b != nil {
				vec.Add(out, out, b[:c])
			}
		}
	})
}

// LayerGrad adds the gradients of Layer to dx [rows, c], dg and db [c].
func LayerGrad(dx, dg, db, dy, x, g, mean, rstd []float32, rows, c int) {
	needIf("LayerGrad: dx", dx, rows*c)
	needIf("LayerGrad: dg", dg, c)
	needIf("LayerGrad: db", db, c)
	need("LayerGrad: dy", len(dy), rows*c)
	need("LayerGrad: x", len(x), rows*c)
	needIf("LayerGrad: g", g, c)
	need("LayerGrad: mean", len(mean), rows)
	need("LayerGrad: rstd", len(rstd), rows)
	g = gains(g, c)[:c]
	inv := 1 / float32(c)
	reduceRows([][]float32{dg, db}, rows, c, func(partial [][]float32, lo, hi int) {
		hat := make([]float32, c)
		for r := lo; r < hi; r++ {
			dyr, k := dy[r*c:(r+1)*c], rstd[r]
			vec.ScaleShift(hat, x[r*c:(r+1)*c], k, -k*mean[r])
			if dx != nil {
				// dx = k*(dy*g - mean(dy*g) - hat*mean(dy*g*hat))
				s, t := vec.Dot(dyr, g), vec.Dot3(dyr, g, hat)
				row := dx[r*c : (r+1)*c]
				vec.RMSBack(row, dyr, g, hat, k, -k*t*inv)
				vec.ScaleShift(row, row, 1, -k*s*inv)
			}
			if partial[0] != nil {
				vec.MulAdd(partial[0], dyr, hat)
			}
			if partial[1] != nil {
				vec.Add(partial[1], partial[1], dyr)
			}
		}
	})
}

// Softmax computes y = e^x / Σ e^x over every row of x [rows, c]. A row of -Inf alone gives zeros. y may be x.
func Softmax(y, x []float32, rows, c int) {
	need("Softmax: y", len(y), rows*c)
	need("Softmax: x", len(x), rows*c)
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
	need("SoftmaxGrad: dx", len(dx), rows*c)
	need("SoftmaxGrad: dy", len(dy), rows*c)
	need("SoftmaxGrad: y", len(y), rows*c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, dyr, yr := dx[r*c:(r+1)*c], dy[r*c:(r+1)*c], y[r*c:(r+1)*c]
			t := vec.Dot(dyr, yr)
			vec.MulAdd(row, dyr, yr)
			vec.AddScaled(row, yr, -t)
		}
	})
}
