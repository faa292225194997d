package reel

import "github.com/kinora-video/kinora/internal/tensor"

// An Encoder turns a video into latents, in one piece or in several, and more
// accurately than [Codec.Encode] alone. It decodes the latents, encodes the
// result again, and corrects the latents by the difference of the two
// encodings: one step of iterative inference (Marino 2018, "Iterative Amortized
// Inference") without a gradient. It takes one more decoding and one more
// encoding, and its memory does not depend on the video's length.
type Encoder struct {
	codec *Codec
	b     tensor.Backend
	// The states of the three passes: over the video, over its first latents,
	// and over the video decoded from these.
	video, read, drawn *Stream
	begun              bool
}

// NewEncoder returns an encoder on b at the beginning of a video.
func (m *Codec) NewEncoder(b tensor.Backend) *Encoder {
	return &Encoder{codec: m, b: b, video: NewStream(b), read: NewStream(b), drawn: NewStream(b)}
}

// Close frees the encoder's state.
func (e *Encoder) Close() {
	for _, s := range []*Stream{e.video, e.read, e.drawn} {
		s.Close()
	}
}

// Next encodes the video's next frames x [B, T, H, W, 3] in [-1, 1] into
// latents [B, G, H/16, W/16, Latent]. T is 1+8(G-1) the first time, then 8G.
func (e *Encoder) Next(x *tensor.Tensor) *tensor.Tensor {
	first, c, o := !e.begun, e.codec, e.b
	e.begun = true
	z := e.video.pass(func(s *Stream) *tensor.Tensor { return c.Encode(o, x, first, s) })
	y := e.read.pass(func(s *Stream) *tensor.Tensor { return c.Decode(o, z, first, s) })
	again := e.drawn.pass(func(s *Stream) *tensor.Tensor { return c.Encode(o, y, first, s) })
	return o.Add(z, o.Sub(z, again))
}
