package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

// BenchmarkLevels compares the vector levels on one product.
func BenchmarkLevels(b *testing.B) {
	m, n, k := 480, 512, 512
	rng := rand.New(rand.NewPCG(1, 2))
	x, c := matrix(rng, m, k, false, 0), make([]float32, m*n)
	for _, l := range simd.Levels() {
		for _, trans := range []bool{false, true} {
			w := matrix(rng, k, n, trans, 0)
			restore, _ := simd.Use(l)
			quantized := PackInt8(k, n, Int8Rows(k, n, w))
			for name, f := range map[string]func(){
				"f32":  func() { Mul(F32, m, n, k, x, w, c, n, Epilogue{}) },
				"bf16": func() { Mul(BF16, m, n, k, x, w, c, n, Epilogue{}) },
				"int8": func() { MulInt8(m, x, quantized, c, n, Epilogue{}) },
			} {
				b.Run(fmt.Sprintf("%v/%s/transB=%v", l, name, trans), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			restore()
		}
	}
}

// BenchmarkMul has square products and those of a training step: forward
// (x·Wᵀ), the gradient of the input (dy·W) and of the weight (dyᵀ·x).
func BenchmarkMul(b *testing.B) {
	type shape struct {
		name           string
		m, n, k        int
		transA, transB bool
	}
	shapes := []shape{
		{"square", 1024, 1024, 1024, false, false},
		{"square", 2048, 2048, 2048, false, false},
	}
	for _, n := range []int{16, 64, 256, 768, 1024} {
		shapes = append(shapes,
			shape{"forward", 4480, n, 256, false, true},
			shape{"input", 4480, 256, n, false, false},
			shape{"weight", n, 256, 4480, true, false})
	}
	defer simd.SetThreads(simd.Threads())
	for p, name := range precisions {
		for _, s := range shapes {
			for threads := 1; threads <= 2; threads++ {
				b.Run(fmt.Sprintf("%s/%s/%dx%dx%d/threads=%d", name, s.name, s.m, s.n, s.k, threads), func(b *testing.B) {
					simd.SetThreads(threads)
					rng := rand.New(rand.NewPCG(1, 2))
					x, w := matrix(rng, s.m, s.k, s.transA, 0), matrix(rng, s.k, s.n, s.transB, 0)
					c := make([]float32, s.m*s.n)
					for b.Loop() {
						Mul(p, s.m, s.n, s.k, x, w, c, s.n, Epilogue{})
					}
					flops := 2 * float64(s.m) * float64(s.n) * float64(s.k) * float64(b.N)
					b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
