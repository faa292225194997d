package gemm

import "unsafe"

// The AMX path computes 16×16 sums in tiles, 32 columns at a time and for all
// rows. B is packed as for AVX-512, A row by row; both are padded with zeros to
// a whole tile, 16 cells, along k.

var amxBF16 = path{
	name: "amx-bf16", mr: 16, nr: 32, perCell: 2, maxDepth: 256, align: 16, block: 128, whole: 1024,
	packA: packAAMX, layout: layoutAMX, packB: packBAMX, column: columnAMX, finish: finish512,
}

// amxTiles is the product of consecutive panels of A, of 16 rows each, and a
// panel of B. All of its sizes are whole tiles.
type amxTiles struct {
	a, b, c  unsafe.Pointer
	row, ldc int // bytes between rows of A and of C
	steps    int // tiles along k, at least 1
	panels   int // of A, at least 1
	add      int // 1 to add to c
	// next is the address to prefetch into L2: the following panel of B. It is
	// a number and not a pointer, as it may be beyond the allocated memory.
	next uintptr
}

// amxColumnBF16 sums products of bf16 pairs in f32.
//
//go:noescape
func amxColumnBF16(amxTiles *amxTiles)

// amxColumnInt8 sums products of four bytes of A, unsigned, and four of B,
// signed, in int32.
//
//go:noescape
func amxColumnInt8(amxTiles *amxTiles)

func layoutAMX(_ bool, steps int) layout {
	row := rowStride(steps)
	return layout{panel: 16 * row, row: row, step: 1}
}

func packBAMX(dst []float32, b Matrix, k0, depth, j0, cols int) {
	packB512(dst, b, k0, depth, j0, cols, amxBF16Steps(depth), 2)
}

// amxBF16Steps is what path.steps gives for amxBF16, which packs with it.
func amxBF16Steps(depth int) int { return roundUp(depth, 32) / 2 }

func packAAMX(dst []float32, a Matrix, i0, n, k0, depth int) {
	row := rowStride(amxBF16Steps(depth))
	if a.Trans {
		packTurned(dst, a, i0, n, k0, depth, row)
		return
	}
	rowsBF16(&rows{
		dst: at(dst, 0), src: at(a.at(i0, k0), 0), dstStride: 4 * row, srcStride: 4 * a.Stride,
		count: n, vectors: depth / 32, mask: 1<<(depth%32) - 1,
	})
	clear(dst[n*row : roundUp(n, 16)*row])
}

// packTurned packs a block of A whose values are contiguous along m: first into
// pairs, as for a panel of B, which are then transposed.
func packTurned(dst []float32, a Matrix, i0, n, k0, depth, row int) {
	steps, held := amxBF16Steps(depth), (depth+1)/2
	panels := ceilDiv(n, 32)
	buf := getCells(32 * steps * panels)
	defer putCells(buf)
	s := lines{panels: panels, panel: 4 * 32 * steps, mask: 1<<(n-32*(panels-1)) - 1}
	s.pack(buf.cells, a, i0, k0, depth, 32, true)
	for p := range panels {
		clear(buf.cells[32*(p*steps+held) : 32*(p+1)*steps])
		t := turn{stride: 128, pitch: 4 * row, blocks: min(2, ceilDiv(n-32*p, 16))}
		for at16 := 0; at16 < steps; at16 += 16 {
			t.dst, t.src = at(dst, 32*p*row+at16), at(buf.cells, 32*(p*steps+at16))
			turn16F32(&t)
		}
	}
}

// columnAMX writes whole tiles to C, and partial ones to a separate tile.
func columnAMX(a []float32, l layout, b []float32, steps int, c []float32, ldc, rows, cols int, add bool) {
	t := amxTiles{a: at(a, 0), b: at(b, 0), row: 4 * l.row, steps: steps / 16}
	t.next = uintptr(t.b) + uintptr(128*steps)
	whole := 0
	if cols == 32 {
		whole = rows / 16
	}
	if whole > 0 {
		t.c, t.ldc, t.panels, t.add = at(c, 0), 4*ldc, whole, b2i(add)
		amxColumnBF16(&t)
	}
	var edge [32 * 32]float32
	t.c, t.ldc, t.add = at(edge[:], 0), 4*32, 0
	for i := 16 * whole; i < rows; i += 32 {
		n := min(32, rows-i)
		t.a, t.panels = at(a, i*l.row), ceilDiv(n, 16)
		amxColumnBF16(&t)
		copyTile(c[i*ldc:], ldc, edge[:], 32, n, cols, add)
	}
}
