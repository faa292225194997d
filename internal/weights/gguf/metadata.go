package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrNoEntry is wrapped by the error for a key that the metadata lack.
var ErrNoEntry = errors.New("there is no such entry in the metadata")

// ValueType is the type of a value of the metadata, by GGUF's number.
type ValueType uint32

// The types of values.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	Text
	Array
	Uint64
	Int64
	Float64
)

var valueTypes = [...]struct {
	name string
	size int // bytes; 0 if it varies
}{
	Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2}, Int16: {"int16", 2}, Uint32: {"uint32", 4}, Int32: {"int32", 4},
	Float32: {"float32", 4}, Bool: {"bool", 1}, Text: {"text", 0}, Array: {"array", 0}, Uint64: {"uint64", 8}, Int64: {"int64", 8}, Float64: {"float64", 8},
}

// String is the type's name.
func (t ValueType) String() string {
	if int(t) < len(valueTypes) {
		return valueTypes[t].name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Value is a value of the metadata, as it is stored.
type Value struct {
	Type ValueType
	// Elem and Len are the type and the number of an array's elements.
	Elem ValueType
	Len  int
	raw  []byte // its bytes, or those of its elements
}

// value reads a type and a value of it.
func (c *cursor) value() (Value, error) {
	t, err := c.u32()
	if err != nil {
		return Value{}, err
	}
	v := Value{Type: ValueType(t)}
	if v.Type == Array {
		v.Elem, v.Len, err = c.arrayHead()
		if err != nil {
			return Value{}, err
		}
		begin := c.at
		err = c.elements(v.Elem, v.Len, 1)
		v.raw = c.b[begin:c.at]
		return v, err
	}
	begin := c.at
	err = c.elements(v.Type, 1, 0)
	v.raw = c.b[begin:c.at]
	return v, err
}

// arrayHead reads the type and the number of an array's elements.
func (c *cursor) arrayHead() (ValueType, int, error) {
	t, err := c.u32()
	if err != nil {
		return 0, 0, err
	}
	if int(t) >= len(valueTypes) {
		return 0, 0, fmt.Errorf("an array of %v, which is unknown: a newer Kinora may read it", ValueType(t))
	}
	least := map[ValueType]int{Text: 8, Array: 4 + 8}[ValueType(t)]
	n, err := c.count("elements of an array", math.MaxInt32, uint64(max(least, valueTypes[t].size)))
	return ValueType(t), n, err
}

// elements passes n values of type t, and checks them.
func (c *cursor) elements(t ValueType, n, nesting int) error {
	switch {
	case int(t) >= len(valueTypes):
		return fmt.Errorf("a value of %v, which is unknown: a newer Kinora may read it", t)
	case nesting > MaxNesting:
		return fmt.Errorf("arrays are nested more than %d deep", MaxNesting)
	case t == Array:
		for range n {
			elem, m, err := c.arrayHead()
			if err != nil {
				return err
			}
			if err := c.elements(elem, m, nesting+1); err != nil {
				return err
			}
		}
	case t == Text: // of any bytes: a tokenizer's token need not be whole characters
		for range n {
			if _, err := c.text(); err != nil {
				return err
			}
		}
	default:
		b, err := c.take(uint64(n * valueTypes[t].size))
		if err != nil {
			return err
		}
		if t == Bool && slices.ContainsFunc(b, func(v byte) bool { return v > 1 }) {
			return errors.New("a bool that is neither 0 nor 1: the file is damaged")
		}
	}
	return nil
}

func (c *cursor) text() ([]byte, error) {
	n, err := c.u64()
	if err != nil {
		return nil, err
	}
	return c.take(n)
}

// Keys returns the keys of the metadata, in the file's order.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Value returns an entry of the metadata as it is stored. Its bytes are in the
// file's memory: valid until Close.
func (f *File) Value(key string) (v Value, ok bool) {
	v, ok = f.entries[key]
	return v, ok
}

// Has reports whether the metadata have an entry of that key.
func (f *File) Has(key string) bool {
	_, ok := f.entries[key]
	return ok
}

// Text returns a copy of a text, which need not be UTF-8. As for all entries, the
// error wraps ErrNoEntry if there is none of that key, and names the type if it
// is another.
func (f *File) Text(key string) (s string, err error) {
	err = f.entry(key, "a text", func(v Value) bool {
		if v.Type != Text {
			return false
		}
		s = string(v.raw[8:])
		return true
	})
	return s, err
}

// Texts returns a copy of an array of texts.
func (f *File) Texts(key string) (list []string, err error) {
	err = f.entry(key, "an array of texts", func(v Value) bool {
		if v.Type != Array || v.Elem != Text {
			return false
		}
		list = make([]string, v.Len)
		for c, i := (cursor{b: v.raw}), 0; i < v.Len; i++ {
			b, _ := c.text() // checked when the file was opened
			list[i] = string(b)
		}
		return true
	})
	return list, err
}

// Bool returns a bool.
func (f *File) Bool(key string) (b bool, err error) {
	err = f.entry(key, "a bool", func(v Value) bool {
		b = v.Type == Bool && v.raw[0] != 0
		return v.Type == Bool
	})
	return b, err
}

// Int returns a whole number of any type that fits an int64.
func (f *File) Int(key string) (n int64, err error) {
	err = f.entry(key, "a whole number", func(v Value) (ok bool) {
		n, ok = whole(v.Type, v.raw)
		return ok
	})
	return n, err
}

// Ints returns a copy of an array of whole numbers of any type that fit int64s.
func (f *File) Ints(key string) (list []int64, err error) {
	err = f.entry(key, "an array of whole numbers", func(v Value) bool {
		list = nil
		return v.Type == Array && each(v, func(b []byte) (ok bool) {
			n, ok := whole(v.Elem, b)
			list = append(list, n)
			return ok
		})
	})
	return list, err
}

// Float returns a number of any type, rounded to a float64.
func (f *File) Float(key string) (x float64, err error) {
	err = f.entry(key, "a number", func(v Value) (ok bool) {
		x, ok = number(v.Type, v.raw)
		return ok
	})
	return x, err
}

// Floats returns a copy of an array of numbers of any type, rounded to float64s.
func (f *File) Floats(key string) (list []float64, err error) {
	err = f.entry(key, "an array of numbers", func(v Value) bool {
		list = nil
		return v.Type == Array && each(v, func(b []byte) (ok bool) {
			x, ok := number(v.Elem, b)
			list = append(list, x)
			return ok
		})
	})
	return list, err
}

// entry reads an entry by read, which reports whether it has the wanted type.
func (f *File) entry(key, want string, read func(v Value) bool) (err error) {
	v, ok := f.entries[key]
	switch {
	case !ok:
		return fmt.Errorf("gguf: %s: %q: %w", f.mem.Name(), key, ErrNoEntry)
	case f.mem.Bytes() == nil:
		return fmt.Errorf("gguf: %s: entry %q is asked for after Close", f.mem.Name(), key)
	}
	defer f.mem.Guard(fmt.Sprintf("entry %q", key), &err)()
	if read(v) {
		return nil
	}
	have := v.Type.String()
	if v.Type == Array {
		have = fmt.Sprintf("array of %d of type %v", v.Len, v.Elem)
	}
	return fmt.Errorf("gguf: %s: entry %q is of type %s, not %s that fits", f.mem.Name(), key, have, want)
}

// each calls f with the bytes of each element of an array, which are all equally
// long, until it returns false. It returns false as well for elements that are
// not.
func each(v Value, f func(b []byte) bool) bool {
	size := valueTypes[v.Elem].size
	if size == 0 {
		return false
	}
	for i := range v.Len {
		if !f(v.raw[i*size:][:size]) {
			return false
		}
	}
	return true
}

// whole returns a whole number; ok is false if it is none, or does not fit.
func whole(t ValueType, b []byte) (n int64, ok bool) {
	le := binary.LittleEndian
	switch t {
	case Uint8:
		return int64(b[0]), true
	case Int8:
		return int64(int8(b[0])), true
	case Uint16:
		return int64(le.Uint16(b)), true
	case Int16:
		return int64(int16(le.Uint16(b))), true
	case Uint32:
		return int64(le.Uint32(b)), true
	case Int32:
		return int64(int32(le.Uint32(b))), true
	case Uint64:
		return int64(le.Uint64(b)), le.Uint64(b) <= math.MaxInt64
	case Int64:
		return int64(le.Uint64(b)), true
	}
	return 0, false
}

// number returns a number of any type.
func number(t ValueType, b []byte) (x float64, ok bool) {
	le := binary.LittleEndian
	switch t {
	case Float32:
		return float64(math.Float32frombits(le.Uint32(b))), true
	case Float64:
		return math.Float64frombits(le.Uint64(b)), true
	case Uint64:
		return float64(le.Uint64(b)), true
	}
	n, ok := whole(t, b)
	return float64(n), ok
}
