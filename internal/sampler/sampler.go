// Package sampler turns noise into a sample with a model that predicts the
// clean one: schedules, solvers, guidance and noise for flow matching
// (Lipman et al., "Flow Matching for Generative Modeling", 2023; Liu et al.,
// "Flow Straight and Fast", 2023).
//
// The convention, everywhere in Kinora: t runs from 0 (noise) to 1 (clean) and
//
//	z_t = (1-t)·noise + t·x
//
// The model predicts x̂(z_t, t). The velocity of the flow is
// v = (x̂ - z_t)/(1-t), and a sample solves dz/dt = v from t = 0 to t = 1.
//
// The package sees only flat slices and a callback. It does not know what model
// is behind the callback, holds no weights, and draws no randomness except
// Noise.
package sampler

import (
	"context"
	"fmt"
	"math"
)

// Denoise predicts the clean sample from z at time t in [0, 1). It must not
// change z. The slice it returns has the length of z. Its next call may reuse
// the slice: the solvers copy what they keep.
type Denoise func(ctx context.Context, z []float32, t float64) (xhat []float32, err error)

// Solver is a method to integrate the flow.
type Solver uint8

const (
	// Multistep is of second order with one model call per step: x̂ is
	// extrapolated linearly from its last two values, and the linear part of
	// the equation is solved exactly. It is the default.
	Multistep Solver = iota
	// Euler is of first order with one model call per step. With x̂ constant
	// over a step the flow is solved exactly, so this is also DDIM (Song et
	// al., 2021).
	Euler
	// Heun is of second order with two model calls per step, except for the
	// last step (Karras et al., "Elucidating the Design Space", 2022, algorithm
	// 1).
	Heun
)

var solverNames = [...]string{Multistep: "multistep", Euler: "euler", Heun: "heun"}

// String returns the name that ParseSolver reads.
func (s Solver) String() string {
	if int(s) < len(solverNames) {
		return solverNames[s]
	}
	return fmt.Sprintf("Solver(%d)", uint8(s))
}

// ParseSolver reads a solver's name; "" is the default, Multistep.
func ParseSolver(name string) (Solver, error) {
	if name == "" {
		return Multistep, nil
	}
	for i, n := range solverNames {
		if n == name {
			return Solver(i), nil
		}
	}
	return 0, fmt.Errorf("sampler: unknown solver %q: use multistep, euler or heun", name)
}

// Schedule returns the steps+1 times 0 = t_0 < ... < t_steps = 1: an even grid
// u, shifted towards the noise by
//
//	t = u / (u + shift·(1-u))
//
// which is σ' = shift·σ/(1 + (shift-1)·σ) for the noise level σ = 1-t, the
// shift by resolution of Esser et al., "Scaling Rectified Flow Transformers"
// (Stable Diffusion 3), 2024, equation 23. With shift 1 the grid stays even;
// shift 3 moves its middle to t = 0.25. steps is at least 1; a shift that is
// not a positive number counts as 1.
func Schedule(steps int, shift float64) []float64 {
	steps = max(steps, 1)
	if !(shift > 0) || math.IsInf(shift, 0) {
		shift = 1
	}
	grid := make([]float64, steps+1)
	for i := range grid {
		u := float64(i) / float64(steps)
		grid[i] = u / (u + shift*(1-u))
	}
	grid[steps] = 1
	return grid
}

// Sample moves z, in place, along grid: from the noise level of its first time
// to that of its last, which is a clean sample if the time is 1. grid is what
// Schedule returns, or a part of it. progress, if not nil, is called after
// every step with the number of steps done and in all.
//
// Sample returns the context's error at the end of the step in which it was
// cancelled. It returns an error of f unchanged, and an error of its own if f
// returns the wrong length or a value that is not finite. After an error, z
// must not be used.
func Sample(ctx context.Context, s Solver, grid []float64, z []float32, f Denoise, progress func(done, total int)) error {
	if int(s) >= len(solverNames) {
		return fmt.Errorf("sampler: there is no solver %d", uint8(s))
	}
	if err := checkGrid(grid); err != nil {
		return err
	}
	r := run{ctx: ctx, f: f, z: z}
	steps := len(grid) - 1
	for i := range steps {
		var err error
		switch {
		case s == Heun && grid[i+1] < 1:
			err = r.heun(grid[i], grid[i+1])
		case s == Multistep:
			err = r.multistep(grid[i], grid[i+1])
		default:
			err = r.euler(grid[i], grid[i+1])
		}
		if err != nil {
			return err
		}
		if !finite(z) {
			return fmt.Errorf("sampler: step %d of %d (t = %.4f) gave a value that is not finite: the weights or the guidance are out of range", i+1, steps, grid[i])
		}
		if progress != nil {
			progress(i+1, steps)
		}
	}
	return nil
}

func checkGrid(grid []float64) error {
	if len(grid) < 2 {
		return fmt.Errorf("sampler: a schedule needs at least 2 times, not %d", len(grid))
	}
	if !(grid[0] >= 0) || !(grid[len(grid)-1] <= 1) {
		return fmt.Errorf("sampler: a schedule runs within [0, 1], not from %v to %v", grid[0], grid[len(grid)-1])
	}
	for i := range len(grid) - 1 {
		if !(grid[i] < grid[i+1]) {
			return fmt.Errorf("sampler: the schedule does not rise at step %d (%v, %v)", i+1, grid[i], grid[i+1])
		}
	}
	return nil
}

// finite reports whether no element is infinite or NaN: either makes the sum of
// x·0 differ from 0.
func finite(x []float32) bool {
	var s float32
	for _, v := range x {
		s += v * 0
	}
	return s == 0
}
