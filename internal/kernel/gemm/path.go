package gemm

import (
	"github.com/kinora-video/kinora/internal/simd"
)

// path is one set of kernels: how operands are packed and a tile is computed.
//
// A packed value is held in a cell of 32 bits: one f32, or a pair of bf16 that
// follow each other along k (the lower half is the earlier one).
//
// A block of A is cut into panels of mr rows and a block of B into panels of nr
// columns; a tile is the product of two panels. A panel of B is
// [steps][nr] cells; where a panel of A holds its cells is said by a layout.
type path struct {
	name   string
	mr, nr int
	// perCell is how many values along k a cell holds: 1, or 2 for bf16 pairs.
	perCell int
	// maxDepth bounds a block along k, in cells.
	maxDepth int
	// block is the rows of a block of A, a multiple of mr. Tasks take whole
	// blocks in products of whole rows and more, or tall ones, else a half or a
	// quarter.
	block, whole int
	// tall is the rows of a task of a product of many rows whose blocks of A are
	// packed by their tasks: so many that a panel of B, which comes from memory,
	// is used often, and so few that they fit in L2. 0 for whole blocks.
	tall int
	// align is what the cells along k of a block are a multiple of, filled with
	// zeros; 0 for 1.
	align int
	// packA packs rows×depth of a from its row i0 and column k0. Rows up to the
	// next multiple of mr and an odd last depth are filled with zeros.
	packA func(dst []float32, a Matrix, i0, rows, k0, depth int)
	// load writes values that lie side by side into cells in their order; nil
	// where column reads A in one order only, so that it has to be packed.
	load func(dst, src []float32)
	// layout says where packA puts the cells of a block of so many steps.
	layout func(trans bool, steps int) layout
	// packB packs depth×cols of b from its row k0 and column j0, panel after
	// panel. Columns up to the next multiple of nr and an odd last depth are
	// filled with zeros.
	packB func(dst []float32, b Matrix, k0, depth, j0, cols int)
	// column computes rows×cols of C from a block of A and a panel of B, cols at
	// most nr; with add the product is added to what C holds.
	column func(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool)
	// finish applies an epilogue: c = act(x + bias) + residual over rows×cols.
	// x may be c; bias, slope and residual may be nil; residual has c's stride.
	finish func(c []float32, ldc int, x []float32, ldx int, bias, slope []float32, act Act, residual []float32, rows, cols int)
}

// layout says where a block of A holds the cell (row, step): panel p = row/mr
// starts at p*panel, and the cell is at (row%mr)*row + step*step in it.
type layout struct{ panel, row, step int }

// steps returns the cells along k that hold a block's depth.
func (p *path) steps(depth int) int { return roundUp(ceilDiv(depth, p.perCell), max(1, p.align)) }

var goF32 = path{
	name: "go-f32", mr: 4, nr: 4, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows,
	packA: func(dst []float32, a Matrix, i0, rows, k0, depth int) {
		packAGo(dst, a, i0, rows, k0, depth, 4, false)
	},
	layout: layoutGo,
	packB: func(dst []float32, b Matrix, k0, depth, j0, cols int) {
		packBGo(dst, b, k0, depth, j0, cols, 4, false)
	},
	column: columnGo,
	finish: finishGo,
}

var goBF16 = path{
	name: "go-bf16", mr: 4, nr: 4, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows,
	packA: func(dst []float32, a Matrix, i0, rows, k0, depth int) {
		packAGo(dst, a, i0, rows, k0, depth, 4, true)
	},
	layout: layoutGo,
	packB: func(dst []float32, b Matrix, k0, depth, j0, cols int) {
		packBGo(dst, b, k0, depth, j0, cols, 4, true)
	},
	column: columnGo,
	finish: finishGo,
}

// pathFor chooses the kernels for a precision at the current vector level.
func pathFor(p Precision) *path {
	all := pathsAt(p, simd.Current())
	return all[len(all)-1]
}

func layoutGo(_ bool, steps int) layout { return layout{panel: 4 * steps, row: 1, step: 4} }

// packAGo packs a block of A as [panel][depth][mr], rounding to bf16 where
// round says so.
func packAGo(dst []float32, a Matrix, i0, rows, k0, depth, mr int, round bool) {
	panel := depth * mr
	for i := 0; i < rows; i += mr {
		packLines(dst[i/mr*panel:][:panel], a, i0+i, min(mr, rows-i), k0, depth, mr, round)
	}
}

// packBGo packs panels of B as [panel][depth][nr]: the same as A, with the view
// turned.
func packBGo(dst []float32, b Matrix, k0, depth, j0, cols, nr int, round bool) {
	b.Trans = !b.Trans
	packAGo(dst, b, j0, cols, k0, depth, nr, round)
}

// packLines writes dst[k][i] = x(i0+i, k0+k) for i < lines, and zeros up to
// width.
func packLines(dst []float32, x Matrix, i0, lines, k0, depth, width int, round bool) {
	if lines < width {
		clear(dst)
	}
	if depth == 0 {
		return
	}
	if x.Trans {
		for k := range depth {
			copy(dst[k*width:], x.at(i0, k0+k)[:lines])
		}
	} else {
		for i := range lines {
			for k, v := range x.at(i0+i, k0)[:depth] {
				dst[k*width+i] = v
			}
		}
	}
	if round {
		for i, v := range dst {
			dst[i] = RoundBF16(v)
		}
	}
}

// columnGo is column in plain Go, with tiles of 4×4.
func columnGo(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool) {
	for i := 0; i < rows; i += 4 {
		t := tileGo(a[i/4*l.panel:][:4*steps], b[:4*steps])
		for r := range min(4, rows-i) {
			out := c[(i+r)*ldc:][:cols]
			for j := range out {
				if add {
					out[j] += t[r*4+j]
				} else {
					out[j] = t[r*4+j]
				}
			}
		}
	}
}

// tileGo sums a[k][r]*b[k][j] over k into t[r][j].
func tileGo(a, b []float32) (t [16]float32) {
	// Two halves of 2×4: all sixteen sums at once would not stay in registers.
	for h := 0; h < 4; h += 2 {
		var s00, s01, s02, s03, s10, s11, s12, s13 float32
		x, y := a, b
		for len(x) >= 4 && len(y) >= 4 {
			p, q := x[h], x[h+1]
			b0, b1, b2, b3 := y[0], y[1], y[2], y[3]
			s00 += p * b0
			s01 += p * b1
			s02 += p * b2
			s03 += p * b3
			s10 += q * b0
			s11 += q * b1
			s12 += q * b2
			s13 += q * b3
			x, y = x[4:], y[4:]
		}
		copy(t[h*4:], []float32{s00, s01, s02, s03, s10, s11, s12, s13})
	}
	return t
}

// finishGo is finish in plain Go.
func finishGo(c []float32, ldc int, x []float32, ldx int, bias, slope []float32, act Act, residual []float32, rows, cols int) {
	for i := range rows {
		out, in := c[i*ldc:][:cols], x[i*ldx:][:cols]
		for j, v := range in {
			if bias != nil {
				v += bias[j]
			}
			if slope != nil {
				v = max(v, 0) + slope[j]*min(v, 0)
			}
			if act != None {
				v = float32(refAct(act, float64(v)))
			}
			if residual != nil {
				v += residual[i*ldc+j]
			}
			out[j] = v
		}
	}
}
