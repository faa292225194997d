package reel

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// fine are the layers of the transformer at the resolution of the latents, with
// four cells to a token, before and after its blocks (an hourglass, Nawrot
// 2022). They are narrow and see only neighbouring cells: the blocks decide
// where things are, the fine layers draw their outlines.
//
// Their outputs start at zero, so a model that gains them starts from its
// present predictions.
type fine struct {
	width         int
	in            nn.Linear // latent → width
	mod           nn.Linear // condition → 3 vectors, shared by all blocks
	before, after []fineBlock
	down          nn.Linear // four cells before the blocks → what is added to their token
	up            nn.Linear // token → what is added to its four cells
	gain          *tensor.Tensor
	out           nn.Linear // cell → what is added to its latent
}

// newFine adds the layers' parameters to p. It returns nil if the model has
// none.
func newFine(p *nn.Params, c Config) *fine {
	f, w := c.Flow, c.Flow.Fine
	if w == 0 {
		return nil
	}
	m := &fine{
		width: w,
		in:    nn.NewLinear(p, "flow.fine.in", c.Codec.Latent, w, 1),
		mod:   nn.NewLinear(p, "flow.fine.mod", f.Width, 3*w, 0.1),
		down:  nn.NewLinear(p, "flow.fine.down", 4*w, f.Width, 0),
		up:    nn.NewLinear(p, "flow.fine.up", f.Width, 4*w, 1),
		gain:  p.Ones("flow.fine.gain", w),
		out:   nn.NewLinear(p, "flow.fine.out", w, c.Codec.Latent, 0),
	}
	for i := range 2 * f.FineBlocks {
		b := newFineBlock(p, fmt.Sprintf("flow.fine.%d.", i), w)
		if i < f.FineBlocks {
			m.before = append(m.before, b)
		} else {
			m.after = append(m.after, b)
		}
	}
	return m
}

// enter reads noisy latents z [B, G, H, W, Latent]. It returns the cells [B,
// G·H·W, fine width], and what is added to the tokens [B, N, width].
func (m *fine) enter(o tensor.Ops, z, mods *tensor.Tensor, l *layout) (cells, tokens *tensor.Tensor) {
	cells = m.run(o, m.before, m.in.Apply(o, z, tensor.None), mods, l)
	grid := o.Unshuffle(cells.Reshape(l.b, l.g, 2*l.h, 2*l.w, m.width), 1, 2, 2)
	tokens = m.down.Apply(o, grid, tensor.None)
	return cells, tokens.Reshape(l.b, l.g*l.h*l.w, tokens.Dim(-1))
}

// leave maps the blocks' tokens [B, N, width] back to the cells, and returns
// what is added to the predicted latents [B, G, H, W, Latent].
func (m *fine) leave(o tensor.Ops, tokens, cells, mods *tensor.Tensor, l *layout) *tensor.Tensor {
	grid := m.up.Apply(o, tokens, tensor.None).Reshape(l.b, l.g, l.h, l.w, 4*m.width)
	x := o.Add(cells, o.Shuffle(grid, 1, 2, 2).Reshape(cells.Shape...))
	x = o.RMSNorm(m.run(o, m.after, x, mods, l), m.gain)
	return m.out.Apply(o, x, tensor.None).Reshape(l.b, l.g, 2*l.h, 2*l.w, m.out.W.Dim(0))
}

// run sends cells through blocks; mods [B·G, 3·fine width].
func (m *fine) run(o tensor.Ops, blocks []fineBlock, x, mods *tensor.Tensor, l *layout) *tensor.Tensor {
	cells := *l
	cells.h, cells.w = 2*l.h, 2*l.w
	x = x.Reshape(l.b, l.g*cells.h*cells.w, m.width)
	for i := range blocks {
		x = o.Scope(func() *tensor.Tensor { return blocks[i].apply(o, x, mods, &cells) })
	}
	return x
}

// fineBlock is a feed-forward layer with its depthwise convolution on a
// normalised residual, modulated by the group's condition.
type fineBlock struct {
	width       int
	table, gain *tensor.Tensor // [1, 3·width], [width]
	ffn         feedForward
}

func newFineBlock(p *nn.Params, name string, w int) fineBlock {
	openGate := func(table []float32) {
		for j := range w {
			table[2*w+j] += startGate
		}
	}
	return fineBlock{
		width: w,
		table: p.NewWith(name+"table", 0.02, openGate, 1, 3*w),
		gain:  p.Ones(name+"gain", w),
		ffn:   newFeedForward(p, name+"ffn.", FlowConfig{Width: w, Hidden: 2 * w}, false),
	}
}

func (b *fineBlock) apply(o tensor.Ops, x, mods *tensor.Tensor, l *layout) *tensor.Tensor {
	w := b.width
	mods = o.AddRows(mods, b.table)
	part := func(i int) *tensor.Tensor { return o.Narrow(mods, 1, i*w, (i+1)*w) }
	h := o.Modulate(o.RMSNorm(x, b.gain), part(0), part(1))
	return o.GatedAdd(x, b.ffn.apply(o, h, l, nil), part(2))
}
