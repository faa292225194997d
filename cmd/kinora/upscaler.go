package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/eval"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/train"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// TrainUpscalerCmd trains the upscaler that goes with a model.
type TrainUpscalerCmd struct {
	trainFlags
	Model string `placeholder:"FILE" help:"The model whose frames to enlarge. Default: the one inside the program."`
	Batch int    `default:"48" placeholder:"N" help:"Crops a step."`
	Crop  int    `default:"64" placeholder:"N" help:"Side of a crop in pixels of what the model draws."`
	Width int    `default:"32" placeholder:"N" help:"Channels between the convolutions. Of a new network, as what follows."`
	Depth int    `default:"5" placeholder:"N" help:"Convolutions, at least 2."`
	Patch int    `default:"2" placeholder:"N" help:"Side of the patches of pixels that the convolutions run on: more is less work."`
}

// Run trains the upscaler.
func (c *TrainUpscalerCmd) Run(ctx context.Context, s streams) error {
	release, err := c.hold()
	if err != nil {
		return err
	}
	defer release()
	uo := train.DefaultUpscaler()
	uo.Batch, uo.Crop = c.Batch, c.Crop
	src, err := c.source(ctx, s, reel.Frames(uo.Groups))
	if err != nil {
		return err
	}
	m, err := openWeights(c.Model)
	if err != nil {
		return err
	}
	path := filepath.Join(c.Dir, "upscaler.safetensors")
	n, err := readUpscaler(path)
	if errors.Is(err, fs.ErrNotExist) {
		n, err = upscale.New(upscale.Config{Factor: 2, Patch: c.Patch, Width: c.Width, Depth: c.Depth}, c.Seed)
	}
	if err != nil {
		return err
	}
	start := time.Now()
	err = train.Upscaler(ctx, m, n, src, c.options(s, c.LR), uo)
	if err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	if e := n.WriteFile(path, nil); e != nil {
		return e
	}
	how := "finished"
	if err != nil {
		how = "stopped; the same command goes on from here"
	}
	fmt.Fprintf(s.err, "\n%s after %v on %d processors: %s\n", how, time.Since(start).Round(time.Second), runtime.NumCPU(), path)
	return err
}

// readUpscaler is the upscaler in a file.
func readUpscaler(path string) (*upscale.Net, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := upscale.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// upscaling measures the networks inside the program, and one of the user's.
func (c *EvalCmd) upscaling(ctx context.Context, s streams, m *reel.Model) error {
	by4, err := upscale.Open(upscale.General())
	if err != nil {
		return fmt.Errorf("the upscaler inside the program: %w", err)
	}
	by2, err := by4.Reduced(2)
	if err != nil {
		return err
	}
	storybook, err := upscale.Open(upscale.Storybook())
	if err != nil {
		return fmt.Errorf("the upscaler of reel inside the program: %w", err)
	}
	names := []string{"reel's own network", "general network"}
	networks := map[string]*upscale.Net{names[0]: storybook, names[1]: by2}
	if c.Upscaler != "" {
		n, err := readUpscaler(c.Upscaler)
		if err != nil {
			return err
		}
		n.Params.Freeze()
		names, networks[c.Upscaler] = append(names, c.Upscaler), n
	}
	bar := newMeter(s.err)
	defer bar.close(false)
	start := time.Now()
	scores, err := eval.MeasureUpscaling(ctx, m, networks, names, c.Films, c.Seed, c.Seconds, func(done, total int) {
		p := kinora.Progress{Phase: "videos", Done: done, Total: total, Elapsed: time.Since(start), Overall: float64(done) / float64(total)}
		p.Left = time.Duration(float64(p.Elapsed) * (1 - p.Overall) / p.Overall)
		bar.update(p)
	})
	if err != nil {
		return err
	}
	bar.close(true)
	return eval.WriteUpscaling(s.out, scores)
}
