package lora

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// numbers are n numbers of a fixed pattern.
func numbers(n, seed int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*37+seed*101)%61-30) / 64
	}
	return x
}

func f32(name string, x []float32, shape ...int) safetensors.Tensor {
	return safetensors.FromFloat32(name, safetensors.F32, x, shape...)
}

// write makes a file of tensors.
func write(t testing.TB, meta map[string]string, tensors ...safetensors.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := safetensors.WriteFile(path, tensors, meta); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *Adapter {
	t.Helper()
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

const outs, ins, rank = 6, 10, 3

// base is a model of two layers, a table and a layer that no adapter touches.
func base(t testing.TB, d safetensors.DType) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(write(t, nil,
		safetensors.FromFloat32("blocks.0.attn1.to_out.0.weight", d, numbers(outs*ins, 1), outs, ins),
		f32("blocks.0.attn1.to_out.0.bias", numbers(outs, 2), outs),
		f32("blocks.0.norm2.weight", numbers(ins, 3), ins),
		f32("blocks.0.scale_shift_table", numbers(6*ins, 4), 1, 6, ins),
		f32("patch.weight", numbers(outs*ins, 5), outs, 5, 1, 2, 1),
		f32("other.weight", numbers(4, 6), 2, 2),
	))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// original gives the names of the base's tensors in the other layout.
func original(name string) []string {
	return map[string][]string{
		"blocks.0.attn1.to_out.0.weight": {"blocks.0.self_attn.o.weight"},
		"blocks.0.attn1.to_out.0.bias":   {"blocks.0.self_attn.o.bias"},
		"blocks.0.norm2.weight":          {"blocks.0.norm3.weight"},
		"blocks.0.scale_shift_table":     {"blocks.0.modulation"},
	}[name]
}

// values asks for a tensor.
func values(t *testing.T, w Weights, name string) []float32 {
	t.Helper()
	s, shape, err := w.Stored(name)
	if err != nil {
		t.Fatal(err)
	}
	return tensor.InPlace(s, shape...).Values()
}

// plain is w + factor·b·a, the loop that is meant.
func plain(w, b, a []float32, rank int, factor float64) []float32 {
	out := slices.Clone(w)
	n := len(a) / rank
	for i := range len(w) / n {
		for j := range n {
			var sum float64
			for k := range rank {
				sum += float64(b[i*rank+k]) * float64(a[k*n+j])
			}
			out[i*n+j] = float32(float64(w[i*n+j]) + factor*sum)
		}
	}
	return out
}

func same(t *testing.T, what string, got, want []float32, bar float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) <= bar) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], w)
		}
	}
}

// TestLayouts adds one low-rank pair under the names of each layout.
func TestLayouts(t *testing.T) {
	a, b := numbers(rank*ins, 7), numbers(outs*rank, 8)
	for _, tt := range []struct {
		name, lo, hi string
	}{
		{"diffusers", "transformer.blocks.0.attn1.to_out.0.lora_A.weight", "transformer.blocks.0.attn1.to_out.0.lora_B.weight"},
		{"peft", "base_model.model.blocks.0.attn1.to_out.0.lora_A.weight", "base_model.model.blocks.0.attn1.to_out.0.lora_B.weight"},
		{"peft, named", "blocks.0.attn1.to_out.0.lora_A.default.weight", "blocks.0.attn1.to_out.0.lora_B.default.weight"},
		{"kohya", "lora_unet_blocks_0_self_attn_o.lora_down.weight", "lora_unet_blocks_0_self_attn_o.lora_up.weight"},
		{"original", "diffusion_model.blocks.0.self_attn.o.lora_down.weight", "diffusion_model.blocks.0.self_attn.o.lora_up.weight"},
		{"original, lora_A", "diffusion_model.blocks.0.self_attn.o.lora_A.weight", "diffusion_model.blocks.0.self_attn.o.lora_B.weight"},
		{"old diffusers", "blocks.0.attn1.to_out.0.lora.down.weight", "blocks.0.attn1.to_out.0.lora.up.weight"},
	} {
		for _, scaled := range []bool{false, true} {
			tensors := []safetensors.Tensor{f32(tt.lo, a, rank, ins), f32(tt.hi, b, outs, rank)}
			factor := 0.75
			if scaled {
				layer, _, _ := split(tt.lo)
				tensors = append(tensors, f32(layer+".alpha", []float32{1.5}))
				factor *= 1.5 / rank
			}
			m, err := Over(base(t, safetensors.F32), original, Use{open(t, write(t, nil, tensors...)), 0.75})
			if err != nil {
				t.Fatal(err)
			}
			const name = "blocks.0.attn1.to_out.0.weight"
			same(t, tt.name, values(t, m, name), plain(numbers(outs*ins, 1), b, a, rank, factor), 1e-6)
			same(t, tt.name+", bias", values(t, m, "blocks.0.attn1.to_out.0.bias"), numbers(outs, 2), 0)
			if notes, err := m.Check(); err != nil || notes != nil {
				t.Errorf("%s: %v, %v", tt.name, notes, err)
			}
			if m.Bytes() != 0 {
				t.Errorf("%s: %d bytes in memory", tt.name, m.Bytes())
			}
		}
	}
}

// TestDifferences adds what is not of low rank: weights, biases, tables; and a
// pair that adapts a convolution.
func TestDifferences(t *testing.T) {
	a, b := numbers(rank*ins, 7), numbers(outs*rank, 8)
	path := write(t, nil,
		f32("diffusion_model.blocks.0.norm3.diff", numbers(ins, 9), ins),
		f32("diffusion_model.blocks.0.self_attn.o.diff_b", numbers(outs, 10), outs),
		f32("diffusion_model.blocks.0.diff_m", numbers(6*ins, 11), 1, 6, ins),
		f32("diffusion_model.patch.lora_down.weight", a, rank, 5, 1, 2, 1),
		f32("diffusion_model.patch.lora_up.weight", b, outs, rank, 1, 1, 1),
	)
	m, err := Over(base(t, safetensors.F32), original, Use{open(t, path), 2})
	if err != nil {
		t.Fatal(err)
	}
	twice := func(w, d []float32) []float32 {
		for i := range w {
			w[i] += 2 * d[i]
		}
		return w
	}
	same(t, "norm", values(t, m, "blocks.0.norm2.weight"), twice(numbers(ins, 3), numbers(ins, 9)), 1e-6)
	same(t, "bias", values(t, m, "blocks.0.attn1.to_out.0.bias"), twice(numbers(outs, 2), numbers(outs, 10)), 1e-6)
	same(t, "table", values(t, m, "blocks.0.scale_shift_table"), twice(numbers(6*ins, 4), numbers(6*ins, 11)), 1e-6)
	same(t, "convolution", values(t, m, "patch.weight"), plain(numbers(outs*ins, 5), b, a, rank, 2), 1e-6)
	same(t, "untouched", values(t, m, "other.weight"), numbers(4, 6), 0)
	if _, err := m.Check(); err != nil {
		t.Error(err)
	}
}

// TestSeveral adds two adapters to bf16 weights, with a factor from metadata and a
// bias of its own.
func TestSeveral(t *testing.T) {
	a, b := numbers(rank*ins, 7), numbers(outs*rank, 8)
	pair := func(more ...safetensors.Tensor) []safetensors.Tensor {
		return append(more,
			f32("transformer.blocks.0.attn1.to_out.0.lora_A.weight", a, rank, ins),
			f32("transformer.blocks.0.attn1.to_out.0.lora_B.weight", b, outs, rank))
	}
	one := write(t, map[string]string{metadataKey: `{"transformer.lora_alpha": 6, "transformer.r": 3}`},
		pair(f32("transformer.blocks.0.attn1.to_out.0.lora_B.bias", numbers(outs, 12), outs))...)
	two := write(t, map[string]string{metadataKey: `{"transformer.use_rslora": true, "transformer.alpha_pattern": {"blocks.0.attn1.to_out.0": 2}}`}, pair()...)
	f := base(t, safetensors.BF16)
	m, err := Over(f, original, Use{open(t, one), 1}, Use{open(t, two), -0.5})
	if err != nil {
		t.Fatal(err)
	}
	const name = "blocks.0.attn1.to_out.0.weight"
	want := plain(values(t, f, name), b, a, rank, 2-0.5*2/math.Sqrt(rank))
	s, _, err := m.Stored(name)
	if err != nil || s.DType != tensor.BF16 {
		t.Fatalf("%v, %v", s.DType, err)
	}
	same(t, "two adapters", values(t, m, name), want, 1e-6)
	bias := numbers(outs, 2)
	for i, v := range numbers(outs, 12) {
		bias[i] += 2 * v
	}
	same(t, "bias", values(t, m, "blocks.0.attn1.to_out.0.bias"), bias, 1e-6)
}

// TestInt8 adds to weights that are stored in int8.
func TestInt8(t *testing.T) {
	q := make([]int8, outs*ins)
	for i := range q {
		q[i] = int8(i*7%255 - 127)
	}
	scale := make([]float32, outs)
	for i := range scale {
		scale[i] = 1.0 / 128
	}
	f, err := safetensors.Open(write(t, nil, safetensors.FromInt8("x.weight", q, outs, ins), f32("x.weight.scale", scale, outs)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, b := numbers(rank*ins, 7), numbers(outs*rank, 8)
	m, err := Over(f, nil, Use{open(t, write(t, nil, f32("x.lora_A.weight", a, rank, ins), f32("x.lora_B.weight", b, outs, rank))), 1})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "int8", values(t, m, "x.weight"), plain(values(t, f, "x.weight"), b, a, rank, 1), 1e-6)
}

// TestWhatDoesNotFit is named.
func TestWhatDoesNotFit(t *testing.T) {
	a, b := numbers(rank*ins, 7), numbers(outs*rank, 8)
	lo, hi := f32("blocks.0.attn1.to_out.0.lora_A.weight", a, rank, ins), f32("blocks.0.attn1.to_out.0.lora_B.weight", b, outs, rank)
	nan := slices.Clone(a)
	nan[4] = float32(math.NaN())
	huge := slices.Repeat([]float32{3e38}, ins)
	for _, tt := range []struct {
		name    string
		meta    map[string]string
		tensors []safetensors.Tensor
		want    string
	}{
		{"no adapter", nil, []safetensors.Tensor{f32("blocks.0.weight", a, rank, ins)}, "none of its 1 tensors"},
		{"half a pair", nil, []safetensors.Tensor{lo}, "no other half"},
		{"two of a kind", nil, []safetensors.Tensor{lo, hi, f32("diffusion_model.blocks.0.attn1.to_out.0.lora_down.weight", a, rank, ins)}, "same layer"},
		{"DoRA", nil, []safetensors.Tensor{lo, hi, f32("blocks.0.attn1.to_out.0.dora_scale", b, outs, rank)}, "DoRA"},
		{"metadata", map[string]string{metadataKey: "[1]"}, []safetensors.Tensor{lo, hi}, "not a JSON object"},
		{"width", nil, []safetensors.Tensor{f32("blocks.0.attn1.to_out.0.lora_A.weight", a, ins, rank), hi}, "made for another model"},
		{"rank 0", nil, []safetensors.Tensor{f32("blocks.0.attn1.to_out.0.lora_A.weight", nil, 0, ins), hi}, "a rank of 1"},
		{"one axis", nil, []safetensors.Tensor{f32("blocks.0.attn1.to_out.0.lora_A.weight", a, rank*ins), hi}, "[rank, inputs]"},
		{"alpha", nil, []safetensors.Tensor{lo, hi, f32("blocks.0.attn1.to_out.0.alpha", a[:2], 2)}, "not one"},
		{"NaN", nil, []safetensors.Tensor{f32("blocks.0.attn1.to_out.0.lora_A.weight", nan, rank, ins), hi}, "not finite"},
		{"too large", nil, []safetensors.Tensor{f32("blocks.0.norm2.diff", huge, ins)}, "out of the range"},
		{"too strong", nil, []safetensors.Tensor{lo, hi, f32("blocks.0.attn1.to_out.0.alpha", []float32{3e38})}, "which is out of range"},
		{"integers", nil, []safetensors.Tensor{safetensors.FromInt8("blocks.0.attn1.to_out.0.lora_A.weight", make([]int8, rank*ins), rank, ins), hi}, "I8"},
		{"matrix for a norm", nil, []safetensors.Tensor{f32("blocks.0.norm2.lora_A.weight", a, rank, ins), f32("blocks.0.norm2.lora_B.weight", b, outs, rank)}, "for a matrix"},
		{"difference", nil, []safetensors.Tensor{f32("blocks.0.norm2.diff", a[:9], 9)}, "made for another model"},
		{"another model", nil, []safetensors.Tensor{f32("lora_unet_up_1.lora_down.weight", a, rank, ins), f32("lora_unet_up_1.lora_up.weight", b, outs, rank)}, "none of its 2 tensors fits"},
	} {
		err := func() error {
			u, err := Open(write(t, tt.meta, tt.tensors...))
			if err != nil {
				return err
			}
			defer u.Close()
			m, err := Over(base(t, safetensors.F32), original, Use{u, 50})
			if err != nil {
				return err
			}
			for _, name := range []string{"blocks.0.attn1.to_out.0.weight", "blocks.0.norm2.weight"} {
				if _, _, err := m.Stored(name); err != nil {
					return err
				}
			}
			_, err = m.Check()
			return err
		}()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := Over(nil, nil, Use{&Adapter{path: "x"}, math.NaN()}); err == nil || !strings.Contains(err.Error(), "strength") {
		t.Errorf("strength NaN: %v", err)
	}
}

// TestLeft: keys beside those that fit are named in a note.
func TestLeft(t *testing.T) {
	tensors := []safetensors.Tensor{
		f32("transformer.blocks.0.attn1.to_out.0.lora_A.weight", numbers(rank*ins, 7), rank, ins),
		f32("transformer.blocks.0.attn1.to_out.0.lora_B.weight", numbers(outs*rank, 8), outs, rank),
	}
	for i := range 6 {
		tensors = append(tensors, f32(fmt.Sprintf("lora_te_layer_%d.diff", i), numbers(2, i), 2))
	}
	m, err := Over(base(t, safetensors.F32), original, Use{open(t, write(t, nil, tensors...)), 1})
	if err != nil {
		t.Fatal(err)
	}
	values(t, m, "blocks.0.attn1.to_out.0.weight")
	notes, err := m.Check()
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "6 of its 8 tensors fit no layer of this model: lora_te_layer_0.diff") || !strings.HasSuffix(notes[0], "and 2 more") {
		t.Errorf("%q, %v", notes, err)
	}
}

// FuzzOpen: no file makes Open or Over panic, or claim more memory than the file
// has.
func FuzzOpen(f *testing.F) {
	for _, names := range [][2]string{
		{"transformer.blocks.0.attn1.to_out.0.lora_A.weight", "transformer.blocks.0.attn1.to_out.0.lora_B.weight"},
		{"lora_unet_blocks_0_self_attn_o.lora_down.weight", "lora_unet_blocks_0_self_attn_o.lora_up.weight"},
		{"x.diff", "x.alpha"},
	} {
		path := filepath.Join(f.TempDir(), "x")
		if err := safetensors.WriteFile(path, []safetensors.Tensor{f32(names[0], numbers(rank*ins, 7), rank, ins), f32(names[1], numbers(outs*rank, 8), outs, rank)}, nil); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	weights := base(f, safetensors.F32)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			return
		}
		defer a.Close()
		m, err := Over(weights, original, Use{a, 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"blocks.0.attn1.to_out.0.weight", "blocks.0.attn1.to_out.0.bias", "blocks.0.scale_shift_table", "patch.weight"} {
			if s, shape, err := m.Stored(name); err == nil && len(s.Bytes) != 4*tensor.Elems(shape) {
				t.Fatalf("%s: %d bytes for %v", name, len(s.Bytes), shape)
			}
		}
	})
}
