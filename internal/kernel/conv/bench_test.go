package conv

import (
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// The shapes of an upscaler, of a codec in training and of the transformer's feed-forward.
var benchDense = []Shape{
	{N: 1, T: 1, H: 64, W: 256, C: 64, O: 64, KT: 1, KH: 3, KW: 3}, // of an upscaler
	{N: 1, T: 64, H: 1, W: 128, C: 32, O: 32, KT: 3, KH: 1, KW: 3},
	{N: 16, T: 1, H: 32, W: 32, C: 64, O: 64, KT: 1, KH: 3, KW: 3},
	{N: 32, T: 1, H: 16, W: 16, C: 128, O: 128, KT: 1, KH: 3, KW: 3},
	{N: 32, T: 2, H: 8, W: 8, C: 256, O: 256, KT: 1, KH: 3, KW: 3},
	{N: 32, T: 4, H: 8, W: 8, C: 256, O: 256, KT: 2, KH: 1, KW: 1},
	{N: 4, T: 4, H: 20, W: 32, C: 128, O: 64, KT: 1, KH: 1, KW: 1},
}

var benchDepthwise = []Shape{
	{N: 16, T: 7, H: 5, W: 8, C: 512, O: 512, KT: 2, KH: 3, KW: 3},
	{N: 16, T: 7, H: 5, W: 8, C: 512, O: 512, KT: 1, KH: 3, KW: 3},
}

func filled(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%17) - 8
	}
	return v
}

func rate(b *testing.B, flops float64) {
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkDense(b *testing.B) {
	for _, s := range benchDense {
		x, y, w, bias := filled(s.xLen()), filled(s.yLen()), filled(s.wLen()), filled(s.O)
		for i, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			name := func(op string) string { return fmt.Sprintf("%s/%s/%s", op, []string{"f32", "bf16"}[i], s.name()) }
			b.Run(name("forward"), func(b *testing.B) {
				for b.Loop() {
					Forward(p, y, x, nil, w, bias, gemm.SiLU, s)
				}
				rate(b, s.FLOPs())
			})
			b.Run(name("input"), func(b *testing.B) {
				for b.Loop() {
					GradInput(p, x, y, w, s)
				}
				rate(b, s.FLOPs())
			})
			b.Run(name("weight"), func(b *testing.B) {
				for b.Loop() {
					GradWeight(p, w, bias, y, x, nil, s)
				}
				rate(b, s.FLOPs())
			})
		}
	}
}

func BenchmarkDepthwise(b *testing.B) {
	for _, s := range benchDepthwise {
		x, y, w, bias := filled(s.xLen()), filled(s.xLen()), filled(s.taps()*s.C), filled(s.C)
		flops := s.FLOPs() / float64(s.O)
		b.Run("forward/"+s.name(), func(b *testing.B) {
			for b.Loop() {
				Depthwise(y, x, nil, w, bias, s)
			}
			rate(b, flops)
		})
		b.Run("input/"+s.name(), func(b *testing.B) {
			for b.Loop() {
				DepthwiseGradInput(x, y, w, s)
			}
			rate(b, flops)
		})
		b.Run("weight/"+s.name(), func(b *testing.B) {
			for b.Loop() {
				DepthwiseGradWeight(w, bias, y, x, nil, s)
			}
			rate(b, flops)
		})
	}
}
