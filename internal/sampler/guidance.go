package sampler

// Guidance is classifier-free guidance (Ho and Salimans, 2022) on the predicted
// sample, x̂ = x̂_u + Scale·(x̂_c - x̂_u), which for this flow is the same as
// guidance on the velocity. Between From and To only, outside of which the
// conditional prediction stands alone: guidance at the highest noise costs
// variety and at the lowest does nothing (Kynkäänniemi et al., "Applying
// Guidance in a Limited Interval", 2024).
type Guidance struct {
	Scale    float32 // 1 is no guidance; 0 is no condition
	From, To float64 // times in [0, 1]; To 0 means 1, so the zero interval is the whole way
}

// Active says whether the step at time t needs the unconditional prediction: a
// model that runs both in one batch asks before it calls.
func (g Guidance) Active(t float64) bool {
	to := g.To
	if to == 0 {
		to = 1
	}
	return g.Scale != 1 && t >= g.From && t <= to
}

// Combine sets dst to the guided prediction. All have one length; dst may be
// either of the others.
func (g Guidance) Combine(dst, cond, uncond []float32) {
	cond, uncond = cond[:len(dst)], uncond[:len(dst)]
	for i, u := range uncond {
		dst[i] = u + g.Scale*(cond[i]-u)
	}
}
