package reel

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A block is self-attention, attention on the text, and a feed-forward layer,
// each on a normalised residual. Self-attention and the feed-forward layer are
// modulated by the group's condition (adaLN-single, Chen 2023: one shared
// projection, and a table per block).
type block struct {
	name                        string
	width, heads                int
	softmax                     bool
	table                       *tensor.Tensor // [1, 6·width]
	attnGain, textGain, ffnGain *tensor.Tensor
	q, k, v, o                  nn.Linear
	qGain, kGain                *tensor.Tensor
	tq, tk, tv, to              nn.Linear
	tqGain, tkGain              *tensor.Tensor
	ffn                         feedForward
}

func newBlock(p *nn.Params, i int, c Config) block {
	name, w, d := fmt.Sprintf("flow.%d.", i), c.Flow.Width, c.Flow.Width/c.Flow.Heads
	softmax := c.Flow.Softmax > 0 && i%c.Flow.Softmax == c.Flow.Softmax-1
	// Gates start open enough for every block to learn from the first step.
	openGates := func(table []float32) {
		for j := range w {
			table[2*w+j] += startGate
			table[5*w+j] += startGate
		}
	}
	return block{
		name: name, width: w, heads: c.Flow.Heads, softmax: softmax,
		table:    p.NewWith(name+"table", 0.02, openGates, 1, 6*w),
		attnGain: p.Ones(name+"attn_gain", w), textGain: p.Ones(name+"text_gain", w), ffnGain: p.Ones(name+"ffn_gain", w),
		q: nn.NewLinear(p, name+"q", w, w, 1), k: nn.NewLinear(p, name+"k", w, w, 1),
		v: nn.NewLinear(p, name+"v", w, w, 1), o: nn.NewLinear(p, name+"o", w, w, 1),
		qGain: p.Ones(name+"q_gain", d), kGain: p.Ones(name+"k_gain", d),
		tq: nn.NewLinear(p, name+"text_q", w, w, 1), tk: nn.NewLinear(p, name+"text_k", c.Text.Width, w, 1),
		tv: nn.NewLinear(p, name+"text_v", c.Text.Width, w, 1), to: nn.NewLinear(p, name+"text_o", w, w, 0.5),
		tqGain: p.Ones(name+"text_q_gain", d), tkGain: p.Ones(name+"text_k_gain", d),
		ffn: newFeedForward(p, name+"ffn.", c.Flow, c.Flow.Experts > 0 && i%2 == 1),
	}
}

// startGate is the initial factor of a residual branch.
const startGate = 0.3

// apply runs the block on x [B, N, width]; mods [B·G, 6·width].
func (b *block) apply(o tensor.Ops, x, mods *tensor.Tensor, l *layout, aux *Routing) *tensor.Tensor {
	w := b.width
	mods = o.AddRows(mods, b.table)
	part := func(i int) *tensor.Tensor { return o.Narrow(mods, 1, i*w, (i+1)*w) }

	h := o.Modulate(o.RMSNorm(x, b.attnGain), part(0), part(1))
	x = o.GatedAdd(x, b.o.Apply(o, b.attend(o, h, l), tensor.None), part(2))

	x = o.Add(x, b.to.Apply(o, b.attendText(o, o.RMSNorm(x, b.textGain), l), tensor.None))

	h = o.Modulate(o.RMSNorm(x, b.ffnGain), part(3), part(4))
	return o.GatedAdd(x, b.ffn.apply(o, h, l, aux), part(5))
}

// split views [B, N, width] as heads [B, N, heads, width/heads].
func (b *block) split(x *tensor.Tensor) *tensor.Tensor {
	return x.Reshape(x.Dim(0), x.Dim(1), b.heads, b.width/b.heads)
}

// attend is self-attention over this chunk and the one before.
func (b *block) attend(o tensor.Ops, h *tensor.Tensor, l *layout) *tensor.Tensor {
	q := o.RMSNorm(b.split(b.q.Apply(o, h, tensor.None)), b.qGain)
	k := o.RMSNorm(b.split(b.k.Apply(o, h, tensor.None)), b.kGain)
	v := b.split(b.v.Apply(o, h, tensor.None))
	var y *tensor.Tensor
	if b.softmax {
		y = b.attendSoftmax(o, o.RoPE(q, l.cos, l.sin), o.RoPE(k, l.cos, l.sin), v, l)
	} else {
		q, k = o.Activate(q, tensor.ReLU), o.Activate(k, tensor.ReLU)
		y = b.attendLinear(o, q, k, o.RoPE(q, l.cos, l.sin), o.RoPE(k, l.cos, l.sin), v, l)
	}
	return y.Reshape(h.Shape...)
}

func (b *block) attendSoftmax(o tensor.Ops, q, k, v *tensor.Tensor, l *layout) *tensor.Tensor {
	pk, pv := l.stream.get(b.name+"k"), l.stream.get(b.name+"v")
	l.stream.keep(b.name+"k", k)
	l.stream.keep(b.name+"v", v)
	if pk == nil {
		return o.Attention(q, k, v, l.mask)
	}
	// A stream is given one chunk at a time: all of the past is in view.
	return o.Attention(q, o.Concat(1, pk, k), o.Concat(1, pv, v), tensor.Mask{})
}

func (b *block) attendLinear(o tensor.Ops, q, k, qr, kr, v *tensor.Tensor, l *layout) *tensor.Tensor {
	if l.stream.records() {
		l.stream.keep(b.name+"state", l.stream.b.LinearState(k, kr, v))
	}
	if state := l.stream.get(b.name + "state"); state != nil {
		return l.stream.b.LinearAttentionOn(state, q, k, qr, kr, v, l.segs)
	}
	return o.LinearAttention(q, k, qr, kr, v, l.segs)
}

// attendText is softmax attention on the tokens of the prompt.
func (b *block) attendText(o tensor.Ops, h *tensor.Tensor, l *layout) *tensor.Tensor {
	q := o.RMSNorm(b.split(b.tq.Apply(o, h, tensor.None)), b.tqGain)
	k := o.RMSNorm(b.split(b.tk.Apply(o, l.text.Tokens, tensor.None)), b.tkGain)
	v := b.split(b.tv.Apply(o, l.text.Tokens, tensor.None))
	return o.Attention(q, k, v, l.textMask).Reshape(h.Shape...)
}
