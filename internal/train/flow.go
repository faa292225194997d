package train

import (
	"context"
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/tensor"
)

// FlowOptions are the options of training the transformer.
type FlowOptions struct {
	Batch  int // windows a step
	Micro  int // windows of a forward pass; gradients add up over them
	Chunks int // chunks of a window: 1 or 2
	// Groups of a chunk; 0 for the model's own. Short chunks first teach
	// appearance in less time; long ones then teach motion.
	Groups int
	// Stills is the share of steps that use single frames: for each window, as
	// many frames as it has groups. They teach shapes and words in a fraction
	// of a chunk's time.
	Stills float64
	Fresh  int // windows drawn and encoded anew in a step
	Keep   int // windows that are kept to be drawn again
	// NoText is the share of prompts left empty, for guidance; Image the share
	// of windows whose first frame is given.
	NoText, Image float64
	// Focus is how much more a latent that shows an actor counts than another,
	// if the source knows the actors. Actors are a tenth of the picture, but
	// most of what prompts are about.
	Focus float64
}

// DefaultFlow are the options of a new run.
func DefaultFlow() FlowOptions {
	return FlowOptions{Batch: 16, Micro: 4, Chunks: 1, Fresh: 3, Keep: 2000, NoText: 0.1, Image: 0.1, Focus: 3}
}

// latentWindow is a window of a video as the transformer sees it.
type latentWindow struct {
	z       []float32 // [G, H, W, Latent], standardised
	actors  []float32 // [G, H, W], the share of its frames that show an actor; nil if unknown
	place   []float32 // [G]
	seconds float32
	caption func(uint64) string
}

// flowTask trains the transformer and its text encoder on latents.
type flowTask struct {
	opt    FlowOptions
	cfg    reel.Config
	encode func(text string) []int32
	videos *pool[latentWindow]
	stills *pool[latentWindow]
	seed   uint64
	learner
}

func newFlowTask(m *reel.Model, src Source, opt FlowOptions, seed uint64) *flowTask {
	cfg := m.Config
	if opt.Groups == 0 {
		opt.Groups = cfg.Flow.Groups
	}
	t := &flowTask{
		opt: opt, cfg: cfg, encode: m.Tokens, seed: seed, learner: newLearner(m),
	}
	// The codec is constant here. It has a backend of its own because batches
	// are made in parallel with the training.
	windows := func(groups int) func(ctx context.Context, id uint64) (latentWindow, error) {
		return func(ctx context.Context, id uint64) (latentWindow, error) {
			w, err := src.Window(ctx, id, reel.Frames(groups), cfg.Width, cfg.Height, cfg.FPS)
			if err != nil {
				return latentWindow{}, err
			}
			return encodeWindow(m, w), nil
		}
	}
	groups := t.windowGroups()
	t.videos = newPool(opt.Fresh, opt.Keep, windows(groups))
	t.stills = newPool(opt.Fresh*groups, opt.Keep*groups, windows(1))
	return t
}

// windowGroups is the number of groups of a window, its single frame included.
func (t *flowTask) windowGroups() int { return 1 + t.opt.Groups*t.opt.Chunks }

// encodeWindow returns the latents of a window.
func encodeWindow(m *reel.Model, w Window) latentWindow {
	b := backend.New()
	z := m.Codec.Encode(b, b.Upload(w.picture(), 1, w.T, w.H, w.W, 3), true, nil)
	out := latentWindow{z: tensor.Values(b, z), seconds: float32(w.Seconds), caption: w.Caption}
	m.Codec.Standardise(out.z)
	if w.Actors != nil {
		out.actors = actorShares(w, z.Dim(1), z.Dim(2), z.Dim(3))
	}
	for g := range z.Dim(1) {
		out.place = append(out.place, reel.PlaceOf(g, w.Start, w.Seconds, m.Config.FPS))
	}
	return out
}

// actorShares returns for each latent of a window [G, H, W] the share of its
// frames in which it shows an actor.
func actorShares(w Window, groups, lh, lw int) []float32 {
	out := make([]float32, groups*lh*lw)
	side := w.H / lh
	for t, actors := range w.Actors {
		g, share := 0, float32(1)
		if t > 0 { // the first frame is a group of its own
			per := (w.T - 1) / (groups - 1)
			g, share = 1+(t-1)/per, 1/float32(per)
		}
		frame := out[g*lh*lw:][:lh*lw]
		seen := make([]bool, lh*lw)
		for _, a := range actors {
			a = a.Intersect(image.Rect(0, 0, w.W, w.H))
			for y := a.Min.Y / side; y*side < a.Max.Y; y++ {
				for x := a.Min.X / side; x*side < a.Max.X; x++ {
					seen[y*lw+x] = true
				}
			}
		}
		for i, s := range seen {
			if s {
				frame[i] += share
			}
		}
	}
	return out
}

// batch draws a step's windows, noise levels and noise.
func (t *flowTask) batch(ctx context.Context, step int) ([]flowBatch, error) {
	rng := stepRNG(t.seed, step, 3)
	from, chunks, each := t.videos, t.chunks(), 1
	if t.opt.Stills > 0 && stepRNG(t.seed, step, 4).Float64() < t.opt.Stills {
		from, chunks, each = t.stills, []int{1}, t.windowGroups()
	}
	ws, err := from.draw(ctx, step, each*t.opt.Batch, rng)
	if err != nil {
		return nil, err
	}
	var out []flowBatch
	for part := range slices.Chunk(ws, each*t.opt.Micro) {
		out = append(out, t.micro(part, chunks, rng))
	}
	return out, nil
}

// micro makes a micro-batch of windows whose groups are cut into chunks.
func (t *flowTask) micro(ws []latentWindow, chunks []int, rng *rand.Rand) flowBatch {
	h, w, c := t.cfg.Height/16, t.cfg.Width/16, t.cfg.Codec.Latent
	n, g, frame := len(ws), len(ws[0].place), h*w*c
	b := flowBatch{
		shape: []int{n, g, h, w, c}, z: make([]float32, n*g*frame), target: make([]float32, n*g*frame),
		weight: make([]float32, n*g*h*w), in: reel.Batch{Chunks: chunks},
	}
	for i, f := range ws {
		text := ""
		if rng.Float64() >= t.opt.NoText {
			text = f.caption(rng.Uint64N(3 * 4096))
		}
		b.prompts = append(b.prompts, t.encode(text))
		b.in.Place = append(b.in.Place, f.place...)
		b.in.Seconds = append(b.in.Seconds, f.seconds)
		levels := t.levels(chunks, rng)
		b.in.T = append(b.in.T, levels...)
		copy(b.target[i*g*frame:], f.z)
		for j, level := range levels {
			z := b.z[(i*g+j)*frame:][:frame]
			x := f.z[j*frame:][:frame]
			for k := range z {
				z[k] = level*x[k] + (1-level)*float32(rng.NormFloat64())
			}
			wt := lossWeight(level)
			weight := b.weight[(i*g+j)*h*w:][:h*w]
			for k := range weight {
				weight[k] = wt
				if f.actors != nil {
					weight[k] *= 1 + float32(t.opt.Focus)*f.actors[j*h*w+k]
				}
			}
		}
	}
	return b
}

// chunks returns the number of groups of each chunk; the first chunk also has
// the single frame.
func (t *flowTask) chunks() []int {
	out := make([]int, t.opt.Chunks)
	for i := range out {
		out[i] = t.opt.Groups
	}
	out[0]++
	return out
}

// lossWeight turns the error of the predicted clean latents into that of the
// velocity (x̂-z)/(1-t). It is bounded near t = 1, where it would mostly weigh
// detail that the codec does not show. A given latent (t = 1) has weight 0.
func lossWeight(t float32) float32 {
	if t == 1 {
		return 0
	}
	d := max(1-t, 0.3)
	return 1 / (d * d)
}

// levels draws the noise level of each group: one per chunk, logit-normal
// (Esser 2024) and shifted towards noise, where the prompt decides the most.
// Half of the time the past of a second chunk is clean, or nearly so, as it is
// in sampling. The first frame is sometimes given.
func (t *flowTask) levels(chunks []int, rng *rand.Rand) []float32 {
	level := func() float32 {
		// Sampling begins at pure noise and ends near none. A logit-normal
		// distribution hardly ever draws either.
		switch u := rng.Float32(); rng.IntN(8) {
		case 0, 1:
			return 0.2 * u * u
		case 2:
			return 1 - 0.3*u
		}
		return float32(1 / (1 + math.Exp(1-1.2*rng.NormFloat64())))
	}
	var out []float32
	for c, groups := range chunks {
		l := level()
		if c < len(chunks)-1 && rng.IntN(2) == 0 {
			l = 1
			if rng.IntN(2) == 0 {
				l = 1 - 0.15*rng.Float32()
			}
		}
		for range groups {
			out = append(out, l)
		}
	}
	if len(out) > 1 && rng.Float64() < t.opt.Image {
		out[0] = 1
	}
	return out
}
