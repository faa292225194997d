package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// TestDown holds the convolution with stride two against its formula.
func TestDown(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range []DownShape{
			{N: 2, H: 6, W: 8, C: 5, O: 7, K: 3, Before: 0},
			{N: 1, H: 7, W: 9, C: 16, O: 33, K: 3, Before: 1},
			{N: 3, H: 5, W: 4, C: 3, O: 4, K: 3, Before: 0},
			{N: 1, H: 1, W: 1, C: 2, O: 3, K: 3, Before: 1},
			{N: 1, H: 60, W: 70, C: 17, O: 20, K: 3, Before: 1},
		} {
			r := rand.New(rand.NewPCG(9, uint64(s.H)))
			x, w, bias := buffer(t, r, s.N*s.H*s.W*s.C), buffer(t, r, s.O*s.K*s.K*s.C), buffer(t, r, s.O)
			got := buffer(t, r, s.N*s.OutH()*s.OutW()*s.O)
			want := s.reference(x, w, bias)
			for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
				b := gemm.Pack(p, s.K*s.K*s.C, s.O, gemm.Matrix{Data: w, Stride: s.K * s.K * s.C, Trans: true})
				Down(got, x, b, gemm.Epilogue{Bias: bias, Act: gemm.ReLU}, s)
				near(t, fmt.Sprintf("%+v in %v", s, p), got, want, limit(p))
			}
		}
	})
}

// reference is the specification of Down with ReLU.
func (s DownShape) reference(x, w, bias []float32) []float32 {
	var y []float32
	for p := range s.N * s.OutH() * s.OutW() {
		w0, h0, n := 2*(p%s.OutW())-s.Before, 2*(p/s.OutW()%s.OutH())-s.Before, p/s.OutW()/s.OutH()
		for o := range s.O {
			sum := float64(bias[o])
			for i := range s.K * s.K * s.C {
				c, col, row := i%s.C, w0+i/s.C%s.K, h0+i/s.C/s.K
				if row >= 0 && row < s.H && col >= 0 && col < s.W {
					sum += float64(x[((n*s.H+row)*s.W+col)*s.C+c]) * float64(w[o*s.K*s.K*s.C+i])
				}
			}
			y = append(y, float32(max(sum, 0)))
		}
	}
	return y
}
