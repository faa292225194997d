package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/eval"
	"github.com/kinora-video/kinora/internal/recogniser"
)

// TrainRecogniserCmd trains the network that kinora eval reads videos with.
type TrainRecogniserCmd struct {
	Dir   string        `required:"" placeholder:"DIR" help:"Folder of the run: its checkpoint and the weights. A run that is there is continued."`
	Steps int           `default:"5000" placeholder:"N" help:"Steps of the whole run."`
	Batch int           `default:"16" placeholder:"N" help:"Videos in a step."`
	LR    float64       `name:"lr" default:"0.002" placeholder:"F" help:"Peak learning rate."`
	Seed  uint64        `default:"1" placeholder:"N" help:"Seed of the initial weights and of the videos."`
	Save  time.Duration `default:"5m" placeholder:"5m" help:"Time between checkpoints."`
}

// Run trains the recogniser and prints how often it is right.
func (c *TrainRecogniserCmd) Run(ctx context.Context, s streams) error {
	release, err := holdFolder("--dir", c.Dir)
	if err != nil {
		return err
	}
	defer release()
	o := recogniser.DefaultLearn()
	o.Steps, o.Batch, o.LR, o.Seed, o.Save = c.Steps, c.Batch, c.LR, c.Seed, c.Save
	o.Keep = max(o.Keep, c.Batch)
	o.Checkpoint = filepath.Join(c.Dir, "recogniser.checkpoint.safetensors")
	o.Progress = learnMeter(s)
	r, err := recogniser.Learn(ctx, o)
	if err != nil {
		return err
	}
	path := filepath.Join(c.Dir, "recogniser.safetensors")
	if err := r.WriteFile(path, map[string]string{"steps": strconv.Itoa(c.Steps), "batch": strconv.Itoa(c.Batch), "seed": strconv.FormatUint(c.Seed, 10)}); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "wrote %s\n", path)
	for k := range recogniser.NumScenes {
		t, err := recogniser.CheckReal(ctx, r, k, 200, c.Seed, 6)
		if err != nil {
			return err
		}
		if err := eval.WriteTable(s.out, []eval.Set{eval.NewSet("unseen videos", k, t)}); err != nil {
			return err
		}
	}
	return nil
}

// learnMeter prints a line now and then: means over the steps since the line before.
func learnMeter(s streams) func(recogniser.LearnProgress) {
	var sum recogniser.LearnProgress
	n := 0.0
	return func(p recogniser.LearnProgress) {
		n++
		sum.Loss += p.Loss
		for a := range p.Right {
			sum.Right[a] += p.Right[a]
		}
		if p.Step%25 != 0 && p.Step < p.Steps {
			return
		}
		var b strings.Builder
		for a := range p.Right {
			fmt.Fprintf(&b, "  %s %.0f %%", recogniser.Attribute(a), 100*sum.Right[a]/n)
		}
		fmt.Fprintf(s.err, "step %d of %d  loss %.3f%s  %s left\n", p.Step, p.Steps, sum.Loss/n, b.String(), short(p.Left))
		sum, n = recogniser.LearnProgress{}, 0
	}
}
