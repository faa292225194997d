package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

func fill(rng *rand.Rand, v []float32) {
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
}

// cpu is the backend of these tests.
var cpu = tensor.NewCPU(tensor.F32)

// gradient makes g the gradient of x.
func gradient(x *tensor.Tensor, g []float32) { x.SetGrad(tensor.New(g, x.Shape...)) }

// TestAdamW follows the published update by hand over a few steps.
func TestAdamW(t *testing.T) {
	p := NewParams(1)
	w := p.New("layer.weight", 1, 5, 3)
	b := p.New("layer.bias", 1, 5)
	want := map[*tensor.Tensor][]float64{}
	m, v := map[*tensor.Tensor][]float64{}, map[*tensor.Tensor][]float64{}
	for _, x := range []*tensor.Tensor{w, b} {
		for _, f := range x.Data() {
			want[x] = append(want[x], float64(f))
		}
		m[x], v[x] = make([]float64, x.Len()), make([]float64, x.Len())
	}
	o := NewAdamW(p, cpu)
	o.LR, o.Clip, o.Decay = 0.01, 0, 0.1
	rng := rand.New(rand.NewPCG(3, 4))
	for step := 1; step <= 3; step++ {
		for _, x := range []*tensor.Tensor{w, b} {
			g := make([]float32, x.Len())
			fill(rng, g)
			gradient(x, g)
			decay := 0.0
			if x == w {
				decay = o.Decay
			}
			for i, gi := range g {
				m[x][i] = o.Beta1*m[x][i] + (1-o.Beta1)*float64(gi)
				v[x][i] = o.Beta2*v[x][i] + (1-o.Beta2)*float64(gi)*float64(gi)
				mh := m[x][i] / (1 - math.Pow(o.Beta1, float64(step)))
				vh := v[x][i] / (1 - math.Pow(o.Beta2, float64(step)))
				want[x][i] -= o.LR * (mh/(math.Sqrt(vh)+o.Eps) + decay*want[x][i])
			}
		}
		o.Update(1)
	}
	for x, vals := range want {
		for i, f := range vals {
			if math.Abs(f-float64(x.Data()[i])) > 1e-5 {
				t.Fatalf("element %d of %v is %g, want %g", i, x, x.Data()[i], f)
			}
		}
	}
}

func TestUpdateClipsAndRefusesNonFinite(t *testing.T) {
	p := NewParams(1)
	w := p.New("a.weight", 1, 2, 2)
	o := NewAdamW(p, cpu)
	before := slices.Clone(w.Data())
	gradient(w, []float32{float32(math.NaN()), 0, 0, 0})
	if n := o.Update(1); !math.IsNaN(n) || !slices.Equal(before, w.Data()) || o.Step != 0 {
		t.Errorf("a gradient of NaN: norm %g, step %d, weights %v", n, o.Step, w.Data())
	}
	gradient(w, []float32{3, 0, 4, 0})
	if n := o.Update(2); math.Abs(n-10) > 1e-5 {
		t.Errorf("norm %g, want 10", n)
	}
	if slices.Max(w.Grad().Data()) != 0 {
		t.Error("the gradient was not cleared")
	}
}

// TestUpdateThreads checks that any number of threads gives the same bytes.
func TestUpdateThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	run := func(threads int) []float32 {
		simd.SetThreads(threads)
		p := NewParams(9)
		var all []*tensor.Tensor
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, p.New(name+".weight", 1, 48, 20), p.New(name+".bias", 0, 48))
		}
		o := NewAdamW(p, cpu)
		o.Muon = true
		rng := rand.New(rand.NewPCG(5, 6))
		for range 3 {
			for _, x := range all {
				g := make([]float32, x.Len())
				fill(rng, g)
				gradient(x, g)
			}
			o.Update(1)
		}
		var out []float32
		for _, x := range all {
			out = append(out, x.Data()...)
		}
		return out
	}
	one := run(1)
	for _, n := range []int{2, 3} {
		if !slices.Equal(one, run(n)) {
			t.Errorf("%d threads give other weights than 1", n)
		}
	}
}

func TestEMAFollows(t *testing.T) {
	p := NewParams(1)
	w := p.New("a.weight", 0, 1, 1)
	fixed := p.New("b", 0, 1)
	fixed.SetNeeds(false)
	o := NewAdamW(p, cpu)
	w.Data()[0], fixed.Data()[0] = 10, 7
	for range 20 {
		gradient(w, []float32{0})
		o.Update(1)
	}
	if got := o.EMA().Get("a.weight").Data()[0]; got < 8 || got > 10 {
		t.Errorf("after 20 steps the average of 10 is %g", got)
	}
	if got := o.EMA().Get("b").Data()[0]; got != 7 {
		t.Errorf("the average of a constant 7 is %g", got)
	}
}

// TestCopyChangesAllOrNothing: a set that lacks a parameter, or has one in
// another shape or not finite, changes nothing.
func TestCopyChangesAllOrNothing(t *testing.T) {
	p := NewParams(1)
	a, b := p.New("a", 1, 2), p.New("b", 1, 3)
	before := append(slices.Clone(a.Data()), b.Data()...)
	for name, bad := range map[string]func(q *Params){
		"missing": func(q *Params) {},
		"shape":   func(q *Params) { q.New("b", 1, 2) },
		"NaN":     func(q *Params) { q.New("b", 1, 3).Data()[1] = float32(math.NaN()) },
	} {
		q := NewParams(2)
		q.New("a", 1, 2)
		bad(q)
		if err := p.Copy(q); err == nil || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%s: error %v does not name the parameter", name, err)
		}
		if !slices.Equal(before, append(slices.Clone(a.Data()), b.Data()...)) {
			t.Errorf("%s: something was changed", name)
		}
	}
	q := NewParams(2)
	q.New("a", 1, 2)
	q.New("b", 1, 3)
	if err := p.Copy(q); err != nil || !slices.Equal(b.Data(), q.Get("b").Data()) || slices.Equal(before[2:], b.Data()) {
		t.Errorf("a set that fits: error %v, %v", err, b.Data())
	}
}

// TestStart checks that the initial values of a parameter depend only on its
// name and the seed.
func TestStart(t *testing.T) {
	one, two := NewParams(1), NewParams(1)
	two.New("other", 1, 4)
	if !slices.Equal(one.New("x", 1, 8).Data(), two.New("x", 1, 8).Data()) {
		t.Error("the same name and seed start differently")
	}
	if slices.Equal(NewParams(2).New("x", 1, 8).Data(), one.Get("x").Data()) {
		t.Error("another seed starts the same")
	}
	defer func() {
		if recover() == nil {
			t.Error("a name was used twice")
		}
	}()
	one.New("x", 1, 8)
}
