package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// raw is a tensor of given bytes.
func raw(name string, t Type, b []byte, shape ...int) Tensor {
	return Tensor{Name: name, Type: t, Shape: shape, Data: func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}}
}

// numbers is a tensor of type F32.
func numbers(name string, x []float32, shape ...int) Tensor {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return raw(name, F32, b, shape...)
}

// zeros is a tensor of type t whose bytes are zero but for its last.
func zeros(t testing.TB, name string, kind Type, shape ...int) Tensor {
	t.Helper()
	n, err := size(kind, shape)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if n > 0 {
		b[n-1] = 1
	}
	return raw(name, kind, b, shape...)
}

func sample(t testing.TB) []Tensor {
	ts := []Tensor{
		numbers("block.w", []float32{0, 1, -2.5, 65504, 1e-8, 4}, 2, 3),
		raw("half", F16, []byte{0, 0x3c, 0, 0xc1}, 2),
		raw("wide", BF16, []byte{0x80, 0x3f}, 1),
		numbers("scalar", []float32{7}),
		numbers("empty", nil, 3, 0),
		raw("indices", 26, []byte{1, 0, 0, 0}, 1),
		zeros(t, "newer", 23, 2, 256),
	}
	for _, s := range stored {
		if n := layouts[s.t].numbers; n > 1 {
			ts = append(ts, zeros(t, "q."+s.t.String(), s.t, 3, 2*n))
		}
	}
	return ts
}

func sampleMetadata() []Entry {
	array := func(elem ValueType, n int, b ...byte) Value { return Value{Type: Array, Elem: elem, Len: n, raw: b} }
	var list []Entry
	for i, v := range []Value{
		TextValue("a \"red\" ball\n球"), Uint32Value(12),
		{Type: Bool, raw: []byte{1}},
		{Type: Int8, raw: []byte{0xfe}},
		{Type: Int64, raw: bytes.Repeat([]byte{0xff}, 8)},
		{Type: Uint64, raw: bytes.Repeat([]byte{0xff}, 8)},
		{Type: Float32, raw: []byte{0, 0, 0x20, 0xc0}},
		{Type: Float64, raw: binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e-300))},
		array(Text, 2, append(TextValue("\xff").raw, TextValue("b").raw...)...), array(Uint8, 3, 1, 2, 255), array(Int16, 2, 0xff, 0xff, 1, 0),
		array(Float32, 1, 0, 0, 0x20, 0xc0), array(Array, 1, append([]byte{byte(Bool), 0, 0, 0}, append(binary.LittleEndian.AppendUint64(nil, 2), 0, 1)...)...),
		array(Text, 0),
		{Type: Int32, raw: []byte{0xff, 0xff, 0xff, 0xff}},
		{Type: Uint8, raw: []byte{200}},
		{Type: Uint16, raw: []byte{1, 2}},
		{Type: Int16, raw: []byte{0xfe, 0xff}},
	} {
		list = append(list, Entry{fmt.Sprintf("key.%d", i), v})
	}
	return list
}

func encode(t testing.TB, tensors []Tensor, metadata []Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRoundTrip writes tensors of every type and reads them in place.
func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.gguf")
	ts := sample(t)
	if err := WriteFile(path, ts, sampleMetadata()); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version() != 3 || len(f.Names()) != len(ts) || len(f.Keys()) != len(sampleMetadata()) {
		t.Errorf("version %d, %d tensors, %d keys", f.Version(), len(f.Names()), len(f.Keys()))
	}
	if !slices.IsSorted(f.Names()) {
		t.Errorf("the names are not sorted: %q", f.Names())
	}
	for _, want := range ts {
		var b bytes.Buffer
		_ = want.Data(&b)
		got, err := f.Bytes(want.Name)
		info, _ := f.Info(want.Name)
		if err != nil || !bytes.Equal(got, b.Bytes()) || info.Type != want.Type || !slices.Equal(info.Shape, want.Shape) || info.Bytes != b.Len() || !slices.Contains(f.Names(), want.Name) {
			t.Errorf("%s is %+v, bytes % x (%v)", want.Name, info, got, err)
		}
		s, shape, err := f.Stored(want.Name)
		if d, ok := want.Type.DType(); !ok {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is of type %v,", want.Name, want.Type)) {
				t.Errorf("%s: %v", want.Name, err)
			}
		} else if kind, _ := TypeOf(d); err != nil || s.DType != d || kind != want.Type || !slices.Equal(shape, want.Shape) {
			t.Errorf("%s is stored as %v %v (%v)", want.Name, s.DType, shape, err)
		}
	}
	for name, want := range map[string][]float32{"block.w": {0, 1, -2.5, 65504, 1e-8, 4}, "half": {1, -2.5}, "wide": {1}, "scalar": {7}, "empty": {}} {
		s, shape, _ := f.Stored(name)
		got := tensor.InPlace(s, shape...).Values()
		if !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if _, _, err := f.Stored("none"); !errors.Is(err, tensor.ErrNotStored) {
		t.Errorf("a tensor that is not there: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Bytes("half"); err == nil {
		t.Error("a tensor is read after Close")
	}
	if _, err := f.Text("key.0"); err == nil || !strings.Contains(err.Error(), "after Close") {
		t.Errorf("metadata are read after Close: %v", err)
	}
}

// TestLayouts: the sizes of blocks are those that the kernels know.
func TestLayouts(t *testing.T) {
	for _, s := range stored {
		n, b := s.d.Block()
		if l := layouts[s.t]; l.numbers != n || l.bytes != b || !strings.EqualFold(l.name, s.d.String()) {
			t.Errorf("%v: %+v, but %v has %d numbers in %d bytes", s.t, l, s.d, n, b)
		}
	}
}

// TestMetadata reads each type of value by each method.
func TestMetadata(t *testing.T) {
	f, err := Parse(encode(t, nil, sampleMetadata()))
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string]func(key string) (any, error){
		"text":   func(k string) (any, error) { return f.Text(k) },
		"texts":  func(k string) (any, error) { return f.Texts(k) },
		"bool":   func(k string) (any, error) { return f.Bool(k) },
		"int":    func(k string) (any, error) { return f.Int(k) },
		"ints":   func(k string) (any, error) { return f.Ints(k) },
		"float":  func(k string) (any, error) { return f.Float(k) },
		"floats": func(k string) (any, error) { return f.Floats(k) },
	}
	want := []string{
		"text a \"red\" ball\n球", "float 12; int 12", "bool true", "float -2; int -2",
		"float -1; int -1", "float 1.8446744073709552e+19", "float -2.5", "float 1e-300",
		"texts [\xff b]", "floats [1 2 255]; ints [1 2 255]", "floats [-1 1]; ints [-1 1]",
		"floats [-2.5]", "", "texts []", "float -1; int -1", "float 200; int 200", "float 513; int 513", "float -2; int -2",
	}
	for i, w := range want {
		key := fmt.Sprintf("key.%d", i)
		var got []string
		for name, read := range methods {
			v, err := read(key)
			if err == nil {
				got = append(got, fmt.Sprintf("%s %v", name, v))
			} else if errors.Is(err, ErrNoEntry) || !strings.Contains(err.Error(), "is of type") || !strings.Contains(err.Error(), key) {
				t.Errorf("%s as %s: %v", key, name, err)
			}
		}
		slices.Sort(got)
		if strings.Join(got, "; ") != w {
			t.Errorf("%s is %q, want %q", key, strings.Join(got, "; "), w)
		}
	}
	if _, err := f.Int("none"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("a key that is not there: %v", err)
	}
	if v, ok := f.Value("key.9"); !ok || v.Type != Array || v.Elem != Uint8 || v.Len != 3 {
		t.Errorf("key.9 is %+v", v)
	}
}

// TestPython reads a file that the Python package gguf wrote, with metadata of
// every type, and writes the same bytes again.
func TestPython(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "python.gguf"))
	if err != nil {
		t.Fatalf("%v: run python3 tools/reference/quant.py file --out internal/weights/gguf/testdata/python.gguf", err)
	}
	f, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"general.architecture": "wan", "text": "a \"red\" ball\n球", "texts": "[ b 球]", "numbers": "[1 -2 3]", "reals": "[0.5 -0.25]", "yes": "true",
		"n.u8": "200", "n.i8": "-2", "n.u16": "513", "n.i16": "-2", "n.u32": "4000000000", "n.i32": "-1", "n.u64": "1.8446744073709552e+19", "n.i64": "-9223372036854775808",
		"x.f32": "-2.5", "x.f64": "1e-300",
	} {
		var got any
		for _, read := range []func() (any, error){
			func() (any, error) { return f.Text(key) }, func() (any, error) { return f.Texts(key) }, func() (any, error) { return f.Bool(key) },
			func() (any, error) { return f.Int(key) }, func() (any, error) { return f.Ints(key) },
			func() (any, error) { return f.Float(key) }, func() (any, error) { return f.Floats(key) },
		} {
			if got, err = read(); err == nil {
				break
			}
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s is %v (%v), want %s", key, got, err, want)
		}
	}
	flags, ok := f.Value("flags")
	if !ok || flags.Elem != Bool || !bytes.Equal(flags.raw, []byte{1, 0}) {
		t.Errorf("flags are %+v", flags)
	}
	for name, want := range map[string][]int{"plain": {3, 64}, "half": {64}, "cut": {8, 2, 4, 4}, "five": {3, 1, 4, 4, 4}, "Q5_1": {3, 64}} {
		if info, _ := f.Info(name); !slices.Equal(info.Shape, want) {
			t.Errorf("%s has shape %v, want %v", name, info.Shape, want)
		}
	}
	var entries []Entry
	for _, key := range f.Keys() {
		v, _ := f.Value(key)
		entries = append(entries, Entry{key, v})
	}
	names := f.Names()
	slices.SortFunc(names, func(a, b string) int { return f.tensors[a].begin - f.tensors[b].begin })
	var tensors []Tensor
	for _, name := range names {
		b, _ := f.Bytes(name)
		info, _ := f.Info(name)
		if name == "cut" { // the shape that it is written with
			info.Shape = []int{4, 64}
		}
		tensors = append(tensors, raw(name, info.Type, b, info.Shape...))
	}
	if got := encode(t, tensors, entries); !bytes.Equal(got, want) {
		t.Errorf("%d bytes are written, and differ from the %d that were read", len(got), len(want))
	}
}

// TestOwnShapes: a tensor that was cut into other rows has its own shape.
func TestOwnShapes(t *testing.T) {
	f, err := Parse(encode(t, []Tensor{zeros(t, "conv", Q4_K, 4, 256)}, []Entry{ShapeEntry("conv", []int{16, 4, 4, 4}), ShapeEntry("other", []int{1})}))
	if err != nil {
		t.Fatal(err)
	}
	s, shape, err := f.Stored("conv")
	if err != nil || !slices.Equal(shape, []int{16, 4, 4, 4}) || tensor.InPlace(s, shape...).Len() != 1024 {
		t.Errorf("shape %v (%v)", shape, err)
	}
}

// TestStoredOutlivesItsFile: only the tensor still refers to the file.
func TestStoredOutlivesItsFile(t *testing.T) {
	x := make([]float32, 1<<16)
	for i := range x {
		x[i] = float32(i)
	}
	path := filepath.Join(t.TempDir(), "w.gguf")
	if err := WriteFile(path, []Tensor{numbers("x", x, 256, 256)}, nil); err != nil {
		t.Fatal(err)
	}
	w := func() *tensor.Tensor {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		s, shape, err := f.Stored("x")
		if err != nil {
			t.Fatal(err)
		}
		return tensor.InPlace(s, shape...)
	}()
	for range 3 {
		runtime.GC()
		w.Stored().Source.Prefetch(w.Stored().Bytes)
		if got := w.Values(); !slices.Equal(got, x) {
			t.Fatal("the tensor has other values")
		}
		w.Stored().Source.Release(w.Stored().Bytes)
	}
}

// TestShrunkFile: a file that shrinks while it is in use gives an error, however
// it is used, and no crash.
func TestShrunkFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the file is not mapped")
	}
	long := Value{Type: Array, Elem: Uint8, Len: 1 << 16, raw: make([]byte, 1<<16)}
	path := filepath.Join(t.TempDir(), "w.gguf")
	if err := WriteFile(path, []Tensor{zeros(t, "x", Q4_K, 1024, 512)}, []Entry{{"long", long}}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, shape, err := f.Stored("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Ints("long"); err == nil || !strings.Contains(err.Error(), "changed while it was open") {
		t.Errorf("metadata: %v", err)
	}
	cpu := tensor.NewCPU(tensor.BF16)
	for name, use := range map[string]func(w *tensor.Tensor){
		"values":  func(w *tensor.Tensor) { w.Values() },
		"finite":  func(w *tensor.Tensor) { w.Stored().Finite() },
		"product": func(w *tensor.Tensor) { cpu.Linear(cpu.Upload(make([]float32, 512), 1, 512), w, nil, tensor.None) },
		"table":   func(w *tensor.Tensor) { cpu.Embed(w, []int32{200}) },
	} {
		w := tensor.InPlace(s, shape...)
		w.Fix()
		err := func() (err error) {
			defer tensor.CatchFault(&err)
			use(w)
			return nil
		}()
		if err == nil || !strings.Contains(err.Error(), "file changed while it was open") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
