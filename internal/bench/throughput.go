package bench

import (
	"time"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// Throughput takes about this long, and so many products at least: the fastest counts,
// as other programs slow down some.
const (
	throughputTime = 60 * time.Millisecond
	throughputRuns = 3
)

// Throughput measures in a moment how many operations a second this machine does
// now, in products of bf16 with all threads: of activations with weights that are
// packed already, as models multiply them. It is an estimate, and too low where other
// programs take the cores.
func Throughput() float64 {
	const m, n, k = 256, 1024, 1024
	x, y, z := randoms(m*k), randoms(k*n), make([]float32, m*n)
	packed := gemm.Pack(gemm.BF16, k, n, gemm.Matrix{Data: y, Stride: n})
	best := time.Duration(1<<63 - 1)
	start := time.Now()
	for run := 0; run < throughputRuns || time.Since(start) < throughputTime; run++ {
		t := time.Now()
		gemm.MulPacked(m, gemm.Matrix{Data: x, Stride: k}, packed, z, n, gemm.Epilogue{})
		best = min(best, time.Since(t))
	}
	return 2 * float64(m) * n * k / max(best.Seconds(), 1e-9)
}
