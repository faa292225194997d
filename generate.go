package kinora

import (
	"context"
	"errors"
	"image"
	"io/fs"
	"time"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/soundtrack"
	"github.com/kinora-video/kinora/internal/text"
)

// Generate samples a video and keeps its latents on disk until the video is
// saved. Nearly all of the time may pass here or in saving, as the model has
// it; Request.Progress is told of both.
//
// Errors: an *Error of kind Invalid or Unsupported names the field of the
// request; one of kind Storage says, before any time is spent, that latents
// cannot be kept where they should be or that there is no room for the video. A
// cancelled context gives its own error.
func (m *Model) Generate(ctx context.Context, r Request) (*Clip, error) {
	r.Prompt = text.Unmarked(r.Prompt)
	if r.Expand {
		r.expand(m.caps)
	}
	p, err := r.plan(m.caps)
	if err != nil {
		return nil, err
	}
	if err := m.canSave(ctx, &r, &p); err != nil {
		return nil, err
	}
	if p, err = m.planSound(ctx, &r, p); err != nil {
		return nil, err
	}
	path, release, err := m.latentsPath(&r, &p)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.addPictures(&r); err != nil {
		return nil, err
	}
	enlarge := m.enlarging(&p)
	share, err := m.share(&p, enlarge)
	if err != nil {
		return nil, err
	}
	p.job.Settings = m.settings(ctx, &r, &p).encode()
	t := &tracker{report: r.Progress, share: share}
	l, err := m.sample(ctx, p.job, t)
	if err != nil {
		return nil, err
	}
	c := newClip(m, l, p, t)
	c.network, c.watermark, c.ownSound = enlarge, r.Watermark, r.OwnSound
	c.latentsPath, c.keepErr = m.keep(l, path, &r)
	return c, nil
}

// planSound readies what is heard beside the model's own sound. The video may become
// longer by that.
func (m *Model) planSound(ctx context.Context, r *Request, p plan) (plan, error) {
	if !r.Mixed() {
		return p, nil
	}
	l := m.caps.Lengths
	h, seconds, err := r.hear(ctx, soundtrack.Length{Asked: r.Seconds, Usual: p.seconds, Least: l.Min, Most: l.Max})
	if err != nil {
		return p, err
	}
	if seconds != p.seconds {
		longer := *r
		longer.Seconds, longer.Narration = seconds, nil
		if p, err = longer.plan(m.caps); err != nil {
			return p, err
		}
		p.mute = r.ownOff()
		if err := m.canSave(ctx, r, &p); err != nil {
			return p, err
		}
	}
	p.heard = h
	return p, nil
}

// expand puts the sentence that is drawn in the place of the prompt, of which a
// narration keeps what it speaks. A model that cannot expand is refused by plan.
func (r *Request) expand(c Capabilities) {
	sentence, changed, _ := c.Expand(r.Prompt)
	if !changed {
		return
	}
	if n := r.Narration; n != nil && n.Text == "" && n.File == "" {
		spoken := *n
		spoken.Text = r.Prompt
		r.Narration = &spoken
	}
	r.Prompt = sentence
}

// sample lets the engine make latents. Between its steps the cores may be lent to
// another model.
func (m *Model) sample(ctx context.Context, j engine.Job, t *tracker) (engine.Latents, error) {
	s := seat{m: m}
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	t.begin(j.Steps)
	j.Reading, j.Within = t.reading, t.within
	l, err := m.engine.Sample(ctx, j, func(done, total int) {
		t.sampling(done, total)
		s.lend(ctx)
	})
	if refused, ok := errors.AsType[*engine.Refusal](err); ok {
		return nil, invalid(refused.Field, refused.Why, refused.Hint)
	}
	if err != nil {
		return nil, wrap(Internal, "generate with", m.caps.Name, err, "")
	}
	t.sampled = time.Since(t.start)
	return l, nil
}

// addPictures brings the first and the last frame to the size that the model
// draws, and prepares the previews.
func (p *plan) addPictures(r *Request) error {
	j := &p.job
	for _, f := range []struct {
		name string
		img  image.Image
		to   *[]float32
	}{{"image", r.Image, &j.First}, {"last frame", r.LastFrame, &j.Last}} {
		if f.img == nil {
			continue
		}
		var err error
		if *f.to, err = firstFrame(f.img, j.Width, j.Height); err != nil {
			return wrap(Invalid, "request", f.name, err, "")
		}
	}
	if r.Preview != nil {
		j.Preview = previewer(r, j.Width, j.Height)
	}
	return nil
}

// previewer makes images of what an engine shows on the way.
func previewer(r *Request, width, height int) func(rgb []byte) {
	var mark *watermark
	if r.Watermark != "" {
		// In the native size a text may have no room that fits the video's.
		mark, _ = newWatermark(r.Watermark, width, height)
	}
	return func(rgb []byte) {
		if mark != nil {
			mark.draw(rgb)
		}
		img := newImage(width, height)
		setPixels(img, rgb)
		r.Preview(img)
	}
}

// Load goes on from the latents of an earlier Generate by the same model. Of r
// it takes Seconds (0 means all there is), Width, Height, Upscale, FPS, Watermark,
// Narration, Sound, OwnSound, Output and Progress. A narration is fitted to the video.
// Saving the video leaves the file of latents where it is.
func (m *Model) Load(ctx context.Context, path string, r Request) (*Clip, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := m.load(ctx, path)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		kind := Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = NotFound
		}
		return nil, wrap(kind, "read latents", path, err, "")
	}
	v := l.Video()
	whole := float64(v.Frames) / float64(v.FPS)
	p := plan{seconds: r.Seconds, job: engine.Job{Video: v}}
	if p.seconds == 0 || p.seconds > whole {
		p.seconds = whole
	}
	if !(p.seconds > 0) {
		return nil, invalid("seconds", "it is not more than 0", "")
	}
	if err := p.fit(&r); err != nil {
		return nil, err
	}
	if err := m.canSave(ctx, &r, &p); err != nil {
		return nil, err
	}
	if r.Prompt == "" {
		r.Prompt = l.Origin().Prompt // a narration may speak it
	}
	if err := r.checkSound(); err != nil {
		return nil, err
	}
	if p.heard, _, err = r.hear(ctx, soundtrack.Length{Asked: p.seconds, Usual: p.seconds, Most: p.seconds}); err != nil {
		return nil, err
	}
	enlarge := m.enlarging(&p)
	share, err := m.share(&p, enlarge)
	if err != nil {
		return nil, err
	}
	c := newClip(m, l, p, &tracker{report: r.Progress, share: share})
	c.network, c.watermark, c.ownSound = enlarge, r.Watermark, r.OwnSound
	c.foreign = true
	return c, nil
}

// canSave finds out whether the video can be saved where the request says that it
// will be.
func (m *Model) canSave(ctx context.Context, r *Request, p *plan) error {
	if r.Output == nil {
		return nil
	}
	f, err := FormatOf(r.Output.path)
	if err != nil {
		return err
	}
	if err := r.CheckFormat(f); err != nil {
		return err
	}
	if err := m.CanWrite(ctx, f); err != nil {
		return err
	}
	if r.Mixed() {
		if err := canWriteSound(ctx, m.caps.Name); err != nil {
			return err
		}
	}
	return r.Output.room(p)
}

// load reads latents, as a call into the engine.
func (m *Model) load(ctx context.Context, path string) (engine.Latents, error) {
	s := seat{m: m}
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	return m.engine.Load(path)
}
