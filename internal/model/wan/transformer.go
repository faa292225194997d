// Package wan runs the released weights of Wan 2.1 and 2.2 (Wan Team 2025,
// arXiv:2503.20314): a diffusion transformer over the latents of a video.
//
// It computes with the weights where they lie, block by block if they are
// larger than memory, and says what they lack. It never trains.
package wan

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Transformer predicts the velocity of latents from their noisy state, the
// timestep and a prompt: Wan 2.1 from text or from an image, and both experts
// and the 5B model of Wan 2.2. One goroutine uses it at a time.
type Transformer struct {
	Config TransformerConfig
	Params *nn.Params // under diffusers' names
	// Parts are what runs one after another: the embedding of text, image and
	// timestep, then each block. All stay in memory once they have run, unless
	// Stay says otherwise. What is in no part is small and always stays.
	Parts *nn.Parts

	patch, out         nn.Linear
	text1, text2       nn.Linear
	time1, time2, proj nn.Linear
	image              *imageEmbedding // nil for a model that takes none
	blocks             []block
	table              *tensor.Tensor // [1, 2, Width], shift and scale at the end
}

// OpenTransformer makes a transformer of weights in any of the layouts that are
// known. It refuses weights that lack a parameter of the configuration, have it
// in another shape, or, if they are nn.Listed, hold more than it.
func OpenTransformer(c TransformerConfig, w nn.Weights) (t *Transformer, err error) {
	defer tensor.CatchFault(&err)
	fail := func(err error) (*Transformer, error) { return nil, fmt.Errorf("the transformer: %w", err) }
	if err := c.check(); err != nil {
		return fail(err)
	}
	r, err := nn.Rename(w, probe, layouts)
	if err != nil {
		return fail(err)
	}
	p := nn.InPlace(&transformerWeights{Renamed: r, config: c})
	t = build(c, p)
	if err := p.Err(); err != nil {
		return fail(err)
	}
	if all, ok := w.(nn.Listed); ok {
		if left := r.Layout.Unused(all, p, besides); len(left) > 0 {
			return fail(fmt.Errorf("the weights hold %d tensors that its configuration has no use for, such as %q: they are of another model", len(left), left[0]))
		}
	}
	p.Freeze()
	names := []string{embedder}
	for i := range c.Layers {
		names = append(names, blockName(i))
	}
	t.Parts = nn.NewParts(p, names...)
	return t, nil
}

func build(c TransformerConfig, p *nn.Params) *Transformer {
	w, patch := c.Width(), c.Patch[0]*c.Patch[1]*c.Patch[2]
	linear := func(name string, in, out int) nn.Linear { return nn.NewLinear(p, embedder+name, in, out, 1) }
	t := &Transformer{
		Config: c, Params: p,
		patch: nn.NewLinear(p, "patch_embedding", c.In*patch, w, 1),
		text1: linear("text_embedder.linear_1", c.TextDim, w), text2: linear("text_embedder.linear_2", w, w),
		time1: linear("time_embedder.linear_1", c.FreqDim, w), time2: linear("time_embedder.linear_2", w, w),
		proj:  linear("time_proj", w, 6*w),
		table: p.New("scale_shift_table", 1, 1, 2, w),
		out:   nn.NewLinear(p, "proj_out", w, c.Out*patch, 1),
	}
	if c.ImageDim > 0 {
		t.image = newImageEmbedding(p, c)
	}
	for i := range c.Layers {
		t.blocks = append(t.blocks, newBlock(p, c, i))
	}
	return t
}

// Forward is a whole pass over latents [B, T, H, W, In]: it returns the
// velocity, [B, T, H, W, Out]. timesteps, from 0 to 1000, has one for all
// tokens, or one for each token of a batch entry, as where the first frame is
// given and clean. prompts has as many entries as the batch.
func (t *Transformer) Forward(ctx context.Context, b tensor.Backend, latents *tensor.Tensor, timesteps []float32, prompts *Prompts) (velocity *tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	p, x, err := t.Begin(ctx, b, latents, timesteps, prompts)
	if err != nil {
		return nil, err
	}
	y, err := p.Blocks(ctx, x, 0, len(t.blocks))
	if err != nil {
		return nil, err
	}
	b.Free(x)
	return p.End(y), nil
}

// A Pass is a forward pass that is taken in steps, so that blocks can be left
// out: Begin, Blocks, End. It ends with its backend's next Reset.
type Pass struct {
	t     *Transformer
	b     tensor.Backend
	batch int
	grid  [3]int // tokens along each axis

	time     *tensor.Tensor // [rows, Width]: the timestep of each group of tokens
	mods     *tensor.Tensor // [rows, 6·Width], from it
	cos, sin *tensor.Tensor // [tokens, HeadDim/2]
	prompts  *Prompts
}

// Begin starts a pass as described for Forward and returns its tokens
// [B, tokens, Width].
func (t *Transformer) Begin(ctx context.Context, b tensor.Backend, latents *tensor.Tensor, timesteps []float32, prompts *Prompts) (p *Pass, x *tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	c := t.Config
	if len(latents.Shape) != 5 || latents.Dim(4) != c.In {
		return nil, nil, fmt.Errorf("latents of shape %v, the transformer takes [B, T, H, W, %d]", latents.Shape, c.In)
	}
	p = &Pass{t: t, b: b, batch: latents.Dim(0), prompts: prompts}
	if p.grid, err = c.Tokens(latents.Dim(1), latents.Dim(2), latents.Dim(3)); err != nil {
		return nil, nil, err
	}
	if n := prompts.text.Dim(0); n != p.batch {
		return nil, nil, fmt.Errorf("%d prompts for a batch of %d", n, p.batch)
	}
	tokens := p.grid[0] * p.grid[1] * p.grid[2]
	if len(timesteps) != 1 && len(timesteps) != tokens {
		return nil, nil, fmt.Errorf("%d timesteps, must be 1 or one for each of %d tokens", len(timesteps), tokens)
	}
	err = t.Parts.Run(ctx, b, 0, 1, func(int) { p.embedTime(timesteps) })
	if err != nil {
		return nil, nil, fmt.Errorf("the transformer: %w", err)
	}
	p.cos, p.sin = rotations(b, c.HeadDim, p.grid)
	x = b.Scope(func() *tensor.Tensor {
		return t.patch.Apply(b, b.Unshuffle(latents, c.Patch[0], c.Patch[1], c.Patch[2]), tensor.None)
	})
	return p, x.Reshape(p.batch, tokens, c.Width()), nil
}

// Blocks runs the blocks from lo to hi on tokens x [B, tokens, Width], which
// stays as it is, and returns as many.
func (p *Pass) Blocks(ctx context.Context, x *tensor.Tensor, lo, hi int) (y *tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	y = x
	err = p.t.Parts.Run(ctx, p.b, 1+lo, 1+hi, func(i int) {
		next := p.b.Scope(func() *tensor.Tensor { return p.t.blocks[i-1].apply(p, y) })
		if y != x {
			p.b.Free(y)
		}
		y = next
	})
	if err != nil {
		return nil, fmt.Errorf("the transformer: %w", err)
	}
	return y, nil
}

// End turns the tokens that the last block gave into the velocity
// [B, T, H, W, Out]. The caller defers tensor.CatchFault.
func (p *Pass) End(x *tensor.Tensor) *tensor.Tensor {
	b, c := p.b, p.t.Config
	return b.Scope(func() *tensor.Tensor {
		table := p.t.table.Reshape(2, c.Width())
		shift := b.AddRows(p.time, b.Narrow(table, 0, 0, 1))
		scale := b.AddRows(p.time, b.Narrow(table, 0, 1, 2))
		y := p.t.out.Apply(b, b.LayerNormModulate(x, scale, shift, tensor.Eps), tensor.None)
		y = y.Reshape(p.batch, p.grid[0], p.grid[1], p.grid[2], y.Dim(-1))
		return b.Shuffle(y, c.Patch[0], c.Patch[1], c.Patch[2])
	})
}
