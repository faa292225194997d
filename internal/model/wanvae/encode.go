package wanvae

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

type encoder struct {
	in     causal
	levels []*downLevel
	middle middle
	head   head
}

// downLevel is residual blocks and, but for the last level, a halving. A shortcut
// leads from the level's frames to its result.
type downLevel struct {
	blocks   []residual
	halve    *halving
	shortcut bool
}

// halving halves the sides of a frame, and may make one frame of two.
type halving struct {
	conv nn.Conv    // with a stride of two
	time *nn.Linear // of three frames, the last of them and every second one
}

// pair is what a halving of time remembers.
type pair struct {
	last *tensor.Tensor // the frame before, halved
	// wait and waitIn are a frame that waits for the one after it, halved and as
	// the level was given it.
	wait, waitIn *tensor.Tensor
}

func (p *pair) free(b tensor.Backend) {
	for _, t := range []*tensor.Tensor{p.last, p.wait, p.waitIn} {
		if t != nil {
			b.Free(t)
		}
	}
}

func (b builder) encoder() encoder {
	dims, _ := b.c.widths()
	n := len(b.c.DimMult)
	e := encoder{in: b.causal(b.l.convIn, b.c.InChannels, dims[0], 3, 3)}
	for i := range n {
		in, out := dims[i], dims[i+1]
		l := &downLevel{shortcut: b.c.IsResidual}
		for at := range b.c.NumResBlocks {
			l.blocks = append(l.blocks, b.residual(b.l.down(b.c, i, at), in, out))
			in = out
		}
		if i < n-1 {
			name := b.l.down(b.c, i, b.c.NumResBlocks)
			l.halve = &halving{conv: b.filter(name+".resample.1", out, out, 1, 3, 3)}
			if b.c.TemporalDownsample[i] {
				w := b.filter(name+".time_conv", out, out, 3, 1, 1)
				if w.W.Len() == 3*out*out {
					w.W = w.W.Reshape(out, 3*out)
				}
				l.halve.time = (*nn.Linear)(&w)
			}
		}
		e.levels = append(e.levels, l)
	}
	e.middle = b.middle(dims[n])
	e.head = b.head(dims[n], 2*b.c.ZDim)
	return e
}

// Encode returns the latents of n frames of w×h pixels as a transformer sees
// them, standardised: [t, h', w', ZDim], each the mean of what the encoder allows.
// frame writes frame i, [h, w, 3] in [-1, 1], to dst. n is 1 and a multiple of
// Config.Temporal() more, w and h are multiples of Config.Spatial().
func (m *VAE) Encode(ctx context.Context, n, h, w int, frame func(i int, dst []float32) error) ([]float32, error) {
	return m.encode(ctx, m.NewBackend(), n, h, w, frame)
}

func (m *VAE) encode(ctx context.Context, b tensor.Backend, n, h, w int, frame func(i int, dst []float32) error) (z []float32, err error) {
	defer tensor.CatchFault(&err)
	c := m.Config
	if space, time := c.Spatial(), c.Temporal(); n < 1 || (n-1)%time != 0 || h < 1 || w < 1 || h%space != 0 || w%space != 0 {
		return nil, fmt.Errorf("encode %d frames of %d×%d: sides must be multiples of %d, and frames one and a multiple of %d", n, w, h, space, time)
	}
	s := m.stream(ctx, b)
	defer s.close()
	pixels, x := make([]float32, h*w*3), make([]float32, h*w*3)
	for i := range n {
		if err := frame(i, pixels); err != nil {
			return nil, err
		}
		m.patches(h/c.PatchSize, w/c.PatchSize, func(patch, pixel int) { x[patch] = pixels[pixel] })
		b.Reset()
		in := b.Upload(x, 1, 1, h/c.PatchSize, w/c.PatchSize, c.InChannels)
		err := m.encoder.frame(s, in, func(y *tensor.Tensor) {
			y = s.instead(y, m.quant.Apply(b, y, tensor.None))
			for j, v := range tensor.Values(b, y) {
				if ch := j % (2 * c.ZDim); ch < c.ZDim { // the rest are variances
					z = append(z, (v-c.LatentsMean[ch])/c.LatentsStd[ch])
				}
			}
		})
		if err != nil {
			return nil, err
		}
		s.first = false
	}
	return z, nil
}

// frame takes in a video's next frame, and hands a latent to yield where one is
// complete.
func (e *encoder) frame(s *stream, x *tensor.Tensor, yield func(y *tensor.Tensor)) error {
	x = e.in.apply(s, s.b.Operand(x, nil, tensor.None), nil)
	for _, l := range e.levels {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if x = l.apply(s, x); x == nil {
			return nil
		}
	}
	x = e.middle.apply(s, x)
	yield(s.instead(x, e.head.apply(s, x)))
	return nil
}

// apply returns what the level makes of x, which it frees, or nil where that has
// to wait for another frame.
func (l *downLevel) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	h := x
	for j := range l.blocks {
		y := l.blocks[j].apply(s, h)
		if h != x {
			s.b.Free(h)
		}
		h = y
	}
	in := []*tensor.Tensor{x} // the frames that the result is made of
	if l.halve != nil {
		h = s.instead(h, s.b.ConvDown(h, l.halve.conv.W, l.halve.conv.B, 0, tensor.None))
		if l.halve.time != nil {
			if !l.shortcut {
				s.b.Free(x)
				x = nil
			}
			if h, in = l.halve.join(s, h, x); h == nil {
				return nil
			}
		}
	}
	if l.shortcut {
		h = s.instead(h, s.b.Scope(func() *tensor.Tensor { return s.b.Add(h, l.around(s, h.Dim(-1), in)) }))
	}
	for _, x := range in {
		if x != nil {
			s.b.Free(x)
		}
	}
	return h
}

// join makes one frame of two. It returns nil where h has to wait; otherwise also
// the frames that the result stands for: x is what a shortcut takes of them, or
// nil.
func (v *halving) join(s *stream, h, x *tensor.Tensor) (*tensor.Tensor, []*tensor.Tensor) {
	p := s.held[v]
	switch {
	case p == nil: // the video's first frame stands alone
		s.held[v] = &pair{last: s.b.Keep(h)}
		return h, []*tensor.Tensor{x}
	case p.wait == nil:
		p.wait = s.b.Retain(h)
		if x != nil {
			p.waitIn = s.b.Retain(x)
		}
		return nil, nil
	}
	both := []*tensor.Tensor{p.waitIn, x}
	y := s.b.Scope(func() *tensor.Tensor {
		return v.time.Apply(s.b, s.b.Concat(4, p.last, p.wait, h), tensor.None)
	})
	s.b.Free(p.last)
	s.b.Free(p.wait)
	*p = pair{last: s.b.Retain(h)}
	return y, both
}

// around is the shortcut: the means of blocks of pixels, and channels, of the
// frames that a level was given.
func (l *downLevel) around(s *stream, out int, in []*tensor.Tensor) *tensor.Tensor {
	x, times, sides := in[0], 1, 1
	if l.halve != nil {
		sides = 2
		if l.halve.time != nil {
			times = 2
			before := in[0]
			if len(in) == 1 { // before the video's first frame is a black one
				before = s.b.Upload(make([]float32, x.Len()), x.Shape...)
			}
			x = s.b.Concat(1, before, in[len(in)-1])
		}
	}
	return s.b.AvgDown(x, out, times, sides, sides)
}
