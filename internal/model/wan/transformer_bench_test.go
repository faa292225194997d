package wan

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/tensor"
)

// dice are random weights in bf16, of the shapes that a model asks for.
type dice struct {
	shapes shapes
	bytes  map[string][]byte
}

func (d *dice) Stored(name string) (tensor.Stored, []int, error) {
	_, shape, err := d.shapes.Stored(name)
	if err != nil {
		return tensor.Stored{}, nil, err
	}
	b := d.bytes[name]
	if b == nil {
		h := fnv.New64a()
		h.Write([]byte(name))
		rng := rand.New(rand.NewPCG(1, h.Sum64()))
		b = make([]byte, 2*tensor.Elems(shape))
		for i := 0; i < len(b); i += 2 {
			r := rng.Uint32()
			b[i], b[i+1] = byte(r), 0x3c|byte(r>>8&0x80) // magnitudes of 0.008 to 0.031
		}
		d.bytes[name] = b
	}
	return tensor.Stored{DType: tensor.BF16, Bytes: b}, shape, nil
}

// thrown has the weights of a transformer of a configuration.
func thrown(c TransformerConfig) *dice {
	w, patch := c.Width(), c.Patch[0]*c.Patch[1]*c.Patch[2]
	d := &dice{shapes{}, map[string][]byte{}}
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
	for _, c := range []struct {
		name       string
		heads, ffn int
		grid       [3]int
	}{
		{"1.3B", 12, 8960, [3]int{21, 13, 30}},
		{"5B", 24, 14336, [3]int{16, 16, 16}},
	} {
		tokens := c.grid[0] * c.grid[1] * c.grid[2]
		b.Run(fmt.Sprintf("%s/%d", c.name, tokens), func(b *testing.B) {
			config := TransformerConfig{
				Patch: [3]int{1, 2, 2}, Heads: c.heads, HeadDim: 128, In: 16, Out: 16, TextDim: 64, FreqDim: 256,
				FFN: c.ffn, Layers: 1, Position: defaultPosition,
			}
			m, err := OpenTransformer(config, thrown(config))
			if err != nil {
				b.Fatal(err)
			}
			be := backend.New()
			prompts, err := m.Embed(be, []*tensor.Tensor{tensor.Zeros(TextTokens, 64)}, nil)
			if err != nil {
				b.Fatal(err)
			}
			latents := tensor.Zeros(1, c.grid[0], 2*c.grid[1], 2*c.grid[2], 16)
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range latents.Data() {
				latents.Data()[i] = float32(rng.NormFloat64())
			}
			p, x, err := m.Begin(b.Context(), be, latents, []float32{500}, prompts)
			if err != nil {
				b.Fatal(err)
			}
			pass := func() {
				y, err := p.Blocks(b.Context(), x, 0, 1)
				if err != nil {
					b.Fatal(err)
				}
				be.Free(y)
			}
			pass() // makes the forms of the weights, once
			b.ResetTimer()
			for b.Loop() {
				pass()
			}
			b.ReportMetric(config.blockFLOPs(tokens)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
