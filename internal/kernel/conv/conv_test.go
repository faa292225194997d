package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// shapes are odd on purpose: no size is a multiple of a vector, some have more
// than one tile, some are smaller than the kernel.
var shapes = []Shape{
	{N: 1, T: 1, H: 1, W: 1, C: 1, O: 1, KT: 1, KH: 1, KW: 1},
	{N: 1, T: 1, H: 1, W: 1, C: 3, O: 5, KT: 3, KH: 3, KW: 5},
	{N: 2, T: 3, H: 4, W: 5, C: 7, O: 6, KT: 2, KH: 3, KW: 3},
	{N: 2, T: 1, H: 8, W: 8, C: 64, O: 48, KT: 1, KH: 3, KW: 3},
	{N: 1, T: 4, H: 3, W: 9, C: 17, O: 33, KT: 3, KH: 1, KW: 5},
	{N: 3, T: 2, H: 5, W: 1, C: 20, O: 3, KT: 2, KH: 1, KW: 1},
	{N: 2, T: 2, H: 3, W: 4, C: 65, O: 40, KT: 1, KH: 1, KW: 1},
	{N: 2, T: 3, H: 20, W: 32, C: 16, O: 24, KT: 1, KH: 3, KW: 3},
	{N: 1, T: 2, H: 2, W: 2, C: 130, O: 70, KT: 2, KH: 5, KW: 3},
	// Image rows that are long enough to be read in place.
	{N: 2, T: 2, H: 11, W: 49, C: 6, O: 35, KT: 1, KH: 3, KW: 3},
	{N: 2, T: 9, H: 1, W: 61, C: 4, O: 5, KT: 3, KH: 1, KW: 5},
	{N: 1, T: 3, H: 5, W: 50, C: 3, O: 16, KT: 2, KH: 3, KW: 3},
}

func (s Shape) name() string {
	return fmt.Sprintf("%dx%dx%dx%d_%d-%d_%dx%dx%d", s.N, s.T, s.H, s.W, s.C, s.O, s.KT, s.KH, s.KW)
}

const guard = 12345.5

// buffer returns n random values at an unaligned place, with guard values on
// both sides that check looks at.
func buffer(t *testing.T, r *rand.Rand, n int) []float32 {
	t.Helper()
	const pad = 5
	all := make([]float32, n+2*pad)
	for i := range all {
		all[i] = guard
	}
	v := all[pad : pad+n]
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	t.Cleanup(func() {
		for i := range pad {
			if all[i] != guard || all[pad+n+i] != guard {
				t.Errorf("a value outside the slice was overwritten")
				return
			}
		}
	})
	return v[:n:n]
}

// distance is the relative L2 distance.
func distance(got, want []float32) float64 {
	var d, w float64
	for i := range want {
		e := float64(got[i]) - float64(want[i])
		d += e * e
		w += float64(want[i]) * float64(want[i])
	}
	if math.IsNaN(d) {
		return math.Inf(1)
	}
	return math.Sqrt(d / max(w, 1e-30))
}

func near(t *testing.T, what string, got, want []float32, limit float64) {
	t.Helper()
	if d := distance(got, want); d > limit {
		t.Errorf("%s is off by %.2g, limit %.2g", what, d, limit)
	}
}

// levels runs f once for every kernel set the CPU has.
func levels(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v was listed but cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// limit is the accepted relative error: f32 differs from the specification by
// rounding; bf16 operands carry eight bits.
func limit(p gemm.Precision) float64 {
	if p == gemm.BF16 {
		return 6e-3
	}
	return 3e-6
}

// set is what a test of one geometry works on: the operands, and what the
// specification makes of them, once for all levels and precisions.
type set struct {
	s                       Shape
	x, past, w, bias, dy    []float32
	dx0, dw0, db0           []float32 // what the gradients are added to
	y, ySiLU, dx, dw, dbias []float32
	yPlain                  []float32 // without a bias, depthwise only
}

func newSet(t *testing.T, s Shape, weights int, withPast bool) *set {
	r := rand.New(rand.NewPCG(1, 2))
	v := &set{
		s: s, x: buffer(t, r, s.xLen()), w: buffer(t, r, weights), bias: buffer(t, r, s.O), dy: buffer(t, r, s.yLen()),
		dx0: buffer(t, r, s.xLen()), dw0: buffer(t, r, weights), db0: buffer(t, r, s.O),
		y: make([]float32, s.yLen()), ySiLU: make([]float32, s.yLen()), yPlain: make([]float32, s.yLen()),
	}
	if withPast {
		v.past = buffer(t, r, s.pastLen())
	}
	v.dx, v.dw, v.dbias = slices.Clone(v.dx0), slices.Clone(v.dw0), slices.Clone(v.db0)
	return v
}

// start returns a guarded copy of a gradient's start.
func start(t *testing.T, v []float32) []float32 {
	b := buffer(t, rand.New(rand.NewPCG(0, 0)), len(v))
	copy(b, v)
	return b
}

func TestDense(t *testing.T) {
	for _, s := range shapes {
		for _, past := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/past=%v", s.name(), past), func(t *testing.T) {
				v := newSet(t, s, s.wLen(), past)
				refForward(v.y, v.x, v.past, v.w, v.bias, gemm.None, s)
				refForward(v.ySiLU, v.x, v.past, v.w, v.bias, gemm.SiLU, s)
				refGradInput(v.dx, v.dy, v.w, s)
				refGradWeight(v.dw, v.dbias, v.dy, v.x, v.past, s)
				levels(t, func(t *testing.T) {
					v.dense(t, gemm.F32)
					v.dense(t, gemm.BF16)
				})
			})
		}
	}
}

func (v *set) dense(t *testing.T, p gemm.Precision) {
	s := v.s
	got := start(t, v.y)
	Forward(p, got, v.x, v.past, v.w, v.bias, gemm.None, s)
	near(t, "y", got, v.y, limit(p))
	Forward(p, got, v.x, v.past, v.w, v.bias, gemm.SiLU, s)
	near(t, "y with SiLU", got, v.ySiLU, limit(p))
	dx, dw, db := start(t, v.dx0), start(t, v.dw0), start(t, v.db0)
	GradInput(p, dx, v.dy, v.w, s)
	near(t, "dx", dx, v.dx, limit(p))
	GradWeight(p, dw, db, v.dy, v.x, v.past, s)
	near(t, "dw", dw, v.dw, limit(p))
	near(t, "dbias", db, v.dbias, limit(gemm.F32))
	GradWeight(p, nil, nil, v.dy, v.x, v.past, s)
}

func TestDepthwise(t *testing.T) {
	for _, s := range append(slices.Clone(shapes), Shape{N: 3, T: 7, H: 5, W: 8, C: 200, KT: 2, KH: 3, KW: 3},
		Shape{N: 1, T: 7, H: 70, W: 41, C: 64, KT: 2, KH: 3, KW: 3}) {
		s.O = s.C
		for _, past := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/past=%v", s.name(), past), func(t *testing.T) {
				v := newSet(t, s, s.taps()*s.C, past)
				refDepthwise(v.y, v.x, v.past, v.w, v.bias, s)
				refDepthwise(v.yPlain, v.x, v.past, v.w, nil, s)
				refDepthwiseGradInput(v.dx, v.dy, v.w, s)
				refDepthwiseGradWeight(v.dw, v.dbias, v.dy, v.x, v.past, s)
				levels(t, v.depthwise)
			})
		}
	}
}

func (v *set) depthwise(t *testing.T) {
	s := v.s
	got := start(t, v.y)
	Depthwise(got, v.x, v.past, v.w, v.bias, s)
	near(t, "y", got, v.y, limit(gemm.F32))
	Depthwise(got, v.x, v.past, v.w, nil, s)
	near(t, "y without a bias", got, v.yPlain, limit(gemm.F32))
	dx, dw, db := start(t, v.dx0), start(t, v.dw0), start(t, v.db0)
	DepthwiseGradInput(dx, v.dy, v.w, s)
	near(t, "dx", dx, v.dx, limit(gemm.F32))
	DepthwiseGradWeight(dw, db, v.dy, v.x, v.past, s)
	near(t, "dw", dw, v.dw, limit(gemm.F32))
	near(t, "dbias", db, v.dbias, limit(gemm.F32))
	DepthwiseGradWeight(nil, nil, v.dy, v.x, v.past, s)
}

// TestReferenceGradients holds the specification of the gradients against
// finite differences of the specification of the forward pass: the loss is
// Σ g·y, linear in each argument, so that a central difference is exact but
// for rounding.
func TestReferenceGradients(t *testing.T) {
	s := Shape{N: 2, T: 3, H: 3, W: 4, C: 2, O: 3, KT: 2, KH: 3, KW: 3}
	for _, depth := range []bool{false, true} {
		k := s.wLen()
		if depth {
			s.O = s.C
			k = s.taps() * s.C
		}
		r := rand.New(rand.NewPCG(5, 6))
		x, past, w, bias := buffer(t, r, s.xLen()), buffer(t, r, s.pastLen()), buffer(t, r, k), buffer(t, r, s.O)
		dy := buffer(t, r, s.yLen())
		loss := func() float64 {
			y := make([]float32, s.yLen())
			if depth {
				refDepthwise(y, x, past, w, bias, s)
			} else {
				refForward(y, x, past, w, bias, gemm.None, s)
			}
			var sum float64
			for i, v := range y {
				sum += float64(v) * float64(dy[i])
			}
			return sum
		}
		dx, dw, db := make([]float32, s.xLen()), make([]float32, k), make([]float32, s.O)
		if depth {
			refDepthwiseGradInput(dx, dy, w, s)
			refDepthwiseGradWeight(dw, db, dy, x, past, s)
		} else {
			refGradInput(dx, dy, w, s)
			refGradWeight(dw, db, dy, x, past, s)
		}
		for _, c := range []struct {
			what string
			v, g []float32
		}{{"dx", x, dx}, {"dw", w, dw}, {"dbias", bias, db}} {
			num := make([]float32, len(c.v))
			for i, v := range c.v {
				c.v[i] = v + 1
				up := loss()
				c.v[i] = v - 1
				num[i] = float32((up - loss()) / 2)
				c.v[i] = v
			}
			near(t, fmt.Sprintf("%s, depthwise %v", c.what, depth), c.g, num, 1e-5)
		}
	}
}

// TestStreaming checks that a video computed in two pieces, the second with the
// end of the first as its past, is the video computed at once.
func TestStreaming(t *testing.T) {
	s := Shape{N: 2, T: 5, H: 4, W: 6, C: 19, O: 19, KT: 3, KH: 3, KW: 3}
	r := rand.New(rand.NewPCG(7, 8))
	x, w, wd := buffer(t, r, s.xLen()), buffer(t, r, s.wLen()), buffer(t, r, s.taps()*s.C)
	whole, wholeD := make([]float32, s.yLen()), make([]float32, s.yLen())
	Forward(gemm.F32, whole, x, nil, w, nil, gemm.None, s)
	Depthwise(wholeD, x, nil, wd, nil, s)
	frame := s.H * s.W * s.C
	piece := func(v []float32, t0, t1 int) []float32 { // [N,t1-t0,H,W,C]
		var out []float32
		for n := range s.N {
			out = append(out, v[(n*s.T+t0)*frame:(n*s.T+t1)*frame]...)
		}
		return out
	}
	tail := s
	tail.T = 2
	past, rest := piece(x, 1, 3), piece(x, 3, 5)
	got := make([]float32, tail.yLen())
	Forward(gemm.F32, got, rest, past, w, nil, gemm.None, tail)
	near(t, "dense tail", got, piece(whole, 3, 5), 1e-6)
	Depthwise(got, rest, past, wd, nil, tail)
	near(t, "depthwise tail", got, piece(wholeD, 3, 5), 1e-6)
}

// TestThreads checks that the bytes do not depend on the number of threads.
func TestThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	s := Shape{N: 5, T: 3, H: 9, W: 14, C: 70, O: 70, KT: 2, KH: 3, KW: 3}
	levels(t, func(t *testing.T) {
		var first [][]float32
		for _, threads := range []int{1, 2, 3, 7} {
			simd.SetThreads(threads)
			got := everything(t, s)
			if first == nil {
				first = got
			}
			for i := range got {
				if !slices.Equal(got[i], first[i]) {
					t.Errorf("result %d differs between 1 and %d threads", i, threads)
				}
			}
		}
	})
}

func everything(t *testing.T, s Shape) [][]float32 {
	r := rand.New(rand.NewPCG(9, 10))
	x, past, dy := buffer(t, r, s.xLen()), buffer(t, r, s.pastLen()), buffer(t, r, s.yLen())
	w, wd, bias := buffer(t, r, s.wLen()), buffer(t, r, s.taps()*s.C), buffer(t, r, s.O)
	var out [][]float32
	grow := func(n int) []float32 {
		out = append(out, make([]float32, n))
		return out[len(out)-1]
	}
	for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
		Forward(p, grow(s.yLen()), x, past, w, bias, gemm.SiLU, s)
		GradInput(p, grow(s.xLen()), dy, w, s)
		GradWeight(p, grow(s.wLen()), grow(s.O), dy, x, past, s)
	}
	Depthwise(grow(s.yLen()), x, past, wd, bias, s)
	DepthwiseGradInput(grow(s.xLen()), dy, wd, s)
	DepthwiseGradWeight(grow(len(wd)), grow(s.C), dy, x, past, s)
	return out
}

// TestPReLU holds the activation to what it does with the convolution's values.
func TestPReLU(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	s := Shape{N: 1, T: 2, H: 9, W: 70, C: 6, O: 19, KT: 2, KH: 3, KW: 3}
	x, w, bias, slope := buffer(t, r, s.xLen()), buffer(t, r, s.wLen()), buffer(t, r, s.O), buffer(t, r, s.O)
	levels(t, func(t *testing.T) {
		for _, p := range []gemm.Precision{gemm.F32, gemm.BF16} {
			want, got := make([]float32, s.yLen()), buffer(t, r, s.yLen())
			Forward(p, want, x, nil, w, bias, gemm.None, s)
			ForwardPacked(got, x, nil, Pack(p, w, s), gemm.Epilogue{Bias: bias, Slope: slope}, s)
			for i, v := range want {
				if v < 0 {
					want[i] = slope[i%s.O] * v
				}
			}
			near(t, "PReLU", got, want, 1e-6)
		}
	})
}

func TestPanicsTellWhatIsShort(t *testing.T) {
	defer func() {
		want := "conv.Forward: x holds 3 elements, needs 4"
		if p := recover(); p != want {
			t.Errorf("panic %q, want %q", p, want)
		}
	}()
	s := Shape{N: 1, T: 1, H: 2, W: 2, C: 1, O: 1, KT: 1, KH: 1, KW: 1}
	Forward(gemm.F32, make([]float32, 4), make([]float32, 3), nil, make([]float32, 1), nil, gemm.None, s)
}
