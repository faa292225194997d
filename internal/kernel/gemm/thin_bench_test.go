package gemm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// BenchmarkThin is products of few rows, as a language model decodes: their speed
// is that at which weights are read, and read is a sum over memory beside them.
func BenchmarkThin(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	b.Run("read", func(b *testing.B) {
		x, sums := make([]float32, 64<<20), make([]float32, 64)
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			simd.For(len(sums), 1, func(t, _ int) { sums[t] = vec.Sum(x[t<<20 : (t+1)<<20]) })
		}
	})
	for _, s := range [][2]int{{576, 576}, {576, 1536}, {576, 49152}, {4096, 4096}} {
		k, n := s[0], s[1]
		wide, x := make([]float32, k*n), make([]float32, 8*k)
		for i := range wide {
			wide[i] = float32(rng.NormFloat64())
		}
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		for _, m := range []int{1, 2, 8} {
			a, c := gemm.Matrix{Data: x, Stride: k}, make([]float32, m*n)
			for _, kind := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q8_0} {
				w := quant.Blocks{Type: kind, Bytes: make([]byte, size(kind, k*n))}
				quant.Quantize(kind, w.Bytes, wide)
				b.Run(fmt.Sprintf("%d×%d→%d/%v", m, k, n, kind), func(b *testing.B) {
					b.SetBytes(int64(len(w.Bytes)))
					for b.Loop() {
						gemm.MulCodes(m, n, k, a, w, c, n, gemm.Epilogue{})
					}
				})
			}
			packed := gemm.Pack(gemm.BF16, k, n, gemm.Matrix{Data: wide, Stride: k, Trans: true})
			b.Run(fmt.Sprintf("%d×%d→%d/bf16", m, k, n), func(b *testing.B) {
				b.SetBytes(int64(2 * k * n))
				for b.Loop() {
					gemm.MulPacked(m, a, packed, c, n, gemm.Epilogue{})
				}
			})
		}
	}
}

// size is the bytes of so many numbers in blocks.
func size(t quant.Type, n int) int {
	numbers, bytes := t.Block()
	return n / numbers * bytes
}
