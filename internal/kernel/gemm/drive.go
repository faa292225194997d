package gemm

import (
	"sync"
	"unsafe"

	"github.com/kinora-video/kinora/internal/simd"
)

const (
	// maxDepth bounds a block along k, in cells, on most paths: a panel of B of
	// 32 columns is then at most 48 KiB and a block of A fits beside it in L2.
	maxDepth = 384
	// blockRows is the number of rows in a block of A on most paths; wholeRows
	// is that of a product whose tasks take whole blocks.
	blockRows = 96
	wholeRows = 2 * wantTasks * blockRows
	// packPanels is how many panels of B are packed together, so that whole
	// cache lines of each row of B are used at once.
	packPanels = 4
	// wantTasks is the least number of tasks of a large product, so that a few
	// threads finish together.
	wantTasks = 8
	// widePanels is the most panels of B in a tall task: its part of C then stays
	// in L3 from one block of k to the next.
	widePanels = 96
	// apad is the largest padding of a row of a packed A, in cells.
	apad = 32
)

// maxPacked is the most of one product's B that is packed at a time, and of its
// A if that is packed whole, in cells: 8 MiB, which stays in L3. Tests make it
// smaller.
var maxPacked = 2 << 20

// plan is how a product with a B of [k,n] is cut along k and n on a path. It
// depends on nothing else, in particular not on the number of threads.
type plan struct {
	path   *path
	n, k   int
	depth  int // values along k in every block but the last
	blocks int // blocks along k
	panels int // panels of nr columns
}

func newPlan(p *path, n, k int) plan {
	most := p.maxDepth * p.perCell
	pl := plan{path: p, n: n, k: k, panels: ceilDiv(n, p.nr)}
	pl.blocks = ceilDiv(k, most)
	if pl.blocks > 0 {
		pl.depth = roundUp(ceilDiv(k, pl.blocks), max(4, p.align)*p.perCell)
		pl.blocks = ceilDiv(k, pl.depth)
	}
	return pl
}

// steps returns the cells along k of block kb.
func (pl *plan) steps(kb int) int { return pl.path.steps(pl.depthOf(kb)) }

// depthOf returns the values along k of block kb.
func (pl *plan) depthOf(kb int) int { return min(pl.depth, pl.k-kb*pl.depth) }

// cells returns the size of a whole packed B.
func (pl *plan) cells() int {
	if pl.blocks == 0 {
		return 0
	}
	last := pl.blocks - 1
	return pl.panelAt(0, last, 0) + pl.steps(last)*pl.panels*pl.path.nr
}

// panelAt returns the start of panel j of block kb, counted from block k0.
func (pl *plan) panelAt(k0, kb, j int) int {
	before := (kb - k0) * (pl.depth / pl.path.perCell)
	return (before*pl.panels + j*pl.steps(kb)) * pl.path.nr
}

// packTasks returns the number of tasks of packB for some blocks of k.
func (pl *plan) packTasks(blocks int) int { return blocks * ceilDiv(pl.panels, packPanels) }

// packB does one task of packing the blocks [k0,k1) of b.
func (pl *plan) packB(dst []float32, b Matrix, k0, k1, task int) {
	nr := pl.path.nr
	kb, j0 := k0+task%(k1-k0), task/(k1-k0)*packPanels
	j1 := min(j0+packPanels, pl.panels)
	from, to := pl.panelAt(k0, kb, j0), pl.panelAt(k0, kb, j1)
	pl.path.packB(dst[from:to], b, kb*pl.depth, pl.depthOf(kb), j0*nr, min(j1*nr, pl.n)-j0*nr)
}

// work is a product in progress: its packed operands and the size of its tasks.
type work struct {
	*product
	b []float32
	// a holds the blocks of A if they are packed before the tasks: because one
	// block serves several tasks, or because packing reads A across its rows.
	// Otherwise each task packs its own.
	a            []float32
	rows, panels int // of a task
}

// newWork decides how to cut a product; blocks is the number of blocks of k
// that are packed at a time.
func (pl *plan) newWork(pr *product, blocks int) work {
	block := pl.path.block
	w := work{product: pr, rows: block, panels: pl.panels}
	if pr.m < pl.path.whole {
		w.rows = block / 2
	}
	if pr.m <= block/4 {
		w.rows = block / 4
	}
	if down := ceilDiv(pr.m, w.rows); down < wantTasks {
		w.panels = ceilDiv(pl.panels, ceilDiv(wantTasks, down))
	}
	if size := pl.blockSize() * pl.groups(pr.m) * blocks; (pr.a.Trans || w.panels < pl.panels) && size <= maxPacked {
		w.a = []float32{}
	} else if tall := pl.path.tall; pr.m >= pl.path.whole && tall > 0 {
		w.rows, w.panels = tall, min(w.panels, widePanels)
	}
	return w
}

// blockSize returns the cells of a packed block of A.
func (pl *plan) blockSize() int { return pl.sizeOf(pl.path.block) }

// sizeOf returns the cells of so many packed rows of A.
func (pl *plan) sizeOf(rows int) int { return rows * (pl.depth/pl.path.perCell + apad) }

// groups returns the number of blocks of A down its rows.
func (pl *plan) groups(m int) int { return ceilDiv(m, pl.path.block) }

// blockAt returns the start in a of the block of group g and block kb of k.
func (pl *plan) blockAt(m, k0, kb, g int) int { return ((kb-k0)*pl.groups(m) + g) * pl.blockSize() }

// packA does one task of packing the blocks [k0,k1) of the A of a work.
func (pl *plan) packA(w *work, k0, k1, task int) {
	kb, g := k0+task%(k1-k0), task/(k1-k0)
	block := pl.path.block
	i0 := g * block
	pl.path.packA(w.a[pl.blockAt(w.m, k0, kb, g):], w.product.a, i0, min(block, w.m-i0), kb*pl.depth, pl.depthOf(kb))
}

// mulAll computes products that share n and k, each with its own B.
func mulAll(p *path, n, k int, prs []product) {
	pl := newPlan(p, n, k)
	stage := pl.stageBlocks()
	for len(prs) > 0 {
		take := len(prs)
		if stage < pl.blocks {
			take = 1
			if prs[0].ep.Residual != nil {
				pl.mulBuffered(prs[0], stage)
				prs = prs[1:]
				continue
			}
		} else if c := pl.cells(); c > 0 {
			take = max(1, min(take, maxPacked/c))
		}
		pl.mulSome(prs[:take], stage)
		prs = prs[take:]
	}
}

// stageBlocks returns how many blocks of B are packed at a time.
func (pl *plan) stageBlocks() int {
	if pl.cells() <= maxPacked {
		return pl.blocks
	}
	return max(1, maxPacked/(pl.depth/pl.path.perCell*pl.panels*pl.path.nr))
}

// mulSome packs the B of the products, stage blocks at a time, and multiplies.
func (pl *plan) mulSome(prs []product, stage int) {
	ws := make([]work, len(prs))
	for i := range ws {
		ws[i] = pl.newWork(&prs[i], stage)
	}
	if pl.blocks == 0 {
		pl.multiply(ws, 0, 0)
		return
	}
	each := pl.panelAt(0, stage-1, 0) + pl.steps(stage-1)*pl.panels*pl.path.nr
	buf := getCells(each * len(prs))
	defer putCells(buf)
	for i := range ws {
		ws[i].b = buf.cells[i*each:][:each]
	}
	for k0 := 0; k0 < pl.blocks; k0 += stage {
		k1 := min(k0+stage, pl.blocks)
		tasks := pl.packTasks(k1 - k0)
		simd.For(tasks*len(ws), max(1, tasks*len(ws)/(4*wantTasks)), func(lo, hi int) {
			for t := lo; t < hi; t++ {
				pl.packB(ws[t/tasks].b, prs[t/tasks].b, k0, k1, t%tasks)
			}
		})
		pl.multiply(ws, k0, k1)
	}
}

// mulBuffered computes one product, staged, into a separate buffer and applies the
// epilogue from there: C may be the residual, so it cannot hold the sums.
func (pl *plan) mulBuffered(pr product, stage int) {
	sums := getCells(pr.m * pl.n)
	defer putCells(sums)
	bare := product{m: pr.m, a: pr.a, b: pr.b, c: sums.cells, ldc: pl.n}
	pl.mulSome([]product{bare}, stage)
	simd.For(pr.m, 16, func(lo, hi int) {
		pr.finish(pl.path, sums.cells[lo*pl.n:], pl.n, lo, 0, hi-lo, pl.n)
	})
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
func roundUp(a, b int) int { return ceilDiv(a, b) * b }

// scratch is a reusable buffer whose cells start at a multiple of 64 bytes.
type scratch struct{ cells []float32 }

var pool = sync.Pool{New: func() any { return new(scratch) }}

// getCells returns a buffer of n cells with any content.
func getCells(n int) *scratch {
	s := pool.Get().(*scratch)
	if cap(s.cells) < n {
		s.cells = alignedCells(roundUp(n+n/4, 1024))
	}
	s.cells = s.cells[:n]
	return s
}

func putCells(s *scratch) { pool.Put(s) }

// alignedCells returns n zeros that start at a multiple of 64 bytes.
func alignedCells(n int) []float32 {
	x := make([]float32, n+15)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(x))) & 63 / 4)
	return x[off : off+n : off+n]
}
