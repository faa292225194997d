package conv

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// GradWeight adds to dw [O,KT,KH,KW,C] and dbias [O] the gradients that reach
// the weights and the bias from dy [N,T,H,W,O]; x and past are those of
// Forward. Either gradient may be nil. It panics when a slice is too short.
func GradWeight(p gemm.Precision, dw, dbias, dy, x, past []float32, s Shape) {
	const op = "conv.GradWeight"
	s.check(op)
	check.Len(op, "dy", dy, s.yLen())
	check.Len(op, "x", x, s.xLen())
	check.LenOrNil(op, "past", past, s.pastLen())
	check.LenOrNil(op, "dw", dw, s.wLen())
	check.LenOrNil(op, "dbias", dbias, s.O)
	if dbias != nil {
		sumRows(dbias, dy, s.rows(), s.O)
	}
	if dw == nil || s.rows() == 0 {
		return
	}
	if s.taps() == 1 {
		gemm.Mul(p, s.O, s.C, s.rows(), gemm.Matrix{Data: dy, Stride: s.O, Trans: true},
			gemm.Matrix{Data: x, Stride: s.C}, dw, s.C, gemm.Epilogue{Accumulate: true})
		return
	}
	f := s.forward(x, past)
	f.weightGrad(p, dw, dy, s.O)
}

const (
	// gradTile is the number of positions that one product of a weight gradient
	// covers: a block of the matrix kernels along their depth.
	gradTile = 384
	// gradFloats bounds the patches gathered for one such product.
	gradFloats = 256 << 10
	// gradRanges is the largest number of ranges into which the positions are
	// cut. Each range has its own sums, so more ranges cost memory and
	// additions.
	gradRanges = 4
)

// weightGrad adds dyᵀ·patches to dw [o,KT*KH*KW*C]. Ranges of positions run in
// parallel, the tiles within a range in sequence; then the ranges are added in
// order.
func (f *frames) weightGrad(p gemm.Precision, dw, dy []float32, o int) {
	rows, size := f.n*f.t*f.h*f.w, o*f.patch()
	tiles := (rows + gradTile - 1) / gradTile
	each := (tiles + gradRanges - 1) / gradRanges * gradTile
	ranges := (rows + each - 1) / each
	sums := borrow(ranges * size)
	defer giveBack(sums)
	clear(*sums)
	simd.For(rows, each, func(lo, hi int) {
		sum := (*sums)[lo/each*size:][:size]
		for ; lo < hi; lo += gradTile {
			f.tileGrad(p, sum, dy, o, lo, min(lo+gradTile, hi))
		}
	})
	const block = 1 << 14
	simd.For(size, block, func(lo, hi int) {
		addRows(dw[lo:hi], (*sums)[lo:], size, ranges)
	})
}

// tileGrad adds the products of the positions [lo,hi) to sum [o,KT*KH*KW*C],
// with as many image rows of the kernel at a time as gradFloats allows.
func (f *frames) tileGrad(p gemm.Precision, sum, dy []float32, o, lo, hi int) {
	part, k := f.kw*f.c, f.patch()
	lines := min(max(gradFloats/(gradTile*part), 1), f.kt*f.kh)
	col := borrow(gradTile * lines * part)
	defer giveBack(col)
	a := gemm.Matrix{Data: dy[lo*o:], Stride: o, Trans: true}
	for line := 0; line < f.kt*f.kh; line += lines {
		n := min(lines, f.kt*f.kh-line)
		f.gather(*col, lo, hi, line, line+n)
		gemm.Mul(p, o, n*part, hi-lo, a, gemm.Matrix{Data: *col, Stride: n * part},
			sum[line*part:], k, gemm.Epilogue{Accumulate: true})
	}
}

// sumBlock is the number of rows that sumRows adds up before it combines.
const sumBlock = 2048

// sumRows is dst [c] += the sum of the rows of x [rows,c]. Blocks of rows run
// in parallel; then the blocks are added in order.
func sumRows(dst, x []float32, rows, c int) {
	blocks := (rows + sumBlock - 1) / sumBlock
	part := borrow(blocks * c)
	defer giveBack(part)
	clear(*part)
	simd.For(rows, sumBlock, func(lo, hi int) {
		addRows((*part)[lo/sumBlock*c:][:c], x[lo*c:hi*c], c, hi-lo)
	})
	addRows(dst[:c], *part, c, blocks)
}

// addRowsGo adds to dst some rows of x, which are stride apart, in order.
func addRowsGo(dst, x []float32, stride, rows int) {
	for r := range rows {
		for i, v := range x[r*stride:][:len(dst)] {
			dst[i] += v
		}
	}
}
