package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

func normal(n int) []float32 {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64()) / 16
	}
	return x
}

// The shapes of large matrices: one of several pieces, one of several chunks for
// its rows, filters that end in a long axis.
var large = map[string][]int{"a.weight": {300, 256}, "b.weight": {300, 4096}, "c.filters": {256, 3, 96}}

// part writes a folder as a part of a model has it: two shards and metadata.
func part(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	of := func(d safetensors.DType, name string, shape ...int) safetensors.Tensor {
		return safetensors.FromFloat32(name, d, normal(tensor.Elems(shape)), shape...)
	}
	write := func(name string, meta map[string]string, ts ...safetensors.Tensor) {
		if err := safetensors.WriteFile(filepath.Join(dir, name), ts, meta); err != nil {
			t.Fatal(err)
		}
	}
	write("model-1.safetensors", map[string]string{"config": "{}", "format": "pt"},
		of(safetensors.BF16, "a.weight", large["a.weight"]...), of(safetensors.F32, "a.bias", 300),
		of(safetensors.F16, "small.weight", 64, 64), of(safetensors.BF16, "odd.weight", 4096, 33), of(safetensors.F32, "long.norm", 70000))
	write("model-2.safetensors", nil,
		of(safetensors.F32, "b.weight", large["b.weight"]...), of(safetensors.F16, "c.filters", large["c.filters"]...),
		of(safetensors.BF16, "kernel.weight", 256, 128, 3), of(safetensors.F32, "scalar"))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, path string) *Source {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run converts weights and opens what was written.
func run(t *testing.T, in, to string, keep ...string) (was, is *Source, losses []Loss) {
	t.Helper()
	target, err := TargetOf(to)
	if err != nil {
		t.Fatal(err)
	}
	was = open(t, in)
	plan, err := was.Plan(target, keep...)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out"+target.Extension())
	last, tensors := 0.0, 0
	losses, err = plan.WriteFile(t.Context(), out, func(done float64, written int) {
		if done < last || done > 1 || written < tensors {
			t.Errorf("progress goes from %g, %d to %g, %d", last, tensors, done, written)
		}
		last, tensors = done, written
	})
	if err != nil || last != 1 || len(losses) != plan.Quantised || plan.Quantised+plan.Kept != len(was.tensors) {
		t.Fatalf("%v; %g is done, %d losses of %d matrices, %d kept", err, last, len(losses), plan.Quantised, plan.Kept)
	}
	info, err := os.Stat(out)
	if over := info.Size() - plan.After; err != nil || over < 0 || over > 8192 {
		t.Errorf("%d bytes are written, the plan was %d", info.Size(), plan.After)
	}
	if left, _ := os.ReadDir(filepath.Dir(out)); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
	return was, open(t, out), losses
}

func (s *Source) get(t *testing.T, name string) Tensor {
	t.Helper()
	i := slices.IndexFunc(s.tensors, func(x Tensor) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("%s has no tensor %q", s.path, name)
	}
	return s.tensors[i]
}

// TestQuantise: large matrices are what the quantiser makes of them, all else is
// as it was.
func TestQuantise(t *testing.T) {
	dir := part(t)
	for _, to := range Targets() {
		was, is, losses := run(t, dir, to)
		if len(is.tensors) != len(was.tensors) {
			t.Fatalf("%s: %d tensors, want %d", to, len(is.tensors), len(was.tensors))
		}
		for _, a := range was.tensors {
			b := is.get(t, a.Name)
			if !slices.Equal(a.Shape, b.Shape) {
				t.Errorf("%s: %s has shape %v, want %v", to, a.Name, b.Shape, a.Shape)
			}
			_, quantised := large[a.Name]
			quantised = quantised || to == int8Name && a.Name == "odd.weight"
			if !quantised {
				if a.Stored.DType != b.Stored.DType || !bytes.Equal(a.Stored.Bytes, b.Stored.Bytes) {
					t.Errorf("%s: %s has changed", to, a.Name)
				}
				continue
			}
			x := tensor.InPlace(a.Stored, a.Shape...).Values()
			y := tensor.InPlace(b.Stored, b.Shape...).Values()
			if kind, ok := b.Stored.DType.Quant(); ok {
				want := make([]byte, len(b.Stored.Bytes))
				if quant.Quantize(kind, want, x); kind.String() != to || !bytes.Equal(want, b.Stored.Bytes) {
					t.Errorf("%s: %s is not what the quantiser makes of it", to, a.Name)
				}
			} else {
				checkRows(t, a, b)
			}
			var errors, numbers float64
			for i := range x {
				errors += math.Pow(float64(x[i]-y[i]), 2)
				numbers += math.Pow(float64(x[i]), 2)
			}
			want := math.Sqrt(errors / numbers)
			i := slices.IndexFunc(losses, func(l Loss) bool { return l.Name == a.Name })
			if math.Abs(losses[i].RMS-want) > 1e-6*want || want == 0 {
				t.Errorf("%s: %s lost %g, want %g", to, a.Name, losses[i].RMS, want)
			}
		}
		if !slices.IsSortedFunc(losses, func(a, b Loss) int { return int(math.Copysign(1, b.RMS-a.RMS)) }) {
			t.Errorf("%s: losses %v", to, losses)
		}
		if is.texts["config"] != "{}" || is.texts["format"] != "pt" {
			t.Errorf("%s: metadata %q", to, is.texts)
		}
	}
}

// checkRows checks int8: each row uses its whole range, and rounds to the nearest.
func checkRows(t *testing.T, a, b Tensor) {
	t.Helper()
	row := a.Shape[len(a.Shape)-1]
	x := tensor.InPlace(a.Stored, a.Shape...).Values()
	if len(b.Stored.Scale) != len(x)/row {
		t.Fatalf("%s has %d scales", a.Name, len(b.Stored.Scale))
	}
	for i, scale := range b.Stored.Scale {
		most := 0
		for j := i * row; j < (i+1)*row; j++ {
			q := int8(b.Stored.Bytes[j])
			if math.Abs(float64(x[j]-scale*float32(q))) > 0.5001*float64(scale) {
				t.Fatalf("%s: %g in a row of scale %g is %d", a.Name, x[j], scale, q)
			}
			most = max(most, int(math.Abs(float64(q))))
		}
		if most != 127 {
			t.Fatalf("%s: the largest number of row %d is %d", a.Name, i, most)
		}
	}
}

// TestAgain: what is quantised already can be quantised to another type, is left
// alone where it has the type, and is kept or widened where it is not quantised.
func TestAgain(t *testing.T) {
	q4k, err := os.ReadFile(filepath.Join("..", "..", "kernel", "quant", "testdata", "q4_k.blocks"))
	if err != nil {
		t.Fatal(err)
	}
	q4k = q4k[4*144 : 5*144] // a block of usual factors
	stored := func(name string, kind gguf.Type, shape []int, b []byte) gguf.Tensor {
		return gguf.Tensor{Name: name, Type: kind, Shape: shape, Data: func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		}}
	}
	q8 := make([]byte, 34*256*512/32)
	quant.Quantize(quant.Q8_0, q8, normal(256*512))
	in := filepath.Join(t.TempDir(), "in.gguf")
	if err := gguf.WriteFile(in, []gguf.Tensor{
		stored("k", gguf.Q4_K, []int{256, 512}, bytes.Repeat(q4k, 512)),
		stored("q", gguf.Q8_0, []int{256, 512}, q8),
		stored("cut", gguf.Q4_K, []int{4, 256}, bytes.Repeat(q4k, 4)),
	}, []gguf.Entry{
		{Key: architecture, Value: gguf.TextValue("wan")},
		{Key: fileTypeKey, Value: gguf.Uint32Value(15)},
		{Key: "n", Value: gguf.Uint32Value(7)},
		gguf.ShapeEntry("cut", []int{16, 4, 4, 4}),
	}); err != nil {
		t.Fatal(err)
	}
	was, is, _ := run(t, in, "q8_0")
	want := make([]byte, 34*256*512/32)
	quant.Quantize(quant.Q8_0, want, tensor.InPlace(was.get(t, "k").Stored, 256, 512).Values())
	if !bytes.Equal(is.get(t, "k").Stored.Bytes, want) || !bytes.Equal(is.get(t, "q").Stored.Bytes, q8) {
		t.Error("blocks are not made of the numbers of blocks")
	}
	if cut := is.get(t, "cut"); !slices.Equal(cut.Shape, []int{16, 4, 4, 4}) || cut.Stored.DType != tensor.Q4_K || !bytes.Equal(cut.Stored.Bytes, was.get(t, "cut").Stored.Bytes) {
		t.Errorf("a tensor of other rows is %v %v", cut.Shape, cut.Stored.DType)
	}
	f, err := gguf.Open(is.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kind, _ := f.Int(fileTypeKey)
	n, _ := f.Int("n")
	name, _ := f.Text(architecture)
	if kind != 7 || n != 7 || name != "wan" {
		t.Errorf("metadata: type %d, n %d, architecture %q", kind, n, name)
	}

	// To int8, and from it back to blocks.
	was, is, _ = run(t, in, "int8")
	checkRows(t, was.get(t, "k"), is.get(t, "k"))
	if cut := is.get(t, "cut"); cut.Stored.DType != tensor.F32 || !slices.Equal(tensor.InPlace(cut.Stored, 1024).Values(), tensor.InPlace(was.get(t, "cut").Stored, 1024).Values()) {
		t.Errorf("blocks are kept as %v", cut.Stored.DType)
	}
	was, is, _ = run(t, is.path, "q5_1", "k")
	if k := is.get(t, "k"); k.Stored.DType != tensor.F32 || !slices.Equal(tensor.InPlace(k.Stored, 256, 512).Values(), tensor.InPlace(was.get(t, "k").Stored, 256, 512).Values()) {
		t.Errorf("int8 is kept as %v", k.Stored.DType)
	}
	if q := is.get(t, "q"); q.Stored.DType != tensor.Q5_1 {
		t.Errorf("int8 becomes %v", q.Stored.DType)
	}
	// int8 stays int8.
	mixed := filepath.Join(t.TempDir(), "mixed.safetensors")
	if err := safetensors.WriteFile(mixed, []safetensors.Tensor{
		safetensors.FromInt8("i", []int8{1, -2, 3, 4}, 2, 2), safetensors.FromFloat32("i.scale", safetensors.F32, []float32{2, 3}, 2),
		safetensors.FromFloat32("x", safetensors.F32, normal(1<<16), 256, 256),
	}, nil); err != nil {
		t.Fatal(err)
	}
	was, is, _ = run(t, mixed, "int8")
	if a, b := was.get(t, "i").Stored, is.get(t, "i").Stored; !bytes.Equal(a.Bytes, b.Bytes) || !slices.Equal(a.Scale, b.Scale) {
		t.Error("int8 has changed")
	}
}

// TestKeep keeps what a pattern names.
func TestKeep(t *testing.T) {
	dir := part(t)
	_, is, _ := run(t, dir, "q4_0", "a.*", "*filters")
	if s := open(t, filepath.Dir(is.path)); s.get(t, "b.weight").Stored.DType != tensor.Q4_0 {
		t.Error("the folder of a GGUF file is not that file")
	}
	other, err := os.ReadFile(is.path)
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(is.path), "other.gguf"), other, 0o600)
	}
	if _, e := Open(filepath.Dir(is.path)); err != nil || e == nil || !strings.Contains(e.Error(), "2 .gguf files and 0 .safetensors files") {
		t.Errorf("a folder of two files: %v", e)
	}
	for name, want := range map[string]tensor.DType{"a.weight": tensor.BF16, "b.weight": tensor.Q4_0, "c.filters": tensor.F16} {
		if got := is.get(t, name).Stored.DType; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// TestRefusals: the error says what is wrong, and where.
func TestRefusals(t *testing.T) {
	dir := part(t)
	target, _ := TargetOf("q8_0")
	s := open(t, dir)
	for name, c := range map[string]struct {
		keep []string
		want string
	}{
		"no such name":  {[]string{"a.*", "none.*"}, `no tensor has a name like "none.*"`},
		"no pattern":    {[]string{"a.["}, `the pattern "a.[" cannot be read`},
		"nothing to do": {[]string{"*"}, "nothing is left to quantise"},
	} {
		if _, err := s.Plan(target, c.keep...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := TargetOf("q4_k"); err == nil || !strings.Contains(err.Error(), "q8_0, q4_0, q4_1, q5_0, q5_1, int8") {
		t.Errorf("a type that cannot be made: %v", err)
	}
	file := func(name string, ts ...safetensors.Tensor) string {
		path := filepath.Join(t.TempDir(), name)
		if err := safetensors.WriteFile(path, ts, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipeline := t.TempDir()
	if err := os.WriteFile(filepath.Join(pipeline, pipelineFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	twice := file("a.safetensors", safetensors.FromInt8("a", []int8{1}, 1), safetensors.FromFloat32("a.scale", safetensors.F32, []float32{1}, 1))
	again, _ := os.ReadFile(twice)
	if err := os.WriteFile(filepath.Join(filepath.Dir(twice), "b.safetensors"), again, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):        "none",
		filepath.Join(dir, "config.json"): "config.json",
		t.TempDir():                       "holds no .safetensors or .gguf file",
		pipeline:                          "name one of them, such as " + filepath.Join(pipeline, "transformer"),
		filepath.Dir(twice):               `both hold tensor "a"`,
		file("e.safetensors"):             "holds no tensors",
		file("f.safetensors", safetensors.Tensor{Name: "f", DType: safetensors.F8E4M3, Shape: []int{1}, Data: []byte{1}}): `tensor "f" is F8_E4M3`,
	} {
		if s, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
			s.Close()
		}
	}
}

// TestFailuresLeaveNothing: what fails in the middle names the tensor, leaves no
// file, and leaves an old one as it is.
func TestFailuresLeaveNothing(t *testing.T) {
	bad := normal(1 << 17)
	nan, huge := slices.Clone(bad), slices.Clone(bad)
	nan[1<<17-1] = float32(math.NaN())
	huge[70000] = 1e30
	for name, c := range map[string]struct {
		x    []float32
		to   string
		want string
	}{
		"NaN":        {nan, "q4_1", `"x": it holds a value that is not finite`},
		"NaN, int8":  {nan, "int8", `"x.scale": it holds a value that is not finite`},
		"a large x":  {huge, "q8_0", `"x": its numbers are too large for q8_0`},
		"the end":    {bad, "q5_0", context.Canceled.Error()},
		"a cut file": {bad, "q4_0", "their file changed while it was open"},
	} {
		if name == "a cut file" && runtime.GOOS != "linux" {
			continue
		}
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out")
		if err := safetensors.WriteFile(in, []safetensors.Tensor{safetensors.FromFloat32("x", safetensors.F32, c.x, 256, 512)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		target, _ := TargetOf(c.to)
		s := open(t, in)
		plan, err := s.Plan(target)
		if err != nil {
			t.Fatal(err)
		}
		if name == "a cut file" {
			if err := os.Truncate(in, 4096); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = plan.WriteFile(ctx, out, func(float64, int) {
			if name == "the end" {
				cancel()
			}
		})
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) || name == "the end" != errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		old, err := os.ReadFile(out)
		if left, _ := os.ReadDir(dir); err != nil || string(old) != "old" || len(left) != 2 {
			t.Errorf("%s: the folder holds %v, the old file %q", name, left, old)
		}
	}
}

// TestThreads: the bytes and the losses do not depend on the number of threads.
func TestThreads(t *testing.T) {
	dir := part(t)
	all := func(threads int) (out []byte) {
		defer simd.SetThreads(simd.Threads())
		simd.SetThreads(threads)
		for _, to := range []string{"q5_1", "int8"} {
			_, is, losses := run(t, dir, to)
			b, err := os.ReadFile(is.path)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b...)
			for _, l := range losses {
				out = binary.LittleEndian.AppendUint64(append(out, l.Name...), math.Float64bits(l.RMS))
			}
		}
		return out
	}
	if !bytes.Equal(all(1), all(3)) {
		t.Error("three threads give other bytes than one")
	}
}
