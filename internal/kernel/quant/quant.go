// Package quant turns rows and channels of float32 into int8 with one scale each, and back: symmetric, x ≈ scale*q with
// |q| <= 127, scale = max|x|/127, q rounded to nearest with ties to even.
//
// It works on plain row-major slices, keeps none of them and multiplies nothing: products of int8 are gemm's. Results are
// the same bytes for any number of threads. A slice that is too short panics.
package quant

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

const grain = 1 << 14

func rowGrain(c int) int { return max(1, grain/max(c, 1)) }

func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("quant.%s holds %d elements, %d are needed", what, have, want))
	}
}

// Row quantises x [n] to q [n] and returns the scale; an x of zeros, or one that is not finite, has scale 0 or a scale
// that is not finite, and zeros in q.
func Row(q []int8, x []float32) (scale float32) {
	need("Row: q", len(q), len(x))
	top := vec.MaxAbs(x)
	scale, inverse := scales(top)
	if inverse == 0 {
		clear(q[:len(x)])
		return scale
	}
	vec.ToInt8(q[:len(x)], x, inverse)
	return scale
}

// scales returns max|x|/127 and its inverse, which is 0 where there is nothing to multiply by: for zeros, for numbers so
// small that the inverse would overflow, and for what is not finite.
func scales(top float32) (scale, inverse float32) {
	inverse = 127 / top
	if !(top > 0) || math.IsInf(float64(top), 0) || math.IsInf(float64(inverse), 0) {
		inverse = 0
	}
	return top / 127, inverse
}

// Rows quantises every row of x [rows, c] to q [rows, c] with scale [rows], as Row does.
func Rows(q []int8, scale, x []float32, rows, c int) {
	need("Rows: q", len(q), rows*c)
	need("Rows: scale", len(scale), rows)
	need("Rows: x", len(x), rows*c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			scale[r] = Row(q[r*c:(r+1)*c], x[r*c:(r+1)*c])
		}
	})
}

// Columns quantises every column of x [rows, c] to q [rows, c] with scale [c].
func Columns(q []int8, scale, x []float32, rows, c int) {
	need("Columns: q", len(q), rows*c)
	need("Columns: scale", len(scale), c)
	need("Columns: x", len(x), rows*c)
	simd.For(c, 64, func(lo, hi int) {
		inverse := make([]float32, hi-lo)
		top := make([]float32, hi-lo)
		for r := range rows {
			for j, v := range x[r*c+lo : r*c+hi] {
				// A NaN is larger than anything, so that it reaches the scale.
				if a := float32(math.Abs(float64(v))); a > top[j] || a != a {
					top[j] = a
				}
			}
		}
		for j, t := range top {
			scale[lo+j], inverse[j] = scales(t)
		}
		for r := range rows {
			for j, v := range x[r*c+lo : r*c+hi] {
				q[r*c+lo+j] = 0
				if inverse[j] != 0 {
					q[r*c+lo+j] = vec.RoundInt8(v * inverse[j])
				}
			}
		}
	})
}

// DequantizeRows sets y = scale[r]*q for y, q [rows, c] and scale [rows].
func DequantizeRows(y []float32, q []int8, scale []float32, rows, c int) {
	need("DequantizeRows: y", len(y), rows*c)
	need("DequantizeRows: q", len(q), rows*c)
	need("DequantizeRows: scale", len(scale), rows)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			vec.FromInt8(y[r*c:(r+1)*c], q[r*c:(r+1)*c], scale[r])
		}
	})
}

// DequantizeColumns sets y = scale[j]*q for y, q [rows, c] and scale [c].
func DequantizeColumns(y []float32, q []int8, scale []float32, rows, c int) {
	need("DequantizeColumns: y", len(y), rows*c)
	need("DequantizeColumns: q", len(q), rows*c)
	need("DequantizeColumns: scale", len(scale), c)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := y[r*c : (r+1)*c]
			vec.FromInt8(row, q[r*c:(r+1)*c], 1)
			vec.Mul(row, row, scale[:c])
		}
	})
}
