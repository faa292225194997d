package attn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
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
	)
}

// flashLimit is the accepted relative distance: of f32 by rounding; bf16 operands carry eight bits.
func flashLimit(p gemm.Precision) float64 {
	if p == gemm.BF16 {
		return 1e-2
	}
	return 2e-6
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
