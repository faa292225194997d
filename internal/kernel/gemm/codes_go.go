package gemm

import (
	"math"
	"unsafe"
)

// goCodes is the plain Go path: codes lie as bytes, column by column within a run.
var goCodes = codePath{mr: 1, nr: 4, perCell: 4, factors: 1, quantize: quantizeRunsGo, pack: packCodesGo, tile: tileCodesGo}

// quantizeRunsGo writes the codes of each run, its scale, and the scale times the
// sum of its codes.
func quantizeRunsGo(dst, x []float32, run int) {
	for each := run/4 + 2; len(x) > 0; dst, x = dst[each:], x[run:] {
		q := codesIn(dst[:run/4])
		scale := quantizeGo(q, x[:run])
		dst[run/4], dst[run/4+1] = scale, scale*float32(sumCodes(q))
	}
}

func sumCodes(q []int8) (sum int32) {
	for _, v := range q {
		sum += int32(v)
	}
	return sum
}

// packCodesGo writes a run's codes column after column, and its factors: four
// scales, four mins.
func packCodesGo(cells, factors []float32, u *unpacked) {
	q, each := codesIn(cells), 4
	if u.min != nil {
		each = 8
	}
	for r := range u.runs {
		for c := range 4 {
			copy(q[(r*4+c)*u.run:][:u.run], u.q[c*u.line+r*u.run:])
			factors[r*each+c] = u.scale[c*u.runs+r]
			if u.min != nil {
				factors[r*each+4+c] = u.min[c*u.runs+r]
			}
		}
	}
}

// tileCodesGo computes one row and four columns.
func tileCodesGo(t *codeTile, run int, mins bool, _ int) {
	each := run/4 + 2
	a := unsafe.Slice((*float32)(t.a), t.runs*each)
	q := unsafe.Slice((*int8)(t.b), t.runs*4*run)
	factors := unsafe.Slice((*float32)(t.factors), t.runs*4*(1+b2i(mins)))
	sums := (*[4]float32)(t.c)
	for len(a) > 0 {
		x, scale, sum := codesIn(a[:run/4]), a[run/4], a[run/4+1]
		for c := range sums {
			var dot int32
			w := q[c*run:][:len(x)]
			for i, v := range x {
				dot += int32(v) * int32(w[i])
			}
			sums[c] += float32(dot) * factors[c] * scale
			if mins {
				sums[c] += sum * factors[4+c]
			}
		}
		a, q, factors = a[each:], q[4*run:], factors[4*(1+b2i(mins)):]
	}
}

// RefCodes is the specification of MulCodes: scaled sums of codes added in f64.
func RefCodes(m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	run := w.Run()
	runs := k / run
	qa, sa := make([]int8, m*k), make([]float64, m*runs)
	x := make([]float32, run)
	for i := range m {
		for r := range runs {
			for l := range x {
				x[l] = a.at(i, r*run+l)[0]
			}
			sa[i*runs+r] = float64(quantizeGo(qa[i*k+r*run:][:run], x))
		}
	}
	qb, scale, min := make([]int8, k), make([]float32, runs), make([]float32, runs)
	for j := range n {
		w.Codes(qb, scale, min, j*k)
		for i := range m {
			var sum float64
			for r := range runs {
				var dot int32
				q := qa[i*k+r*run:][:run]
				for l, v := range q {
					dot += int32(v) * int32(qb[r*run+l])
				}
				s := sa[i*runs+r]
				sum += s * (float64(scale[r])*float64(dot) + float64(min[r])*float64(sumCodes(q)))
			}
			refFinish(&c[i*ldc+j], sum, i*ldc+j, j, ep)
		}
	}
}

// packedPair is two codes as a cell of int16.
func packedPair(lo, hi int8) float32 {
	return math.Float32frombits(uint32(uint16(lo)) | uint32(uint16(hi))<<16)
}
