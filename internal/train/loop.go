// Package train makes the weights of package reel: a codec from videos, then a
// transformer from the codec's latents. Runs are deterministic by seed and
// write checkpoints. A run that was stopped and continued gives the same bytes.
//
// It never touches the network, and never overwrites a checkpoint before the
// next one is safely on disk.
package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
)

// Options are the options of every run.
type Options struct {
	Dir    string  // where checkpoints, log and samples go
	Steps  int     // of the whole run, including earlier sessions
	LR     float64 // peak learning rate
	Warmup int     // steps of linear rise
	// Cooldown is the share of the steps, at the end, over which the learning
	// rate falls to zero.
	Cooldown float64
	Save     time.Duration // between checkpoints
	// SampleEvery so many steps a sample is made; 0 for never.
	SampleEvery int
	Seed        uint64
	// AdamW alone, without Muon for the weight matrices.
	AdamW bool
	// Progress, which may be nil, is called after every step.
	Progress func(Progress)
	// Warn, which may be nil, is called with errors that do not end the run,
	// such as a checkpoint that could not be written and will be tried again.
	Warn func(error)
}

func (o Options) warn(err error) {
	if o.Warn != nil {
		o.Warn(err)
	}
}

// Progress is the state of a run after a step.
type Progress struct {
	Step, Steps int
	Loss        float64            // of this step
	Parts       map[string]float64 // the parts of the loss, and gauges
	LR, Norm    float64            // learning rate, norm of the gradient
	Rate        float64            // recent samples a second
	Left        time.Duration      // time until the end, at that rate
	Saved       bool               // a checkpoint was written after this step
}

// PartNames returns the names of a loss's parts in order.
func PartNames(parts map[string]float64) []string { return slices.Sorted(maps.Keys(parts)) }

// task is one kind of training. Its batch is called ahead of its step, in
// another goroutine; both are functions of the step number and the weights
// alone.
type task[B any] interface {
	batch(ctx context.Context, step int) (B, error)
	step(step int, batch B) (loss float64, parts map[string]float64)
}

// rate is the learning rate at a step: a linear rise, a plateau, and a linear
// fall to zero at the end (Hägele 2024).
func (o Options) rate(step int) float64 {
	up := min(1, float64(step+1)/float64(max(o.Warmup, 1)))
	down := 1.0
	if n := float64(o.Steps) * o.Cooldown; n > 0 {
		down = min(1, float64(o.Steps-step)/n)
	}
	return o.LR * min(up, down)
}

// loop runs a task until its last step, until ctx ends or until something
// fails. It writes a checkpoint where it stopped, unless the loss has diverged:
// then the last good checkpoint stays.
func loop[B any](ctx context.Context, o Options, t task[B], ck *checkpoint, sample func(step int) error, perStep int) error {
	if ck.opt.Step >= o.Steps {
		return nil
	}
	err := steps(ctx, o, t, ck, sample, perStep)
	if errors.Is(err, errDiverged) {
		return err // the state in memory is no better than the last checkpoint
	}
	if e := ck.keep(); e != nil {
		return errors.Join(err, e)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && ck.opt.Step > 0:
		return fmt.Errorf("%w\nThe result of %d steps is kept: the same command continues from there", err, ck.opt.Step)
	}
	return err
}

var errDiverged = errors.New("the last checkpoint is good: continue from it with a lower learning rate")

// steps runs the remaining steps of a loop. It returns nil when ctx ends.
func steps[B any](ctx context.Context, o Options, t task[B], ck *checkpoint, sample func(step int) error, perStep int) error {
	opt := ck.opt
	q := newBatchQueue(ctx, opt.Step, 3, t.batch)
	defer q.stop()
	saved, meter := time.Now(), rateMeter{last: time.Now()}
	for step := opt.Step; step < o.Steps; step++ {
		b, err := q.next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("step %d: making the batch: %w", step, err)
		}
		loss, parts := t.step(step, b)
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("step %d: the loss is %g; %w", step, loss, errDiverged)
		}
		opt.LR = o.rate(step)
		norm := opt.Update(1)
		ck.taught = max(ck.taught, ck.teaches)
		p := Progress{Step: step + 1, Steps: o.Steps, Loss: loss, Parts: parts, LR: opt.LR, Norm: norm}
		p.Rate = meter.tick() * float64(perStep)
		p.Left = time.Duration(float64((o.Steps-step-1)*perStep) / p.Rate * float64(time.Second))
		ck.log.add(p)
		if time.Since(saved) > o.Save && step+1 < o.Steps {
			err := ck.keep()
			if err != nil { // the disk may have room again by the next time
				o.warn(fmt.Errorf("step %d: %w", step, err))
			}
			saved, p.Saved = time.Now(), err == nil
		}
		if o.Progress != nil {
			o.Progress(p)
		}
		if o.SampleEvery > 0 && (step+1)%o.SampleEvery == 0 && ctx.Err() == nil {
			if err := sample(step + 1); err != nil && ctx.Err() == nil { // a sample is only for inspection
				o.warn(fmt.Errorf("step %d: making a sample: %w", step, err))
			}
		}
	}
	return nil
}

// rateMeter smooths the time of a step.
type rateMeter struct {
	last time.Time
	mean float64
}

// tick returns the recent number of steps a second.
func (m *rateMeter) tick() float64 {
	now := time.Now()
	d := now.Sub(m.last).Seconds()
	m.last = now
	if m.mean == 0 {
		m.mean = d
	}
	m.mean += 0.05 * (d - m.mean)
	return 1 / m.mean
}

// newOptimizer returns the optimizer of a run.
func newOptimizer(p *nn.Params, o Options) *nn.AdamW {
	opt := nn.NewAdamW(p, backend.Training())
	opt.LR, opt.Muon = o.LR, !o.AdamW
	return opt
}
