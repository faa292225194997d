package kinora

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/kinora-video/kinora/internal/text"
)

// Generate samples a clip and keeps its latents on disk until the clip is
// saved. Nearly all of the time may pass here or in saving, as the model has
// it; Request.Progress is told of both.
//
// Errors: an *Error of kind Invalid or Unsupported names the field of the
// request; one of kind Storage says, before any time is spent, that latents
// cannot be kept where they should be or that there is no room for the clip. A
// cancelled context gives its own error.
func (m *Model) Generate(ctx context.Context, r Request) (*Clip, error) {
	in := m.Info()
	r.Prompt = text.Unmarked(r.Prompt)
	p, err := r.plan(in)
	if err != nil {
		return nil, err
	}
	if r.Output != nil {
		if err := r.Output.room(&p); err != nil {
			return nil, err
		}
	}
	path, release, err := m.latentsPath(&r, &p)
	if err != nil {
		return nil, err
	}
	defer release()
	j := job{
		prompt: r.Prompt, frames: p.native, seed: r.Seed, steps: r.Steps, guidance: r.Guidance,
	}
	if r.Image != nil {
		if j.image, err = firstFrame(r.Image, in.Width, in.Height); err != nil {
			return nil, wrap(Invalid, "request", "image", err, "")
		}
	}
	if r.Preview != nil {
		j.preview = previewer(&r, in)
	}
	t := &tracker{report: r.Progress, share: in.share(p.network)}
	t.begin()
	l, err := m.engine.sample(ctx, j, t.sampling)
	if err != nil {
		return nil, wrap(Internal, "generate with", in.Name, err, "")
	}
	t.sampled = time.Since(t.start)
	c := newClip(m, l, p, t)
	c.latentsPath, c.keepErr = m.keep(l, path, &r)
	return c, nil
}

// previewer makes images of what an engine shows on the way.
func previewer(r *Request, in Info) func(rgb []byte) {
	var mark *watermark
	if r.Watermark != "" {
		// In the native size a text may have no room that fits the clip's.
		mark, _ = newWatermark(r.Watermark, in.Width, in.Height)
	}
	return func(rgb []byte) {
		if mark != nil {
			mark.draw(rgb)
		}
		img := newImage(in.Width, in.Height)
		setPixels(img, rgb)
		r.Preview(img)
	}
}

// Load goes on from the latents of an earlier Generate by the same model. Of r
// it takes Seconds (0 means all there is), Width, Height, Upscale, FPS, Watermark,
// Output and Progress.
// Saving the clip leaves the file of latents where it is.
func (m *Model) Load(ctx context.Context, path string, r Request) (*Clip, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := m.Info()
	l, err := m.engine.load(path)
	if err != nil {
		kind := Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = NotFound
		}
		return nil, wrap(kind, "read latents", path, err, "")
	}
	whole := float64(l.frames()) / float64(in.FPS)
	p := plan{seconds: r.Seconds}
	if p.seconds == 0 || p.seconds > whole {
		p.seconds = whole
	}
	if !(p.seconds > 0) {
		return nil, invalid("seconds", "it is not more than 0", "")
	}
	if err := p.fit(&r, in); err != nil {
		return nil, err
	}
	if r.Output != nil {
		if err := r.Output.room(&p); err != nil {
			return nil, err
		}
	}
	c := newClip(m, l, p, &tracker{report: r.Progress, share: in.share(p.network)})
	c.foreign = true
	return c, nil
}
