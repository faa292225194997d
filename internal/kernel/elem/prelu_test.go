package elem

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

// TestPReLU holds value and gradients to the formula, over more rows than a
// block has, for one thread and two.
func TestPReLU(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	const rows, c = preluBlock + 77, 5
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	x, dy, slope := random(rows*c), random(rows*c), random(c)
	dx0, ds0 := random(rows*c), random(c)
	wantY, wantX := make([]float32, rows*c), slices.Clone(dx0)
	sums := make([]float64, c)
	for i, v := range x {
		k := float32(1)
		if v <= 0 {
			k = slope[i%c]
			sums[i%c] += float64(dy[i]) * float64(v)
		}
		wantY[i], wantX[i] = k*v, wantX[i]+k*dy[i]
	}
	wantS := slices.Clone(ds0)
	for j := range wantS {
		wantS[j] += float32(sums[j])
	}
	var first []float32
	for _, threads := range []int{1, 2} {
		simd.SetThreads(threads)
		y, dx, ds := make([]float32, rows*c), slices.Clone(dx0), slices.Clone(ds0)
		PReLU(y, x, slope, rows, c)
		GradPReLU(dx, ds, dy, x, slope, rows, c)
		near(t, "PReLU", y, wantY, 1e-6)
		near(t, "dx", dx, wantX, 1e-6)
		near(t, "dslope", ds, wantS, 1e-5)
		all := slices.Concat(y, dx, ds)
		if first == nil {
			first = all
		} else if !slices.Equal(first, all) {
			t.Error("two threads give other values than one")
		}
	}
	GradPReLU(nil, nil, dy, x, slope, rows, c)
}
