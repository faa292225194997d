package main

import (
	"context"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/train"
)

// TrainFramesCmd writes videos for the trainer in tools/reference.
type TrainFramesCmd struct {
	Model    string  `required:"" placeholder:"FILE" help:"Weights of a model, whose frame size and tokenizer are used."`
	Groups   int     `default:"7" placeholder:"N" help:"Groups of 8 frames in a window; the single first frame counts as one."`
	Windows  int     `default:"0" placeholder:"N" help:"Windows in all; 0 goes on for as long as they are read."`
	First    uint64  `default:"0" placeholder:"N" help:"Number of the first window."`
	Captions int     `default:"6" placeholder:"N" help:"Captions for each window."`
	Simple   bool    `help:"Of the storybook, only videos with one actor and one event."`
	Films    *string `placeholder:"DIR" help:"Take your own videos, as kinora train codec does. Default: the storybook."`
	Seed     uint64  `default:"1" placeholder:"N" help:"The same seed gives the same videos."`
}

// Run writes the videos to standard output.
func (c *TrainFramesCmd) Run(ctx context.Context, s streams) error {
	m, err := readModel(c.Model)
	if err != nil {
		return err
	}
	flags := trainFlags{runFlags: runFlags{Seed: c.Seed}, Films: c.Films, Simple: c.Simple}
	src, err := flags.source(ctx, s, reel.Frames(c.Groups))
	if err != nil {
		return err
	}
	o := train.StreamOptions{First: c.First, Windows: c.Windows, Groups: c.Groups, Captions: c.Captions, Seed: c.Seed}
	return train.Stream(ctx, m, src, s.out, o)
}
