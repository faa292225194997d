package sampler

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// gaussian is the exact model of a target N(mean, dev²) per element: its x̂ is
// the posterior mean, and the flow takes the noise n to mean + dev·n.
func gaussian(mean, dev float64) Denoise {
	return func(_ context.Context, z []float32, t float64) ([]float32, error) {
		out := make([]float32, len(z))
		k := t * dev * dev / (t*t*dev*dev + (1-t)*(1-t))
		for i, v := range z {
			out[i] = float32(mean + k*(float64(v)-t*mean))
		}
		return out, nil
	}
}

// gaussianError is the root mean square error at time end of a run over an even
// grid.
func gaussianError(t *testing.T, s Solver, steps int, end float64) float64 {
	t.Helper()
	const mean, dev = 0.7, 0.5
	noise := make([]float32, 256)
	Noise(noise, 1, 0)
	z := slices.Clone(noise)
	grid := Schedule(steps, 1)
	for i := range grid {
		grid[i] *= end
	}
	if err := Sample(t.Context(), s, grid, z, gaussian(mean, dev), nil); err != nil {
		t.Fatal(err)
	}
	std := math.Sqrt(end*end*dev*dev + (1-end)*(1-end))
	var sum float64
	for i, n := range noise {
		d := float64(z[i]) - (end*mean + std*float64(n))
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(z)))
}

// TestOrder checks the order of convergence: halving the step divides the error
// by 2 for a method of order 1 and by 4 for order 2 (a little less for
// Multistep over the whole way, where a logarithm joins in).
func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		solver Solver
		end    float64
		lo, hi float64
	}{
		{Euler, 0.5, 0.9, 1.1},
		{Euler, 1, 0.9, 1.1},
		{Heun, 0.5, 1.9, 2.1},
		{Heun, 1, 1.9, 2.1},
		{Multistep, 0.5, 1.9, 2.1},
		{Multistep, 1, 1.6, 2.1},
	} {
		coarse, fine := gaussianError(t, tt.solver, 80, tt.end), gaussianError(t, tt.solver, 160, tt.end)
		order := math.Log2(coarse / fine)
		t.Logf("%v to t = %v: error %.3g at 80 steps, %.3g at 160, order %.2f", tt.solver, tt.end, coarse, fine, order)
		if order < tt.lo || order > tt.hi {
			t.Errorf("%v to t = %v: order %.2f, want %.1f to %.1f", tt.solver, tt.end, order, tt.lo, tt.hi)
		}
	}
	if m, e := gaussianError(t, Multistep, 8, 1), gaussianError(t, Euler, 8, 1); m > e/2 {
		t.Errorf("at 8 calls multistep errs by %.3g, euler by %.3g: want less than half", m, e)
	}
}

// TestPointTarget: a model that always predicts the same sample gives it, to
// the bit.
func TestPointTarget(t *testing.T) {
	x := []float32{0.1, -3, 7.25, 1e-8}
	f := func(context.Context, []float32, float64) ([]float32, error) { return x, nil }
	for _, s := range []Solver{Euler, Heun, Multistep} {
		for _, steps := range []int{1, 2, 3, 10} {
			z := make([]float32, len(x))
			Noise(z, 5, 0)
			if err := Sample(t.Context(), s, Schedule(steps, 3), z, f, nil); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(z, x) {
				t.Errorf("%v, %d steps: %v, want %v", s, steps, z, x)
			}
		}
	}
}

func TestSchedule(t *testing.T) {
	if got, want := Schedule(4, 1), []float64{0, 0.25, 0.5, 0.75, 1}; !slices.Equal(got, want) {
		t.Errorf("even: %v", got)
	}
	// σ = 0.5 with shift 3 becomes 3·0.5/(1+2·0.5) = 0.75.
	if got := Schedule(2, 3)[1]; math.Abs(got-0.25) > 1e-15 {
		t.Errorf("shift 3 moves the middle to %v, want 0.25", got)
	}
	for _, shift := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if got := Schedule(2, shift); !slices.Equal(got, []float64{0, 0.5, 1}) {
			t.Errorf("shift %v: %v", shift, got)
		}
	}
	if got := Schedule(-3, 2); !slices.Equal(got, []float64{0, 1}) {
		t.Errorf("no steps: %v", got)
	}
	for _, shift := range []float64{0.2, 1, 5} {
		if err := checkGrid(Schedule(1000, shift)); err != nil {
			t.Error(err)
		}
	}
}

func TestCallsAndProgress(t *testing.T) {
	for s, want := range map[Solver]int{Euler: 5, Heun: 9, Multistep: 5} {
		calls := 0
		var times []float64
		f := func(ctx context.Context, z []float32, t float64) ([]float32, error) {
			calls++
			times = append(times, t)
			return gaussian(0, 1)(ctx, z, t)
		}
		var seen []int
		err := Sample(t.Context(), s, Schedule(5, 1), make([]float32, 3), f, func(done, total int) {
			if total != 5 {
				t.Errorf("total %d", total)
			}
			seen = append(seen, done)
		})
		if err != nil {
			t.Fatal(err)
		}
		if calls != want {
			t.Errorf("%v: %d calls in 5 steps, want %d", s, calls, want)
		}
		if !slices.Equal(seen, []int{1, 2, 3, 4, 5}) {
			t.Errorf("%v: progress %v", s, seen)
		}
		if slices.Max(times) >= 1 {
			t.Errorf("%v asked the model at t = %v", s, slices.Max(times))
		}
	}
}

func TestErrors(t *testing.T) {
	ok := gaussian(0, 1)
	boom := errors.New("boom")
	short := func(context.Context, []float32, float64) ([]float32, error) { return make([]float32, 1), nil }
	nan := func(_ context.Context, z []float32, _ float64) ([]float32, error) {
		out := make([]float32, len(z))
		out[1] = float32(math.NaN())
		return out, nil
	}
	fails := func(context.Context, []float32, float64) ([]float32, error) { return nil, boom }
	for _, tt := range []struct {
		name   string
		solver Solver
		grid   []float64
		f      Denoise
		want   string
	}{
		{"solver", 9, []float64{0, 1}, ok, "no solver"},
		{"empty grid", Euler, nil, ok, "at least 2 times"},
		{"falling grid", Euler, []float64{0, 0.5, 0.4, 1}, ok, "does not rise"},
		{"beyond", Euler, []float64{0, 1.5}, ok, "within"},
		{"NaN", Euler, []float64{0, math.NaN(), 1}, ok, "does not rise"},
		{"length", Heun, []float64{0, 1}, short, "predicted 1 values from 4"},
		{"not finite", Multistep, []float64{0, 0.5, 1}, nan, "not finite"},
		{"model", Euler, []float64{0, 1}, fails, "boom"},
	} {
		err := Sample(t.Context(), tt.solver, tt.grid, make([]float32, 4), tt.f, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCancel(t *testing.T) {
	for _, s := range []Solver{Euler, Heun, Multistep} {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		f := func(ctx context.Context, z []float32, t float64) ([]float32, error) {
			if calls++; calls == 3 {
				cancel()
			}
			return gaussian(0, 1)(ctx, z, t)
		}
		err := Sample(ctx, s, Schedule(50, 1), make([]float32, 4), f, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v", s, err)
		}
		if calls != 3 {
			t.Errorf("%v: the model was called %d times after the cancellation", s, calls-3)
		}
	}
}

func TestSolverNames(t *testing.T) {
	for _, s := range []Solver{Euler, Heun, Multistep} {
		if got, err := ParseSolver(s.String()); err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	if got, err := ParseSolver(""); err != nil || got != Multistep {
		t.Errorf("the default: %v, %v", got, err)
	}
	if _, err := ParseSolver("rk4"); err == nil {
		t.Error("rk4 was accepted")
	}
}

func TestGuidance(t *testing.T) {
	for scale, want := range map[float32][]float32{0: {1, 5}, 1: {2, 5}, 3: {4, 5}} {
		got := []float32{2, 5}
		Guidance{Scale: scale}.Combine(got, got, []float32{1, 5})
		if !slices.Equal(got, want) {
			t.Errorf("scale %v: %v, want %v", scale, got, want)
		}
	}
}
