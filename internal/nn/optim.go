package nn

import (
	"fmt"
	"math"
	"strings"

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
	// Muon trains weight matrices with Muon instead of Adam.
	Muon bool

	b      tensor.Trainer
	params *Params
	m, v   map[string]*tensor.Tensor
	ema    *Params
}

// NewAdamW returns an optimizer for p, on b, with the usual constants.
func NewAdamW(p *Params, b tensor.Trainer) *AdamW {
	o := &AdamW{
		LR: 1e-3, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Decay: 0.01, Clip: 1, EMADecay: 0.999, b: b, params: p,
		m: map[string]*tensor.Tensor{}, v: map[string]*tensor.Tensor{}, ema: NewParams(0),
	}
	for _, name := range p.names {
		t := p.byName[name]
		o.m[name], o.v[name] = b.Lasting(t.Shape...), b.Lasting(t.Shape...)
		o.ema.New(name, 0, t.Shape...).Set(t.Values())
	}
	return o
}

// Update takes one step along the accumulated gradients, times scale, and
// clears them. It returns the norm of the gradient before clipping. If the norm
// is not finite, Update only clears the gradients.
func (o *AdamW) Update(scale float64) (norm float64) {
	var grads []*tensor.Tensor
	for _, name := range o.params.names {
		if g := o.params.byName[name].Grad(); g != nil {
			grads = append(grads, g)
		}
	}
	defer func() {
		for _, g := range grads {
			o.b.Clear(g)
		}
	}()
	norm = math.Sqrt(o.b.SquareSum(grads...)) * scale
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm
	}
	if o.Clip > 0 && norm > o.Clip {
		scale *= o.Clip / norm
	}
	o.Step++
	// The average follows faster in the first steps.
	decay := min(o.EMADecay, float64(1+o.Step)/float64(10+o.Step))
	steps := make([]tensor.Step, 0, len(o.params.names))
	for _, name := range o.params.names {
		t := o.params.byName[name]
		steps = append(steps, tensor.Step{
			Param: t, Average: o.ema.byName[name], Grad: t.Grad(), M: o.m[name], V: o.v[name],
			Muon: o.Muon && isMatrix(name, t), LR: o.LR, Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps,
			Decay: o.decay(name), Scale: scale, Number: o.Step, AverageDecay: decay,
		})
	}
	o.b.Optimize(steps)
	return norm
}

// isMatrix reports whether Muon trains a parameter: it does for weights of
// hidden layers, not for tables, gains or biases.
func isMatrix(name string, t *tensor.Tensor) bool {
	return strings.HasSuffix(name, ".weight") && len(t.Shape) >= 2 && t.Dim(0) >= 16
}

func (o *AdamW) decay(name string) float64 {
	if strings.HasSuffix(name, ".weight") {
		return o.Decay
	}
	return 0
}

// EMA returns the moving average, with the names and shapes of the parameters.
func (o *AdamW) EMA() *Params { return o.ema }

// Backend returns the backend that the optimizer steps on. It can read and
// store the tensors that State visits.
func (o *AdamW) Backend() tensor.Trainer { return o.b }

// State visits the tensors that a checkpoint needs besides the parameters: both
// moments and the average. They are the optimizer's own, not copies.
func (o *AdamW) State(visit func(name string, t *tensor.Tensor) error) error {
	for _, name := range o.params.names {
		for _, s := range []struct {
			kind string
			t    *tensor.Tensor
		}{{"adam.m.", o.m[name]}, {"adam.v.", o.v[name]}, {"ema.", o.ema.byName[name]}} {
			if err := visit(s.kind+name, s.t); err != nil {
				return fmt.Errorf("optimizer state of %s: %w", name, err)
			}
		}
	}
	return nil
}
