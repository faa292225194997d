package nn

import (
	"fmt"
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

// AdamW is decoupled weight decay Adam (Loshchilov & Hutter 2019) with
// gradient clipping by the global norm and an exponential moving average of
// the parameters. Biases, gains and tables (names not ending in ".weight")
// are not decayed.
type AdamW struct {
	LR, Beta1, Beta2, Eps, Decay float64
	Clip                         float64 // largest global gradient norm; 0 for none
	EMADecay                     float64 // 0 for no average
	Step                         int
	// Muon steps weight matrices by Muon instead.
	Muon bool

	muons  sync.Pool // of *muon: scratch space
	params *Params
	m, v   map[string][]float32
	ema    *Params
}

// NewAdamW returns an optimizer for p with the usual constants.
func NewAdamW(p *Params) *AdamW {
	o := &AdamW{
		LR: 1e-3, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Decay: 0.01, Clip: 1, EMADecay: 0.999, params: p, muons: sync.Pool{New: func() any { return &muon{momentum: 0.95} }},
		m: map[string][]float32{}, v: map[string][]float32{}, ema: NewParams(0),
	}
	for _, name := range p.names {
		t := p.byName[name]
		o.m[name], o.v[name] = make([]float32, t.Len()), make([]float32, t.Len())
		copy(o.ema.New(name, 0, t.Shape...).Data(), t.Data())
	}
	return o
}

// Update takes one step along the accumulated gradients, times scale, and
// clears them. It returns the norm of the gradient before clipping; a norm
// that is not finite changes nothing but clears the gradients.
func (o *AdamW) Update(scale float64) (norm float64) {
	var sum float64
	for _, name := range o.params.names {
		if g := o.params.byName[name].Grad(); g != nil {
			sum += elem.SumSquares(g)
		}
	}
	norm = math.Sqrt(sum) * scale
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		o.clear()
		return norm
	}
	if o.Clip > 0 && norm > o.Clip {
		scale *= o.Clip / norm
	}
	o.Step++
	// A young average follows faster: it is of the steps there were.
	decay := min(o.EMADecay, float64(1+o.Step)/float64(10+o.Step))
	simd.Apart(len(o.params.names), func(i int) { o.step(o.params.names[i], scale, float32(decay)) })
	o.clear()
	return norm
}

// step moves one parameter along its gradient, times scale, and its average
// after it.
func (o *AdamW) step(name string, scale float64, emaDecay float32) {
	t, average := o.params.byName[name], o.ema.byName[name].Data()
	if !t.Needs() { // a measured constant, not a learned weight
		copy(average, t.Data())
		return
	}
	switch g := t.Grad(); {
	case g == nil:
	case o.Muon && isMatrix(name, t):
		u := o.muons.Get().(*muon)
		u.update(t, o.m[name], g, o.LR, o.decay(name), scale)
		o.muons.Put(u)
	default:
		elem.AdamW{
			LR: float32(o.LR), Beta1: float32(o.Beta1), Beta2: float32(o.Beta2), Eps: float32(o.Eps),
			WeightDecay: float32(o.decay(name)), Step: o.Step, GradScale: float32(scale),
		}.Update(t.Data(), o.m[name], o.v[name], g)
	}
	elem.EMA(average, t.Data(), emaDecay)
}

func (o *AdamW) decay(name string) float64 {
	if len(name) > 7 && name[len(name)-7:] == ".weight" {
		return o.Decay
	}
	return 0
}

func (o *AdamW) clear() {
	for _, t := range o.params.byName {
		clear(t.Grad())
	}
}

// EMA is the moving average, with the names and shapes of the parameters.
func (o *AdamW) EMA() *Params { return o.ema }

// State visits what a checkpoint needs beside the parameters: both moments
// and the average, as named tensors over the optimizer's own storage.
func (o *AdamW) State(visit func(name string, t *tensor.Tensor) error) error {
	for _, name := range o.params.names {
		shape := o.params.byName[name].Shape
		for _, s := range []struct {
			kind string
			data []float32
		}{{"adam.m.", o.m[name]}, {"adam.v.", o.v[name]}, {"ema.", o.ema.byName[name].Data()}} {
			if err := visit(s.kind+name, tensor.New(s.data, shape...)); err != nil {
				return fmt.Errorf("optimizer state of %s: %w", name, err)
			}
		}
	}
	return nil
}
