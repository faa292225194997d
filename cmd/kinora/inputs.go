package main

import (
	"fmt"
	"image"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/media"
)

// inputFlags are the inputs beside the prompt. The help shows those that at least
// one model takes; a model refuses the ones that it does not take.
type inputFlags struct {
	Image           string   `placeholder:"FILE" help:"First frame: a PNG, JPEG, WebP or GIF image; of an animation, its first picture."`
	LastFrame       string   `placeholder:"FILE" help:"Last frame, an image in the same formats."`
	Negative        string   `placeholder:"TEXT" help:"What the video should not show."`
	ReferenceImages []string `name:"reference-image" sep:"none" placeholder:"FILE" help:"An image of something that the video should show. May be given several times."`
	ReferenceVideos []string `name:"reference-video" sep:"none" placeholder:"FILE" help:"A video that the new one should resemble. May be given several times."`
	ReferenceSounds []string `name:"reference-sound" sep:"none" placeholder:"FILE" help:"A sound that the video's sound should resemble. May be given several times."`
}

// takes says which flags need an ability, and whether a model has it.
var takes = map[string]func(kinora.Capabilities) bool{
	"image":           func(c kinora.Capabilities) bool { return c.FirstFrame },
	"last-frame":      func(c kinora.Capabilities) bool { return c.LastFrame },
	"negative":        func(c kinora.Capabilities) bool { return c.Negative },
	"reference-image": func(c kinora.Capabilities) bool { return c.References.Images > 0 },
	"reference-video": func(c kinora.Capabilities) bool { return c.References.Videos > 0 },
	"reference-sound": func(c kinora.Capabilities) bool { return c.References.Sounds > 0 },
	"memory":          func(c kinora.Capabilities) bool { return c.Extras.Memory },
	"lora":            func(c kinora.Capabilities) bool { return c.Extras.LoRA },
	"decoder":         func(c kinora.Capabilities) bool { return len(c.Extras.Decoders) > 1 },
	"step-cache":      func(c kinora.Capabilities) bool { return c.Extras.StepCache },
}

// hideUnable hides the flags that none of the models takes from the help. Of
// pullable flags it is known that models take them which may be pulled.
func hideUnable(flags []*kong.Flag, models []kinora.Capabilities, pullable []string) {
	for _, f := range flags {
		if can := takes[f.Name]; can != nil && !slices.ContainsFunc(models, can) && !slices.Contains(pullable, f.Name) {
			f.Hidden = true
		}
	}
}

// hideUnableFlags is hideUnable for the commands that make videos, and all models.
func hideUnableFlags(app *kong.Application) {
	var models []kinora.Capabilities
	for _, name := range kinora.Models() {
		// A pulled model that is damaged is no reason to run no command.
		if c, err := kinora.CapabilitiesOf(name); err == nil {
			models = append(models, c)
		}
	}
	var pullable []string
	for name, e := range catalog.Builtin().Engines {
		if slices.Contains(kinora.Engines(), name) {
			pullable = append(pullable, e.Options...)
		}
	}
	for _, command := range app.Children {
		if command.Name == "generate" || command.Name == "decode" {
			hideUnable(command.Flags, models, pullable)
		}
	}
}

// read adds the inputs to a request.
func (f *inputFlags) read(r *kinora.Request) (notes []string, err error) {
	r.NegativePrompt = f.Negative
	r.References.Videos, r.References.Sounds = f.ReferenceVideos, f.ReferenceSounds
	var first bool
	if r.Image, first, err = readImage("--image", f.Image); err != nil {
		return nil, err
	}
	if first {
		notes = append(notes, fmt.Sprintf("%s is animated: the video begins with its first picture", f.Image))
	}
	if r.LastFrame, first, err = readImage("--last-frame", f.LastFrame); err != nil {
		return nil, err
	}
	if first {
		notes = append(notes, fmt.Sprintf("%s is animated: the video ends with its first picture", f.LastFrame))
	}
	for _, path := range f.ReferenceImages {
		img, _, err := readImage("--reference-image", path)
		if err != nil {
			return nil, err
		}
		r.References.Images = append(r.References.Images, img)
	}
	return notes, nil
}

// readImage reads the image that a flag names, or none for "". animated says that
// the file has further pictures, which are not read.
func readImage(flag, path string) (img image.Image, animated bool, err error) {
	if path == "" {
		return nil, false, nil
	}
	frame, kind, err := media.ReadImage(path)
	if err != nil {
		return nil, false, usagef("%s %s: %w", flag, path, err)
	}
	return frame.Image(), kind.Animated, nil
}
