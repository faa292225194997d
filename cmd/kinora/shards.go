package main

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/train"
)

// TrainShardsCmd writes latents for the trainer in tools/reference.
type TrainShardsCmd struct {
	Dir      string `required:"" placeholder:"DIR" help:"Folder of a run whose codec is trained."`
	Out      string `required:"" placeholder:"DIR" help:"Folder to write the shards to. Those that are there are kept."`
	Windows  int    `default:"4096" placeholder:"N" help:"Windows in all."`
	Chunks   int    `default:"2" placeholder:"N" help:"Chunks of a window, 1 or 2."`
	Captions int    `default:"12" placeholder:"N" help:"Captions of a window."`
	Films    string `placeholder:"DIR" help:"Take your own films: NAME.mp4 with captions, one a line, in NAME.txt. Default: the storybook."`
	Seed     uint64 `default:"1" placeholder:"N" help:"The same seed gives the same shards."`
}

// Run writes the shards.
func (c *TrainShardsCmd) Run(ctx context.Context, s streams) error {
	flags := trainFlags{runFlags: runFlags{Dir: c.Dir, Seed: c.Seed}, Films: c.Films}
	m, err := flags.trained()
	if err != nil {
		return err
	}
	src, err := flags.source(ctx, float64(8*m.Config.Flow.Groups*c.Chunks+1))
	if err != nil {
		return err
	}
	o := train.ShardOptions{Windows: c.Windows, PerShard: 256, Chunks: c.Chunks, Captions: c.Captions, Seed: c.Seed}
	return train.WriteShards(ctx, m, src, c.Out, o, func(n int) {
		fmt.Fprintf(s.err, "%d of %d windows in %s\n", n, c.Windows, c.Out)
	})
}
