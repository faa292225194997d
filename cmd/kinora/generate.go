package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/text"
)

// saveMemory lets the garbage collector run before the heap has doubled, unless
// GOGC says otherwise. Nearly all of the heap is weights and activations that
// stay: a long film, which has the time to double it, would take half as much
// memory again as a short one.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}

// GenerateCmd makes a video from a sentence.
type GenerateCmd struct {
	Prompt string `arg:"" optional:"" help:"What happens in the video: English, Chinese or Arabic, with camera commands such as [Pan left]. With - it is read from standard input."`
	outputFlags
	Seconds  float64 `default:"6" placeholder:"6" help:"Length in seconds, at most ${maxSeconds}."`
	Image    string  `placeholder:"FILE" help:"First frame: a PNG, JPEG, WebP or GIF image; of an animation, its first picture."`
	Seed     *uint64 `placeholder:"N" help:"The same seed and prompt give the same video. Default: a random one."`
	Steps    *int    `placeholder:"N" help:"Sampling steps, at most ${maxSteps}: more are slower and finer. Default: the model's."`
	Guidance float32 `placeholder:"G" help:"How strictly the prompt is followed: 1 is not at all strictly. Default: the model's."`
	Model    string  `default:"${model}" placeholder:"${model}" help:"Which model."`
	Weights  string  `placeholder:"FILE" help:"Weights to use instead of those inside the program, such as reel.safetensors in the folder of a run of kinora train."`
}

// Help is the end of the command's help.
func (GenerateCmd) Help() string {
	return `Examples:
  kinora generate "a red ball bounces on a beach at sunset"
  kinora generate "[Pan left] a blue cat moves right in the city at night" -o cat.mp4 --seed 7
  kinora generate "一只黄色的鸟在群山之间向右移动" --size 1280x800
  echo "a red ball bounces" | kinora generate - -o ball.mp4
  kinora generate "the boat moves right" --image boat.png --seconds 12 -o - | mpv -`
}

// Run makes the video.
func (g *GenerateCmd) Run(ctx context.Context, s streams) error {
	saveMemory()
	if g.Prompt == "-" {
		var err error
		if g.Prompt, err = readPrompt(os.Stdin); err != nil {
			return err
		}
	}
	r, err := g.request()
	if err != nil {
		return err
	}
	notes, err := g.readImage(&r)
	if err != nil {
		return err
	}
	t, err := g.target(kinora.Slug(g.Prompt), s.out)
	if err != nil {
		return err
	}
	defer t.release()
	t.notes = append(t.notes, notes...)
	if t.place != nil {
		r.Output, r.Latents = t.place, latentsBeside(t.place.Path())
	}
	var opts []kinora.Option
	if g.Weights != "" {
		opts = append(opts, kinora.WithWeights(g.Weights))
	}
	start := time.Now()
	m, err := kinora.Open(ctx, g.Model, opts...)
	if err != nil {
		return err
	}
	t.notes = append(t.notes, m.Info().PromptNotes(g.Prompt)...)
	t.notes = append(t.notes, differences(r, m.Info())...)
	return t.make(ctx, s, start, &r, func() (*kinora.Clip, error) { return m.Generate(ctx, r) })
}

// readImage adds the first frame to the request.
func (g *GenerateCmd) readImage(r *kinora.Request) (notes []string, err error) {
	if g.Image == "" {
		return nil, nil
	}
	frame, kind, err := media.ReadImage(g.Image)
	if err != nil {
		return nil, usagef("--image %s: %w", g.Image, err)
	}
	r.Image = frame.Image()
	if kind.Animated {
		notes = append(notes, fmt.Sprintf("%s is animated: the video begins with its first picture", g.Image))
	}
	return notes, nil
}

// readPrompt reads a prompt that is not on the command line.
func readPrompt(r io.Reader) (string, error) {
	words, err := text.Read(r, kinora.MaxPromptBytes)
	if err != nil {
		return "", usagef("the prompt from standard input: %w", err)
	}
	if words = strings.TrimSpace(words); words == "" {
		return "", usagef("generate -: standard input holds no prompt")
	}
	return words, nil
}

// request is what the flags say, but for the image.
func (g *GenerateCmd) request() (r kinora.Request, err error) {
	r = kinora.Request{
		Prompt: g.Prompt, Seconds: g.Seconds, Guidance: g.Guidance, Upscale: kinora.Upscaling(g.Upscale),
		Seed: uint64(rand.Uint32()), // short enough to type again
	}
	switch {
	case strings.TrimSpace(g.Prompt) == "" && g.Image == "":
		return r, usagef(`generate: say what should happen, such as: kinora generate "a red ball bounces on a beach"`)
	case g.Seconds == 0: // which the engine takes for its default
		return r, usagef("--seconds 0: choose more than 0, at most %d", kinora.MaxSeconds)
	}
	if g.Seed != nil {
		r.Seed = *g.Seed
	}
	if r.Steps, err = oneOf("--steps", g.Steps, kinora.MaxSteps); err != nil {
		return r, err
	}
	if r.FPS, err = g.rate(); err != nil {
		return r, err
	}
	r.Width, r.Height, err = g.parseSize()
	return r, err
}

// differences tells where the video will differ from what might be expected.
func differences(r kinora.Request, in kinora.Info) (notes []string) {
	switch cut, enlarged := in.Fit(r.Width, r.Height); {
	case cut && enlarged:
		notes = append(notes, fmt.Sprintf("%s draws %d×%d; the frames are cut to the shape of %d×%d and upscaled%s", in.Name, in.Width, in.Height, r.Width, r.Height, by(r, in)))
	case cut:
		notes = append(notes, fmt.Sprintf("%s draws %d×%d; the frames are cut to the shape of %d×%d", in.Name, in.Width, in.Height, r.Width, r.Height))
	case enlarged:
		notes = append(notes, fmt.Sprintf("%s draws %d×%d; the frames are upscaled%s", in.Name, in.Width, in.Height, by(r, in)))
	}
	if r.FPS != 0 && r.FPS != in.FPS {
		notes = append(notes, fmt.Sprintf("%s draws %d frames a second; for %d, frames are repeated or dropped", in.Name, in.FPS, r.FPS))
	}
	return notes
}

// by says how frames are upscaled where that may surprise.
func by(r kinora.Request, in kinora.Info) string {
	switch way := in.Upscaling(r.Upscale, r.Width, r.Height); {
	case way == kinora.UpscaleLearned:
		return " by a network, which takes longest (--upscale small and fast are quicker)"
	case way == kinora.UpscaleFast && r.Upscale == kinora.UpscaleSmall:
		return " by interpolation, as there is no small network for this model"
	}
	return ""
}

// make generates (or loads) a clip, writes it to the target and says so. r is
// the request that produce closes over: its Progress is set here.
func (t target) make(ctx context.Context, s streams, start time.Time, r *kinora.Request, produce func() (*kinora.Clip, error)) error {
	bar := newMeter(s.err)
	defer bar.close(false)
	// Once the work has begun: a request that is refused needs no notes.
	say := sync.OnceFunc(func() {
		for _, note := range t.notes {
			fmt.Fprintln(s.err, "note:", note)
		}
	})
	r.Progress = func(p kinora.Progress) {
		say()
		bar.update(p)
	}
	clip, err := produce()
	if err != nil {
		return err
	}
	say()
	size, err := t.write(ctx, s, clip)
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, clip.Discard())
		}
		return err
	}
	bar.close(true)
	where, line := "standard output", s.err
	if t.place != nil {
		where, line = t.place.Path(), s.out
	}
	took := time.Since(start)
	_, err = fmt.Fprintf(line, "made %s: %s, %d frames of %d×%d at %d fps, %s, in %s (%.1f frames/s), seed %d\n",
		where, short(clip.Duration()), clip.FrameCount, clip.Width, clip.Height, clip.FPS,
		bytesOf(size), short(took), float64(clip.FrameCount)/took.Seconds(), clip.Seed)
	return err
}

// write puts the clip where it goes and returns the bytes of it.
func (t target) write(ctx context.Context, s streams, clip *kinora.Clip) (int64, error) {
	if t.place == nil {
		c := &counter{w: s.out}
		err := clip.Write(ctx, c, t.format)
		return c.n, err
	}
	if err := clip.SaveIn(ctx, t.place); err != nil {
		return 0, err
	}
	info, err := os.Stat(t.place.Path())
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func bytesOf(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
