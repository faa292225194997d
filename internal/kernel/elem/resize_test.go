package elem

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNearest2(t *testing.T) {
	const n, h, w, c = 2, 3, 5, 7
	x := random(rand.New(rand.NewPCG(20, 1)), n*h*w*c)
	y := make([]float32, 4*len(x))
	Nearest2(y, x, n, h, w, c)
	for i := range y {
		ch, col, row, im := i%c, i/c%(2*w), i/c/(2*w)%(2*h), i/c/(4*w*h)
		if want := x[((im*h+row/2)*w+col/2)*c+ch]; y[i] != want {
			t.Fatalf("y[%d] = %v, want %v", i, y[i], want)
		}
	}
}

// TestFold holds both directions against the formula of the paper's shortcuts: the numbers of a cell in the order
// [channel, time, row, column], in equal runs, one a channel of the small video.
func TestFold(t *testing.T) {
	for _, f := range []Fold{
		{N: 2, T: 2, H: 3, W: 2, Large: 3, Small: 4, PT: 2, PH: 2, PW: 2},
		{N: 1, T: 3, H: 1, W: 5, Large: 5, Small: 20, PT: 1, PH: 2, PW: 2},
		{N: 1, T: 1, H: 2, W: 2, Large: 6, Small: 6, PT: 2, PH: 1, PW: 1},
		{N: 1, T: 2, H: 2, W: 3, Large: 4, Small: 2, PT: 1, PH: 1, PW: 1},
	} {
		r := rand.New(rand.NewPCG(21, uint64(f.Large)))
		cell := f.PT * f.PH * f.PW
		run := f.Large * cell / f.Small
		large := random(r, f.N*f.T*f.H*f.W*f.Large*cell)
		small, want := make([]float32, f.N*f.T*f.H*f.W*f.Small), make([]float32, f.N*f.T*f.H*f.W*f.Small)
		up, wantUp := make([]float32, len(large)), make([]float32, len(large))
		source := random(r, len(small))
		for i := range large {
			c := i % f.Large
			w := i / f.Large % (f.W * f.PW)
			h := i / f.Large / (f.W * f.PW) % (f.H * f.PH)
			nt := i / f.Large / (f.W * f.PW) / (f.H * f.PH)
			k := ((c*f.PT+nt%f.PT)*f.PH+h%f.PH)*f.PW + w%f.PW
			at := ((nt/f.PT*f.H+h/f.PH)*f.W+w/f.PW)*f.Small + k/run
			want[at] += large[i] / float32(run)
			wantUp[i] = source[at]
		}
		AvgDown(small, large, f)
		near(t, "AvgDown", small, want, 1e-6)
		DupUp(up, source, f)
		if !slices.Equal(up, wantUp) {
			t.Errorf("%+v: DupUp differs", f)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("channels that do not divide a cell were taken")
		}
	}()
	AvgDown(make([]float32, 100), make([]float32, 100), Fold{1, 1, 1, 1, 3, 2, 1, 1, 1})
}

func TestCopyRuns(t *testing.T) {
	x := random(rand.New(rand.NewPCG(22, 1)), 200000)
	y := make([]float32, len(x))
	CopyRuns(y, 0, x, 0, 1, len(x))
	if !slices.Equal(x, y) {
		t.Error("one long run differs")
	}
	clear(y)
	CopyRuns(y[3:], 50, x[1:], 40, 1000, 31)
	for r := range 1000 {
		for i := range 50 {
			want := float32(0)
			if i < 31 {
				want = x[1+r*40+i]
			}
			if y[3+r*50+i] != want {
				t.Fatalf("row %d, element %d is %v, want %v", r, i, y[3+r*50+i], want)
			}
		}
	}
}

func TestTanh(t *testing.T) {
	x := random(rand.New(rand.NewPCG(23, 1)), 1000)
	y := make([]float32, len(x))
	Tanh(y, x)
	near(t, "tanh", y, each(len(x), func(i int) float64 { return math.Tanh(f64(x, i)) }), 1e-7)
	paths(t, func(t *testing.T) {
		GELUErf(y, x)
		near(t, "gelu", y, each(len(x), func(i int) float64 { return f64(x, i) / 2 * math.Erfc(-f64(x, i)/math.Sqrt2) }), 6e-7)
	})
}
