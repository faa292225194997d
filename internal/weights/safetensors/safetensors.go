// Package safetensors reads and writes the safetensors format: a length, a JSON header with the position of every
// tensor, and the tensors' bytes (huggingface.co/docs/safetensors).
//
// It trusts no file. It checks the whole header before it returns any tensor: the length, the JSON (nothing but
// what the format has, no name twice), every type and shape against its number of bytes, and that the tensors cover
// the data once, without gaps or overlaps. The size of an allocation follows the file, never a claim of the header.
// Tensors need not be aligned. Files are memory-mapped where the system can do that.
//
// It never interprets names, never changes a file in place and never computes with what it reads.
package safetensors

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/mapped"
)

// Limits for reading and writing, in addition to those of the format.
const (
	MaxHeader = 100_000_000 // bytes of JSON, as in the reference implementation
	MaxRank   = 32          // dimensions of a tensor
	MaxName   = 4096        // bytes of a tensor's name
)

// DType is the type of a tensor's elements, spelled as in the header.
type DType string

// The supported types. Float32 converts from the first three.
const (
	F32    DType = "F32"
	F16    DType = "F16"
	BF16   DType = "BF16"
	F64    DType = "F64"
	F8E4M3 DType = "F8_E4M3"
	F8E5M2 DType = "F8_E5M2"
	I8     DType = "I8"
	U8     DType = "U8"
	I16    DType = "I16"
	U16    DType = "U16"
	I32    DType = "I32"
	U32    DType = "U32"
	I64    DType = "I64"
	U64    DType = "U64"
	Bool   DType = "BOOL"
)

// Size returns the number of bytes of one element, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F8E4M3, F8E5M2, I8, U8, Bool:
		return 1
	case F16, BF16, I16, U16:
		return 2
	case F32, I32, U32:
		return 4
	case F64, I64, U64:
		return 8
	}
	return 0
}

// Info describes a tensor of a file.
type Info struct {
	DType DType
	Shape []int
	Bytes int // length of its data
	begin int // offset in the data section
}

// File is an open file, or parsed bytes. Several goroutines may call its methods; Close may be called once they are
// done. A file that is not closed stays mapped while anything refers to it, such as the Stored of a tensor.
type File struct {
	mem      *mapped.File
	data     []byte // the data section
	tensors  map[string]Info
	names    []string
	metadata map[string]string
}

// Parse reads a file in memory, such as an embedded one. data must not change while the File is in use.
func Parse(data []byte) (*File, error) { return parse(mapped.Of("embedded weights", data)) }

// Unpack returns the bytes of a file that was packed by gzip, for Parse.
func Unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("safetensors: unpacking weights: %w", err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("safetensors: unpacking weights: %w", err)
	}
	return data, nil
}

// Open maps a file into memory and checks it. It reads only the header; tensors are read when they are used.
func Open(path string) (*File, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: opening weights: %w", err)
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
		return nil, fmt.Errorf("safetensors: %s: %w", m.Name(), err)
	}
	return f, nil
}

var errTruncated = errors.New("the file is cut short or is not safetensors: get or save it again")

func (f *File) read(data []byte) error {
	if len(data) < 8 {
		return fmt.Errorf("%d bytes, at least 8 are needed: %w", len(data), errTruncated)
	}
	n := binary.LittleEndian.Uint64(data)
	if n > MaxHeader {
		return fmt.Errorf("the header would be %d bytes long, at most %d are allowed: this is not safetensors", n, MaxHeader)
	}
	if n > uint64(len(data)-8) {
		return fmt.Errorf("the header is %d bytes long, %d are there: %w", n, len(data)-8, errTruncated)
	}
	f.data = data[8+n:]
	var err error
	if f.tensors, f.metadata, err = parseHeader(data[8 : 8+n]); err != nil {
		return err
	}
	f.names = make([]string, 0, len(f.tensors))
	for name := range f.tensors {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f.checkCover()
}

// checkCover checks that the tensors cover the data section exactly once.
func (f *File) checkCover() error {
	order := slices.Clone(f.names)
	slices.SortStableFunc(order, func(a, b string) int {
		x, y := f.tensors[a], f.tensors[b]
		if x.begin != y.begin {
			return x.begin - y.begin
		}
		return x.Bytes - y.Bytes
	})
	at := 0
	for _, name := range order {
		switch t := f.tensors[name]; {
		case t.begin < at:
			return fmt.Errorf("tensor %q begins at byte %d, inside another that ends at %d: the file is damaged", name, t.begin, at)
		case t.begin > at:
			return fmt.Errorf("tensor %q begins at byte %d, no tensor holds the bytes from %d: the file is damaged", name, t.begin, at)
		case t.Bytes > len(f.data)-at:
			return fmt.Errorf("tensor %q ends at byte %d of %d: %w", name, at+t.Bytes, len(f.data), errTruncated)
		default:
			at += t.Bytes
		}
	}
	if at != len(f.data) {
		return fmt.Errorf("%d bytes follow the last tensor: the file is damaged", len(f.data)-at)
	}
	return nil
}

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns the file's text entries, nil if there are none.
func (f *File) Metadata() map[string]string { return f.metadata }

// Info returns what the header says about a tensor; ok is false if there is none of that name.
func (f *File) Info(name string) (info Info, ok bool) {
	info, ok = f.tensors[name]
	info.Shape = slices.Clone(info.Shape)
	return info, ok
}

// tensor returns a tensor and its bytes.
func (f *File) tensor(name string) (Info, []byte, error) {
	t, ok := f.tensors[name]
	if !ok {
		return t, nil, fmt.Errorf("safetensors: %s has no tensor %q%s: %w", f.mem.Name(), name, f.like(name), tensor.ErrNotStored)
	}
	if f.data == nil {
		return t, nil, fmt.Errorf("safetensors: %s: tensor %q is asked for after Close", f.mem.Name(), name)
	}
	t.Shape = slices.Clone(t.Shape)
	return t, f.data[t.begin : t.begin+t.Bytes : t.begin+t.Bytes], nil
}

// like suggests a tensor whose name ends as name does, if there is one: the usual mistake is a prefix.
func (f *File) like(name string) string {
	last := name[strings.IndexByte(name, '.')+1:]
	for _, n := range f.names {
		if strings.HasSuffix(n, last) || strings.HasSuffix(name, n[strings.IndexByte(n, '.')+1:]) {
			return fmt.Sprintf("; it has %q among its %d", n, len(f.names))
		}
	}
	return fmt.Sprintf(" among its %d", len(f.names))
}

// Bytes returns a tensor's little-endian bytes. They are in the file's memory: read only, and valid until Close.
func (f *File) Bytes(name string) ([]byte, error) {
	_, b, err := f.tensor(name)
	return b, err
}

// Stored describes a tensor of type F32, BF16, F16 or I8 in place, and returns its shape. The scales of an I8
// tensor come from an F32 tensor of the same name plus ".scale": one for each run of numbers, all runs equally
// long.
func (f *File) Stored(name string) (tensor.Stored, []int, error) {
	t, b, err := f.tensor(name)
	if err != nil {
		return tensor.Stored{}, nil, err
	}
	s := tensor.Stored{Bytes: b, Source: f.mem}
	switch t.DType {
	case F32:
		s.DType = tensor.F32
	case BF16:
		s.DType = tensor.BF16
	case F16:
		s.DType = tensor.F16
	case I8:
		s.DType = tensor.I8
		if s.Scale, _, err = f.Float32(name + ".scale"); err != nil {
			return s, nil, err
		}
		if len(s.Scale) == 0 || len(b)%len(s.Scale) != 0 {
			return s, nil, fmt.Errorf("safetensors: %s: the %d numbers of tensor %q do not divide by its %d scales", f.mem.Name(), len(b), name, len(s.Scale))
		}
	default:
		return s, nil, fmt.Errorf("safetensors: %s: tensor %q is %s, weights are F32, BF16, F16 or I8", f.mem.Name(), name, t.DType)
	}
	return s, t.Shape, nil
}

// Float32 returns a copy of a tensor of type F32, F16 or BF16 as float32, and its shape. If the mapped file has
// shrunk, it returns an error instead of crashing.
func (f *File) Float32(name string) (x []float32, shape []int, err error) {
	t, b, err := f.tensor(name)
	if err != nil {
		return nil, nil, err
	}
	format, ok := map[DType]gemm.Format{F32: gemm.StoredF32, F16: gemm.StoredF16, BF16: gemm.StoredBF16}[t.DType]
	if !ok {
		return nil, nil, fmt.Errorf("safetensors: %s: tensor %q is %s, float32 is made of F32, F16 and BF16 only", f.mem.Name(), name, t.DType)
	}
	defer f.mem.Guard(fmt.Sprintf("tensor %q", name), &err)()
	x = make([]float32, t.Bytes/t.DType.Size())
	gemm.Stored{Format: format, Bytes: b}.Widen(x, 0)
	return x, t.Shape, nil
}

// Int8 returns a copy of a tensor of type I8, and its shape.
func (f *File) Int8(name string) (q []int8, shape []int, err error) {
	t, b, err := f.tensor(name)
	if err != nil {
		return nil, nil, err
	}
	if t.DType != I8 {
		return nil, nil, fmt.Errorf("safetensors: %s: tensor %q is %s, not I8", f.mem.Name(), name, t.DType)
	}
	defer f.mem.Guard(fmt.Sprintf("tensor %q", name), &err)()
	q = make([]int8, len(b))
	for i, v := range b {
		q[i] = int8(v)
	}
	return q, t.Shape, nil
}

// Close unmaps the file. The slices of Bytes must not be used afterwards.
func (f *File) Close() error {
	f.data = nil
	if err := f.mem.Close(); err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}
