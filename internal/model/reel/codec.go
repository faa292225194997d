package reel

import (
	"cmp"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Codec is the video autoencoder. It is causal in time: the first frame of a
// video is a group of its own, groups of 8 follow, and a group depends only on
// itself and on earlier groups. A latent represents 16×16×8 pixels.
//
// The first layer takes patches of 8×8 pixels (by 8 frames after the first
// frame), so that convolutions run only at 1/8 of the resolution, and the
// temporal ones at 1/16.
type Codec struct {
	cfg CodecConfig

	inFirst, in nn.Linear // patches of one frame, of a group → EncWidth
	encBlocks   []spatial
	down        nn.Linear // 2×2 of EncWidth → DeepWidth
	encDeep     []deep
	toLatent    nn.Linear
	encGain     *tensor.Tensor

	fromLatent    nn.Linear
	decDeep       []deep
	up            nn.Linear // DeepWidth → 2×2 of DecWidth
	decBlocks     []spatial
	decGain       *tensor.Tensor
	outFirst, out nn.Linear // DecWidth or Head → patches of one frame, of a group
	head          nn.Linear // DecWidth → Head, if there is one

	// Mean and Std [Latent] standardise the latents for the transformer. They
	// are measured after training, not learned.
	mean, std *tensor.Tensor
}

// NewCodec adds a codec's parameters to p.
func NewCodec(p *nn.Params, c CodecConfig) *Codec {
	pix := patch * patch * 3
	m := &Codec{
		cfg:        c,
		inFirst:    nn.NewLinear(p, "codec.in_first", pix, c.EncWidth, 1),
		in:         nn.NewLinear(p, "codec.in", pix*groupSize, c.EncWidth, 1),
		down:       nn.NewLinear(p, "codec.down", 4*c.EncWidth, c.DeepWidth, 1),
		encGain:    p.Ones("codec.enc_gain", c.DeepWidth),
		toLatent:   nn.NewLinear(p, "codec.to_latent", c.DeepWidth, c.Latent, 1),
		fromLatent: nn.NewLinear(p, "codec.from_latent", c.Latent, c.DeepWidth, 1),
		up:         nn.NewLinear(p, "codec.up", c.DeepWidth, 4*c.DecWidth, 1),
		decGain:    p.Ones("codec.dec_gain", c.DecWidth),
		outFirst:   nn.NewLinear(p, "codec.out_first", c.DecWidth, pix, 0.3),
		out:        nn.NewLinear(p, "codec.out", cmp.Or(c.Head, c.DecWidth), pix*groupSize, 0.3),
		mean:       p.New("codec.latent_mean", 0, c.Latent),
		std:        p.Ones("codec.latent_std", c.Latent),
	}
	m.mean.SetNeeds(false)
	m.std.SetNeeds(false)
	if c.Head > 0 {
		m.head = nn.NewLinear(p, "codec.head", c.DecWidth, c.Head, 1.4)
	}
	for i := range c.EncBlocks {
		m.encBlocks = append(m.encBlocks, newSpatial(p, fmt.Sprintf("codec.enc.%d", i), c.EncWidth))
	}
	for i := range c.EncDeep {
		m.encDeep = append(m.encDeep, newDeep(p, fmt.Sprintf("codec.enc_deep.%d", i), c.DeepWidth))
	}
	for i := range c.DecDeep {
		m.decDeep = append(m.decDeep, newDeep(p, fmt.Sprintf("codec.dec_deep.%d", i), c.DeepWidth))
	}
	for i := range c.DecBlocks {
		m.decBlocks = append(m.decBlocks, newSpatial(p, fmt.Sprintf("codec.dec.%d", i), c.DecWidth))
	}
	return m
}

// spatial is a residual block: a 3×3 convolution and a pointwise layer.
type spatial struct {
	gain *tensor.Tensor
	conv nn.Conv
	out  nn.Linear
}

func newSpatial(p *nn.Params, name string, c int) spatial {
	return spatial{p.Ones(name+".gain", c), nn.NewConv(p, name+".conv", c, c, 1, 3, 3, 1.4), nn.NewLinear(p, name+".out", c, c, 0.3)}
}

func (b spatial) apply(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	h := b.conv.Apply(o, o.RMSNorm(x, b.gain), nil, tensor.SiLU)
	return o.Add(x, b.out.Apply(o, h, tensor.None))
}

// deep is a spatial block followed by a causal temporal one: a convolution over
// a group and the previous one.
type deep struct {
	name string
	spatial
	timeGain *tensor.Tensor
	time     nn.Conv
	timeOut  nn.Linear
}

func newDeep(p *nn.Params, name string, c int) deep {
	return deep{
		name, newSpatial(p, name+".space", c), p.Ones(name+".time.gain", c),
		nn.NewConv(p, name+".time.conv", c, c, 2, 1, 1, 1.4), nn.NewLinear(p, name+".time.out", c, c, 0.3),
	}
}

func (b deep) apply(o tensor.Ops, x *tensor.Tensor, s *Stream) *tensor.Tensor {
	x = b.spatial.apply(o, x)
	h := o.RMSNorm(x, b.timeGain)
	past := s.get(b.name)
	s.keepFrames(o, b.name, h, 1)
	h = b.time.Apply(o, h, past, tensor.SiLU)
	return o.Add(x, b.timeOut.Apply(o, h, tensor.None))
}

// Encode turns video x [B, T, H, W, 3] in [-1, 1] into latents [B, G, H/16,
// W/16, Latent]. With first, x begins with the video's first frame and T is
// 1+8(G-1). Without, T is 8G and s holds the state from earlier frames.
func (m *Codec) Encode(o tensor.Ops, x *tensor.Tensor, first bool, s *Stream) *tensor.Tensor {
	var parts []*tensor.Tensor
	t := x.Dim(1)
	if first {
		one := o.Unshuffle(o.Narrow(x, 1, 0, 1), 1, patch, patch)
		parts = append(parts, m.inFirst.Apply(o, one, tensor.None))
		if t > 1 {
			x = o.Narrow(x, 1, 1, t)
		}
	}
	if !first || t > 1 {
		parts = append(parts, m.in.Apply(o, o.Unshuffle(x, groupSize, patch, patch), tensor.None))
	}
	h := parts[0]
	if len(parts) > 1 {
		h = o.Concat(1, parts...)
	}
	for _, b := range m.encBlocks {
		h = o.Scope(func() *tensor.Tensor { return b.apply(o, h) })
	}
	h = m.down.Apply(o, o.Unshuffle(h, 1, 2, 2), tensor.None)
	for _, b := range m.encDeep {
		h = o.Scope(func() *tensor.Tensor { return b.apply(o, h, s) })
	}
	return m.toLatent.Apply(o, o.RMSNorm(h, m.encGain), tensor.None)
}

// Decode turns latents [B, G, H/16, W/16, Latent] back into video. With
// first, the first latent is that of a single frame.
func (m *Codec) Decode(o tensor.Ops, z *tensor.Tensor, first bool, s *Stream) *tensor.Tensor {
	h := m.fromLatent.Apply(o, z, tensor.None)
	for _, b := range m.decDeep {
		h = o.Scope(func() *tensor.Tensor { return b.apply(o, h, s) })
	}
	h = o.Shuffle(m.up.Apply(o, h, tensor.None), 1, 2, 2)
	for _, b := range m.decBlocks {
		h = o.Scope(func() *tensor.Tensor { return b.apply(o, h) })
	}
	h = o.RMSNorm(h, m.decGain)
	g := h.Dim(1)
	if !first {
		return m.draw(o, h)
	}
	head := h
	if g > 1 {
		head = o.Narrow(h, 1, 0, 1)
	}
	one := o.Shuffle(m.outFirst.Apply(o, head, tensor.None), 1, patch, patch)
	if g == 1 {
		return one
	}
	return o.Concat(1, one, m.draw(o, o.Narrow(h, 1, 1, g)))
}

// draw turns the features of each patch of a group into its 8 frames. A single
// product gives only sums of a few pictures, and an edge that moves across a
// patch is far from such a sum: hence the hidden layer.
func (m *Codec) draw(o tensor.Ops, h *tensor.Tensor) *tensor.Tensor {
	if m.cfg.Head > 0 {
		h = m.head.Apply(o, h, tensor.SiLU)
	}
	return o.Shuffle(m.out.Apply(o, h, tensor.None), groupSize, patch, patch)
}

// FreezeEncoder makes the encoder's parameters constants.
func (m *Codec) FreezeEncoder() {
	for _, l := range []nn.Linear{m.inFirst, m.in, m.down, m.toLatent} {
		l.W.SetNeeds(false)
		l.B.SetNeeds(false)
	}
	m.encGain.SetNeeds(false)
	for _, b := range m.encBlocks {
		b.freeze()
	}
	for _, b := range m.encDeep {
		b.spatial.freeze()
		for _, t := range []*tensor.Tensor{b.timeGain, b.time.W, b.time.B, b.timeOut.W, b.timeOut.B} {
			t.SetNeeds(false)
		}
	}
}

func (b spatial) freeze() {
	for _, t := range []*tensor.Tensor{b.gain, b.conv.W, b.conv.B, b.out.W, b.out.B} {
		t.SetNeeds(false)
	}
}

// Standardise maps latents to mean 0 and deviation 1 a channel, in place;
// Restore maps them back.
func (m *Codec) Standardise(z []float32) {
	c, mean, std := m.cfg.Latent, m.mean.Values(), m.std.Values()
	for i := range z {
		z[i] = (z[i] - mean[i%c]) / std[i%c]
	}
}

// Restore is the inverse of Standardise.
func (m *Codec) Restore(z []float32) {
	c, mean, std := m.cfg.Latent, m.mean.Values(), m.std.Values()
	for i := range z {
		z[i] = z[i]*std[i%c] + mean[i%c]
	}
}

// SetStatistics stores the mean and the deviation of each latent channel.
func (m *Codec) SetStatistics(mean, std []float32) {
	m.mean.Set(mean)
	m.std.Set(std)
}
