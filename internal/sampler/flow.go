package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// TrainSteps is how many timesteps there are in the terms of diffusers: the
// timestep of a noise level σ is TrainSteps·σ.
const TrainSteps = 1000

// Method is how a Flow moves a sample from one noise level to the next.
type Method uint8

const (
	// UniPC is the multistep method of Zhao et al., "UniPC: A Unified
	// Predictor-Corrector Framework" (2023), of order 2, in the form B2(h) for
	// models that predict the clean sample. It makes one model call per step.
	UniPC Method = iota
	// FlowEuler is Euler's method on the velocity: z ← z + (σ'-σ)·v.
	FlowEuler
	// Renoise predicts the clean sample at each step and gives it new noise of the
	// next level: z ← (1-σ')·x̂ + σ'·noise. Models that were distilled to a few
	// steps by distribution matching are sampled so (Yin et al., "Improved
	// Distribution Matching Distillation", DMD2, 2024).
	Renoise
)

// Flow is a schedule for models that were trained in the terms of diffusers. It
// counts noise levels σ = 1-t, from 1 (noise) to 0 (clean), and tells the model
// timesteps, which are about TrainSteps·σ. The model predicts the velocity
//
//	v = noise - x = -dz/dt,  so that  x̂ = z - σ·v
//
// which has the other sign than the velocity in the house's terms.
type Flow struct {
	Method    Method
	Sigmas    []float64 // the steps+1 noise levels; they fall, and the last is 0
	Timesteps []float64 // what the model is told at each step
}

// Step is one step of a Flow.
type Step struct {
	Index    int
	Timestep float64 // of the model
	Sigma    float64 // the noise level, 1-t
}

// Velocity predicts v = noise - x from z at a step. It must not change z. The
// slice it returns has the length of z. Its next call may reuse the slice.
type Velocity func(ctx context.Context, z []float32, s Step) (v []float32, err error)

// NewUniPC returns the schedule of UniPC for a number of steps (at least 1) and a
// shift (more than 0): an even grid from σ = 1 to 1/TrainSteps, whose end is left
// out, shifted as Schedule does. The first noise level is 1e-6 below 1, where the
// logarithm of t is finite. Timesteps are whole numbers, rounded down.
//
// It is UniPCMultistepScheduler of diffusers with flow_prediction,
// use_flow_sigmas, flow_shift, solver_order 2 and solver_type bh2.
func NewUniPC(steps int, shift float64) Flow {
	const below1 = 1e-6
	f := Flow{Method: UniPC, Sigmas: make([]float64, steps+1), Timesteps: make([]float64, steps)}
	step := (1.0/TrainSteps - 1) / float64(steps)
	for i := range steps {
		// The order of operations, without fused ones, is that of NumPy: a whole
		// number less rounding is another timestep.
		s := shifted(float64(float64(i)*step)+1, shift)
		if math.Abs(s-1) < below1 {
			s -= below1
		}
		f.Timesteps[i] = math.Trunc(s * TrainSteps)
		f.Sigmas[i] = float64(float32(s))
	}
	return f
}

// NewFlowEuler returns the schedule of FlowEuler for a number of steps (at least
// 1) and a shift (more than 0): an even grid from σ = 1 to the shifted level of
// 1/TrainSteps, both included, shifted as Schedule does.
//
// It is FlowMatchEulerDiscreteScheduler of diffusers with shift.
func NewFlowEuler(steps int, shift float64) Flow {
	f := Flow{Method: FlowEuler, Sigmas: make([]float64, steps+1), Timesteps: make([]float64, steps)}
	least := shifted(1.0/TrainSteps, shift)
	for i := range steps {
		u := 1.0
		if steps > 1 {
			u += float64(i) / float64(steps-1) * (least - 1)
		}
		s := float32(shifted(u, shift))
		f.Sigmas[i], f.Timesteps[i] = float64(s), float64(s*TrainSteps)
	}
	return f
}

// RenoiseShift is the shift of the table in which FastVideo looks up the noise
// levels of its distilled models.
const RenoiseShift = 8

// NewRenoise returns the schedule of Renoise for falling timesteps in [1,
// TrainSteps], such as the 1000, 757, 522 of FastWan. Their noise levels are the
// nearest of TrainSteps levels that are shifted by RenoiseShift.
func NewRenoise(timesteps ...int) Flow {
	f := Flow{Method: Renoise, Sigmas: make([]float64, len(timesteps)+1), Timesteps: make([]float64, len(timesteps))}
	for i, t := range timesteps {
		f.Timesteps[i] = float64(t)
		best := math.Inf(1)
		for k := TrainSteps; k > 0; k-- {
			s := shifted(float64(k)/TrainSteps, RenoiseShift)
			if d := math.Abs(s*TrainSteps - float64(t)); d < best {
				best, f.Sigmas[i] = d, float64(float32(s))
			}
		}
	}
	return f
}

// shifted moves the noise level s towards the noise: shift·s/(1 + (shift-1)·s).
func shifted(s, shift float64) float64 {
	return shift * s / (1 + float64((shift-1)*s))
}

// Sample moves z, in place, from the first noise level to a clean sample. noise
// fills a slice with new Gaussian noise; only Renoise calls it, once between two
// steps. progress, if not nil, is called after every step with the number of
// steps done and in all.
//
// Sample returns the context's error at the end of the step in which it was
// cancelled. It returns an error of v unchanged, and an error of its own if v
// returns the wrong length or a value that is not finite. After an error, z must
// not be used.
func (f Flow) Sample(ctx context.Context, z []float32, v Velocity, noise func(dst []float32), progress func(done, total int)) error {
	if err := f.check(noise != nil); err != nil {
		return err
	}
	r := flowRun{Flow: f, z: z}
	if f.Method == Renoise {
		r.noise = noise
	}
	for i, timestep := range f.Timesteps {
		s := Step{Index: i, Timestep: timestep, Sigma: f.Sigmas[i]}
		if err := ctx.Err(); err != nil {
			return err
		}
		x, err := v(ctx, z, s)
		switch {
		case err != nil:
			return err
		case len(x) != len(z):
			return fmt.Errorf("sampler: the model predicted %d values from %d at timestep %v", len(x), len(z), timestep)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		r.step(i, x)
		if !finite(z) {
			return fmt.Errorf("sampler: step %d of %d (timestep %v) gave a value that is not finite: the weights or the guidance are out of range", i+1, len(f.Timesteps), timestep)
		}
		if progress != nil {
			progress(i+1, len(f.Timesteps))
		}
	}
	return nil
}

// check refuses a schedule that leads nowhere.
func (f Flow) check(noise bool) error {
	n := len(f.Timesteps)
	switch {
	case n == 0 || len(f.Sigmas) != n+1:
		return fmt.Errorf("sampler: a schedule of %d timesteps with %d noise levels", n, len(f.Sigmas))
	case !(f.Sigmas[0] <= 1) || f.Sigmas[n] != 0:
		return fmt.Errorf("sampler: noise levels fall from 1 or less to 0, not from %v to %v", f.Sigmas[0], f.Sigmas[n])
	case f.Method == UniPC && f.Sigmas[0] == 1:
		return errors.New("sampler: UniPC begins at a noise level below 1")
	case f.Method == Renoise && !noise:
		return errors.New("sampler: there is no noise for the steps between")
	case f.Method > Renoise:
		return fmt.Errorf("sampler: there is no method %d", f.Method)
	}
	for i := range n {
		if !(f.Sigmas[i] > f.Sigmas[i+1]) {
			return fmt.Errorf("sampler: the noise levels do not fall at step %d (%v, %v)", i+1, f.Sigmas[i], f.Sigmas[i+1])
		}
	}
	return nil
}
