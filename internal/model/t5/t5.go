// Package t5 is the encoder of T5 1.1 (Raffel et al. 2020, arXiv:1910.10683)
// and of its multilingual sibling UMT5 (Chung et al. 2023, arXiv:2304.09151),
// which turns the tokens of a prompt into a vector for each: what Wan's
// transformer attends to.
//
// It computes with released weights where they lie, layer by layer if they are
// larger than memory. It never tokenizes and never trains.
package t5

import (
	"context"
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// MaxTokens is the largest number of tokens of a prompt that Encode takes. The
// scores of attention grow with its square.
const MaxTokens = 4096

// An Encoder is an open model. One goroutine uses it at a time.
type Encoder struct {
	Config Config
	Params *nn.Params
	// Layers are the layers as parts of the model: all stay in memory once they
	// have run, unless Stay says otherwise.
	Layers *nn.Parts

	table  *tensor.Tensor // [Vocab, Width]
	blocks []block
	gain   *tensor.Tensor // of the last norm
}

// Open makes an encoder of weights in any of the layouts that are known. It
// refuses weights that lack a parameter of the configuration, have it in
// another shape, or, if they are nn.Listed, have more layers than it.
func Open(c Config, w nn.Weights) (*Encoder, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("the text encoder's configuration: %w", err)
	}
	r, err := nn.Rename(w, embedding, layouts)
	if err != nil {
		return nil, fmt.Errorf("the text encoder: %w", err)
	}
	p := nn.InPlace(r)
	e := &Encoder{Config: c, Params: p, table: p.New(embedding, 1, c.Vocab, c.Width)}
	names := make([]string, c.Layers)
	for i := range names {
		names[i] = layer(i)
		e.blocks = append(e.blocks, newBlock(p, c, i))
		if c.OneBias {
			e.blocks[i].bias = e.blocks[0].bias
		}
	}
	e.gain = p.Ones("encoder.final_layer_norm.weight", c.Width)
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("the text encoder: %w", err)
	}
	if all, ok := w.(nn.Listed); ok {
		if left := r.Layout.Unused(all, p, besides); len(left) > 0 {
			return nil, fmt.Errorf("the text encoder: the weights hold %d tensors that its configuration has no use for, such as %q: they are of another model", len(left), left[0])
		}
	}
	p.Freeze()
	e.Layers = nn.NewParts(p, names...)
	return e, nil
}

// block is a layer: attention and a gated feed-forward layer, each on the norm
// of what it is added to. Linear layers have no biases.
type block struct {
	heads, dim        int
	attnGain, ffnGain *tensor.Tensor
	q, k, v, o        nn.Linear
	gate, up, down    nn.Linear
	bias              *tensor.Tensor // [Buckets, Heads]
}

func newBlock(p *nn.Params, c Config, i int) block {
	name, inner := layer(i), c.Heads*c.HeadDim
	linear := func(part string, in, out int) nn.Linear {
		return nn.Linear{W: p.New(name+part+".weight", 1, out, in).For(tensor.AsMatrix)}
	}
	const attn, ffn = "layer.0.SelfAttention.", "layer.1.DenseReluDense."
	b := block{
		heads: c.Heads, dim: c.HeadDim,
		attnGain: p.Ones(name+"layer.0.layer_norm.weight", c.Width),
		q:        linear(attn+"q", c.Width, inner), k: linear(attn+"k", c.Width, inner),
		v: linear(attn+"v", c.Width, inner), o: linear(attn+"o", inner, c.Width),
		ffnGain: p.Ones(name+"layer.1.layer_norm.weight", c.Width),
		gate:    linear(ffn+"wi_0", c.Width, c.Hidden), up: linear(ffn+"wi_1", c.Width, c.Hidden),
		down: linear(ffn+"wo", c.Hidden, c.Width),
	}
	if i == 0 || !c.OneBias {
		b.bias = p.New(name+biasName, 1, c.Buckets, c.Heads)
	}
	return b
}

// Encode returns a vector for each token of each prompt, [tokens, Width] a
// prompt; they live until b's next Reset. Prompts do not see each other, and
// pass through the layers together: weights that do not stay in memory are read
// once. A prompt is what a mask would leave of it, without padding.
func (e *Encoder) Encode(ctx context.Context, b tensor.Backend, prompts ...[]int32) (out []*tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	ids, err := e.join(prompts)
	if err != nil {
		return nil, err
	}
	x := b.Embed(e.table, ids)
	err = e.Layers.Run(ctx, b, 0, len(e.blocks), func(i int) {
		y := b.Scope(func() *tensor.Tensor { return e.blocks[i].apply(b, e.Config, x, prompts) })
		b.Free(x)
		x = y
	})
	if err != nil {
		return nil, fmt.Errorf("the text encoder: %w", err)
	}
	x = b.RMSNorm(x, e.gain)
	at := 0
	for _, p := range prompts {
		out = append(out, b.Narrow(x, 0, at, at+len(p)))
		at += len(p)
	}
	return out, nil
}

// join checks the prompts and returns their tokens one after another.
func (e *Encoder) join(prompts [][]int32) ([]int32, error) {
	var ids []int32
	for _, p := range prompts {
		if len(p) == 0 || len(p) > MaxTokens {
			return nil, fmt.Errorf("a prompt of %d tokens, the text encoder takes 1 to %d", len(p), MaxTokens)
		}
		for _, id := range p {
			if id < 0 || int(id) >= e.Config.Vocab {
				return nil, fmt.Errorf("token %d is not among the %d that the text encoder knows: the tokenizer is of another model", id, e.Config.Vocab)
			}
		}
		ids = append(ids, p...)
	}
	if len(ids) == 0 {
		return nil, errors.New("the text encoder was given no prompt")
	}
	return ids, nil
}

// apply runs the layer on x [tokens of all prompts, Width].
func (l *block) apply(o tensor.Backend, c Config, x *tensor.Tensor, prompts [][]int32) *tensor.Tensor {
	x = o.Add(x, o.Scope(func() *tensor.Tensor { return l.attend(o, c, o.RMSNorm(x, l.attnGain), prompts) }))
	return o.Add(x, o.Scope(func() *tensor.Tensor {
		h := o.RMSNorm(x, l.ffnGain)
		return l.down.Apply(o, o.Mul(l.gate.Apply(o, h, tensor.GELU), l.up.Apply(o, h, tensor.None)), tensor.None)
	}))
}
