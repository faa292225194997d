package eval

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/world"
)

// A Filmer is a model under test.
type Filmer interface {
	// Size is that of its frames, and how many a second there are.
	Size() (w, h, fps int)
	// Film hands over the frames of a film in order, RGB, each valid until
	// yield returns.
	Film(ctx context.Context, prompt string, seed uint64, frames int, yield func(rgb []byte) error) error
}

// Reel makes films with a model of package reel.
type Reel struct {
	Model    *reel.Model
	Steps    int     // 0 for the model's default
	Guidance float32 // 0 for the model's default
}

// Size implements Filmer.
func (r Reel) Size() (w, h, fps int) {
	c := r.Model.Config
	return c.Width, c.Height, c.FPS
}

// Film implements Filmer.
func (r Reel) Film(ctx context.Context, prompt string, seed uint64, frames int, yield func(rgb []byte) error) error {
	l, err := r.Model.Sample(ctx, reel.Request{Prompt: prompt, Frames: frames, Seed: seed, Steps: r.Steps, Guidance: r.Guidance}, nil)
	if err != nil {
		return err
	}
	return r.Model.Decode(ctx, l, yield)
}

// Options say how much is measured.
type Options struct {
	Prompts int     // films asked for, each in three languages
	Seconds float64 // length of a film, 2 to 60
	Seeds   int     // films of one prompt, for diversity: 0 or at least 2
	Seed    uint64  // of the prompts and of the films
	// Clips is the folder for the films as animated WebP, or "".
	Clips string
	// Progress, which may be nil, is told how many films are done.
	Progress func(done, total int)
}

func (o Options) check() error {
	switch {
	case o.Prompts < 1 || o.Prompts > 10_000:
		return fmt.Errorf("%d prompts: choose 1 to 10000", o.Prompts)
	case !(o.Seconds >= 2 && o.Seconds <= 60):
		return fmt.Errorf("films of %g seconds: choose 2 to 60, motion is not read from less", o.Seconds)
	case o.Seeds < 0 || o.Seeds == 1 || o.Seeds > 1000:
		return fmt.Errorf("%d films of one prompt: choose 2 to 1000, or 0 for none", o.Seeds)
	}
	return nil
}

// measuring is one run of Measure.
type measuring struct {
	o       Options
	model   Filmer
	read    *recogniser.Network
	frames  int
	w, h    int
	fps     int
	report  *Report
	done    int
	total   int
	started time.Time
}

// Measure has a model make films of held-out combinations in three languages
// and reports what the recogniser reads from them, beside what it reads from
// the real films and from the first frames alone. It fails when the model or
// the disk does, or ctx ends.
func Measure(ctx context.Context, model Filmer, read *recogniser.Network, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &measuring{o: o, model: model, read: read, started: time.Now()}
	m.w, m.h, m.fps = model.Size()
	if _, err := recogniser.NewViewer(m.w, m.h, m.fps); err != nil {
		return nil, err
	}
	m.frames = int(o.Seconds*float64(m.fps) + 0.5)
	m.total = o.Prompts*world.NumLangs + o.Seeds
	m.report = &Report{Prompts: o.Prompts, Seconds: o.Seconds, Seed: o.Seed, Width: m.w, Height: m.h, FPS: m.fps}
	var tallies [world.NumLangs]recogniser.Tally
	var real, still recogniser.Tally
	for i, film := range Prompts(o.Prompts, o.Seed, o.Seconds) {
		truth, err := m.real(ctx, film[0].Scene, &real)
		if err != nil {
			return nil, err
		}
		for l, p := range film {
			if err := m.clip(ctx, i, p, truth, &tallies[l], &still); err != nil {
				return nil, err
			}
		}
	}
	if err := m.diversity(ctx); err != nil {
		return nil, err
	}
	var all recogniser.Tally
	for l := range tallies {
		m.report.Sets = append(m.report.Sets, NewSet(world.Lang(l).String(), tallies[l]))
		all.Merge(tallies[l])
	}
	m.report.Sets = append(m.report.Sets, NewSet("all", all), NewSet("real films", real), NewSet("first frame", still))
	m.report.Took = time.Since(m.started).Seconds()
	return m.report, nil
}

// take is a film as it was made, or drawn.
type take struct {
	view  recogniser.View
	steps steps
}

// real draws the film that was asked for and reads it.
func (m *measuring) real(ctx context.Context, s world.Scene, t *recogniser.Tally) (take, error) {
	r := world.NewRenderer(s, m.w, m.h)
	buf := make([]byte, m.w*m.h*3)
	out, err := m.watch(func(yield func(rgb []byte) error) error {
		for i := range m.frames {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.Frame(buf, float64(i)/float64(m.fps))
			if err := yield(buf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return take{}, err
	}
	got, err := m.read.Read(out.view)
	if err != nil {
		return take{}, err
	}
	t.Add(got.Labels, recogniser.Truth(s))
	m.report.Movement.Real.add(out.steps)
	return out, nil
}

// watch looks at the frames of a film.
func (m *measuring) watch(show func(yield func(rgb []byte) error) error) (take, error) {
	v, err := recogniser.NewViewer(m.w, m.h, m.fps)
	if err != nil {
		return take{}, err
	}
	var out take
	err = show(func(rgb []byte) error {
		v.Add(rgb)
		out.steps.frame(rgb)
		return nil
	})
	out.view = v.View()
	return out, err
}

// clip has one film made, reads it and keeps it.
func (m *measuring) clip(ctx context.Context, i int, p Prompt, truth take, t, still *recogniser.Tally) error {
	seed := m.o.Seed<<16 + uint64(m.done)
	name := ""
	if m.o.Clips != "" {
		name = fmt.Sprintf("%03d-%s.webp", i+1, p.Lang)
	}
	start := time.Now()
	made, err := m.film(ctx, p.Text, seed, name)
	if err != nil {
		return fmt.Errorf("the film of %q: %w", p.Text, err)
	}
	took := time.Since(start).Seconds()
	got, err := m.read.Read(made.view)
	if err != nil {
		return err
	}
	frozen, err := m.read.Read(made.view.Frozen())
	if err != nil {
		return err
	}
	want := recogniser.Truth(p.Scene)
	t.Add(got.Labels, want)
	still.Add(frozen.Labels, want)
	m.report.Movement.Generated.add(made.steps)
	m.report.Clips = append(m.report.Clips, newClip(p, seed, name, want, got, took, recogniser.Distance(made.view, truth.view)))
	m.tick()
	return nil
}

// film has one film made; name is its file's in the folder of clips, or "".
func (m *measuring) film(ctx context.Context, prompt string, seed uint64, name string) (take, error) {
	var e media.Encoder
	if name != "" {
		var err error
		o := media.Options{W: m.w, H: m.h, FPS: float64(m.fps) / clipStep, Meta: media.Meta{Prompt: prompt, Model: "reel", Seed: seed}}
		if e, err = media.Create(ctx, filepath.Join(m.o.Clips, name), o); err != nil {
			return take{}, err
		}
		defer e.Abort()
	}
	n := 0
	made, err := m.watch(func(yield func(rgb []byte) error) error {
		return m.model.Film(ctx, prompt, seed, m.frames, func(rgb []byte) error {
			if len(rgb) != m.w*m.h*3 {
				return fmt.Errorf("a frame has %d bytes, not %d", len(rgb), m.w*m.h*3)
			}
			if err := yield(rgb); err != nil {
				return err
			}
			n++
			if e == nil || (n-1)%clipStep != 0 {
				return nil
			}
			return e.WriteFrame(rgb)
		})
	})
	if err == nil && n != m.frames {
		err = fmt.Errorf("it has %d frames, not %d", n, m.frames)
	}
	if err == nil && e != nil {
		err = e.Close()
	}
	return made, err
}

// clipStep of the frames one is kept in the clips: a page of lossless films
// would be too heavy otherwise.
const clipStep = 2

func (m *measuring) tick() {
	m.done++
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.total)
	}
}

// diversity makes films of one prompt from several seeds, and compares how far
// they are from each other with how far real films of the same words are.
func (m *measuring) diversity(ctx context.Context) error {
	if m.o.Seeds == 0 {
		return nil
	}
	p := Prompts(1, m.o.Seed+1, m.o.Seconds)[0][world.En]
	var made, drawn []recogniser.View
	for i := range m.o.Seeds {
		film, err := m.film(ctx, p.Text, m.o.Seed<<16+uint64(m.done), "")
		if err != nil {
			return fmt.Errorf("the film of %q: %w", p.Text, err)
		}
		made = append(made, film.view)
		s := p.Scene
		s.Seed += uint64(i)
		drawn = append(drawn, recogniser.Draw(s, 0, film.view.T))
		m.tick()
	}
	m.report.Diversity = &Diversity{Prompt: p.Text, Films: m.o.Seeds, Generated: apart(made), Real: apart(drawn)}
	return nil
}

// apart is the mean distance of all pairs.
func apart(films []recogniser.View) float64 {
	var sum, n float64
	for i := range films {
		for j := range i {
			sum += recogniser.Distance(films[i], films[j])
			n++
		}
	}
	return sum / n
}
