// Package wanvae is the causal video autoencoder of Wan (Wan 2025,
// arXiv:2503.20314): that of Wan 2.1, whose latents stand for 8×8 pixels, and
// that of Wan 2.2, whose latents stand for 16×16; both for four frames but for a
// video's first.
//
// A frame depends on earlier frames alone. So frames go through the layers one
// after another, the deepest layers first, and each convolution remembers the
// last two frames that it was given, as the operands of its products: memory does
// not grow with the length of a video. The results are those of diffusers'
// AutoencoderKLWan. The package never trains.
package wanvae

import (
	"context"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A VAE is an autoencoder. One goroutine uses it at a time.
type VAE struct {
	Config Config
	Params *nn.Params
	// NewBackend makes what a video is decoded or encoded with.
	NewBackend func() tensor.Backend

	encoder          encoder
	decoder          decoder
	quant, postQuant nn.Linear
	convs            int // causal convolutions
}

// Open makes an autoencoder of weights, which stay where they are: with the names
// of diffusers or with the original ones. Everything in them is checked.
func Open(c Config, w nn.Weights) (*VAE, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	l, err := layoutOf(w)
	if err != nil {
		return nil, err
	}
	m := build(c, l, nn.InPlace(source{w}))
	if err := m.Params.Err(); err != nil {
		return nil, err
	}
	m.Params.Freeze()
	return m, m.Params.Check()
}

// build makes an autoencoder of a checked configuration.
func build(c Config, l *layout, p *nn.Params) *VAE {
	m := &VAE{Config: c.filled(), Params: p, NewBackend: backend.New}
	b := builder{c: m.Config, l: l, p: p, convs: &m.convs}
	b.prefix = "encoder."
	m.encoder = b.encoder()
	b.prefix = ""
	m.quant = b.linear(l.quant, 2*c.ZDim, 2*c.ZDim)
	m.postQuant = b.linear(l.postQuant, c.ZDim, c.ZDim)
	b.prefix = "decoder."
	m.decoder = b.decoder()
	return m
}

// stream is one video on its way through a half of the autoencoder.
type stream struct {
	ctx   context.Context
	b     tensor.Backend
	first bool               // the video's first frame, or latent, is on its way
	past  [][]*tensor.Tensor // by causal convolution: its last operands, oldest first
	held  map[*halving]*pair // what waits for the frame after it
}

func (m *VAE) stream(ctx context.Context, b tensor.Backend) *stream {
	return &stream{ctx: ctx, b: b, first: true, past: make([][]*tensor.Tensor, m.convs), held: map[*halving]*pair{}}
}

// instead frees what y was made of and returns y.
func (s *stream) instead(x, y *tensor.Tensor) *tensor.Tensor {
	s.b.Free(x)
	return y
}

// close gives back what the stream remembers.
func (s *stream) close() {
	s.b.Reset()
	for _, clip := range s.past {
		for _, x := range clip {
			s.b.Free(x)
		}
	}
	for _, p := range s.held {
		p.free(s.b)
	}
}
