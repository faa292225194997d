package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// closedForm is the model of tools/reference/schedules.py.
func closedForm(_ context.Context, z []float32, s Step) ([]float32, error) {
	out := make([]float32, len(z))
	for i, v := range z {
		x := float64(v)
		out[i] = float32(0.7*x + 0.3*math.Sin(2*x+s.Timestep/500) - 0.4*float64(i)/float64(len(z)))
	}
	return out, nil
}

// flowBar is the bar for relative L2 errors against diffusers.
const flowBar = 1e-5

// follow runs f from z and holds noise levels, timesteps and the sample after
// each step against the golden. It returns the greatest relative L2 error.
func (g golden) follow(name string, f Flow, z []float32, path []float32, noise func([]float32)) (worst float64) {
	g.t.Helper()
	near(g.t, name+": noise levels", narrow(f.Sigmas), g.read("%s/sigmas", name), 1.2e-7)
	if want := g.read("%s/timesteps", name); f.Method != FlowEuler && !slices.Equal(narrow(f.Timesteps), want) {
		g.t.Fatalf("%s: timesteps %v, diffusers has %v", name, f.Timesteps, want)
	} else if f.Method == FlowEuler {
		near(g.t, name+": timesteps", narrow(f.Timesteps), want, 1.3e-4)
	}
	err := f.Sample(g.t.Context(), z, closedForm, noise, func(done, total int) {
		if total != len(f.Timesteps) {
			g.t.Errorf("%s: progress says %d steps", name, total)
		}
		want := path[(done-1)*len(z) : done*len(z)]
		if d := relative(z, want); !(d <= flowBar) {
			g.t.Errorf("%s: after step %d the relative L2 error is %.2g", name, done, d)
		} else {
			worst = max(worst, d)
		}
	})
	if err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	return worst
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// relative is |got-want| / |want|.
func relative(got, want []float32) float64 {
	var d, w float64
	for i, v := range want {
		e := float64(got[i]) - float64(v)
		d, w = d+e*e, w+float64(v)*float64(v)
	}
	return math.Sqrt(d / w)
}

func TestFlowGolden(t *testing.T) {
	g := openGolden(t, "flow.safetensors")
	worst := map[string]float64{}
	for _, shift := range []float64{1, 3, 5, 8} {
		for _, steps := range []int{1, 2, 3, 4, 5, 8, 20, 50} {
			for method, f := range map[string]Flow{"unipc": NewUniPC(steps, shift), "euler": NewFlowEuler(steps, shift)} {
				name := fmt.Sprintf("%s/%g/%d", method, shift, steps)
				d := g.follow(name, f, g.read("start"), g.read("%s/path", name), nil)
				worst[method] = max(worst[method], d)
			}
		}
	}
	for _, timesteps := range [][]int{{1000, 757, 522}, {1000, 500}} {
		name := "renoise/" + strings.ReplaceAll(strings.Trim(fmt.Sprint(timesteps), "[]"), " ", "-")
		path := g.read("%s/path", name)
		torch := NewTorch(11)
		z := make([]float32, 24)
		torch.Fill(z)
		near(t, name+": the first noise", z, path[:len(z)], ulps)
		worst["renoise"] = max(worst["renoise"], g.follow(name, NewRenoise(timesteps...), z, path[len(z):], torch.Fill))
	}
	t.Logf("greatest relative L2 errors: %v", worst)
}

// TestFlowOrder checks the order of convergence on the flow to a Gaussian, whose
// solution is known: halving the step divides the error by 2 for a method of
// order 1, and by more than 4 for order 2 with a corrector.
func TestFlowOrder(t *testing.T) {
	const mean, dev = 0.7, 0.5
	exact := gaussian(mean, dev)
	v := func(ctx context.Context, z []float32, s Step) ([]float32, error) {
		x, err := exact(ctx, z, 1-s.Sigma)
		for i := range x {
			x[i] = float32((float64(z[i]) - float64(x[i])) / s.Sigma)
		}
		return x, err
	}
	miss := func(f Flow) float64 {
		noise := make([]float32, 256)
		Noise(noise, 1, 0)
		z := slices.Clone(noise)
		if err := f.Sample(t.Context(), z, v, nil, nil); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i, n := range noise {
			d := float64(z[i]) - (mean + dev*float64(n))
			sum += d * d
		}
		return math.Sqrt(sum / float64(len(z)))
	}
	if c, f := miss(NewFlowEuler(40, 1)), miss(NewFlowEuler(80, 1)); math.Log2(c/f) < 0.8 {
		t.Errorf("euler errs by %.3g with 40 steps, by %.3g with 80", c, f)
	}
	if u, e := miss(NewUniPC(10, 1)), miss(NewFlowEuler(10, 1)); u > e/5 {
		t.Errorf("with 10 steps UniPC errs by %.3g, euler by %.3g: want less than a fifth", u, e)
	}
}

func TestFlowErrors(t *testing.T) {
	boom := errors.New("boom")
	nan := func(_ context.Context, z []float32, _ Step) ([]float32, error) {
		out := make([]float32, len(z))
		out[1] = float32(math.Inf(1))
		return out, nil
	}
	short := func(context.Context, []float32, Step) ([]float32, error) { return make([]float32, 1), nil }
	fails := func(context.Context, []float32, Step) ([]float32, error) { return nil, boom }
	for _, tt := range []struct {
		name string
		f    Flow
		v    Velocity
		want string
	}{
		{"empty", Flow{}, closedForm, "0 timesteps"},
		{"levels", Flow{Timesteps: []float64{1}, Sigmas: []float64{0.5}}, closedForm, "1 noise levels"},
		{"end", Flow{Method: FlowEuler, Timesteps: []float64{1}, Sigmas: []float64{0.5, 0.1}}, closedForm, "to 0"},
		{"rising", Flow{Method: FlowEuler, Timesteps: []float64{1, 1}, Sigmas: []float64{0.5, 0.6, 0}}, closedForm, "do not fall"},
		{"one", Flow{Method: UniPC, Timesteps: []float64{1}, Sigmas: []float64{1, 0}}, closedForm, "below 1"},
		{"method", Flow{Method: 9, Timesteps: []float64{1}, Sigmas: []float64{1, 0}}, closedForm, "no method"},
		{"noise", NewRenoise(1000), closedForm, "no noise"},
		{"length", NewUniPC(2, 3), short, "predicted 1 values"},
		{"not finite", NewUniPC(2, 3), nan, "not finite"},
		{"model", NewFlowEuler(2, 3), fails, "boom"},
	} {
		err := tt.f.Sample(t.Context(), make([]float32, 4), tt.v, nil, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := NewUniPC(9, 3).Sample(ctx, make([]float32, 4), func(ctx context.Context, z []float32, s Step) ([]float32, error) {
		if calls++; calls == 3 {
			cancel()
		}
		return closedForm(ctx, z, s)
	}, nil, nil)
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("after a cancellation in call 3: %v, %d calls", err, calls)
	}
}
