package safetensors

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// onDisk writes tensors to a file and opens it.
func onDisk(t *testing.T, ts ...Tensor) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := WriteFile(path, ts, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

// TestStored describes a tensor of each type in place.
func TestStored(t *testing.T) {
	x := []float32{1, -2, 0.5, 4, 8, -0.25}
	f, _ := onDisk(t,
		FromFloat32("f32", F32, x, 2, 3), FromFloat32("bf16", BF16, x, 2, 3), FromFloat32("f16", F16, x, 2, 3),
		FromInt8("i8", []int8{1, 2, 3, -4, 5, 6}, 2, 3), FromFloat32("i8.scale", F32, []float32{0.5, 2}, 2),
		FromInt8("odd", []int8{1, 2, 3}, 3), FromFloat32("odd.scale", F32, []float32{1, 2}, 2),
		FromInt8("bare", []int8{1}, 1), Tensor{Name: "f64", DType: F64, Shape: []int{1}, Data: make([]byte, 8)},
	)
	defer f.Close()
	want := map[string][]float32{"f32": x, "bf16": x, "f16": x, "i8": {0.5, 1, 1.5, -8, 10, 12}}
	for name, w := range want {
		s, shape, err := f.Stored(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := tensor.InPlace(s, shape...).Values(); !slices.Equal(got, w) || !slices.Equal(shape, []int{2, 3}) {
			t.Errorf("%s is %v of shape %v", name, got, shape)
		}
	}
	for name, says := range map[string]string{"odd": "do not divide", "bare": "bare.scale", "f64": "F64", "none": "no tensor"} {
		if _, _, err := f.Stored(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, says)
		}
	}
	if _, _, err := f.Stored("none"); !errors.Is(err, tensor.ErrNotStored) {
		t.Errorf("a tensor that is not there: %v", err)
	}
}

// TestStoredOutlivesItsFile: only the tensor still refers to the file, whose memory must stay mapped, whatever
// advice was given.
func TestStoredOutlivesItsFile(t *testing.T) {
	x := make([]float32, 1<<16)
	for i := range x {
		x[i] = float32(i)
	}
	w := func() *tensor.Tensor { // which alone refers to the file's bytes
		f, _ := onDisk(t, FromFloat32("x", F32, x, 256, 256))
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

// TestShrunkFile: weights whose file shrinks while they are in use give an error, however they are used, and no
// crash.
func TestShrunkFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the file is not mapped")
	}
	f, path := onDisk(t, FromFloat32("x", BF16, make([]float32, 1<<17), 256, 512))
	defer f.Close()
	s, shape, err := f.Stored("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
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

// TestShards finds tensors in whichever file has them.
func TestShards(t *testing.T) {
	_, a := onDisk(t, FromFloat32("x", F32, []float32{1}, 1), FromFloat32("y", F32, []float32{2}, 1))
	_, b := onDisk(t, FromFloat32("z", BF16, []float32{3}, 1))
	s, err := OpenShards(a, b)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]float32{"x": 1, "y": 2, "z": 3} {
		st, shape, err := s.Stored(name)
		if err != nil || tensor.InPlace(st, shape...).Values()[0] != want {
			t.Errorf("%s: %v, want %g", name, err, want)
		}
	}
	if _, _, err := s.Stored("w"); !errors.Is(err, tensor.ErrNotStored) {
		t.Errorf("a tensor that no file has: %v", err)
	}
	if _, err := OpenShards(a, b, a); err == nil || !strings.Contains(err.Error(), `both hold tensor "x"`) {
		t.Errorf("a tensor twice: %v", err)
	}
	if _, err := OpenShards(a, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestFromValues checks that FromValues writes the same bytes as FromFloat32, and holds one tensor at a time.
func TestFromValues(t *testing.T) {
	x, asked := []float32{1, -2, 0.5}, 0
	late := func(dst []float32) {
		asked++
		copy(dst, x)
	}
	short := func(w io.Writer) error {
		_, err := w.Write([]byte{1, 2})
		return err
	}
	if err := Write(io.Discard, []Tensor{FromStream("s", I8, short, 3)}, nil); err == nil || !strings.Contains(err.Error(), "2 bytes came") {
		t.Errorf("a stream that is too short: %v", err)
	}
	var now, then bytes.Buffer
	if err := Write(&now, []Tensor{FromFloat32("a", BF16, x, 3), FromFloat32("b", F32, x, 3)}, nil); err != nil {
		t.Fatal(err)
	}
	ts := []Tensor{FromValues("a", BF16, late, 3), FromValues("b", F32, late, 3)}
	if asked != 0 {
		t.Error("values are asked for before they are written")
	}
	if err := Write(&then, ts, nil); err != nil || !bytes.Equal(now.Bytes(), then.Bytes()) || asked != 2 {
		t.Errorf("written late: error %v, the same bytes %v, asked %d times", err, bytes.Equal(now.Bytes(), then.Bytes()), asked)
	}
}
