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

// flashCases have the widths of heads of released models, odd ones, and more keys than one tile.
func flashCases() []softmaxCase {
	return append(softmaxCases(),
		softmaxCase{Shape{1, 2, 33, 31, 64}, Mask{}},
		softmaxCase{Shape{2, 3, 50, 77, 80}, Mask{KeyLen: []int32{77, 33}}},
		softmaxCase{Shape{1, 1, 129, 600, 96}, Mask{}},
		softmaxCase{Shape{1, 2, 100, 257, 128}, Mask{}},
		softmaxCase{Shape{1, 1, 40, 300, 384}, Mask{}},
		softmaxCase{Shape{1, 1, 5, 9, 1024}, Mask{}},
		softmaxCase{Shape{1, 2, 13, 513, 7}, Mask{Lo: slices.Repeat([]int32{256}, 13)}},
		softmaxCase{Shape{1, 1, 3, 0, 4}, Mask{}},
	)
}

// flashLimit is the accepted relative distance: of f32 by rounding; bf16 operands carry eight bits.
func flashLimit(p gemm.Precision) float64 {
	if p == gemm.BF16 {
		return 1e-2
	}
	return 2e-6
}

// TestFlashEnds has scores for which exponentials leave the range of numbers, and factors that are not positive.
func TestFlashEnds(t *testing.T) {
	s := Shape{1, 1, 14, 300, 16}
	r := rand.New(rand.NewPCG(8, 8))
	q, k, v := random(r, s.Q*s.D), random(r, s.K*s.D), random(r, s.K*s.D)
	for _, scale := range []float32{1e3, 1e-30, 0, -0.5, -1e3} {
		want, got := make([]float32, len(q)), make([]float32, len(q))
		RefFlash(want, q, k, v, nil, scale, s, Mask{})
		paths(t, func(t *testing.T) {
			Flash(gemm.F32, got, q, k, v, nil, scale, s, Mask{})
			near(t, fmt.Sprint("a scale of ", scale), got, want, 1e-4)
		})
	}
	nan := float32(math.NaN())
	q[5*s.D] = nan
	paths(t, func(t *testing.T) {
		for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			got := make([]float32, len(q))
			Flash(p, got, q, k, v, nil, 1, s, Mask{})
			for i, x := range got {
				if (x != x) != (i/s.D == 5) {
					t.Fatalf("element %d of query %d is %v, and only query 5 is not a number", i%s.D, i/s.D, x)
				}
			}
		}
	})
}

// TestFlashIsCutFreely compares the bytes for several numbers of threads, of heads at a time, and of queries.
func TestFlashIsCutFreely(t *testing.T) {
	s := Shape{2, 3, 500, 270, 48}
	r := rand.New(rand.NewPCG(9, 9))
	q, k, v := random(r, s.B*s.Q*s.H*s.D), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
	before := simd.Threads()
	defer simd.SetThreads(before)
	paths(t, func(t *testing.T) {
		for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			simd.SetThreads(1)
			want, got := make([]float32, len(q)), make([]float32, len(q))
			Flash(p, want, q, k, v, nil, 1, s, Mask{})
			for _, heads := range []int{1, 4, 6} {
				simd.SetThreads(heads%3 + 1)
				clear(got)
				newCall(pick(p), q, k, v, nil, 1, s, Mask{}).run(got, heads)
				if !slices.Equal(got, want) {
					t.Errorf("%d heads at a time on %d threads give other bytes", heads, simd.Threads())
				}
			}
			part := s
			part.B, part.Q = 1, 77
			clear(got)
			Flash(p, got, q, k, v, nil, 1, part, Mask{})
			if n := part.Q * s.H * s.D; !slices.Equal(got[:n], want[:n]) {
				t.Error("fewer queries give other bytes")
			}
		}
	})
}

func TestFlash(t *testing.T) {
	for _, c := range flashCases() {
		s := c.s
		r := rand.New(rand.NewPCG(7, uint64(s.Q)))
		q, k, v := random(r, s.B*s.Q*s.H*s.D), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
		for _, bias := range [][]float32{nil, random(r, (s.Q+s.K-1)*s.H)} {
			scale := float32(1)
			if bias == nil {
				scale = 0.3
			}
			for i := range bias {
				bias[i] *= 5 // so that it decides
			}
			want := random(r, len(q)+8)
			got := slices.Clone(want)
			RefFlash(want, q, k, v, bias, scale, s, c.m)
			paths(t, func(t *testing.T) {
				for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
					clear(got[:len(q)])
					Flash(p, got, q, k, v, bias, scale, s, c.m)
					near(t, fmt.Sprint(s, " bias ", bias != nil, " in ", p), got, want, flashLimit(p))
					if !slices.Equal(got[len(q):], want[len(q):]) {
						t.Errorf("%v: written past the end", s)
					}
				}
			})
		}
	}
}
