package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/kinora-video/kinora"
)

// InspectCmd prints what videos were made with.
type InspectCmd struct {
	Files []string `arg:"" placeholder:"FILE" help:"MP4 or animated WebP files."`
	JSON  bool     `name:"json" help:"Print one line of JSON for each file."`
}

// Help is the end of the command's help.
func (InspectCmd) Help() string {
	return `Kinora writes into each video what it was made with: kinora generate --like FILE
starts from that. The exit code is 1 if a file has no settings or cannot be read.

Examples:
  kinora inspect ball.mp4
  kinora inspect --json *.mp4 | jq .settings.seed`
}

// inspected is what --json prints of a file.
type inspected struct {
	File     string           `json:"file"`
	Format   kinora.Format    `json:"format,omitempty"`
	Codec    string           `json:"codec,omitempty"`
	Width    int              `json:"width,omitempty"`
	Height   int              `json:"height,omitempty"`
	FPS      float64          `json:"fps,omitempty"`
	Frames   int              `json:"frames,omitempty"`
	Seconds  float64          `json:"seconds,omitempty"`
	Sound    bool             `json:"sound"`
	Settings *kinora.Settings `json:"settings"`
	Error    string           `json:"error,omitempty"`
}

// Run prints each file, also after one that cannot be read.
func (i *InspectCmd) Run(ctx context.Context, s streams) error {
	var failed []error
	for n, path := range i.Files {
		v, err := kinora.ReadVideo(ctx, path)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err != nil:
			failed = append(failed, err)
		case v.Settings == nil:
			failed = append(failed, noSettings(path, v))
		}
		if i.JSON {
			err = printJSON(s.out, path, v, err)
		} else if err == nil {
			err = printVideo(s.out, path, v, n > 0)
		} else {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return failure{errors.Join(failed...)}.orNil()
}

// failure is an error with the exit code 1, whatever its kind.
type failure struct{ err error }

// Error implements error.
func (f failure) Error() string { return f.err.Error() }

func (f failure) orNil() error {
	if f.err == nil {
		return nil
	}
	return f
}

// noSettings says that a file has none.
func noSettings(path string, v *kinora.Video) error {
	if v.Model != "" {
		return fmt.Errorf("%s holds no settings: it is a part of a video, several joined into one, or of an earlier Kinora", path)
	}
	return fmt.Errorf("%s holds no settings: it was not made by Kinora, or another program has written it again", path)
}

func printJSON(w io.Writer, path string, v *kinora.Video, err error) error {
	line := inspected{File: path}
	if err != nil {
		line.Error = err.Error()
	} else {
		line = inspected{
			File: path, Format: v.Format, Codec: v.Codec, Width: v.Width, Height: v.Height,
			FPS: v.FPS, Frames: v.Frames, Seconds: v.Duration.Seconds(), Sound: v.Sound, Settings: v.Settings,
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(line)
}

// printVideo prints a video for people.
func printVideo(w io.Writer, path string, v *kinora.Video, apart bool) error {
	var b strings.Builder
	if apart {
		b.WriteString("\n")
	}
	sound := "silent"
	if v.Sound {
		sound = "with sound"
	}
	fmt.Fprintf(&b, "%s: %s (%s), %d×%d, %.4g fps, %s, %d frames, %s\n", path, v.Format, printable(v.Codec), v.Width, v.Height, v.FPS, short(v.Duration), v.Frames, sound)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-16s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	if s := v.Settings; s != nil {
		printSettings(row, s)
	} else if v.Model != "" {
		row("prompt", "%s", v.Prompt)
		row("model", "%s", v.Model)
		row("seed", "%d", v.Seed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printSettings(row func(name, format string, args ...any), s *kinora.Settings) {
	row("prompt", "%s", s.Prompt)
	text := func(name, value string) {
		if value != "" {
			row(name, "%s", value)
		}
	}
	text("negative prompt", s.NegativePrompt)
	row("model", "%s", s.Model)
	text("weights", s.Weights)
	row("seed", "%d", s.Seed)
	row("steps", "%d", s.Steps)
	row("guidance", "%v", s.Guidance)
	if s.StepCache != 0 {
		row("step cache", "%v", s.StepCache)
	}
	for _, l := range s.LoRAs {
		expert := ""
		if l.Expert != "" {
			expert = ", expert " + l.Expert
		}
		row("LoRA", "%s, strength %v%s, %s", l.File, l.Strength, expert, l.Digest)
	}
	row("length", "%v s", s.Seconds)
	row("size", "%d×%d at %d fps", s.Width, s.Height, s.FPS)
	text("upscale", string(s.Upscale))
	text("decoder", string(s.Decoder))
	if s.FirstFrame {
		row("first frame", "was given; the file does not hold it")
	}
	if s.LastFrame {
		row("last frame", "was given; the file does not hold it")
	}
	if s.References > 0 {
		row("references", "%d; the file does not hold them", s.References)
	}
	text("watermark", s.Watermark)
	printSound(row, s)
	text("program", s.Program)
}

// printSound prints what is heard beside, or instead of, what the model makes.
func printSound(row func(name, format string, args ...any), s *kinora.Settings) {
	if n := s.Narration; n != nil {
		what := "the prompt"
		switch {
		case n.File != "":
			what = "the file " + n.File + "; the video does not hold it by itself"
		case n.Text != "":
			what = strconv.Quote(n.Text)
		}
		if n.SpokenBy != "" {
			what += ", spoken by the voice " + n.SpokenBy
		}
		if n.Fit != "" {
			what += ", fitted: " + string(n.Fit)
		}
		row("narration", "%s", what)
	}
	if t := s.Sound; t != nil {
		row("sound", "%s from %v s on, volume %v, %s; the video does not hold it by itself", t.File, t.Start, t.Volume, t.Digest)
	}
	if s.OwnSound != "" {
		row("the model's sound", "%s", s.OwnSound)
	}
}

// printable makes a text from a file safe for a terminal: one line, without control
// characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c':
			return -1
		}
		return r
	}, s)
}
