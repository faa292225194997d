package tae

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

type encoder struct {
	in     nn.Conv
	levels [levels]downLevel
	out    nn.Conv
}

// downLevel is a layer that may make one frame of two, a convolution with a stride
// of two, and blocks.
type downLevel struct {
	frames int
	pool   *tensor.Tensor // [C, frames·C]
	halve  *tensor.Tensor // [C, 1, 3, 3, C]
	blocks [3]block
}

// Encode returns the latents of n frames of w×h pixels as a transformer sees
// them, standardised: [t, h', w', Latent]. frame writes frame i, [h, w, 3] in
// [-1, 1], to dst. The last frame is repeated where frames lack for a latent; w
// and h are multiples of Config.Spatial().
func (m *TAE) Encode(ctx context.Context, n, h, w int, frame func(i int, dst []float32) error) ([]float32, error) {
	return m.encode(ctx, m.NewBackend(), n, h, w, frame)
}

func (m *TAE) encode(ctx context.Context, b tensor.Backend, n, h, w int, frame func(i int, dst []float32) error) (z []float32, err error) {
	defer tensor.CatchFault(&err)
	c := m.Config
	if space := c.Spatial(); n < 1 || h < 1 || w < 1 || h%space != 0 || w%space != 0 {
		return nil, fmt.Errorf("encode %d frames of %d×%d: sides must be multiples of %d", n, w, h, space)
	}
	s := m.stream(ctx, b)
	defer s.close()
	ph, pw := h/c.Patch, w/c.Patch
	pixels, x := make([]float32, h*w*3), make([]float32, h*w*3)
	for i := range (n + c.joined() - 1) / c.joined() * c.joined() {
		if i < n {
			if err := frame(i, pixels); err != nil {
				return nil, err
			}
			m.patches(ph, pw, func(patch, pixel int) { x[patch] = pixels[pixel]/2 + 0.5 })
		}
		b.Reset()
		y, err := m.encoder.frame(s, b.Upload(x, 1, 1, ph, pw, 3*c.Patch*c.Patch))
		if err != nil {
			return nil, err
		}
		if y != nil {
			z = append(z, tensor.Values(b, y)...)
		}
	}
	return z, nil
}

// frame takes in a video's next frame, and returns a latent where one is complete.
func (e *encoder) frame(s *stream, x *tensor.Tensor) (*tensor.Tensor, error) {
	x = s.conv(e.in, x, tensor.None, tensor.ReLU, nil)
	for i := range e.levels {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		l := &e.levels[i]
		if l.frames > 1 {
			before := s.wait[i]
			if before == nil {
				s.wait[i] = s.b.Retain(x)
				return nil, nil
			}
			delete(s.wait, i)
			x = s.instead(before, s.instead(x, s.b.Concat(4, before, x)))
		}
		x = s.instead(x, s.b.Linear(x, l.pool, nil, tensor.None))
		x = s.instead(x, s.b.ConvDown(x, l.halve, nil, 1, tensor.None))
		for _, k := range l.blocks {
			x = k.apply(s, x)
		}
	}
	return s.conv(e.out, x, tensor.None, tensor.None, nil), nil
}
