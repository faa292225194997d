package sampler

import "math"

// flowRun is the state of one sample on a Flow.
type flowRun struct {
	Flow
	z     []float32
	noise func(dst []float32)
	// fresh has the new noise of Renoise.
	fresh []float32

	// UniPC: the clean sample as predicted now, at the last step and at the one
	// before it; the sample at the last step after its correction; and the order of
	// the last step.
	now, m0, m1, from []float32
	order             int
}

// step moves z from noise level i to the next by the velocity v there.
func (r *flowRun) step(i int, v []float32) {
	sigma, next := r.Sigmas[i], r.Sigmas[i+1]
	switch r.Method {
	case UniPC:
		r.unipc(i, v)
	case FlowEuler:
		d := float32(next) - float32(sigma)
		for k, vk := range v {
			r.z[k] += d * vk
		}
	case Renoise:
		if next > 0 {
			if r.fresh == nil {
				r.fresh = make([]float32, len(r.z))
			}
			r.noise(r.fresh)
		}
		for k, vk := range v {
			x := float32(float64(r.z[k]) - sigma*float64(vk))
			if next > 0 {
				x = float32(1-next)*x + float32(next)*r.fresh[k]
			}
			r.z[k] = x
		}
	}
}

// unipc corrects z, to which the last step led, by what the model says there, and
// leads on from the corrected sample.
//
// Both are, with α = 1-σ, λ = ln(α/σ) and h = λ' - λ > 0 from one level to the
// next,
//
//	z' = σ'/σ·z + α'·(1-e^-h)·(m0 + ρ1·(m1-m0)/r + ρ2·(m'-m0))
//
// where m0, m1 and m' are the clean samples as predicted at the last level, at
// the one before and at the next, and r = (λ1-λ0)/h. The predictor has ρ2 = 0, as
// it does not know m', and ρ1 = ½. The corrector's ρ solve equation 5 of the
// paper.
func (r *flowRun) unipc(i int, v []float32) {
	if r.now == nil {
		n := len(r.z)
		r.now, r.m0, r.m1, r.from = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	}
	sigma := float32(r.Sigmas[i])
	for k, vk := range v {
		r.now[k] = r.z[k] - sigma*vk
	}
	if i > 0 {
		r.correct(i)
	}
	r.m1, r.m0, r.now = r.m0, r.now, r.m1
	copy(r.from, r.z)
	// The first step has no past, and the last one is of order 1 too.
	r.order = min(2, len(r.Timesteps)-i, i+1)
	r.predict(i)
}

// lambda is half of the logarithm of the signal-to-noise ratio at level i.
func (r *flowRun) lambda(i int) float64 { return math.Log(1-r.Sigmas[i]) - math.Log(r.Sigmas[i]) }

// predict sets z at level i+1 from the corrected sample at level i.
func (r *flowRun) predict(i int) {
	if r.Sigmas[i+1] == 0 {
		copy(r.z, r.m0)
		return
	}
	h := r.lambda(i+1) - r.lambda(i)
	a, b := r.linear(i, h)
	var c float32
	if r.order == 2 {
		c = float32(float64(b) * 0.5 * h / (r.lambda(i-1) - r.lambda(i)))
	}
	for k, m0 := range r.m0 {
		r.z[k] = a*r.from[k] + b*m0 + c*(r.m1[k]-m0)
	}
}

// correct sets z at level i again, from the corrected sample at level i-1 and
// what the model predicts at level i.
func (r *flowRun) correct(i int) {
	h := r.lambda(i) - r.lambda(i-1)
	a, b := r.linear(i-1, h)
	var c1 float64
	c2 := 0.5
	if r.order == 2 {
		// With φ1 = (e^-h - 1)/-h and what follows from it, ρ1 + ρ2 = b1 and r·ρ1 + ρ2 =
		// b2.
		ratio := (r.lambda(i-2) - r.lambda(i-1)) / h
		e := math.Expm1(-h)
		phi := e/-h - 1
		b1 := phi / e
		b2 := 2 * (phi/-h - 0.5) / e
		rho := (b1 - b2) / (1 - ratio)
		c1, c2 = rho/ratio, b1-rho
	}
	d1, d2 := float32(float64(b)*c1), float32(float64(b)*c2)
	for k, m0 := range r.m0 {
		r.z[k] = a*r.from[k] + b*m0 + d1*(r.m1[k]-m0) + d2*(r.now[k]-m0)
	}
}

// linear returns the factors of the sample and of the prediction in a step from
// level i over h.
func (r *flowRun) linear(i int, h float64) (sample, prediction float32) {
	return float32(r.Sigmas[i+1] / r.Sigmas[i]), float32((1 - r.Sigmas[i+1]) * -math.Expm1(-h))
}
