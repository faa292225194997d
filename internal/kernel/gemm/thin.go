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
	q, factors := make([]int16, x.k), getCells(2*runs)
	defer putCells(factors)
	scale, sum := factors.cells[:runs], factors.cells[runs:]
	x.quantizeThin(q, scale, sum)
	each := min(codeCols, roundUp(ceilDiv(x.n, thinTasks), 16))
	simd.For(x.n, each, func(n0, n1 int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		buf := getCells(codeCols + line + 2*runs)
		defer putCells(buf)
		sums, rest := buf.cells[:codeCols], buf.cells[codeCols:]
		w, wscale, mins := codesIn(rest[:line])[:x.k], rest[line:][:runs], rest[line+runs:]
		d := thinDot{q: unsafe.Pointer(&q[0]), w: unsafe.Pointer(&w[0]), scale: at(scale, 0), wscale: at(wscale, 0), runs: runs}
		for j := n0; j < n1; j++ {
			x.w.Codes(w, wscale, mins, j*x.k)
			thinDotNow(&d, x.run)
			if x.mins {
				d.sum += vec.Dot(sum, mins)
			}
			sums[j-n0] = d.sum
		}
		x.deliverTile(sums, 0, n0, 1, n1-n0)
	})
}

// quantizeThin writes the codes of the row of activations, the scale of each run,
// and the scale times the sum of its codes.
func (x *codeProduct) quantizeThin(q []int16, scale, sum []float32) {
	row := x.product.row(0, x.k)
	var codes [CodeRun]int8
	for r := range scale {
		run := codes[:x.run]
		scale[r] = quantizeGo(run, row[r*x.run:][:x.run])
		for i, v := range run {
			q[r*x.run+i] = int16(v)
		}
		sum[r] = scale[r] * float32(sumCodes(run))
	}
}
