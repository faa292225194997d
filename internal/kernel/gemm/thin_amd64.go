package gemm

import "github.com/kinora-video/kinora/internal/simd"

// thinDotN256 is thinDotGo for runs of N, in another order.
//
//go:noescape
func thinDot32256(thinDot *thinDot)

//go:noescape
func thinDot16256(thinDot *thinDot)

// thinDotNow computes at the current vector level.
func thinDotNow(d *thinDot, run int) {
	switch {
	case simd.Current() < simd.AVX2:
		thinDotGo(d, run)
	case run == CodeRun:
		thinDot32256(d)
	default:
		thinDot16256(d)
	}
}
