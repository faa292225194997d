package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// exact returns n numbers that bf16 holds.
func exact(r *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:]
	for i := range x {
		x[i] = float32(r.IntN(255)-127) / 64
	}
	return x
}

// TestProducts compares each product with its specification, on operands that
// bf16 holds. Beyond the panels of c nothing may change.
func TestProducts(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			k := pick(p)
			for _, z := range [][2]int{{1, 1}, {7, 2}, {64, 3}, {blockKeys / 2, 1}} {
				for _, half := range []bool{false, true} {
					if !half || k.half != nil {
						k.checkProduct(t, fmt.Sprint(z, " half ", half), z[0], z[1], half)
					}
				}
			}
		}
	})
}

func (k *kit) checkProduct(t *testing.T, name string, steps, panels int, half bool) {
	r := rand.New(rand.NewPCG(10, uint64(steps)))
	mul, width := k.mul, k.panel
	if half {
		mul, width = k.half, 16
	}
	d, columns := steps*k.cell, panels*width
	a, b := exact(r, k.rows*d), exact(r, d*columns)
	ldc := columns + 3
	for _, shrink := range [][]float32{nil, exact(r, k.rows)} {
		got := exact(r, k.rows*ldc)
		want := slices.Clone(got)
		spec := product{a: a, row: d, steps: d, b: make([]float32, len(b)), c: want, ldc: ldc, panels: panels, shrink: shrink}
		packed := product{a: make([]float32, k.rows*steps), row: steps, steps: steps, b: make([]float32, len(b)/k.cell), c: got, ldc: ldc, panels: panels, shrink: shrink}
		mem := new(scratch)
		for j := range panels { // b is [d, columns]
			for i := range d {
				copy(spec.b[(j*d+i)*width:], b[i*columns+j*width:][:width])
			}
			k.packValues(mem, packed.b[j*steps*width:], b[j*width:], d, columns, width, width)
		}
		k.packRows(packed.a, a, k.rows, d, d, steps)
		mul(&packed)
		productGo(k.rows, width)(&spec)
		near(t, name, got, want, 1e-6)
		for r := range k.rows {
			if !slices.Equal(got[r*ldc+columns:][:3], want[r*ldc+columns:][:3]) {
				t.Errorf("%s: written past the end of row %d", name, r)
			}
		}
	}
}

// TestSoftenings compares each softening with its specification, on rows of
// which some are hidden in part or as a whole, over two blocks.
func TestSoftenings(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			k := pick(p)
			r := rand.New(rand.NewPCG(11, 11))
			state := func() softening {
				s := softening{rows: k.rows, c: 3, s: make([]float32, k.rows*blockKeys)}
				for _, x := range []*[]float32{&s.top, &s.sum, &s.shrink} {
					*x = slices.Repeat([]float32{0}, k.rows+1)
				}
				for i := range s.top {
					s.top[i] = lowest
				}
				return s
			}
			got, want := state(), state()
			got.p, want.p = make([]float32, len(got.s)/k.cell), make([]float32, len(want.s))
			limit := 1e-6
			if k.cell == 2 {
				limit = 4e-3
			}
			for block := range 2 {
				copy(got.s, random(r, len(got.s)))
				hide(got.s[:blockKeys])
				if block == 0 {
					hide(got.s[blockKeys : 2*blockKeys])
				}
				hide(got.s[3*blockKeys-20 : 3*blockKeys])
				copy(want.s, got.s)
				k.soften(&got)
				softenVec(&want)
				weights := got.p
				if k.cell == 2 {
					weights = nil
					for _, h := range halves(got.p) {
						weights = append(weights, math.Float32frombits(uint32(h)<<16))
					}
				}
				near(t, "weights", weights, want.p, limit)
				near(t, "sums", got.sum, want.sum, 1e-4)
				near(t, "factors", got.shrink, want.shrink, 1e-4)
				near(t, "maxima", got.top, want.top, 1e-6)
				if got.sum[k.rows] != 0 || got.sum[0] != 0 || got.top[k.rows] != lowest {
					t.Errorf("a row that sees nothing has a sum of %v, and past the end there are %v, %v", got.sum[0], got.sum[k.rows], got.top[k.rows])
				}
			}
		}
	})
}
