package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:] // unaligned
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

func relu(x []float32) []float32 {
	for i := range x {
		x[i] = max(x[i], 0)
	}
	return x
}

// close checks the relative L2 distance.
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	var d, n float64
	for i := range want {
		if math.IsInf(float64(want[i]), -1) && got[i] == want[i] {
			continue
		}
		e := float64(got[i]) - float64(want[i])
		d += e * e
		n += float64(want[i]) * float64(want[i])
	}
	if rel := math.Sqrt(d / (n + 1e-20)); !(rel <= tol) {
		t.Errorf("%s: relative L2 distance %.3g, want at most %.3g", what, rel, tol)
	}
}

// paths runs f once per level that the CPU has.
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

type softmaxCase struct {
	s Shape
	m Mask
}

func softmaxCases() []softmaxCase {
	window := func(q, k, w int) Mask {
		m := Mask{Lo: make([]int32, q), Hi: make([]int32, q)}
		for i := range q {
			m.Lo[i] = int32(max(0, i-w))
			m.Hi[i] = int32(min(k, i+1))
		}
		return m
	}
	hole := window(70, 70, 9)
	hole.Lo[33], hole.Hi[33] = 5, 5 // this query sees nothing
	return []softmaxCase{
		{Shape{1, 1, 1, 1, 1}, Mask{}},
		{Shape{2, 3, 5, 7, 8}, Mask{}},
		{Shape{1, 2, 37, 300, 32}, Mask{}},
		{Shape{2, 1, 66, 48, 64}, Mask{KeyLen: []int32{48, 11}}},
		{Shape{1, 2, 70, 70, 32}, hole},
		{Shape{2, 1, 300, 290, 20}, window(300, 290, 150)},
		{Shape{2, 2, 9, 6, 33}, Mask{KeyLen: []int32{0, 6}}},
	}
}

func TestSoftmax(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, c := range softmaxCases() {
			s := c.s
			r := rand.New(rand.NewPCG(1, uint64(s.Q)))
			q, k, v := random(r, s.B*s.Q*s.H*s.D), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
			out, lse := random(r, len(q)+8), random(r, s.B*s.H*s.Q+8)
			want, wantLSE := slices.Clone(out), slices.Clone(lse)
			Softmax(out, lse, q, k, v, 1.7, s, c.m)
			RefSoftmax(want, wantLSE, q, k, v, 1.7, s, c.m)
			near(t, fmt.Sprint(s, " out"), out, want, 1e-6)
			near(t, fmt.Sprint(s, " lse"), lse, wantLSE, 1e-6)
			if !slices.Equal(out[len(q):], want[len(q):]) || !slices.Equal(lse[s.B*s.H*s.Q:], wantLSE[s.B*s.H*s.Q:]) {
				t.Errorf("%v: written past the end", s)
			}
			again := make([]float32, len(q))
			Softmax(again, nil, q, k, v, 1.7, s, c.m)
			if !slices.Equal(again, out[:len(q)]) {
				t.Errorf("%v: another result without lse", s)
			}
		}
	})
}

// slope compares grad·dir with the derivative of loss along dir; loss reads x.
func slope(t *testing.T, what string, r *rand.Rand, x, grad []float32, loss func() float64) {
	t.Helper()
	const h = 1.0 / 256
	keep, dir := slices.Clone(x), random(r, len(x))
	var want, norm float64
	for i := range x {
		want += float64(grad[i]) * float64(dir[i])
		norm += float64(grad[i]) * float64(grad[i])
	}
	at := func(s float32) float64 {
		for i := range x {
			x[i] = keep[i] + s*dir[i]
		}
		return loss()
	}
	got := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
	copy(x, keep)
	if tol := 2e-3*math.Sqrt(norm) + 1e-4; !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: slope %.6g, the gradient says %.6g (tolerance %.2g)", what, got, want, tol)
	}
}

func weigh(out, w []float32) float64 { return dot64(out[:len(w)], w) }

func TestSoftmaxGrad(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, c := range softmaxCases() {
			s := c.s
			r := rand.New(rand.NewPCG(2, uint64(s.Q)))
			q, k, v := random(r, s.B*s.Q*s.H*s.D), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
			out, lse, w := random(r, len(q)), random(r, s.B*s.H*s.Q), random(r, len(q))
			Softmax(out, lse, q, k, v, 0.5, s, c.m)
			loss := func() float64 {
				o := make([]float32, len(q))
				RefSoftmax(o, nil, q, k, v, 0.5, s, c.m)
				return weigh(o, w)
			}
			dq, dk, dv := make([]float32, len(q)), make([]float32, len(k)), make([]float32, len(v))
			SoftmaxGrad(dq, dk, dv, w, out, lse, q, k, v, 0.5, s, c.m)
			slope(t, fmt.Sprint(s, " dq"), r, q, dq, loss)
			slope(t, fmt.Sprint(s, " dk"), r, k, dk, loss)
			slope(t, fmt.Sprint(s, " dv"), r, v, dv, loss)
			twice := slices.Clone(dk)
			SoftmaxGrad(nil, twice, nil, w, out, lse, q, k, v, 0.5, s, c.m)
			for i := range dk {
				dk[i] *= 2
			}
			near(t, fmt.Sprint(s, " dk accumulated"), twice, dk, 1e-6)
		}
	})
}

type linearCase struct {
	s    Shape
	segs []Segment
}

func linearCases() []linearCase {
	return []linearCase{
		{Shape{1, 1, 1, 1, 1}, []Segment{{0, 1, 0, 1}}},
		{Shape{2, 3, 6, 9, 8}, []Segment{{0, 6, 0, 9}}},
		{Shape{1, 2, 100, 100, 32}, []Segment{{0, 30, 0, 30}, {30, 60, 0, 60}, {60, 60, 0, 70}, {60, 100, 0, 100}}},
		{Shape{2, 1, 40, 50, 33}, []Segment{{0, 10, 0, 20}, {10, 20, 10, 30}, {20, 30, 10, 50}, {30, 40, 0, 25}}},
	}
}

func TestLinear(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, c := range linearCases() {
			s := c.s
			r := rand.New(rand.NewPCG(3, uint64(s.Q)))
			q, qr := relu(random(r, s.B*s.Q*s.H*s.D)), random(r, s.B*s.Q*s.H*s.D)
			k, kr, v := relu(random(r, s.B*s.K*s.H*s.D)), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
			for _, state := range [][]float32{nil, relu(random(r, s.B*s.H*(s.D+1)*s.D))} {
				out := random(r, len(q)+8)
				want := slices.Clone(out)
				Linear(out, nil, q, k, qr, kr, v, state, 0.5, s, c.segs)
				RefLinear(want, q, k, qr, kr, v, state, 0.5, s, c.segs)
				near(t, fmt.Sprint(s), out, want, 1e-6)
				if !slices.Equal(out[len(q):], want[len(q):]) {
					t.Errorf("%v: written past the end", s)
				}
			}
		}
	})
}

// A sequence in two parts, the first as a state, gives the same as the whole.
func TestLinearStreams(t *testing.T) {
	s := Shape{2, 2, 60, 60, 32}
	r := rand.New(rand.NewPCG(4, 4))
	n := s.B * s.K * s.H * s.D
	q, k, qr, kr, v := relu(random(r, n)), relu(random(r, n)), random(r, n), random(r, n), random(r, n)
	whole := make([]float32, n)
	Linear(whole, nil, q, k, qr, kr, v, nil, 0.1, s, []Segment{{0, 20, 0, 20}, {20, 60, 0, 60}})
	state := random(r, s.B*s.H*(s.D+1)*s.D)
	LinearState(state, k, kr, v, s, 0, 20)
	part := make([]float32, n)
	Linear(part, nil, q, k, qr, kr, v, state, 0.1, s, []Segment{{0, 20, 0, 0}, {20, 60, 20, 60}})
	for b := range s.B {
		at := (b*s.Q + 20) * s.H * s.D
		end := (b + 1) * s.Q * s.H * s.D
		near(t, "second part", part[at:end], whole[at:end], 1e-6)
	}
}

func TestLinearGrad(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, c := range linearCases() {
			s := c.s
			r := rand.New(rand.NewPCG(5, uint64(s.Q)))
			q, qr := relu(random(r, s.B*s.Q*s.H*s.D)), random(r, s.B*s.Q*s.H*s.D)
			k, kr, v := relu(random(r, s.B*s.K*s.H*s.D)), random(r, s.B*s.K*s.H*s.D), random(r, s.B*s.K*s.H*s.D)
			out, den, w := random(r, len(q)), random(r, s.B*s.Q*s.H), random(r, len(q))
			Linear(out, den, q, k, qr, kr, v, nil, 2, s, c.segs)
			loss := func() float64 {
				o := make([]float32, len(q))
				RefLinear(o, q, k, qr, kr, v, nil, 2, s, c.segs)
				return weigh(o, w)
			}
			dq, dqr := make([]float32, len(q)), make([]float32, len(q))
			dk, dkr, dv := make([]float32, len(k)), make([]float32, len(k)), make([]float32, len(k))
			LinearGrad(dq, dk, dqr, dkr, dv, w, out, den, q, k, qr, kr, v, s, c.segs)
			slope(t, fmt.Sprint(s, " dq"), r, q, dq, loss)
			slope(t, fmt.Sprint(s, " dqr"), r, qr, dqr, loss)
			slope(t, fmt.Sprint(s, " dk"), r, k, dk, loss)
			slope(t, fmt.Sprint(s, " dkr"), r, kr, dkr, loss)
			slope(t, fmt.Sprint(s, " dv"), r, v, dv, loss)
			LinearGrad(nil, nil, nil, dkr, nil, w, out, den, q, k, qr, kr, v, s, c.segs)
		}
	})
}

func TestThreadsAgree(t *testing.T) {
	s := Shape{2, 2, 600, 130, 32}
	segs := []Segment{{0, 300, 0, 70}, {300, 600, 0, 130}}
	r := rand.New(rand.NewPCG(6, 6))
	nq, nk := s.B*s.Q*s.H*s.D, s.B*s.K*s.H*s.D
	q, k, v := relu(random(r, nq)), relu(random(r, nk)), random(r, nk)
	all := func() []float32 {
		out, lse, den := make([]float32, nq), make([]float32, s.B*s.H*s.Q), make([]float32, s.B*s.H*s.Q)
		dq, dk, dv := make([]float32, nq), make([]float32, nk), make([]float32, nk)
		Softmax(out, lse, q, k, v, 1, s, Mask{})
		SoftmaxGrad(dq, dk, dv, q, out, lse, q, k, v, 1, s, Mask{})
		res := slices.Concat(out, lse, dq, dk, dv)
		Linear(out, den, q, k, q, k, v, nil, 1, s, segs)
		LinearGrad(dq, dk, dq, dk, dv, q, out, den, q, k, q, k, v, s, segs)
		return slices.Concat(res, out, den, dq, dk, dv)
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

func TestShortSlicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a short slice went unnoticed")
		}
	}()
	Softmax(make([]float32, 7), nil, make([]float32, 8), make([]float32, 8), make([]float32, 8), 1, Shape{1, 1, 1, 1, 8}, Mask{})
}
