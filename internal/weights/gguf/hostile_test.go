package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// text, u32 and u64 are pieces of a file.
func text(s string) []byte { return TextValue(s).raw }

func u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func u64(v ...uint64) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// file puts a header together and n bytes of data after it.
func file(version uint32, tensors, entries uint64, n int, pieces ...[]byte) []byte {
	b := append([]byte(magic), u32(version)...)
	b = append(b, u64(tensors, entries)...)
	b = append(b, bytes.Join(pieces, nil)...)
	return append(b, make([]byte, padding(len(b))+n)...)
}

// position is a tensor in a header; dimensions as in the file.
func position(name string, kind Type, begin uint64, dims ...uint64) []byte {
	return bytes.Join([][]byte{text(name), u32(uint32(len(dims))), u64(dims...), u32(uint32(kind)), u64(begin)}, nil)
}

func entry(key string, kind ValueType, b ...[]byte) []byte {
	return bytes.Join([][]byte{text(key), u32(uint32(kind)), bytes.Join(b, nil)}, nil)
}

func nested(n int) []byte {
	b := []byte{}
	for range n {
		b = append(b, bytes.Join([][]byte{u32(uint32(Array)), u64(1)}, nil)...)
	}
	return append(append(b, u32(uint32(Uint8))...), u64(0)...)
}

const most = math.MaxUint64

var long = strings.Repeat("a", 5000)

var hostile = []struct {
	name string
	data []byte
	want string // part of the error
}{
	{"nothing", nil, "does not begin with GGUF"},
	{"another format", []byte("safetensors, not this one"), "does not begin with GGUF"},
	{"a mark alone", []byte(magic), "cut short"},
	{"no version", file(0, 0, 0, 0), "version 0"},
	{"version 1", file(1, 0, 0, 0), "convert it again"},
	{"version 4", file(4, 0, 0, 0), "a newer Kinora"},
	{"big-endian", file(3<<24, 0, 0, 0), "big-endian (version 3,"},
	{"no counts", append([]byte(magic), u32(3)...), "cut short"},
	{"tensors without end", file(3, most, 0, 0), "tensors, at most"},
	{"entries without end", file(3, 0, most, 0), "metadata, at most"},
	{"more tensors than bytes", file(3, 1000, 0, 100), "do not fit into the file"},
	{"more entries than bytes", file(3, 0, 1000, 100), "do not fit into the file"},
	{"a key without end", file(3, 0, 1, 0, u64(most), u32(0)), "the key of entry 0"},
	{"a key that is cut", file(3, 0, 1, 0, u64(100), u32(0, 0)), "cut short"},
	{"an empty key", file(3, 0, 1, 0, entry("", Uint8, []byte{1})), "0 bytes long"},
	{"a long key", file(3, 0, 1, 0, entry(strings.Repeat("a", MaxKey+1), Uint8, []byte{1})), "bytes long"},
	{"a key of no characters", file(3, 0, 1, 0, entry("\xff", Uint8, []byte{1})), "UTF-8"},
	{"a key twice", file(3, 0, 2, 0, entry(long, Uint8, []byte{1}), entry(long, Uint8, []byte{1})), "twice"},
	{"a value of no type", file(3, 0, 1, 8, entry("a", 13)), "type 13, which is unknown"},
	{"a bool of two", file(3, 0, 1, 0, entry("a", Bool, []byte{2})), "neither 0 nor 1"},
	{"a text without end", file(3, 0, 1, 0, entry("a", Text, u64(most))), "cut short"},
	{"an array of no type", file(3, 0, 1, 8, entry("a", Array, u32(99), u64(1))), "type 99, which is unknown"},
	{"an array without end", file(3, 0, 1, 0, entry("a", Array, u32(uint32(Uint8)), u64(most))), "elements of an array, at most"},
	{"an array longer than the file", file(3, 0, 1, 0, entry("a", Array, u32(uint32(Float64)), u64(1<<30))), "do not fit"},
	{"texts longer than the file", file(3, 0, 1, 0, entry("a", Array, u32(uint32(Text)), u64(2), u64(2), []byte("ab"), u64(99))), "cut short"},
	{"nested arrays", file(3, 0, 1, 0, entry("a", Array, nested(MaxNesting+1))), "nested more than"},
	{"deep arrays", file(3, 0, 1, 0, entry("a", Array, nested(100000))), "nested more than"},
	{"no alignment", file(3, 0, 1, 0, entry(alignmentKey, Uint32, u32(0))), "power of two"},
	{"an odd alignment", file(3, 0, 1, 0, entry(alignmentKey, Uint32, u32(24))), "power of two"},
	{"a wide alignment", file(3, 0, 1, 0, entry(alignmentKey, Uint32, u32(1<<31))), "power of two"},
	{"a text for an alignment", file(3, 0, 1, 0, entry(alignmentKey, Text, text("32"))), "not a whole number"},
	{"an empty name", file(3, 1, 0, 4, position("", F32, 0, 1)), "0 bytes long"},
	{"a long name", file(3, 1, 0, 4, position(strings.Repeat("a", MaxName+1), F32, 0, 1)), "bytes long"},
	{"a name twice", file(3, 2, 0, 64, position(long[:4000], F32, 0, 1), position(long[:4000], F32, 32, 1)), "occurs twice"},
	{"many dimensions", file(3, 1, 0, 4, position("a", F32, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)), "at most 8"},
	{"dimensions without end", file(3, 1, 0, 4, text("a"), u32(math.MaxUint32)), "dimensions, at most"},
	{"a negative size", file(3, 1, 0, 4, position("a", F32, 0, most)), "too large"},
	{"an overflow", file(3, 1, 0, 4, position("a", F32, 0, 1<<62, 4)), "too large"},
	{"an overflow of rows", file(3, 1, 0, 4, position("a", F32, 0, 1, 1<<62, 4)), "too large"},
	{"an overflow of numbers", file(3, 1, 0, 4, position("a", Q4_0, 0, 1<<62, 2)), "too large"},
	{"an unknown type", file(3, 1, 0, 4, position("a", 99, 0, 1)), `tensor "a": its type, number 99, is unknown`},
	{"a type that is gone", file(3, 1, 0, 4, position("a", 4, 0, 32)), "number 4"},
	{"part of a block", file(3, 1, 0, 400, position("a", Q4_K, 0, 128, 2)), "whole blocks of 256"},
	{"past the end", file(3, 1, 0, 63, position("a", F32, 0, 16)), "ends behind the file's 63"},
	{"far past the end", file(3, 1, 0, 63, position("a", F32, 1<<62, 16)), "ends behind"},
	{"an offset that is no number", file(3, 1, 0, 63, position("a", F32, most, 16)), "cut short"},
	{"an offset that is not aligned", file(3, 1, 0, 64, position("a", F32, 8, 1)), "no multiple of 32"},
	{"an overlap", file(3, 2, 0, 128, position("a", F32, 0, 16), position("b", F32, 32, 4)), `inside "a"`},
	{"the same place", file(3, 2, 0, 128, position("a", F32, 32, 1), position("b", F32, 32, 1)), "inside"},
	{"a header that is cut", file(3, 1, 0, 0, position("a", F32, 0, 1))[:24+12], "do not fit"},
	{"another's shape", file(3, 1, 1, 64, entry(shapeKey+"a", Array, u32(uint32(Int32)), u64(2), u32(3, 5)), position("a", F32, 0, 16)), "cannot have the shape [3 5]"},
	{"a shape below nothing", file(3, 1, 1, 64, entry(shapeKey+"a", Array, u32(uint32(Int32)), u64(2), u32(math.MaxUint32, 16)), position("a", F32, 0, 16)), "cannot have the shape"},
	{"a text for a shape", file(3, 1, 1, 64, entry(shapeKey+"a", Text, text("4x4")), position("a", F32, 0, 16)), "not an array of whole numbers"},
}

func TestHostileFiles(t *testing.T) {
	for _, c := range hostile {
		f, err := Parse(c.data)
		if err == nil {
			t.Errorf("%s: accepted with %v", c.name, f.Names())
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %q, want something of %q", c.name, err, c.want)
		} else if len(err.Error()) > 400 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
}

// TestCutAnywhere: a file that is cut at any byte is refused.
func TestCutAnywhere(t *testing.T) {
	b := encode(t, sample(t), sampleMetadata())
	last := len(b)
	for last > 0 && b[last-1] == 0 { // the padding after the last tensor may be missing
		last--
	}
	for n := range last {
		if _, err := Parse(b[:n:n]); err == nil {
			t.Fatalf("%d bytes of %d are accepted", n, len(b))
		}
	}
	if _, err := Parse(b[:last:last]); err != nil {
		t.Errorf("without the last padding: %v", err)
	}
}

// TestOtherWriters: version 2, another alignment, gaps, tensors in any order.
func TestOtherWriters(t *testing.T) {
	b := bytes.Join([][]byte{
		[]byte(magic), u32(2), u64(2, 1), entry(alignmentKey, Uint32, u32(8)),
		position("b", F32, 16, 1), position("a", F32, 0, 2),
	}, nil)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	for _, x := range []float32{1, 2, 9, 9, 3} {
		b = append(b, u32(math.Float32bits(x))...)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float32{"b": 3, "a": 1} {
		s, shape, err := f.Stored(name)
		if err != nil || tensor.InPlace(s, shape...).Values()[0] != want || f.Version() != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.gguf")
	if err := os.WriteFile(bad, hostile[10].data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "missing"), dir} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := numbers("a", []float32{1}, 1)
	for name, ts := range map[string][]Tensor{
		"a name twice":     {one, one},
		"no name":          {numbers("", []float32{1}, 1)},
		"no characters":    {numbers("\xff", []float32{1}, 1)},
		"too few bytes":    {numbers("a", []float32{1}, 2)},
		"too many bytes":   {numbers("a", []float32{1, 2}, 1)},
		"a negative size":  {numbers("a", []float32{1}, -1, -1)},
		"a part of blocks": {raw("a", Q8_0, make([]byte, 34), 16, 2)},
		"an unknown type":  {raw("a", 99, []byte{1}, 1)},
		"many dimensions":  {numbers("a", []float32{1}, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
	} {
		if err := Write(&bytes.Buffer{}, ts, nil); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	for name, list := range map[string][]Entry{
		"a key twice":   {{"a", Uint32Value(1)}, {"a", Uint32Value(1)}},
		"no key":        {{"", Uint32Value(1)}},
		"the alignment": {{alignmentKey, Uint32Value(8)}},
	} {
		if err := Write(&bytes.Buffer{}, nil, list); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteReportsAFullDisk(t *testing.T) {
	n := len(encode(t, sample(t), nil))
	for _, left := range []int{0, 100, n / 2, n - 1} {
		if err := Write(&full{left}, sample(t), nil); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", left, err)
		}
	}
}

// TestWriteFileKeepsTheOldFile: what fails in the middle changes nothing.
func TestWriteFileKeepsTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.gguf")
	if err := WriteFile(path, sample(t), nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := numbers("b", []float32{1}, 1)
	bad.Data = func(io.Writer) error { return errFull }
	if err := WriteFile(path, append(sample(t), bad), nil); !errors.Is(err, errFull) || !strings.Contains(err.Error(), path) {
		t.Errorf("a tensor that fails: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file is gone (%v)", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
}

// FuzzParse reads everything of a file that is accepted, and writes it again.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample(f), sampleMetadata()))
	f.Add(encode(f, nil, nil))
	f.Add(encode(f, []Tensor{zeros(f, "conv", Q4_K, 4, 256)}, []Entry{ShapeEntry("conv", []int{16, 4, 4, 4})}))
	if b, err := os.ReadFile(filepath.Join("testdata", "python.gguf")); err == nil {
		f.Add(b)
	}
	for _, c := range hostile {
		if len(c.data) < 10000 {
			f.Add(c.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Parse(data)
		if err != nil {
			return
		}
		var entries []Entry
		for _, key := range w.Keys() {
			v, ok := w.Value(key)
			if !ok {
				t.Fatalf("key %q has no value", key)
			}
			_, _ = w.Text(key)
			_, _ = w.Texts(key)
			_, _ = w.Bool(key)
			_, _ = w.Int(key)
			_, _ = w.Ints(key)
			_, _ = w.Float(key)
			_, _ = w.Floats(key)
			if !IsLayout(key) {
				entries = append(entries, Entry{key, v})
			}
		}
		var tensors []Tensor
		total := 0
		for _, name := range w.Names() {
			info, _ := w.Info(name)
			b, err := w.Bytes(name)
			if err != nil || len(b) != info.Bytes {
				t.Fatalf("%q has %d bytes, the header says %d (%v)", name, len(b), info.Bytes, err)
			}
			if total += len(b); total > len(data) {
				t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
			}
			if s, shape, err := w.Stored(name); err == nil {
				x := tensor.InPlace(s, shape...)
				if values := x.Values(); len(values) != x.Len() {
					t.Fatalf("%q has %d values of %d", name, len(values), x.Len())
				}
				s.Finite()
			}
			if _, err := size(info.Type, info.Shape); err == nil { // not so if its shape was restored
				tensors = append(tensors, raw(name, info.Type, b, info.Shape...))
			}
		}
		again, err := Parse(encode(t, tensors, entries))
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		for _, x := range tensors {
			was, _ := w.Bytes(x.Name)
			if b, err := again.Bytes(x.Name); err != nil || !bytes.Equal(b, was) {
				t.Fatalf("%q changed on the way (%v)", x.Name, err)
			}
		}
	})
}
