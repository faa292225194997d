package eval

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/world"
)

// A Generator is a model under test.
type Generator interface {
	// Size returns the size of the frames, and their number per second.
	Size() (w, h, fps int)
	// Generate calls yield with the frames of a video in order, in RGB, each
	// valid until yield returns.
	Generate(ctx context.Context, a Ask, yield func(rgb []byte) error) error
}

// Ask is what a model is asked for.
type Ask struct {
	Prompt string
	First  []byte // the first frame in RGB, or nil
	Seed   uint64
	Frames int
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
func (r Reel) Generate(ctx context.Context, a Ask, yield func(rgb []byte) error) error {
	req := reel.Request{Prompt: a.Prompt, Frames: a.Frames, Seed: a.Seed, Steps: r.Steps, Guidance: r.Guidance}
	if a.First != nil {
		req.Image = make([]float32, len(a.First))
		tensor.FromPixels(req.Image, a.First)
	}
	l, err := r.Model.Sample(ctx, req, nil)
	if err != nil {
		return err
	}
	return r.Model.Decode(ctx, l, yield)
}

// Options say how much is measured.
type Options struct {
	Scenes  recogniser.Scenes
	Prompts int     // videos to make, each from prompts in three languages
	Seconds float64 // length of a video, 2 to 60
	Seeds   int     // videos of one prompt, for diversity: 0 or at least 2
	Seed    uint64  // for the prompts and for the videos
	// FromFrame gives each video the first frame of the real video of its scene.
	FromFrame bool
	// Clips is the folder for the videos as animated WebP, Sheet the file for a
	// picture of them all, or "".
	Clips, Sheet string
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
	sheet   sheet
	done    int
	total   int
	started time.Time
}

// tallies count what was read from some videos.
type tallies struct {
	read recogniser.Tally
	end  recogniser.Tally // from their ends alone
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
	m.report = &Report{Scenes: o.Scenes.String(), FromFrame: o.FromFrame, Prompts: o.Prompts, Seconds: o.Seconds, Seed: o.Seed, Width: m.w, Height: m.h, FPS: m.fps}
	var made [world.NumLangs]tallies
	var real tallies
	var still recogniser.Tally
	for i, prompts := range Prompts(o.Scenes, o.Prompts, o.Seed, o.Seconds) {
		truth, err := m.real(ctx, prompts[0].Scene, &real)
		if err != nil {
			return nil, err
		}
		for l, p := range prompts {
			if err := m.judge(ctx, i, p, truth, &made[l], &still); err != nil {
				return nil, err
			}
		}
	}
	if err := m.diversity(ctx); err != nil {
		return nil, err
	}
	m.addSets(made, real, still)
	m.report.Took = time.Since(m.started).Seconds()
	return m.report, m.sheet.write(o.Sheet)
}

// addSets puts the tallies into the report.
func (m *measuring) addSets(made [world.NumLangs]tallies, real tallies, still recogniser.Tally) {
	var all tallies
	for l, t := range made {
		m.report.Sets = append(m.report.Sets, NewSet(world.Lang(l).String(), m.o.Scenes, t.read))
		all.read.Merge(t.read)
		all.end.Merge(t.end)
	}
	m.report.Sets = append(m.report.Sets, NewSet("all", m.o.Scenes, all.read), NewSet("real videos", m.o.Scenes, real.read), NewSet("first frame", m.o.Scenes, still))
	if s := m.endSeconds(); s > 0 {
		m.report.Sets = append(m.report.Sets, NewSet(fmt.Sprintf("last %d s", s), m.o.Scenes, all.end), NewSet(fmt.Sprintf("real, last %d s", s), m.o.Scenes, real.end))
	}
}

// endSeconds is how much of the end is read by itself: six seconds of long videos,
// two of videos that begin with a given frame, 0 for none.
func (m *measuring) endSeconds() int {
	switch {
	case m.o.Seconds >= 12:
		return 6
	case m.o.FromFrame && m.o.Seconds >= 4:
		return 2
	default:
		return 0
	}
}

// take is a video that was made or drawn.
type take struct {
	view  recogniser.View
	end   recogniser.View // empty if it is not read by itself
	steps steps
	first []byte // the first frame
}

// count reads a video, and its end if that is wanted, and counts what is right.
func (m *measuring) count(t take, want recogniser.Labels, to *tallies) (recogniser.Reading, error) {
	got, err := m.read.Read(t.view)
	if err != nil {
		return got, err
	}
	to.read.Add(m.o.Scenes, got.Labels, want)
	if t.end.T > 0 {
		end, err := m.read.Read(t.end)
		if err != nil {
			return got, err
		}
		to.end.Add(m.o.Scenes, end.Labels, want)
	}
	return got, nil
}

// real draws the real video of a scene and reads it.
func (m *measuring) real(ctx context.Context, s world.Scene, t *tallies) (take, error) {
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
	got, err := m.count(out, recogniser.Truth(s), t)
	if err != nil {
		return take{}, err
	}
	m.report.Movement.Real.add(out.steps)
	if m.o.Scenes == recogniser.One {
		m.report.Shape.Real.add(got.Shape(s.Actors[0].Subject))
	}
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
		if out.first == nil {
			out.first = bytes.Clone(rgb)
		}
		v.Add(rgb)
		out.steps.frame(rgb)
		return nil
	})
	out.view, out.end = v.View(), v.End(m.endSeconds())
	return out, err
}

// judge makes one video, reads it and records the result.
func (m *measuring) judge(ctx context.Context, i int, p Prompt, truth take, t *tallies, still *recogniser.Tally) error {
	ask := Ask{Prompt: p.Text, Seed: m.o.Seed<<16 + uint64(m.done), Frames: m.frames}
	if m.o.FromFrame {
		ask.First = truth.first
	}
	name := ""
	if m.o.Clips != "" {
		name = fmt.Sprintf("%03d-%s.webp", i+1, p.Lang)
	}
	start := time.Now()
	made, err := m.generate(ctx, ask, name)
	if err != nil {
		return fmt.Errorf("the video of %q: %w", p.Text, err)
	}
	took := time.Since(start).Seconds()
	want := recogniser.Truth(p.Scene)
	got, err := m.count(made, want, t)
	if err != nil {
		return err
	}
	frozen, err := m.read.Read(made.view.Frozen())
	if err != nil {
		return err
	}
	still.Add(m.o.Scenes, frozen.Labels, want)
	m.report.Movement.Generated.add(made.steps)
	clip := newClip(p, m.o.Scenes, ask.Seed, name, want, got, took, recogniser.Distance(made.view, truth.view))
	if m.o.Scenes == recogniser.One {
		shape := got.Shape(p.Scene.Actors[0].Subject)
		m.report.Shape.Generated.add(shape)
		clip.Overlap = shape.Overlap
	}
	m.report.Clips = append(m.report.Clips, clip)
	if m.o.Sheet != "" && p.Lang == world.En {
		m.sheet.add(fmt.Sprintf("%d. %s", i+1, p.Text), made.view)
	}
	m.tick()
	return nil
}

// generate makes one video; name is its file name in the folder Clips, or "".
func (m *measuring) generate(ctx context.Context, a Ask, name string) (take, error) {
	var e media.Encoder
	if name != "" {
		var err error
		o := media.Options{W: m.w, H: m.h, FPS: float64(m.fps) / clipStep, Meta: media.Meta{Prompt: a.Prompt, Model: "reel", Seed: a.Seed}}
		if e, err = media.Create(ctx, filepath.Join(m.o.Clips, name), o); err != nil {
			return take{}, err
		}
		defer e.Abort()
	}
	n := 0
	made, err := m.watch(func(yield func(rgb []byte) error) error {
		return m.model.Generate(ctx, a, func(rgb []byte) error {
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
	p := Prompts(m.o.Scenes, 1, m.o.Seed+1, m.o.Seconds)[0][world.En]
	var made, drawn []recogniser.View
	for i := range m.o.Seeds {
		video, err := m.generate(ctx, Ask{Prompt: p.Text, Seed: m.o.Seed<<16 + uint64(m.done), Frames: m.frames}, "")
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
