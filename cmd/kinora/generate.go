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

// saveMemory makes the garbage collector run before the heap has doubled, unless
// GOGC is set. Nearly all of the heap is weights and activations that stay. With
// the default, a long video would have the time to double the heap, and take half
// as much memory again as a short one.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}

// GenerateCmd makes a video from a sentence.
type GenerateCmd struct {
	Prompt string `arg:"" optional:"" help:"What happens in the video: ${languages}, with camera commands such as ${camera}. With - it is read from standard input."`
	outputFlags
	inputFlags
	soundFlags
	Expand   bool     `help:"Let any sentence be drawn: say of it what comes nearest among the words that the model was taught, and show that (see docs/prompts.md)."`
	ExpandBy string   `placeholder:"MODEL" help:"With --expand: the language model, of kinora chat, that chooses what the prompt leaves open."`
	Seconds  *float64 `placeholder:"${seconds}" help:"Length in seconds, at most ${maxSeconds}. Default: ${seconds}."`
	Seed     *uint64  `placeholder:"N" help:"The same seed and prompt give the same video. Default: a random one."`
	Steps    *int     `placeholder:"N" help:"Sampling steps, at most ${maxSteps}: more are slower and finer. Default: ${steps}."`
	Guidance *float32 `placeholder:"G" help:"How strictly the prompt is followed: 1 is not at all strictly. Default: ${guidance}."`
	Like     string   `placeholder:"FILE" help:"Start from what a video of Kinora was made with (see kinora inspect): the prompt may then be left out, and flags change what they name."`
	Model    string   `placeholder:"${model}" help:"Which model, of ${models}. Default: ${model}. What is said here of limits and defaults is that of ${model}: see kinora models."`
	Weights  string   `placeholder:"FILE" help:"Weights to use instead of those inside the program, such as reel.safetensors in the folder of a run of kinora train."`
	openFlags
	sampleFlags
	Preview previewMode `placeholder:"auto" help:"Show the picture in the terminal while it is sampled, as the model sees it so far. How is found out, or said: --preview=kitty, iterm, sixel, blocks or off."`

	made      *kinora.Settings // of --like
	watermark string           // likewise
}

// Help is the end of the command's help.
func (GenerateCmd) Help() string {
	return `Examples:
  kinora generate "a red ball bounces on a beach at sunset"
  kinora generate "[Pan left] a blue cat moves right in the city at night" -o cat.mp4 --seed 7
  kinora generate "一只黄色的鸟在群山之间向右移动" --size 1280x800
  echo "a red ball bounces" | kinora generate - -o ball.mp4
  kinora generate "my kitten is scared of the storm" --expand
  kinora generate --like ball.mp4 --seed 8
  kinora generate "a red ball bounces on a beach" --narrate --sound waves.mp3
  kinora generate "a blue boat at night" --narrate="The harbour is asleep." -o boat.mp4
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
	var told []string
	if g.Like != "" {
		var err error
		if told, err = g.like(ctx); err != nil {
			return err
		}
	}
	r, err := g.request()
	if err != nil {
		return err
	}
	notes, err := g.read(&r)
	if err != nil {
		return err
	}
	if err := g.hear(&r); err != nil {
		return err
	}
	if err := g.check(&r); err != nil {
		return err
	}
	t, err := g.target(kinora.Slug(g.Prompt), s.out)
	if err != nil {
		return err
	}
	defer t.release()
	if err := t.checkFormat(&r); err != nil {
		return err
	}
	t.preview = g.Preview
	t.notes = append(append(t.notes, told...), notes...)
	if t.place != nil {
		r.Output, r.Latents = t.place, latentsBeside(t.place.Path())
	}
	says := newNotices(s.err)
	opts, err := g.options(says)
	if err != nil {
		return err
	}
	if g.Weights != "" {
		opts = append(opts, kinora.WithWeights(g.Weights))
	}
	start := time.Now()
	m, err := kinora.Open(ctx, g.Model, opts...)
	if err != nil {
		return err
	}
	if err := m.CanWrite(ctx, t.format); err != nil {
		return err
	}
	if told, err = g.otherWeights(ctx, m); err != nil {
		return err
	}
	t.notes = append(t.notes, told...)
	if g.ExpandBy != "" {
		if err := g.choose(ctx, m.Capabilities(), &r); err != nil {
			return err
		}
	}
	t.notes = append(t.notes, g.words(m.Capabilities(), r)...)
	t.notes = append(t.notes, differences(r, m.Capabilities())...)
	return t.make(ctx, s, start, says, &r, func() (*kinora.Clip, error) { return m.Generate(ctx, r) })
}

// choose lets a language model choose what the prompt leaves open.
func (g *GenerateCmd) choose(ctx context.Context, can kinora.Capabilities, r *kinora.Request) error {
	writer, err := kinora.OpenChat(ctx, g.ExpandBy, kinora.ChatOptions{})
	if err != nil {
		return err
	}
	defer writer.Close()
	sentence, err := writer.Expand(ctx, can, r.Prompt)
	if err != nil {
		return err
	}
	if n := r.Narration; n != nil && n.Text == "" && n.File == "" {
		n.Text = r.Prompt
	}
	r.Prompt, r.Expand = sentence, r.Expand && sentence == r.Prompt
	return nil
}

// words returns notes on how the model reads the prompt.
func (g *GenerateCmd) words(can kinora.Capabilities, r kinora.Request) []string {
	if r.Prompt != g.Prompt { // a language model chose it
		return append([]string{"what is drawn: " + r.Prompt}, can.PromptNotes(r.Prompt)...)
	}
	if !g.Expand {
		return can.PromptNotes(g.Prompt)
	}
	sentence, changed, _ := can.Expand(g.Prompt)
	if !changed {
		return append([]string{"the prompt is drawn as it is"}, can.PromptNotes(g.Prompt)...)
	}
	return append([]string{"what is drawn: " + sentence}, can.PromptNotes(sentence)...)
}

// readPrompt reads the prompt from standard input.
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

// request makes a request of the flags, without the image.
func (g *GenerateCmd) request() (r kinora.Request, err error) {
	r = kinora.Request{
		Prompt: g.Prompt, Expand: g.Expand, Upscale: kinora.Upscaling(g.Upscale),
		Seed:      uint64(rand.Uint32()), // short enough to type again
		Watermark: g.watermark,
	}
	if g.StepCache != nil {
		r.StepCache = *g.StepCache
	}
	if g.ExpandBy != "" && !g.Expand {
		return r, usagef("generate: --expand-by says who helps with --expand, which is missing")
	}
	if strings.TrimSpace(g.Prompt) == "" && g.Image == "" {
		return r, usagef(`generate: say what should happen, such as: kinora generate "a red ball bounces on a beach"`)
	}
	m, err := kinora.CapabilitiesOf(g.Model)
	if err != nil {
		return r, err
	}
	if g.Seed != nil {
		r.Seed = *g.Seed
	}
	if r.Seconds, err = given("--seconds", g.Seconds, m.Lengths.String()); err != nil {
		return r, err
	}
	if r.Guidance, err = given("--guidance", g.Guidance, "more than 0, at most "+fmt.Sprint(m.Guidance.Max)); err != nil {
		return r, err
	}
	if r.Steps, err = within("--steps", g.Steps, m.Steps.Min, m.Steps.Max); err != nil {
		return r, err
	}
	if r.FPS, err = g.rate(); err != nil {
		return r, err
	}
	r.Width, r.Height, err = g.parseSize()
	return r, err
}

// check checks the request against the model before anything is opened or
// written. If the user brings weights, which may be able to do other things,
// Generate checks instead.
func (g *GenerateCmd) check(r *kinora.Request) error {
	if g.Weights != "" {
		return nil
	}
	m, err := kinora.CapabilitiesOf(g.Model)
	if err != nil {
		return err
	}
	return r.Check(m)
}

// differences returns notes on how the video will differ from what the user may
// expect.
func differences(r kinora.Request, m kinora.Capabilities) (notes []string) {
	draws := m.Sizes.Pick(kinora.Size{Width: r.Width, Height: r.Height})
	switch cut, enlarged := m.Fit(r.Width, r.Height); {
	case cut && enlarged:
		notes = append(notes, fmt.Sprintf("%s draws %v; the frames are cut to the shape of %d×%d and upscaled%s", m.Name, draws, r.Width, r.Height, by(r, m, draws)))
	case cut:
		notes = append(notes, fmt.Sprintf("%s draws %v; the frames are cut to the shape of %d×%d", m.Name, draws, r.Width, r.Height))
	case enlarged:
		notes = append(notes, fmt.Sprintf("%s draws %v; the frames are upscaled%s", m.Name, draws, by(r, m, draws)))
	}
	if fps := m.Rate(r.FPS); r.FPS != 0 && r.FPS != fps {
		notes = append(notes, fmt.Sprintf("%s draws %d frames a second; for %d, frames are repeated or dropped", m.Name, fps, r.FPS))
	}
	return notes
}

// by says how frames are upscaled where that may surprise.
func by(r kinora.Request, m kinora.Capabilities, draws kinora.Size) string {
	switch way := m.Enlarge.Upscaling(r.Upscale, draws, kinora.Size{Width: r.Width, Height: r.Height}); {
	case way == kinora.UpscaleLearned:
		return " by a network, which takes longest (--upscale small and fast are quicker)"
	case way == kinora.UpscaleFast && r.Upscale == kinora.UpscaleSmall:
		return " by interpolation, as there is no small network for this model"
	}
	return ""
}

// make generates (or loads) a video, writes it to the target and says so. r is
// the request that produce closes over: its Progress is set here.
func (t target) make(ctx context.Context, s streams, start time.Time, says *notices, r *kinora.Request, produce func() (*kinora.Clip, error)) error {
	bar := t.meter(s.err, r)
	says.to(bar)
	defer func() {
		says.to(s.err)
		bar.close(false)
	}()
	// Notes are printed only now: a refused request needs none.
	say := sync.OnceFunc(func() {
		for _, note := range t.notes {
			says.note(note)
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
	for _, note := range clip.SoundNotes() {
		says.note(note)
	}
	if clip.Sound != nil && !t.format.HasSound() {
		says.note(fmt.Sprintf("%s makes sound, which %s cannot hold: the video is silent; name a .mp4 file to hear it", clip.Model, t.format))
	}
	size, err := t.write(ctx, s, clip)
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(err, clip.Discard())
		}
		return err
	}
	says.to(s.err)
	bar.close(true)
	where, line := "standard output", s.err
	if t.place != nil {
		where, line = t.place.Path(), s.out
	}
	took := time.Since(start)
	_, err = fmt.Fprintf(line, "made %s: %s, %d frames of %d×%d at %d fps%s, %s, in %s (%.1f frames/s), seed %d\n",
		where, short(clip.Duration()), clip.FrameCount, clip.Width, clip.Height, clip.FPS, t.sound(clip),
		bytesOf(size), short(took), float64(clip.FrameCount)/took.Seconds(), clip.Seed)
	return err
}

// sound returns the words about sound for a file that has some.
func (t target) sound(clip *kinora.Clip) string {
	if clip.Sound != nil && t.format.HasSound() {
		return " with sound"
	}
	return ""
}

// write writes the video to the target and returns its size in bytes.
func (t target) write(ctx context.Context, s streams, clip *kinora.Clip) (int64, error) {
	if t.place == nil {
		c := &media.Counter{W: s.out}
		err := clip.Write(ctx, c, t.format)
		return c.N, err
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

func bytesOf(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
}
