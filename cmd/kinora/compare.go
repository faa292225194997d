package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/bench"
	"github.com/kinora-video/kinora/internal/train"
)

// TrainCompareCmd compares the transformer with a dense one.
type TrainCompareCmd struct {
	Model   string  `required:"" placeholder:"FILE" help:"A model whose codec is trained; its transformer is not used."`
	Minutes float64 `default:"10" placeholder:"10" help:"Training time of each."`
	Windows int     `default:"40" placeholder:"N" help:"Windows that the loss is measured on."`
	Batch   int     `default:"16" placeholder:"N" help:"Windows in a step."`
	Micro   int     `default:"4" placeholder:"N" help:"Windows in one forward pass."`
	LR      float64 `name:"lr" default:"0.0015" placeholder:"F" help:"Learning rate."`
	Seed    uint64  `default:"1" placeholder:"N" help:"Of weights and videos."`
	JSON    bool    `name:"json" help:"Print JSON."`
}

// Help is the end of the command's help.
func (TrainCompareCmd) Help() string {
	return `Trains a transformer with a mixture of experts and linear attention, and a dense one
with softmax attention and the same size active, from the same videos in the same
order for the same time, and says how fast and how good each got. Let the machine do
nothing else meanwhile. Nothing is kept.

Example:
  kinora train compare --model runs/a/reel.safetensors --minutes 30`
}

// Run compares.
func (c *TrainCompareCmd) Run(ctx context.Context, s streams) error {
	if !(c.Minutes > 0 && c.Minutes <= 10_000) || c.Windows < 1 || c.Windows > 10_000 {
		return usagef("--minutes %g, --windows %d: choose more than 0, at most 10000", c.Minutes, c.Windows)
	}
	if c.Batch < 1 || c.Micro < 1 || !(c.LR > 0 && c.LR < 1) {
		return usagef("--batch %d, --micro %d, --lr %g: choose at least 1 window and a rate between 0 and 1", c.Batch, c.Micro, c.LR)
	}
	m, err := openWeights(c.Model)
	if err != nil {
		return err
	}
	fo := train.DefaultFlow()
	fo.Batch, fo.Micro = c.Batch, c.Micro
	var last time.Time
	t, err := bench.CompareTwins(ctx, m, train.Storybook{Seed: c.Seed * 1000}, bench.TwinOptions{
		Time: time.Duration(c.Minutes * float64(time.Minute)), Windows: c.Windows, LR: c.LR, Seed: c.Seed, Flow: fo,
		Progress: func(name string, spent time.Duration, p train.Progress) {
			if time.Since(last) > 10*time.Second {
				last = time.Now()
				fmt.Fprintf(s.err, "%s: step %d, loss %.4f, %.1f windows/s, %s\n", name, p.Step, p.Loss, p.Rate, short(spent))
			}
		},
	})
	if err != nil {
		return err
	}
	if !c.JSON {
		return t.Write(s.out)
	}
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s\n", data)
	return err
}
