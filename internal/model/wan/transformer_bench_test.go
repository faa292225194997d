package wan

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/tensor"
)

// dice are random weights of the shapes that a model asks for: matrices in one
// type, the rest in bf16.
type dice struct {
	shapes shapes
	dtype  tensor.DType
	thrown map[string]tensor.Stored
}

func (d *dice) Stored(name string) (tensor.Stored, []int, error) {
	_, shape, err := d.shapes.Stored(name)
	if err != nil {
		return tensor.Stored{}, nil, err
	}
	s, ok := d.thrown[name]
	if !ok {
		dtype := d.dtype
		if len(shape) != 2 {
			dtype = tensor.BF16
		}
		s = throw(name, dtype, tensor.Elems(shape))
		d.thrown[name] = s
	}
	return s, shape, nil
}

// throw makes n numbers of magnitudes up to about 0.03.
func throw(name string, dtype tensor.DType, n int) tensor.Stored {
	h := fnv.New64a()
	h.Write([]byte(name))
	rng := rand.New(rand.NewPCG(1, h.Sum64()))
	b := make([]byte, (dtype.Bytes(n)+7)/8*8)
	s := tensor.Stored{DType: dtype, Bytes: b[:dtype.Bytes(n)]}
	switch t, ok := dtype.Quant(); {
	case ok:
		block, size := t.Block()
		x := make([]float32, block)
		for at := 0; at < len(s.Bytes); at += size {
			for i := range x {
				x[i] = 0.06*rng.Float32() - 0.03
			}
			quant.Quantize(t, s.Bytes[at:at+size], x)
		}
	case dtype == tensor.I8:
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
		}
		s.Scale = make([]float32, n/64)
		for i := range s.Scale {
			s.Scale[i] = 0.0002
		}
	default:
		for i := 0; i < len(b); i += 8 { // any sign and fraction, magnitudes of 0.008 to 0.031
			binary.LittleEndian.PutUint64(b[i:], rng.Uint64()&0x80ff80ff80ff80ff|0x3c003c003c003c00)
		}
	}
	return s
}

// thrown has the weights of a transformer of a configuration.
func thrown(c TransformerConfig, dtype tensor.DType) *dice {
	w, patch := c.Width(), c.Patch[0]*c.Patch[1]*c.Patch[2]
	d := &dice{shapes{}, dtype, map[string]tensor.Stored{}}
	linear := func(name string, in, out int) {
		d.shapes[name+".weight"], d.shapes[name+".bias"] = []int{out, in}, []int{out}
	}
	linear("patch_embedding", c.In, w)
	d.shapes[patchWeight] = []int{w, c.In, c.Patch[0], c.Patch[1], c.Patch[2]}
	linear("proj_out", w, c.Out*patch)
	linear(embedder+"text_embedder.linear_1", c.TextDim, w)
	linear(embedder+"text_embedder.linear_2", w, w)
	linear(embedder+"time_embedder.linear_1", c.FreqDim, w)
	linear(embedder+"time_embedder.linear_2", w, w)
	linear(embedder+"time_proj", w, 6*w)
	d.shapes["scale_shift_table"] = []int{1, 2, w}
	for i := range c.Layers {
		name := blockName(i)
		for _, attn := range []string{"attn1.", "attn2."} {
			for _, l := range []string{"to_q", "to_k", "to_v", "to_out.0"} {
				linear(name+attn+l, w, w)
			}
			d.shapes[name+attn+"norm_q.weight"], d.shapes[name+attn+"norm_k.weight"] = []int{w}, []int{w}
		}
		d.shapes[name+"norm2.weight"], d.shapes[name+"norm2.bias"] = []int{w}, []int{w}
		linear(name+"ffn.net.0.proj", w, c.FFN)
		linear(name+"ffn.net.2", c.FFN, w)
		d.shapes[name+"scale_shift_table"] = []int{1, 6, w}
	}
	return d
}

// BenchmarkTransformerBlock is one block at the sizes of released models, over
// the tokens of a video. tools/reference/wan_bench.py times the same block of
// diffusers.
func BenchmarkTransformerBlock(b *testing.B) {
	for _, size := range []struct {
		name       string
		heads, ffn int
		grid       [3]int
	}{
		{"1.3B", 12, 8960, [3]int{21, 13, 30}},
		{"5B", 24, 14336, [3]int{16, 16, 16}},
	} {
		for _, dtype := range []tensor.DType{tensor.BF16, tensor.I8, tensor.Q8_0, tensor.Q4_0} {
			tokens := size.grid[0] * size.grid[1] * size.grid[2]
			b.Run(fmt.Sprintf("%s/%d/%v", size.name, tokens, dtype), func(b *testing.B) {
				c := TransformerConfig{
					Patch: [3]int{1, 2, 2}, Heads: size.heads, HeadDim: 128, In: 16, Out: 16, TextDim: 64, FreqDim: 256,
					FFN: size.ffn, Layers: 1, Position: defaultPosition,
				}
				pass := blockOf(b, c, dtype, size.grid)
				pass() // makes the forms of the weights, once
				for b.Loop() {
					pass()
				}
				b.ReportMetric(c.blockFLOPs(tokens)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// blockOf returns a function that runs the only block of a transformer of random
// weights.
func blockOf(b *testing.B, c TransformerConfig, dtype tensor.DType, grid [3]int) func() {
	m, err := OpenTransformer(c, thrown(c, dtype))
	if err != nil {
		b.Fatal(err)
	}
	be := backend.New()
	if dtype == tensor.I8 {
		be = backend.Int8()
	}
	prompts, err := m.Embed(be, []*tensor.Tensor{tensor.Zeros(TextTokens, c.TextDim)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	latents := tensor.Zeros(1, grid[0], 2*grid[1], 2*grid[2], c.In)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range latents.Data() {
		latents.Data()[i] = float32(rng.NormFloat64())
	}
	p, x, err := m.Begin(b.Context(), be, latents, []float32{500}, prompts)
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		y, err := p.Blocks(b.Context(), x, 0, 1)
		if err != nil {
			b.Fatal(err)
		}
		be.Free(y)
	}
}
