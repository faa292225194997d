package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
)

// outputFlags say how a video becomes a file.
type outputFlags struct {
	Output    string `short:"o" placeholder:"FILE" help:"Where to write: a .mp4 or .webp file, or - for standard output. Default: a new file in this folder."`
	Size      string `placeholder:"WxH" help:"Size in pixels, such as 1280x800: even sides of ${minSide} to ${maxSide}. Beyond the model's own size the frames are upscaled."`
	Upscale   string `default:"" enum:",auto,learned,small,fast" placeholder:"auto" help:"How frames are upscaled: learned draws edges anew by a network, which takes long; small sharpens them by a small one; fast interpolates; auto is learned from 1.5 times the size on. Default: auto."`
	FPS       *int   `name:"fps" placeholder:"N" help:"Frames a second, at most ${maxFPS}. At another rate than the model's own, frames are repeated or dropped."`
	Overwrite bool   `help:"Replace the output file if there is one."`
}

// target is where a video goes.
type target struct {
	place   *kinora.Place // nil for standard output
	format  kinora.Format
	preview previewMode
	notes   []string // on what differs from the request
}

// given returns the value of a flag, or 0 if it was left out. An explicit 0 is
// refused: in a Request it would mean the model's default.
func given[T int | float32 | float64](flag string, v *T, choices string) (T, error) {
	switch {
	case v == nil:
		return 0, nil
	case *v == 0:
		return 0, usagef("%s 0: choose %s, or leave it out", flag, choices)
	}
	return *v, nil
}

// within is given for a whole number with limits.
func within(flag string, v *int, least, most int) (int, error) {
	if v != nil && (*v < least || *v > most) {
		return 0, usagef("%s %d: choose %d to %d, or leave it out", flag, *v, least, most)
	}
	return given(flag, v, fmt.Sprintf("%d to %d", least, most))
}

// rate returns the frames a second of --fps; 0 means the model's own.
func (o *outputFlags) rate() (int, error) { return within("--fps", o.FPS, 1, kinora.MaxFPS) }

// parseSize reads "WxH"; "" gives 0, 0.
func (o *outputFlags) parseSize() (w, h int, err error) {
	if o.Size == "" {
		return 0, 0, nil
	}
	ws, hs, ok := strings.Cut(strings.ReplaceAll(strings.ToLower(o.Size), "×", "x"), "x")
	w, errW := strconv.Atoi(strings.TrimSpace(ws))
	h, errH := strconv.Atoi(strings.TrimSpace(hs))
	if !ok || errW != nil || errH != nil || w < 1 || h < 1 {
		return 0, 0, usagef("--size %s: write it as WIDTHxHEIGHT in pixels, such as 1280x800", o.Size)
	}
	return w, h, nil
}

// target decides where the video goes and reserves the name, before any work is
// done. The caller must release it. stem begins the name of a file if --output
// gives none.
func (o *outputFlags) target(stem string, stdout io.Writer) (target, error) {
	switch {
	case o.Output == "-":
		if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return target{}, usagef("-o -: standard output is a terminal: send it to a file or a program")
		}
		format, notes := usualFormat()
		return target{format: format, notes: notes}, nil
	case o.Output == "":
		format, notes := usualFormat()
		t := target{format: format, notes: notes}
		return t, t.reserveFree(stem)
	case isDir(o.Output):
		return target{}, usagef("-o %s: it is a folder: name a file in it", o.Output)
	}
	if info, err := os.Stat(o.Output); err == nil && !info.Mode().IsRegular() {
		return target{}, usagef("-o %s: it is no file but a device or a pipe: write to standard output with -o - and send that there", o.Output)
	}
	format, err := kinora.FormatOf(o.Output)
	if err != nil {
		return target{}, err
	}
	if err := kinora.CanWrite(format); err != nil {
		return target{}, fmt.Errorf("-o %s: %w; or name a .webp file, which needs nothing", o.Output, cause(err))
	}
	if dir := filepath.Dir(o.Output); !isDir(dir) {
		return target{}, usagef("-o %s: there is no folder %s: make it first", o.Output, dir)
	}
	t := target{format: format, notes: encoderNotes(format)}
	return t, t.reserve(o.Output, o.Overwrite)
}

// reserve reserves a name. An existing file of that name is an error, unless
// overwrite is set.
func (t *target) reserve(path string, overwrite bool) error {
	place, err := kinora.Reserve(path)
	if err != nil {
		return fmt.Errorf("-o %s: %w", path, cause(err))
	}
	// Checked now, when no other command can write there.
	if !overwrite && exists(path) {
		place.Release()
		return usagef("-o %s: it is there already: choose another name, or add --overwrite", path)
	}
	t.place = place
	return nil
}

// cause strips operation and file name from an error, because the caller prints
// them.
func cause(err error) error {
	if e, ok := errors.AsType[*kinora.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// reserveFree reserves the first name that has no video and no latents, and that
// no other command has reserved.
func (t *target) reserveFree(stem string) error {
	for i := 1; i < 10_000; i++ {
		path := stem
		if i > 1 {
			path = fmt.Sprintf("%s-%d", stem, i)
		}
		path += "." + string(t.format)
		if exists(path) || exists(latentsBeside(path)) {
			continue
		}
		place, err := kinora.Reserve(path)
		switch {
		case errors.Is(err, kinora.ErrTaken):
			continue
		case err != nil:
			return err
		case exists(path): // another command has finished it since
			place.Release()
			continue
		}
		t.place = place
		return nil
	}
	return usagef("there are thousands of files named %s: name the new one with -o", stem)
}

// release gives up the reserved name.
func (t *target) release() {
	if t.place != nil {
		t.place.Release()
	}
}

// usualFormat is MP4 if this machine can write it, and otherwise WebP. The notes
// say why it is WebP, or which encoder writes the MP4 if it is not libx264.
func usualFormat() (f kinora.Format, notes []string) {
	err := kinora.CanWrite(kinora.MP4)
	if err == nil {
		return kinora.MP4, encoderNotes(kinora.MP4)
	}
	if os.Getenv("KINORA_FFMPEG") == "" && errors.Is(err, media.ErrNoFFmpeg) {
		err = media.ErrNoFFmpeg // its text says how to install ffmpeg
	}
	return kinora.WebP, []string{fmt.Sprintf("videos are animated WebP: for MP4, %v", err)}
}

// encoderNotes say which encoder writes a format, if it is not the usual one.
func encoderNotes(f kinora.Format) []string {
	if _, note, err := kinora.Encoder(f); err == nil && note != "" {
		return []string{note}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// latentsBeside returns where the latents of the video at path are kept.
func latentsBeside(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".latents"
}
