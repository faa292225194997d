package safetensors

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/scratch"
)

// Tensor is a tensor to write: its little-endian bytes, row-major.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
	// stream, if not nil, writes the bytes when the tensor is written; Data is nil then.
	stream func(w io.Writer) error
}

// FromStream makes a tensor whose bytes stream writes, all of them, when the tensor is written.
func FromStream(name string, d DType, stream func(w io.Writer) error, shape ...int) Tensor {
	return Tensor{Name: name, DType: d, Shape: shape, stream: stream}
}

// FromValues is FromFloat32 with elements that fill returns when the tensor is written, so that only one tensor at
// a time is in memory.
func FromValues(name string, d DType, fill func(dst []float32), shape ...int) Tensor {
	return FromStream(name, d, func(w io.Writer) error {
		n, _ := size(d, shape)
		values := make([]float32, n/d.Size())
		fill(values)
		_, err := w.Write(FromFloat32(name, d, values).Data)
		return err
	}, shape...)
}

// bytes returns the length of the tensor's data.
func (t Tensor) bytes() int {
	if t.stream == nil {
		return len(t.Data)
	}
	n, _ := size(t.DType, t.Shape)
	return n
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// FromFloat32 makes a tensor of type F32, BF16 or F16 (rounded, ties to even) from x. As F32 it may share x's
// memory, so x must not change until it is written. Any other type panics.
func FromFloat32(name string, d DType, x []float32, shape ...int) Tensor {
	t := Tensor{Name: name, DType: d, Shape: shape}
	switch d {
	case F32:
		if littleEndian && len(x) > 0 {
			t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
			break
		}
		t.Data = make([]byte, 4*len(x))
		for i, v := range x {
			binary.LittleEndian.PutUint32(t.Data[4*i:], math.Float32bits(v))
		}
	case BF16, F16:
		h := make([]uint16, len(x))
		if d == BF16 {
			elem.ToBF16(h, x)
		} else {
			elem.ToF16(h, x)
		}
		t.Data = make([]byte, 2*len(x))
		for i, v := range h {
			binary.LittleEndian.PutUint16(t.Data[2*i:], v)
		}
	default:
		panic("safetensors.FromFloat32: the type must be F32, BF16 or F16, not " + string(d))
	}
	return t
}

// FromInt8 makes a tensor of type I8 from q.
func FromInt8(name string, q []int8, shape ...int) Tensor {
	t := Tensor{Name: name, DType: I8, Shape: shape, Data: make([]byte, len(q))}
	for i, v := range q {
		t.Data[i] = byte(v)
	}
	return t
}

// Write writes tensors and metadata (nil for none). The bytes depend only on the contents: tensors are ordered from
// the widest type to the narrowest, so that each is aligned to its elements, and then by name. The data begins at a
// multiple of 64 bytes.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	order := slices.Clone(tensors)
	slices.SortStableFunc(order, func(a, b Tensor) int {
		if n := b.DType.Size() - a.DType.Size(); n != 0 {
			return n
		}
		return strings.Compare(a.Name, b.Name)
	})
	head, err := marshalHeader(order, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: writing: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("safetensors: writing the header: %w", err)
	}
	for _, t := range order {
		if err := t.write(w); err != nil {
			return fmt.Errorf("safetensors: writing tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

func (t Tensor) write(w io.Writer) error {
	if t.stream == nil {
		_, err := w.Write(t.Data)
		return err
	}
	c := &counter{w: w}
	if err := t.stream(c); err != nil {
		return err
	}
	if want := t.bytes(); c.n != want {
		return fmt.Errorf("%d bytes came, %s of shape %d needs %d", c.n, t.DType, t.Shape, want)
	}
	return nil
}

// counter counts the bytes that go to w.
type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}

// marshalHeader returns the length and the JSON, padded with spaces.
func marshalHeader(order []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("metadata %q is not UTF-8", k)
			}
		}
		text, err := json.Marshal(metadata) // sorts the keys
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", metadataKey, text)
	}
	seen := map[string]bool{metadataKey: true}
	at := 0
	for _, t := range order {
		if err := t.check(seen); err != nil {
			return nil, err
		}
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, name, t.DType, shape, at, at+t.bytes())
		at += t.bytes()
	}
	b.WriteByte('}')
	for b.Len()%64 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > MaxHeader {
		return nil, fmt.Errorf("the header is %d bytes long, at most %d are allowed", b.Len()-8, MaxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// check checks that Open will accept the tensor.
func (t Tensor) check(seen map[string]bool) error {
	want, ok := size(t.DType, t.Shape)
	switch {
	case seen[t.Name]:
		return fmt.Errorf("the name %q is already in use", t.Name)
	case !utf8.ValidString(t.Name) || len(t.Name) > MaxName:
		return fmt.Errorf("the name %.40q is not UTF-8 or longer than %d bytes", t.Name, MaxName)
	case t.DType.Size() == 0:
		return fmt.Errorf("tensor %q: type %q is unknown", t.Name, string(t.DType))
	case len(t.Shape) > MaxRank:
		return fmt.Errorf("tensor %q has %d dimensions, at most %d are allowed", t.Name, len(t.Shape), MaxRank)
	case !ok || want != t.bytes():
		return fmt.Errorf("tensor %q: %s of shape %d does not fill %d bytes", t.Name, t.DType, t.Shape, len(t.Data))
	}
	seen[t.Name] = true
	return nil
}

// WriteFile writes a file atomically: path holds either its old contents or all of the new contents, which are then
// synced to the disk. If it fails, no other file is left.
func WriteFile(path string, tensors []Tensor, metadata map[string]string) error {
	err := scratch.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := Write(b, tensors, metadata); err != nil {
			return err
		}
		return b.Flush()
	})
	if err != nil {
		return fmt.Errorf("safetensors: writing %s: %w", path, err)
	}
	return nil
}
