package t5

import (
	"fmt"
	"math/rand/v2"
	"strings"
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
	shapes := map[string][]int{
		"shared": {c.Vocab, c.Width}, "layer_norm": {c.Width}, "final_layer_norm": {c.Width}, "relative_attention_bias": {c.Buckets, c.Heads},
		"q": {inner, c.Width}, "k": {inner, c.Width}, "v": {inner, c.Width}, "o": {c.Width, inner},
		"wi_0": {c.Hidden, c.Width}, "wi_1": {c.Hidden, c.Width}, "wo": {c.Width, c.Hidden},
	}
	if words := strings.Split(name, "."); len(words) > 1 && shapes[words[len(words)-2]] != nil {
		part := words[len(words)-2]
		dims := shapes[part]
		n := tensor.Elems(dims)
		if len(dims) == 1 || part == "shared" || part == "relative_attention_bias" {
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
// blocks: with activations in int8, and with Fine parameters.
func BenchmarkLayer(b *testing.B) {
	c := Config{Vocab: 32, Width: 4096, HeadDim: 64, Heads: 64, Hidden: 10240, Layers: 1, Buckets: 32, MaxDistance: 128}
	for _, dtype := range []tensor.DType{tensor.Q8_0, tensor.Q4_0} {
		for _, tokens := range []int{24, 512} {
			for _, how := range []string{"int8", "fine"} {
				b.Run(fmt.Sprintf("%v/%d/%s", dtype, tokens, how), func(b *testing.B) {
					e, err := Open(c, blocks{c, dtype})
					if err != nil {
						b.Fatal(err)
					}
					if how == "fine" {
						e.Params.Fine()
					}
					be, ids := backend.New(), make([]int32, tokens)
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
