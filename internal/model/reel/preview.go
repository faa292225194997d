package reel

import (
	"time"

	"github.com/kinora-video/kinora/internal/tensor"
)

// previewEvery is the least time between two previews, and previewShare how
// many times the cost of one must have passed since the last: what previews
// take of a run stays under 1/previewShare and one preview.
const (
	previewEvery = 2 * time.Second
	previewShare = 50
)

// previewer draws what the sampler has in mind. It computes in an arena of its
// own and writes to nothing that sampling reads: with it or without, the video
// has the same bytes.
type previewer struct {
	m    *Model
	b    tensor.Backend
	give func(rgb []byte)
	now  func() time.Time
	last time.Time     // when the last one was done, or sampling began
	cost time.Duration // of the last one
	// before is the last latent of the chunk before, as the decoder takes it:
	// the codec looks back, and a group without its past has seams.
	before []float32
}

// newPreviewer returns nil when nobody wants previews.
func newPreviewer(m *Model, give func(rgb []byte)) *previewer {
	if give == nil {
		return nil
	}
	return &previewer{m: m, b: m.NewBackend(), give: give, now: time.Now, last: time.Now()}
}

// due says whether there has been enough time since the last preview.
func (p *previewer) due() bool {
	return p != nil && p.now().Sub(p.last) >= max(previewEvery, previewShare*p.cost)
}

// offer draws the first frame of a chunk of which x [n, H, W, C] is the
// prediction, standardised, when a preview is due. first says that the chunk
// begins the video.
func (p *previewer) offer(x []float32, first bool) {
	if !p.due() {
		return
	}
	began := p.now()
	c := p.m.Config
	h, w := c.Height/latentPix, c.Width/latentPix
	frame := h * w * c.Codec.Latent
	p.b.Reset()
	var s *Stream
	if !first && p.before != nil {
		s = NewStream(p.b)
		defer s.Close()
		s.pass(func(s *Stream) *tensor.Tensor {
			return p.m.Codec.Decode(p.b, p.b.Upload(p.before, 1, 1, h, w, c.Codec.Latent), false, s)
		})
	}
	z := append([]float32(nil), x[:frame]...)
	p.m.Codec.Restore(z)
	pix := tensor.Values(p.b, p.m.Codec.Decode(p.b, p.b.Upload(z, 1, 1, h, w, c.Codec.Latent), first, s))
	rgb := make([]byte, c.Height*c.Width*3)
	toBytes(rgb, pix[:len(rgb)])
	p.give(rgb)
	p.last = p.now()
	p.cost = p.last.Sub(began)
}

// finished notes the clean latents of a whole chunk, standardised, as the past
// of the next.
func (p *previewer) finished(z []float32) {
	if p == nil {
		return
	}
	c := p.m.Config
	frame := c.Height / latentPix * c.Width / latentPix * c.Codec.Latent
	p.before = append(p.before[:0], z[len(z)-frame:]...)
	p.m.Codec.Restore(p.before)
}
