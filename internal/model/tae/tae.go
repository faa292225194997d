// Package tae is TAEHV, a tiny autoencoder of video that speaks the latents of a
// large one (github.com/madebyollin/taehv): taew2_1 those of Wan 2.1, taew2_2 and
// taew2_2_super those of Wan 2.2 with 5B parameters. It takes a twentieth of the
// time and gives a little less detail. (taeh3 is the same network for H3, which
// drops other frames than Decode does.)
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
	m.decoder = m.newDecoder(colours)
	m.encoder.in = nn.NewConv(p, "encoder.0", colours, c.Narrow, 1, 3, 3, 1)
	for i := range levels {
		l := downLevel{
			frames: c.Pool[i], pool: pointwise(p, pooler(i), c.Narrow*c.Pool[i], c.Narrow),
			halve: weight(p, halver(i), c.Narrow, c.Narrow, 3),
		}
		for at := range l.blocks {
			l.blocks[at] = m.memBlock(fmt.Sprintf("encoder.%d", 4+5*i+at), c.Narrow)
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
// and of the one before it; that of the larger decoder is depthwise.
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
		if len(shape) == 4 && shape[1] == 1 {
			shape = []int{1, shape[0], shape[2], shape[3]} // [C, 1, KH, KW] is [C, KH, KW]
			if t, shape, err = nn.ChannelsLast(t, shape, 1); err != nil {
				return t, nil, fmt.Errorf("parameter %q: %w", name, err)
			}
			return t, shape[1:], nil
		}
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
