package wan

import (
	"context"
	"slices"
	"time"
)

// A preview is drawn at most every previewEvery, and so seldom that drawing takes
// no more than 1/previewShare of the time.
const (
	previewEvery = 2 * time.Second
	previewShare = 20
)

// previewer draws the first frame of the video as the transformer predicts it. It
// writes to nothing that sampling reads: the video is the same without it.
type previewer struct {
	r    *run
	d    decoder
	now  func() time.Time
	last time.Time
	cost time.Duration
}

// newPreviewer returns nil where nothing can draw within the limit on memory.
func newPreviewer(r *run) *previewer {
	p := &previewer{r: r, d: r.m.vae, now: time.Now, last: time.Now()}
	switch {
	case r.m.tiny != nil:
		p.d = r.m.tiny
	case r.m.opts.Memory > 0:
		r.m.note("there are no previews: within a limit on memory only a tiny decoder draws them, and %s has none", r.m.name)
		return nil
	}
	return p
}

// offer draws a preview, if one is due, of what is predicted from latents z with
// velocity v at noise level sigma. The last step needs none. An error in drawing
// ends previews, not the video.
func (p *previewer) offer(ctx context.Context, z, v []float32, sigma float64, last bool) {
	if p == nil || last || p.d == nil || p.now().Sub(p.last) < max(previewEvery, previewShare*p.cost) {
		return
	}
	began := p.now()
	r := p.r
	x := slices.Clone(z[:r.h*r.w*r.m.codec.ZDim])
	for i := range x {
		x[i] -= float32(sigma) * v[i]
	}
	r.given.replace(x)
	err := p.d.Decode(ctx, x, 1, r.h, r.w, func(rgb []byte) error {
		r.j.Preview(slices.Clone(rgb))
		return nil
	})
	if err != nil {
		p.d = nil
	}
	p.last = p.now()
	p.cost = p.last.Sub(began)
}
