package reel

import (
	"time"

	"github.com/kinora-video/kinora/internal/tensor"
)

// previewEvery is the least time between two previews. previewShare times the
// cost of the last preview must have passed as well, so previews take less than
// 1/previewShare of a run, plus one preview.
const (
	previewEvery = 2 * time.Second
	previewShare = 50
)

// previewer decodes the sampler's current prediction. It computes in an arena
// of its own and writes to nothing that sampling reads, so the video has the
// same bytes with and without previews.
type previewer struct {
	m    *Model
	b    tensor.Backend
	give func(rgb []byte)
	now  func() time.Time
	last time.Time     // when the last preview was done, or sampling began
	cost time.Duration // of the last preview
	// before is the last latent of the previous chunk, as the decoder takes it.
	// The codec looks back one group; a group without its past has seams.
	before []float32
}

// newPreviewer returns nil if the request asks for no previews.
func newPreviewer(m *Model, give func(rgb []byte)) *previewer {
	if give == nil {
		return nil
	}
	return &previewer{m: m, b: m.NewBackend(), give: give, now: time.Now, last: time.Now()}
}

// due reports whether enough time has passed since the last preview.
func (p *previewer) due() bool {
	return p != nil && p.now().Sub(p.last) >= max(previewEvery, previewShare*p.cost)
}

// offer draws a preview if one is due: the first frame of a chunk with the
// standardised prediction x [n, H, W, C]. first says that the chunk begins the
// video.
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

// finished stores the clean latents of a whole chunk, standardised, as the past
// of the next chunk.
func (p *previewer) finished(z []float32) {
	if p == nil {
		return
	}
	c := p.m.Config
	frame := c.Height / latentPix * c.Width / latentPix * c.Codec.Latent
	p.before = append(p.before[:0], z[len(z)-frame:]...)
	p.m.Codec.Restore(p.before)
}
