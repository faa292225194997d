package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/world"
)

// WorldCmd draws videos of the storybook, of which everything is known.
type WorldCmd struct {
	Sample WorldSampleCmd `cmd:"" help:"Make up videos: file, caption and scene of each, and a contact sheet."`
	Render WorldRenderCmd `cmd:"" help:"Draw the video of one scene file."`
}

// WorldSampleCmd makes up videos.
type WorldSampleCmd struct {
	Seed      uint64   `default:"1" placeholder:"N" help:"The same seed gives the same videos."`
	N         int      `short:"n" default:"20" placeholder:"N" help:"How many videos, at most 100000."`
	Out       string   `required:"" placeholder:"DIR" help:"Folder to write to; made if it is not there."`
	Size      string   `default:"256x160" placeholder:"WxH" help:"Size in pixels."`
	FPS       float64  `name:"fps" default:"24" placeholder:"24" help:"Frames a second, 1 to 240."`
	Seconds   float64  `default:"6" placeholder:"6" help:"Length of each video, 0.5 to 600."`
	Lang      []string `default:"en" enum:"en,zh,ar" placeholder:"en,zh,ar" help:"Languages of the captions, one line for each."`
	HeldOut   bool     `help:"Only videos with combinations that training never shows. Default: only videos without them."`
	Simple    bool     `help:"One actor and one event in a video, as in the videos that models are measured on."`
	Format    string   `default:"" enum:",mp4,webp" placeholder:"mp4" help:"mp4 or webp. Default: mp4 where ffmpeg can write it."`
	Overwrite bool     `help:"Replace files that are there."`
}

// WorldRenderCmd draws the video of a scene file.
type WorldRenderCmd struct {
	Scene     string  `arg:"" help:"Scene file (JSON), or - for standard input. docs/world.md says what may be in it."`
	Output    string  `short:"o" required:"" placeholder:"FILE" help:"Where to write: a .mp4 or .webp video, a .png contact sheet, or - for standard output."`
	Size      string  `default:"256x160" placeholder:"WxH" help:"Size in pixels."`
	FPS       float64 `name:"fps" default:"24" placeholder:"24" help:"Frames a second, 1 to 240."`
	Overwrite bool    `help:"Replace the output file if there is one."`
}

// frameSize reads and checks a size for the storybook.
func frameSize(size string) (w, h int, err error) {
	if w, h, err = (&outputFlags{Size: size}).parseSize(); err != nil {
		return 0, 0, err
	}
	if err := world.CheckSize(w, h); err != nil {
		return 0, 0, usagef("--size %s: %w", size, err)
	}
	return w, h, nil
}

// drawing is a scene to be drawn as a video.
type drawing struct {
	scene world.Scene
	w, h  int
	fps   float64
}

func (d drawing) frames() int { return max(1, int(math.Round(d.scene.Seconds()*d.fps))) }

// write draws the frames into the encoder and finishes the video.
func (d drawing) write(ctx context.Context, e media.Encoder) error {
	defer e.Abort()
	r := world.NewRenderer(d.scene, d.w, d.h)
	buf := make([]byte, 3*d.w*d.h)
	for i := range d.frames() {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Frame(buf, float64(i)/d.fps)
		if err := e.WriteFrame(buf); err != nil {
			return err
		}
	}
	return e.Close()
}

// Run makes up the videos.
func (c *WorldSampleCmd) Run(ctx context.Context, s streams) error {
	w, h, err := frameSize(c.Size)
	if err != nil {
		return err
	}
	switch {
	case c.N < 1 || c.N > 100_000:
		return usagef("-n %d: choose 1 to 100000 videos", c.N)
	case !(c.FPS >= 1 && c.FPS <= 240):
		return usagef("--fps %g: choose 1 to 240 frames a second", c.FPS)
	case !(c.Seconds >= world.MinSeconds && c.Seconds <= world.MaxSeconds):
		return usagef("--seconds %g: choose %g to %d", c.Seconds, world.MinSeconds, world.MaxSeconds)
	}
	ext, err := c.extension(s.err)
	if err != nil {
		return err
	}
	release, err := holdFolder("--out", c.Out)
	if err != nil {
		return err
	}
	defer release()
	opt := world.SampleOptions{Simple: c.Simple, Seconds: c.Seconds, Everyday: !c.HeldOut}
	if c.HeldOut {
		opt.Split = world.Test
	}
	start, frames := time.Now(), 0
	var scenes []world.Scene
	for i := range c.N {
		f := drawing{world.Sample(c.Seed+uint64(i), opt), w, h, c.FPS}
		if err := c.one(ctx, f, filepath.Join(c.Out, fmt.Sprintf("%05d", i+1)), ext, uint64(i)+c.Seed); err != nil {
			return err
		}
		frames += f.frames()
		scenes = append(scenes, f.scene)
	}
	sheet := filepath.Join(c.Out, "contact-sheet.png")
	if err := writeSheet(sheet, scenes[:min(len(scenes), 60)], w, h, c.Overwrite); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	fmt.Fprintf(s.out, "wrote %d videos with captions and scenes to %s in %.1f s (%.0f frames/s), and %s\n",
		c.N, c.Out, took, float64(frames)/took, sheet)
	return nil
}

// extension chooses the format of the videos, and prints a note if it is not the
// usual one.
func (c *WorldSampleCmd) extension(note io.Writer) (string, error) {
	if c.Format == "webp" {
		return ".webp", nil
	}
	format, notes := usualFormat()
	if c.Format == "mp4" && format != kinora.MP4 {
		return "", fmt.Errorf("--format mp4: %w", kinora.CanWrite(kinora.MP4))
	}
	sayNotes(note, notes)
	return "." + string(format), nil
}

// sayNotes prints notes before work begins.
func sayNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintln(w, "note:", note)
	}
}

// one writes a video, its captions and its scene. stem is their common path without
// the extension.
func (c *WorldSampleCmd) one(ctx context.Context, f drawing, stem, ext string, variant uint64) error {
	if err := free(stem+ext, c.Overwrite); err != nil {
		return err
	}
	var captions strings.Builder
	for _, l := range c.Lang {
		var lang world.Lang
		if err := lang.UnmarshalText([]byte(l)); err != nil {
			return usagef("--lang: %w", err)
		}
		tell := f.scene.Tell
		if c.HeldOut { // as in the videos that models are measured on
			tell = f.scene.Caption
		}
		captions.WriteString(tell(lang, variant) + "\n")
	}
	scene, err := json.MarshalIndent(f.scene, "", "  ")
	if err != nil {
		return fmt.Errorf("write the scene: %w", err)
	}
	if err := scratch.WriteBytes(stem+".json", append(scene, '\n')); err != nil {
		return fmt.Errorf("write the scene: %w", err)
	}
	if err := scratch.WriteBytes(stem+".txt", []byte(captions.String())); err != nil {
		return fmt.Errorf("write the caption: %w", err)
	}
	e, err := media.Create(ctx, stem+ext, media.Options{W: f.w, H: f.h, FPS: f.fps})
	if err != nil {
		return err
	}
	return f.write(ctx, e)
}

// free returns an error if there is a file that may not be replaced.
func free(path string, overwrite bool) error {
	if !overwrite && exists(path) {
		return usagef("%s is there already: choose another place, or add --overwrite", path)
	}
	return nil
}

// writeSheet writes a contact sheet of the scenes as PNG.
func writeSheet(path string, scenes []world.Scene, w, h int, overwrite bool) error {
	if err := free(path, overwrite); err != nil {
		return err
	}
	moments, columns := 4, 1
	if len(scenes) > 12 {
		columns = 2
	}
	for w > 320 { // a contact sheet needs only small pictures
		w, h = w/2, max(h/2, 8)
	}
	release, err := scratch.Claim(path)
	if err != nil {
		return fmt.Errorf("write the contact sheet %s: %w", path, err)
	}
	defer release()
	if err := free(path, overwrite); err != nil { // another command may have made it since
		return err
	}
	err = scratch.WriteFile(path, func(f io.Writer) error {
		return png.Encode(f, world.ContactSheet(scenes, max(w, 8), h, moments, columns))
	})
	if err != nil {
		return fmt.Errorf("write the contact sheet: %w", err)
	}
	return nil
}

// Run draws the video.
func (c *WorldRenderCmd) Run(ctx context.Context, s streams) error {
	w, h, err := frameSize(c.Size)
	if err != nil {
		return err
	}
	if !(c.FPS >= 1 && c.FPS <= 240) {
		return usagef("--fps %g: choose 1 to 240 frames a second", c.FPS)
	}
	in := io.Reader(os.Stdin)
	if c.Scene != "-" {
		f, err := os.Open(c.Scene)
		if err != nil {
			return usagef("open the scene: %w", err)
		}
		defer f.Close()
		in = f
	}
	scene, err := world.DecodeScene(in)
	if err != nil {
		return usagef("%s: %w", c.Scene, err)
	}
	f := drawing{scene, w, h, c.FPS}
	options := media.Options{W: w, H: h, FPS: c.FPS}
	if c.Output == "-" {
		format, notes := usualFormat()
		sayNotes(s.err, notes)
		kind := media.MP4
		if format == kinora.WebP {
			kind = media.WebP
		}
		e, err := media.Stream(ctx, s.out, kind, options)
		if err != nil {
			return err
		}
		return f.write(ctx, e)
	}
	if strings.EqualFold(filepath.Ext(c.Output), ".png") {
		return writeSheet(c.Output, []world.Scene{scene}, w, h, c.Overwrite)
	}
	if err := free(c.Output, c.Overwrite); err != nil {
		return err
	}
	if format, err := kinora.FormatOf(c.Output); err == nil {
		sayNotes(s.err, encoderNotes(format))
	}
	start := time.Now()
	e, err := media.Create(ctx, c.Output, options)
	if err != nil {
		return err
	}
	if err := free(c.Output, c.Overwrite); err != nil { // another command may have made it since
		e.Abort()
		return err
	}
	if err := f.write(ctx, e); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	fmt.Fprintf(s.out, "wrote %s: %d frames of %d×%d in %.1f s (%.0f frames/s)\n", c.Output, f.frames(), w, h, took, float64(f.frames())/took)
	return nil
}
