package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/scratch"
)

// Tensor is a tensor to write.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int
	// Data writes the tensor's bytes: all of them, row after row. It is called
	// once, when all before it is written, so that only what it holds at a time
	// is in memory.
	Data func(w io.Writer) error
}

// Entry is an entry of the metadata to write.
type Entry struct {
	Key   string
	Value Value
}

// TextValue is a value of the metadata of type Text.
func TextValue(s string) Value {
	return Value{Type: Text, raw: append(binary.LittleEndian.AppendUint64(nil, uint64(len(s))), s...)}
}

// Uint32Value is a value of the metadata of type Uint32.
func Uint32Value(n uint32) Value {
	return Value{Type: Uint32, raw: binary.LittleEndian.AppendUint32(nil, n)}
}

// ShapeEntry is the entry that gives a tensor its own shape, if it is written
// with another because its rows are not whole blocks.
func ShapeEntry(name string, shape []int) Entry {
	v := Value{Type: Array, Elem: Int32, Len: len(shape)}
	for _, d := range shape {
		v.raw = binary.LittleEndian.AppendUint32(v.raw, uint32(d))
	}
	return Entry{shapeKey + name, v}
}

// IsLayout reports whether a key of the metadata says how a file is laid out,
// which is not true of a file that is written from it.
func IsLayout(key string) bool {
	return key == alignmentKey || strings.HasPrefix(key, shapeKey)
}

// Write writes metadata and tensors, in the order given, as version 3 of the
// format. The bytes depend only on the contents.
func Write(w io.Writer, tensors []Tensor, metadata []Entry) error {
	head, sizes, err := marshalHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("gguf: writing: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("gguf: writing the header: %w", err)
	}
	for i, t := range tensors {
		c := &counter{w: w}
		if err := t.Data(c); err != nil {
			return fmt.Errorf("gguf: writing tensor %q: %w", t.Name, err)
		}
		if c.n != sizes[i] {
			return fmt.Errorf("gguf: writing tensor %q: %d bytes came, %v of shape %d needs %d", t.Name, c.n, t.Type, t.Shape, sizes[i])
		}
		if _, err := w.Write(make([]byte, padding(c.n))); err != nil {
			return fmt.Errorf("gguf: writing tensor %q: %w", t.Name, err)
		}
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

// padding is how many bytes are missing from n to a multiple of the alignment.
func padding(n int) int { return (usualAlignment - n%usualAlignment) % usualAlignment }

// marshalHeader returns the header with its padding, and the bytes of each tensor.
func marshalHeader(tensors []Tensor, metadata []Entry) (head []byte, sizes []int, err error) {
	if len(tensors) > MaxTensors || len(metadata) > MaxEntries {
		return nil, nil, fmt.Errorf("%d tensors and %d entries of metadata, at most %d and %d are allowed", len(tensors), len(metadata), MaxTensors, MaxEntries)
	}
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(magic), 3)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(metadata)))
	seen := map[string]bool{}
	for _, e := range metadata {
		if err := checkName(e.Key, MaxKey, seen); err != nil {
			return nil, nil, fmt.Errorf("key %.80q: %w", e.Key, err)
		}
		if e.Key == alignmentKey {
			return nil, nil, fmt.Errorf("key %q is the writer's own", alignmentKey)
		}
		b = appendText(b, e.Key)
		b = le.AppendUint32(b, uint32(e.Value.Type))
		if e.Value.Type == Array {
			b = le.AppendUint32(b, uint32(e.Value.Elem))
			b = le.AppendUint64(b, uint64(e.Value.Len))
		}
		b = append(b, e.Value.raw...)
	}
	clear(seen)
	at := 0
	for _, t := range tensors {
		if err := checkName(t.Name, MaxName, seen); err != nil {
			return nil, nil, fmt.Errorf("tensor %.80q: %w", t.Name, err)
		}
		n, err := size(t.Type, t.Shape)
		if err == nil && len(t.Shape) > MaxRank {
			err = fmt.Errorf("%d dimensions, at most %d are allowed", len(t.Shape), MaxRank)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %.80q: %w", t.Name, err)
		}
		b = appendText(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Shape)))
		for _, d := range slices.Backward(t.Shape) {
			b = le.AppendUint64(b, uint64(d))
		}
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, uint64(at))
		sizes, at = append(sizes, n), at+n+padding(n)
	}
	b = append(b, make([]byte, padding(len(b)))...)
	if len(b) > MaxHeader {
		return nil, nil, fmt.Errorf("the header is %d bytes long, at most %d are allowed", len(b), MaxHeader)
	}
	return b, sizes, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// checkName checks that Open will accept a name.
func checkName(name string, most int, seen map[string]bool) error {
	switch {
	case len(name) == 0 || len(name) > most || !utf8.ValidString(name):
		return fmt.Errorf("a name of 1 to %d bytes of UTF-8 is allowed", most)
	case seen[name]:
		return errors.New("it occurs twice")
	}
	seen[name] = true
	return nil
}

// WriteFile writes a file atomically: path holds either its old contents or all
// of the new contents, which are then synced to the disk. If it fails, no other
// file is left.
func WriteFile(path string, tensors []Tensor, metadata []Entry) error {
	err := scratch.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := Write(b, tensors, metadata); err != nil {
			return err
		}
		return b.Flush()
	})
	if err != nil {
		return fmt.Errorf("gguf: writing %s: %w", path, err)
	}
	return nil
}
