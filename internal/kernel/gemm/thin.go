package gemm

import (
	"runtime/debug"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Products of one row, as a language model makes for each token: weights that one
// row uses are not worth a panel, which takes longer to fill than to use.

// thinTasks is the tasks that few columns are cut into at least, of 16 columns or more.
const thinTasks = 16

// thinDot is the product of a row of activations and one of weights: the sum over
// runs of scale·wscale·Σ q·w.
type thinDot struct {
	q, w          unsafe.Pointer // int16, int8
	scale, wscale unsafe.Pointer
	runs          int // at least 1
	sum           float32
}

// thinDotGo is thinDot in plain Go.
func thinDotGo(d *thinDot, run int) {
	q, w := unsafe.Slice((*int16)(d.q), d.runs*run), unsafe.Slice((*int8)(d.w), d.runs*run)
	scale, wscale := unsafe.Slice((*float32)(d.scale), d.runs), unsafe.Slice((*float32)(d.wscale), d.runs)
	d.sum = 0
	for r, s := range scale {
		var dot int32
		of := w[r*run:][:run]
		for i, v := range q[r*run:][:run] {
			dot += int32(v) * int32(of[i])
		}
		d.sum += s * wscale[r] * float32(dot)
	}
}

// thin computes a product of one row. Each column of weights is taken apart, which
// leaves it in L1, and multiplied from there.
func (x *codeProduct) thin() {
	runs, line := x.k/x.run, roundUp(x.k, 64)/4
	rows := make([]thinRow, x.passes)
	row := x.product.row(0, x.k)
	if x.passes > 1 {
		buf := getCells(2 * x.k)
		defer putCells(buf)
		most, rest := buf.cells[:x.k], buf.cells[x.k:2*x.k]
		splitRuns(most, rest, row, x.run)
		rows[1] = newThinRow(rest, x.run)
		row = most
	}
	rows[0] = newThinRow(row, x.run)
	each := min(codeCols, roundUp(ceilDiv(x.n, thinTasks), 16))
	simd.For(x.n, each, func(n0, n1 int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		buf := getCells(codeCols + line + 2*runs)
		defer putCells(buf)
		sums, rest := buf.cells[:codeCols], buf.cells[codeCols:]
		w, wscale, mins := codesIn(rest[:line])[:x.k], rest[line:][:runs], rest[line+runs:]
		for j := n0; j < n1; j++ {
			x.w.Codes(w, wscale, mins, j*x.k)
			sums[j-n0] = 0
			for _, r := range rows {
				d := thinDot{q: unsafe.Pointer(&r.q[0]), w: unsafe.Pointer(&w[0]), scale: at(r.scale, 0), wscale: at(wscale, 0), runs: runs}
				thinDotNow(&d, x.run)
				if x.mins {
					d.sum += vec.Dot(r.sum, mins)
				}
				sums[j-n0] += d.sum
			}
		}
		x.deliverTile(sums, 0, n0, 1, n1-n0)
	})
}

// thinRow is a row of activations: the codes, the scale of each run, and the scale
// times the sum of its codes.
type thinRow struct {
	q          []int16
	scale, sum []float32
}

func newThinRow(row []float32, run int) thinRow {
	runs := len(row) / run
	t := thinRow{q: make([]int16, len(row)), scale: make([]float32, runs), sum: make([]float32, runs)}
	var codes [CodeRun]int8
	for r := range t.scale {
		q := codes[:run]
		t.scale[r] = quantizeGo(q, row[r*run:][:run])
		for i, v := range q {
			t.q[r*run+i] = int16(v)
		}
		t.sum[r] = t.scale[r] * float32(sumCodes(q))
	}
	return t
}
