package gemm

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/kinora-video/kinora/internal/simd"
)

// Codes is a matrix [n, k] of quantised weights, row-major: a number is
//
//	scale·code + min
//
// where a run of numbers along k shares scale and min.
type Codes interface {
	// Run is how many numbers share a scale, CodeRun or half of it. It divides k.
	Run() int
	// Mins says whether any min is not 0.
	Mins() bool
	// Codes writes the codes of the len(q) numbers from number at on, which are
	// whole runs of one row, and for each run its scale and, if Mins, its min.
	Codes(q []int8, scale, min []float32, at int)
}

// CodeRun is the longest run of Codes.
const CodeRun = 32

const (
	// codeCols is the columns of a group, whose weights are unpacked once for
	// all rows. The tiles take it for the distance between rows of their sums.
	codeCols = 128
	// codeDepth is how many numbers along k are unpacked at a time at most: with
	// their factors the columns of a group then fill half of an L2 of 1 MiB.
	codeDepth = 3072
	// codeRows is the least number of rows for which a group is worth unpacking
	// twice, so that threads have enough tasks.
	codeRows = 256
)

// maxCodeCells is the most cells of activations that are quantised at a time:
// 16 MiB, half of a usual L3. Tests make it smaller.
var maxCodeCells = 4 << 20

// codePath is one set of kernels for products of codes. A row of activations is
// held run by run: its codes, the scale, and the scale times the sum of the
// codes. A panel of weights has cells, step by step, and factors, run by run.
type codePath struct {
	mr, nr int
	// perCell is how many codes along k a cell of 32 bits holds: 4, or 2 where
	// they are int16.
	perCell int
	// factors is how many cells of factors a run of a column has, without mins.
	factors int
	// quantize writes whole runs of a row of activations.
	quantize func(dst, x []float32, run int)
	// pack fills a panel from codes and factors that lie column by column: the
	// codes of a column begin line bytes after those of the one before.
	pack func(cells, factors []float32, u *unpacked)
	// tile adds mr rows of products to sums, which are codeCols apart.
	tile func(t *codeTile, run int, mins bool, rows int)
}

// unpacked is what Codes gave for the columns of a panel, zeros where there is no
// column.
type unpacked struct {
	q          []int8
	scale, min []float32 // [nr][runs]; min is nil without mins
	run, runs  int
	line       int
}

// codeTile is one product of a panel of activations and one of weights.
type codeTile struct {
	a, b, factors, c unsafe.Pointer
	row              int // bytes between rows of a
	runs             int // at least 1
	// next is what to bring to L2 meanwhile: a number and no pointer, as it may
	// lie beyond what is allocated.
	next uintptr
}

// aRun is how many cells a run of activations takes.
func (p *codePath) aRun(run int) int { return run/p.perCell + 2 }

// MulCodes computes C = act(A·Wᵀ + Bias) + Residual, with A [m,k] and the weights
// W [n,k] as codes. Each run of a row of A is quantised to int8 by a scale of its
// own, max|a|/127, rounded to nearest, ties to even. The products of the codes of
// a run are summed exactly, and scaled and added in f32. Weights are unpacked for
// some columns at a time and never kept. The values of A must be finite; C must
// not overlap A. If a mapped file has shrunk, the memory fault is a panic and not
// a crash.
func MulCodes(m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	mulCodes(1, m, n, k, a, w, c, ldc, ep)
}

// MulCodesFine is MulCodes with activations of 15 bits instead of 8: what a run's
// codes leave over is quantised by another scale, and multiplied too. It takes less
// than twice as long, as the weights are unpacked once.
func MulCodesFine(m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	mulCodes(2, m, n, k, a, w, c, ldc, ep)
}

// mulCodes multiplies in so many passes: of the activations, and of what their codes
// leave over.
func mulCodes(passes, m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, c: c, ldc: ldc, ep: ep}
	pr.check(n, k)
	if run := w.Run(); run != CodeRun && run != CodeRun/2 || k%run != 0 {
		panic(fmt.Sprintf("gemm: codes in runs of %d along %d", run, k))
	}
	if m == 0 || n == 0 {
		return
	}
	p := codePathNow()
	x := codeProduct{product: &pr, path: p, passes: passes, finishing: pathFor(F32), w: w, n: n, k: k, run: w.Run(), mins: w.Mins()}
	if m == 1 && k > 0 {
		x.thin()
		return
	}
	x.row = oddLines(k / x.run * p.aRun(x.run))
	x.depth = roundUp(ceilDiv(k, max(1, ceilDiv(k, codeDepth))), CodeRun)
	chunk := max(1, maxCodeCells/max(1, passes*x.row)/96) * 96
	for i := 0; i < m; i += chunk {
		x.rows(i, min(i+chunk, m))
	}
}

// oddLines rounds a number of cells up to an odd number of cache lines, so that
// rows that follow one another fall in different sets.
func oddLines(cells int) int { return (cells+15)/16*16 | 16 }

// codeProduct is a product of codes in progress.
type codeProduct struct {
	*product
	path      *codePath
	passes    int
	finishing *path
	w         Codes
	n, k      int
	run       int
	mins      bool
	row       int // cells of a row of quantised activations
	pass      int // cells of all rows of a pass
	depth     int // numbers along k that are unpacked at a time
}

// rows computes the rows [i0,i1).
func (x *codeProduct) rows(i0, i1 int) {
	count := i1 - i0
	x.pass = roundUp(count, x.path.mr) * x.row
	a := getCells(x.passes * x.pass)
	defer putCells(a)
	if x.k > 0 {
		simd.For(count, 8, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				x.quantize(a.cells[i*x.row:], x.product.row(i0+i, x.k))
			}
		})
	}
	// Groups of columns are the tasks; where they are few, parts of the rows too.
	groups := ceilDiv(x.n, codeCols)
	parts := max(1, min(ceilDiv(wantTasks, groups), count/codeRows))
	each := roundUp(ceilDiv(count, parts), x.path.mr)
	parts = ceilDiv(count, each)
	simd.For(groups*parts, 1, func(t, _ int) {
		from := t % parts * each
		x.task(a.cells[from*x.row:], i0+from, min(each, count-from), t/parts*codeCols)
	})
}

// quantize writes the runs of a row of activations for each pass.
func (x *codeProduct) quantize(dst, row []float32) {
	if x.passes == 1 {
		x.path.quantize(dst, row, x.run)
		return
	}
	buf := getCells(2 * x.k)
	defer putCells(buf)
	most, rest := buf.cells[:x.k], buf.cells[x.k:2*x.k]
	splitRuns(most, rest, row, x.run)
	x.path.quantize(dst, most, x.run)
	x.path.quantize(dst[x.pass:], rest, x.run)
}

// splitRuns writes what the codes of a row stand for, and what they leave over.
func splitRuns(most, rest, row []float32, run int) {
	var q [CodeRun]int8
	for at := 0; at < len(row); at += run {
		x, most, rest := row[at:][:run], most[at:][:run], rest[at:][:run]
		scale := quantizeGo(q[:run], x)
		for i, v := range x {
			most[i] = scale * float32(q[i])
			rest[i] = v - most[i]
		}
	}
}

// task computes the group of columns from n0 on, for count rows from i0 on, which
// a holds.
func (x *codeProduct) task(a []float32, i0, count, n0 int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	cols := min(codeCols, x.n-n0)
	p := x.path
	g := x.newGroup(cols)
	defer putCells(g.buf)
	// Where k is unpacked in several parts, all rows have sums meanwhile.
	held := p.mr
	if x.depth < x.k {
		held = roundUp(count, p.mr)
	}
	sums := getCells(held * codeCols)
	defer putCells(sums)
	clear(sums.cells)
	for k0 := 0; k0 < max(x.k, 1); k0 += max(x.depth, 1) {
		runs := min(x.depth, x.k-k0) / x.run
		g.unpack(x, n0, cols, k0, runs)
		last := k0+x.depth >= x.k
		for i := 0; i < count; i += p.mr {
			rows, s := min(p.mr, count-i), sums.cells
			switch {
			case held > p.mr:
				s = s[i*codeCols:]
			case i > 0:
				clear(s)
			}
			if runs > 0 {
				for pass := range x.passes {
					g.tiles(x, a[pass*x.pass+i*x.row+k0/x.run*p.aRun(x.run):], s, runs, rows, cols)
				}
			}
			if last {
				x.deliverTile(s, i0+i, n0, rows, cols)
			}
		}
	}
}

// deliverTile writes finished sums to C, through the epilogue.
func (x *codeProduct) deliverTile(sums []float32, i0, n0, rows, cols int) {
	c := x.c[i0*x.ldc+n0:]
	switch {
	case x.ep.Accumulate:
		x.finishing.finish(c, x.ldc, sums, codeCols, nil, nil, None, c, rows, cols)
	case x.ep.empty():
		x.finishing.finish(c, x.ldc, sums, codeCols, nil, nil, None, nil, rows, cols)
	default:
		x.finish(x.finishing, sums, codeCols, i0, n0, rows, cols)
	}
}

// group is the unpacked weights of a group of columns, and what they pass through.
type group struct {
	buf            *scratch
	u              unpacked
	cells, factors []float32 // of all panels
	panelCells     int
	panelFactors   int
}

// newGroup makes room for the panels of so many columns.
func (x *codeProduct) newGroup(cols int) *group {
	p, panels := x.path, ceilDiv(cols, x.path.nr)
	depth := min(x.depth, x.k)
	line, runs := roundUp(depth, 64), depth/x.run
	g := &group{panelCells: roundUp(line/p.perCell*p.nr, 16), panelFactors: runs * p.nr * (p.factors + b2i(x.mins))}
	lines, scales := line/4*p.nr, roundUp(runs*p.nr, 16)
	g.buf = getCells(panels*(g.panelCells+g.panelFactors) + lines + 2*scales)
	rest := g.buf.cells
	take := func(n int) []float32 {
		out := rest[:n:n]
		rest = rest[n:]
		return out
	}
	g.cells = take(panels * g.panelCells)
	g.u = unpacked{q: codesIn(take(lines)), scale: take(scales), min: take(scales), run: x.run, line: line}
	g.factors = take(panels * g.panelFactors)
	if !x.mins {
		g.u.min = nil
	}
	return g
}

// codesIn returns cells as the int8 that they hold.
func codesIn(cells []float32) []int8 {
	if len(cells) == 0 {
		return nil
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(cells))), 4*len(cells))
}

// unpack fills the panels with the runs from k0 on.
func (g *group) unpack(x *codeProduct, n0, cols, k0, runs int) {
	if runs == 0 {
		return
	}
	u, p, n := &g.u, x.path, runs*x.run
	u.runs = runs
	for j := 0; j < cols; j += p.nr {
		for c := range p.nr {
			q, scale := u.q[c*u.line:][:u.line], u.scale[c*runs:][:runs]
			var mins []float32
			if x.mins {
				mins = u.min[c*runs:][:runs]
			}
			if j+c >= cols {
				clear(q)
				clear(scale)
				clear(mins)
				continue
			}
			x.w.Codes(q[:n], scale, mins, (n0+j+c)*x.k+k0)
			clear(q[n:])
		}
		at := j / p.nr
		p.pack(g.cells[at*g.panelCells:][:g.panelCells], g.factors[at*g.panelFactors:][:g.panelFactors], u)
	}
}

// tiles computes a tile for each panel.
func (g *group) tiles(x *codeProduct, a, sums []float32, runs, rows, cols int) {
	p := x.path
	t := codeTile{a: at(a, 0), row: 4 * x.row, runs: runs}
	t.next = uintptr(t.a) + uintptr(4*x.row*p.mr)
	for j := 0; j < cols; j += p.nr {
		i := j / p.nr
		t.b, t.factors, t.c = at(g.cells, i*g.panelCells), at(g.factors, i*g.panelFactors), at(sums, j)
		p.tile(&t, x.run, x.mins, rows)
		t.next += uintptr(128 * runs)
	}
}

// at returns the address of x[i].
func at(x []float32, i int) unsafe.Pointer { return unsafe.Pointer(&x[i]) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
