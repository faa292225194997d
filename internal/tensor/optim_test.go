package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

func fill(rng *rand.Rand, v []float32) {
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
}

// TestMuonOrthogonal checks that the iterations bring the singular values of a
// matrix near 1 and keep its singular vectors: X·Xᵀ (or XᵀX) has a diagonal in
// the range the coefficients promise, and small entries beside it.
func TestMuonOrthogonal(t *testing.T) {
	for _, s := range []struct{ rows, cols int }{{16, 40}, {40, 16}, {24, 24}} {
		rng := rand.New(rand.NewPCG(1, 2))
		x := make([]float32, s.rows*s.cols)
		fill(rng, x)
		var u muon
		o := u.orthogonal(x, s.rows, s.cols)
		d := min(s.rows, s.cols)
		dot := func(i, j int) (sum float64) {
			for k := range max(s.rows, s.cols) {
				if s.rows <= s.cols {
					sum += float64(o[i*s.cols+k]) * float64(o[j*s.cols+k])
				} else {
					sum += float64(o[k*s.cols+i]) * float64(o[k*s.cols+j])
				}
			}
			return sum
		}
		for i := range d {
			for j := range d {
				got := dot(i, j)
				if i == j && (got < 0.3 || got > 1.6) || i != j && math.Abs(got) > 0.5 {
					t.Errorf("%d×%d: product of vectors %d and %d is %.3f", s.rows, s.cols, i, j, got)
				}
			}
		}
	}
}
