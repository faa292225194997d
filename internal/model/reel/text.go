package reel

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// textEncoder turns token ids into one vector per token and one for the whole
// prompt: a bidirectional pre-norm transformer with rotary positions.
type textEncoder struct {
	cfg    TextConfig
	table  *tensor.Tensor
	blocks []textBlock
	gain   *tensor.Tensor
	// poolGain scales the normalised mean of the tokens. A mean of many tokens
	// is small, and only a small part of it distinguishes prompts.
	poolGain *tensor.Tensor
}

type textBlock struct {
	attnGain, ffnGain *tensor.Tensor
	q, k, v, o        nn.Linear
	in, out           nn.Linear
}

// Text is a batch of encoded prompts.
type Text struct {
	Tokens *tensor.Tensor // [B, L, width]
	Pooled *tensor.Tensor // [B, width]
	Lens   []int32        // tokens of each prompt; the rest is padding
}

func newTextEncoder(p *nn.Params, c TextConfig) *textEncoder {
	e := &textEncoder{
		cfg: c, table: p.New("text.table", 0.2, c.Vocab, c.Width),
		gain: p.Ones("text.gain", c.Width), poolGain: p.Ones("text.pool_gain", c.Width),
	}
	for i := range c.Blocks {
		name := fmt.Sprintf("text.%d.", i)
		e.blocks = append(e.blocks, textBlock{
			attnGain: p.Ones(name+"attn_gain", c.Width), ffnGain: p.Ones(name+"ffn_gain", c.Width),
			q: nn.NewLinear(p, name+"q", c.Width, c.Width, 1), k: nn.NewLinear(p, name+"k", c.Width, c.Width, 1),
			v: nn.NewLinear(p, name+"v", c.Width, c.Width, 1), o: nn.NewLinear(p, name+"o", c.Width, c.Width, 0.5),
			in: nn.NewLinear(p, name+"in", c.Width, 4*c.Width, 1), out: nn.NewLinear(p, name+"out", 2*c.Width, c.Width, 0.5),
		})
	}
	return e
}

// encode runs the encoder on prompts of 1 to cfg.Max tokens each.
func (e *textEncoder) encode(o tensor.Ops, prompts [][]int32) Text {
	longest := 1
	lens := make([]int32, len(prompts))
	for i, p := range prompts {
		lens[i] = int32(len(p))
		longest = max(longest, len(p))
	}
	ids := make([]int32, len(prompts)*longest)
	for i, p := range prompts {
		copy(ids[i*longest:], p)
	}
	b, c, h := len(prompts), e.cfg.Width, e.cfg.Heads
	x := o.Embed(e.table, ids).Reshape(b, longest, c)
	cos, sin := axisTable(o, longest, c/h)
	mask := tensor.Mask{KeyLen: lens}
	for _, blk := range e.blocks {
		n := o.RMSNorm(x, blk.attnGain)
		heads := func(l nn.Linear) *tensor.Tensor {
			return l.Apply(o, n, tensor.None).Reshape(b, longest, h, c/h)
		}
		a := o.Attention(o.RoPE(heads(blk.q), cos, sin), o.RoPE(heads(blk.k), cos, sin), heads(blk.v), mask)
		x = o.Add(x, blk.o.Apply(o, a.Reshape(b, longest, c), tensor.None))
		n = o.RMSNorm(x, blk.ffnGain)
		x = o.Add(x, blk.out.Apply(o, o.SwiGLU(blk.in.Apply(o, n, tensor.None)), tensor.None))
	}
	x = o.RMSNorm(x, e.gain)
	return Text{Tokens: x, Pooled: o.RMSNorm(o.PoolRows(x, lens), e.poolGain), Lens: lens}
}
