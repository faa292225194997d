package norm

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// shortest is the length that a shorter row is divided by instead of its own.
const shortest = 1e-12

// operandBlock is how many values are worked on at a time, so that they stay in
// the first-level cache between the steps.
const operandBlock = 4096

// Operand makes rows of x [rows, c] ready to be multiplied: y = x/‖x‖·√c·g, row by
// row (Zhang and Sennrich 2019, without an epsilon but for rows shorter than
// 1e-12), or y = x where g, which is [c], is nil; and, unless act is nil, y =
// act(y). The result goes to y in f32, or to half rounded to bf16 (ties to
// even): the other one is nil.
func Operand(y []float32, half []uint16, x, g []float32, act func(dst, x []float32), rows, c int) {
	const op = "norm.Operand"
	check.Len(op, "x", x, rows*c)
	check.LenOrNil(op, "g", g, c)
	if half == nil {
		check.Len(op, "y", y, rows*c)
	} else {
		check.Len(op, "half", half, rows*c)
	}
	step := max(1, operandBlock/max(c, 1))
	simd.For(rows, max(step, rowGrain(c)/step*step), func(lo, hi int) {
		var block []float32
		if half != nil {
			block = make([]float32, min(step, hi-lo)*c)
		}
		for r := lo; r < hi; r += step {
			to := min(r+step, hi)
			out := block
			if half == nil {
				out = y[r*c : to*c]
			}
			out = out[:(to-r)*c]
			operand(out, x[r*c:to*c], g, act, c)
			if half != nil {
				vec.ToBF16(half[r*c:to*c], out)
			}
		}
	})
}

func operand(y, x, g []float32, act func(dst, x []float32), c int) {
	if g != nil {
		root := math.Sqrt(float64(c))
		for at := 0; at < len(x); at += c {
			row := x[at : at+c]
			length := math.Sqrt(float64(vec.Dot(row, row)))
			vec.MulScaled(y[at:at+c], row, g[:c], float32(root/max(length, shortest)))
		}
		x = y
	}
	switch {
	case act != nil:
		act(y, x)
	case g == nil:
		copy(y, x)
	}
}
