// Package gguf reads and writes GGUF, versions 2 and 3, little-endian: metadata,
// the position of every tensor, and the tensors' bytes, quantised in blocks or
// not (github.com/ggml-org/ggml, docs/gguf.md).
//
// It trusts no file. It checks the whole header before it returns any tensor:
// counts, lengths, nesting, names that occur twice, types, and that every tensor
// is whole blocks, is aligned, lies in the file, and overlaps no other. The size
// of an allocation follows the file, never a claim in it. Files are memory-mapped
// where the system can do that; metadata and tensors are read when they are used.
//
// GGUF counts the dimensions of a tensor from the innermost; here shapes are as
// everywhere in Kinora, outermost first.
//
// The package never interprets names, never changes a file in place and never
// computes with what it reads.
package gguf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/mapped"
)

// Limits for reading and writing. The format bounds only keys, and asks for
// names of at most 64 bytes, which not every writer keeps to.
const (
	MaxHeader    = 1 << 29 // bytes of metadata and positions
	MaxTensors   = 1 << 18
	MaxEntries   = 1 << 18 // of the metadata
	MaxKey       = 1<<16 - 1
	MaxName      = 4096    // bytes of a tensor's name
	MaxRank      = 8       // dimensions of a tensor
	MaxNesting   = 4       // arrays within an array of the metadata
	MaxAlignment = 1 << 20 // bytes
)

// usualAlignment is where tensors are aligned if the metadata do not say it.
const usualAlignment = 32

// The keys of the metadata that the reader itself understands.
const (
	alignmentKey = "general.alignment"
	// shapeKey begins the key of the shape of a tensor that a writer has cut into
	// other rows, because its own are not whole blocks. It is a custom of the
	// tools that quantise image and video models.
	shapeKey = "comfy.gguf.orig_shape."
)

// Info describes a tensor of a file.
type Info struct {
	Type  Type
	Shape []int
	Bytes int // length of its data
	begin int // offset in the data section
}

// File is an open file, or parsed bytes. Several goroutines may call its methods;
// Close may be called once they are done. A file that is not closed stays mapped
// while anything refers to it, such as the Stored of a tensor.
type File struct {
	mem     *mapped.File
	version int
	align   int
	data    []byte // the data section
	tensors map[string]Info
	names   []string // sorted
	entries map[string]Value
	keys    []string // in the file's order
}

// Parse reads a file in memory. data must not change while the File is in use.
func Parse(data []byte) (*File, error) { return parse(mapped.Of("weights in memory", data)) }

// Open maps a file into memory and checks it. It reads only the header.
func Open(path string) (*File, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: opening weights: %w", err)
	}
	f, err := parse(m)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return f, nil
}

// parse checks everything about a file that can be wrong.
func parse(m *mapped.File) (f *File, err error) {
	defer m.Guard("the header", &err)()
	f = &File{mem: m}
	if err := f.read(m.Bytes()); err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", m.Name(), err)
	}
	return f, nil
}

// Version is the version of the format, 2 or 3.
func (f *File) Version() int { return f.version }

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Info returns what the header says about a tensor; ok is false if there is none
// of that name.
func (f *File) Info(name string) (info Info, ok bool) {
	info, ok = f.tensors[name]
	info.Shape = slices.Clone(info.Shape)
	return info, ok
}

// Bytes returns a tensor's bytes. They are in the file's memory: read only, and
// valid until Close.
func (f *File) Bytes(name string) ([]byte, error) {
	t, ok := f.tensors[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("gguf: %s has no tensor %q among its %d: %w", f.mem.Name(), name, len(f.names), tensor.ErrNotStored)
	case f.data == nil:
		return nil, fmt.Errorf("gguf: %s: tensor %q is asked for after Close", f.mem.Name(), name)
	}
	return f.data[t.begin : t.begin+t.Bytes : t.begin+t.Bytes], nil
}

// Stored describes a tensor in place, and returns its shape. It is an error if
// the tensor's type is none that Kinora computes with.
func (f *File) Stored(name string) (tensor.Stored, []int, error) {
	b, err := f.Bytes(name)
	if err != nil {
		return tensor.Stored{}, nil, err
	}
	t, _ := f.Info(name)
	d, ok := t.Type.DType()
	if !ok {
		return tensor.Stored{}, nil, fmt.Errorf("gguf: %s: tensor %q is of type %v, which Kinora cannot compute with; it can with %s: get the file in one of these types", f.mem.Name(), name, t.Type, known())
	}
	return tensor.Stored{DType: d, Bytes: b, Source: f.mem}, t.Shape, nil
}

// Close unmaps the file. No slice of Bytes may be used afterwards.
func (f *File) Close() error {
	f.data = nil
	if err := f.mem.Close(); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}
