package gemm

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// uniform is how a whole matrix is quantised to bytes q of 0 to 255:
// x = scale·(q-zero). It is what ONNX calls DynamicQuantizeLinear.
type uniform struct {
	scale, zero float32
	offset      []int32 // zero·Σq of each column of B, which sums with q have too much
}

// uniformOf returns what quantises a [m,k]: 0 and all its values are among those of
// bytes, and 0 is one of them.
func uniformOf(m, k int, a Matrix) uniform {
	const rows = 32
	lows, highs := make([]float32, ceilDiv(m, rows)), make([]float32, ceilDiv(m, rows))
	simd.For(m, rows, func(lo, hi int) {
		turned := getCells(k)
		defer putCells(turned)
		pr := product{a: a}
		for i := lo; i < hi; i++ {
			x := pr.row(i, k)
			vec.Scale(turned.cells, x, -1)
			highs[lo/rows] = max(highs[lo/rows], vec.Max(x))
			lows[lo/rows] = min(lows[lo/rows], -vec.Max(turned.cells))
		}
	})
	var low, high float32
	for i := range lows {
		low, high = min(low, lows[i]), max(high, highs[i])
	}
	u := uniform{scale: (high - low) / 255}
	if u.scale < minPeak {
		return uniform{scale: 1}
	}
	u.zero = float32(math.RoundToEven(float64(min(max(-low/u.scale, 0), 255))))
	return u
}

// move writes the numbers that become q-128 where they are rounded.
func (u *uniform) move(dst, x []float32) {
	vec.Center(dst, x, (128-u.zero)*u.scale, 1/u.scale)
}

// quantize writes row x of A as int8 and returns its scale.
func (pr *product) quantize(q []int8, x []float32) (scale float32) {
	u := pr.whole
	if u == nil {
		return quantizeGo(q, x)
	}
	moved := getCells(len(x))
	defer putCells(moved)
	u.move(moved.cells, x)
	for i, v := range moved.cells {
		q[i] = int8(min(max(math.RoundToEven(float64(v)), -128), 127))
	}
	return u.scale
}

// MulUint8 computes C = act(A·B + Bias) + Residual with a [m,k] quantised as a
// whole to bytes of 0 to 255, in steps of (max-min)/255, and exact sums; max is at
// least 0 and min at most 0, so that 0 stays 0. It is what ONNX's
// DynamicQuantizeLinear and MatMulInteger compute. The values of a must be finite; c
// must not overlap a.
func MulUint8(m int, a Matrix, b *PackedInt8, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, c: c, ldc: ldc, ep: ep}
	pr.check(b.n, b.k)
	if ep.Accumulate {
		panic("gemm: MulUint8 does not accumulate")
	}
	if m == 0 || b.n == 0 {
		return
	}
	u := uniformOf(m, b.k, a)
	pr.whole = &u
	u.offset = make([]int32, roundUp(b.n, 32))
	for j, sum := range b.sum {
		u.offset[j] = int32(u.zero) * sum
	}
	b.multiply(&pr)
}

// offsets are what is taken away from the sums of bytes with 128 added.
func (b *PackedInt8) offsets(pr *product) []int32 {
	if pr.whole != nil {
		return pr.whole.offset
	}
	return b.offset
}

// RefUint8 is the specification of MulUint8: w [n,k] of StoredI8 has a scale a row.
func RefUint8(m, n, k int, a Matrix, w Stored, c []float32, ldc int, ep Epilogue) {
	var low, high float64
	for i := range m {
		for l := range k {
			low, high = min(low, float64(a.at(i, l)[0])), max(high, float64(a.at(i, l)[0]))
		}
	}
	step := (high - low) / 255
	if step == 0 {
		step = 1
	}
	zero := math.RoundToEven(-low / step)
	for i := range m {
		for j := range n {
			sum := 0.0
			for l := range k {
				q := min(max(math.RoundToEven(float64(a.at(i, l)[0])/step)+zero, 0), 255)
				sum += (q - zero) * float64(int8(w.Bytes[j*k+l]))
			}
			refFinish(&c[i*ldc+j], sum*step*float64(w.Scale[j]), i*ldc+j, j, ep)
		}
	}
}
