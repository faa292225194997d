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
	refCodes(1, m, n, k, a, w, c, ldc, ep)
}

// RefCodesFine is the specification of MulCodesFine: as RefCodes of the activations,
// and of what their codes leave over.
func RefCodesFine(m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	refCodes(2, m, n, k, a, w, c, ldc, ep)
}

func refCodes(passes, m, n, k int, a Matrix, w Codes, c []float32, ldc int, ep Epilogue) {
	run := w.Run()
	runs := k / run
	sums := make([]float64, m*n)
	left := make([]float32, m*k)
	for i := range m {
		for l := range k {
			left[i*k+l] = a.at(i, l)[0]
		}
	}
	qb, scale, min := make([]int8, n*k), make([]float32, n*runs), make([]float32, n*runs)
	for j := range n {
		w.Codes(qb[j*k:][:k], scale[j*runs:][:runs], min[j*runs:][:runs], j*k)
	}
	qa := make([]int8, run)
	for range passes {
		for r := range m * runs {
			x := left[r*run:][:run]
			s := quantizeGo(qa, x)
			for l, q := range qa {
				of := s * float32(q)
				x[l] -= of
			}
			i, r := r/runs, r%runs
			for j := range n {
				var dot int32
				w := qb[j*k+r*run:]
				for l, v := range qa {
					dot += int32(v) * int32(w[l])
				}
				sums[i*n+j] += float64(s) * (float64(scale[j*runs+r])*float64(dot) + float64(min[j*runs+r])*float64(sumCodes(qa)))
			}
		}
	}
	for i, sum := range sums {
		at := i/n*ldc + i%n
		refFinish(&c[at], sum, at, i%n, ep)
	}
}

// packedPair is two codes as a cell of int16.
func packedPair(lo, hi int8) float32 {
	return math.Float32frombits(uint32(uint16(lo)) | uint32(uint16(hi))<<16)
}
