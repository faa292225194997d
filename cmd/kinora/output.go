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

// outputFlags say how a clip becomes a file.
type outputFlags struct {
	Output    string `short:"o" placeholder:"FILE" help:"Where to write: a .mp4 or .webp file, or - for standard output. Default: a new file in this folder."`
	Size      string `placeholder:"WxH" help:"Size in pixels, such as 1280x800: even sides of 16 to ${maxSide}. Beyond the model's own size the frames are upscaled."`
	FPS       *int   `name:"fps" placeholder:"N" help:"Frames a second, at most ${maxFPS}. At another rate than the model's own, frames are repeated or dropped."`
	Overwrite bool   `help:"Replace the output file if there is one."`
}

// target is where a clip goes.
type target struct {
	path   string // "" for standard output
	format kinora.Format
	notes  []string // what differs from what was asked for
}

// oneOf is the value of a flag where it was given, and 0 where it was not. What
// is 0 in a request is left to the model, which nobody means who writes 0.
func oneOf(flag string, n *int, most int) (int, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 1 || *n > most:
		return 0, usagef("%s %d: choose 1 to %d, or leave it out", flag, *n, most)
	}
	return *n, nil
}

// rate is the frames a second that were asked for; 0 is the model's own.
func (o *outputFlags) rate() (int, error) { return oneOf("--fps", o.FPS, kinora.MaxFPS) }

// parseSize reads "WxH"; "" is 0, 0.
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

// target settles where the clip goes, before any time is spent on it. stem is
// what to call a file that was given no name.
func (o *outputFlags) target(stem string, stdout io.Writer) (target, error) {
	if o.Output == "-" {
		if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return target{}, usagef("-o -: standard output is a terminal: send it to a file or a program")
		}
		return settle(target{format: kinora.MP4}), nil
	}
	if o.Output == "" {
		t := settle(target{format: kinora.MP4})
		path, err := freeName(stem, t.format)
		t.path = path
		return t, err
	}
	if isDir(o.Output) {
		return target{}, usagef("-o %s: it is a folder: name a file in it", o.Output)
	}
	format, err := kinora.FormatOf(o.Output)
	if err != nil {
		return target{}, err
	}
	t := settle(target{path: o.Output, format: format})
	switch _, err := os.Stat(t.path); {
	case isDir(t.path): // a .webp folder, where MP4 was asked for
		return t, usagef("-o %s: it is a folder: name a file in it", t.path)
	case err == nil && !o.Overwrite:
		return t, usagef("-o %s: it is there already: choose another name, or add --overwrite", t.path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return t, fmt.Errorf("-o %s: %w", t.path, err)
	}
	if dir := filepath.Dir(t.path); !isDir(dir) {
		return t, usagef("-o %s: there is no folder %s: make it first", t.path, dir)
	}
	return t, nil
}

// settle changes MP4 to WebP where MP4 cannot be made.
func settle(t target) target {
	if t.format != kinora.MP4 || kinora.CanWrite(kinora.MP4) == nil {
		return t
	}
	t.format = kinora.WebP
	if t.path != "" {
		t.path = strings.TrimSuffix(t.path, filepath.Ext(t.path)) + ".webp"
	}
	why := kinora.CanWrite(kinora.MP4)
	if os.Getenv("KINORA_FFMPEG") == "" && errors.Is(why, media.ErrNoFFmpeg) {
		why = media.ErrNoFFmpeg
	}
	t.notes = append(t.notes, fmt.Sprintf("this will be an animated WebP: for MP4, %v", why))
	return t
}

// encoderNotes say with what a format is written, where that is not the usual.
func encoderNotes(f kinora.Format) []string {
	if _, note, err := kinora.Encoder(f); err == nil && note != "" {
		return []string{note}
	}
	return nil
}

// usualFormat is MP4 where this machine can write it, and otherwise WebP. The
// notes say why, and with what MP4 is written.
func usualFormat() (f kinora.Format, notes []string) {
	if err := kinora.CanWrite(kinora.MP4); err != nil {
		return kinora.WebP, []string{fmt.Sprintf("videos are animated WebP: %v", err)}
	}
	return kinora.MP4, encoderNotes(kinora.MP4)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// freeName finds a file name of which neither the clip nor its latents exist.
func freeName(stem string, format kinora.Format) (string, error) {
	for i := 1; i < 10_000; i++ {
		name := stem
		if i > 1 {
			name = fmt.Sprintf("%s-%d", stem, i)
		}
		path := name + "." + string(format)
		if !exists(path) && !exists(latentsBeside(path)) {
			return path, nil
		}
	}
	return "", usagef("there are thousands of files named %s: name the new one with -o", stem)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// latentsBeside is where the latents of a clip for path wait.
func latentsBeside(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".latents"
}
