package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const magic = "GGUF"

var errTruncated = errors.New("the file is cut short: get or save it again")

// cursor reads the header from its first byte to its last.
type cursor struct {
	b  []byte // the header, and what follows it, at most MaxHeader bytes
	at int
}

// take returns the next n bytes.
func (c *cursor) take(n uint64) ([]byte, error) {
	if n > uint64(len(c.b)-c.at) {
		if len(c.b) == MaxHeader {
			return nil, fmt.Errorf("the header is longer than %d bytes: this is no file of weights", MaxHeader)
		}
		return nil, fmt.Errorf("the header ends at byte %d: %w", len(c.b), errTruncated)
	}
	b := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return b, nil
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) u64() (uint64, error) {
	b, err := c.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads a number of things that each take at least size bytes.
func (c *cursor) count(what string, most, size uint64) (int, error) {
	n, err := c.u64()
	switch {
	case err != nil:
		return 0, err
	case n > most:
		return 0, fmt.Errorf("%d %s, at most %d are allowed", n, what, most)
	case n > uint64(len(c.b)-c.at)/size:
		return 0, fmt.Errorf("%d %s do not fit into the file: %w", n, what, errTruncated)
	}
	return int(n), nil
}

// name reads a text of at most most bytes that is neither empty nor damaged.
func (c *cursor) name(what string, most uint64) (string, error) {
	n, err := c.u64()
	if err != nil {
		return "", err
	}
	if n == 0 || n > most {
		return "", fmt.Errorf("%s is %d bytes long, 1 to %d are allowed", what, n, most)
	}
	b, err := c.take(n)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%s %.40q is not UTF-8: the file is damaged", what, b)
	}
	return string(b), nil
}

// read parses the header of data and checks it against the file's size.
func (f *File) read(data []byte) error {
	c := &cursor{b: data[:min(len(data), MaxHeader)]}
	if len(data) < 4 || string(data[:4]) != magic {
		return errors.New("the file does not begin with GGUF: this is another format, or the file is damaged")
	}
	c.at = 4
	version, err := c.u32()
	switch {
	case err != nil:
		return err
	case version&0xFFFF == 0 && version != 0:
		return fmt.Errorf("the file is big-endian (version %d, bytes in the other order): get it for little-endian machines", bytes4(version))
	case version == 1:
		return errors.New("the file is of version 1 of GGUF, Kinora reads versions 2 and 3: convert it again")
	case version != 2 && version != 3:
		return fmt.Errorf("the file is of version %d of GGUF, Kinora reads versions 2 and 3: a newer Kinora may read it", version)
	}
	f.version = int(version)
	tensors, err := c.count("tensors", MaxTensors, 8+1+4+4+8)
	if err != nil {
		return err
	}
	entries, err := c.count("entries of metadata", MaxEntries, 8+1+4+1)
	if err != nil {
		return err
	}
	if err := f.readMetadata(c, entries); err != nil {
		return err
	}
	if err := f.readTensors(c, tensors); err != nil {
		return err
	}
	begin := (c.at + f.align - 1) / f.align * f.align
	f.data = data[min(begin, len(data)):]
	if err := f.checkPlaces(); err != nil {
		return err
	}
	return f.restoreShapes()
}

func bytes4(v uint32) uint32 {
	return binary.BigEndian.Uint32(binary.LittleEndian.AppendUint32(nil, v))
}

func (f *File) readMetadata(c *cursor, n int) error {
	f.entries = make(map[string]Value, n)
	for i := range n {
		key, err := c.name(fmt.Sprintf("the key of entry %d", i), MaxKey)
		if err != nil {
			return err
		}
		if _, twice := f.entries[key]; twice {
			return fmt.Errorf("key %.80q occurs twice: the file is damaged", key)
		}
		v, err := c.value()
		if err != nil {
			return fmt.Errorf("key %.80q: %w", key, err)
		}
		f.entries[key], f.keys = v, append(f.keys, key)
	}
	f.align = usualAlignment
	if _, ok := f.entries[alignmentKey]; ok {
		n, err := f.Int(alignmentKey)
		if err != nil {
			return err
		}
		if n < 1 || n > MaxAlignment || n&(n-1) != 0 {
			return fmt.Errorf("%s is %d, a power of two of at most %d is allowed", alignmentKey, n, MaxAlignment)
		}
		f.align = int(n)
	}
	return nil
}

func (f *File) readTensors(c *cursor, n int) error {
	f.tensors = make(map[string]Info, n)
	for i := range n {
		name, err := c.name(fmt.Sprintf("the name of tensor %d", i), MaxName)
		if err != nil {
			return err
		}
		if _, twice := f.tensors[name]; twice {
			return fmt.Errorf("tensor %.80q occurs twice: the file is damaged", name)
		}
		t, err := c.tensor()
		if err != nil {
			return fmt.Errorf("tensor %.80q: %w", name, err)
		}
		f.tensors[name], f.names = t, append(f.names, name)
	}
	slices.Sort(f.names)
	return nil
}

// tensor reads dimensions, type and offset.
func (c *cursor) tensor() (Info, error) {
	rank, err := c.u32()
	if err != nil {
		return Info{}, err
	}
	if rank > MaxRank {
		return Info{}, fmt.Errorf("%d dimensions, at most %d are allowed", rank, MaxRank)
	}
	t := Info{Shape: make([]int, rank)}
	for i := range t.Shape {
		d, err := c.u64()
		if err != nil {
			return Info{}, err
		}
		if d > math.MaxInt {
			return Info{}, fmt.Errorf("dimension %d is too large", d)
		}
		t.Shape[int(rank)-1-i] = int(d)
	}
	kind, err := c.u32()
	if err != nil {
		return Info{}, err
	}
	begin, err := c.u64()
	if err != nil {
		return Info{}, err
	}
	if begin > math.MaxInt {
		return Info{}, fmt.Errorf("it begins at byte %d: %w", begin, errTruncated)
	}
	t.Type, t.begin = Type(kind), int(begin)
	t.Bytes, err = size(t.Type, t.Shape)
	return t, err
}

// size returns the number of bytes of a tensor, whose rows must be whole blocks.
func size(t Type, shape []int) (int, error) {
	l, ok := layouts[t]
	if !ok {
		return 0, fmt.Errorf("its type, %v, is unknown: a newer Kinora may read it", t)
	}
	row, rows := 1, 1
	for i, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("shape %d has a negative dimension", shape)
		case i == len(shape)-1:
			row = d
		case d != 0 && rows > math.MaxInt/d:
			return 0, fmt.Errorf("shape %d is too large", shape)
		default:
			rows *= d
		}
	}
	if row%l.numbers != 0 {
		return 0, fmt.Errorf("rows of %d numbers are not whole blocks of %d, as %v has them: the file is damaged", row, l.numbers, t)
	}
	// Its elements are counted too, whatever a number takes.
	if row != 0 && rows != 0 && rows > math.MaxInt/max(row/l.numbers, 1)/max(l.bytes, l.numbers) {
		return 0, fmt.Errorf("shape %d is too large", shape)
	}
	return rows * (row / l.numbers) * l.bytes, nil
}

// checkPlaces checks that every tensor is aligned, in the file, and apart from
// the others.
func (f *File) checkPlaces() error {
	order := slices.Clone(f.names)
	slices.SortStableFunc(order, func(a, b string) int {
		x, y := f.tensors[a], f.tensors[b]
		if x.begin != y.begin {
			return x.begin - y.begin
		}
		return x.Bytes - y.Bytes
	})
	at, last := 0, ""
	for _, name := range order {
		switch t := f.tensors[name]; {
		case t.begin%f.align != 0:
			return fmt.Errorf("tensor %.80q begins at byte %d, which is no multiple of %d: the file is damaged", name, t.begin, f.align)
		case t.begin < at:
			return fmt.Errorf("tensor %.80q begins at byte %d, inside %.80q, which ends at %d: the file is damaged", name, t.begin, last, at)
		case t.begin > len(f.data) || t.Bytes > len(f.data)-t.begin:
			return fmt.Errorf("tensor %.80q of %d bytes at byte %d ends behind the file's %d: %w", name, t.Bytes, t.begin, len(f.data), errTruncated)
		default:
			at, last = t.begin+t.Bytes, name
		}
	}
	return nil
}

// restoreShapes gives tensors that were cut into other rows their own shapes.
func (f *File) restoreShapes() error {
	for _, key := range f.keys {
		name, ok := strings.CutPrefix(key, shapeKey)
		t, have := f.tensors[name]
		if !ok || !have {
			continue
		}
		dims, err := f.Ints(key)
		if err != nil {
			return err
		}
		shape := make([]int, len(dims))
		for i, d := range dims {
			shape[i] = int(d)
		}
		n, err := size(Type(24), shape) // bytes, one for a number
		if have, e := size(Type(24), t.Shape); err != nil || e != nil || n != have || len(shape) > MaxRank {
			return fmt.Errorf("tensor %.80q of shape %d cannot have the shape %.60s of %.80q: the file is damaged", name, t.Shape, fmt.Sprint(dims), key)
		}
		t.Shape = shape
		f.tensors[name] = t
	}
	return nil
}
