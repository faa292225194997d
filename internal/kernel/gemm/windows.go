package gemm

import (
	"fmt"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Windows is the right operand of a convolution's products. Its left operand is
// a picture, and never made: a row of it is lines of the picture, each a window
// of width values that begins a pitch after the row's before. Windows that
// overlap are read where they are. A line that is too long for the kernels is
// multiplied in parts of one width.
type Windows struct {
	packed Packed
	lines  int // of a row
	part   int // parts of a line
}

// PackWindows lays out b [lines·width, n] for windows of width values in steps of
// pitch. It returns nil where the kernels of this CPU cannot read a picture in
// place, or where lines do not divide into parts for them: then patches have to
// be gathered for MulPacked.
func PackWindows(p Precision, lines, width, pitch, n int, b Matrix) *Windows {
	w := newWindows(p, lines, width, pitch, n)
	if w == nil {
		return nil
	}
	b.check("b", lines*width, n)
	pl := &w.packed.plan
	simd.For(pl.packTasks(pl.blocks), 1, func(lo, _ int) { pl.packB(w.packed.cells, b, 0, pl.blocks, lo) })
	return w
}

// PackWindowsStored is PackWindows of wᵀ, where w is [n, lines·width] and lies as
// it was stored. It widens no more than a few panels at a time; a fault of mapped
// memory is a panic, as in PackStored.
func PackWindowsStored(p Precision, lines, width, pitch, n int, b Numbers) *Windows {
	w := newWindows(p, lines, width, pitch, n)
	if w == nil {
		return nil
	}
	b.Check(n, lines*width)
	pl := &w.packed.plan
	simd.For(pl.packTasks(pl.blocks), 1, func(task, _ int) { pl.packStored(w.packed.cells, b, 0, task) })
	return w
}

// newWindows makes room, or returns nil where a picture cannot be read in place.
func newWindows(p Precision, lines, width, pitch, n int) *Windows {
	path := pathFor(p)
	if path.load == nil || width%path.perCell != 0 || pitch%path.perCell != 0 || width < 1 || lines < 1 || n < 1 {
		return nil
	}
	parts := ceilDiv(width, path.maxDepth*path.perCell)
	for width%(parts*path.perCell) != 0 {
		if parts++; parts > maxParts {
			return nil
		}
	}
	pl := plan{path: path, n: n, k: lines * width, depth: width / parts, blocks: lines * parts, panels: ceilDiv(n, path.nr)}
	return &Windows{Packed{plan: pl, cells: alignedCells(pl.cells())}, lines, parts}
}

// maxParts bounds the parts of a line: shorter ones would not pay.
const maxParts = 16

// Cells is how many cells so many values of a picture take.
func (w *Windows) Cells(values int) int { return values / w.packed.plan.path.perCell }

// Slack is how many cells a picture needs after its last one, for windows in
// steps of pitch values: what they hold does not matter.
func (w *Windows) Slack(pitch int) int {
	pl := &w.packed.plan
	return pl.path.mr*w.Cells(pitch) + w.Cells(pl.depth*w.part)
}

// Load writes values of a picture into cells; their number is even.
func (w *Windows) Load(cells, values []float32) {
	if len(values) > 0 {
		w.packed.plan.path.load(cells[:w.Cells(len(values))], values)
	}
}

// LoadBF16 is Load of values that are bf16 already, as bits.
func (w *Windows) LoadBF16(cells []float32, values []uint16) {
	switch n := w.Cells(len(values)); {
	case n == 0:
	case w.packed.plan.path.perCell == 2:
		copy(unsafe.Slice((*uint16)(unsafe.Pointer(&cells[:n][0])), len(values)), values)
	default:
		vec.FromBF16(cells[:n], values)
	}
}

// Mul computes m rows of C: line l of row i begins at cell at[l] + i·pitch of
// the picture, pitch in cells; a line whose at is negative is zeros and costs
// nothing. C's rows are ldc apart. Of the epilogue, Residual
// must not be C itself. It works in the calling goroutine alone.
func (w *Windows) Mul(m int, picture []float32, at []int, pitch int, c []float32, ldc int, ep Epilogue) {
	pl := &w.packed.plan
	pr := product{m: m, c: c, ldc: ldc, ep: ep, a: Matrix{Data: picture, Stride: 0}}
	w.check(&pr, at, pitch)
	path := pl.path
	l := layout{panel: path.mr * pitch, row: pitch, step: 1}
	for i := 0; i < m; i += path.block {
		rows := min(path.block, m-i)
		for j := range pl.panels {
			n0 := j * path.nr
			cols, sums := min(path.nr, pl.n-n0), c[i*ldc+n0:]
			add := ep.Accumulate
			for block := range pl.blocks {
				if at[block/w.part] < 0 {
					continue
				}
				from := at[block/w.part] + block%w.part*pl.depth/path.perCell
				b := w.packed.cells[pl.panelAt(0, block, j):]
				path.column(picture[from+i*pitch:], l, b, pl.steps(block), sums, ldc, rows, cols, add)
				add = true
			}
			for r := 0; r < rows && !add; r++ {
				clear(sums[r*ldc:][:cols])
			}
			pr.finish(path, sums, ldc, i, n0, rows, cols)
		}
	}
}

// check panics where a window, or a row of C, lies beyond its slice.
func (w *Windows) check(pr *product, at []int, pitch int) {
	pl := &w.packed.plan
	if len(at) != w.lines || pitch < 1 || pr.m < 0 {
		panic(fmt.Sprintf("gemm: windows of %d lines for %d, pitch %d, %d rows", len(at), w.lines, pitch, pr.m))
	}
	if pr.m == 0 {
		return
	}
	Matrix{Data: pr.c, Stride: pr.ldc}.check("c", pr.m, pl.n)
	checkEpilogue(&pr.ep, pl.n)
	if r := pr.ep.Residual; r != nil {
		Matrix{Data: r, Stride: pr.ldc}.check("residual", pr.m, pl.n)
		if &r[0] == &pr.c[0] {
			panic("gemm: the sums of windows overwrite their residual")
		}
	}
	end := (pr.m-1)*pitch + w.Slack(0) + pl.path.mr*pitch
	for _, from := range at {
		if from+end > len(pr.a.Data) {
			panic(fmt.Sprintf("gemm: a line of %d windows from cell %d on reaches beyond %d cells", pr.m, from, len(pr.a.Data)))
		}
	}
}
