package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/train"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// TrainCmd makes the weights of a model.
type TrainCmd struct {
	Codec     TrainCodecCmd     `cmd:"" help:"Train the video autoencoder: comes first."`
	Text      TrainTextCmd      `cmd:"" help:"Teach the text encoder the storybook's words before it sees videos: minutes that save hours."`
	Frames    TrainFramesCmd    `cmd:"" help:"Write videos to standard output for the trainer in tools/reference, which runs on a GPU."`
	TextVideo TrainTextVideoCmd `cmd:"" name:"text-video" help:"Train the transformer and its text encoder on the codec's latents."`
	FewSteps  TrainFewStepsCmd  `cmd:"" name:"few-steps" help:"Teach a trained model to take few steps, and no second pass for guidance: comes last."`
	// Beside the model itself:
	Upscaler   TrainUpscalerCmd   `cmd:"" help:"Train the small network that makes larger frames of those that the model draws."`
	Compare    TrainCompareCmd    `cmd:"" help:"Train the transformer and a dense twin for the same time, and set them side by side."`
	Recogniser TrainRecogniserCmd `cmd:"" help:"Train the network that kinora eval reads videos with."`
}

// runFlags are the flags of every run.
type runFlags struct {
	Dir      string        `required:"" placeholder:"DIR" help:"Folder of the run: checkpoints, the model, the loss plot and samples. A run that is there is gone on with."`
	Steps    int           `required:"" placeholder:"N" help:"Steps of the whole run, those done already included."`
	Warmup   int           `default:"40" placeholder:"N" help:"Steps over which the learning rate rises."`
	Cooldown float64       `default:"0.3" placeholder:"F" help:"Share of the steps, at the end, over which it falls to zero."`
	Seed     uint64        `default:"1" placeholder:"N" help:"The same seed gives the same weights."`
	Save     time.Duration `default:"5m" placeholder:"5m" help:"Time between checkpoints."`
	AdamW    bool          `name:"adamw" help:"Step every weight by AdamW. Default: Muon for weight matrices."`
}

// trainFlags are the flags of the runs that see videos.
type trainFlags struct {
	runFlags
	LR          float64 `name:"lr" default:"0.0015" placeholder:"F" help:"Peak learning rate."`
	Simple      bool    `help:"Of the storybook, only videos with one actor and one event: easier to begin with."`
	Films       *string `placeholder:"DIR" help:"Train on your own videos: NAME.mp4 (or .m4v, .mov, .webm, .mkv) with captions, one a line, in NAME.txt. Default: the storybook."`
	SampleEvery int     `default:"500" placeholder:"N" help:"Steps between samples; 0 for none."`
}

// TrainCodecCmd trains the autoencoder.
type TrainCodecCmd struct {
	trainFlags
	Latent      int    `default:"32" placeholder:"N" help:"Channels of a latent, which stands for 16×16×8 pixels. Of a new model."`
	Batch       int    `default:"8" placeholder:"N" help:"Crops a step."`
	Crop        int    `default:"96" placeholder:"N" help:"Side of a crop in pixels, a multiple of 32."`
	DecoderOnly bool   `xor:"latents" help:"Leave the encoder as it is, so that a transformer trained on its latents stays right."`
	Anchor      string `xor:"latents" placeholder:"FILE" help:"A model whose latents to stay near, so that a transformer trained on them stays nearly right while the encoder gets better."`
}

// TrainTextCmd trains the text encoder alone.
type TrainTextCmd struct {
	runFlags
	LR    float64 `name:"lr" default:"0.003" placeholder:"F" help:"Peak learning rate."`
	Batch int     `default:"64" placeholder:"N" help:"Captions a step."`
}

// TrainTextVideoCmd trains the transformer.
type TrainTextVideoCmd struct {
	trainFlags
	Batch      int     `default:"16" placeholder:"N" help:"Windows a step."`
	Micro      int     `default:"4" placeholder:"N" help:"Windows of one forward pass: less takes less memory."`
	Groups     int     `default:"0" placeholder:"N" help:"Groups of 8 frames in a chunk. Default: the model's own, 6."`
	Chunks     int     `default:"1" placeholder:"N" help:"Chunks of a window, 1 or 2. Two teach what comes after."`
	Stills     float64 `default:"0" placeholder:"F" help:"Share of steps that see single frames instead, which teach what things look like in less time still."`
	Fresh      int     `default:"3" placeholder:"N" help:"Windows a step that are new; the others are seen again."`
	Keep       int     `default:"2000" placeholder:"N" help:"Windows that may be seen again. Going on with a run makes them anew first."`
	Fine       int     `default:"0" placeholder:"N" help:"Give a model that has none layers of this width at the latents' own resolution, which draw outlines. New models have them."`
	FineBlocks int     `default:"2" placeholder:"N" help:"Such layers on each side of the transformer, with --fine."`
}

// Run trains the codec.
func (c *TrainCodecCmd) Run(ctx context.Context, s streams) error {
	release, err := c.hold()
	if err != nil {
		return err
	}
	defer release()
	src, err := c.source(ctx, s, reel.Frames(train.DefaultCodec().Groups))
	if err != nil {
		return err
	}
	m, err := c.model(func() (*reel.Model, error) {
		cfg := reel.Default()
		cfg.Codec.Latent = c.Latent
		bpe := token.Train(captionsOf(src), cfg.Text.Vocab)
		cfg.Text.Vocab = bpe.Size()
		return reel.New(cfg, bpe, c.Seed)
	})
	if err != nil {
		return err
	}
	co := train.DefaultCodec()
	co.Batch, co.Crop, co.DecoderOnly = c.Batch, c.Crop, c.DecoderOnly
	if c.Anchor != "" {
		if co.Anchor, err = readModel(c.Anchor); err != nil {
			return err
		}
	}
	probe, err := src.Window(ctx, 1<<50, reel.Frames(4), m.Config.Width, m.Config.Height, m.Config.FPS)
	if err != nil {
		return err
	}
	sample := func(step int, averaged *nn.Params) error {
		show, err := copyModel(m, averaged, nil)
		if err != nil {
			return err
		}
		frames, db := train.Reconstruct(show, probe)
		path, err := c.sampleFile(ctx, "codec", step, show, frames, fmt.Sprintf("a video sent through the codec: %.1f dB", db))
		fmt.Fprintf(s.err, "\nstep %d: %.1f dB on a video kept aside: %s\n", step, db, path)
		return err
	}
	return c.finish(ctx, s, m, c.LR, c.SampleEvery, func(o train.Options) error { return train.Codec(ctx, m, src, o, co, sample) })
}

// Run trains the text encoder.
func (c *TrainTextCmd) Run(ctx context.Context, s streams) error {
	release, err := c.hold()
	if err != nil {
		return err
	}
	defer release()
	m, err := c.trained()
	if err != nil {
		return err
	}
	return c.finish(ctx, s, m, c.LR, 0, func(o train.Options) error { return train.Text(ctx, m, o, c.Batch) })
}

// Run trains the transformer.
func (c *TrainTextVideoCmd) Run(ctx context.Context, s streams) error {
	release, err := c.hold()
	if err != nil {
		return err
	}
	defer release()
	m, err := c.trained()
	if err != nil {
		return err
	}
	if c.Fine != 0 {
		if m, err = m.Refine(c.Fine, c.FineBlocks, c.Seed); err != nil {
			return err
		}
	}
	src, err := c.source(ctx, s, reel.Frames(1+cmp.Or(c.Groups, m.Config.Flow.Groups)*c.Chunks))
	if err != nil {
		return err
	}
	fo := train.DefaultFlow()
	fo.Batch, fo.Micro, fo.Groups, fo.Chunks, fo.Stills, fo.Fresh, fo.Keep = c.Batch, c.Micro, c.Groups, c.Chunks, c.Stills, c.Fresh, c.Keep
	prompt := world.Sample(c.Seed, world.SampleOptions{Split: world.Test, Simple: true}).Caption(world.En, 0)
	sample := func(step int, averaged *nn.Params) error {
		show, err := copyModel(m, nil, averaged)
		if err != nil {
			return err
		}
		l, err := show.Sample(ctx, reel.Request{Prompt: prompt, Frames: reel.Frames(1 + show.Config.Flow.Groups), Seed: c.Seed}, nil)
		if err != nil {
			return err
		}
		var frames []byte
		if err := show.Decode(ctx, l, func(rgb []byte) error { frames = append(frames, rgb...); return nil }); err != nil {
			return err
		}
		path, err := c.sampleFile(ctx, "text-video", step, show, frames, prompt)
		fmt.Fprintf(s.err, "\nstep %d: %q: %s\n", step, prompt, path)
		return err
	}
	return c.finish(ctx, s, m, c.LR, c.SampleEvery, func(o train.Options) error { return train.TextVideo(ctx, m, src, o, fo, sample) })
}

// source is the storybook's training videos or the user's own videos, each of at
// least so many frames. What it says of them goes to s.
func (c *trainFlags) source(ctx context.Context, s streams, frames int) (train.Source, error) {
	if c.Films == nil {
		return train.Storybook{Seed: c.Seed * 1000, Simple: c.Simple}, nil
	}
	dir := *c.Films
	switch _, err := os.Stat(dir); {
	case dir == "":
		return nil, usagef("--films is empty: name a folder of videos, or leave it out for the storybook")
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("--films %s: there is no such folder", dir)
	case err == nil && !isDir(dir):
		return nil, usagef("--films %s: it is no folder: name the one that the videos are in", dir)
	}
	fmt.Fprintf(s.err, "checking the videos of %s\n", dir) // hundreds of them take minutes
	f, err := train.OpenFolder(ctx, dir, float64(frames)/float64(reel.Default().FPS), c.Seed)
	if err != nil {
		return nil, fmt.Errorf("--films: %w", err)
	}
	fmt.Fprintf(s.err, "videos of %s: %d used, %d left out\n", dir, f.Videos(), len(f.LeftOut()))
	for _, l := range f.LeftOut() {
		fmt.Fprintln(s.err, "  left out", l)
	}
	f.Failed = func(l train.LeftOut) {
		fmt.Fprintf(s.err, "\nnote: %s\n  another video is taken wherever this one fails\n", l)
	}
	return f, nil
}

// hold makes the run's folder if there is none, and locks it against other runs.
func (c *runFlags) hold() (release func(), err error) { return holdFolder("--dir", c.Dir) }

// holdFolder makes the folder that a flag names if there is none, and locks it
// against other commands until release is called.
func holdFolder(flag, dir string) (release func(), err error) {
	if dir == "" {
		return nil, usagef("%s is empty: name a folder", flag)
	}
	fresh := !exists(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s: make the folder: %w", flag, err)
	}
	free, err := scratch.Hold(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return func() {
		free()
		if fresh {
			os.Remove(dir) // fails, as it should, if the folder has files
		}
	}, nil
}

// captionsOf visits captions to train a tokenizer on.
func captionsOf(src train.Source) func(yield func(string) bool) {
	if own, ok := src.(*train.Folder); ok {
		return own.Captions
	}
	return func(yield func(string) bool) {
		for i := range uint64(20000) {
			s := world.Sample(i, world.SampleOptions{Everyday: true})
			if !yield(s.Tell(world.Lang(i%3), i/3)) {
				return
			}
		}
	}
}

// weights returns the path of the model that the run makes.
func (c *runFlags) weights() string { return filepath.Join(c.Dir, "reel.safetensors") }

// model is the one of the run's folder, or a new one.
func (c *runFlags) model(fresh func() (*reel.Model, error)) (*reel.Model, error) {
	m, err := readModel(c.weights())
	if errors.Is(err, fs.ErrNotExist) {
		return fresh()
	}
	return m, err
}

// readModel is the model in a file.
func readModel(path string) (*reel.Model, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := reel.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// trained reads the model of the run's folder, which must have a trained codec.
func (c *runFlags) trained() (*reel.Model, error) {
	return c.model(func() (*reel.Model, error) {
		return nil, usagef("there is no %s: train the codec first, with kinora train codec --dir %s", c.weights(), c.Dir)
	})
}

// copyModel returns a copy of m in which the weights of one half are their moving
// average.
func copyModel(m *reel.Model, codec, flow *nn.Params) (*reel.Model, error) {
	out, err := reel.New(m.Config, m.BPE, 0)
	if err != nil {
		return nil, err
	}
	out.Storybook = m.Storybook
	if codec == nil {
		codec = m.CodecParams
	}
	if flow == nil {
		flow = m.FlowParams
	}
	return out, errors.Join(out.CodecParams.Copy(codec), out.FlowParams.Copy(flow))
}

// sampleFile writes frames to DIR/samples, as MP4 where ffmpeg can write it.
func (c *runFlags) sampleFile(ctx context.Context, kind string, step int, m *reel.Model, frames []byte, prompt string) (string, error) {
	dir := filepath.Join(c.Dir, "samples")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	format, _ := usualFormat() // its notes were printed at the start
	path := filepath.Join(dir, fmt.Sprintf("%s-%06d.%s", kind, step, format))
	e, err := media.Create(ctx, path, media.Options{
		W: m.Config.Width, H: m.Config.Height, FPS: float64(m.Config.FPS),
		Meta: media.Meta{Prompt: prompt, Model: "reel", Seed: c.Seed},
	})
	if err != nil {
		return "", err
	}
	defer e.Abort()
	for size := m.Config.Width * m.Config.Height * 3; len(frames) > 0; frames = frames[size:] {
		if err := e.WriteFrame(frames[:size]); err != nil {
			return "", err
		}
	}
	return path, e.Close()
}

// finish runs a training and writes the model file, also if the run was stopped.
func (c *runFlags) finish(ctx context.Context, s streams, m *reel.Model, lr float64, sampleEvery int, run func(train.Options) error) error {
	if sampleEvery > 0 {
		_, notes := usualFormat()
		sayNotes(s.err, notes)
	}
	start := time.Now()
	o := c.options(s, lr)
	o.SampleEvery = sampleEvery
	err := run(o)
	if err != nil && !errors.Is(err, ctx.Err()) { // the checkpoint of a run that was stopped may have failed
		return err
	}
	if e := m.WriteFile(c.weights(), nil); e != nil {
		return e
	}
	how := "finished"
	if err != nil {
		how = "stopped; the same command goes on from here"
	}
	fmt.Fprintf(s.err, "\n%s after %v on %d processors: %s\n", how, time.Since(start).Round(time.Second), runtime.NumCPU(), c.weights())
	return err
}

// options are those of a run without samples.
func (c *runFlags) options(s streams, lr float64) train.Options {
	return train.Options{
		Dir: c.Dir, Steps: c.Steps, LR: lr, Warmup: c.Warmup, Cooldown: c.Cooldown, Save: c.Save,
		Seed: c.Seed, AdamW: c.AdamW, Progress: trainMeter(s),
		Warn: func(err error) { fmt.Fprintf(s.err, "\nnote: %v\n", err) },
	}
}

// trainMeter is a line of how the run goes, twice a second on a terminal and
// every half minute elsewhere.
func trainMeter(s streams) func(train.Progress) {
	every, end := 30*time.Second, "\n"
	if isTerminal(s.err) {
		every, end = time.Second/2, "\r"
	}
	var last time.Time
	return func(p train.Progress) {
		if time.Since(last) < every && p.Step < p.Steps {
			return
		}
		last = time.Now()
		var parts strings.Builder
		for _, name := range train.PartNames(p.Parts) {
			fmt.Fprintf(&parts, "  %s %.4g", name, p.Parts[name])
		}
		fmt.Fprintf(s.err, "step %d of %d  loss %.4f%s  %.1f samples/s  %v left   %s", p.Step, p.Steps, p.Loss, parts.String(), p.Rate, p.Left.Round(time.Second), end)
	}
}
