// Package tae is TAEHV, a tiny autoencoder of video that speaks the latents of a
// large one (github.com/madebyollin/taehv): taew2_1 those of Wan 2.1, taew2_2
// those of Wan 2.2 with 5B parameters, taeh3 those of H3. It takes a tenth of the
// time and gives a little less detail.
//
// Frames go through the layers one after another. A block remembers the frame
// before, so memory does not grow with the length of a video. The package never
// trains.
package tae

import (
	"context"
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A TAE is an autoencoder. One goroutine uses it at a time.
type TAE struct {
	Config Config
	Params *nn.Params
	// NewBackend makes what a video is decoded or encoded with.
	NewBackend func() tensor.Backend

	decoder decoder
	encoder encoder
	blocks  int
}

// Open makes an autoencoder of weights, which stay where they are. Everything in
// them is checked; they say their configuration themselves.
func Open(w nn.Weights) (*TAE, error) {
	c, err := Infer(w)
	if err != nil {
		return nil, err
	}
	m := build(c, nn.InPlace(source{w}))
	if err := m.Params.Err(); err != nil {
		return nil, err
	}
	m.Params.Freeze()
	return m, m.Params.Check()
}

// build makes an autoencoder of a checked configuration.
func build(c Config, p *nn.Params) *TAE {
	m := &TAE{Config: c, Params: p, NewBackend: backend.New}
	colours := 3 * c.Patch * c.Patch
	m.decoder.in = nn.NewConv(p, "decoder.1", c.Latent, c.Widths[0], 1, 3, 3, 1)
	for i := range levels {
		l := upLevel{
			grow:    pointwise(p, grower(i), c.Widths[i], c.Widths[i]*c.Grow[i]),
			enlarge: weight(p, enlarger(i), c.Widths[i], c.Widths[i+1], 3),
		}
		for at := range l.blocks {
			l.blocks[at] = m.block(fmt.Sprintf("decoder.%d", 3+6*i+at), c.Widths[i])
		}
		m.decoder.levels[i] = l
	}
	m.decoder.out = nn.NewConv(p, "decoder.22", c.Widths[levels], colours, 1, 3, 3, 1)

	m.encoder.in = nn.NewConv(p, "encoder.0", colours, c.Narrow, 1, 3, 3, 1)
	for i := range levels {
		l := downLevel{
			frames: c.Pool[i], pool: pointwise(p, pooler(i), c.Narrow*c.Pool[i], c.Narrow),
			halve: weight(p, halver(i), c.Narrow, c.Narrow, 3),
		}
		for at := range l.blocks {
			l.blocks[at] = m.block(fmt.Sprintf("encoder.%d", 4+5*i+at), c.Narrow)
		}
		m.encoder.levels[i] = l
	}
	m.encoder.out = nn.NewConv(p, "encoder.17", c.Narrow, c.Latent, 1, 3, 3, 1)
	return m
}

// weight adds a convolution without a bias.
func weight(p *nn.Params, name string, in, out, k int) *tensor.Tensor {
	return p.New(name+".weight", 0.1, out, 1, k, k, in).For(tensor.AsMatrix)
}

// pointwise adds a linear layer without a bias.
func pointwise(p *nn.Params, name string, in, out int) *tensor.Tensor {
	w := weight(p, name, in, out, 1)
	if w.Len() != in*out { // the set has an error
		return w
	}
	return w.Reshape(out, in)
}

// source gives weights as they are stored, with the channels first, in the shapes
// of this program. The first convolution of a block joins the channels of a frame
// and of the one before it.
type source struct{ nn.Weights }

// Stored implements nn.Weights.
func (s source) Stored(name string) (tensor.Stored, []int, error) {
	t, shape, err := s.Weights.Stored(name)
	if err != nil || !strings.HasSuffix(name, ".weight") {
		return t, shape, err
	}
	frames := 1
	if strings.HasSuffix(name, ".conv.0.weight") {
		frames = 2
	}
	if t, shape, err = nn.ChannelsLast(t, shape, frames); err != nil {
		err = fmt.Errorf("parameter %q: %w", name, err)
	}
	return t, shape, err
}

// stream is one video on its way through a half of the autoencoder.
type stream struct {
	ctx  context.Context
	b    tensor.Backend
	past []*tensor.Tensor       // by block: its last operand, or nil
	wait map[int]*tensor.Tensor // by level of the encoder: a frame that waits
}

func (m *TAE) stream(ctx context.Context, b tensor.Backend) *stream {
	return &stream{ctx: ctx, b: b, past: make([]*tensor.Tensor, m.blocks), wait: map[int]*tensor.Tensor{}}
}

// instead frees what y was made of and returns y.
func (s *stream) instead(x, y *tensor.Tensor) *tensor.Tensor {
	s.b.Free(x)
	return y
}

// close gives back what the stream remembers.
func (s *stream) close() {
	s.b.Reset()
	for _, x := range s.past {
		if x != nil {
			s.b.Free(x)
		}
	}
	for _, x := range s.wait {
		s.b.Free(x)
	}
}

// conv is a convolution of the frame x, which it frees, with act before it.
func (s *stream) conv(c nn.Conv, x *tensor.Tensor, before, after tensor.Act, add *tensor.Tensor) *tensor.Tensor {
	op := s.instead(x, s.b.Operand(x, nil, before))
	return s.instead(op, s.b.ConvFrames(c.W, c.B, add, after, op))
}

// memBlock is three convolutions of a frame, the first with the frame before it,
// around which the frame itself goes.
type memBlock struct {
	id                  int
	conv0, conv1, conv2 nn.Conv
}

func (m *TAE) block(name string, c int) memBlock {
	conv := func(i, kt int) nn.Conv {
		return nn.NewConv(m.Params, fmt.Sprintf("%s.conv.%d", name, i), c, c, kt, 3, 3, 1)
	}
	m.blocks++
	return memBlock{m.blocks - 1, conv(0, 2), conv(2, 1), conv(4, 1)}
}

// apply frees what it is given.
func (k *memBlock) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	op := s.b.Retain(s.b.Operand(x, nil, tensor.None))
	clip := []*tensor.Tensor{op}
	if before := s.past[k.id]; before != nil {
		clip = []*tensor.Tensor{before, op}
	}
	h := s.b.ConvFrames(k.conv0.W, k.conv0.B, nil, tensor.ReLU, clip...)
	if len(clip) > 1 {
		s.b.Free(clip[0])
	}
	s.past[k.id] = op
	h = s.conv(k.conv1, h, tensor.None, tensor.ReLU, nil)
	h = s.instead(x, s.conv(k.conv2, h, tensor.None, tensor.None, x))
	return s.instead(h, s.b.Activate(h, tensor.ReLU))
}
