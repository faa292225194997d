package main

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/train"
)

// TrainFewStepsCmd distils a model to few steps.
type TrainFewStepsCmd struct {
	runFlags
	Teacher  string  `required:"" placeholder:"FILE" help:"Weights of the model that teaches, as kinora train text-video makes them. They stay as they are."`
	Take     int     `default:"4" placeholder:"N" help:"Sampling steps to train for: 1, 2, 4, 8 or 16. The model still works with more."`
	Guidance float64 `default:"3" placeholder:"F" help:"Scale of the teacher's guidance, which becomes part of the weights."`
	LR       float64 `name:"lr" default:"0.0004" placeholder:"F" help:"Peak learning rate."`
	Simple   bool    `help:"Only videos with one actor and one event."`
	Batch    int     `default:"16" placeholder:"N" help:"Points of the teacher's paths in a step."`
	Micro    int     `default:"4" placeholder:"N" help:"Points in one forward pass: less takes less memory."`
	Groups   int     `default:"0" placeholder:"N" help:"Groups of 8 frames in a chunk. Default: the model's own, 6."`
	Fresh    int     `default:"2" placeholder:"N" help:"New paths that the teacher makes for a step: most of the work."`
	Keep     int     `default:"256" placeholder:"N" help:"Earlier paths that may be used again. A continued run first makes them anew."`
}

// Run distils.
func (c *TrainFewStepsCmd) Run(ctx context.Context, s streams) error {
	release, err := c.hold()
	if err != nil {
		return err
	}
	defer release()
	switch {
	case c.Take < 1 || reel.DefaultSteps%c.Take != 0:
		return usagef("--take %d: a video takes 1, 2, 4, 8 or 16 steps", c.Take)
	case !(c.Guidance > 0 && c.Guidance <= reel.MaxGuidance):
		return usagef("--guidance %g: must be above 0, and at most %d", c.Guidance, reel.MaxGuidance)
	}
	teacher, err := reel.OpenFile(c.Teacher)
	if err != nil {
		return fmt.Errorf("--teacher: %w", err)
	}
	if n := teacher.Config.Flow.Steps; n != 0 {
		return usagef("--teacher %s: it was distilled to %d steps itself: name the model that taught it", c.Teacher, n)
	}
	student, err := c.model(func() (*reel.Model, error) { return teacher.FewSteps(c.Take, float32(c.Guidance), c.Seed) })
	if err != nil {
		return err
	}
	if f := student.Config.Flow; f.Steps != c.Take || f.Guidance != float32(c.Guidance) {
		return usagef("the model in %s is one of %d steps with guidance %g: go on with these, or choose another folder", c.Dir, f.Steps, f.Guidance)
	}
	do := train.DefaultDistil()
	do.Batch, do.Micro, do.Groups, do.Fresh, do.Keep = c.Batch, c.Micro, c.Groups, c.Fresh, c.Keep
	src := train.Storybook{Seed: c.Seed*1000 + 500, Simple: c.Simple}
	return c.finish(ctx, s, student, c.LR, 0, func(o train.Options) error {
		return train.Distil(ctx, student, teacher, src, o, do, nil)
	})
}
