package gemm

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/simd"
)

// Windows is the right operand of a convolution's products. Its left operand is
// a picture, and never made: a row of it is lines of the picture, each a window
// of width values that begins a pitch after the row's before. Windows that
// overlap are read where they are.
type Windows struct{ packed Packed }

// PackWindows lays out b [lines·width, n] for windows of width values in steps of
// pitch. It returns nil where the kernels of this CPU cannot read a picture in
// place, or where one line is too long for them: then patches have to be
// gathered for MulPacked.
func PackWindows(p Precision, lines, width, pitch, n int, b Matrix) *Windows {
	w := newWindows(p, lines, width, pitch, n)
	if w == nil {
		return nil
	}
	b.check("b", lines*width, n)
	pl := &w.packed.plan
	simd.For(pl.packTasks(lines), 1, func(lo, _ int) { pl.packB(w.packed.cells, b, 0, lines, lo) })
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
	simd.For(pl.packTasks(lines), 1, func(task, _ int) { pl.packStored(w.packed.cells, b, task) })
	return w
}

// newWindows makes room, or returns nil where a picture cannot be read in place.
func newWindows(p Precision, lines, width, pitch, n int) *Windows {
	path := pathFor(p)
	if path.load == nil || width%path.perCell != 0 || pitch%path.perCell != 0 || width > path.maxDepth*path.perCell || width < 1 || lines < 1 || n < 1 {
		return nil
	}
	pl := plan{path: path, n: n, k: lines * width, depth: width, blocks: lines, panels: ceilDiv(n, path.nr)}
	return &Windows{Packed{plan: pl, cells: alignedCells(pl.cells())}}
}

// Cells is how many cells so many values of a picture take.
func (w *Windows) Cells(values int) int { return values / w.packed.plan.path.perCell }

// Slack is how many cells a picture needs after its last one, for windows in
// steps of pitch values: what they hold does not matter.
func (w *Windows) Slack(pitch int) int {
	pl := &w.packed.plan
	return pl.path.mr*w.Cells(pitch) + w.Cells(pl.depth)
}

// Load writes values of a picture into cells; their number is even.
func (w *Windows) Load(cells, values []float32) {
	if len(values) > 0 {
		w.packed.plan.path.load(cells[:w.Cells(len(values))], values)
	}
}

// Mul computes m rows of C: line l of row i begins at cell at[l] + i·pitch of
// the picture, pitch in cells. C's rows are ldc apart. Of the epilogue, Residual
// is not supported. It works in the calling goroutine alone.
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
			for line, from := range at {
				b := w.packed.cells[pl.panelAt(0, line, j):]
				path.column(picture[from+i*pitch:], l, b, pl.steps(line), sums, ldc, rows, cols, line > 0 || ep.Accumulate)
			}
			pr.finish(path, sums, ldc, i, n0, rows, cols)
		}
	}
}

// check panics where a window, or a row of C, lies beyond its slice.
func (w *Windows) check(pr *product, at []int, pitch int) {
	pl := &w.packed.plan
	if pr.ep.Residual != nil || len(at) != pl.blocks || pitch < 1 || pr.m < 0 {
		panic(fmt.Sprintf("gemm: windows of %d lines for %d, pitch %d, %d rows, residual %v", len(at), pl.blocks, pitch, pr.m, pr.ep.Residual != nil))
	}
	if pr.m == 0 {
		return
	}
	Matrix{Data: pr.c, Stride: pr.ldc}.check("c", pr.m, pl.n)
	checkEpilogue(&pr.ep, pl.n)
	end := (pr.m-1)*pitch + w.Slack(0) + pl.path.mr*pitch
	for _, from := range at {
		if from < 0 || from+end > len(pr.a.Data) {
			panic(fmt.Sprintf("gemm: a line of %d windows from cell %d on reaches beyond %d cells", pr.m, from, len(pr.a.Data)))
		}
	}
}
