package elem

import (
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// BenchmarkOps runs the kernels on one thread over a training step's typical tensor, 4480 rows of 256. MB/s counts the
// bytes that must move.
func BenchmarkOps(b *testing.B) {
	const rows, c, group = 4480, 256, 280
	const n = rows * c
	r := rand.New(rand.NewPCG(1, 1))
	x, y, z, w := random(r, 2*n), random(r, 2*n), random(r, n), random(r, n)
	s, t := random(r, n/group), random(r, n/group)
	v := make([]float32, n)
	half := make([]uint16, n)
	before := simd.Threads()
	defer simd.SetThreads(before)
	simd.SetThreads(1)
	for _, o := range []struct {
		name  string
		bytes int // per element
		f     func()
	}{
		{"Add", 12, func() { Add(z, x[:n], y[:n]) }},
		{"AddScaled", 12, func() { AddScaled(z, x[:n], 1e-9) }},
		{"MulAdd", 16, func() { MulAdd(z, x[:n], y[:n]) }},
		{"SiLU", 8, func() { Act(gemm.SiLU, z, x[:n]) }},
		{"GELU", 8, func() { Act(gemm.GELU, z, x[:n]) }},
		{"GELUGrad", 16, func() { ActGrad(gemm.GELU, z, x[:n], y[:n]) }},
		{"SwiGLU", 12, func() { SwiGLU(z, x, rows, c) }},
		{"SwiGLUGrad", 28, func() { SwiGLUGrad(y, z, x, rows, c) }},
		{"Modulate", 8, func() { Modulate(z, x, s, t, rows, c, group) }},
		{"ModulateGrad", 16, func() { ModulateGrad(z, s, t, w, x, s, rows, c, group) }},
		{"GatedAdd", 12, func() { GatedAdd(z, x, y, s, rows, c, group) }},
		{"GatedAddGrad", 16, func() { GatedAddGrad(z, s, w, x, t, rows, c, group) }},
		{"SumRows", 4, func() { SumRows(s, w, rows, c, group) }},
		{"RoPE", 8, func() { RoPE(z, x, y, w, rows, 8, 32, 280, false) }},
		{"AdamW", 28, func() {
			AdamW{LR: 1e-9, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Step: 10}.Update(x[:n], y[:n], v, z)
		}},
		{"SumSquares", 4, func() { SumSquares(w) }},
		{"ToBF16", 6, func() { ToBF16(half, w) }},
		{"ToF16", 6, func() { ToF16(half, w) }},
		{"Unshuffle", 8, func() { Unshuffle(x[:n], w, 16, 5, 8, 14, 128/4, 1, 2, 2) }},
	} {
		b.Run(o.name, func(b *testing.B) {
			b.SetBytes(int64(o.bytes) * n)
			for range b.N {
				o.f()
			}
		})
	}
}
