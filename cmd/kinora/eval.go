package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/eval"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/recogniser"
)

// EvalCmd measures how well a model does what prompts say.
type EvalCmd struct {
	Model     string            `placeholder:"FILE" help:"The weights to measure: a file of kinora train. Default: those inside the program."`
	Scenes    recogniser.Scenes `default:"one" placeholder:"KIND" help:"What prompts ask for: one actor with one motion (one), two kinds of actors or several of a kind (several), or two motions one after the other (events)."`
	FromFrame bool              `help:"Give each video the first frame of the real one, and read how it ends."`
	Prompts   int               `default:"10" placeholder:"N" help:"Videos asked for, each in English, Chinese and Arabic. More take longer and tell more."`
	Seconds   float64           `default:"6" placeholder:"6" help:"Length of a video, at least 2."`
	Seeds     int               `default:"4" placeholder:"N" help:"Videos of one prompt, to see how varied they are; 0 for none."`
	Films     int               `default:"8" placeholder:"N" help:"Real videos sent through the codec; 0 for none."`
	Steps     int               `placeholder:"N" help:"Sampling steps. Default: the model's."`
	Guidance  float32           `placeholder:"G" help:"How strictly prompts are followed. Default: the model's."`
	Seed      uint64            `default:"1" placeholder:"N" help:"The same seed asks for the same videos."`
	Out       string            `placeholder:"DIR" help:"Folder for the report: report.json, index.html, sheet.png and the videos. Default: only the table is printed."`
	CodecOnly bool              `help:"Measure the codec alone."`
	Upscaling bool              `help:"Measure the ways to enlarge frames alone, on real videos that are drawn in both sizes."`
	Upscaler  string            `placeholder:"FILE" help:"With --upscaling: one more network, a file of kinora train upscaler."`
	Real      int               `placeholder:"N" help:"Only check the recogniser, on N real videos that it never saw."`
}

// Help is the end of the command's help.
func (EvalCmd) Help() string {
	return `Prompts ask for combinations that training never showed. A recogniser, taught by
real storybook videos alone, then reads from the videos that the model makes what they
show. docs/eval.md says how to read the figures.

Examples:
  kinora eval --out report
  kinora eval --model runs/a/reel.safetensors --prompts 50 --out report
  kinora eval --scenes several --prompts 34
  kinora eval --seconds 60 --prompts 7
  kinora eval --codec-only --films 50
  kinora eval --upscaling --films 24
  kinora eval --real 500`
}

// Run measures.
func (c *EvalCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	read, err := recogniser.Embedded()
	if err != nil {
		return fmt.Errorf("the recogniser inside the program: %w", err)
	}
	if c.Real != 0 {
		return c.checkReal(ctx, s, read)
	}
	m, err := openWeights(c.Model)
	if err != nil {
		return err
	}
	if c.Upscaling {
		return c.upscaling(ctx, s, m)
	}
	clips := ""
	if c.Out != "" {
		release, err := holdFolder("--out", c.Out)
		if err != nil {
			return err
		}
		defer release()
		clips = filepath.Join(c.Out, "films")
		if err := os.MkdirAll(clips, 0o755); err != nil {
			return fmt.Errorf("--out: make the folder for the report: %w", err)
		}
	}
	report, err := c.measure(ctx, s, m, read, clips)
	if err != nil {
		return err
	}
	if err := report.Write(s.out); err != nil {
		return err
	}
	return c.keep(s, report)
}

// check refuses flags that cannot be met, before any weights are read.
func (c *EvalCmd) check() error {
	switch {
	case c.Prompts < 1 || c.Prompts > 10_000:
		return usagef("--prompts %d: choose 1 to 10000", c.Prompts)
	case !(c.Seconds >= 2 && c.Seconds <= 60):
		return usagef("--seconds %g: choose 2 to 60; motion is not read from less", c.Seconds)
	case c.Seeds < 0 || c.Seeds == 1 || c.Seeds > 1000:
		return usagef("--seeds %d: choose 2 to 1000, or 0 for none", c.Seeds)
	case c.Films < 0 || c.Films > 100_000 || (c.CodecOnly || c.Upscaling) && c.Films == 0:
		return usagef("--films %d: choose 1 to 100000, or 0 to leave the codec out", c.Films)
	case c.Steps < 0 || c.Steps > kinora.MaxSteps:
		return usagef("--steps %d: choose 1 to %d", c.Steps, kinora.MaxSteps)
	case !(c.Guidance >= 0 && c.Guidance <= 100):
		return usagef("--guidance %g: choose 0 to 100", c.Guidance)
	case c.Upscaler != "" && !c.Upscaling:
		return usagef("--upscaler names a network to measure: add --upscaling")
	case c.Real < 0 || c.Real > 1_000_000:
		return usagef("--real %d: choose 1 to 1000000 videos", c.Real)
	}
	return nil
}

func (c *EvalCmd) measure(ctx context.Context, s streams, m *reel.Model, read *recogniser.Network, clips string) (*eval.Report, error) {
	codecPart := 0.1
	switch {
	case c.Films == 0:
		codecPart = 0
	case c.CodecOnly:
		codecPart = 1
	}
	bar := newMeter(s.err)
	defer bar.close(false)
	start := time.Now()
	step := func(phase kinora.Phase, from, share float64) func(done, total int) {
		return func(done, total int) {
			p := kinora.Progress{Phase: phase, Done: done, Total: total, Elapsed: time.Since(start)}
			p.Overall = from + share*float64(done)/float64(total)
			if p.Overall > 0 {
				p.Left = time.Duration(float64(p.Elapsed) * (1 - p.Overall) / p.Overall)
			}
			bar.update(p)
		}
	}
	report := &eval.Report{Width: m.Config.Width, Height: m.Config.Height, FPS: m.Config.FPS, Seconds: c.Seconds, Seed: c.Seed}
	var codec *eval.CodecScore
	var err error
	if c.Films > 0 {
		if codec, err = eval.MeasureCodec(ctx, m, read, c.Films, c.Seed, c.Seconds, step("codec", 0, codecPart)); err != nil {
			return nil, err
		}
	}
	if !c.CodecOnly {
		sheet := ""
		if c.Out != "" {
			sheet = filepath.Join(c.Out, "sheet.png")
		}
		report, err = eval.Measure(ctx, eval.Reel{Model: m, Steps: c.Steps, Guidance: c.Guidance}, read, eval.Options{
			Scenes: c.Scenes, FromFrame: c.FromFrame, Prompts: c.Prompts, Seconds: c.Seconds, Seeds: c.Seeds, Seed: c.Seed, Clips: clips, Sheet: sheet,
			Progress: step("videos", codecPart, 1-codecPart),
		})
		if err != nil {
			return nil, err
		}
	} else {
		report.Sets = []eval.Set{codec.Read}
	}
	report.Codec, report.Made, report.Took = codec, time.Now().UTC().Truncate(time.Second), time.Since(start).Seconds()
	report.Weights, report.Command = "inside the program", c.command()
	if c.Model != "" {
		report.Weights = filepath.Base(c.Model)
	}
	bar.close(true)
	return report, nil
}

// command returns the command line that gives the same figures again.
func (c *EvalCmd) command() string {
	var b strings.Builder
	b.WriteString("kinora eval")
	if c.Model != "" {
		fmt.Fprintf(&b, " --model %s", filepath.Base(c.Model))
	}
	if c.CodecOnly {
		b.WriteString(" --codec-only")
	} else {
		fmt.Fprintf(&b, " --scenes %s --prompts %d --seeds %d", c.Scenes, c.Prompts, c.Seeds)
		if c.FromFrame {
			b.WriteString(" --from-frame")
		}
	}
	fmt.Fprintf(&b, " --seconds %g --films %d --seed %d", c.Seconds, c.Films, c.Seed)
	if c.Steps != 0 {
		fmt.Fprintf(&b, " --steps %d", c.Steps)
	}
	if c.Guidance != 0 {
		fmt.Fprintf(&b, " --guidance %g", c.Guidance)
	}
	return b.String()
}

// keep writes the report's files if --out names a folder.
func (c *EvalCmd) keep(s streams, r *eval.Report) error {
	if c.Out == "" {
		return nil
	}
	page := filepath.Join(c.Out, "index.html")
	if err := errors.Join(eval.WriteJSON(filepath.Join(c.Out, "report.json"), r), r.WritePage(page, "films")); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "\nwrote %s and report.json beside it\n", page)
	return err
}

// checkReal prints how often the recogniser is right on whole real videos, and on
// their first two seconds.
func (c *EvalCmd) checkReal(ctx context.Context, s streams, read *recogniser.Network) error {
	var sets []eval.Set
	for _, seconds := range []float64{6, 4, 2} {
		t, err := recogniser.CheckReal(ctx, read, c.Scenes, c.Real, c.Seed, seconds)
		if err != nil {
			return err
		}
		sets = append(sets, eval.NewSet(fmt.Sprintf("%g s of each", seconds), c.Scenes, t))
	}
	return eval.WriteTable(s.out, sets)
}

// openWeights reads a model of package reel from a file; "" means the one inside
// the program.
func openWeights(path string) (*reel.Model, error) {
	data, err := weightsOf(path)
	if err != nil {
		return nil, err
	}
	m, err := reel.Open(data)
	if err != nil {
		return nil, usagef("--model %s: %w", path, err)
	}
	return m, nil
}

// weightsOf opens the file of weights at path, or the weights inside the program.
func weightsOf(path string) ([]byte, error) {
	if path == "" {
		if len(reel.Embedded()) == 0 {
			return nil, usagef("this build has no weights inside: name a file of kinora train with --model")
		}
		return reel.Embedded(), nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("--model %s: there is no such file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	return data, nil
}
