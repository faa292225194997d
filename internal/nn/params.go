// Package nn has what models are built from: named parameters, small layers
// over tensor.Ops, and the optimizer that trains them. Layers hold no
// activations and never touch a file.
package nn

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Params is the ordered set of a model's parameters. Names are paths such as
// "blocks.3.attn.q.weight". The initial values of a parameter depend on the
// seed and its name alone.
type Params struct {
	names  []string
	byName map[string]*tensor.Tensor
	seed   uint64
	// weights, if not nil, has the parameters of a model opened for inference.
	// err is the first reason why they do not fit the model.
	weights Weights
	err     error
}

// Weights store the parameters of a model: a file, shards of a file, or bytes
// inside the program.
type Weights interface {
	// Stored describes a tensor and returns its shape. If there is none of that
	// name, the error wraps tensor.ErrNotStored.
	Stored(name string) (tensor.Stored, []int, error)
}

// NewParams returns an empty set.
func NewParams(seed uint64) *Params {
	return &Params{byName: map[string]*tensor.Tensor{}, seed: seed}
}

// InPlace returns an empty set whose New takes the parameters from w: each
// stays where and as it is stored, so it takes no memory and gets no initial
// values. Err returns the error of the first parameter that is missing or of
// another shape; such a set must not be used.
func InPlace(w Weights) *Params {
	p := NewParams(0)
	p.weights = w
	return p
}

// Err returns why the weights do not fit the model, or nil.
func (p *Params) Err() error { return p.err }

// Names returns the names in order of creation.
func (p *Params) Names() []string { return p.names }

// Get returns the parameter of that name, or nil.
func (p *Params) Get(name string) *tensor.Tensor { return p.byName[name] }

// Len is the total number of scalars.
func (p *Params) Len() int {
	n := 0
	for _, t := range p.byName {
		n += t.Len()
	}
	return n
}

// New adds a parameter whose initial values are normally distributed with the
// given standard deviation (0 gives zeros). A name used twice panics.
func (p *Params) New(name string, std float64, shape ...int) *tensor.Tensor {
	return p.NewWith(name, std, nil, shape...)
}

// NewWith is New; adjust, if not nil, may then change the initial values.
func (p *Params) NewWith(name string, std float64, adjust func(x []float32), shape ...int) *tensor.Tensor {
	if p.byName[name] != nil {
		panic("nn: two parameters are named " + name)
	}
	t := p.stored(name, shape)
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

// stored returns a parameter in the weights. If they have none that fits, it
// sets err and returns an empty one. It returns nil in a set without weights.
func (p *Params) stored(name string, shape []int) *tensor.Tensor {
	if p.weights == nil {
		return nil
	}
	s, have, err := p.weights.Stored(name)
	switch {
	case errors.Is(err, tensor.ErrNotStored):
		err = fmt.Errorf("the file lacks the parameter %q of its configuration: it is damaged or of another version (%w)", name, err)
	case err == nil && !slices.Equal(have, shape):
		err = fmt.Errorf("parameter %q has shape %v in the weights, their configuration needs %v: the file is damaged or of another version", name, have, shape)
	}
	if err != nil {
		p.err = cmp.Or(p.err, err)
		return tensor.Param(0)
	}
	return tensor.InPlace(s, shape...)
}

// Check returns an error that names a parameter in store with a value that is
// not finite. It reads each parameter once.
func (p *Params) Check() (err error) {
	defer tensor.CatchFault(&err)
	for _, name := range p.names {
		if t := p.byName[name]; t.Place() == tensor.InStore && !t.Stored().Finite() {
			return fmt.Errorf("parameter %q holds a value that is not finite", name)
		}
	}
	return nil
}

// Prefetch asks for stored parameters to be read from the disk in the
// background: those whose names begin with prefix, such as those of a block.
func (p *Params) Prefetch(prefix string) {
	p.each(prefix, func(t *tensor.Tensor) {
		if s := t.Stored(); s.Source != nil {
			s.Source.Prefetch(s.Bytes)
		}
	})
}

// Ready converts the frozen parameters whose names begin with prefix into the
// form that b computes with. Without it, each is converted at its first use.
func (p *Params) Ready(b tensor.Backend, prefix string) (err error) {
	defer tensor.CatchFault(&err)
	p.each(prefix, func(t *tensor.Tensor) { b.Ready(t) })
	return nil
}

// LetGo drops the forms of the parameters whose names begin with prefix, and
// the memory of their mapped bytes, so that a model larger than memory can run
// block by block. The forms are made again at their next use. No pass that uses
// the parameters may be running.
func (p *Params) LetGo(prefix string) {
	p.each(prefix, func(t *tensor.Tensor) {
		t.Drop()
		if s := t.Stored(); s.Source != nil {
			s.Source.Release(s.Bytes)
		}
	})
}

// ReleaseFormed drops the memory of the mapped bytes of parameters that a backend
// keeps a form of, whose names begin with prefix: products read the form.
func (p *Params) ReleaseFormed(prefix string) {
	p.each(prefix, func(t *tensor.Tensor) {
		if s := t.Stored(); s.Source != nil && t.Formed() {
			s.Source.Release(s.Bytes)
		}
	})
}

func (p *Params) each(prefix string, f func(t *tensor.Tensor)) {
	for _, name := range p.names {
		if strings.HasPrefix(name, prefix) {
			f(p.byName[name])
		}
	}
}

// Thaw copies stored parameters to the host, so that they can be trained.
func (p *Params) Thaw() (err error) {
	defer tensor.CatchFault(&err)
	p.each("", (*tensor.Tensor).Thaw)
	return nil
}

// Ones adds a parameter whose initial values are ones.
func (p *Params) Ones(name string, shape ...int) *tensor.Tensor {
	return p.NewWith(name, 0, func(x []float32) {
		for i := range x {
			x[i] = 1
		}
	}, shape...)
}

// Copy sets the values from another set with the same names and shapes. If any
// does not fit or is not finite, nothing is changed.
func (p *Params) Copy(from *Params) error {
	for _, name := range p.names {
		t := from.Get(name)
		if t == nil {
			return fmt.Errorf("there is no parameter %q", name)
		}
		values := t.Values
		if t.Place() == tensor.Host {
			values = t.Data
		}
		if err := fits(name, p.byName[name].Shape, t.Shape, values()); err != nil {
			return err
		}
	}
	p.Adopt(from)
	return nil
}

// Adopt sets the values of the parameters that another set has under the same
// name and in the same shape, and returns the names of the rest.
func (p *Params) Adopt(from *Params) (left []string) {
	for _, name := range p.names {
		t := from.Get(name)
		if t == nil || !slices.Equal(t.Shape, p.byName[name].Shape) {
			left = append(left, name)
			continue
		}
		t.CopyTo(p.byName[name].Data())
		p.byName[name].Drop()
	}
	return left
}

// Subset is the set of the parameters whose names begin with prefix. It shares
// their tensors, and can be trained apart from them or together with new ones.
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

// fits returns why a parameter cannot have these values, or nil.
func fits(name string, want, shape []int, values []float32) error {
	if !slices.Equal(shape, want) {
		return fmt.Errorf("parameter %q has shape %v in the weights, the model needs %v", name, shape, want)
	}
	for _, x := range values {
		if x-x != 0 {
			return fmt.Errorf("parameter %q holds a value that is not finite", name)
		}
	}
	return nil
}

// Freeze makes every parameter a constant, so that backends may keep forms of
// it.
func (p *Params) Freeze() { p.each("", (*tensor.Tensor).Fix) }

// Fine makes products with the parameters lose little where these are stored in few
// bits, see tensor.Tensor.Fine: for models that carry on the error of activations in
// int8. They take less than twice as long.
func (p *Params) Fine() { p.each("", func(t *tensor.Tensor) { t.Fine() }) }

// Linear is y = x·wᵀ + b with w [out, in].
type Linear struct{ W, B *tensor.Tensor }

// NewLinear adds name.weight and name.bias, scaled by gain/√in.
func NewLinear(p *Params, name string, in, out int, gain float64) Linear {
	return Linear{p.New(name+".weight", gain/math.Sqrt(float64(in)), out, in).For(tensor.AsMatrix), p.New(name+".bias", 0, out)}
}

// Apply runs the layer on x [..., in].
func (l Linear) Apply(o tensor.Ops, x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.Linear(x, l.W, l.B, act)
}

// Conv is a convolution of video with w [out, kt, kh, kw, in].
type Conv struct{ W, B *tensor.Tensor }

// NewConv adds name.weight and name.bias, scaled by gain/√fan-in.
func NewConv(p *Params, name string, in, out, kt, kh, kw int, gain float64) Conv {
	return Conv{p.New(name+".weight", gain/math.Sqrt(float64(in*kt*kh*kw)), out, kt, kh, kw, in).For(tensor.AsMatrix), p.New(name+".bias", 0, out)}
}

// Apply runs the layer on x [N, T, H, W, in] after the frames in past.
func (l Conv) Apply(o tensor.Ops, x, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.Conv(x, l.W, l.B, past, act)
}
