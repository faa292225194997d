package lora

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Weights store the parameters of a model, as nn.Listed has it.
type Weights interface {
	Stored(name string) (tensor.Stored, []int, error)
	Names() []string
}

// Use is an adapter with the strength in which it is added: 1 is as it was
// trained, 0 nothing, and a negative one the opposite.
type Use struct {
	*Adapter
	Strength float64
}

// Merged are weights to which adapters have been added. To a matrix, pairs of low
// rank are added where products read it (tensor.LowRank), so that both stay where
// they are stored, and the adapters must stay open while the weights are in use.
// Tensors to which a plain difference is added are made when they are first asked
// for, in memory: those of at most maxExact numbers in F32, others in F32, F16 or
// BF16 as they are stored, and in BF16 where they are stored in fewer bits.
type Merged struct {
	base  Weights
	names func(name string) []string
	uses  []Use
	done  map[string]merged
	bytes int64
}

// merged is a tensor with everything added.
type merged struct {
	tensor.Stored
	shape []int
}

// Over lays adapters over weights. names returns the other names that a tensor
// has, in the layouts in which adapters may name it; nil means that there are
// none.
func Over(base Weights, names func(name string) []string, uses ...Use) (*Merged, error) {
	for _, u := range uses {
		if !(math.Abs(u.Strength) <= MaxStrength) {
			return nil, fmt.Errorf("lora: %s: the strength %v is out of range: at most %d, of either sign", u.path, u.Strength, MaxStrength)
		}
	}
	return &Merged{base: base, names: names, uses: uses, done: map[string]merged{}}, nil
}

// Names implements Weights.
func (m *Merged) Names() []string { return m.base.Names() }

// Bytes is how much memory the tensors take that have been made in it.
func (m *Merged) Bytes() int64 { return m.bytes }

// Check returns, once all tensors of a model have been asked for, a note for each
// adapter of which some did not fit, and an error for one of which none did.
func (m *Merged) Check() (notes []string, err error) {
	for _, u := range m.uses {
		left := u.Left()
		switch all := len(u.f.Names()); {
		case len(left) == all:
			return nil, fmt.Errorf("lora: %s: none of its %d tensors fits a layer of this model (%s): it was made for another one", u.path, all, listed(left))
		case len(left) > 0:
			notes = append(notes, fmt.Sprintf("%s: %d of its %d tensors fit no layer of this model: %s", u.path, len(left), all, listed(left)))
		}
	}
	return notes, nil
}

// Stored implements Weights.
func (m *Merged) Stored(name string) (_ tensor.Stored, _ []int, err error) {
	if d, ok := m.done[name]; ok {
		return d.Stored, d.shape, nil
	}
	s, shape, err := m.base.Stored(name)
	if err != nil {
		return s, shape, err
	}
	adds := m.adds(name)
	if len(adds) == 0 {
		return s, shape, nil
	}
	defer tensor.CatchFault(&err)
	for _, a := range adds {
		if err := a.pair(&s, shape); err != nil {
			return s, nil, err
		}
	}
	d := merged{Stored: s, shape: slices.Clone(shape)}
	if slices.ContainsFunc(adds, add.plain) {
		x := tensor.InPlace(s, shape...).Values()
		for _, a := range adds {
			if err := a.differences(x, shape); err != nil {
				return s, nil, err
			}
		}
		d.Stored = stored(x, s.DType)
		if !d.Finite() {
			return s, nil, fmt.Errorf("lora: %s and what is added to it are out of the range of %v: lower the strength", name, d.DType)
		}
		m.bytes += int64(len(d.Bytes))
	}
	m.done[name] = d
	return d.Stored, shape, nil
}

// maxExact is how many numbers a tensor may have that is not rounded: those of a
// bias or a norm are few.
const maxExact = 1 << 16

// stored rounds numbers to the type in which they are kept.
func stored(x []float32, base tensor.DType) tensor.Stored {
	kept, dtype := tensor.BF16, safetensors.BF16
	switch {
	case base == tensor.F32 || len(x) <= maxExact:
		kept, dtype = tensor.F32, safetensors.F32
	case base == tensor.F16:
		kept, dtype = tensor.F16, safetensors.F16
	}
	return tensor.Stored{DType: kept, Bytes: safetensors.FromFloat32("", dtype, x, len(x)).Data}
}

// add is what one adapter does to a tensor.
type add struct {
	Use
	layer string
	part  *part
	leaf  string // weight, bias or modulation
}

// adds finds what the adapters have for a tensor, in their order.
func (m *Merged) adds(name string) []add {
	names := []string{name}
	if m.names != nil {
		names = append(names, m.names(name)...)
	}
	var out []add
	for _, u := range m.uses {
		for _, n := range names {
			dot := strings.LastIndexByte(n, '.')
			if dot < 0 {
				continue
			}
			layer, leaf := layerKey(n[:dot]), n[dot+1:]
			p := u.parts[layer]
			if p != nil && slices.ContainsFunc(leaves[leaf], func(s slot) bool { return p.slots[s] != "" }) {
				out = append(out, add{u, layer, p, leaf})
				break
			}
		}
	}
	return out
}

// leaves say which slots are added to which tensor of a layer.
var leaves = map[string][]slot{"weight": {down, diff}, "bias": {upBias, diffBias}, "modulation": {diffTable}}

// plain says whether the adapter has a plain difference for the tensor.
func (a add) plain() bool {
	return slices.ContainsFunc(leaves[a.leaf], func(s slot) bool { return s != down && a.part.slots[s] != "" })
}

// differences adds the plain differences for a tensor to its numbers.
func (a add) differences(x []float32, shape []int) error {
	for _, s := range leaves[a.leaf] {
		if s == down || a.part.slots[s] == "" {
			continue
		}
		d, err := a.fitting(s, shape)
		if err != nil {
			return err
		}
		factor := a.Strength
		if s == upBias {
			f, err := a.scale()
			if err != nil {
				return err
			}
			factor *= f
		}
		for i, v := range d {
			x[i] += float32(factor) * v
		}
	}
	return nil
}

// rank is that of the layer's pair.
func (a add) rank() (int, error) {
	info, _ := a.f.Info(a.part.slots[down])
	if len(info.Shape) < 2 || info.Shape[0] < 1 || info.Shape[0] > maxRank {
		return 0, fmt.Errorf("lora: %s: tensor %q has shape %v: the first half of a pair is [rank, inputs] with a rank of 1 to %d", a.path, a.part.slots[down], info.Shape, maxRank)
	}
	return info.Shape[0], nil
}

// scale is what the product of the layer's pair is multiplied by, at strength 1.
func (a add) scale() (float64, error) {
	rank, err := a.rank()
	if err != nil {
		return 0, err
	}
	return a.factor(a.layer, a.part, rank)
}

// pair adds the layer's pair of low rank to a weight [out, ...in].
func (a add) pair(s *tensor.Stored, shape []int) error {
	lo, hi := a.part.slots[down], a.part.slots[up]
	if a.leaf != "weight" || lo == "" {
		return nil
	}
	rank, err := a.rank()
	if err != nil {
		return err
	}
	loInfo, _ := a.f.Info(lo)
	hiInfo, _ := a.f.Info(hi)
	n := tensor.Elems(shape)
	if len(shape) < 2 || n == 0 || s.Turn != (tensor.Turn{}) {
		return fmt.Errorf("lora: %s: tensors %q and %q are for a matrix, the model's %s has shape %v", a.path, lo, hi, a.layer, shape)
	}
	out := shape[0]
	if tensor.Elems(loInfo.Shape) != rank*(n/out) || len(hiInfo.Shape) < 2 || hiInfo.Shape[0] != out || tensor.Elems(hiInfo.Shape) != out*rank {
		return fmt.Errorf("lora: %s: tensors %q %v and %q %v do not make a weight of shape %v: the adapter was made for another model", a.path, lo, loInfo.Shape, hi, hiInfo.Shape, shape)
	}
	f, err := a.scale()
	if err != nil {
		return err
	}
	A, err := a.half(down)
	if err != nil {
		return err
	}
	B, err := a.half(up)
	if err != nil {
		return err
	}
	if factor := float32(a.Strength * f); factor-factor == 0 {
		s.Plus = append(slices.Clone(s.Plus), tensor.LowRank{B: B, A: A, Rank: rank, Factor: factor})
		return nil
	}
	return fmt.Errorf("lora: %s: tensors %q and %q count %g times, which is out of range: lower the strength", a.path, lo, hi, a.Strength*f)
}

// half is a tensor of a pair where it is stored.
func (a add) half(s slot) (tensor.Stored, error) {
	key := a.part.slots[s]
	switch info, _ := a.f.Info(key); info.DType {
	case safetensors.F32, safetensors.F16, safetensors.BF16:
	default:
		return tensor.Stored{}, fmt.Errorf("lora: %s: tensor %q is %s, pairs are F32, F16 or BF16", a.path, key, info.DType)
	}
	x, _, err := a.f.Stored(key)
	switch {
	case err != nil:
		return x, err
	case !x.Finite():
		return x, fmt.Errorf("lora: %s: tensor %q holds a value that is not finite", a.path, key)
	}
	a.part.used[s] = true
	return x, nil
}

// fitting reads a difference, which must have the shape of the tensor that it is
// added to.
func (a add) fitting(s slot, shape []int) ([]float32, error) {
	info, _ := a.f.Info(a.part.slots[s])
	if tensor.Elems(info.Shape) != tensor.Elems(shape) || len(info.Shape) == 0 || info.Shape[0] != shape[0] {
		return nil, fmt.Errorf("lora: %s: tensor %q has shape %v, the model's is %v: the adapter was made for another model", a.path, a.part.slots[s], info.Shape, shape)
	}
	return a.values(a.part, s)
}
