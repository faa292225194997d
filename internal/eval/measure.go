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

// A Generator is a model under test.
type Generator interface {
	// Size returns the size of the frames, and their number per second.
	Size() (w, h, fps int)
	// Generate calls yield with the frames of a video in order, in RGB, each
	// valid until yield returns.
	Generate(ctx context.Context, prompt string, seed uint64, frames int, yield func(rgb []byte) error) error
}

// Reel makes videos with a model of package reel.
type Reel struct {
	Model    *reel.Model
	Steps    int     // 0 for the model's default
	Guidance float32 // 0 for the model's default
}

// Size implements Generator.
func (r Reel) Size() (w, h, fps int) {
	c := r.Model.Config
	return c.Width, c.Height, c.FPS
}

// Generate implements Generator.
func (r Reel) Generate(ctx context.Context, prompt string, seed uint64, frames int, yield func(rgb []byte) error) error {
	l, err := r.Model.Sample(ctx, reel.Request{Prompt: prompt, Frames: frames, Seed: seed, Steps: r.Steps, Guidance: r.Guidance}, nil)
	if err != nil {
		return err
	}
	return r.Model.Decode(ctx, l, yield)
}

// Options say how much is measured.
type Options struct {
	Prompts int     // videos to make, each from prompts in three languages
	Seconds float64 // length of a video, 2 to 60
	Seeds   int     // videos of one prompt, for diversity: 0 or at least 2
	Seed    uint64  // for the prompts and for the videos
	// Clips is the folder for the videos as animated WebP, or "".
	Clips string
	// Progress, which may be nil, is called with the number of videos done.
	Progress func(done, total int)
}

func (o Options) check() error {
	switch {
	case o.Prompts < 1 || o.Prompts > 10_000:
		return fmt.Errorf("%d prompts: choose 1 to 10000", o.Prompts)
	case !(o.Seconds >= 2 && o.Seconds <= 60):
		return fmt.Errorf("videos of %g seconds: choose 2 to 60, motion is not read from less", o.Seconds)
	case o.Seeds < 0 || o.Seeds == 1 || o.Seeds > 1000:
		return fmt.Errorf("%d videos of one prompt: choose 2 to 1000, or 0 for none", o.Seeds)
	}
	return nil
}

// measuring is one run of Measure.
type measuring struct {
	o       Options
	model   Generator
	read    *recogniser.Network
	frames  int
	w, h    int
	fps     int
	report  *Report
	done    int
	total   int
	started time.Time
}

// Measure lets a model make videos of held-out combinations from prompts in
// three languages. It reports what the recogniser reads from them, from the
// real videos, and from the first frames alone. It fails if the model or the
// disk does, or ctx ends.
func Measure(ctx context.Context, model Generator, read *recogniser.Network, o Options) (*Report, error) {
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
	for i, prompts := range Prompts(o.Prompts, o.Seed, o.Seconds) {
		truth, err := m.real(ctx, prompts[0].Scene, &real)
		if err != nil {
			return nil, err
		}
		for l, p := range prompts {
			if err := m.judge(ctx, i, p, truth, &tallies[l], &still); err != nil {
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
	m.report.Sets = append(m.report.Sets, NewSet("all", all), NewSet("real videos", real), NewSet("first frame", still))
	m.report.Took = time.Since(m.started).Seconds()
	return m.report, nil
}

// take is a video that was made or drawn.
type take struct {
	view  recogniser.View
	steps steps
}

// real draws the real video of a scene and reads it.
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

// watch reads the frames of a video.
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

// judge makes one video, reads it and records the result.
func (m *measuring) judge(ctx context.Context, i int, p Prompt, truth take, t, still *recogniser.Tally) error {
	seed := m.o.Seed<<16 + uint64(m.done)
	name := ""
	if m.o.Clips != "" {
		name = fmt.Sprintf("%03d-%s.webp", i+1, p.Lang)
	}
	start := time.Now()
	made, err := m.generate(ctx, p.Text, seed, name)
	if err != nil {
		return fmt.Errorf("the video of %q: %w", p.Text, err)
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

// generate makes one video; name is its file name in the folder Clips, or "".
func (m *measuring) generate(ctx context.Context, prompt string, seed uint64, name string) (take, error) {
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
		return m.model.Generate(ctx, prompt, seed, m.frames, func(rgb []byte) error {
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

// clipStep is the distance between frames that are kept in the files: a page
// with all frames of lossless videos would be too large.
const clipStep = 2

func (m *measuring) tick() {
	m.done++
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.total)
	}
}

// diversity makes videos of one prompt from several seeds. It compares their
// distances from each other with those of real videos of the same words.
func (m *measuring) diversity(ctx context.Context) error {
	if m.o.Seeds == 0 {
		return nil
	}
	p := Prompts(1, m.o.Seed+1, m.o.Seconds)[0][world.En]
	var made, drawn []recogniser.View
	for i := range m.o.Seeds {
		video, err := m.generate(ctx, p.Text, m.o.Seed<<16+uint64(m.done), "")
		if err != nil {
			return fmt.Errorf("the video of %q: %w", p.Text, err)
		}
		made = append(made, video.view)
		s := p.Scene
		s.Seed += uint64(i)
		drawn = append(drawn, recogniser.Draw(s, 0, video.view.T))
		m.tick()
	}
	m.report.Diversity = &Diversity{Prompt: p.Text, Films: m.o.Seeds, Generated: meanDistance(made), Real: meanDistance(drawn)}
	return nil
}

// meanDistance returns the mean distance over all pairs.
func meanDistance(videos []recogniser.View) float64 {
	var sum, n float64
	for i := range videos {
		for j := range i {
			sum += recogniser.Distance(videos[i], videos[j])
			n++
		}
	}
	return sum / n
}
