package lm

import (
	"fmt"
	"math"
)

// RoPE says how positions turn queries and keys (Su et al. 2021).
type RoPE struct {
	Theta float64
	// Scaling is how the frequencies are made slower for longer contexts: "" for
	// not at all, "linear" (Chen et al. 2023), "llama3" (Llama 3.1) or "yarn" (Peng
	// et al. 2023).
	Scaling string
	Factor  float64
	// Original is the context before scaling, for llama3 and yarn.
	Original int
	// Low and High are low_freq_factor and high_freq_factor of llama3.
	Low, High float64
	// Fast and Slow are beta_fast and beta_slow of yarn, Attention is the factor of
	// cosines and sines, and Exact says that the range between them is not rounded
	// to whole dimensions.
	Fast, Slow, Attention float64
	Exact                 bool
	// Interleaved says that the channels 2i and 2i+1 are turned together, and not i
	// and i+D/2.
	Interleaved bool
}

// hfRoPE is rope_parameters of transformers 5, or rope_scaling of earlier versions.
type hfRoPE struct {
	Theta     *float64 `json:"rope_theta"`
	Kind      string   `json:"rope_type"`
	Old       string   `json:"type"`
	Factor    *float64 `json:"factor"`
	Original  *int     `json:"original_max_position_embeddings"`
	Low       *float64 `json:"low_freq_factor"`
	High      *float64 `json:"high_freq_factor"`
	Fast      *float64 `json:"beta_fast"`
	Slow      *float64 `json:"beta_slow"`
	Attention *float64 `json:"attention_factor"`
	Mscale    *float64 `json:"mscale"`
	MscaleAll *float64 `json:"mscale_all_dim"`
	Truncate  *bool    `json:"truncate"`
	Partial   *float64 `json:"partial_rotary_factor"`
}

// What a configuration stands for where it says nothing.
const (
	defaultTheta = 10000
	defaultFast  = 32
	defaultSlow  = 1
)

func or[T any](said *T, otherwise T) T {
	if said != nil {
		return *said
	}
	return otherwise
}

// rope reads the positions of a config.json.
func (h *hfConfig) rope(context int) (RoPE, error) {
	p := h.RoPE
	if p == nil {
		p = h.Scaling
	}
	if p == nil {
		p = &hfRoPE{}
	}
	r := RoPE{Theta: or(p.Theta, or(h.Theta, defaultTheta))}
	if p.Partial != nil && *p.Partial != 1 {
		return r, fmt.Errorf("partial_rotary_factor is %g, must be 1", *p.Partial)
	}
	kind := p.Kind
	if kind == "" {
		kind = p.Old
	}
	if kind == "" || kind == "default" {
		return r, nil
	}
	r.Scaling = kind
	if p.Factor == nil {
		return r, fmt.Errorf("the positions of type %.40q have no factor", kind)
	}
	r.Factor, r.Original = *p.Factor, or(p.Original, context)
	switch kind {
	case "linear":
	case "llama3":
		if p.Low == nil || p.High == nil {
			return r, fmt.Errorf("the positions of type llama3 need low_freq_factor and high_freq_factor")
		}
		r.Low, r.High = *p.Low, *p.High
	case "yarn":
		r.Fast, r.Slow, r.Exact = or(p.Fast, defaultFast), or(p.Slow, defaultSlow), p.Truncate != nil && !*p.Truncate
		switch {
		case p.Attention != nil:
			r.Attention = *p.Attention
		case p.Mscale != nil && p.MscaleAll != nil && *p.Mscale != 0 && *p.MscaleAll != 0:
			r.Attention = yarnScale(r.Factor, *p.Mscale) / yarnScale(r.Factor, *p.MscaleAll)
		default:
			r.Attention = yarnScale(r.Factor, 1)
		}
	default:
		return r, fmt.Errorf("positions of type %.40q are not supported; default, linear, llama3 and yarn are", kind)
	}
	return r, nil
}

// yarnScale is what yarn multiplies cosines and sines by.
func yarnScale(factor, m float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*m*math.Log(factor) + 1
}

// rope reads the positions in the metadata of a GGUF file. Those of llama3 are not
// there but in a tensor, see divisors.
func (r *ggufReader) rope(context int) RoPE {
	out := RoPE{Theta: r.number("rope.freq_base", defaultTheta)}
	kind := ""
	if key := r.prefix + "rope.scaling.type"; r.err == nil && r.m.Has(key) {
		kind, r.err = r.m.Text(key)
	}
	factor := r.number("rope.scaling.factor", r.number("rope.scale_linear", 0))
	switch kind {
	case "none":
		return out
	case "", "linear":
		if factor != 0 && factor != 1 {
			out.Scaling, out.Factor = "linear", factor
		}
	case "yarn":
		out.Scaling, out.Factor = "yarn", factor
		out.Original = r.whole("rope.scaling.original_context_length", context)
		out.Fast, out.Slow = r.number("rope.scaling.yarn_beta_fast", defaultFast), r.number("rope.scaling.yarn_beta_slow", defaultSlow)
		out.Attention = yarnScale(factor, 1) * r.number("rope.scaling.attn_factor", 1)
	default:
		if r.err == nil {
			r.err = fmt.Errorf("entry %q is %.40q; none, linear and yarn are supported", r.prefix+"rope.scaling.type", kind)
		}
	}
	return out
}

func (r RoPE) check() error {
	type bound struct {
		name      string
		v, lo, hi float64
	}
	bounds := []bound{{"the base of the rotary positions", r.Theta, 1, 1e12}}
	if r.Scaling != "" {
		bounds = append(bounds, bound{"the factor of the rotary positions", r.Factor, 1e-3, 1e6})
	}
	switch r.Scaling {
	case "llama3":
		bounds = append(bounds, bound{"low_freq_factor", r.Low, 1e-6, 1e6}, bound{"high_freq_factor", r.High, r.Low, 1e6})
		if r.High == r.Low {
			return fmt.Errorf("low_freq_factor and high_freq_factor are both %g", r.Low)
		}
	case "yarn":
		bounds = append(bounds, bound{"beta_slow", r.Slow, 1e-6, 1e6}, bound{"beta_fast", r.Fast, r.Slow, 1e6}, bound{"the attention factor", r.Attention, 1e-3, 1e3})
	}
	if r.Scaling == "llama3" || r.Scaling == "yarn" {
		bounds = append(bounds, bound{"the context before scaling", float64(r.Original), 1, maxContext})
	}
	for _, b := range bounds {
		if !(b.v >= b.lo && b.v <= b.hi) {
			return fmt.Errorf("%s is %g, must be %g to %g", b.name, b.v, b.lo, b.hi)
		}
	}
	return nil
}

// frequencies are the angles by which a position more turns the pairs of a head,
// [dim/2], rounded to f32 as transformers has them.
func (r RoPE) frequencies(dim int) []float32 {
	out := make([]float32, dim/2)
	low, high := r.span(dim)
	for i := range out {
		f := float64(float32(1 / math.Pow(r.Theta, float64(2*i)/float64(dim))))
		switch r.Scaling {
		case "linear":
			f /= r.Factor
		case "llama3":
			f = r.llama3(f)
		case "yarn":
			// Of the pairs from low to high, more and more are slowed down.
			slowed := min(max((float64(i)-low)/(high-low), 0), 1)
			f = f/r.Factor*slowed + f*(1-slowed)
		}
		out[i] = float32(f)
	}
	return out
}

// llama3 slows down a frequency whose waves are long, and one between long and
// short in part.
func (r RoPE) llama3(f float64) float64 {
	wave := 2 * math.Pi / f
	switch original := float64(r.Original); {
	case wave < original/r.High:
		return f
	case wave > original/r.Low:
		return f / r.Factor
	default:
		smooth := (original/wave - r.Low) / (r.High - r.Low)
		return (1-smooth)*f/r.Factor + smooth*f
	}
}

// span is the range of pairs over which yarn goes from fast to slow.
func (r RoPE) span(dim int) (low, high float64) {
	if r.Scaling != "yarn" {
		return 0, 1
	}
	at := func(turns float64) float64 {
		return float64(dim) * math.Log(float64(r.Original)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low, high = at(r.Fast), at(r.Slow)
	if !r.Exact {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(dim-1))
	if low == high {
		high += 0.001
	}
	return low, high
}

// angles writes the cosines and sines of a position.
func (d *decoder) angles(cos, sin []float32, position int) {
	for i, f := range d.frequencies {
		s, c := math.Sincos(float64(float32(position) * f))
		cos[i], sin[i] = float32(c)*d.attention, float32(s)*d.attention
	}
}
