package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

const rows, c = 213, 133

func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// check makes sure that every element is within half a step of its scale, and that the largest of a line uses the range.
func check(t *testing.T, x, y, scale []float32, q []int8, line func(i int) int) {
	t.Helper()
	top := make([]int8, len(scale))
	for i := range x {
		k := line(i)
		if e := math.Abs(float64(x[i] - y[i])); e > 0.5001*float64(scale[k]) {
			t.Fatalf("[%d]: %v comes back as %v with scale %v", i, x[i], y[i], scale[k])
		}
		top[k] = max(top[k], q[i], -q[i])
	}
	for k, v := range top {
		if v != 127 {
			t.Fatalf("line %d reaches only %d", k, v)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	x := random(rows * c)
	q, y := make([]int8, rows*c+1), make([]float32, rows*c)
	q[rows*c] = 99
	scale := make([]float32, rows)
	Rows(q, scale, x, rows, c)
	DequantizeRows(y, q, scale, rows, c)
	check(t, x, y, scale, q, func(i int) int { return i / c })

	byColumn := make([]float32, c)
	Columns(q, byColumn, x, rows, c)
	DequantizeColumns(y, q, byColumn, rows, c)
	check(t, x, y, byColumn, q, func(i int) int { return i % c })
	if q[rows*c] != 99 {
		t.Error("written past the end")
	}
}

// The columns of a matrix are the rows of its transpose.
func TestColumnsAreRowsOfTheTranspose(t *testing.T) {
	x := random(rows * c)
	xt := make([]float32, rows*c)
	for i := range rows {
		for j := range c {
			xt[j*rows+i] = x[i*c+j]
		}
	}
	q, qt := make([]int8, rows*c), make([]int8, rows*c)
	s, st := make([]float32, c), make([]float32, c)
	Columns(q, s, x, rows, c)
	Rows(qt, st, xt, c, rows)
	if !slices.Equal(s, st) {
		t.Error("the scales differ")
	}
	for i := range rows {
		for j := range c {
			if q[i*c+j] != qt[j*rows+i] {
				t.Fatalf("(%d,%d) is %d and %d", i, j, q[i*c+j], qt[j*rows+i])
			}
		}
	}
}

func TestRow(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, z := range []struct {
		x     []float32
		q     []int8
		scale float32
	}{
		{[]float32{127, 0.5, 1.5, -2.5, -127}, []int8{127, 0, 2, -2, -127}, 1}, // ties to even
		{[]float32{0, 0}, []int8{0, 0}, 0},
		{[]float32{1e-40, -1e-40}, []int8{0, 0}, 0},
		{[]float32{inf, 1}, []int8{0, 0}, inf},
		{[]float32{1, nan, 2}, []int8{0, 0, 0}, nan},
		{nil, nil, 0},
	} {
		q := slices.Repeat([]int8{5}, len(z.x))
		scale := Row(q, z.x)
		same := scale == z.scale || scale != scale && z.scale != z.scale || scale < 1e-40 && z.scale == 0
		if !slices.Equal(q, z.q) || !same {
			t.Errorf("%v becomes %v with scale %v, want %v with %v", z.x, q, scale, z.q, z.scale)
		}
	}
}

func TestThreadsAgree(t *testing.T) {
	x := random(rows * c)
	all := func() ([]int8, []float32) {
		a, b := make([]int8, rows*c), make([]int8, rows*c)
		s, u := make([]float32, rows), make([]float32, c)
		Rows(a, s, x, rows, c)
		Columns(b, u, x, rows, c)
		return slices.Concat(a, b), slices.Concat(s, u)
	}
	before := simd.Threads()
	defer simd.SetThreads(before)
	simd.SetThreads(1)
	wq, ws := all()
	for _, n := range []int{2, 3} {
		simd.SetThreads(n)
		if q, s := all(); !slices.Equal(q, wq) || !slices.Equal(s, ws) {
			t.Errorf("%d threads give other bytes than 1", n)
		}
	}
}
