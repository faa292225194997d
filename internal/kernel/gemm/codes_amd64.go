package gemm

import (
	"unsafe"

	"github.com/kinora-video/kinora/internal/simd"
)

// vnniCodes has tiles of 12×32 whose cells are four int8. VPDPBUSD multiplies
// unsigned bytes by signed ones, so activations are kept with 128 added, and a
// run's sums begin with -128·Σq of the weights.
var vnniCodes = codePath{mr: 12, nr: 32, perCell: 4, factors: 2, quantize: quantizeRuns512, pack: packCodes512, tile: tileCodes512}

// avx2Codes has tiles of 4×16 whose cells are two int16: products of bytes would
// saturate.
var avx2Codes = codePath{mr: 4, nr: 16, perCell: 2, factors: 1, quantize: quantizeRuns256, pack: packCodes256, tile: tileCodes256}

// codePathNow chooses the kernels at the current vector level.
func codePathNow() *codePath {
	switch {
	case simd.VNNI():
		return &vnniCodes
	case simd.Current() >= simd.AVX2:
		return &avx2Codes
	}
	return &goCodes
}

// codesRxCRunN adds the products of R rows and C columns in runs of N to sums.
//
//go:noescape
func codes12x32Run32(codeTile *codeTile)

//go:noescape
func codes12x32Run32Mins(codeTile *codeTile)

//go:noescape
func codes12x32Run16(codeTile *codeTile)

//go:noescape
func codes12x32Run16Mins(codeTile *codeTile)

//go:noescape
func codes4x32Run32(codeTile *codeTile)

//go:noescape
func codes4x32Run32Mins(codeTile *codeTile)

//go:noescape
func codes4x32Run16(codeTile *codeTile)

//go:noescape
func codes4x32Run16Mins(codeTile *codeTile)

//go:noescape
func codes4x16Run32(codeTile *codeTile)

//go:noescape
func codes4x16Run32Mins(codeTile *codeTile)

//go:noescape
func codes4x16Run16(codeTile *codeTile)

//go:noescape
func codes4x16Run16Mins(codeTile *codeTile)

// codeOffsets is the computation of a panel's -128·Σq: to has 32 int32 for each
// run, stride bytes apart.
type codeOffsets struct {
	to, cells    unsafe.Pointer
	stride, runs int // runs at least 1
}

//go:noescape
func codesOffsets512Run32(codeOffsets *codeOffsets)

//go:noescape
func codesOffsets512Run16(codeOffsets *codeOffsets)

// codeRow is a row of activations on its way to runs.
type codeRow struct {
	dst, src unsafe.Pointer
	runs     int // at least 1
}

// codesQuantize512RunN is quantizeRunsGo, with 128 added to each code.
//
//go:noescape
func codesQuantize512Run32(codeRow *codeRow)

//go:noescape
func codesQuantize512Run16(codeRow *codeRow)

func tileCodes512(t *codeTile, run int, mins bool, rows int) {
	switch {
	case run == 32 && !mins && rows > 4:
		codes12x32Run32(t)
	case run == 32 && !mins:
		codes4x32Run32(t)
	case run == 32 && rows > 4:
		codes12x32Run32Mins(t)
	case run == 32:
		codes4x32Run32Mins(t)
	case !mins && rows > 4:
		codes12x32Run16(t)
	case !mins:
		codes4x32Run16(t)
	case rows > 4:
		codes12x32Run16Mins(t)
	default:
		codes4x32Run16Mins(t)
	}
}

func tileCodes256(t *codeTile, run int, mins bool, _ int) {
	switch {
	case run == 32 && !mins:
		codes4x16Run32(t)
	case run == 32:
		codes4x16Run32Mins(t)
	case !mins:
		codes4x16Run16(t)
	default:
		codes4x16Run16Mins(t)
	}
}

func quantizeRuns512(dst, x []float32, run int) {
	r := codeRow{dst: at(dst, 0), src: at(x, 0), runs: len(x) / run}
	if run == 32 {
		codesQuantize512Run32(&r)
	} else {
		codesQuantize512Run16(&r)
	}
}

// packCodes512 turns 32 columns of codes into cells; a run's factors are the
// offsets, the scales, the mins.
func packCodes512(cells, factors []float32, u *unpacked) {
	each := 64
	if u.min != nil {
		each = 96
	}
	for c := range 32 {
		for r, s := range u.scale[c*u.runs:][:u.runs] {
			factors[r*each+32+c] = s
		}
		if u.min != nil {
			for r, s := range u.min[c*u.runs:][:u.runs] {
				factors[r*each+64+c] = s
			}
		}
	}
	for half := range 2 {
		t := turn{
			dst: at(cells, 16*half), src: unsafe.Pointer(&u.q[16*half*u.line]),
			stride: u.line, blocks: u.line / 64, pitch: 128,
		}
		turn16F32(&t)
	}
	o := codeOffsets{to: at(factors, 0), cells: at(cells, 0), stride: 4 * each, runs: u.runs}
	if u.run == 32 {
		codesOffsets512Run32(&o)
	} else {
		codesOffsets512Run16(&o)
	}
}

// quantizeRuns256 is quantizeRunsGo with codes of int16.
func quantizeRuns256(dst, x []float32, run int) {
	var q [CodeRun]int8
	for each := run/2 + 2; len(x) > 0; dst, x = dst[each:], x[run:] {
		scale := quantizeGo(q[:run], x[:run])
		for i := range run / 2 {
			dst[i] = packedPair(q[2*i], q[2*i+1])
		}
		dst[run/2], dst[run/2+1] = scale, scale*float32(sumCodes(q[:run]))
	}
}

// packCodes256 turns 16 columns of codes into cells of two; a run's factors are
// the scales, the mins.
func packCodes256(cells, factors []float32, u *unpacked) {
	each := 16
	if u.min != nil {
		each = 32
	}
	for c := range 16 {
		q := u.q[c*u.line:][:u.runs*u.run]
		for s := range len(q) / 2 {
			cells[16*s+c] = packedPair(q[2*s], q[2*s+1])
		}
		for r := range u.runs {
			factors[r*each+c] = u.scale[c*u.runs+r]
			if u.min != nil {
				factors[r*each+16+c] = u.min[c*u.runs+r]
			}
		}
	}
}
