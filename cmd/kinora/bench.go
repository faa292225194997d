package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/bench"
	"github.com/kinora-video/kinora/internal/model/reel"
)

// BenchCmd measures how fast this machine runs it all.
type BenchCmd struct {
	What    []string `default:"kernels,training,pipeline" enum:"kernels,training,pipeline,linear" placeholder:"kernels,training,pipeline" help:"What to measure. linear, which needs 2 GB of memory, is the linear layers of released models by how their weights are stored."`
	Weights []string `placeholder:"bf16,int8,q4_0" help:"Of linear: only weights that are stored so (${benchWeights}). Default: all."`
	Model   string   `placeholder:"FILE" help:"Weights of kinora train. Default: an untrained model of the usual shape, which is as fast."`
	Seconds float64  `default:"6" placeholder:"6" help:"Length of the video of the pipeline."`
	Steps   int      `placeholder:"N" help:"Sampling steps of the pipeline. Default: the model's."`
	Rounds  int      `default:"4" placeholder:"N" help:"Training steps; the best one counts."`
	Busy    bool     `help:"Measure processor time, not the clock: for a machine that does other work too. Work that leaves threads idle looks better then."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Help is the end of the command's help.
func (BenchCmd) Help() string {
	return `Kernels and the training step are set beside the peak: the fastest f32 product that
this machine runs with all its threads. Products in bf16 and int8 may go past it.
KINORA_THREADS and KINORA_SIMD choose threads and instruction set.`
}

// Run measures.
func (c *BenchCmd) Run(ctx context.Context, s streams) error {
	switch {
	case !(c.Seconds > 0 && c.Seconds <= 600):
		return usagef("--seconds %g: choose more than 0, at most 600", c.Seconds)
	case c.Steps < 0 || c.Steps > kinora.MaxSteps:
		return usagef("--steps %d: choose 1 to %d", c.Steps, kinora.MaxSteps)
	case len(c.Weights) > 0 && !slices.Contains(c.What, "linear"):
		return usagef("--weights chooses what --what linear measures: add it")
	case c.Rounds < 1 || c.Rounds > 1000:
		return usagef("--rounds %d: choose 1 to 1000", c.Rounds)
	}
	w := bench.Stopwatch{Busy: c.Busy}
	b := bench.New(w)
	if err := c.measure(ctx, s, b, w); err != nil {
		return err
	}
	if !c.JSON {
		return b.Write(s.out)
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s\n", data)
	return err
}

func (c *BenchCmd) measure(ctx context.Context, s streams, b *bench.Report, w bench.Stopwatch) error {
	bar := newMeter(s.err)
	defer bar.close(false)
	start := time.Now()
	part := 0
	step := func(name string) func(done, total int) {
		from := float64(part) / float64(len(c.What))
		part++
		return func(done, total int) {
			bar.update(kinora.Progress{
				Phase: kinora.Phase(name), Done: done, Total: total, Elapsed: time.Since(start),
				Overall: from + float64(done)/float64(total*len(c.What)),
			})
		}
	}
	m, err := c.model()
	if err != nil {
		return err
	}
	has := func(what string) bool { return slices.Contains(c.What, what) }
	if has("kernels") {
		if err := b.MeasureKernels(ctx, w, step("kernels")); err != nil {
			return err
		}
	} else if err := b.MeasurePeak(ctx, w); err != nil {
		return err
	}
	if has("linear") {
		if err := b.MeasureLinear(ctx, w, bench.Layers, c.Weights, step("linear")); err != nil {
			return err
		}
	}
	if has("training") {
		if err := b.MeasureTraining(ctx, w, m.Config, c.Rounds, step("training")); err != nil {
			return err
		}
	}
	if has("pipeline") {
		if err := b.MeasurePipeline(ctx, w, m, c.Seconds, c.Steps, step("pipeline")); err != nil {
			return err
		}
	}
	bar.close(true)
	return nil
}

func (c *BenchCmd) model() (*reel.Model, error) {
	if c.Model == "" {
		return bench.Untrained()
	}
	return openWeights(c.Model)
}
