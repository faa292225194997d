package gemm

import (
	"fmt"
	"math"
	"runtime/debug"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Products of a few rows with weights as they are stored, as a language model makes
// for each token. They run at the speed at which weights are read, so activations
// can be rounded much less than weights are: to 16 bits.

// FewRows is the largest number of rows of MulFew.
const FewRows = 16

// A Few is one product of MulFew, C = A·Wᵀ + Residual, or with Gate
// C = silu(A·Gateᵀ)⊙(A·Wᵀ) (Shazeer 2020). W and Gate are [N, k]; the rows of C and
// of Residual, which may be nil, are N apart.
type Few struct {
	N           int
	W, Gate     Numbers
	C, Residual []float32
}

const (
	// fineMax is the largest code of an activation: the assembly multiplies its two
	// halves, high·256 + low, both of them int8.
	fineMax = 127<<8 + 127
	// fewBytes is about how many bytes of weights a task reads at least; a product
	// is cut into fewTasks tasks at most.
	fewBytes = 24 << 10
	fewTasks = 64
)

// MulFew computes products of the same few rows A [m, k], m at most FewRows. Where
// weights are Codes whose runs divide k, each run of 32 numbers of A is rounded to
// codes of 16 bits by a scale of its own, max|a|/32639, ties to even; products of
// codes are summed exactly over a run, and scaled and added in f32. Other weights
// are widened to f32 and multiplied so. A row of C does not depend on the other
// rows. Weights are read once and never kept. A must be finite; no C may overlap A.
// If a mapped file has shrunk, the memory fault is a panic and not a crash.
func MulFew(m, k int, a Matrix, ps ...Few) {
	if m > FewRows {
		panic(fmt.Sprintf("gemm: %d rows are more than the %d of MulFew", m, FewRows))
	}
	if m == 0 {
		return
	}
	a.check("a", m, k)
	x := fewRows{m: m, k: k, a: a}
	var tasks []fewTask
	for i := range ps {
		p := &ps[i]
		x.checkFew(p)
		each := x.columns(p)
		for n0 := 0; n0 < p.N; n0 += each {
			tasks = append(tasks, fewTask{p, n0, min(n0+each, p.N)})
		}
	}
	if x.coded {
		x.quantize()
		defer putCells(x.buf)
	}
	if x.paired {
		x.fillPairs()
		defer putCells(x.pairs)
	}
	simd.For(len(tasks), 1, func(t, _ int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		x.task(&tasks[t])
	})
}

// fewTask is the columns [n0,n1) of a product.
type fewTask struct {
	*Few
	n0, n1 int
}

// fewRows are the rows of a MulFew, and their codes if any product needs them.
type fewRows struct {
	m, k  int
	a     Matrix
	coded bool // rows are needed
	runs  int  // of CodeRun numbers; those beyond k are zeros
	rows  []fineRow
	buf   *scratch

	paired bool     // pairs are needed
	pairs  *scratch // the codes as fused products take them
}

// fineRow is a row of activations as codes.
type fineRow struct {
	code       []int16   // [runs·CodeRun]
	scale, sum []float32 // [runs]; sum is scale·Σcode
	half       []float32 // [2·runs]: scale·Σcode of each half of a run
}

func (x *fewRows) checkFew(p *Few) {
	p.W.Check(p.N, x.k)
	if p.Gate != nil {
		p.Gate.Check(p.N, x.k)
	}
	if len(p.C) < x.m*p.N || p.Residual != nil && len(p.Residual) < x.m*p.N {
		panic(fmt.Sprintf("gemm: %d×%d results do not fit %d values", x.m, p.N, len(p.C)))
	}
	for _, w := range []Numbers{p.W, p.Gate} {
		if w == nil {
			continue
		}
		if _, ok := x.codes(w); ok && x.isFused(w) {
			x.paired = true
		} else if ok {
			x.coded = true
		}
	}
}

// codes returns weights as codes, if they are multiplied so.
func (x *fewRows) codes(w Numbers) (Codes, bool) {
	if s, ok := w.(Stored); ok {
		if w, ok := s.Codes(); ok && x.k%w.Run() == 0 {
			return w, true
		}
		return nil, false
	}
	c, ok := w.(Codes)
	return c, ok && x.k > 0 && x.k%c.Run() == 0
}

// columns is how many columns a task of p has.
func (x *fewRows) columns(p *Few) int {
	size := 4 * x.k
	switch w := p.W.(type) {
	case Stored:
		size = w.Format.Size() * x.k
	case interface{ RowBytes(k int) int }:
		size = w.RowBytes(x.k)
	}
	if p.Gate != nil {
		size *= 2
	}
	return roundUp(max(1, fewBytes/max(1, size), ceilDiv(p.N, fewTasks)), 8)
}

// quantize writes the codes of all rows.
func (x *fewRows) quantize() {
	x.runs = ceilDiv(x.k, CodeRun)
	n := x.runs * CodeRun
	each := n/2 + 4*x.runs // codes; scale, sum and two halves
	x.buf = getCells(x.m * each)
	x.rows = make([]fineRow, x.m)
	pr := product{a: x.a}
	for i := range x.rows {
		c := x.buf.cells[i*each:][:each]
		r := &x.rows[i]
		r.code = unsafe.Slice((*int16)(unsafe.Pointer(&c[0])), n)
		c = c[n/2:]
		r.scale, r.sum, r.half = c[:x.runs], c[x.runs:][:x.runs], c[2*x.runs:][:2*x.runs]
		r.fill(pr.row(i, x.k))
	}
}

// fill writes the codes of numbers, and zeros beyond them.
func (r *fineRow) fill(row []float32) {
	for i := range r.scale {
		at := i * CodeRun
		n := max(0, min(CodeRun, len(row)-at))
		q := r.code[at:][:CodeRun]
		clear(q[n:])
		r.scale[i] = fineGo(q, row[min(at, len(row)):][:n])
		var sums [2]int32
		for j, v := range q {
			sums[j/(CodeRun/2)] += int32(v)
		}
		r.half[2*i], r.half[2*i+1] = r.scale[i]*float32(sums[0]), r.scale[i]*float32(sums[1])
		r.sum[i] = r.scale[i] * float32(sums[0]+sums[1])
	}
}

// fineGo writes q = round(x·(32639/max|x|)), ties to even, and returns
// scale = max|x|/32639; zeros and 0 where all values are tiny.
func fineGo(q []int16, x []float32) (scale float32) {
	var top float32
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v))))
	}
	if top < minPeak {
		clear(q)
		return 0
	}
	inv := fineMax / top
	for i, v := range x {
		q[i] = int16(math.RoundToEven(float64(v * inv)))
	}
	return top / fineMax
}

// task computes its columns of all rows.
func (x *fewRows) task(t *fewTask) {
	cols := t.n1 - t.n0
	n := x.m * cols
	buf := getCells(2*n + x.scratch())
	defer putCells(buf)
	sums, gate, rest := buf.cells[:n], buf.cells[n:2*n], buf.cells[2*n:]
	x.sums(sums, t.W, t.n0, t.n1, rest)
	if t.Gate != nil {
		x.sums(gate, t.Gate, t.n0, t.n1, rest)
		vec.SwiGLU(sums, gate, sums)
	}
	for i := range x.m {
		c, s := t.C[i*t.N+t.n0:][:cols], sums[i*cols:][:cols]
		if t.Residual != nil {
			vec.Add(c, s, t.Residual[i*t.N+t.n0:][:cols])
			continue
		}
		copy(c, s)
	}
}

// scratch is how many cells sums needs for a column.
func (x *fewRows) scratch() int { return roundUp(x.k, 64) + 3*ceilDiv(x.k, CodeRun/2) }

// sums writes the products of the columns [n0,n1) of w, [m, n1-n0].
func (x *fewRows) sums(sums []float32, w Numbers, n0, n1 int, buf []float32) {
	c, coded := x.codes(w)
	if coded && x.fused(sums, w, n0, n1) {
		return
	}
	cols := n1 - n0
	wide := buf[:x.k]
	for j := n0; j < n1; j++ {
		if coded {
			x.column(sums[j-n0:], cols, c, j, buf)
			continue
		}
		w.Widen(wide, j*x.k)
		for i := range x.m {
			sums[i*cols+j-n0] = vec.Dot(x.a.Data[i*x.a.Stride:][:x.k], wide)
		}
	}
}

// column writes the products of column j of codes, which it takes apart once for
// all rows; they are ld apart.
func (x *fewRows) column(sums []float32, ld int, c Codes, j int, buf []float32) {
	run := c.Run()
	runs := x.k / run
	w, wscale, mins := codesIn(buf[:roundUp(x.k, 64)/4])[:x.k], buf[roundUp(x.k, 64)/4:][:runs], buf[roundUp(x.k, 64)/4+runs:][:runs]
	c.Codes(w, wscale, mins, j*x.k)
	scale := buf[roundUp(x.k, 64)/4+2*runs:][:runs]
	for i := range x.rows {
		r := &x.rows[i]
		d := thinDot{q: unsafe.Pointer(&r.code[0]), w: unsafe.Pointer(&w[0]), scale: at(r.scale, 0), wscale: at(wscale, 0), runs: runs}
		sum := r.sum
		if run < CodeRun {
			for j := range scale {
				scale[j] = r.scale[j/2]
			}
			d.scale, sum = at(scale, 0), r.half
		}
		thinDotNow(&d, run)
		if c.Mins() {
			d.sum += vec.Dot(sum[:runs], mins)
		}
		sums[i*ld] = d.sum
	}
}
