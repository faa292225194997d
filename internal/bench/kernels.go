package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
)

// timing is one kernel to be timed.
type timing struct {
	kernel, size string
	flops        float64
	run          func()
}

// MeasureKernels times the kernels with all threads. Products come first: the
// fastest in f32 is the peak that shares are relative to. A product of m×n×k
// counts 2mnk, and so does attention for each of its products; a norm counts
// five operations per value.
func (b *Report) MeasureKernels(ctx context.Context, w Stopwatch, progress func(done, total int)) error {
	list := slices.Concat(products(512, 1024, 2048), models(), wide())
	for i, t := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		sec := w.best(t.run)
		s := Speed{Kernel: t.kernel, Size: t.size, FLOPs: t.flops, Seconds: sec, GFLOPS: t.flops / sec / 1e9}
		if t.kernel == "gemm f32" {
			b.Peak = max(b.Peak, s.GFLOPS)
		}
		b.Kernels = append(b.Kernels, s)
		if progress != nil {
			progress(i+1, len(list))
		}
	}
	for i := range b.Kernels {
		b.Kernels[i].Share = b.Kernels[i].GFLOPS / b.Peak
	}
	return nil
}

// MeasurePeak finds only the peak.
func (b *Report) MeasurePeak(ctx context.Context, w Stopwatch) error {
	for _, t := range products(512, 1024, 2048) {
		if t.kernel != "gemm f32" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Peak = max(b.Peak, t.flops/w.best(t.run)/1e9)
	}
	return nil
}

func randoms(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// products are products of square matrices. In int8 the weights are packed
// ahead, as they are in use; activations are quantised each time.
func products(sizes ...int) []timing {
	var out []timing
	for _, n := range sizes {
		x, y, z := randoms(n*n), randoms(n*n), make([]float32, n*n)
		a, c := gemm.Matrix{Data: x, Stride: n}, gemm.Matrix{Data: y, Stride: n}
		packed := gemm.PackInt8(n, n, gemm.Int8Rows(n, n, c))
		size, flops := fmt.Sprintf("%d×%d×%d", n, n, n), 2*float64(n)*float64(n)*float64(n)
		out = append(out,
			timing{"gemm f32", size, flops, func() { gemm.Mul(gemm.F32, n, n, n, a, c, z, n, gemm.Epilogue{}) }},
			timing{"gemm bf16", size, flops, func() { gemm.Mul(gemm.BF16, n, n, n, a, c, z, n, gemm.Epilogue{}) }},
			timing{"gemm int8", size, flops, func() { gemm.MulInt8(n, a, packed, z, n, gemm.Epilogue{}) }},
		)
	}
	return out
}

// wide is attention for inference, with the heads of a large video transformer.
func wide() []timing {
	s := attn.Shape{B: 1, H: 1, Q: 2048, K: 2048, D: 128}
	n := s.B * s.Q * s.H * s.D
	q, k, v, o := randoms(n), randoms(n), randoms(n), make([]float32, n)
	var out []timing
	for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
		out = append(out, timing{
			[]string{"flash f32", "flash bf16"}[p], "1 head, 2048×2048×128", 4 * float64(s.B*s.H*s.Q*s.K*s.D),
			func() { attn.Flash(p, o, q, k, v, nil, 0.088, s, attn.Mask{}) },
		})
	}
	return out
}

// models are kernels at the sizes at which reel runs them.
func models() []timing {
	var out []timing
	for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
		s := conv.Shape{N: 1, T: 8, H: 20, W: 32, C: 160, O: 160, KT: 1, KH: 3, KW: 3}
		rows := s.N * s.T * s.H * s.W
		x, w, y := randoms(rows*s.C), randoms(s.O*9*s.C), make([]float32, rows*s.O)
		out = append(out, timing{
			[]string{"conv f32", "conv bf16"}[p], "3×3, 8×20×32×160", 2 * float64(rows) * 9 * float64(s.C*s.O),
			func() { conv.Forward(p, y, x, nil, w, nil, gemm.SiLU, s) },
		})
	}
	s := attn.Shape{B: 2, H: 8, Q: 560, K: 560, D: 32}
	n := s.B * s.Q * s.H * s.D
	q, k, v, o, den := randoms(n), randoms(n), randoms(n), make([]float32, n), make([]float32, s.B*s.Q*s.H)
	for i := range q {
		q[i], k[i] = max(q[i], 0), max(k[i], 0)
	}
	pairs := float64(s.B * s.H * s.Q * s.K * s.D)
	segs := []attn.Segment{{Q0: 0, Q1: s.Q, K0: 0, K1: s.K}}
	const rows, c = 4096, 256
	x, y, g, rstd := randoms(rows*c), make([]float32, rows*c), randoms(c), make([]float32, rows)
	return append(out,
		timing{"attention", "2×8 heads, 560×560×32", 4 * pairs, func() { attn.Softmax(o, nil, q, k, v, 0.18, s, attn.Mask{}) }},
		timing{"linear attention", "2×8 heads, 560×32", 4 * float64(s.B*s.H*s.Q*s.D*s.D), func() { attn.Linear(o, den, q, k, q, k, v, nil, 1e-6, s, segs) }},
		timing{"rms norm", "4096×256", 5 * rows * c, func() { norm.RMS(y, rstd, x, g, rows, c, 1e-6) }},
		timing{"softmax", "4096×256", 5 * rows * c, func() { norm.Softmax(y, x, rows, c) }},
	)
}
