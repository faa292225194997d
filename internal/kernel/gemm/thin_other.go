//go:build !amd64

package gemm

// thinDotNow computes in plain Go.
func thinDotNow(d *thinDot, run int) { thinDotGo(d, run) }
