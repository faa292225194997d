package voice

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// TestTransform compares with the sum that defines it.
func TestTransform(t *testing.T) {
	for _, n := range []int{1, 3, 4, 5, 12, 15, 60, 80, window} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		re, im := make([]float32, n), make([]float32, n)
		x := make([]complex128, n)
		for i := range x {
			re[i], im[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
			x[i] = complex(float64(re[i]), float64(im[i]))
		}
		newTransform(n).apply(re, im, make([]float32, n), make([]float32, n))
		var diff, norm float64
		for k := range n {
			var want complex128
			for i, v := range x {
				want += v * cmplx.Rect(1, -2*math.Pi*float64(i*k%n)/float64(n))
			}
			diff += sq(cmplx.Abs(complex(float64(re[k]), float64(im[k])) - want))
			norm += sq(cmplx.Abs(want))
		}
		if got := math.Sqrt(diff / norm); got > 1e-6 {
			t.Errorf("length %d: relative L2 %.2g, want below 1e-6", n, got)
		}
	}
}

func sq(x float64) float64 { return x * x }

func BenchmarkTransform(b *testing.B) {
	t := newTransform(window)
	re, im, re2, im2 := make([]float32, window), make([]float32, window), make([]float32, window), make([]float32, window)
	for b.Loop() {
		t.apply(re, im, re2, im2)
	}
}
