// Package nn is what models are built of: named parameters, small layers over
// tensor.Ops, and the optimizer that trains them. Layers hold no activations
// and never touch a file.
package nn

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Params is the ordered set of a model's parameters. Names are paths such as
// "blocks.3.attn.q.weight"; the same seed and name give the same start,
// whatever else the model has.
type Params struct {
	names  []string
	byName map[string]*tensor.Tensor
	seed   uint64
	expect func(name string, shape []int) error
	err    error
}

// NewParams returns an empty set.
func NewParams(seed uint64) *Params {
	return &Params{byName: map[string]*tensor.Tensor{}, seed: seed}
}

// Expect makes the set one that Load will fill: New asks check before it takes
// memory, and leaves start values out. A parameter that check refuses gets no
// memory; Err has the first refusal, and such a set must not be used.
func (p *Params) Expect(check func(name string, shape []int) error) { p.expect = check }

// Err is why a parameter was not the one that Expect had told of, or nil.
func (p *Params) Err() error { return p.err }

// Names are the names in order of creation.
func (p *Params) Names() []string { return p.names }

// Get is the parameter of that name, or nil.
func (p *Params) Get(name string) *tensor.Tensor { return p.byName[name] }

// Len is the number of scalars.
func (p *Params) Len() int {
	n := 0
	for _, t := range p.byName {
		n += t.Len()
	}
	return n
}

// New adds a parameter with normally distributed start values of the given
// standard deviation (0 gives zeros). A name used twice panics.
func (p *Params) New(name string, std float64, shape ...int) *tensor.Tensor {
	return p.NewWith(name, std, nil, shape...)
}

// NewWith is New with start values that adjust, where it is not nil, may change.
func (p *Params) NewWith(name string, std float64, adjust func(x []float32), shape ...int) *tensor.Tensor {
	if p.byName[name] != nil {
		panic("nn: two parameters are named " + name)
	}
	t := p.expected(name, shape)
	if t == nil {
		t = tensor.Param(shape...)
		h := fnv.New64a()
		h.Write([]byte(name))
		rng := rand.New(rand.NewPCG(p.seed, h.Sum64()))
		if std > 0 {
			for i := range t.Data() {
				t.Data()[i] = float32(rng.NormFloat64() * std)
			}
		}
		if adjust != nil {
			adjust(t.Data())
		}
	}
	p.names = append(p.names, name)
	p.byName[name] = t
	return t
}

// expected is a parameter for Load to fill, or nil in a set without Expect.
func (p *Params) expected(name string, shape []int) *tensor.Tensor {
	if p.expect == nil {
		return nil
	}
	if err := p.expect(name, shape); err != nil {
		if p.err == nil {
			p.err = err
		}
		return tensor.Param(0)
	}
	return tensor.Param(shape...)
}

// Ones adds a parameter that starts as ones.
func (p *Params) Ones(name string, shape ...int) *tensor.Tensor {
	return p.NewWith(name, 0, func(x []float32) {
		for i := range x {
			x[i] = 1
		}
	}, shape...)
}

// Copy sets the values from another set with the same names and shapes.
func (p *Params) Copy(from *Params) error {
	return p.Load(func(name string) ([]float32, []int, error) {
		t := from.Get(name)
		if t == nil {
			return nil, nil, fmt.Errorf("there is no parameter %q", name)
		}
		return t.Data(), t.Shape, nil
	})
}

// Adopt sets the values of those parameters that another set has under the
// same name and in the same shape, and returns the names of the others.
func (p *Params) Adopt(from *Params) (left []string) {
	for _, name := range p.names {
		t := from.Get(name)
		if t == nil || !slices.Equal(t.Shape, p.byName[name].Shape) {
			left = append(left, name)
			continue
		}
		copy(p.byName[name].Data(), t.Data())
	}
	return left
}

// Subset is the set of the parameters whose names begin with prefix: the same
// tensors, to be trained apart or beside new ones.
func (p *Params) Subset(prefix string) *Params {
	out := NewParams(p.seed)
	for _, name := range p.names {
		if strings.HasPrefix(name, prefix) {
			out.names = append(out.names, name)
			out.byName[name] = p.byName[name]
		}
	}
	return out
}

// Load sets every parameter from read, which gives values and shape by name.
// Nothing is changed unless all of them fit.
func (p *Params) Load(read func(name string) ([]float32, []int, error)) error {
	values := make([][]float32, len(p.names))
	for i, name := range p.names {
		v, shape, err := read(name)
		if err != nil {
			return err
		}
		t := p.byName[name]
		if fmt.Sprint(shape) != fmt.Sprint(t.Shape) {
			return fmt.Errorf("parameter %q has shape %v in the weights, the model wants %v", name, shape, t.Shape)
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("parameter %q holds a value that is not finite", name)
			}
		}
		values[i] = v
	}
	for i, name := range p.names {
		copy(p.byName[name].Data(), values[i])
	}
	return nil
}

// Freeze makes every parameter a constant.
func (p *Params) Freeze() {
	for _, t := range p.byName {
		t.SetNeeds(false)
	}
}

// Linear is y = x·wᵀ + b with w [out, in].
type Linear struct{ W, B *tensor.Tensor }

// NewLinear adds name.weight and name.bias, scaled by gain/√in.
func NewLinear(p *Params, name string, in, out int, gain float64) Linear {
	return Linear{p.New(name+".weight", gain/math.Sqrt(float64(in)), out, in), p.New(name+".bias", 0, out)}
}

// Apply runs the layer on x [..., in].
func (l Linear) Apply(o tensor.Ops, x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.Linear(x, l.W, l.B, act)
}

// Conv is a convolution of video with w [out, kt, kh, kw, in].
type Conv struct{ W, B *tensor.Tensor }

// NewConv adds name.weight and name.bias, scaled by gain/√fan-in.
func NewConv(p *Params, name string, in, out, kt, kh, kw int, gain float64) Conv {
	return Conv{p.New(name+".weight", gain/math.Sqrt(float64(in*kt*kh*kw)), out, kt, kh, kw, in), p.New(name+".bias", 0, out)}
}

// Apply runs the layer on x [N, T, H, W, in] after the frames in past.
func (l Conv) Apply(o tensor.Ops, x, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.Conv(x, l.W, l.B, past, act)
}
