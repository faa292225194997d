package attn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// The shapes of a training step: a batch of 16 windows of the native model.
func benchShape(b *testing.B, s Shape, f func(x [][]float32, segs []Segment)) {
	r := rand.New(rand.NewPCG(1, 1))
	nq, nk := s.B*s.Q*s.H*s.D, s.B*s.K*s.H*s.D
	var x [][]float32
	for range 6 {
		x = append(x, relu(random(r, max(nq, nk))))
	}
	x = append(x, make([]float32, s.B*s.Q*s.H))
	before := simd.Threads()
	defer simd.SetThreads(before)
	simd.SetThreads(1)
	b.ResetTimer()
	for range b.N {
		f(x, []Segment{{0, s.Q / 2, 0, s.K / 2}, {s.Q / 2, s.Q, 0, s.K}})
	}
	b.ReportMetric(float64(s.B*s.H*s.Q*s.K*s.D)*4*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s(2QKD·2)")
}

var (
	selfShape = Shape{4, 8, 280, 280, 32}
	textShape = Shape{4, 8, 280, 48, 32}
)

func BenchmarkSoftmax(b *testing.B) {
	for _, s := range []Shape{selfShape, textShape} {
		b.Run("", func(b *testing.B) {
			benchShape(b, s, func(x [][]float32, _ []Segment) { Softmax(x[0], x[6], x[1], x[2], x[3], 0.1, s, Mask{}) })
		})
	}
}

// BenchmarkFlash has the heads of released models: one of a video transformer, one of a text encoder, and the single head
// of a video autoencoder.
func BenchmarkFlash(b *testing.B) {
	for _, p := range []gemm.Precision{gemm.BF16, gemm.F32} {
		for _, s := range []Shape{{1, 1, 4096, 4096, 128}, {1, 8, 512, 512, 64}, {1, 1, 2048, 2048, 384}} {
			b.Run(fmt.Sprintf("%v/%dx%d", p, s.K, s.D), func(b *testing.B) {
				benchShape(b, s, func(x [][]float32, _ []Segment) { Flash(p, x[0], x[1], x[2], x[3], nil, 0.1, s, Mask{}) })
			})
		}
	}
}

func BenchmarkSoftmaxGrad(b *testing.B) {
	for _, s := range []Shape{selfShape, textShape} {
		b.Run("", func(b *testing.B) {
			benchShape(b, s, func(x [][]float32, _ []Segment) {
				SoftmaxGrad(x[0], x[1], x[2], x[3], x[3], x[6], x[4], x[5], x[5], 0.1, s, Mask{})
			})
		})
	}
}

func BenchmarkLinear(b *testing.B) {
	s := selfShape
	benchShape(b, s, func(x [][]float32, segs []Segment) {
		Linear(x[0], x[6], x[1], x[2], x[1], x[2], x[3], nil, 1, s, segs)
	})
}

func BenchmarkLinearGrad(b *testing.B) {
	s := selfShape
	benchShape(b, s, func(x [][]float32, segs []Segment) {
		Linear(x[0], x[6], x[1], x[2], x[1], x[2], x[3], nil, 1, s, segs)
		LinearGrad(x[4], x[5], x[4], x[5], x[5], x[3], x[0], x[6], x[1], x[2], x[1], x[2], x[3], s, segs)
	})
}
