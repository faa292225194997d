package gemm

import (
	"math"
	"unsafe"
)

//go:generate sh -c "cd ../_gen/gemm && go run . -out ../../gemm"

// The AVX-512 paths: tiles of 12×32. Where a view's values lie along k, a block
// of A is kept row by row (a value, or a pair of bf16, is broadcast from each
// row); else, and for B always, it is kept step by step.

var avx512F32 = path{
	name: "avx512-f32", mr: 12, nr: 32, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows, tall: 3 * blockRows,
	packA: packA512F32, layout: layout512, packB: packB512F32, column: column512F32, finish: finish512,
	load: func(dst, src []float32) { copy(dst, src) },
}

var avx512BF16 = path{
	name: "avx512-bf16", mr: 12, nr: 32, perCell: 2, maxDepth: maxDepth, block: blockRows, whole: wholeRows, tall: 3 * blockRows,
	packA: packA512BF16, layout: layout512, packB: packB512BF16, column: column512BF16, finish: finish512,
	load: loadBF16,
}

// avx512Rounded is for CPUs without AVX512_BF16: the operands are rounded to
// what a bf16 holds while they are packed and multiplied as f32.
var avx512Rounded = path{
	name: "avx512-rounded", mr: 12, nr: 32, perCell: 1, maxDepth: maxDepth, block: blockRows, whole: wholeRows, tall: 3 * blockRows,
	packA: func(dst []float32, a Matrix, i0, n, k0, depth int) {
		packA512F32(dst, a, i0, n, k0, depth)
		roundCells(dst[:ceilDiv(n, 12)*layout512(a.Trans, depth).panel])
	},
	packB: func(dst []float32, b Matrix, k0, depth, j0, cols int) {
		packB512F32(dst, b, k0, depth, j0, cols)
		roundCells(dst[:ceilDiv(cols, 32)*32*depth])
	},
	layout: layout512, column: column512F32, finish: finish512, load: loadRounded,
}

// tile is one product of a panel of A and one of B: a, row and step say where
// A's cells are, in bytes. c is rows×32 or ×16 with ldc bytes between rows;
// mask says which columns are there.
type tile struct {
	a, b, c     unsafe.Pointer
	row, step   int
	steps       int // at least 1
	ldc         int
	rows        int // 1 to the tile's own
	mask, flags uint64
	// Of int8: with rowScale the sums become (sum-offset)·rowScale·scale in f32;
	// all three have room for a whole tile.
	rowScale, scale, offset unsafe.Pointer
	// next is what to bring to L2, 16 bytes a step: a number and no pointer, as
	// it may lie beyond what is allocated.
	next uintptr
}

// The flags of a tile.
const (
	tileAdd    = 1 // add to c
	tileMasked = 2 // heed mask
)

// tileRxCF32 sums a[r][k]·b[k][c] over the steps k.
//
//go:noescape
func tile12x32F32(tile *tile)

//go:noescape
func tile12x16F32(tile *tile)

//go:noescape
func tile8x32F32(tile *tile)

//go:noescape
func tile8x16F32(tile *tile)

//go:noescape
func tile4x32F32(tile *tile)

//go:noescape
func tile4x16F32(tile *tile)

// tileRxCBF16 is the same with cells of bf16 pairs.
//
//go:noescape
func tile12x32BF16(tile *tile)

//go:noescape
func tile12x16BF16(tile *tile)

//go:noescape
func tile8x32BF16(tile *tile)

//go:noescape
func tile8x16BF16(tile *tile)

//go:noescape
func tile4x32BF16(tile *tile)

//go:noescape
func tile4x16BF16(tile *tile)

// tileRxCInt8 is the same with cells of four int8, those of A with 128 added,
// and sums in int32.
//
//go:noescape
func tile12x32Int8(tile *tile)

//go:noescape
func tile12x16Int8(tile *tile)

//go:noescape
func tile8x32Int8(tile *tile)

//go:noescape
func tile8x16Int8(tile *tile)

//go:noescape
func tile4x32Int8(tile *tile)

//go:noescape
func tile4x16Int8(tile *tile)

// lines is the packing of values that lie side by side across panels:
// dst[p][step][i] = src[step][p*width+i]. With bf16 a step takes two lines, one
// from src and one from src2, and interleaves them. A panel's last line is
// written with up to 16 cells, so 4 beyond a panel of 12.
type lines struct {
	dst, src, src2 unsafe.Pointer
	stride         int // bytes from one step's line to the next
	steps, panels  int // at least 1
	panel          int // bytes between panels of dst
	mask           uint64
}

//go:noescape
func lines12F32(lines *lines)

//go:noescape
func lines32F32(lines *lines)

//go:noescape
func lines12BF16(lines *lines)

//go:noescape
func lines32BF16(lines *lines)

// turn is the packing of 16 columns whose values lie along k:
// dst[16*block+i][c] = cell i of the block of line c.
type turn struct {
	dst, src unsafe.Pointer
	stride   int // bytes between lines of src
	blocks   int // at least 1
	pitch    int // bytes between lines of dst: 128 in a panel of 32
}

//go:noescape
func turn16F32(turn *turn)

//go:noescape
func turn16BF16(turn *turn)

// rows rounds rows of f32 to bf16 in their order, 32 at a time.
type rows struct {
	dst, src             unsafe.Pointer
	dstStride, srcStride int
	count, vectors       int
	mask                 uint64
}

//go:noescape
func rowsBF16(rows *rows)

// zeroLine stands for the line after an odd last one.
var zeroLine [512]float32

// rowStride returns the cells from row to row of a block of A kept row by row:
// an odd number of cache lines, so that a panel's rows fall in different sets.
func rowStride(steps int) int { return (steps+15)/16*16 | 16 }

// layout512 keeps a block of A row by row, or step by step where A is
// transposed: then a panel is followed by room for what its last line writes
// beyond it.
func layout512(trans bool, steps int) layout {
	if trans {
		return layout{panel: steps*12 + 16, row: 1, step: 12}
	}
	row := rowStride(steps)
	return layout{panel: 12 * row, row: row, step: 1}
}

func packA512F32(dst []float32, a Matrix, i0, n, k0, depth int) {
	if a.Trans {
		packLines512(dst, a, i0, n, k0, depth, depth, false)
		return
	}
	row := rowStride(depth)
	for i := range n {
		copy(dst[i*row:][:depth], a.at(i0+i, k0))
	}
	clear(dst[n*row : roundUp(n, 12)*row])
}

func packA512BF16(dst []float32, a Matrix, i0, n, k0, depth int) {
	steps := (depth + 1) / 2
	if a.Trans {
		packLines512(dst, a, i0, n, k0, depth, steps, true)
		return
	}
	row := rowStride(steps)
	rowsBF16(&rows{
		dst: at(dst, 0), src: at(a.at(i0, k0), 0), dstStride: 4 * row, srcStride: 4 * a.Stride,
		count: n, vectors: depth / 32, mask: 1<<(depth%32) - 1,
	})
	clear(dst[n*row : roundUp(n, 12)*row])
}

// loadBF16 writes values as pairs of bf16; their number is even.
func loadBF16(dst, src []float32) {
	n := len(src)
	rowsBF16(&rows{dst: at(dst, 0), src: at(src, 0), count: 1, vectors: n / 32, mask: 1<<(n%32) - 1})
}

// packLines512 packs a block of A whose values lie along m.
func packLines512(dst []float32, a Matrix, i0, n, k0, depth, steps int, bf16 bool) {
	panels := ceilDiv(n, 12)
	s := lines{panels: panels, panel: 4 * layout512(true, steps).panel, mask: 1<<(n-12*(panels-1)) - 1}
	s.pack(dst, a, i0, k0, depth, 12, bf16)
}

// pack packs a view whose values lie across the panels, from line k0.
func (s *lines) pack(dst []float32, x Matrix, i0, k0, depth, width int, bf16 bool) {
	s.dst, s.src = at(dst, 0), at(x.at(i0, k0), 0)
	s.stride, s.steps = 4*x.Stride, depth
	if !bf16 {
		if width == 32 {
			lines32F32(s)
		} else {
			lines12F32(s)
		}
		return
	}
	s.stride *= 2
	if s.steps = depth / 2; s.steps > 0 {
		s.src2 = at(x.at(i0, k0+1), 0)
		s.pairs(width)
	}
	if depth%2 == 1 {
		s.dst, s.src = at(dst, depth/2*width), at(x.at(i0, k0+depth-1), 0)
		s.src2, s.steps = at(zeroLine[:], 0), 1
		s.pairs(width)
	}
}

// pairs packs bf16 pairs. Calls by name, as here, keep s off the heap.
func (s *lines) pairs(width int) {
	if width == 32 {
		lines32BF16(s)
	} else {
		lines12BF16(s)
	}
}

func packB512F32(dst []float32, b Matrix, k0, depth, j0, cols int) {
	packB512(dst, b, k0, depth, j0, cols, depth, 1)
}

func packB512BF16(dst []float32, b Matrix, k0, depth, j0, cols int) {
	packB512(dst, b, k0, depth, j0, cols, (depth+1)/2, 2)
}

// packB512 packs panels of 32 columns and steps cells, zeros beyond depth.
func packB512(dst []float32, b Matrix, k0, depth, j0, cols, steps, perCell int) {
	held := ceilDiv(depth, perCell)
	b.Trans = !b.Trans
	if b.Trans {
		panels := ceilDiv(cols, 32)
		s := lines{panels: panels, panel: 4 * 32 * steps, mask: 1<<(cols-32*(panels-1)) - 1}
		s.pack(dst, b, j0, k0, depth, 32, perCell == 2)
		for p := range panels {
			clear(dst[32*(p*steps+held) : 32*(p+1)*steps])
		}
		return
	}
	for j := 0; j < cols; j += 16 {
		to, n := dst[j/32*32*steps+j%32:], min(16, cols-j)
		for s := held; s < steps; s++ {
			clear(to[32*s:][:16])
		}
		whole := depth / perCell
		if n < 16 || whole < 16 {
			turnGo(to, b, j0+j, n, k0, 0, held, depth, perCell)
			continue
		}
		t := turn{dst: at(to, 0), src: at(b.at(j0+j, k0), 0), stride: 4 * b.Stride, blocks: whole / 16, pitch: 128}
		t.run(perCell == 2)
		if whole%16 > 0 {
			// The last cells, some of them a second time.
			from := whole - 16
			t.dst, t.src, t.blocks = at(to, 32*from), at(b.at(j0+j, k0+from*perCell), 0), 1
			t.run(perCell == 2)
		}
		if whole < held {
			turnGo(to, b, j0+j, n, k0, whole, held, depth, perCell)
		}
	}
}

func (t *turn) run(bf16 bool) {
	if bf16 {
		turn16BF16(t)
	} else {
		turn16F32(t)
	}
}

// turnGo is turn for the edges: n lines, the cells [from,to), zeros up to 16
// lines.
func turnGo(dst []float32, x Matrix, i0, n, k0, from, to, depth, perCell int) {
	for s := from; s < to; s++ {
		clear(dst[32*s:][:16])
	}
	for i := range n {
		line := x.at(i0+i, k0)[:depth]
		for s := from; s < to; s++ {
			if perCell == 1 {
				dst[32*s+i] = line[s]
				continue
			}
			pair := uint32(bf16Bits(line[2*s]))
			if 2*s+1 < depth {
				pair |= uint32(bf16Bits(line[2*s+1])) << 16
			}
			dst[32*s+i] = math.Float32frombits(pair)
		}
	}
}

func column512F32(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool) {
	column512(a, l, b, steps, c, ldc, rows, cols, add, cellF32)
}

func column512BF16(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool) {
	column512(a, l, b, steps, c, ldc, rows, cols, add, cellBF16)
}

// cellKind is what a cell holds.
type cellKind uint8

const (
	cellF32 cellKind = iota
	cellBF16
	cellInt8
)

func column512(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool, kind cellKind) {
	t := newTile(a, l, b, steps, c, ldc, cols, add)
	t.down(kind, rows, l, cols > 16)
}

func newTile(a []float32, l layout, b []float32, steps int, c []float32, ldc, cols int, add bool) tile {
	t := tile{
		a: at(a, 0), b: at(b, 0), c: at(c, 0), row: 4 * l.row, step: 4 * l.step,
		steps: steps, ldc: 4 * ldc, mask: 1<<cols - 1,
	}
	if cols%16 != 0 {
		t.flags = tileMasked
	}
	if add {
		t.flags |= tileAdd
	}
	// The next panel of B, which comes from L3 where B is large.
	t.next = uintptr(t.b) + uintptr(128*steps)
	return t
}

// down computes tile after tile down the rows.
func (t *tile) down(kind cellKind, rows int, l layout, wide bool) {
	for {
		t.rows = min(rows, 12)
		t.run(kind, wide)
		if rows -= 12; rows <= 0 {
			return
		}
		t.a = unsafe.Add(t.a, 4*l.panel)
		t.c = unsafe.Add(t.c, 12*t.ldc)
		t.next += uintptr(16 * t.steps)
		if t.rowScale != nil {
			t.rowScale = unsafe.Add(t.rowScale, 4*12)
		}
	}
}

// run computes the tile with the smallest kernel that holds it.
func (t *tile) run(kind cellKind, wide bool) {
	switch kind {
	case cellF32:
		switch {
		case wide && t.rows > 8:
			tile12x32F32(t)
		case wide && t.rows > 4:
			tile8x32F32(t)
		case wide:
			tile4x32F32(t)
		case t.rows > 8:
			tile12x16F32(t)
		case t.rows > 4:
			tile8x16F32(t)
		default:
			tile4x16F32(t)
		}
	case cellBF16:
		switch {
		case wide && t.rows > 8:
			tile12x32BF16(t)
		case wide && t.rows > 4:
			tile8x32BF16(t)
		case wide:
			tile4x32BF16(t)
		case t.rows > 8:
			tile12x16BF16(t)
		case t.rows > 4:
			tile8x16BF16(t)
		default:
			tile4x16BF16(t)
		}
	case cellInt8:
		switch {
		case wide && t.rows > 8:
			tile12x32Int8(t)
		case wide && t.rows > 4:
			tile8x32Int8(t)
		case wide:
			tile4x32Int8(t)
		case t.rows > 8:
			tile12x16Int8(t)
		case t.rows > 4:
			tile8x16Int8(t)
		default:
			tile4x16Int8(t)
		}
	}
}

// finish is an epilogue over a region: c = act(x + bias) + residual. bias and
// residual may be nil, slope only where act is not PReLU; ldc serves both c and residual, in bytes.
type finish struct {
	c, x, bias, residual unsafe.Pointer
	ldc, ldx             int
	rows, cols           int // at least 1
	// Of int8 products: x is int32 and stands for (x-offset)·rowScale·scale.
	rowScale, scale, offset unsafe.Pointer
	slope                   unsafe.Pointer // of PReLU
}

//go:noescape
func finish512None(finish *finish)

//go:noescape
func finish512ReLU(finish *finish)

//go:noescape
func finish512SiLU(finish *finish)

//go:noescape
func finish512GELU(finish *finish)

//go:noescape
func finish512PReLU(finish *finish)

//go:noescape
func finishInt512None(finish *finish)

//go:noescape
func finishInt512ReLU(finish *finish)

//go:noescape
func finishInt512SiLU(finish *finish)

//go:noescape
func finishInt512GELU(finish *finish)

//go:noescape
func finishInt512PReLU(finish *finish)

func finish512(c []float32, ldc int, x []float32, ldx int, bias, slope []float32, act Act, residual []float32, rows, cols int) {
	f := newFinish(c, ldc, x, ldx, bias, slope, residual, rows, cols)
	switch {
	case slope != nil:
		finish512PReLU(&f)
	case act == ReLU:
		finish512ReLU(&f)
	case act == SiLU:
		finish512SiLU(&f)
	case act == GELU:
		finish512GELU(&f)
	default:
		finish512None(&f)
	}
}

func newFinish(c []float32, ldc int, x []float32, ldx int, bias, slope, residual []float32, rows, cols int) finish {
	f := finish{c: at(c, 0), x: at(x, 0), ldc: 4 * ldc, ldx: 4 * ldx, rows: rows, cols: cols}
	if bias != nil {
		f.bias = at(bias, 0)
	}
	if slope != nil {
		f.slope = at(slope, 0)
	}
	if residual != nil {
		f.residual = at(residual, 0)
	}
	return f
}
