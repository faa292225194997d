// Package convert writes a model's weights again with its large matrices
// quantised: to blocks, in a GGUF file, or to int8 with a scale for each row, in
// a safetensors file. Other tensors, such as norms, biases and filters, stay as
// they are. Names and shapes do not change.
//
// Weights are read from safetensors, one file or the shards in a folder, or from
// GGUF. The memory that is needed does not depend on their size: a few rows are
// in memory at a time.
package convert

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/tensor"
)

// What counts as a large matrix. Small ones are kept, because they save little
// and are often what the rest depends on: embeddings of times, heads.
const (
	MinNumbers = 1 << 16
	// MinRow is the shortest row for int8. For blocks it is the block.
	MinRow = 32
)

// Target is the type that large matrices are quantised to.
type Target struct {
	name   string
	blocks quant.Type
	int8   bool
}

const int8Name = "int8"

// Targets returns the names of all targets.
func Targets() []string {
	var names []string
	for _, t := range quant.Types() {
		if t.CanQuantize() {
			names = append(names, t.String())
		}
	}
	return append(names, int8Name)
}

// TargetOf returns the target of a name.
func TargetOf(name string) (Target, error) {
	if name == int8Name {
		return Target{name: name, int8: true}, nil
	}
	for _, t := range quant.Types() {
		if t.CanQuantize() && t.String() == name {
			return Target{name: name, blocks: t}, nil
		}
	}
	return Target{}, fmt.Errorf("there is no type %q to quantise to: choose one of %s", name, strings.Join(Targets(), ", "))
}

// Extension is what the name of a file with such weights ends in.
func (t Target) Extension() string {
	if t.int8 {
		return ".safetensors"
	}
	return ".gguf"
}

// dtype is the type of a quantised tensor.
func (t Target) dtype() tensor.DType {
	if t.int8 {
		return tensor.I8
	}
	return tensor.OfQuant(t.blocks)
}

// fits reports whether a tensor is a large matrix whose rows can be quantised.
func (t Target) fits(x *Tensor) bool {
	if len(x.Shape) < 2 || tensor.Elems(x.Shape) < MinNumbers {
		return false
	}
	row := x.Shape[len(x.Shape)-1]
	if t.int8 {
		return row >= MinRow
	}
	numbers, _ := t.blocks.Block()
	return row%numbers == 0
}

// Plan is what will be written.
type Plan struct {
	source  *Source
	target  Target
	tensors []planned
	// Quantised and Kept count the tensors. Before and After are their bytes.
	Quantised, Kept int
	Before, After   int64
}

// planned is a tensor and what becomes of it.
type planned struct {
	*Tensor
	quantise bool
	to       tensor.DType // of the tensor that is written
}

// Plan decides what becomes of each tensor. Tensors whose names match one of the
// patterns, in which a star stands for any text, are kept.
func (s *Source) Plan(t Target, keep ...string) (*Plan, error) {
	p := &Plan{source: s, target: t}
	matched := make([]bool, len(keep))
	for i := range s.tensors {
		x := &s.tensors[i]
		kept := false
		for j, pattern := range keep {
			ok, err := path.Match(strings.ReplaceAll(pattern, "/", "|"), strings.ReplaceAll(x.Name, "/", "|"))
			if err != nil {
				return nil, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
			}
			kept, matched[j] = kept || ok, matched[j] || ok
		}
		n := planned{Tensor: x, to: t.kept(x.Stored.DType)}
		if n.quantise = !kept && t.fits(x) && x.Stored.DType != t.dtype(); n.quantise {
			n.to = t.dtype()
			p.Quantised++
		} else {
			p.Kept++
		}
		p.tensors = append(p.tensors, n)
		p.Before += int64(len(x.Stored.Bytes) + 4*len(x.Stored.Scale))
		p.After += n.bytes()
	}
	for j, pattern := range keep {
		if !matched[j] {
			return nil, fmt.Errorf("no tensor has a name like %q: the first is named %q", pattern, s.tensors[0].Name)
		}
	}
	if p.Quantised == 0 {
		return nil, fmt.Errorf("nothing is left to quantise to %s: %s has no matrix of another type with at least %d numbers in rows of whole blocks, except what is kept", t.name, s.path, MinNumbers)
	}
	return p, nil
}

// kept is the type of a tensor that is not quantised: its own, or f32 where the
// file cannot hold that.
func (t Target) kept(d tensor.DType) tensor.DType {
	if _, blocks := d.Quant(); blocks && t.int8 || d == tensor.I8 && !t.int8 {
		return tensor.F32
	}
	return d
}

// bytes is how many bytes are written.
func (n *planned) bytes() int64 {
	b := int64(n.to.Bytes(tensor.Elems(n.Shape)))
	if n.to == tensor.I8 {
		b += 4 * int64(n.scales())
	}
	return b
}

// scales is the number of scales of an int8 tensor that is written.
func (n *planned) scales() int {
	if n.quantise {
		return tensor.Elems(n.Shape[:len(n.Shape)-1])
	}
	return len(n.Stored.Scale)
}

// Loss is what quantising a tensor lost: the root mean square of the errors, as
// a share of that of its numbers.
type Loss struct {
	Name string
	RMS  float64
}

// WriteFile writes the file at path atomically, and returns the losses, the
// largest first. progress is called now and then with the share of the work that
// is done, and the number of tensors that are written. When ctx ends, or anything fails, no file is left and an old one stays.
func (p *Plan) WriteFile(ctx context.Context, path string, progress func(done float64, written int)) (losses []Loss, err error) {
	defer tensor.CatchFault(&err)
	w := &writer{ctx: ctx, progress: progress}
	for _, n := range p.tensors {
		w.total += int64(len(n.Stored.Bytes))
		if n.to == tensor.I8 && n.quantise { // which is read twice
			w.total += int64(len(n.Stored.Bytes))
		}
	}
	if err := scratch.Room(filepath.Dir(path), p.After); err != nil {
		return nil, err
	}
	err = scratch.WriteFile(path, func(f io.Writer) (err error) {
		defer tensor.CatchFault(&err) // here, so that the unfinished file is removed
		b := bufio.NewWriterSize(f, 1<<20)
		if p.target.int8 {
			err = p.writeSafetensors(w, b)
		} else {
			err = p.writeGGUF(w, b)
		}
		return cmp.Or(err, b.Flush())
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	slices.SortStableFunc(w.losses, func(a, b Loss) int { return cmp.Compare(b.RMS, a.RMS) })
	return w.losses, nil
}

// errNotFinite is why a tensor cannot be quantised.
var errNotFinite = errors.New("it holds a value that is not finite")
