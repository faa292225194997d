package gemm

import "unsafe"

// The AVX2 paths: tiles of 6×16 in f32. For bf16 the operands are rounded to
// what a bf16 holds while they are packed and multiplied as f32.

var avx2F32 = path{
	name: "avx2-f32", mr: 6, nr: 16, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows,
	packA: packA256F32, layout: layout256, packB: packB256F32, column: column256, finish: finish256,
	load: func(dst, src []float32) { copy(dst, src) },
}

var avx2BF16 = path{
	name: "avx2-bf16", mr: 6, nr: 16, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows,
	packA: packA256BF16, layout: layout256, packB: packB256BF16, column: column256, finish: finish256,
	load: loadRounded,
}

// tile6x16F32 is a tile of 6×16 with whole columns; mask is not heeded.
//
//go:noescape
func tile6x16F32(tile *tile)

// roundBF16AVX2 rounds vectors of 8 cells in place, as RoundBF16 does.
//
//go:noescape
func roundBF16AVX2(cells *float32, vectors int)

// dots are the sums of products of a row a with groups of four columns of b,
// each of stride bytes, a multiple of 16.
type dots struct {
	sums, a, b     unsafe.Pointer
	stride, groups int // at least 1
}

//go:noescape
func dotsAVX2(dots *dots)

//go:noescape
func finish256None(finish *finish)

//go:noescape
func finish256ReLU(finish *finish)

//go:noescape
func finish256SiLU(finish *finish)

//go:noescape
func finish256GELU(finish *finish)

//go:noescape
func finish256PReLU(finish *finish)

// layout256 keeps a block of A row by row, or step by step where A is
// transposed.
func layout256(trans bool, steps int) layout {
	if trans {
		return layout{panel: 6 * steps, row: 1, step: 6}
	}
	row := rowStride(steps)
	return layout{panel: 6 * row, row: row, step: 1}
}

func packA256F32(dst []float32, a Matrix, i0, n, k0, depth int) {
	packA256(dst, a, i0, n, k0, depth, false)
}

func packA256BF16(dst []float32, a Matrix, i0, n, k0, depth int) {
	packA256(dst, a, i0, n, k0, depth, true)
}

func packA256(dst []float32, a Matrix, i0, n, k0, depth int, round bool) {
	l := layout256(a.Trans, depth)
	size := roundUp(n, 6) / 6 * l.panel
	if a.Trans {
		packAGo(dst, a, i0, n, k0, depth, 6, false)
	} else {
		for i := range n {
			row := dst[i*l.row:][:l.row]
			clear(row[copy(row[:depth], a.at(i0+i, k0)):])
		}
		clear(dst[n*l.row : size])
	}
	if round {
		roundCells(dst[:size])
	}
}

func packB256F32(dst []float32, b Matrix, k0, depth, j0, cols int) {
	packBGo(dst, b, k0, depth, j0, cols, 16, false)
}

func packB256BF16(dst []float32, b Matrix, k0, depth, j0, cols int) {
	packBGo(dst, b, k0, depth, j0, cols, 16, false)
	roundCells(dst)
}

// loadRounded copies values, rounded to what a bf16 holds.
func loadRounded(dst, src []float32) { roundCells(dst[:copy(dst, src)]) }

// roundCells rounds cells to what a bf16 holds.
func roundCells(x []float32) {
	if v := len(x) / 8; v > 0 {
		roundBF16AVX2(&x[0], v)
	}
	for i := len(x) &^ 7; i < len(x); i++ {
		x[i] = RoundBF16(x[i])
	}
}

func column256(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool) {
	var edge [6 * 16]float32
	t := tile{a: at(a, 0), b: at(b, 0), row: 4 * l.row, step: 4 * l.step, steps: steps, ldc: 4 * ldc}
	for i := 0; i < rows; i += 6 {
		t.rows = min(rows-i, 6)
		if cols == 16 {
			t.c, t.flags = at(c, i*ldc), uint64(b2i(add))
			tile6x16F32(&t)
		} else {
			t.c, t.ldc, t.flags = at(edge[:], 0), 64, 0
			tile6x16F32(&t)
			copyTile(c[i*ldc:], ldc, edge[:], 16, t.rows, cols, add)
		}
		t.a = unsafe.Add(t.a, 4*l.panel)
	}
}

// copyTile brings rows×cols of a tile of width columns to c.
func copyTile(c []float32, ldc int, tile []float32, width, rows, cols int, add bool) {
	for r := range rows {
		out := c[r*ldc:][:cols]
		if !add {
			copy(out, tile[width*r:])
			continue
		}
		for j := range out {
			out[j] += tile[width*r+j]
		}
	}
}

func finish256(c []float32, ldc int, x []float32, ldx int, bias, slope []float32, act Act, residual []float32, rows, cols int) {
	f := newFinish(c, ldc, x, ldx, bias, slope, residual, rows, cols)
	switch {
	case slope != nil:
		finish256PReLU(&f)
	case act == ReLU:
		finish256ReLU(&f)
	case act == SiLU:
		finish256SiLU(&f)
	case act == GELU:
		finish256GELU(&f)
	default:
		finish256None(&f)
	}
}

// dots256 is dotsGo; sums and the columns of b are padded to fours.
func dots256(sums []int32, a []int8, b *PackedInt8) {
	if len(a) == 0 {
		clear(sums)
		return
	}
	dotsAVX2(&dots{
		sums: unsafe.Pointer(&sums[0]), a: unsafe.Pointer(&a[0]), b: unsafe.Pointer(&b.q[0]),
		stride: b.line, groups: ceilDiv(len(sums), 4),
	})
}
