package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

const guard = 8 // elements after every slice that nothing may change

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:] // unaligned
	for i := range x {
		x[i] = r.Float32()*8 - 4
	}
	return x
}

// paths runs f once per level that the CPU has.
func paths(t *testing.T, f func(t *testing.T, tab *table)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v is listed but cannot be used", l)
			}
			defer restore()
			f(t, use())
		})
	}
}

// call runs one primitive of a table on the slices s, the first of which has the number of elements, and returns
// its result.
type call struct {
	name   string
	slices int
	tol    float64 // relative, on elements of size 1 and above
	f      func(t *table, s [][]float32) float32
}

func vv(name string, tol float64, pick func(t *table) func(dst, a, b []float32)) call {
	return call{name, 3, tol, func(t *table, s [][]float32) float32 { pick(t)(s[0], s[1], s[2]); return 0 }}
}

func v1(name string, tol float64, pick func(t *table) func(dst, a []float32)) call {
	return call{name, 2, tol, func(t *table, s [][]float32) float32 { pick(t)(s[0], s[1]); return 0 }}
}

func red(name string, tol float64, pick func(t *table) func(x, y []float32) float32) call {
	return call{name, 2, tol, func(t *table, s [][]float32) float32 { return pick(t)(s[0], s[1]) }}
}

var calls = []call{
	vv("add", 0, func(t *table) func(d, a, b []float32) { return t.add }),
	vv("sub", 0, func(t *table) func(d, a, b []float32) { return t.sub }),
	vv("mul", 0, func(t *table) func(d, a, b []float32) { return t.mul }),
	vv("mulAdd", 1e-6, func(t *table) func(d, a, b []float32) { return t.mulAdd }),
	vv("addMul1p", 1e-6, func(t *table) func(d, a, b []float32) { return t.addMul1p }),
	vv("reluGrad", 0, func(t *table) func(d, a, b []float32) { return t.reluGrad }),
	vv("siluGrad", 2e-6, func(t *table) func(d, a, b []float32) { return t.siluGrad }),
	vv("geluGrad", 4e-6, func(t *table) func(d, a, b []float32) { return t.geluGrad }),
	vv("swiGLU", 2e-6, func(t *table) func(d, a, b []float32) { return t.swiGLU }),
	v1("relu", 0, func(t *table) func(d, a []float32) { return t.relu }),
	v1("silu", 1e-6, func(t *table) func(d, a []float32) { return t.silu }),
	v1("gelu", 2e-6, func(t *table) func(d, a []float32) { return t.gelu }),
	v1("geluErf", 1e-6, func(t *table) func(d, a []float32) { return t.geluErf }),
	{"sum", 1, 3e-6, func(t *table, s [][]float32) float32 { return t.sum(s[0]) }},
	{"sqDev", 1, 1e-5, func(t *table, s [][]float32) float32 { return t.sqDev(s[0], 0.3) }},
	{"center", 2, 1e-6, func(t *table, s [][]float32) float32 { t.center(s[0], s[1], 0.3, -0.7); return 0 }},
	{"centerAffine", 4, 1e-6, func(t *table, s [][]float32) float32 { t.centerAffine(s[0], s[1], s[2], s[3], 0.3, -0.7); return 0 }},
	{"centerModulate", 4, 1e-6, func(t *table, s [][]float32) float32 {
		t.centerModulate(s[0], s[1], s[2], s[3], 0.3, -0.7)
		return 0
	}},
	red("dot", 3e-6, func(t *table) func(x, y []float32) float32 { return t.dot }),
	red("sqDiff", 1e-5, func(t *table) func(x, y []float32) float32 { return t.sqDiff }),
	red("absDiff", 1e-5, func(t *table) func(x, y []float32) float32 { return t.absDiff }),
	{"max", 1, 0, func(t *table, s [][]float32) float32 { return max(t.maximum(s[0]), -1e30) }},
	{"dot3", 3, 1e-5, func(t *table, s [][]float32) float32 { return t.dot3(s[0], s[1], s[2]) }},
	{"scale", 2, 0, func(t *table, s [][]float32) float32 { t.scale(s[0], s[1], 0.3); return 0 }},
	{"addScaled", 2, 1e-6, func(t *table, s [][]float32) float32 { t.addScaled(s[0], s[1], 0.3); return 0 }},
	{"blend", 2, 1e-6, func(t *table, s [][]float32) float32 { t.blend(s[0], s[1], 0.3, 0.7); return 0 }},
	{"mulScaled", 3, 1e-6, func(t *table, s [][]float32) float32 { t.mulScaled(s[0], s[1], s[2], 0.3); return 0 }},
	{"mulAddScaled", 3, 1e-6, func(t *table, s [][]float32) float32 { t.mulAddScaled(s[0], s[1], s[2], 0.3); return 0 }},
	{"signDiff", 3, 0, func(t *table, s [][]float32) float32 { t.signDiff(s[0], s[1], s[2], 0.3); return 0 }},
	{"modulate", 4, 1e-6, func(t *table, s [][]float32) float32 { t.modulate(s[0], s[1], s[2], s[3]); return 0 }},
	{"gatedAdd", 4, 1e-6, func(t *table, s [][]float32) float32 { t.gatedAdd(s[0], s[1], s[2], s[3]); return 0 }},
	{"rmsBack", 4, 1e-6, func(t *table, s [][]float32) float32 { t.rmsBack(s[0], s[1], s[2], s[3], 0.3, -0.7); return 0 }},
	{"softmaxBack", 3, 1e-6, func(t *table, s [][]float32) float32 { t.softmaxBack(s[0], s[1], s[2], 0.3, -0.7); return 0 }},
	{"expSub", 2, 2e-6, func(t *table, s [][]float32) float32 { t.expSub(s[0], s[1], 0.3, -0.7); return 0 }},
	{"expSum", 2, 2e-6, func(t *table, s [][]float32) float32 { return t.expSum(s[0], s[1], 0.3, -0.7) }},
	{"swiGLUGrad", 5, 4e-6, func(t *table, s [][]float32) float32 { t.swiGLUGrad(s[0], s[1], s[2], s[3], s[4]); return 0 }},
	{"adamw", 4, 1e-6, func(t *table, s [][]float32) float32 {
		for i, v := range s[2] {
			s[2][i] = abs(v)
		}
		t.adamw(s[0], s[1], s[2], s[3], &AdamStep(1e-2, 0.9, 0.99, 1e-3, 0.1, 0.5, 0.4, 0.3).a)
		return 0
	}},
}

func TestAgainstSpecification(t *testing.T) {
	paths(t, func(t *testing.T, tab *table) {
		for _, c := range calls {
			for n := 0; n <= 140; n++ {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				var got, want [][]float32
				for range c.slices {
					x := random(r, n+guard)
					want = append(want, slices.Clone(x))
					got = append(got, x)
				}
				if n > 3 && c.name == "signDiff" {
					copy(got[1][:2], got[2][:2]) // equal elements
					copy(want[1][:2], want[2][:2])
				}
				cut := func(s [][]float32) (out [][]float32) {
					for _, x := range s {
						out = append(out, x[:n])
					}
					return out
				}
				a, b := c.f(tab, cut(got)), c.f(&goTable, cut(want))
				got, want = append(got, []float32{a}), append(want, []float32{b})
				for k := range got {
					for i := range got[k] {
						g, w := float64(got[k][i]), float64(want[k][i])
						size := max(1, math.Abs(w))
						if k == c.slices {
							size = max(1, math.Abs(w), float64(n)) // a sum's terms are of size 1 or more
						}
						if !(math.Abs(g-w) <= c.tol*size) && g != w {
							t.Fatalf("%s of %d elements: [%d][%d] = %v, want %v", c.name, n, k, i, g, w)
						}
					}
				}
			}
		}
	})
}

// ulps is the difference between got and want in units of the last place of a float32 of want's size.
func ulps(got float32, want float64) float64 {
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

func TestExpAccuracy(t *testing.T) {
	paths(t, func(t *testing.T, tab *table) {
		var x []float32
		for v := float32(-105); v < 89; v += 0.00317 {
			x = append(x, v)
		}
		for i := range 2000 {
			x = append(x, float32(i)*1e-9, -float32(i)*1e-6)
		}
		y := make([]float32, len(x))
		tab.expSub(y, x, 1, 0)
		worst, at := 0.0, float32(0)
		for i := range x {
			want := math.Exp(float64(x[i]))
			if want > math.MaxFloat32 {
				continue
			}
			if u := ulps(y[i], want); u > worst {
				worst, at = u, x[i]
			}
		}
		t.Logf("worst error %.3f ulp at %v", worst, at)
		if worst > 2 {
			t.Errorf("e^%v is off by %.2f units in the last place", at, worst)
		}
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		in := []float32{nan, inf, -inf, 0, 200, -200, 88.73, -104, nan}
		out := make([]float32, len(in))
		tab.expSub(out, in, 1, 0)
		want := []float32{nan, inf, 0, 1, inf, 0, inf, float32(math.Exp(-104)), nan}
		if fmt.Sprint(out) != fmt.Sprint(want) {
			t.Errorf("e^%v = %v, want %v", in, out, want)
		}
	})
}

func TestActivationsAtTheEnds(t *testing.T) {
	paths(t, func(t *testing.T, tab *table) {
		in := []float32{-1e4, -200, -90, -88, 88, 90, 200, 1e4}
		out := make([]float32, len(in))
		for name, f := range map[string]func(d, x []float32){"silu": tab.silu, "gelu": tab.gelu, "geluErf": tab.geluErf} {
			f(out, in)
			for i, v := range in {
				if e := math.Abs(float64(out[i] - max(v, 0))); !(e < 1e-20) {
					t.Errorf("%s(%v) = %v", name, v, out[i])
				}
			}
		}
		ones := slices.Repeat([]float32{1}, len(in))
		for name, f := range map[string]func(dx, dy, x []float32){"silu": tab.siluGrad, "gelu": tab.geluGrad} {
			clear(out)
			f(out, ones, in)
			for i, v := range in {
				want := 0.0
				if v > 0 {
					want = 1
				}
				if e := math.Abs(float64(out[i]) - want); !(e < 1e-20) {
					t.Errorf("%s'(%v) = %v", name, v, out[i])
				}
			}
		}
	})
}

// TestGELUErfAccuracy holds the polynomial against the error function.
func TestGELUErfAccuracy(t *testing.T) {
	paths(t, func(t *testing.T, tab *table) {
		var x []float32
		for v := float32(-12); v < 12; v += 0.0013 {
			x = append(x, v)
		}
		y := make([]float32, len(x))
		tab.geluErf(y, x)
		for i, v := range x {
			want := 0.5 * float64(v) * math.Erfc(-float64(v)/math.Sqrt2)
			if e := math.Abs(float64(y[i]) - want); !(e <= 6e-7*max(1, math.Abs(want))) {
				t.Fatalf("gelu(%v) = %v, want %v", v, y[i], want)
			}
		}
	})
}

func TestMatMul(t *testing.T) {
	paths(t, func(t *testing.T, _ *table) {
		r := rand.New(rand.NewPCG(2, 2))
		for range 400 {
			m, n, k := 1+r.IntN(19), 1+r.IntN(70), r.IntN(20)
			rowA, colA := k+r.IntN(3), 1
			if r.IntN(2) == 0 {
				rowA, colA = 1, m+r.IntN(3)
			}
			ldb, ldc := n+r.IntN(3), n+r.IntN(3)
			a, b, c := random(r, m*k+3*(m+k)), random(r, k*ldb+1), random(r, m*ldc+guard)
			want := slices.Clone(c)
			accumulate := r.IntN(2) == 0
			MatMul(m, n, k, a, rowA, colA, b, ldb, c, ldc, accumulate)
			matMulGo(m, n, k, a, rowA, colA, b, ldb, want, ldc, accumulate)
			for i := range c {
				if !(abs(c[i]-want[i]) <= 1e-4) {
					t.Fatalf("%d×%d×%d (strides %d %d %d %d): c[%d] = %v, want %v", m, n, k, rowA, colA, ldb, ldc, i, c[i], want[i])
				}
			}
		}
	})
}

func TestTranspose(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, z := range [][2]int{{1, 1}, {8, 3}, {9, 32}, {50, 33}} {
		rows, cols := z[0], z[1]
		x, y := random(r, rows*(cols+2)), make([]float32, cols*(rows+1))
		Transpose(y, rows+1, x, cols+2, rows, cols)
		for i := range rows {
			for j := range cols {
				if y[j*(rows+1)+i] != x[i*(cols+2)+j] {
					t.Fatalf("%v: element (%d,%d) is lost", z, i, j)
				}
			}
		}
	}
}

func TestHalves(t *testing.T) {
	paths(t, func(t *testing.T, tab *table) {
		// Every float16 and bfloat16 widens to the same bits, and narrows back to itself.
		all := make([]uint16, 1<<16)
		for i := range all {
			all[i] = uint16(i)
		}
		for name, f := range map[string]struct {
			widen, spec func(dst []float32, src []uint16)
			narrow      func(dst []uint16, src []float32)
			inf, quiet  uint16
		}{
			"bf16": {tab.fromBF16, fromBF16Go, tab.toBF16, 0x7f80, 0x40},
			"f16":  {tab.fromF16, fromF16Go, tab.toF16, 0x7c00, 0x200},
		} {
			x, want := make([]float32, len(all)), make([]float32, len(all))
			f.widen(x, all)
			f.spec(want, all)
			back := make([]uint16, len(all))
			f.narrow(back, want)
			for i := range all {
				same := all[i]
				if same&0x7fff > f.inf {
					same |= f.quiet
				}
				if math.Float32bits(x[i]) != math.Float32bits(want[i]) || back[i] != same {
					t.Fatalf("%s %#04x becomes %#08x and %#04x, want %#08x", name, i, math.Float32bits(x[i]), back[i], math.Float32bits(want[i]))
				}
			}
		}
		// Rounding: random bits, and values around every tie.
		r := rand.New(rand.NewPCG(4, 4))
		var bits []uint32
		for range 1 << 16 {
			bits = append(bits, r.Uint32())
		}
		for i := range uint32(1 << 16) {
			for _, low := range []uint32{0x7fff, 0x8000, 0x8001} {
				bits = append(bits, i<<16|low)
			}
		}
		for e := uint32(100); e < 144; e++ {
			for m := range uint32(64) {
				bits = append(bits, e<<23|m<<12, e<<23|m<<12+1, e<<23|m<<12-1, e<<23|m<<17)
			}
		}
		src := make([]float32, len(bits))
		for i, b := range bits {
			src[i] = math.Float32frombits(b)
		}
		got, want := make([]uint16, len(src)), make([]uint16, len(src))
		check := func(name string) {
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s of %#08x is %#04x, want %#04x", name, bits[i], got[i], want[i])
				}
			}
		}
		tab.toBF16(got, src)
		toBF16Go(want, src)
		check("bf16")
		tab.toF16(got, src)
		toF16Go(want, src)
		check("f16")
		for n := range 50 {
			dst := make([]uint16, n+1)
			dst[n] = 7
			tab.toBF16(dst[:n], src[1:])
			toBF16Go(want[:n], src[1:])
			if !slices.Equal(dst[:n], want[:n]) || dst[n] != 7 {
				t.Fatalf("bf16 of %d elements", n)
			}
		}
	})
}

// The rounding of the specification itself, against the nearest of all float16 values.
func TestHalfIsNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		x := float32(math.Ldexp(r.Float64()*2-1, r.IntN(44)-27))
		got := single(half(x))
		best := math.Inf(1)
		for h := range 1 << 16 {
			if e := math.Abs(float64(single(uint16(h))) - float64(x)); e < best {
				best = e
			}
		}
		if abs(x) < 65504 && math.Abs(float64(got)-float64(x)) != best {
			t.Fatalf("%v becomes %v, not the nearest", x, got)
		}
	}
}
