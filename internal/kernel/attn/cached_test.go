package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// refCached is the specification of Cached for one run, in f64.
func refCached(r CachedRun, h, g, d int, scale float64) []float32 {
	out := make([]float32, r.Rows*h*d)
	for row := range r.Rows {
		for head := range h {
			n := r.Len - r.Rows + row + 1
			q := r.Q[(row*h+head)*d:][:d]
			weights := make([]float64, n)
			top := math.Inf(-1)
			for j := range weights {
				for i, v := range r.Keys[(j*g+head*g/h)*d:][:d] {
					weights[j] += scale * float64(q[i]) * float64(v)
				}
				top = max(top, weights[j])
			}
			var sum float64
			for j, w := range weights {
				weights[j] = math.Exp(w - top)
				sum += weights[j]
			}
			for i := range d {
				var y float64
				for j, w := range weights {
					y += w / sum * float64(r.Values[(j*g+head*g/h)*d+i])
				}
				out[(row*h+head)*d+i] = float32(y)
			}
		}
	}
	return out
}

const guard = 12345

func randomRun(rng *rand.Rand, rows, n, h, g, d int) CachedRun {
	x := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(rng.NormFloat64() * 2)
		}
		return out
	}
	return CachedRun{Out: slices.Repeat([]float32{guard}, rows*h*d+3), Q: x(rows * h * d), Keys: x(n * g * d), Values: x(n * g * d), Rows: rows, Len: n}
}

// TestCached holds rows of several sequences, few and many, against the specification,
// and against the same rows one by one, on one thread and several.
func TestCached(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		rng := rand.New(rand.NewPCG(1, uint64(l)))
		for _, s := range [][3]int{{9, 3, 64}, {4, 4, 16}, {8, 1, 20}, {16, 8, 128}, {5, 1, 80}} {
			h, g, d := s[0], s[1], s[2]
			runs := []CachedRun{
				randomRun(rng, 1, 1, h, g, d), randomRun(rng, 1, 33, h, g, d), randomRun(rng, 3, 300, h, g, d),
				randomRun(rng, 40, 57, h, g, d), randomRun(rng, 16, 16, h, g, d), randomRun(rng, 1, 16, h, g, d),
			}
			scale := float32(0.7 / math.Sqrt(float64(d)))
			simd.SetThreads(1)
			Cached(gemm.F32, h, g, d, scale, runs...)
			for i, r := range runs {
				name := fmt.Sprintf("%v, %v, %d rows of %d", l, s, r.Rows, r.Len)
				want := refCached(r, h, g, d, float64(scale))
				for j, w := range want {
					if !(math.Abs(float64(r.Out[j]-w)) < 2e-5) {
						t.Fatalf("%s: number %d is %g, want %g", name, j, r.Out[j], w)
					}
				}
				if !slices.Equal(r.Out[len(want):], []float32{guard, guard, guard}) {
					t.Errorf("%s: something was written beyond the result", name)
				}
				again := r
				again.Out = make([]float32, len(want))
				simd.SetThreads(3)
				Cached(gemm.F32, h, g, d, scale, again)
				if !slices.Equal(again.Out, r.Out[:len(want)]) {
					t.Errorf("%s: other bytes alone, on 3 threads", name)
				}
				if i == 2 { // its last row alone
					again.Rows, again.Q, again.Out = 1, r.Q[2*h*d:], make([]float32, h*d)
					Cached(gemm.F32, h, g, d, scale, again)
					if !slices.Equal(again.Out, r.Out[2*h*d:3*h*d]) {
						t.Errorf("%s: a row has other bytes alone", name)
					}
				}
			}
		}
		restore()
	}
}

// BenchmarkCached is the attention of a token of SmolLM2 in one layer.
func BenchmarkCached(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{64, 512, 4096} {
		r := randomRun(rng, 1, n, 9, 3, 64)
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			for b.Loop() {
				Cached(gemm.F32, 9, 3, 64, 0.125, r)
			}
		})
	}
}
