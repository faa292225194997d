package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStrip compares the kernels of every level with their specification, for
// strips of every length and every number of vectors; buffer guards dst.
func TestStrip(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for positions := 1; positions <= 21; positions++ {
			vectors := 1 + positions%4
			n := 16 * vectors
			off := []int{0, 256, 3 * 256, 7 * 256, 256}[:1+positions%5]
			src, w := buffer(t, r, (positions+8)*lanes), buffer(t, r, len(off)*lanes)
			stride := n + positions%3
			dst := buffer(t, r, (positions-1)*stride+n)
			bias := buffer(t, r, n)
			want := slices.Clone(dst)
			stripGo(want, stride, want, stride, src, w, off, positions, vectors)
			stripFor()(dst, stride, dst, stride, src, w, off, positions, vectors)
			near(t, fmt.Sprintf("%d positions added", positions), dst, want, 1e-6)
			stripGo(want, stride, bias, 0, src, w, off, positions, vectors)
			stripFor()(dst, stride, bias, 0, src, w, off, positions, vectors)
			near(t, fmt.Sprintf("%d positions with a bias", positions), dst, want, 1e-6)
		}
	})
}

func TestCorrelate(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, c := range []struct{ rows, width, skip, vectors int }{{1, 1, 0, 1}, {3, 5, 2, 4}, {7, 2, 1, 3}, {2, 9, 4, 2}} {
			off := []int{0, 256, 512, 0, 3 * 256, 256, 4 * 256, 512, 256}
			g := buffer(t, r, c.rows*c.width*lanes)
			src := buffer(t, r, (c.rows*(c.width+c.skip)+5)*lanes)
			sum := buffer(t, r, correlateTaps*lanes)
			want := slices.Clone(sum)
			correlateGo(want, g, src, off, c.rows, c.width, c.skip*lanes*4, c.vectors)
			correlateFor()(sum, g, src, off, c.rows, c.width, c.skip*lanes*4, c.vectors)
			near(t, fmt.Sprintf("%+v", c), sum, want, 1e-6)
		}
	})
}

func TestAddRows(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		for _, n := range []int{1, 7, 8, 9, 31, 32, 33, 72, 100} {
			for _, rows := range []int{0, 1, 5} {
				stride := n + rows
				x, dst := buffer(t, r, max(0, (rows-1)*stride+n)), buffer(t, r, n)
				want := slices.Clone(dst)
				addRowsGo(want, x, stride, rows)
				addRows(dst, x, stride, rows)
				if !slices.Equal(dst, want) {
					t.Errorf("%d rows of %d: %v, want %v", rows, n, dst, want)
				}
			}
		}
	})
}
