package gemm

import (
	"math"
	"unsafe"

	"github.com/kinora-video/kinora/internal/simd"
)

// vnni has tiles whose cells are four int8 along k: VPDPBUSD multiplies unsigned
// bytes by signed ones, so A is kept with 128 added and 128·Σq of a column of B
// is taken away at the end. Sums are int32 in cells. A is quantised whole, row
// by row, before the tiles, so there is nothing to pack. Blocks along k are deep,
// as sums that go through memory cost more here than streaming does.
var vnni = path{name: "vnni", mr: 12, nr: 32, perCell: 4, maxDepth: 1024, block: blockRows, whole: wholeRows}

// arrange lays q out as cells where the CPU has VNNI.
func (b *PackedInt8) arrange() {
	if !simd.VNNI() {
		return
	}
	path := &vnni
	if simd.Current() >= simd.AMX {
		path = &amxInt8
	}
	b.plan = newPlan(path, b.n, b.k)
	b.cells = alignedCells(b.plan.cells())
	b.offset = make([]int32, 32*b.plan.panels)
	b.scale = append(b.scale, make([]float32, 32*b.plan.panels-b.n)...)
	simd.For(b.plan.panels, 1, func(j, _ int) {
		for kb := range b.plan.blocks {
			cells := b.cells[b.plan.panelAt(0, kb, j):]
			for c := range min(32, b.n-32*j) {
				line := b.q[(32*j+c)*b.line+kb*b.plan.depth:]
				for s := range b.plan.steps(kb) {
					v := line[4*s:][:4]
					four := uint32(uint8(v[0])) | uint32(uint8(v[1]))<<8 | uint32(uint8(v[2]))<<16 | uint32(uint8(v[3]))<<24
					cells[32*s+c] = math.Float32frombits(four)
					b.offset[32*j+c] += 128 * (int32(v[0]) + int32(v[1]) + int32(v[2]) + int32(v[3]))
				}
			}
		}
	})
	b.q = nil
}

func (b *PackedInt8) multiply(pr *product) {
	switch {
	case b.plan.path == &amxInt8:
		b.multiplyAMX(pr)
	case b.cells != nil:
		b.multiplyVNNI(pr)
	case simd.Current() >= simd.AVX2:
		b.multiplyDots(pr, dots256)
	default:
		b.multiplyDots(pr, dotsGo)
	}
}

// multiplyVNNI computes a product from cells.
func (b *PackedInt8) multiplyVNNI(pr *product) {
	pl := &b.plan
	stride := rowStride(pl.steps(0) + (pl.blocks-1)*pl.depth/4)
	a := getCells(roundUp(pr.m, pl.path.mr) * stride)
	scales := getCells(roundUp(pr.m, pl.path.mr))
	defer putCells(a)
	defer putCells(scales)
	simd.For(pr.m, 8, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			scales.cells[i] = pr.quantize512(a.cells[i*stride:], pr.row(i, b.k))
		}
	})
	w := pl.newWork(pr, 0)
	down := ceilDiv(pr.m, w.rows)
	simd.For(down*ceilDiv(pl.panels, w.panels), 1, func(t, _ int) {
		i0, j0 := t%down*w.rows, t/down*w.panels
		i1, j1 := min(i0+w.rows, pr.m), min(j0+w.panels, pl.panels)
		b.taskVNNI(pr, a.cells[i0*stride:], stride, scales.cells, i0, i1, j0, j1)
	})
}

// taskVNNI computes rows [i0,i1) and panels [j0,j1).
func (b *PackedInt8) taskVNNI(pr *product, a []float32, stride int, scales []float32, i0, i1, j0, j1 int) {
	pl, rows := &b.plan, i1-i0
	l := layout{panel: 12 * stride, row: stride, step: 1}
	if pl.blocks == 1 {
		b.taskOnce(pr, a, l, scales, i0, rows, j0, j1)
		return
	}
	width := 32 * (j1 - j0)
	buf := getCells(rows * width)
	defer putCells(buf)
	clear(buf.cells)
	for kb := range pl.blocks {
		for j := j0; j < j1; j++ {
			sums, cols := buf.cells[(j-j0)*32:], min(32, b.n-32*j)
			column512(a[kb*pl.depth/4:], l, b.cells[pl.panelAt(0, kb, j):], pl.steps(kb), sums, width, rows, cols, true, cellInt8)
		}
	}
	for j := j0; j < j1; j++ {
		b.finishInt8(pr, buf.cells[(j-j0)*32:], width, scales[i0:], i0, rows, 32*j, min(32, b.n-32*j))
	}
}

// taskOnce is taskVNNI where k is one block: tiles scale their sums themselves,
// and with no epilogue write them to C.
func (b *PackedInt8) taskOnce(pr *product, a []float32, l layout, scales []float32, i0, rows, j0, j1 int) {
	ep := &pr.ep
	bare := ep.empty() && !ep.Accumulate
	var buf *scratch
	if !bare {
		buf = getCells(rows * 32)
		defer putCells(buf)
	}
	for j := j0; j < j1; j++ {
		n0, cols := 32*j, min(32, b.n-32*j)
		c := pr.c[i0*pr.ldc+n0:]
		x, ldx := c, pr.ldc
		if !bare {
			x, ldx = buf.cells, 32
		}
		t := newTile(a, l, b.cells[b.plan.panelAt(0, 0, j):], b.plan.steps(0), x, ldx, cols, false)
		t.rowScale, t.scale, t.offset = at(scales, i0), at(b.scale, n0), unsafe.Pointer(&b.offsets(pr)[n0])
		t.down(cellInt8, rows, l, cols > 16)
		switch {
		case ep.Accumulate:
			finish512(c, pr.ldc, x, ldx, nil, nil, None, c, rows, cols)
		case !bare:
			pr.finish(&avx512F32, x, ldx, i0, n0, rows, cols)
		}
	}
}

// finishInt8 turns rows×cols of int32 sums into f32 and applies the epilogue;
// they are those of C from row i0 and column n0 on, and scales those of rows.
func (b *PackedInt8) finishInt8(pr *product, sums []float32, width int, scales []float32, i0, rows, n0, cols int) {
	f := finish{
		c: at(pr.c, i0*pr.ldc+n0), x: at(sums, 0), ldc: 4 * pr.ldc, ldx: 4 * width, rows: rows, cols: cols,
		rowScale: at(scales, 0), scale: at(b.scale, n0), offset: unsafe.Pointer(&b.offsets(pr)[n0]),
	}
	if pr.ep.Bias != nil {
		f.bias = at(pr.ep.Bias, n0)
	}
	switch {
	case pr.ep.Residual != nil:
		f.residual = at(pr.ep.Residual, i0*pr.ldc+n0)
	case pr.ep.Accumulate:
		f.residual = f.c
	}
	act := pr.ep.Act
	switch {
	case pr.ep.Slope != nil:
		f.slope = at(pr.ep.Slope, n0)
		finishInt512PReLU(&f)
	case act == ReLU:
		finishInt512ReLU(&f)
	case act == SiLU:
		finishInt512SiLU(&f)
	case act == GELU:
		finishInt512GELU(&f)
	default:
		finishInt512None(&f)
	}
}

// span is a row of A on its way to bytes.
type span struct {
	dst, src unsafe.Pointer
	values   int
	scale    float32
	// next is what to bring to L1 meanwhile, the row that follows: a number and
	// no pointer, as it may lie beyond what is allocated.
	next uintptr
}

// peak512 sets scale to the largest magnitude of the values.
//
//go:noescape
func peak512(span *span)

// quantizeRow512 writes round(value·scale) + 128 as bytes.
//
//go:noescape
func quantizeRow512(span *span)

// quantize512 is quantize into bytes with 128 added.
func (pr *product) quantize512(dst, x []float32) (scale float32) {
	if len(x) == 0 {
		return 0
	}
	// The row that it will be called for next is a stride behind x.
	s := span{dst: at(dst, 0), src: at(x, 0), values: len(x), next: uintptr(at(x, 0)) + uintptr(4*pr.a.Stride)}
	if u := pr.whole; u != nil {
		moved := getCells(len(x))
		defer putCells(moved)
		u.move(moved.cells, x)
		s.src, s.scale = at(moved.cells, 0), 1
		quantizeRow512(&s)
		return u.scale
	}
	peak512(&s)
	top := s.scale
	if top < minPeak {
		// Zeros are 128 too; the scale is 0 whatever the bytes are.
		return 0
	}
	s.scale = 127 / top
	quantizeRow512(&s)
	return top / 127
}
