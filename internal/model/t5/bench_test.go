package t5

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/tensor"
)

// blocks are weights of a T5 whose matrices are blocks of one type: random rows that
// repeat. All else is ones.
type blocks struct {
	config Config
	dtype  tensor.DType
}

func (w blocks) Stored(name string) (tensor.Stored, []int, error) {
	c := w.config
	inner := c.Heads * c.HeadDim
	shape := map[string][]int{
		"layer_norm.weight": {c.Width}, embedding: {c.Vocab, c.Width}, biasName: {c.Buckets, c.Heads},
		"q.weight": {inner, c.Width}, "k.weight": {inner, c.Width}, "v.weight": {inner, c.Width}, "o.weight": {c.Width, inner},
		"wi_0.weight": {c.Hidden, c.Width}, "wi_1.weight": {c.Hidden, c.Width}, "wo.weight": {c.Width, c.Hidden},
	}
	for suffix, dims := range shape {
		if len(name) < len(suffix) || name[len(name)-len(suffix):] != suffix {
			continue
		}
		n := tensor.Elems(dims)
		if len(dims) == 1 || suffix == embedding || suffix == biasName {
			return tensor.Stored{DType: tensor.BF16, Bytes: make([]byte, 2*n)}, dims, nil
		}
		t, _ := w.dtype.Quant()
		s := tensor.Stored{DType: w.dtype, Bytes: make([]byte, w.dtype.Bytes(n))}
		rng, x := rand.New(rand.NewPCG(1, 2)), make([]float32, dims[1])
		for i := range x {
			x[i] = 0.06*rng.Float32() - 0.03
		}
		row := s.Bytes[:w.dtype.Bytes(dims[1])]
		quant.Quantize(t, row, x)
		for at := len(row); at < len(s.Bytes); at += len(row) {
			copy(s.Bytes[at:], row)
		}
		return s, dims, nil
	}
	return tensor.Stored{}, nil, fmt.Errorf("%q: %w", name, tensor.ErrNotStored)
}

// BenchmarkLayer is one of the 24 layers of UMT5-XXL, which reads Wan's prompts, from
// blocks: with activations in int8, and without.
func BenchmarkLayer(b *testing.B) {
	c := Config{Vocab: 32, Width: 4096, HeadDim: 64, Heads: 64, Hidden: 10240, Layers: 1, Buckets: 32, MaxDistance: 128}
	for _, dtype := range []tensor.DType{tensor.Q8_0, tensor.Q4_0} {
		for _, tokens := range []int{24, 512} {
			for _, int8 := range []bool{true, false} {
				name := fmt.Sprintf("%v/%d/bf16", dtype, tokens)
				if int8 {
					name = fmt.Sprintf("%v/%d/int8", dtype, tokens)
				}
				b.Run(name, func(b *testing.B) {
					e, err := Open(c, blocks{c, dtype})
					if err != nil {
						b.Fatal(err)
					}
					if !int8 {
						e.Params.NoInt8()
					}
					be, ids := backend.New(), make([]int32, tokens)
					b.ResetTimer()
					for b.Loop() {
						if _, err := e.Encode(b.Context(), be, ids); err != nil {
							b.Fatal(err)
						}
						be.Reset()
					}
				})
			}
		}
	}
}
