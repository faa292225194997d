package sampler

import (
	"context"
	"fmt"
	"math"
)

// run is the state of one sample.
type run struct {
	ctx context.Context
	f   Denoise
	z   []float32

	// Multistep: the x̂ of the previous step and its time.
	prev  []float32
	prevT float64
	// Heun: the sample and the velocity at the start of the step.
	z0, v0 []float32
}

// call calls the model and checks the length of its prediction.
func (r *run) call(t float64) ([]float32, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	x, err := r.f(r.ctx, r.z, t)
	if err != nil {
		return nil, err
	}
	if len(x) != len(r.z) {
		return nil, fmt.Errorf("sampler: the model predicted %d values from %d at t = %.4f", len(x), len(r.z), t)
	}
	return x, r.ctx.Err()
}

// euler: z ← ρ·z + (1-ρ)·x̂ with ρ = (1-t')/(1-t). This is z + (t'-t)·v,
// written so that it is exactly x̂ at t' = 1.
func (r *run) euler(t, u float64) error {
	x, err := r.call(t)
	if err != nil {
		return err
	}
	blend(r.z, x, (1-u)/(1-t))
	return nil
}

func blend(z, x []float32, rho float64) {
	a := float32(rho)
	for i, xi := range x {
		z[i] = a*z[i] + (1-a)*xi
	}
}

// multistep integrates the linear part exactly. With σ = 1-t,
//
//	d(z/σ)/dt = x̂/σ²
//
// and x̂(τ) = x̂_t + d·(τ-t), where d is its slope over the previous step,
//
//	z_u = ρ·z_t + (1-ρ)·x̂_t + d·(σ_t - σ_u - σ_u·ln(σ_t/σ_u)),  ρ = σ_u/σ_t
//
// This is the exponential Adams-Bashforth method of Zhang and Chen, "Fast
// Sampling of Diffusion Models with Exponential Integrator" (DEIS), 2023, of
// order 2, and the data-prediction multistep form of DPM-Solver++(2M) (Lu et
// al., 2022) with the extrapolation in t where theirs is in log t/(1-t): that
// one is infinite at the first time and must skip a step there.
//
// The first step has no slope. The last step, to t = 1, does not use one: it is
// the widest in noise level, and extrapolating over it costs more accuracy than
// it gains. One step of first order keeps the whole at order 2. On a grid that
// ends at t = 1 the error falls as h²·log(1/h), as that of DPM-Solver++(2M)
// does.
func (r *run) multistep(t, u float64) error {
	x, err := r.call(t)
	if err != nil {
		return err
	}
	s0, s1 := 1-t, 1-u
	blend(r.z, x, s1/s0)
	if r.prev == nil {
		r.prev = make([]float32, len(r.z))
	} else if u < 1 {
		w := s0 - s1 - s1*math.Log(s0/s1)
		c := float32(w / (t - r.prevT))
		for i, p := range r.prev {
			r.z[i] += c * (x[i] - p)
		}
	}
	copy(r.prev, x)
	r.prevT = t
	return nil
}

// heun takes an Euler step, then repeats it with the mean of the velocities at
// both ends.
func (r *run) heun(t, u float64) error {
	x, err := r.call(t)
	if err != nil {
		return err
	}
	if r.z0 == nil {
		r.z0, r.v0 = make([]float32, len(r.z)), make([]float32, len(r.z))
	}
	copy(r.z0, r.z)
	h, inv := float32(u-t), float32(1/(1-t))
	for i, xi := range x {
		v := (xi - r.z0[i]) * inv
		r.v0[i] = v
		r.z[i] += h * v
	}
	if x, err = r.call(u); err != nil {
		return err
	}
	h, inv = h/2, float32(1/(1-u))
	for i, xi := range x {
		v := (xi - r.z[i]) * inv
		r.z[i] = r.z0[i] + h*(r.v0[i]+v)
	}
	return nil
}
