package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func sample() []Tensor {
	x := []float32{0, 1, -2.5, 65504, 1e-8, float32(math.Inf(1))}
	return []Tensor{
		FromFloat32("block.w", F32, x, 2, 3),
		FromFloat32("block.b", BF16, x, 6),
		FromFloat32("half", F16, x[:5], 5, 1),
		FromInt8("q", []int8{-127, 0, 127}, 3),
		FromFloat32("scalar", F32, x[1:2]),
		FromFloat32("empty", F32, nil, 3, 0),
	}
}

func encode(t testing.TB, tensors []Tensor, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	meta := map[string]string{"step": "12", "prompt": "a \"red\" ball\n球"}
	if err := WriteFile(path, sample(), meta); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(f.Names()); got != "[block.b block.w empty half q scalar]" {
		t.Errorf("names are %s", got)
	}
	if f.Metadata()["prompt"] != meta["prompt"] || f.Metadata()["step"] != "12" {
		t.Errorf("metadata is %q", f.Metadata())
	}
	inf := float32(math.Inf(1))
	for name, want := range map[string][]float32{
		"block.w": {0, 1, -2.5, 65504, 1e-8, inf},
		"block.b": {0, 1, -2.5, 65536, 1.0011717677116394e-08, inf},
		"half":    {0, 1, -2.5, 65504, 0},
		"scalar":  {1},
		"empty":   {},
	} {
		got, shape, err := f.Float32(name)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v (%v), want %v", name, got, err, want)
		}
		if info, ok := f.Info(name); !ok || !slices.Equal(info.Shape, shape) {
			t.Errorf("%s has shape %v in the header and %v when read", name, info.Shape, shape)
		}
	}
	if q, shape, err := f.Int8("q"); err != nil || !slices.Equal(q, []int8{-127, 0, 127}) || !slices.Equal(shape, []int{3}) {
		t.Errorf("q is %v %v (%v)", q, shape, err)
	}
	if _, _, err := f.Float32("q"); err == nil || !strings.Contains(err.Error(), "I8") {
		t.Errorf("int8 read as float32: %v", err)
	}
	if _, _, err := f.Float32("model.half"); err == nil || !strings.Contains(err.Error(), `"half"`) {
		t.Errorf("a missing tensor: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Bytes("q"); err == nil {
		t.Error("read after Close")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
}

func TestBytesDependOnContentsAlone(t *testing.T) {
	a := sample()
	want := encode(t, a, nil)
	slices.Reverse(a)
	if !bytes.Equal(encode(t, a, nil), want) {
		t.Error("another order gives other bytes")
	}
	if n := binary.LittleEndian.Uint64(want); (8+n)%64 != 0 {
		t.Errorf("the data begins at byte %d", 8+n)
	}
}

// file puts a header before n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

var long = strings.Repeat("a", 5000)

var hostile = []struct {
	name string
	data []byte
	want string // part of the error
}{
	{"nothing", nil, "at least 8"},
	{"a length alone", []byte{1, 0, 0, 0, 0, 0, 0, 0}, "cut short"},
	{"an endless header", bytes.Repeat([]byte{0xff}, 40), "not safetensors"},
	{"a long header", append(binary.LittleEndian.AppendUint64(nil, MaxHeader+1), '{'), "at most"},
	{"no header", file("", 0), "not a JSON object"},
	{"an array", file("[]", 0), "not a JSON object"},
	{"a space first", file(" {}", 0), "not a JSON object"},
	{"broken JSON", file(`{"a":`, 0), "header"},
	{"no UTF-8", file("{\"\xff\":1}", 0), "UTF-8"},
	{"more JSON", file(`{}{}`, 0), "follows"},
	{"data without tensors", file(`{}`, 1), "follow the last tensor"},
	{"a number for a tensor", file(`{"a":1}`, 0), `"a"`},
	{"deep JSON", file(`{"a":`+strings.Repeat("[", 100000)+`}`, 0), `"a"`},
	{"deep shape", file(`{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}`, 4), `"a"`},
	{"a missing field", file(`{"a":{"dtype":"F32","shape":[1]}}`, 4), "missing"},
	{"a field twice", file(`{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "twice"},
	{"an unknown field", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4), "none of"},
	{"an unknown type", file(`{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}`, 4), "newer"},
	{"a negative size", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "whole number"},
	{"a broken size", file(`{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}`, 4), "whole number"},
	{"a huge number", file(`{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}`, 4), "whole number"},
	{"an overflow", file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), "does not fill"},
	{"another size", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "does not fill"},
	{"offsets backwards", file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}}`, 1), "data_offsets"},
	{"three offsets", file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1,2]}}`, 1), "more than 2"},
	{"past the end", file(`{"a":{"dtype":"I8","shape":[9],"data_offsets":[0,9]}}`, 8), "cut short"},
	{"a gap", file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}`, 2), "no tensor holds"},
	{"an overlap", file(`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}`, 3), "inside another"},
	{"a name twice", file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}`, 2), "twice"},
	{"many dimensions", file(`{"a":{"dtype":"I8","shape":[`+strings.Repeat("1,", MaxRank)+`1],"data_offsets":[0,1]}}`, 1), "more than"},
	{"a long name", file(`{"`+strings.Repeat("a", MaxName+1)+`":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), "name"},
	{"a long field", file(`{"a":{"`+long+`":1}}`, 0), "none of"},
	{"a long name twice", file(`{"__metadata__":{"`+long+`":"","`+long+`":""}}`, 0), "twice"},
	{"a long type", file(`{"a":{"dtype":"`+long+`","shape":[1],"data_offsets":[0,4]}}`, 4), "newer"},
	{"a text for a size", file(`{"a":{"dtype":"I8","shape":["`+long+`"],"data_offsets":[0,4]}}`, 4), "not a number"},
	{"a number for a type", file(`{"a":{"dtype":1`+strings.Repeat("0", 5000)+`}}`, 0), "a text should be"},
	{"metadata that is no text", file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
}

func TestHostileFiles(t *testing.T) {
	for _, c := range hostile {
		f, err := Parse(c.data)
		if err == nil {
			t.Errorf("%s: accepted with %v", c.name, f.Names())
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %q, want something of %q", c.name, err, c.want)
		} else if len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
}

// Other writers pad less carefully: tensors at odd offsets, in any order, spaces after the header.
func TestUnalignedTensors(t *testing.T) {
	b := file(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"z":{"dtype":"I8","shape":[0],"data_offsets":[1,1]},`+
		`"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}  `, 1)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(3))
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if x, _, err := f.Float32("b"); err != nil || x[0] != 3 {
		t.Errorf("b is %v (%v)", x, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	one := []byte{1}
	for name, ts := range map[string][]Tensor{
		"twice":    {{Name: "a", DType: I8, Shape: []int{1}, Data: one}, {Name: "a", DType: U8, Shape: []int{1}, Data: one}},
		"metadata": {{Name: metadataKey, DType: I8, Shape: []int{1}, Data: one}},
		"size":     {{Name: "a", DType: F32, Shape: []int{1}, Data: one}},
		"negative": {{Name: "a", DType: I8, Shape: []int{-1, -1}, Data: one}},
		"type":     {{Name: "a", DType: "F4", Shape: []int{1}, Data: one}},
		"text":     {{Name: "\xff", DType: I8, Shape: []int{1}, Data: one}},
	} {
		if err := Write(&bytes.Buffer{}, ts, nil); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if err := Write(&bytes.Buffer{}, nil, map[string]string{"a": "\xff"}); err == nil {
		t.Error("metadata that is not UTF-8: written")
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
	for _, left := range []int{0, len(encode(t, sample(), nil)) - 1} {
		if err := Write(&full{left}, sample(), nil); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", left, err)
		}
	}
}

func TestWriteFileKeepsTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := WriteFile(path, sample(), nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []Tensor{{Name: "a", DType: F32, Shape: []int{1}}}, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a bad tensor: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file is gone (%v)", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.safetensors")
	if err := os.WriteFile(bad, hostile[10].data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "missing"), dir} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFileThatShrinks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a system that maps files and faults past their end")
	}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := WriteFile(path, []Tensor{FromFloat32("big", F32, make([]float32, 1<<16), 1<<16)}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Float32("big"); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file cut short while open: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample(), map[string]string{"a": "b"}))
	f.Add(encode(f, nil, nil))
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
		var tensors []Tensor
		total := 0
		for _, name := range w.Names() {
			info, _ := w.Info(name)
			b, err := w.Bytes(name)
			if err != nil || len(b) != info.Bytes {
				t.Fatalf("%q has %d bytes, the header says %d (%v)", name, len(b), info.Bytes, err)
			}
			total += len(b)
			_, _, _ = w.Float32(name)
			tensors = append(tensors, Tensor{Name: name, DType: info.DType, Shape: info.Shape, Data: b})
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
		}
		again, err := Parse(encode(t, tensors, w.Metadata()))
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		for _, x := range tensors {
			if b, err := again.Bytes(x.Name); err != nil || !bytes.Equal(b, x.Data) {
				t.Fatalf("%q changed on the way (%v)", x.Name, err)
			}
		}
	})
}
