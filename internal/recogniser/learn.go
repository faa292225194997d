package recogniser

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/world"
)

// LearnOptions are the options of training a recogniser.
type LearnOptions struct {
	Steps int
	Batch int // videos a step
	Fresh int // videos drawn anew in a step
	Keep  int // videos that are kept to be shown again
	LR    float64
	Seed  uint64
	// Checkpoint is the file that keeps the state of the run; if it exists, the
	// run continues from it. Save is the time between two checkpoints.
	Checkpoint string
	Save       time.Duration
	// Progress, which may be nil, is called after every step.
	Progress func(LearnProgress)
}

// DefaultLearn are the options that trained the embedded recogniser.
func DefaultLearn() LearnOptions {
	return LearnOptions{Steps: 6000, Batch: 16, Fresh: 6, Keep: 1500, LR: 2e-3, Seed: 1, Save: 5 * time.Minute}
}

// LearnProgress is the state of a run after a step.
type LearnProgress struct {
	Step, Steps int
	Loss        float64                // cross-entropy, the mean of the attributes and that of the masks
	Right       [NumAttributes]float64 // share of the batch that was read right
	Left        time.Duration
}

func (o LearnOptions) check() error {
	if o.Steps < 1 || o.Batch < 1 || o.Fresh < 1 || o.Keep < o.Batch || !(o.LR > 0) {
		return fmt.Errorf("training the recogniser: steps %d, batch %d, fresh %d must be at least 1, keep %d at least the batch, rate %g above 0", o.Steps, o.Batch, o.Fresh, o.Keep, o.LR)
	}
	return nil
}

// heldShare of the videos show a combination that the model under test never
// saw in training, so that the recogniser learns such combinations as well.
const heldShare = 0.25

// video is a drawn video that may be shown again.
type video struct {
	View
	masks  []mask // of each frame
	labels Labels
	turn   int // the frame at which the second motion begins; 0 for none
}

// drawVideo draws video id of a run: half of them of one actor and one motion.
func drawVideo(seed, id uint64) video {
	rng := rand.New(rand.NewPCG(seed, id))
	opt := world.SampleOptions{Seconds: 6, Everyday: true}
	if rng.Float64() < heldShare {
		opt.Split = world.Test
	}
	kind := []Scenes{One, One, One, One, One, Several, Several, Several, Events, Events}[rng.IntN(10)]
	if kind != Events && rng.IntN(10) >= 7 {
		opt.Seconds = 4 + 6*rng.Float64()
	}
	s := kind.Sample(rng.Uint64()>>12, opt)
	n := min(maxFrames, int(opt.Seconds*viewFPS))
	if kind == Events {
		return video{Draw(s, 0, n), drawMasks(s, 0, n), Truth(s), n / 2}
	}
	start := rng.Float64() * (opt.Seconds - float64(n-1)/viewFPS)
	return video{Draw(s, start, n), drawMasks(s, start, n), Truth(s), 0}
}

// part chooses where a part of n frames begins. Of a video with two motions it has
// at least a third of either.
func (v video) part(n int, rng *rand.Rand) int {
	if v.turn == 0 {
		return rng.IntN(v.T - n + 1)
	}
	lo, hi := max(0, v.turn-2*n/3), min(v.T-n, v.turn-n/3)
	return lo + rng.IntN(hi-lo+1)
}

// A lesson is the batch of one step.
type lesson struct {
	x    []sight // micro-batches
	want [][]answer
}

// answer is what is to be read from a video.
type answer struct {
	labels Labels
	masks  []mask // of the frames at full size
}

// teacher makes lessons.
type teacher struct {
	o      LearnOptions
	videos []video
	next   int // slot of the oldest video
	id     uint64
}

const microBatch = 4

// lesson draws new videos and mixes them with old ones.
func (t *teacher) lesson(step int) lesson {
	rng := rand.New(rand.NewPCG(t.o.Seed^0x5bd1e995, uint64(step)))
	fresh := t.o.Fresh
	if len(t.videos) == 0 {
		fresh = max(fresh, 2*t.o.Batch)
	}
	for range fresh {
		f := drawVideo(t.o.Seed, t.id)
		t.id++
		if len(t.videos) < t.o.Keep {
			t.videos = append(t.videos, f)
			continue
		}
		t.videos[t.next] = f
		t.next = (t.next + 1) % t.o.Keep
	}
	n := []int{8, 8, 12, 12, 16, 16, 24, 24, 24, 24}[rng.IntN(10)]
	var l lesson
	keys := spread(n, 4)
	for i := range keys {
		keys[i] = min(max(keys[i]+rng.IntN(3)-1, 0), n-1)
	}
	for at := 0; at < t.o.Batch; at += microBatch {
		b := min(microBatch, t.o.Batch-at)
		x := newSight(b, n, len(keys))
		want := make([]answer, b)
		for i := range b {
			f := t.videos[rng.IntN(len(t.videos))]
			for f.T < n {
				f = t.videos[rng.IntN(len(t.videos))]
			}
			want[i] = show(x, i, f, keys, rng)
		}
		l.x, l.want = append(l.x, x), append(l.want, want)
	}
	return l
}

// show roughens a part of a video, writes it as video i of a sight, and returns
// what is to be read from it.
func show(x sight, i int, f video, keys []int, rng *rand.Rand) answer {
	n := x.frames
	from := f.part(n, rng)
	r := drawRough(rng)
	for j := range n {
		r.apply(x, i, j, f.frame(from+j), keys, rng)
	}
	a := answer{labels: f.labels}
	for _, key := range keys {
		a.masks = append(a.masks, r.outline(&f.masks[from+key]))
	}
	if r.mirror {
		a.labels = a.labels.mirrored()
	}
	return a
}

// laneCount videos are processed in parallel, on one thread each.
const laneCount = 2

// Learn trains a recogniser on storybook videos and returns its averaged
// weights. When ctx ends, it writes a checkpoint and returns ctx's error.
func Learn(ctx context.Context, o LearnOptions) (*Network, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	run := newLearning(o)
	if err := run.resume(); err != nil {
		return nil, err
	}
	lessons := make(chan lesson, 2)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(lessons)
		t := &teacher{o: o, id: uint64(run.opt.Step) * uint64(o.Fresh)}
		for step := run.opt.Step; step < o.Steps; step++ {
			select {
			case lessons <- t.lesson(step):
			case <-inner.Done():
				return
			}
		}
	}()
	started, from, saved := time.Now(), run.opt.Step, time.Now()
	for l := range lessons {
		if ctx.Err() != nil {
			break
		}
		p, err := run.step(l)
		if err != nil {
			return nil, err
		}
		p.Left = time.Since(started) / time.Duration(p.Step-from) * time.Duration(o.Steps-p.Step)
		if o.Progress != nil {
			o.Progress(p)
		}
		if time.Since(saved) > o.Save {
			if err := run.save(); err != nil {
				return nil, err
			}
			saved = time.Now()
		}
	}
	if err := run.save(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := New(o.Seed)
	if err := out.Params.Copy(run.opt.EMA()); err != nil {
		return nil, err
	}
	out.Params.Freeze()
	return out, nil
}

// learning is the state of a run.
type learning struct {
	o     LearnOptions
	model *Network
	opt   *nn.AdamW
	tapes [laneCount]*autograd.Tape
}

func newLearning(o LearnOptions) *learning {
	r := &learning{o: o, model: New(o.Seed)}
	r.opt = nn.NewAdamW(r.model.Params, backend.Training())
	r.opt.Muon, r.opt.EMADecay = true, 0.997
	for i := range r.tapes {
		r.tapes[i] = autograd.NewLocalTape(backend.Training())
	}
	return r
}

// rate rises over 50 steps, stays constant, and falls to zero over the last
// half.
func (r *learning) rate(step int) float64 {
	up := min(1, float64(step+1)/50)
	down := min(1, 2*float64(r.o.Steps-step)/float64(r.o.Steps))
	return r.o.LR * min(up, down)
}

func (r *learning) step(l lesson) (LearnProgress, error) {
	losses := make([]float64, len(l.x))
	right := make([][NumAttributes]float64, len(l.x))
	simd.Tasks(laneCount, func(lane int) {
		for i := lane; i < len(l.x); i += laneCount {
			o := r.tapes[lane]
			logits := r.model.forward(o, l.x[i])
			grad := make([]float32, logits.Len())
			losses[i], right[i] = crossEntropy(tensor.Values(o.Backend(), logits), grad, l.want[i], 1/float32(len(l.x)))
			o.BackwardFrom(logits, grad)
			o.Reset()
		}
	})
	for _, name := range r.model.Params.Names() {
		for _, tape := range r.tapes {
			tape.Flush(r.model.Params.Get(name))
		}
	}
	p := LearnProgress{Steps: r.o.Steps}
	for i := range losses {
		p.Loss += losses[i] / float64(len(losses))
		for a := range right[i] {
			p.Right[a] += right[i][a] / float64(len(losses))
		}
	}
	if math.IsNaN(p.Loss) || math.IsInf(p.Loss, 0) {
		return p, fmt.Errorf("step %d: the loss is %g: train with a lower rate", r.opt.Step, p.Loss)
	}
	r.opt.LR = r.rate(r.opt.Step)
	r.opt.Update(1)
	p.Step = r.opt.Step
	return p, nil
}

// smoothing is the share of a label that is spread over the other values.
const smoothing = 0.02

// crossEntropy returns the mean cross-entropy of what forward returns with what is to
// be read, and the share of labels that is right. It writes the gradient, times scale.
func crossEntropy(logits, grad []float32, want []answer, scale float32) (loss float64, right [NumAttributes]float64) {
	row := len(logits) / len(want)
	for b, w := range want {
		l, at := w.labels, b*row
		for a := range NumAttributes {
			n := len(a.Values())
			z, g := logits[at:at+n], grad[at:at+n]
			at += n
			probs, best := softmax(z)
			if best == int(l[a]) {
				right[a] += 1 / float64(len(want))
			}
			for i, p := range probs {
				share := smoothing / float64(n)
				if i == int(l[a]) {
					share += 1 - smoothing
				}
				loss -= share * math.Log(p+1e-12) / float64(len(want)*int(NumAttributes))
				g[i] = scale * float32(p-share) / float32(len(want)*int(NumAttributes))
			}
		}
		loss += maskEntropy(logits[at:(b+1)*row], grad[at:(b+1)*row], w.masks, scale/float32(len(want))) / float64(len(want))
	}
	return loss, right
}

// maskWeight is what the mean error of a pixel counts beside that of an attribute:
// most pixels are easy.
const maskWeight = 4

// maskEntropy returns the weighted mean cross-entropy of the logits of pixels [K,
// 80, 128] with the masks of K frames, and writes the gradient, times scale.
func maskEntropy(logits, grad []float32, masks []mask, scale float32) (loss float64) {
	for i, z := range logits {
		m := &masks[i/framePixels]
		p := 1 / (1 + math.Exp(-float64(z)))
		want := 0.0
		if m.has(i % framePixels) {
			want = 1
		}
		loss -= maskWeight * (want*math.Log(p+1e-12) + (1-want)*math.Log(1-p+1e-12)) / float64(len(logits))
		grad[i] = scale * maskWeight * float32(p-want) / float32(len(logits))
	}
	return loss
}

// softmax returns the probabilities and the index of the largest.
func softmax(z []float32) (p []float64, best int) {
	p = make([]float64, len(z))
	for i := range z {
		if z[i] > z[best] {
			best = i
		}
	}
	var sum float64
	for i := range z {
		p[i] = math.Exp(float64(z[i] - z[best]))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p, best
}
