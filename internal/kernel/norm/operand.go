package norm

import (
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// operandBlock is how many values are worked on at a time, so that they stay in
// the first-level cache between the steps.
const operandBlock = 4096

// blocks lends memory for a block to workers.
var blocks sync.Pool

// LengthBF16 is Length with the result rounded to bf16 (ties to even), as
// products take it: y = act(x / max(|x|, 1e-12) * sqrt(c) * g) for every row of
// x [rows, c], or y = act(x) where g is nil.
func LengthBF16(y []uint16, x, g []float32, act gemm.Act, rows, c int) {
	const op = "norm.LengthBF16"
	check.Len(op, "y", y, rows*c)
	check.Len(op, "x", x, rows*c)
	check.LenOrNil(op, "g", g, c)
	after, step := elem.ActRow(act), max(1, operandBlock/max(c, 1))
	simd.For(rows, step*4, func(lo, hi int) {
		buf, _ := blocks.Get().(*[]float32)
		if buf == nil || len(*buf) < step*c {
			buf = new([]float32)
			*buf = make([]float32, max(step*c, operandBlock))
		}
		defer blocks.Put(buf)
		block := *buf
		for r := lo; r < hi; r += step {
			in := x[r*c : min(r+step, hi)*c]
			out := in
			if g != nil {
				out = block[:len(in)]
				for at := 0; at < len(in); at += c {
					row := in[at : at+c]
					length := max(math.Sqrt(float64(vec.Dot(row, row))), shortest)
					vec.MulScaled(out[at:at+c], row, g[:c], float32(math.Sqrt(float64(c))/length))
				}
			}
			if act != gemm.None {
				after(block[:len(in)], out)
				out = block[:len(in)]
			}
			vec.ToBF16(y[r*c:][:len(in)], out)
		}
	})
}
