package gemm

import "github.com/kinora-video/kinora/internal/simd"

// multiply computes the works' part for the blocks [k0,k1) of k, which their b
// holds. The last part applies the epilogue.
func (pl *plan) multiply(ws []work, k0, k1 int) {
	defer pl.packShared(ws, k0, k1)()
	type piece struct{ w, i0, i1, j0, j1 int }
	var pieces []piece
	for p := range ws {
		w := &ws[p]
		for j := 0; j < pl.panels; j += w.panels {
			for i := 0; i < w.m; i += w.rows {
				pieces = append(pieces, piece{p, i, min(i+w.rows, w.m), j, min(j+w.panels, pl.panels)})
			}
		}
	}
	// The last ones are halved, so that threads finish together.
	for i, last := max(0, len(pieces)-wantTasks/2), len(pieces); i < last; i++ {
		if t := &pieces[i]; t.j1-t.j0 >= 16 {
			half := *t
			t.j1 = (t.j0 + t.j1) / 2
			half.j0 = t.j1
			pieces = append(pieces, half)
		}
	}
	simd.For(len(pieces), 1, func(lo, _ int) {
		t := pieces[lo]
		pl.task(&ws[t.w], k0, k1, t.i0, t.i1, t.j0, t.j1)
	})
}

// packShared packs A for those works that have it packed before their tasks and
// returns what gives the buffers back.
func (pl *plan) packShared(ws []work, k0, k1 int) (release func()) {
	var bufs []*scratch
	type piece struct{ w, task int }
	var pieces []piece
	for i := range ws {
		if w := &ws[i]; w.a != nil && k1 > k0 {
			buf := getCells((k1 - k0) * pl.groups(w.m) * pl.blockSize())
			bufs, w.a = append(bufs, buf), buf.cells
			for t := range (k1 - k0) * pl.groups(w.m) {
				pieces = append(pieces, piece{i, t})
			}
		}
	}
	simd.For(len(pieces), 1, func(t, _ int) { pl.packA(&ws[pieces[t].w], k0, k1, pieces[t].task) })
	return func() {
		for _, b := range bufs {
			putCells(b)
		}
	}
}

// task computes rows [i0,i1) and panels [j0,j1) of a work; where A was packed
// before, the rows lie in one of its blocks.
func (pl *plan) task(w *work, k0, k1, i0, i1, j0, j1 int) {
	p, rows := pl.path, i1-i0
	n0, n1 := j0*p.nr, min(j1*p.nr, pl.n)
	// The sums go to C, or, as C may be the residual, to a buffer: of all
	// panels, or of one where each is complete at once.
	x, ldx, xstep := w.c[i0*w.ldc+n0:], w.ldc, p.nr
	if w.ep.Residual != nil {
		ldx = n1 - n0
		if pl.blocks == 1 {
			ldx, xstep = p.nr, 0
		}
		sums := getCells(rows * ldx)
		defer putCells(sums)
		x = sums.cells
	}
	if pl.blocks == 0 {
		w.noDepth(p, x, ldx, i0, n0, rows, n1-n0)
		return
	}
	var own []float32
	if w.a == nil {
		buf := getCells(pl.sizeOf(max(w.rows, pl.path.block)))
		defer putCells(buf)
		own = buf.cells
	}
	for kb := k0; kb < k1; kb++ {
		l := p.layout(w.product.a.Trans, pl.steps(kb))
		a := own
		if own != nil {
			p.packA(own, w.product.a, i0, rows, kb*pl.depth, pl.depthOf(kb))
		} else {
			a = w.a[pl.blockAt(w.m, k0, kb, i0/p.block)+i0%p.block/p.mr*l.panel:]
		}
		add := kb > 0 || w.ep.Accumulate
		for j := j0; j < j1; j++ {
			cols := min(p.nr, pl.n-j*p.nr)
			panel, sums := w.b[pl.panelAt(k0, kb, j):], x[(j-j0)*xstep:]
			p.column(a, l, panel, pl.steps(kb), sums, ldx, rows, cols, add)
			if kb == pl.blocks-1 {
				w.finish(p, sums, ldx, i0, j*p.nr, rows, cols)
			}
		}
	}
}

// noDepth is task for k = 0, where every sum is empty.
func (p *product) noDepth(path *path, x []float32, ldx, i0, n0, rows, cols int) {
	if p.ep.Accumulate {
		return
	}
	for i := range rows {
		clear(x[i*ldx:][:cols])
	}
	p.finish(path, x, ldx, i0, n0, rows, cols)
}

// finish applies the epilogue to rows×cols of sums x at row i0 and column n0.
func (p *product) finish(path *path, x []float32, ldx, i0, n0, rows, cols int) {
	ep := &p.ep
	if ep.empty() {
		return
	}
	var bias, slope, residual []float32
	if ep.Bias != nil {
		bias = ep.Bias[n0:]
	}
	if ep.Slope != nil {
		slope = ep.Slope[n0:]
	}
	if ep.Residual != nil {
		residual = ep.Residual[i0*p.ldc+n0:]
	}
	path.finish(p.c[i0*p.ldc+n0:], p.ldc, x, ldx, bias, slope, ep.Act, residual, rows, cols)
}
