package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

func random(r *rand.Rand, n int, shift float32) []float32 {
	x := make([]float32, n+1)[1:] // unaligned
	for i := range x {
		x[i] = r.Float32()*2 - 1 + shift
	}
	return x
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	var d, n float64
	for i := range want {
		e := float64(got[i]) - float64(want[i])
		d += e * e
		n += float64(want[i]) * float64(want[i])
	}
	if rel := math.Sqrt(d / (n + 1e-20)); !(rel <= tol) {
		t.Errorf("%s: relative L2 distance %.3g, want at most %.3g", what, rel, tol)
	}
}

func paths(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v is listed but cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// slope compares grad·dir with the derivative along dir of weights·f; f reads x.
func slope(t *testing.T, what string, r *rand.Rand, x, grad, weights []float32, f func(y []float32)) {
	t.Helper()
	const h = 1.0 / 64
	keep, dir := slices.Clone(x), random(r, len(x), 0)
	var want, norm float64
	for i := range x {
		want += float64(grad[i]) * float64(dir[i])
		norm += float64(grad[i]) * float64(grad[i])
	}
	y := make([]float32, len(weights))
	at := func(s float32) (sum float64) {
		for i := range x {
			x[i] = keep[i] + s*dir[i]
		}
		f(y)
		for i, w := range weights {
			sum += float64(w) * float64(y[i])
		}
		return sum
	}
	got := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
	copy(x, keep)
	if tol := 1e-3*math.Sqrt(norm) + 1e-4; !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: slope %.6g, the gradient says %.6g (tolerance %.2g)", what, got, want, tol)
	}
}

var sizes = [][2]int{{1, 1}, {3, 5}, {2, 16}, {7, 31}, {300, 67}, {33, 256}, {2, 1030}}

func TestRMS(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, z := range sizes {
			rows, c := z[0], z[1]
			name := fmt.Sprint(z)
			r := rand.New(rand.NewPCG(1, uint64(c)))
			x, g := random(r, rows*c, 0.3), random(r, c, 1)
			for _, g := range [][]float32{g, nil} {
				y, rstd := random(r, rows*c+8, 0), make([]float32, rows)
				want := slices.Clone(y)
				RMS(y, rstd, x, g, rows, c, 1e-3)
				RefRMS(want, x, g, rows, c, 1e-3)
				near(t, name, y, want, 1e-6)
				if !slices.Equal(y[rows*c:], want[rows*c:]) {
					t.Errorf("%s: written past the end", name)
				}
				dy, dx, dg := random(r, rows*c, 0), make([]float32, rows*c), make([]float32, c)
				RMSGrad(dx, dg, dy, x, g, rstd, rows, c)
				f := func(y []float32) { RefRMS(y, x, g, rows, c, 1e-3) }
				slope(t, name+" dx", r, x, dx, dy, f)
				if g != nil {
					slope(t, name+" dg", r, g, dg, dy, f)
				}
				RMSGrad(nil, nil, dy, x, g, rstd, rows, c)
			}
		}
	})
}

func TestLayer(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, z := range sizes {
			rows, c := z[0], z[1]
			name := fmt.Sprint(z)
			r := rand.New(rand.NewPCG(6, uint64(c)))
			x, g, b := random(r, rows*c, 3), random(r, c, 1), random(r, c, 0)
			const eps = 1e-2 // so large that leaving it out shows
			for _, gb := range [][2][]float32{{g, b}, {nil, nil}, {g, nil}, {nil, b}} {
				y := random(r, rows*c+8, 0)
				want := slices.Clone(y)
				Layer(y, x, gb[0], gb[1], rows, c, eps)
				RefLayer(want, x, gb[0], gb[1], rows, c, eps)
				near(t, name, y, want, 2e-6)
				if !slices.Equal(y[rows*c:], want[rows*c:]) {
					t.Errorf("%s: written past the end", name)
				}
			}
			groups := 1
			if rows%3 == 0 {
				groups = 3
			}
			scale, shift := random(r, groups*c, 0), random(r, groups*c, 0)
			y, want := make([]float32, rows*c), make([]float32, rows*c)
			LayerModulate(y, x, scale, shift, rows, c, rows/groups, eps)
			RefLayer(want, x, nil, nil, rows, c, eps)
			for i := range want {
				at := i/c/(rows/groups)*c + i%c
				want[i] = want[i]*(1+scale[at]) + shift[at]
			}
			near(t, name+" modulated", y, want, 2e-6)
		}
	})
}

// rounded checks that got is want in bf16, to nearest.
func rounded(t *testing.T, what string, got []uint16, want []float32) {
	t.Helper()
	half := make([]uint16, len(want))
	vec.ToBF16(half, want)
	if !slices.Equal(got, half) {
		t.Errorf("%s: other numbers than those of f32, rounded", what)
	}
}

// TestLength also holds the form in bf16 to that in f32.
func TestLength(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, z := range sizes {
			rows, c := z[0], z[1]
			r := rand.New(rand.NewPCG(7, uint64(c)))
			x, g := random(r, rows*c, 0), random(r, c, 1)
			clear(x[:c])         // a row of zeros stays one
			tiny := x[len(x)-c:] // shorter than the least length
			for i := range tiny {
				if rows > 1 {
					tiny[i] *= 1e-15
				}
			}
			for _, g := range [][]float32{g, nil} {
				y, want := make([]float32, rows*c), make([]float32, rows*c)
				Length(y, x, g, gemm.None, rows, c)
				RefLength(want, x, g, rows, c)
				near(t, fmt.Sprint(z), y, want, 1e-6)
				if rows > 1 {
					near(t, fmt.Sprint(z, " the tiny row"), y[len(y)-c:], want[len(y)-c:], 1e-6)
				}
				Length(y, x, g, gemm.SiLU, rows, c)
				for i, v := range want {
					want[i] = float32(float64(v) / (1 + math.Exp(-float64(v))))
				}
				near(t, fmt.Sprint(z, " SiLU"), y, want, 2e-6)
				if half := make([]uint16, rows*c); g != nil {
					LengthBF16(half, x, g, gemm.SiLU, rows, c)
					rounded(t, fmt.Sprint(z, " SiLU in bf16"), half, y)
					LengthBF16(half, x, nil, gemm.None, rows, c)
					rounded(t, fmt.Sprint(z, " in bf16"), half, x)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, z := range sizes {
			rows, c := z[0], z[1]
			name := fmt.Sprint(z)
			r := rand.New(rand.NewPCG(4, uint64(c)))
			x := random(r, rows*c, 50)
			y := random(r, rows*c+8, 0)
			want := slices.Clone(y)
			Softmax(y, x, rows, c)
			RefSoftmax(want, x, rows, c)
			near(t, name, y, want, 1e-6)
			if !slices.Equal(y[rows*c:], want[rows*c:]) {
				t.Errorf("%s: written past the end", name)
			}
			dy, dx := random(r, rows*c, 0), make([]float32, rows*c)
			SoftmaxGrad(dx, dy, y, rows, c)
			slope(t, name+" dx", r, x, dx, dy, func(y []float32) { RefSoftmax(y, x, rows, c) })
		}
		inf := float32(math.Inf(-1))
		y := []float32{9, 9, 9, 9}
		Softmax(y, []float32{inf, inf, 0, inf}, 2, 2)
		if !slices.Equal(y, []float32{0, 0, 1, 0}) {
			t.Errorf("masked rows give %v", y)
		}
	})
}

func TestThreadsAgree(t *testing.T) {
	const rows, c = 1000, 96
	r := rand.New(rand.NewPCG(5, 5))
	x, g, dy := random(r, rows*c, 1), random(r, c, 1), random(r, rows*c, 0)
	all := func() []float32 {
		y, rstd := make([]float32, rows*c), make([]float32, rows)
		dx, dg := make([]float32, rows*c), make([]float32, c)
		RMS(y, rstd, x, g, rows, c, 1e-5)
		RMSGrad(dx, dg, dy, x, g, rstd, rows, c)
		res := slices.Clone(y)
		Softmax(y, x, rows, c)
		SoftmaxGrad(dx, dy, y, rows, c)
		return slices.Concat(res, y, dx, dg)
	}
	before := simd.Threads()
	defer simd.SetThreads(before)
	simd.SetThreads(1)
	want := all()
	for _, n := range []int{2, 3} {
		simd.SetThreads(n)
		if !slices.Equal(all(), want) {
			t.Errorf("%d threads give other bytes than 1", n)
		}
	}
}
