package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

// memoryCodes are codes in memory.
type memoryCodes struct {
	run        int
	q          []int8
	scale, min []float32
}

func (c memoryCodes) Run() int   { return c.run }
func (c memoryCodes) Mins() bool { return c.min != nil }
func (c memoryCodes) Codes(q []int8, scale, min []float32, at int) {
	copy(q, c.q[at:])
	copy(scale[:len(q)/c.run], c.scale[at/c.run:])
	if c.min != nil {
		copy(min[:len(q)/c.run], c.min[at/c.run:])
	}
}

// value returns number i.
func (c memoryCodes) value(i int) float32 {
	v := c.scale[i/c.run] * float32(c.q[i])
	if c.min != nil {
		v += c.min[i/c.run]
	}
	return v
}

func randomCodes(rng *rand.Rand, n, run int, mins bool) memoryCodes {
	c := memoryCodes{run: run, q: make([]int8, n), scale: make([]float32, n/run)}
	for i := range c.q {
		c.q[i] = int8(rng.IntN(256) - 128)
	}
	for i := range c.scale {
		c.scale[i] = float32(rng.NormFloat64()) / 100
	}
	if mins {
		c.min = make([]float32, n/run)
		for i := range c.min {
			c.min[i] = float32(rng.NormFloat64())
		}
	}
	return c
}

// codesTolerance bounds the rounding of f32 sums by the sum of absolute values.
func codesTolerance(m, n, k int, a Matrix, w memoryCodes) func(i, j int) float64 {
	b := Matrix{Data: make([]float32, n*k), Stride: k, Trans: true}
	for i := range b.Data {
		b.Data[i] = float32(math.Abs(float64(w.scale[i/w.run]) * float64(w.q[i])))
		if w.min != nil {
			b.Data[i] += float32(math.Abs(float64(w.min[i/w.run])))
		}
	}
	return sumTolerance(m, n, k, a, b)
}

func TestMulCodes(t *testing.T) {
	defer func(cells int) { maxCodeCells = cells }(maxCodeCells)
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(21, 22))
		for si, s := range [][3]int{
			{0, 3, 32},
			{3, 0, 32},
			{2, 3, 0},
			{1, 1, 32},
			{1, 5, 16},
			{3, 33, 64},
			{4, 16, 96},
			{5, 31, 48},
			{12, 32, 32},
			{13, 129, 160},
			{25, 7, 352},
			{11, 150, 3104},
			{40, 20, 6400},
			{230, 40, 64},
			{1, 150, 3104},
			{1, 40, 48},
		} {
			m, n, k := s[0], s[1], s[2]
			for kind := range 4 {
				run, mins := CodeRun>>(kind&1), kind&2 != 0
				if k%run != 0 {
					continue
				}
				maxCodeCells = []int{4 << 20, 1 << 13}[(si+kind)%2]
				a, w := matrix(rng, m, k, (si+kind)%3 == 0, 3), randomCodes(rng, n*k, run, mins)
				if m > 3 && k > 32 && !a.Trans {
					clear(a.Data[2*a.Stride:][:32])
				}
				o, tol := newOutput(rng, m, n, si%4), codesTolerance(m, n, k, a, w)
				for e := range epilogues {
					if (e+si)%4 != kind {
						continue
					}
					against(t, rng, fmt.Sprintf("%dx%dx%d run %d mins %v", m, n, k, run, mins), o, e, tol,
						func(o output, ep Epilogue) { RefCodes(m, n, k, a, w, o.c, o.ldc, ep) },
						func(o output, ep Epilogue) { MulCodes(m, n, k, a, w, o.c, o.ldc, ep) })
					against(t, rng, fmt.Sprintf("fine %dx%dx%d run %d mins %v", m, n, k, run, mins), o, e, tol,
						func(o output, ep Epilogue) { RefCodesFine(m, n, k, a, w, o.c, o.ldc, ep) },
						func(o output, ep Epilogue) { MulCodesFine(m, n, k, a, w, o.c, o.ldc, ep) })
				}
			}
		}
	})
}

// TestMulCodesThreads has sizes that are cut along columns, rows and depth.
func TestMulCodesThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	defer func(cells int) { maxCodeCells = cells }(maxCodeCells)
	maxCodeCells = 1 << 17
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(23, 24))
		for _, s := range [][3]int{{600, 40, 64}, {50, 300, 128}, {13, 140, 3200}, {1, 300, 128}} {
			m, n, k := s[0], s[1], s[2]
			a, w := matrix(rng, m, k, false, 0), randomCodes(rng, n*k, CodeRun, true)
			var first output
			for threads := 1; threads <= 3; threads++ {
				simd.SetThreads(threads)
				o := newOutput(rand.New(rand.NewPCG(1, 1)), m, n, 0)
				MulCodes(m, n, k, a, w, o.c, n, Epilogue{Act: GELU, Residual: o.c})
				MulCodesFine(m, n, k, a, w, o.c, n, Epilogue{Act: GELU, Residual: o.c})
				if threads == 1 {
					first = o
				} else if !slices.Equal(first.c, o.c) {
					t.Fatalf("%v: %d threads gave other bytes than 1", s, threads)
				}
			}
		}
	})
}

// TestMulCodesAccuracy compares with the product of activations that are not
// quantised: of normal numbers, and with a few columns that are a hundred times
// as large, which only spoil their own runs.
func TestMulCodesAccuracy(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(25, 26))
		const m, n, k = 20, 30, 512
		w := randomCodes(rng, n*k, CodeRun, false)
		b := Matrix{Data: make([]float32, n*k), Stride: k, Trans: true}
		for i := range b.Data {
			b.Data[i] = w.value(i)
		}
		for _, outliers := range []bool{false, true} {
			a := Matrix{Data: make([]float32, m*k), Stride: k}
			for i := range a.Data {
				a.Data[i] = float32(rng.NormFloat64())
				if outliers && i%k%171 == 5 {
					a.Data[i] *= 100
				}
			}
			exact, got, fine := make([]float32, m*n), make([]float32, m*n), make([]float32, m*n)
			Ref(F32, m, n, k, a, b, exact, n, Epilogue{})
			MulCodes(m, n, k, a, w, got, n, Epilogue{})
			MulCodesFine(m, n, k, a, w, fine, n, Epilogue{})
			rel, relFine := relative(got, exact), relative(fine, exact)
			t.Logf("outliers %v: %.5f, fine %.6f", outliers, rel, relFine)
			if bound := map[bool]float64{false: 0.007, true: 0.02}[outliers]; rel > bound || relFine > bound/150 {
				t.Errorf("outliers %v: off by %.4f of its size, allowed %g; fine by %.6f, allowed %g", outliers, rel, bound, relFine, bound/150)
			}
		}
	})
}

// relative is the L2 of a difference over that of what is wanted.
func relative(got, want []float32) float64 {
	var d, e float64
	for i, v := range want {
		d += math.Pow(float64(got[i])-float64(v), 2)
		e += float64(v) * float64(v)
	}
	return math.Sqrt(d / e)
}
