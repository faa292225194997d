package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/sampler"
	"github.com/kinora-video/kinora/internal/tensor"
)

// DistilOptions are the options of distilling a model to few steps.
type DistilOptions struct {
	Batch, Micro int // steps of a path in a training step, and in a forward pass
	Groups       int // of a chunk; 0 for the model's own
	// Next is the share of training steps that learn the chunk after a given
	// one; the others learn the beginning of a video.
	Next  float64
	Image float64 // share of beginnings whose first frame is given
	Fresh int     // paths that the teacher computes anew in a training step
	Keep  int     // paths that are kept to be learned from again
	Focus float64 // as in FlowOptions
}

// DefaultDistil are the options of a new run.
func DefaultDistil() DistilOptions {
	return DistilOptions{Batch: 16, Micro: 4, Next: 0.3, Image: 0.15, Fresh: 2, Keep: 256, Focus: 3}
}

func (o DistilOptions) check() error {
	switch {
	case o.Batch < 1 || o.Micro < 1 || o.Fresh < 1 || o.Keep < o.Fresh:
		return fmt.Errorf("distilling: batch %d, micro %d and fresh %d must be at least 1, keep %d at least fresh", o.Batch, o.Micro, o.Fresh, o.Keep)
	case o.Groups < 0 || o.Groups > 64:
		return fmt.Errorf("distilling: %d groups a chunk, must be 1 to 64, or 0 for the model's own", o.Groups)
	case !(o.Next >= 0 && o.Next <= 1) || !(o.Image >= 0 && o.Image <= 1):
		return fmt.Errorf("distilling: the shares of next chunks, %g, and of given first frames, %g, must be 0 to 1", o.Next, o.Image)
	}
	return nil
}

// teacherSteps is the number of steps of a path: a power of two times each
// number of steps that is learned.
const teacherSteps = reel.DefaultSteps

// Distil teaches student, made by teacher.FewSteps, to reach in one step the
// state that its teacher reaches in several steps with guidance. It continues
// from the checkpoint in o.Dir if there is one. At the end student holds the
// averaged weights. It knows the words that its teacher knows: whatever the
// captions of src say, it learns no others.
//
// The teacher goes from noise to a clean latent in 16 steps of the sampler that
// generates videos, and every state of the path is kept. The student is told
// the size of a step, and learns the prediction that takes it from a state to a
// later one of the same path: progressive distillation (Salimans and Ho, 2022)
// with guidance folded in (Meng et al., 2023), for several step sizes at once
// (Frans et al., "One Step Diffusion via Shortcut Models", 2024).
func Distil(ctx context.Context, student, teacher *reel.Model, src Source, o Options, do DistilOptions, sample SampleFunc) error {
	if err := do.check(); err != nil {
		return err
	}
	if student.Config.Flow.Steps == 0 || teacherSteps%student.Config.Flow.Steps != 0 {
		return fmt.Errorf("distilling: %d steps do not divide the %d of the teacher", student.Config.Flow.Steps, teacherSteps)
	}
	ck, err := openCheckpoint(o, "few-steps", student.FlowParams, shapeOf(student.Config))
	if err != nil {
		return err
	}
	ck.teach(student.Storybook, teacher.Storybook)
	t := newDistilTask(student, teacher, src, do, o.Seed)
	err = loop(ctx, o, t, ck, func(step int) error { return sample(step, ck.opt.EMA()) }, do.Batch)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := student.FlowParams.Copy(ck.opt.EMA()); e != nil {
		return e
	}
	student.Storybook = ck.taught
	return ctx.Err()
}

// A path is the sequence of the teacher's states from noise to a clean latent.
type path struct {
	states  [][]float32 // teacherSteps+1 states [G, H, W, Latent] of the generated groups
	past    []float32   // the given groups before them, clean; nil at the beginning of a video
	given   int         // how many values at the start of each state are given: a first frame
	place   []float32   // [past groups + G]
	seconds float32
	prompt  []int32
	actors  []float32 // as in latentWindow
}

// distilTask trains a student on the paths of its teacher.
type distilTask struct {
	opt              DistilOptions
	cfg              reel.Config
	student, teacher *reel.Model
	src              Source
	first, next      *pool[path]
	seed             uint64
	learner
}

func newDistilTask(student, teacher *reel.Model, src Source, opt DistilOptions, seed uint64) *distilTask {
	if opt.Groups == 0 {
		opt.Groups = student.Config.Flow.Groups
	}
	t := &distilTask{
		opt: opt, cfg: student.Config, student: student, teacher: teacher, src: src, seed: seed,
		learner: newLearner(student),
	}
	paths := func(past bool) func(ctx context.Context, id uint64) (path, error) {
		return func(ctx context.Context, id uint64) (path, error) { return t.walk(ctx, id, past) }
	}
	t.first = newPool(opt.Fresh, opt.Keep, paths(false))
	t.next = newPool(opt.Fresh, opt.Keep, paths(true))
	return t
}

// pastGroups is the number of groups before the generated chunk.
func (t *distilTask) pastGroups(past bool) int {
	if past {
		return 1 + t.opt.Groups
	}
	return 0
}

// madeGroups is the number of groups of the generated chunk. At the beginning
// of a video it includes the single first frame.
func (t *distilTask) madeGroups(past bool) int {
	if past {
		return t.opt.Groups
	}
	return 1 + t.opt.Groups
}

// walk makes the path of window id. The given part, the prompt and the noise
// are functions of id alone.
func (t *distilTask) walk(ctx context.Context, id uint64, past bool) (path, error) {
	before, made := t.pastGroups(past), t.madeGroups(past)
	w, err := t.src.Window(ctx, id, reel.Frames(before+made), t.cfg.Width, t.cfg.Height, t.cfg.FPS)
	if err != nil {
		return path{}, err
	}
	lw := encodeWindow(t.teacher, w)
	rng := rand.New(rand.NewPCG(t.seed^0xd157, id))
	h, wd := t.cfg.LatentSize()
	frame := h * wd * t.cfg.Codec.Latent
	p := path{
		past: lw.z[:before*frame], place: lw.place, seconds: lw.seconds,
		prompt: t.teacher.Tokens(lw.caption(rng.Uint64N(3 * 4096))),
	}
	if lw.actors != nil {
		p.actors = lw.actors[before*h*wd:]
	}
	z := make([]float32, made*frame)
	for i := range z {
		z[i] = float32(rng.NormFloat64())
	}
	if !past && rng.Float64() < t.opt.Image {
		p.given = copy(z, lw.z[:frame])
	}
	return p, t.follow(ctx, &p, z)
}

// follow runs the teacher from noise z to the end of the path.
func (t *distilTask) follow(ctx context.Context, p *path, z []float32) error {
	b := t.teacher.NewBackend()
	text := t.teacher.Flow.Encode(b, [][]int32{p.prompt, t.teacher.Tokens("")})
	text = reel.Text{Tokens: b.Keep(text.Tokens), Pooled: b.Keep(text.Pooled), Lens: text.Lens}
	defer func() { b.Free(text.Tokens); b.Free(text.Pooled) }()
	guide := sampler.Guidance{Scale: t.cfg.Flow.Guidance}
	denoise := func(ctx context.Context, z []float32, level float64) ([]float32, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.Reset()
		two := t.batchOf([]*path{p, p}, [][]float32{z, z}, []float32{float32(level), float32(level)}, nil)
		two.in.Z = b.Upload(two.z, two.shape...)
		x := tensor.Values(b, t.teacher.Flow.Forward(b, two.in, text, nil, nil))
		half := len(x) / 2
		cond, uncond := x[len(p.past):half], x[half+len(p.past):]
		guide.Combine(cond, cond, uncond)
		copy(cond[:p.given], z[:p.given])
		return cond, nil
	}
	p.states = append(p.states, slices.Clone(z))
	return sampler.Sample(ctx, sampler.Multistep, sampler.Schedule(teacherSteps, 1), z, denoise, func(int, int) {
		copy(z[:p.given], p.states[0]) // rounding changes the given values
		p.states = append(p.states, slices.Clone(z))
	})
}

// batchOf returns the transformer's inputs for states of paths of one kind, at
// their noise levels and with the strides of the next step.
func (t *distilTask) batchOf(paths []*path, states [][]float32, levels, strides []float32) flowBatch {
	h, w := t.cfg.LatentSize()
	c := t.cfg.Codec.Latent
	past := len(paths[0].past) > 0
	before, made := t.pastGroups(past), t.madeGroups(past)
	b := flowBatch{shape: []int{len(paths), before + made, h, w, c}}
	in := &b.in
	in.Chunks = []int{made}
	if past {
		in.Chunks = []int{before, made}
	}
	for i, p := range paths {
		b.z = append(append(b.z, p.past...), states[i]...)
		b.prompts = append(b.prompts, p.prompt)
		in.Place = append(in.Place, p.place...)
		in.Seconds = append(in.Seconds, p.seconds)
		clean := before
		if p.given > 0 {
			clean = 1
		}
		for g := range before + made {
			level, stride := float32(1), float32(0)
			if g >= clean {
				level = levels[i]
				if strides != nil {
					stride = strides[i]
				}
			}
			in.T, in.Stride = append(in.T, level), append(in.Stride, stride)
		}
	}
	return b
}

// batch draws the paths of a training step, and a step on each of them.
func (t *distilTask) batch(ctx context.Context, step int) ([]flowBatch, error) {
	rng := stepRNG(t.seed, step, 5)
	from := t.first
	if rng.Float64() < t.opt.Next {
		from = t.next
	}
	paths, err := from.draw(ctx, step, t.opt.Batch, rng)
	if err != nil {
		return nil, err
	}
	var out []flowBatch
	for part := range slices.Chunk(paths, t.opt.Micro) {
		out = append(out, t.micro(part, rng))
	}
	return out, nil
}

// steps draws into how many steps the path is cut: mostly the student's own
// number of steps, at times two or four times as many.
func (t *distilTask) steps(rng *rand.Rand) int {
	n := t.cfg.Flow.Steps
	for n < teacherSteps && rng.IntN(3) == 0 {
		n *= 2
	}
	return n
}

func (t *distilTask) micro(paths []path, rng *rand.Rand) flowBatch {
	var (
		ps              []*path
		states          [][]float32
		levels, strides []float32
		target, weight  []float32
	)
	for i := range paths {
		p := &paths[i]
		n := t.steps(rng)
		at := rng.IntN(n) * (teacherSteps / n)
		end := at + teacherSteps/n
		ps, states = append(ps, p), append(states, p.states[at])
		level, stride := float32(at)/teacherSteps, 1/float32(n)
		levels, strides = append(levels, level), append(strides, stride)
		target = append(append(target, p.past...), landing(p.states[at], p.states[end], level, level+stride)...)
		weight = append(weight, t.weights(p, level)...)
	}
	b := t.batchOf(ps, states, levels, strides)
	b.target, b.weight = target, weight
	return b
}

// landing is the prediction that takes the sampler in one step from state z at
// level t to the state at level u: z_u = r·z_t + (u - r·t)·x̂, with r =
// (1-u)/(1-t).
func landing(z, to []float32, t, u float32) []float32 {
	r := (1 - u) / (1 - t)
	scale := 1 / (u - r*t)
	out := make([]float32, len(z))
	for i := range out {
		out[i] = (to[i] - r*z[i]) * scale
	}
	return out
}

// weights is the weight of each latent of a path in the loss: 0 where it is
// given, more where an actor is, and more towards the end of the path, where a
// mistake is visible and no later step corrects it.
func (t *distilTask) weights(p *path, level float32) []float32 {
	c := t.cfg.Codec.Latent
	out := make([]float32, (len(p.past)+len(p.states[0]))/c)
	base := 1 / max(1-level, 0.3)
	start := len(p.past) / c
	for i := start + p.given/c; i < len(out); i++ {
		out[i] = base
		if p.actors != nil {
			out[i] *= 1 + float32(t.opt.Focus)*p.actors[i-start]
		}
	}
	return out
}
