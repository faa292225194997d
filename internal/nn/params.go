// Package nn is what models are built of: named parameters, small layers over
// tensor.Ops, and the optimizer that trains them. Layers hold no activations
// and never touch a file.
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
// "blocks.3.attn.q.weight"; the same seed and name give the same start,
// whatever else the model has.
type Params struct {
	names  []string
	byName map[string]*tensor.Tensor
	seed   uint64
	// weights, if not nil, has the parameters of a model that is opened; err is
	// why one of them is not what the model wants.
	weights Weights
	err     error
}

// Weights are where the parameters of a model lie: a file, shards of one, bytes
// of the program.
type Weights interface {
	// Stored describes a tensor and gives its shape. The error wraps
	// tensor.ErrNotStored when there is none of that name.
	Stored(name string) (tensor.Stored, []int, error)
}

// NewParams returns an empty set.
func NewParams(seed uint64) *Params {
	return &Params{byName: map[string]*tensor.Tensor{}, seed: seed}
}

// InPlace returns an empty set whose parameters are those of w: New leaves each
// where and as it is stored, so it takes no memory, and has no start values.
// Err has the first parameter that is missing or of another shape; such a set
// must not be used.
func InPlace(w Weights) *Params {
	p := NewParams(0)
	p.weights = w
	return p
}

// Err is why a parameter was not in the weights as the model wants it, or nil.
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

// stored is a parameter of the weights, an empty one where they have none like
// it, or nil in a set without weights.
func (p *Params) stored(name string, shape []int) *tensor.Tensor {
	if p.weights == nil {
		return nil
	}
	s, have, err := p.weights.Stored(name)
	switch {
	case errors.Is(err, tensor.ErrNotStored):
		err = fmt.Errorf("the file lacks the parameter %q of its configuration: it is damaged or of another version (%w)", name, err)
	case err == nil && !slices.Equal(have, shape):
		err = fmt.Errorf("parameter %q has shape %v in the weights, their configuration wants %v: the file is damaged or of another version", name, have, shape)
	}
	if err != nil {
		p.err = cmp.Or(p.err, err)
		return tensor.Param(0)
	}
	return tensor.InPlace(s, shape...)
}

// Check says which parameter in store holds a value that is not finite. It
// reads each once.
func (p *Params) Check() (err error) {
	defer tensor.CatchFault(&err)
	for _, name := range p.names {
		if t := p.byName[name]; t.Place() == tensor.InStore && !t.Stored().Finite() {
			return fmt.Errorf("parameter %q holds a value that is not finite", name)
		}
	}
	return nil
}

// Prefetch asks for the stored parameters whose names begin with prefix, such
// as those of a block, to be read from the disk while something else goes on.
func (p *Params) Prefetch(prefix string) {
	p.each(prefix, func(t *tensor.Tensor) {
		if s := t.Stored(); s.Source != nil {
			s.Source.Prefetch(s.Bytes)
		}
	})
}

// Ready brings the frozen parameters whose names begin with prefix into the form
// that b computes with; without it, each is brought there at its first use.
func (p *Params) Ready(b tensor.Backend, prefix string) (err error) {
	defer tensor.CatchFault(&err)
	p.each(prefix, func(t *tensor.Tensor) { b.Ready(t) })
	return nil
}

// LetGo drops the forms of the parameters whose names begin with prefix, and the
// memory of their mapped bytes: a model larger than memory runs block by block.
// They come back when they are used. No pass may be using them.
func (p *Params) LetGo(prefix string) {
	p.each(prefix, func(t *tensor.Tensor) {
		t.Drop()
		if s := t.Stored(); s.Source != nil {
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

// Thaw brings stored parameters to the host, to be trained.
func (p *Params) Thaw() (err error) {
	defer tensor.CatchFault(&err)
	p.each("", (*tensor.Tensor).Thaw)
	return nil
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
// Nothing is changed unless all of them fit and are finite.
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

// Adopt sets the values of those parameters that another set has under the
// same name and in the same shape, and returns the names of the others.
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

// fits says why a parameter cannot have these values, or nil.
func fits(name string, want, shape []int, values []float32) error {
	if !slices.Equal(shape, want) {
		return fmt.Errorf("parameter %q has shape %v in the weights, the model wants %v", name, shape, want)
	}
	for _, x := range values {
		if x-x != 0 {
			return fmt.Errorf("parameter %q holds a value that is not finite", name)
		}
	}
	return nil
}

// Freeze makes every parameter a constant, of which backends may keep forms.
func (p *Params) Freeze() { p.each("", (*tensor.Tensor).Fix) }

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
