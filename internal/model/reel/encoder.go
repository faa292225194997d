package reel

import "github.com/kinora-video/kinora/internal/tensor"

// An Encoder turns a film into latents, in one piece or in several, more
// closely than [Codec.Encode] alone does. It decodes what was read, reads that
// in turn, and corrects by the difference of the two readings: a step of
// iterative inference (Marino 2018, "Iterative Amortized Inference") that asks
// for no gradient. It takes one decoding and one encoding more, and its memory
// does not depend on the film's length.
type Encoder struct {
	codec *Codec
	b     tensor.Backend
	// What the three passes remember: of the film, of its latents as they were
	// first read, of the film drawn from these.
	film, read, drawn *Stream
	begun             bool
}

// NewEncoder returns an encoder on b at the beginning of a film.
func (m *Codec) NewEncoder(b tensor.Backend) *Encoder {
	return &Encoder{codec: m, b: b, film: NewStream(b), read: NewStream(b), drawn: NewStream(b)}
}

// Close gives back what the encoder remembers.
func (e *Encoder) Close() {
	for _, s := range []*Stream{e.film, e.read, e.drawn} {
		s.Close()
	}
}

// Next encodes the film's next frames x [B, T, H, W, 3] in [-1, 1] into
// latents [B, G, H/16, W/16, Latent]. T is 1+8(G-1) the first time, then 8G.
func (e *Encoder) Next(x *tensor.Tensor) *tensor.Tensor {
	first, c, o := !e.begun, e.codec, e.b
	e.begun = true
	z := e.film.pass(func(s *Stream) *tensor.Tensor { return c.Encode(o, x, first, s) })
	y := e.read.pass(func(s *Stream) *tensor.Tensor { return c.Decode(o, z, first, s) })
	again := e.drawn.pass(func(s *Stream) *tensor.Tensor { return c.Encode(o, y, first, s) })
	return o.Add(z, o.Sub(z, again))
}
