package sampler

// Guidance is classifier-free guidance (Ho and Salimans, 2022) on the predicted
// sample, x̂ = x̂_u + Scale·(x̂_c - x̂_u), which for this flow is the same as
// guidance on the velocity.
type Guidance struct {
	Scale float32 // 1 is no guidance; 0 ignores the prompt
}

// Combine sets dst to the guided prediction. All slices have one length; dst
// may be one of the others.
func (g Guidance) Combine(dst, cond, uncond []float32) {
	cond, uncond = cond[:len(dst)], uncond[:len(dst)]
	for i, u := range uncond {
		dst[i] = u + g.Scale*(cond[i]-u)
	}
}
