package wanvae

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

type decoder struct {
	in     causal
	middle middle
	levels []upLevel
	head   head
}

// upLevel is residual blocks and, but for the last level, an enlargement.
type upLevel struct {
	blocks  []residual
	enlarge *enlargement
}

// enlargement doubles the sides of a frame, and may make two frames of one.
type enlargement struct {
	conv     nn.Conv // of the enlarged frame
	time     *causal // one frame to two
	shortcut bool    // the frame itself, enlarged without weights, is added
}

func (b builder) decoder() decoder {
	_, dims := b.c.widths()
	n := len(b.c.DimMult)
	d := decoder{in: b.causal(b.l.convIn, b.c.ZDim, dims[0], 3, 3), middle: b.middle(dims[0])}
	for i := range n {
		in, out := dims[i], dims[i+1]
		if i > 0 && !b.c.IsResidual {
			in /= 2
		}
		var l upLevel
		for at := range b.c.NumResBlocks + 1 {
			l.blocks = append(l.blocks, b.residual(b.l.up(b.c, i, at), in, out))
			in = out
		}
		if i < n-1 {
			name, width := b.l.up(b.c, i, b.c.NumResBlocks+1), out
			if !b.c.IsResidual {
				width /= 2
			}
			l.enlarge = &enlargement{conv: b.filter(name+".resample.1", out, width, 1, 3, 3), shortcut: b.c.IsResidual}
			if b.c.TemporalDownsample[n-2-i] {
				time := b.causal(name+".time_conv", out, 2*out, 3, 1)
				l.enlarge.time = &time
			}
		}
		d.levels = append(d.levels, l)
	}
	d.head = b.head(dims[n], b.c.OutChannels)
	return d
}

// Decode hands the frames of latents to yield, in order: RGB, 3 bytes a pixel,
// valid until yield returns. z [t, h, w, ZDim] are latents as a transformer sees
// them, standardised. They give Config.Frames(t) frames of Config.Spatial()
// times their size.
func (m *VAE) Decode(ctx context.Context, z []float32, t, h, w int, yield func(rgb []byte) error) error {
	return m.decode(ctx, m.NewBackend(), z, t, h, w, tensor.Pixels(yield))
}

// decode is Decode with frames [H, W, 3] in [-1, 1], on a backend.
func (m *VAE) decode(ctx context.Context, b tensor.Backend, z []float32, t, h, w int, yield func(frame []float32) error) (err error) {
	defer tensor.CatchFault(&err)
	c := m.Config
	if t < 1 || h < 1 || w < 1 || len(z) != t*h*w*c.ZDim {
		return fmt.Errorf("decode latents: %d numbers are not %d latents of %d×%d with %d channels", len(z), t, w, h, c.ZDim)
	}
	s := m.stream(ctx, b)
	defer s.close()
	size := h * w * c.ZDim
	one := make([]float32, size)
	frame := make([]float32, 3*h*w*c.Spatial()*c.Spatial())
	patches := make([]float32, len(frame))
	for i := range t {
		for j, v := range z[i*size : (i+1)*size] {
			one[j] = v*c.LatentsStd[j%c.ZDim] + c.LatentsMean[j%c.ZDim]
		}
		b.Reset()
		x := m.postQuant.Apply(b, b.Upload(one, 1, 1, h, w, c.ZDim), tensor.None)
		err := m.decoder.latent(s, x, func(x *tensor.Tensor) error {
			b.Download(patches, x)
			m.patches(x.Dim(2), x.Dim(3), func(patch, pixel int) { frame[pixel] = max(-1, min(1, patches[patch])) })
			return yield(frame)
		})
		if err != nil {
			return err
		}
		s.first = false
	}
	return nil
}

// patches calls f for each number of a frame of h×w patches: where it is in the
// patches [h, w, 3·p·p], whose channels are colour, column and row, and in the
// pixels [h·p, w·p, 3].
func (m *VAE) patches(h, w int, f func(patch, pixel int)) {
	p, at := m.Config.PatchSize, 0
	for y := range h {
		for x := range w {
			for c := range 3 {
				for right := range p {
					for down := range p {
						f(at, ((y*p+down)*w*p+x*p+right)*3+c)
						at++
					}
				}
			}
		}
	}
}

// latent decodes a latent frame x, which it frees.
func (d *decoder) latent(s *stream, x *tensor.Tensor, yield func(x *tensor.Tensor) error) error {
	x = s.instead(x, d.in.apply(s, s.b.Operand(x, nil, tensor.None), nil))
	return d.level(s, 0, d.middle.apply(s, x), yield)
}

// level takes a frame x, which it frees, through level i and those after it.
func (d *decoder) level(s *stream, i int, x *tensor.Tensor, yield func(x *tensor.Tensor) error) error {
	if i == len(d.levels) {
		y := d.head.apply(s, x)
		s.b.Free(x)
		err := yield(y)
		s.b.Free(y)
		return err
	}
	l, h := &d.levels[i], x
	for j := range l.blocks {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		y := l.blocks[j].apply(s, h)
		if h != x || l.enlarge == nil || !l.enlarge.shortcut {
			s.b.Free(h)
		}
		h = y
	}
	if l.enlarge == nil {
		return d.level(s, i+1, h, yield)
	}
	return l.enlarge.apply(s, x, h, func(y *tensor.Tensor) error { return d.level(s, i+1, y, yield) })
}

// apply enlarges the frame h, which a level made of x, and frees h. It hands each
// frame that it becomes to yield, which frees it.
func (e *enlargement) apply(s *stream, x, h *tensor.Tensor, yield func(y *tensor.Tensor) error) error {
	var around *tensor.Tensor // of all frames
	if e.shortcut {
		times := 1
		if e.time != nil {
			times = 2
		}
		around = s.instead(x, s.b.DupUp(x, e.conv.W.Dim(0), times, 2, 2))
	}
	frames := []*tensor.Tensor{h}
	if e.time != nil && !s.first {
		c := h.Dim(-1)
		both := s.instead(h, e.time.apply(s, s.b.Operand(h, nil, tensor.None), nil))
		frames = []*tensor.Tensor{s.b.Narrow(both, 4, 0, c), s.b.Narrow(both, 4, c, 2*c)}
		s.b.Free(both)
	}
	for i, f := range frames {
		add := around
		if add != nil && add.Dim(1) > 1 {
			at := add.Dim(1) - len(frames) + i // the video's first frame is the last of its two
			add = s.b.Narrow(around, 1, at, at+1)
		}
		op := s.instead(f, s.b.Operand(f, nil, tensor.None))
		y := s.instead(op, s.b.ConvNearest2(op, e.conv.W, e.conv.B, add))
		if add != nil && add != around {
			s.b.Free(add)
		}
		if around != nil && i == len(frames)-1 {
			s.b.Free(around)
		}
		if err := yield(y); err != nil {
			return err
		}
	}
	return nil
}
