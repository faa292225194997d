package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

// guard is what surrounds every output and every gap between its rows.
const guard = float32(-12345.5)

// levels runs f at each vector level the CPU has.
func levels(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, _ := simd.Use(l)
			defer restore()
			f(t)
		})
	}
}

// matrix returns a random r×c view at an odd offset, with gaps of NaN between
// the lines.
func matrix(rng *rand.Rand, r, c int, trans bool, gap int) Matrix {
	lines, width := r, c
	if trans {
		lines, width = c, r
	}
	stride := width + gap
	data := make([]float32, 1+lines*stride)[1:]
	for i := range data {
		data[i] = float32(math.NaN())
		if i%stride < width {
			data[i] = rng.Float32()*2 - 1
		}
	}
	if lines > 0 {
		data = data[: (lines-1)*stride+width : (lines-1)*stride+width]
	}
	return Matrix{data, stride, trans}
}

func abs(x Matrix) Matrix {
	x.Data = slices.Clone(x.Data)
	for i, v := range x.Data {
		x.Data[i] = float32(math.Abs(float64(v)))
	}
	return x
}

// output is an m×n result inside guards, with random content.
type output struct {
	m, n, ldc int
	all, c    []float32
}

func newOutput(rng *rand.Rand, m, n, gap int) output {
	o := output{m: m, n: n, ldc: n + gap}
	o.all = make([]float32, 7+m*o.ldc+9)
	for i := range o.all {
		o.all[i] = guard
	}
	o.c = o.all[7:][:max(0, (m-1)*o.ldc+n)]
	for i := range m {
		for j := range n {
			o.c[i*o.ldc+j] = rng.Float32()
		}
	}
	return o
}

func (o output) clone() output {
	o.all = slices.Clone(o.all)
	o.c = o.all[7:][:len(o.c)]
	return o
}

// compare checks o against want within tol[i,j] and the guards.
func (o output) compare(t *testing.T, what string, want output, tol func(i, j int) float64) {
	t.Helper()
	for at, v := range o.all {
		i, j := (at-7)/o.ldc, (at-7)%o.ldc
		if at < 7 || i >= o.m || j >= o.n {
			if v != guard {
				t.Fatalf("%s: wrote outside the result at %d (row %d, column %d)", what, at, i, j)
			}
			continue
		}
		if d := math.Abs(float64(v) - float64(want.all[at])); !(d <= tol(i, j)) {
			t.Fatalf("%s: [%d,%d] = %g, want %g, off by %g, allowed %g", what, i, j, v, want.all[at], d, tol(i, j))
		}
	}
}

// sumTolerance bounds the rounding of a sum of k products in f32 by the sum of
// their absolute values.
func sumTolerance(m, n, k int, a, b Matrix) func(i, j int) float64 {
	sums := make([]float32, m*n)
	Ref(F32, m, n, k, abs(a), abs(b), sums, n, Epilogue{})
	unit := math.Ldexp(1, -24) * (8 + 2*math.Sqrt(float64(k)))
	return func(i, j int) float64 { return unit * (float64(sums[i*n+j]) + 1) }
}

var precisions = map[Precision]string{F32: "f32", BF16: "bf16"}

// epilogues are all that a product may end in; residual 1 is a slice of its
// own, 2 is C itself.
var epilogues = []struct {
	name     string
	bias     bool
	act      Act
	residual int
	add      bool
	slope    bool
}{
	{name: "plain"},
	{name: "add", add: true},
	{name: "bias", bias: true},
	{name: "relu", act: ReLU},
	{name: "bias-silu", bias: true, act: SiLU},
	{name: "gelu-residual", act: GELU, residual: 1},
	{name: "bias-residual-in-place", bias: true, residual: 2},
	{name: "bias-silu-residual-in-place", bias: true, act: SiLU, residual: 2},
	{name: "bias-prelu", bias: true, slope: true},
	{name: "prelu-residual-in-place", slope: true, residual: 2},
}

// epilogue makes the i-th for o.
func epilogue(rng *rand.Rand, i int, o output) Epilogue {
	e := epilogues[i]
	ep := Epilogue{Act: e.act, Accumulate: e.add}
	if e.bias {
		ep.Bias = matrix(rng, 1, o.n, false, 0).Data
	}
	if e.slope {
		ep.Slope = matrix(rng, 1, o.n, false, 0).Data
	}
	if e.residual == 1 {
		ep.Residual = newOutput(rng, o.m, o.n, o.ldc-o.n).c
	}
	return ep
}

// run computes f into copies of o, once with the specification.
func against(t *testing.T, rng *rand.Rand, what string, o output, e int, tol func(i, j int) float64, want, got func(o output, ep Epilogue)) {
	t.Helper()
	ep := epilogue(rng, e, o)
	w, g := o.clone(), o.clone()
	wep, gep := ep, ep
	if epilogues[e].residual == 2 {
		wep.Residual, gep.Residual = w.c, g.c
	}
	want(w, wep)
	got(g, gep)
	g.compare(t, what+" "+epilogues[e].name, w, tol)
}

var sizes = [][3]int{
	{1, 1, 1},
	{1, 1, 0},
	{3, 5, 7},
	{12, 32, 16},
	{13, 33, 17},
	{4, 16, 64},
	{25, 15, 9},
	{24, 48, 31},
	{37, 70, 100},
	{100, 17, 3},
	{1, 130, 65},
	{130, 1, 66},
	{14, 64, 400},
	{31, 40, 1601},
}

func TestMul(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for p, name := range precisions {
			for si, s := range sizes {
				m, n, k := s[0], s[1], s[2]
				for _, trans := range []int{0, 1, 2, 3} {
					a, b := matrix(rng, m, k, trans&1 != 0, 3), matrix(rng, k, n, trans&2 != 0, si%3)
					tol := sumTolerance(m, n, k, a, b)
					o := newOutput(rng, m, n, si%4)
					for e := range epilogues {
						if e != 0 && (e+si)%4 != trans {
							continue
						}
						what := fmt.Sprintf("%s %dx%dx%d trans %d", name, m, n, k, trans)
						want := func(o output, ep Epilogue) { Ref(p, m, n, k, a, b, o.c, o.ldc, ep) }
						against(t, rng, what, o, e, tol, want, func(o output, ep Epilogue) {
							Mul(p, m, n, k, a, b, o.c, o.ldc, ep)
						})
						against(t, rng, what+" packed", o, e, tol, want, func(o output, ep Epilogue) {
							MulPacked(m, a, Pack(p, k, n, b), o.c, o.ldc, ep)
						})
					}
				}
			}
		}
	})
}

// TestMulHalves has tasks enough, and wide enough, that the last are halved.
func TestMulHalves(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 18))
		m, n, k := 386, 490, 3
		for p, name := range precisions {
			a, b := matrix(rng, m, k, false, 0), matrix(rng, k, n, false, 0)
			against(t, rng, name, newOutput(rng, m, n, 1), 4, sumTolerance(m, n, k, a, b),
				func(o output, ep Epilogue) { Ref(p, m, n, k, a, b, o.c, o.ldc, ep) },
				func(o output, ep Epilogue) { Mul(p, m, n, k, a, b, o.c, o.ldc, ep) })
		}
	})
}

// TestPaths runs every path, also those that a better one hides.
func TestPaths(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		for p := range precisions {
			for _, s := range [][3]int{{29, 70, 45}, {7, 9, 500}} {
				m, n, k := s[0], s[1], s[2]
				for trans := range 4 {
					a, b := matrix(rng, m, k, trans&1 != 0, 1), matrix(rng, k, n, trans&2 != 0, 0)
					tol, o := sumTolerance(m, n, k, a, b), newOutput(rng, m, n, 1)
					for _, path := range paths(p) {
						against(t, rng, path.name, o, 4, tol,
							func(o output, ep Epilogue) { Ref(p, m, n, k, a, b, o.c, o.ldc, ep) },
							func(o output, ep Epilogue) {
								mulAll(path, n, k, []product{{m: m, a: a, b: b, c: o.c, ldc: o.ldc, ep: ep}})
							})
					}
				}
			}
		}
	})
}

// TestMulStaged has a B too large to be packed at once.
func TestMulStaged(t *testing.T) {
	defer func(n int) { maxPacked = n }(maxPacked)
	maxPacked = 50_000
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		m, n, k := 15, 70, 3001
		for p, name := range precisions {
			a, b := matrix(rng, m, k, true, 0), matrix(rng, k, n, false, 1)
			o := newOutput(rng, m, n, 2)
			tol := sumTolerance(m, n, k, a, b)
			for _, e := range []int{1, 7} {
				against(t, rng, name, o, e, tol,
					func(o output, ep Epilogue) { Ref(p, m, n, k, a, b, o.c, o.ldc, ep) },
					func(o output, ep Epilogue) { Mul(p, m, n, k, a, b, o.c, o.ldc, ep) })
			}
		}
	})
}

func TestGrouped(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		n, k := 37, 50
		for p, name := range precisions {
			for _, add := range []bool{false, true} {
				var groups []Group
				var got, want []output
				act := SiLU
				if add {
					act = None
				}
				for i, m := range []int{13, 0, 1, 40} {
					g := Group{M: m, A: matrix(rng, m, k, i == 0, 0), B: matrix(rng, k, n, i != 0, 2)}
					o := newOutput(rng, m, n, 1)
					w := o.clone()
					if i == 0 && !add {
						g.Bias = matrix(rng, 1, n, false, 0).Data
						g.Residual = o.c
					}
					ep := Epilogue{Bias: g.Bias, Act: act, Accumulate: add}
					if g.Residual != nil {
						ep.Residual = w.c
					}
					Ref(p, m, n, k, g.A, g.B, w.c, w.ldc, ep)
					g.C, g.LDC = o.c, o.ldc
					groups, got, want = append(groups, g), append(got, o), append(want, w)
				}
				Grouped(p, n, k, groups, act, add)
				for i, g := range groups {
					got[i].compare(t, fmt.Sprintf("%s group %d", name, i), want[i], sumTolerance(g.M, n, k, g.A, g.B))
				}
			}
		}
	})
}

// TestThreads has sizes whose work is cut along every dimension.
func TestThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, s := range [][3]int{{203, 130, 500}, {7, 700, 900}, {60, 20, 3000}, {700, 50, 300}} {
			m, n, k := s[0], s[1], s[2]
			a, b := matrix(rng, m, k, false, 0), matrix(rng, k, n, true, 0)
			bias := matrix(rng, 1, n, false, 0).Data
			for p, name := range precisions {
				var first output
				for threads := 1; threads <= 3; threads++ {
					simd.SetThreads(threads)
					o := newOutput(rand.New(rand.NewPCG(1, 1)), m, n, 0)
					Mul(p, m, n, k, a, b, o.c, n, Epilogue{Bias: bias, Act: GELU, Residual: o.c})
					MulInt8(m, a, PackInt8(k, n, Int8Rows(k, n, b)), o.c, n, Epilogue{Residual: o.c})
					if threads == 1 {
						first = o
					} else if !slices.Equal(first.c, o.c) {
						t.Fatalf("%s %v: %d threads gave other bytes than 1", name, s, threads)
					}
				}
			}
		}
	})
}

// TestRowsAlone: a row has the same bytes whether it is multiplied among many
// others, in tall tasks, or among few.
func TestRowsAlone(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		const m, n, k, i0, some = wholeRows + 5, 70, 1700, 1200, 50
		a, b := matrix(rng, m, k, false, 0), matrix(rng, k, n, true, 0)
		bias, residual := matrix(rng, 1, n, false, 0).Data, matrix(rng, m, n, false, 0).Data
		for p, name := range precisions {
			w, all, few := Pack(p, k, n, b), make([]float32, m*n), make([]float32, some*n)
			MulPacked(m, a, w, all, n, Epilogue{Bias: bias, Act: GELU, Residual: residual})
			MulPacked(some, Matrix{Data: a.Data[i0*k:], Stride: k}, w, few, n, Epilogue{Bias: bias, Act: GELU, Residual: residual[i0*n:]})
			if !slices.Equal(few, all[i0*n:][:some*n]) {
				t.Errorf("%s: other bytes among %d rows than among %d", name, m, some)
			}
		}
	})
}

func TestMulInt8(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 12))
		// Two more: rows for several tasks of tiles, and few rows with columns
		// for several.
		for si, s := range append(slices.Clone(sizes), [3]int{600, 150, 70}, [3]int{20, 300, 1100}) {
			m, n, k := s[0], s[1], s[2]
			for trans := range 4 {
				a, b := matrix(rng, m, k, trans&1 != 0, 3), matrix(rng, k, n, trans&2 != 0, si%3)
				if m > 3 && k > 0 && trans == 0 {
					clear(a.Data[2*a.Stride:][:k])
				}
				o := newOutput(rng, m, n, si%4)
				w := newOutput(rng, m, n, 0)
				RefInt8(m, n, k, a, b, w.c, w.ldc, Epilogue{})
				tol := func(i, j int) float64 { return 1e-6 * (2 + math.Abs(float64(w.c[i*w.ldc+j]))) }
				for e := range epilogues {
					if (e+si)%4 != trans {
						continue
					}
					against(t, rng, fmt.Sprintf("%dx%dx%d trans %d", m, n, k, trans), o, e, tol,
						func(o output, ep Epilogue) { RefInt8(m, n, k, a, b, o.c, o.ldc, ep) },
						func(o output, ep Epilogue) { MulInt8(m, a, PackInt8(k, n, Int8Rows(k, n, b)), o.c, o.ldc, ep) })
				}
			}
		}
	})
}

// TestMulUint8 compares the product by whole matrices in bytes with its
// specification, for values of both signs, and of one alone.
func TestMulUint8(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		for si, s := range append(slices.Clone(sizes), [3]int{600, 150, 70}, [3]int{20, 300, 1100}) {
			m, n, k := s[0], s[1], s[2]
			a := matrix(rng, m, k, si%2 == 1, 3)
			for i := range a.Data {
				switch si % 3 {
				case 1: // as after GELU
					a.Data[i] = max(a.Data[i], -0.17)
				case 2:
					a.Data[i] = -2 - max(a.Data[i], -1)
				}
			}
			w := Int8Rows(k, n, matrix(rng, k, n, true, 0))
			o := newOutput(rng, m, n, si%4)
			want := newOutput(rng, m, n, 0)
			RefUint8(m, n, k, a, w, want.c, want.ldc, Epilogue{})
			// A value between two steps may be rounded to either.
			tol := func(i, j int) float64 { return 2e-2 * (1 + math.Abs(float64(want.c[i*want.ldc+j]))) }
			for e := range epilogues {
				if epilogues[e].add {
					continue
				}
				against(t, rng, fmt.Sprintf("%dx%dx%d", m, n, k), o, e, tol,
					func(o output, ep Epilogue) { RefUint8(m, n, k, a, w, o.c, o.ldc, ep) },
					func(o output, ep Epilogue) { MulUint8(m, a, PackInt8(k, n, w), o.c, o.ldc, ep) })
			}
		}
	})
}

// TestInt8Accuracy compares the scheme with the exact product: of normal numbers,
// and with a few columns that are a hundred times as large, which spoil their rows.
func TestInt8Accuracy(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	const m, n, k = 20, 30, 512
	b := Matrix{Data: make([]float32, k*n), Stride: n}
	for i := range b.Data {
		b.Data[i] = float32(rng.NormFloat64())
	}
	for _, outliers := range []bool{false, true} {
		a := Matrix{Data: make([]float32, m*k), Stride: k}
		for i := range a.Data {
			a.Data[i] = float32(rng.NormFloat64())
			if outliers && i%k%171 == 5 {
				a.Data[i] *= 100
			}
		}
		exact, got := make([]float32, m*n), make([]float32, m*n)
		Ref(F32, m, n, k, a, b, exact, n, Epilogue{})
		MulInt8(m, a, PackInt8(k, n, Int8Rows(k, n, b)), got, n, Epilogue{})
		rel := relative(got, exact)
		t.Logf("outliers %v: %.5f", outliers, rel)
		if bound := map[bool]float64{false: 0.017, true: 0.05}[outliers]; rel > bound {
			t.Errorf("outliers %v: off by %.4f of its size, allowed %g", outliers, rel, bound)
		}
	}
}

func TestRoundBF16(t *testing.T) {
	bits := math.Float32frombits
	for _, c := range [][2]uint32{
		{0x3f800000, 0x3f800000},
		{0x3f808000, 0x3f800000},
		{0x3f818000, 0x3f820000},
		{0x3f808001, 0x3f810000},
		{0x3f807fff, 0x3f800000},
		{0x7f7fffff, 0x7f800000},
		{0xff800000, 0xff800000},
		{0x00000001, 0},
		{0x807fffff, 0x80000000},
		{0x00800000, 0x00800000},
		{0x80808001, 0x80810000},
	} {
		if got := math.Float32bits(RoundBF16(bits(c[0]))); got != c[1] {
			t.Errorf("RoundBF16(%#08x) = %#08x, want %#08x", c[0], got, c[1])
		}
	}
	for _, nan := range []uint32{0x7f800001, 0xffffffff, 0x7fc00000} {
		if v := RoundBF16(bits(nan)); v == v {
			t.Errorf("RoundBF16 of NaN %#x is %g", nan, v)
		}
	}
}

func TestShortSlicesPanic(t *testing.T) {
	ok := Matrix{Data: make([]float32, 12), Stride: 4}
	for name, f := range map[string]func(){
		"a":           func() { Mul(F32, 4, 4, 3, ok, ok, make([]float32, 16), 4, Epilogue{}) },
		"b":           func() { Mul(F32, 3, 4, 4, ok, ok, make([]float32, 12), 4, Epilogue{}) },
		"c":           func() { Mul(F32, 3, 4, 3, ok, ok, make([]float32, 11), 4, Epilogue{}) },
		"stride":      func() { Mul(F32, 3, 4, 3, ok, ok, make([]float32, 12), 3, Epilogue{}) },
		"bias":        func() { Mul(F32, 3, 4, 3, ok, ok, make([]float32, 12), 4, Epilogue{Bias: make([]float32, 3)}) },
		"accumulate":  func() { Mul(F32, 3, 4, 3, ok, ok, make([]float32, 12), 4, Epilogue{Act: ReLU, Accumulate: true}) },
		"packed a":    func() { MulPacked(4, ok, Pack(F32, 3, 4, ok), make([]float32, 16), 4, Epilogue{}) },
		"int8 weight": func() { PackInt8(4, 4, Int8Rows(4, 4, ok)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s too short: no panic", name)
				}
			}()
			f()
		}()
	}
}

// paths returns every path for p at the current level.
func paths(p Precision) []*path { return pathsAt(p, simd.Current()) }
