package voice

import (
	"math"
	"testing"
)

func TestSincos(t *testing.T) {
	for i := range 200001 {
		x := float32(i-100000) * 2.37e-4
		s, c := sincos(x)
		ws, wc := math.Sincos(2 * math.Pi * float64(x))
		if e := max(math.Abs(float64(s)-ws), math.Abs(float64(c)-wc)); e > 3e-7 {
			t.Fatalf("sincos(%v) = %v, %v, want %v, %v: off by %.2g", x, s, c, ws, wc, e)
		}
	}
}

func TestExp(t *testing.T) {
	for i := range 20001 {
		x := float32(i-10000) * 0.0087
		got, want := float64(exp(x)), math.Exp(float64(x))
		if e := math.Abs(got/want - 1); e > 3e-7 {
			t.Fatalf("exp(%v) = %v, want %v: off by %.2g of it", x, got, want, e)
		}
	}
	for _, tt := range []struct{ x, want float32 }{{100, exp(87)}, {-1000, exp(-87)}, {float32(math.Inf(1)), exp(87)}} {
		if got := exp(tt.x); got != tt.want {
			t.Errorf("exp(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
}
