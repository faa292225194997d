package wan

import (
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// block is attention on the video, attention on the prompt and a feed-forward
// layer. The first and the last are modulated by the timestep.
type block struct {
	table      *tensor.Tensor // [1, 6, Width]: shift, scale and gate of each
	self       attention
	gain, bias *tensor.Tensor // of the norm before the attention on the prompt
	cross      attention
	up, down   nn.Linear
}

func newBlock(p *nn.Params, c TransformerConfig, i int) block {
	name, w := blockName(i), c.Width()
	return block{
		table: p.New(name+"scale_shift_table", 1, 1, 6, w),
		self:  newAttention(p, name+"attn1.", c, false),
		gain:  p.Ones(name+"norm2.weight", w), bias: p.New(name+"norm2.bias", 0, w),
		cross: newAttention(p, name+"attn2.", c, c.ImageDim > 0),
		up:    nn.NewLinear(p, name+"ffn.net.0.proj", w, c.FFN, 1),
		down:  nn.NewLinear(p, name+"ffn.net.2", c.FFN, w, 1),
	}
}

// attention is softmax attention whose queries and keys are normalised over all
// heads together.
type attention struct {
	heads        int
	q, k, v, o   nn.Linear
	qGain, kGain *tensor.Tensor
	// The keys and values of an image, in a transformer that takes one.
	ki, vi nn.Linear
	kiGain *tensor.Tensor
}

func newAttention(p *nn.Params, name string, c TransformerConfig, image bool) attention {
	w := c.Width()
	linear := func(part string) nn.Linear { return nn.NewLinear(p, name+part, w, w, 1) }
	a := attention{
		heads: c.Heads,
		q:     linear("to_q"), k: linear("to_k"), v: linear("to_v"), o: linear("to_out.0"),
		qGain: p.Ones(name+"norm_q.weight", w), kGain: p.Ones(name+"norm_k.weight", w),
	}
	if image {
		a.ki, a.vi = linear("add_k_proj"), linear("add_v_proj")
		a.kiGain = p.Ones(name+"norm_added_k.weight", w)
	}
	return a
}

// apply runs the block on tokens x [B, tokens, Width].
func (l *block) apply(p *Pass, x *tensor.Tensor) *tensor.Tensor {
	b, w := p.b, p.t.Config.Width()
	mods := b.AddRows(p.mods, l.table.Reshape(1, 6*w))
	part := func(i int) *tensor.Tensor { return b.Narrow(mods, 1, i*w, (i+1)*w) }

	y := b.Scope(func() *tensor.Tensor {
		return l.self.onVideo(p, b.LayerNormModulate(x, part(1), part(0), tensor.Eps))
	})
	x1 := b.GatedAdd(x, y, part(2))
	b.Free(y)

	y = b.Scope(func() *tensor.Tensor {
		return l.cross.onPrompt(p, b.LayerNorm(x1, l.gain, l.bias, tensor.Eps))
	})
	x2 := b.Add(x1, y)
	b.Free(x1)
	b.Free(y)

	y = b.Scope(func() *tensor.Tensor {
		return l.feedForward(b, b.LayerNormModulate(x2, part(4), part(3), tensor.Eps), hiddenRoom)
	})
	return b.GatedAdd(x2, y, part(5))
}

// split views [B, N, Width] as heads [B, N, heads, Width/heads].
func (a *attention) split(x *tensor.Tensor) *tensor.Tensor {
	return x.Reshape(x.Dim(0), x.Dim(1), a.heads, x.Dim(2)/a.heads)
}

// normed is a linear layer with a norm after it, in heads.
func (a *attention) normed(b tensor.Backend, l nn.Linear, x, gain *tensor.Tensor) *tensor.Tensor {
	return a.split(b.Scope(func() *tensor.Tensor { return b.RMSNorm(l.Apply(b, x, tensor.None), gain) }))
}

// attend takes q, k and v, and gives back their memory.
func (a *attention) attend(b tensor.Backend, q, k, v *tensor.Tensor) *tensor.Tensor {
	scale := float32(1 / math.Sqrt(float64(q.Dim(3))))
	y := b.SoftmaxAttention(q, k, v, nil, scale, tensor.Mask{})
	b.Free(k)
	b.Free(v)
	return y.Reshape(q.Dim(0), q.Dim(1), q.Dim(2)*q.Dim(3))
}

// onVideo is attention of all tokens h on each other. It gives back the memory
// of h.
func (a *attention) onVideo(p *Pass, h *tensor.Tensor) *tensor.Tensor {
	b := p.b
	turned := func(l nn.Linear, gain *tensor.Tensor) *tensor.Tensor {
		return b.Scope(func() *tensor.Tensor { return b.RoPE(a.normed(b, l, h, gain), p.cos, p.sin) })
	}
	q, k := turned(a.q, a.qGain), turned(a.k, a.kGain)
	v := a.split(a.v.Apply(b, h, tensor.None))
	b.Free(h)
	y := a.attend(b, q, k, v)
	b.Free(q)
	return a.o.Apply(b, y, tensor.None)
}

// onPrompt is attention of all tokens h on the prompt and, added to it, on the
// image. It gives back the memory of h.
func (a *attention) onPrompt(p *Pass, h *tensor.Tensor) *tensor.Tensor {
	b, text, image := p.b, p.prompts.text, p.prompts.image
	q := a.normed(b, a.q, h, a.qGain)
	b.Free(h)
	y := a.attend(b, q, a.normed(b, a.k, text, a.kGain), a.split(a.v.Apply(b, text, tensor.None)))
	if image != nil {
		y = b.Add(y, a.attend(b, q, a.normed(b, a.ki, image, a.kiGain), a.split(a.vi.Apply(b, image, tensor.None))))
	}
	b.Free(q)
	return a.o.Apply(b, y, tensor.None)
}

// hiddenRoom is about how many numbers between the two layers of a feed-forward
// layer are in memory at a time: 64 MiB of them.
const hiddenRoom = 1 << 24

// feedForward works through the tokens h in pieces, because it is several times
// wider than they are: about room numbers at a time.
func (l *block) feedForward(b tensor.Backend, h *tensor.Tensor, room int) *tensor.Tensor {
	rows := h.Reshape(h.Rows(), h.Dim(-1))
	piece := max(1, room/l.up.W.Dim(0))
	var parts []*tensor.Tensor
	for lo := 0; lo < rows.Dim(0); lo += piece {
		hi := min(lo+piece, rows.Dim(0))
		parts = append(parts, b.Scope(func() *tensor.Tensor {
			return l.down.Apply(b, l.up.Apply(b, b.Narrow(rows, 0, lo, hi), tensor.GELU), tensor.None)
		}))
	}
	if len(parts) == 1 {
		return parts[0].Reshape(h.Shape...)
	}
	b.Free(h)
	return b.Concat(0, parts...).Reshape(h.Shape...)
}
