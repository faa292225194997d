package gemm

import "github.com/kinora-video/kinora/internal/simd"

// amxInt8 is vnni with the tiles of AMX: TDPBUSD has the same operands.
var amxInt8 = path{name: "amx-int8", mr: 16, nr: 32, perCell: 4, maxDepth: 256, align: 16}

const (
	// int8Rows is the largest number of rows of a task. More rows would need
	// fewer passes over B, but then a column of C whose rows are a power of two
	// apart leaves no room in L2 for anything else.
	int8Rows = 256
	// int8Wide is how many panels of sums are finished together: the longer the
	// written pieces of C's rows, the better the CPU predicts them.
	int8Wide = 4
)

// multiplyAMX computes a product with tiles. A task quantises its rows and then
// computes them for all columns, while they are in its core's L2. Here the
// tasks may depend on the number of threads, because sums of integers are the
// same in any order: rows are shared out evenly, in as few pieces as possible.
func (b *PackedInt8) multiplyAMX(pr *product) {
	pl, threads := &b.plan, simd.Threads()
	stride := rowStride(pl.steps(0) + max(0, pl.blocks-1)*pl.depth/4)
	if pr.m >= 32*threads {
		pieces := threads * ceilDiv(pr.m, int8Rows*threads)
		rows := roundUp(ceilDiv(pr.m, pieces), 32)
		simd.For(pr.m, rows, func(i0, i1 int) {
			a := getCells(roundUp(i1-i0, 32) * (stride + 1))
			defer putCells(a)
			b.quantize(a.cells, stride, pr, i0, i1)
			b.taskAMX(pr, a.cells, stride, i0, i1, 0, pl.panels)
		})
		return
	}
	// With few rows, columns are shared out.
	a := getCells(roundUp(pr.m, 32) * (stride + 1))
	defer putCells(a)
	b.quantize(a.cells, stride, pr, 0, pr.m)
	simd.For(pl.panels, max(int8Wide, ceilDiv(pl.panels, wantTasks)), func(j0, j1 int) {
		b.taskAMX(pr, a.cells, stride, 0, pr.m, j0, j1)
	})
}

// quantize writes rows [i0,i1) of A to cells, followed by their scales from row
// 32·n on.
func (b *PackedInt8) quantize(cells []float32, stride int, pr *product, i0, i1 int) {
	scales := cells[roundUp(i1-i0, 32)*stride:]
	for i := i0; i < i1; i++ {
		scales[i-i0] = pr.quantize512(cells[(i-i0)*stride:], pr.row(i, b.k))
	}
}

// taskAMX computes rows [i0,i1) and panels [j0,j1) from the output of quantize.
// Sums go to a buffer of whole tiles. The padding of A has undefined bytes:
// those beyond its rows give rows that are not used, and those beyond its depth
// are multiplied by zeros.
func (b *PackedInt8) taskAMX(pr *product, a []float32, stride, i0, i1, j0, j1 int) {
	pl, rows := &b.plan, i1-i0
	panels, scales := ceilDiv(rows, amxInt8.mr), a[roundUp(rows, 32)*stride:]
	const width = 32*int8Wide + 16 // an odd number of cache lines, see rowStride
	buf := getCells(panels * amxInt8.mr * width)
	defer putCells(buf)
	if pl.blocks == 0 {
		clear(buf.cells)
	}
	for ; j0 < j1; j0 += int8Wide {
		end := min(j0+int8Wide, j1)
		for j := j0; j < end; j++ {
			for kb := range pl.blocks {
				panel := at(b.cells, pl.panelAt(0, kb, j))
				amxColumnInt8(&amxTiles{
					a: at(a, kb*pl.depth/4), b: panel, c: at(buf.cells, 32*(j-j0)), row: 4 * stride, ldc: 4 * width,
					steps: pl.steps(kb) / 16, panels: panels, add: b2i(kb > 0), next: uintptr(panel) + uintptr(128*pl.steps(kb)),
				})
			}
		}
		b.finishInt8(pr, buf.cells, width, scales, i0, rows, 32*j0, min(32*end, b.n)-32*j0)
	}
}
