package wan

import (
	"context"
	"fmt"
	"slices"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/sampler"
	"github.com/kinora-video/kinora/internal/tensor"
)

// run is one video on its way through the transformer.
type run struct {
	m       *model
	j       engine.Job
	b       tensor.Backend
	t, h, w int // of the latents
	plan    plan

	prompt, negative rows
	picture          rows // what the image encoder says of the given frames; none for a model without
	guided           bool
	given            *given // the first and the last frame, nil for none

	expert  int // that the parts below belong to; -1 for none yet
	prompts []*Prompts
	cache   *stepCache // nil without one
	view    *previewer // nil without one
}

// Sample implements engine.Engine.
func (m *model) Sample(ctx context.Context, j engine.Job, progress func(done, total int)) (l engine.Latents, err error) {
	defer tensor.CatchFault(&err)
	r, err := m.newRun(j)
	if err != nil {
		return nil, err
	}
	if r.plan, err = m.planRun(r); err != nil {
		return nil, err
	}
	made, err := r.sample(ctx, progress)
	if err != nil {
		return nil, err
	}
	return made, nil
}

// newRun checks a job.
func (m *model) newRun(j engine.Job) (*run, error) {
	if m.channels() && j.First == nil {
		return nil, &engine.Refusal{Field: "image", Why: "there is none, and " + m.name + " begins every video with a picture", Hint: "give one"}
	}
	if m.bothFrames() && j.Last == nil {
		return nil, &engine.Refusal{Field: "last frame", Why: "there is none, and " + m.name + " ends every video with a picture", Hint: "give one"}
	}
	r := &run{m: m, j: j, expert: -1, guided: j.Guidance > 1}
	r.t, r.h, r.w = m.latents(j.Video)
	if _, err := m.transformers[0].Tokens(r.t, r.h, r.w); err != nil {
		return nil, &engine.Refusal{Field: "size", Why: err.Error()}
	}
	return r, nil
}

// sample makes the latents by the run's plan.
func (r *run) sample(ctx context.Context, progress func(done, total int)) (*Latents, error) {
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	m, j := r.m, r.j
	defer m.within(r.plan.sampling)()
	defer r.close()
	noise := sampler.NewTorch(j.Seed)
	z := r.noise(noise, nil)
	flow := m.recipe.flow(j.Steps)
	err := flow.Sample(ctx, z, r.velocity(flow), func(dst []float32) { r.noise(noise, dst) }, progress)
	if err != nil {
		return nil, err
	}
	r.given.replace(z)
	r.cache.tell(m)
	return &Latents{
		Data: z, T: r.t, H: r.h, W: r.w, C: m.codec.ZDim, video: j.Video,
		origin: j.Origin(),
	}, nil
}

// prepare encodes what the job is about.
func (r *run) prepare(ctx context.Context) (err error) {
	m, j := r.m, r.j
	prompts := []string{j.Prompt}
	if r.guided {
		prompts = append(prompts, j.Negative)
	}
	defer r.tellReading()()
	encoded, err := m.encode(ctx, r.plan, prompts...)
	if err != nil {
		return err
	}
	r.prompt = encoded[0]
	if r.guided {
		r.negative = encoded[1]
	}
	if r.given, err = m.encodeGiven(ctx, r); err != nil {
		return err
	}
	if r.picture, err = m.look(ctx, r); err != nil {
		return err
	}
	r.b = m.newBackend()
	if j.StepCache > 0 {
		r.cache = &stepCache{threshold: float64(j.StepCache)}
	}
	if j.Preview != nil {
		r.view = newPreviewer(r)
	}
	return nil
}

// tellReading tells the job of each layer of the encoders that runs, until end is
// called. Those of the text encoder do not run if the prompts are known.
func (r *run) tellReading() (end func()) {
	parts := []*nn.Parts{r.m.text.encoder.Layers}
	if r.m.looks != nil {
		parts = append(parts, r.m.looks.Layers)
	}
	total := 0
	for _, p := range parts {
		before := total
		total += p.Len()
		if r.j.Reading != nil {
			p.Ran = func(i int) { r.j.Reading(before+i+1, total) }
		}
	}
	return func() {
		for _, p := range parts {
			p.Ran = nil
		}
	}
}

// close gives back what the run holds.
func (r *run) close() {
	r.leave()
	r.b.Reset()
}

// noise draws the latents' noise in torch's order, [C, T, H, W], and returns it in
// ours, in dst or in a new slice.
func (r *run) noise(from *sampler.Torch, dst []float32) []float32 {
	c, places := r.m.codec.ZDim, r.t*r.h*r.w
	if dst == nil {
		dst = make([]float32, places*c)
	}
	drawn := make([]float32, len(dst))
	from.Fill(drawn)
	for k := range c {
		for i, v := range drawn[k*places : (k+1)*places] {
			dst[i*c+k] = v
		}
	}
	return dst
}

// velocity is the model as the sampler calls it.
func (r *run) velocity(flow sampler.Flow) sampler.Velocity {
	out := make([]float32, r.t*r.h*r.w*r.m.codec.ZDim)
	other := slices.Clone(out)
	return func(ctx context.Context, z []float32, s sampler.Step) ([]float32, error) {
		if err := r.enter(s.Timestep); err != nil {
			return nil, err
		}
		x := r.given.input(z)
		if err := r.predict(ctx, x, r.given.timesteps(s.Timestep, r), out, other); err != nil {
			return nil, err
		}
		if r.guided {
			sampler.Guidance{Scale: r.guidance()}.Combine(out, out, other)
		}
		r.view.offer(ctx, z, out, s.Sigma, s.Index+1 == len(flow.Timesteps))
		return out, nil
	}
}

// guidance is that of the expert at work.
func (r *run) guidance() float32 {
	if r.expert == 1 && r.j.Guidance == r.m.caps.Guidance.Default {
		return r.m.lowGuidance()
	}
	return r.j.Guidance
}

// enter makes the expert for a timestep ready.
func (r *run) enter(timestep float64) error {
	expert := 0
	if r.m.recipe.second(timestep) {
		expert = 1
	}
	if expert == r.expert {
		return nil
	}
	r.leave()
	r.expert = expert
	t := r.m.experts[expert]
	t.Parts.Stay(r.plan.stay)
	var texts []*tensor.Tensor
	for _, p := range []rows{r.prompt, r.negative} {
		if p.data != nil {
			texts = append(texts, p.upload(r.b))
		}
	}
	groups := [][]*tensor.Tensor{texts}
	if !r.plan.together && len(texts) > 1 {
		groups = [][]*tensor.Tensor{texts[:1], texts[1:]}
	}
	for _, g := range groups {
		var picture *tensor.Tensor
		if r.picture.data != nil {
			picture = r.picture.upload(r.b)
		}
		p, err := t.Embed(r.b, g, picture)
		if err != nil {
			return err
		}
		r.prompts = append(r.prompts, p)
	}
	r.b.Reset()
	return nil
}

// leave lets go of the expert at work.
func (r *run) leave() {
	if r.expert < 0 {
		return
	}
	for _, p := range r.prompts {
		p.Free(r.b)
	}
	r.prompts = nil
	r.cache.forget(r.b)
	if r.m.opts.Memory > 0 || len(r.m.experts) > 1 {
		r.m.experts[r.expert].Parts.Stay(0)
	}
}

// predict writes the velocities of the prompt and, with guidance, of the negative
// prompt: side by side, where the weights are read once for both, or one after the
// other, which takes less memory. The results are the same.
func (r *run) predict(ctx context.Context, x, timesteps []float32, prompt, negative []float32) error {
	in := r.m.transformers[0].In
	shape := []int{1, r.t, r.h, r.w, in}
	outs := [][]float32{prompt, negative}
	for i, p := range r.prompts {
		latents := r.b.Upload(x, shape...)
		if r.plan.together && r.guided {
			latents = r.b.Concat(0, latents, latents)
		}
		y, err := r.pass(ctx, i, latents, timesteps, p)
		if err != nil {
			return err
		}
		v := tensor.Values(r.b, y)
		if len(r.prompts) == 1 && r.guided {
			copy(prompt, v[:len(prompt)])
			copy(negative, v[len(prompt):])
		} else {
			copy(outs[i], v)
		}
		r.b.Reset()
	}
	return nil
}

// pass runs the transformer at work for the prompts of a branch.
func (r *run) pass(ctx context.Context, branch int, latents *tensor.Tensor, timesteps []float32, p *Prompts) (*tensor.Tensor, error) {
	t := r.m.experts[r.expert]
	if r.j.Within != nil {
		n := t.Parts.Len()
		t.Parts.Ran = func(i int) { r.j.Within(branch*n+i+1, len(r.prompts)*n) }
		defer func() { t.Parts.Ran = nil }()
	}
	if r.cache == nil {
		return t.Forward(ctx, r.b, latents, timesteps, p)
	}
	pass, x, err := t.Begin(ctx, r.b, latents, timesteps, p)
	if err != nil {
		return nil, err
	}
	y, err := r.cache.blocks(ctx, r.b, pass, branch, x, t.Config.Layers)
	if err != nil {
		return nil, fmt.Errorf("the transformer with a step cache: %w", err)
	}
	return pass.End(y), nil
}
