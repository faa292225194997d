package train

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/world"
)

// textTask teaches the text encoder the meaning of captions before it sees any
// video: a linear head predicts the labels of the scene from the prompt's
// vector. This takes minutes, and the transformer then starts with words that
// mean something. The head is discarded.
// something. The head is thrown away.
type textTask struct {
	model   *reel.Model
	lanes   *lanes
	head    nn.Linear
	classes map[string]int // "subject=cat" → index
	batchOf int
	seed    uint64
}

// textBatch is a micro-batch of captions and their labels [B, classes].
type textBatch struct {
	prompts [][]int32
	labels  []float32
}

// labelClasses numbers every label that storybook scenes have.
func labelClasses() map[string]int {
	seen := map[string]bool{}
	for i := range uint64(4096) {
		for k, v := range world.Sample(i, world.SampleOptions{Everyday: true}).Labels() {
			seen[k+"="+v] = true
		}
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	out := map[string]int{}
	for i, n := range names {
		out[n] = i
	}
	return out
}

func newTextTask(m *reel.Model, p *nn.Params, batch int, seed uint64) *textTask {
	t := &textTask{model: m, classes: labelClasses(), batchOf: batch, seed: seed}
	t.head = nn.NewLinear(p, "head", m.Config.Text.Width, len(t.classes), 0.1)
	t.lanes = newLanes(p)
	return t
}

func (t *textTask) batch(_ context.Context, step int) ([]textBatch, error) {
	rng := stepRNG(t.seed, step, 5)
	const micro = 16
	var out []textBatch
	for at := 0; at < t.batchOf; at += micro {
		n := min(micro, t.batchOf-at)
		b := textBatch{labels: make([]float32, n*len(t.classes))}
		for i := range n {
			s := world.Sample(rng.Uint64(), world.SampleOptions{Split: world.Train, Simple: rng.IntN(10) < 7, Everyday: true})
			b.prompts = append(b.prompts, t.model.Tokens(s.Tell(world.Lang(rng.IntN(3)), rng.Uint64())))
			for k, v := range s.Labels() {
				if c, ok := t.classes[k+"="+v]; ok {
					b.labels[i*len(t.classes)+c] = 1
				}
			}
		}
		out = append(out, b)
	}
	return out, nil
}

func (t *textTask) step(_ int, batch []textBatch) (float64, map[string]float64) {
	losses, right, of := make([]float64, len(batch)), make([]int, len(batch)), make([]int, len(batch))
	t.lanes.run(len(batch), func(o *autograd.Tape, _, i int) {
		b := batch[i]
		y := t.head.Apply(o, t.model.Flow.Encode(o, b.prompts).Pooled, tensor.None)
		loss := o.MSE(y, o.Upload(b.labels, y.Shape...), nil)
		losses[i] = number(o, loss)
		told := tensor.Values(o.Backend(), y)
		for j, want := range b.labels {
			if want == 1 {
				of[i]++
				if told[j] > 0.5 {
					right[i]++
				}
			}
		}
		o.Backward(loss, 1/float32(len(batch)))
	})
	var total float64
	var r, n int
	for i := range batch {
		total += losses[i] / float64(len(batch))
		r, n = r+right[i], n+of[i]
	}
	return total, map[string]float64{"told": float64(r) / float64(n)}
}

// Text trains m's text encoder alone on the storybook's captions, continuing
// from the checkpoint in o.Dir if there is one. At the end m holds the averaged
// weights, and knows the words of the captions' edition.
func Text(ctx context.Context, m *reel.Model, o Options, batch int) error {
	if batch < 1 {
		return fmt.Errorf("text training: batch %d must be at least 1", batch)
	}
	p := m.FlowParams.Subset("text.")
	t := newTextTask(m, p, batch, o.Seed)
	ck, err := openCheckpoint(o, "text", p, shapeOf(m.Config.Text))
	if err != nil {
		return err
	}
	ck.teach(m.Storybook, Storybook{}.Edition())
	err = loop(ctx, o, t, ck, func(int) error { return nil }, batch)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := p.Copy(ck.opt.EMA()); e != nil {
		return e
	}
	m.Storybook = ck.taught
	return ctx.Err()
}
