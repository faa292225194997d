package gemm

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"

	"github.com/kinora-video/kinora/internal/simd"
)

const (
	// maxInt8K keeps a sum of k products of ±127·±128 inside an int32, and one of
	// 255·±128.
	maxInt8K = math.MaxInt32 / (255 * 128)
	// minPeak is the magnitude below which a row or column counts as zeros: for
	// a smaller one, 127 divided by it would overflow an f32.
	minPeak = 1e-36
)

// Int8Rows quantises b [k,n], whose values must be finite, to rows [n,k] of
// StoredI8 with one scale each: row j is scale[j]·q with |q| <= 127 and
// scale[j] = max|b[:,j]|/127, rounded to nearest, ties to even.
func Int8Rows(k, n int, b Matrix) Stored {
	b.check("b", k, n)
	w := Stored{Format: StoredI8, Bytes: make([]byte, n*k), Scale: make([]float32, n)}
	simd.For(n, 16, func(lo, hi int) {
		col, q := make([]float32, k), make([]int8, k)
		for j := lo; j < hi; j++ {
			for l := range col {
				col[l] = b.at(l, j)[0]
			}
			w.Scale[j] = quantizeGo(q, col)
			copy(w.Bytes[j*k:], asBytes(q))
		}
	})
	return w
}

// PackedInt8 is a matrix of weights in int8 with one scale for each row [n,k] of
// StoredI8, laid out for MulInt8. It belongs to the vector level at which it was
// packed and may be used by any number of goroutines.
type PackedInt8 struct {
	n, k  int
	scale []float32 // [n]
	sum   []int32   // [n], Σq
	// q is [n][line], for the paths that use dot products: zeros beyond k, and
	// n rounded up to a multiple of four.
	q    []int8
	line int
	// cells is B in the layout of a plan, for VNNI; offset [n] is 128·Σq.
	plan   plan
	cells  []float32
	offset []int32
}

// FitsInt8 reports whether PackInt8 takes w [n,k]: int8 with one scale a row, and
// rows so short that sums do not overflow an int32 (k up to 65,793).
func FitsInt8(n, k int, w Stored) bool {
	return w.Format == StoredI8 && len(w.Scale) == n && k <= maxInt8K
}

// PackInt8 lays out wᵀ for MulInt8, where w is [n,k] and FitsInt8. If a mapped file
// has shrunk, the memory fault is a panic and not a crash.
func PackInt8(k, n int, from Stored) *PackedInt8 {
	from.Check(n, k)
	if !FitsInt8(n, k, from) {
		panic(fmt.Sprintf("gemm: format %d with %d scales, %d×%d, is multiplied by rows in int8: %d numbers a row at most", from.Format, len(from.Scale), n, k, maxInt8K))
	}
	w := &PackedInt8{n: n, k: k, line: roundUp(k, 64), scale: slices.Clone(from.Scale), sum: make([]int32, n)}
	w.q = make([]int8, roundUp(n, 4)*w.line)
	simd.For(n, 16, func(lo, hi int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		for j := lo; j < hi; j++ {
			line := w.q[j*w.line:][:k]
			copy(asBytes(line), from.Bytes[j*k:])
			for _, v := range line {
				w.sum[j] += int32(v)
			}
		}
	})
	w.arrange()
	return w
}

// Bytes returns the memory used by a packed matrix.
func (b *PackedInt8) Bytes() int {
	return len(b.q) + 4*len(b.cells) + 4*len(b.scale) + 4*len(b.sum) + 4*len(b.offset)
}

// MulInt8 computes C = act(A·B + Bias) + Residual with each row of a [m,k]
// quantised to int8 by its own scale, as Int8Rows does and
// exact int32 sums: an element is float32(Σ qa·qb)·scaleA·scaleB before the
// epilogue. The values of a must be finite; c must not overlap a.
func MulInt8(m int, a Matrix, b *PackedInt8, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, c: c, ldc: ldc, ep: ep}
	pr.check(b.n, b.k)
	if m == 0 || b.n == 0 {
		return
	}
	b.multiply(&pr)
}

// multiplyDots computes a product from dot products of rows of A and columns of
// B, both as plain int8; dots computes those of one row.
func (b *PackedInt8) multiplyDots(pr *product, dots func(sums []int32, a []int8, b *PackedInt8)) {
	path := pathFor(F32)
	simd.For(pr.m, 4, func(lo, hi int) {
		q, sums, line := make([]int8, b.line), make([]int32, b.n, roundUp(b.n, 4)), getCells(b.n)
		defer putCells(line)
		for i := lo; i < hi; i++ {
			scale := pr.quantize(q[:b.k], pr.row(i, b.k))
			dots(sums, q, b)
			if u := pr.whole; u != nil {
				for j := range sums {
					sums[j] += 128*b.sum[j] - u.offset[j]
				}
			}
			out := line.cells
			for j, s := range sums {
				out[j] = float32(s) * scale * b.scale[j]
			}
			pr.deliver(path, out, i, 0, b.n)
		}
	})
}

// row returns row i of A, copied if its values are not contiguous along k.
func (pr *product) row(i, k int) []float32 {
	if !pr.a.Trans || k == 0 {
		return pr.a.at(i, 0)[:k]
	}
	x := make([]float32, k)
	for l := range x {
		x[l] = pr.a.at(i, l)[0]
	}
	return x
}

// deliver writes finished sums x of row i, from column n0 on, to C.
func (pr *product) deliver(p *path, x []float32, i, n0, cols int) {
	c := pr.c[i*pr.ldc+n0:]
	switch {
	case pr.ep.Accumulate:
		for j, v := range x[:cols] {
			c[j] += v
		}
	case pr.ep.empty():
		copy(c, x[:cols])
	default:
		pr.finish(p, x, cols, i, n0, 1, cols)
	}
}

// dotsGo is Σ a·b for each column, in plain Go.
func dotsGo(sums []int32, a []int8, b *PackedInt8) {
	for j := range sums {
		var s int32
		qb := b.q[j*b.line:][:len(a)]
		for l, v := range a {
			s += int32(v) * int32(qb[l])
		}
		sums[j] = s
	}
}

// quantizeGo writes q = round(x·(127/max|x|)), ties to even, and returns
// scale = max|x|/127; zeros and 0 where all values are tiny.
func quantizeGo(q []int8, x []float32) (scale float32) {
	var top float32
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v))))
	}
	if top < minPeak {
		clear(q)
		return 0
	}
	inv := 127 / top
	for i, v := range x {
		q[i] = int8(min(max(math.RoundToEven(float64(v*inv)), -127), 127))
	}
	return top / 127
}

// RefInt8 is the specification of Int8Rows, PackInt8 and MulInt8 together.
func RefInt8(m, n, k int, a, b Matrix, c []float32, ldc int, ep Epilogue) {
	quantize := func(count int, at func(i, l int) float32) (q []int8, scales []float32) {
		x, q, scales := make([]float32, k), make([]int8, count*k), make([]float32, count)
		for i := range count {
			for l := range x {
				x[l] = at(i, l)
			}
			scales[i] = quantizeGo(q[i*k:][:k], x)
		}
		return q, scales
	}
	qa, sa := quantize(m, func(i, l int) float32 { return a.at(i, l)[0] })
	qb, sb := quantize(n, func(j, l int) float32 { return b.at(l, j)[0] })
	for i := range m {
		for j := range n {
			var sum int32
			for l, v := range qa[i*k:][:k] {
				sum += int32(v) * int32(qb[j*k+l])
			}
			refFinish(&c[i*ldc+j], float64(float32(sum)*sa[i]*sb[j]), i*ldc+j, j, ep)
		}
	}
}
