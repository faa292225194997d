package tae

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

type decoder struct {
	in     nn.Conv
	first  *tensor.Tensor // [C, Latent]: instead of in, in the larger decoder
	levels [levels]upLevel
	out    nn.Conv
}

// upLevel is blocks, a layer that may make two frames of one, and a convolution
// of the frame that is made twice as large. In the larger decoder the convolution
// comes first, and its channels become four pixels.
type upLevel struct {
	blocks  [3]block
	grow    *tensor.Tensor // [frames·C, C]
	enlarge *tensor.Tensor // [O, 1, 3, 3, C]
	split   *nn.Conv       // [4·O, 1, 3, 3, C]
}

func (m *TAE) newDecoder(colours int) decoder {
	c, p := m.Config, m.Params
	var d decoder
	if c.Super {
		d.first = pointwise(p, superIn, c.Latent, c.Widths[0])
	} else {
		d.in = nn.NewConv(p, decoderIn, c.Latent, c.Widths[0], 1, 3, 3, 1)
	}
	for i := range levels {
		l, in, out := &d.levels[i], c.Widths[i], c.Widths[i+1]
		for at := range l.blocks {
			if c.Super {
				l.blocks[at] = m.wideBlock(c.at(i, at), in)
			} else {
				l.blocks[at] = m.memBlock(c.at(i, at), in)
			}
		}
		if c.Super {
			conv := nn.NewConv(p, c.enlarger(i), in, 4*out, 1, 3, 3, 1)
			l.split, l.grow = &conv, pointwise(p, c.grower(i), out, out*c.Grow[i])
		} else {
			l.grow, l.enlarge = pointwise(p, c.grower(i), in, in*c.Grow[i]), weight(p, c.enlarger(i), in, out, 3)
		}
	}
	d.out = nn.NewConv(p, decoderOut, c.Widths[levels], colours, 1, 3, 3, 1)
	return d
}

// Decode hands the frames of latents to yield, in order: RGB, 3 bytes a pixel,
// valid until yield returns. z [t, h, w, Latent] are latents as a transformer sees
// them, standardised. They give Config.Frames(t) frames of Config.Spatial()
// times their size.
func (m *TAE) Decode(ctx context.Context, z []float32, t, h, w int, yield func(rgb []byte) error) error {
	return m.decode(ctx, m.NewBackend(), z, t, h, w, tensor.Pixels(yield))
}

// decode is Decode with frames [H, W, 3] in [-1, 1], on a backend.
func (m *TAE) decode(ctx context.Context, b tensor.Backend, z []float32, t, h, w int, yield func(frame []float32) error) (err error) {
	defer tensor.CatchFault(&err)
	c := m.Config
	if t < 1 || h < 1 || w < 1 || len(z) != t*h*w*c.Latent {
		return fmt.Errorf("decode latents: %d numbers are not %d latents of %d×%d with %d channels", len(z), t, w, h, c.Latent)
	}
	s := m.stream(ctx, b)
	defer s.close()
	size := h * w * c.Latent
	frame := make([]float32, 3*h*w*c.Spatial()*c.Spatial())
	patches := make([]float32, len(frame))
	skip := c.Temporal() - 1 // the first latent stands for a single frame, the last of its frames
	for i := range t {
		b.Reset()
		x := b.Upload(z[i*size:(i+1)*size], 1, 1, h, w, c.Latent)
		err := m.decoder.latent(s, x, &skip, func(x *tensor.Tensor) error {
			b.Download(patches, x)
			m.patches(x.Dim(2), x.Dim(3), func(patch, pixel int) { frame[pixel] = max(-1, min(1, 2*patches[patch]-1)) })
			return yield(frame)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// patches calls f for each number of a frame of h×w patches: where it is in the
// patches [h, w, 3·p·p], whose channels are colour, row and column, and in the
// pixels [h·p, w·p, 3].
func (m *TAE) patches(h, w int, f func(patch, pixel int)) {
	p, at := m.Config.Patch, 0
	for y := range h {
		for x := range w {
			for c := range 3 {
				for down := range p {
					for right := range p {
						f(at, ((y*p+down)*w*p+x*p+right)*3+c)
						at++
					}
				}
			}
		}
	}
}

// latent decodes a latent frame x. skip is how many of the frames that follow are
// not wanted.
func (d *decoder) latent(s *stream, x *tensor.Tensor, skip *int, yield func(x *tensor.Tensor) error) error {
	if d.first != nil {
		return d.level(s, 0, s.b.Linear(x, d.first, nil, tensor.None), skip, yield)
	}
	x = s.b.Scope(func() *tensor.Tensor { return s.b.Scale(s.b.Tanh(s.b.Scale(x, 1./3)), 3) })
	return d.level(s, 0, s.conv(d.in, x, tensor.None, tensor.ReLU, nil), skip, yield)
}

// level takes a frame x, which it frees, through level i and those after it.
func (d *decoder) level(s *stream, i int, x *tensor.Tensor, skip *int, yield func(x *tensor.Tensor) error) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if i == levels {
		before := tensor.ReLU
		if d.first != nil {
			before = tensor.None
		}
		x = s.conv(d.out, x, before, tensor.None, nil)
		err := yield(x)
		s.b.Free(x)
		return err
	}
	l := &d.levels[i]
	for _, k := range l.blocks {
		x = k.apply(s, x)
	}
	if l.split != nil {
		x = s.conv(*l.split, x, tensor.None, tensor.ReLU, nil)
		x = s.instead(x, s.b.DupUp(x, x.Dim(-1)/4, 1, 2, 2)) // each number goes to one pixel
	}
	c := x.Dim(-1)
	// A layer for each pixel may come before the enlargement as well as after it.
	grown := s.instead(x, s.b.Linear(x, l.grow, nil, tensor.None))
	for at := 0; at < grown.Dim(-1); at += c {
		if i == levels-1 && *skip > 0 { // nothing after it remembers the frame
			*skip--
			continue
		}
		y := s.b.Scope(func() *tensor.Tensor {
			one := s.b.Narrow(grown, 4, at, at+c)
			if l.enlarge == nil {
				return one
			}
			return s.b.ConvNearest2(s.b.Operand(one, nil, tensor.None), l.enlarge, nil, nil)
		})
		if err := d.level(s, i+1, y, skip, yield); err != nil {
			return err
		}
	}
	s.b.Free(grown)
	return nil
}
