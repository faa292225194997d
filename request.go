package kinora

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/engine"
)

var errNoModel = errors.New("there is no such model")

// Limits of every request. A model's Capabilities may be narrower.
const (
	MaxSeconds     = 3600
	MaxSteps       = 1000
	MinSide        = 16   // pixels
	MaxSide        = 4096 // pixels
	MaxFPS         = 120
	MaxPromptBytes = 32 << 10
	MaxStepCache   = 1
)

// Request says what to make. The zero value of every field but Prompt is a
// sensible default.
type Request struct {
	// Prompt is what happens in the video. It may be empty when Image is set.
	Prompt string
	// Expand says of the prompt what comes nearest to it of what the model was taught,
	// where that is little (Capabilities.Expand): "my kitten is scared of the storm"
	// is drawn as "A small orange kitten stays still in a meadow in the rain.". The
	// Clip's Prompt is what was drawn. A narration still speaks the Prompt.
	Expand bool
	// NegativePrompt is what shall not be seen in it.
	NegativePrompt string
	// Seconds is the length of the video, met to the frame: 0 means the model's
	// default. Frames of the model's last group that are beyond it are dropped.
	Seconds float64
	// Image is the first frame, of any size: cut, centred, to the model's shape and
	// scaled to its size.
	Image image.Image
	// LastFrame is the frame that the video ends with, treated as Image is.
	LastFrame image.Image
	// References are what the video shall look or sound like.
	References References
	// Seed picks one of the videos that the prompt may give. The same seed and
	// request give the same video.
	Seed uint64
	// Steps of sampling: 0 means the model's default. More are slower, and
	// finer up to a point.
	Steps int
	// Guidance is how closely the prompt is followed: 0 means the model's
	// default, 1 is none.
	Guidance float32
	// StepCache lets a model that can take a part of a step from the step before,
	// where what it computes would differ by less than this, relative to it: 0.1
	// saves much, and changes the video a little. 0 computes all.
	StepCache float32
	// Width and Height of the video in pixels, both even; 0 means native, or in
	// the native shape where only the other is set. Frames are drawn in the
	// native size and scaled to cover this one, larger ones as Upscale says;
	// what juts out is cut, centred.
	Width, Height int
	// Upscale is how frames are enlarged: "" means UpscaleAuto.
	Upscale Upscaling
	// FPS is the frames a second: 0 means native. At another rate each frame is
	// the native one on the screen at its time: frames are repeated or dropped,
	// never blended, and the video plays at the same speed.
	FPS int
	// Latents is the file that keeps the latents until the video is saved: a new
	// file. "" means one of a fresh name in the model's latents folder. Where the
	// file's disk is too full, or its name too long, that folder is taken too:
	// Clip.LatentsPath says where they are.
	Latents string
	// Output, if not nil, is where the video will be saved. Generate sees that there
	// is room for it before any time is spent.
	Output *Place
	// Progress, if not nil, is told how far the video is: from Generate while it
	// samples, from Save, Write and Frames while frames are drawn. It is called
	// from one goroutine at a time and should return at once.
	Progress func(Progress)
	// Preview, if not nil, is given pictures of the video while it is sampled: the
	// first frame of the part that is being made (reel makes two seconds at a
	// time), as the model sees it so far, in the native size. It is called from
	// the sampling goroutine, which waits for it: every two seconds at most, and
	// less often where drawing one takes long. The image is the callee's to keep.
	// The video is the same with it and without.
	Preview func(image.Image)
	// Watermark, if not "", is a short text, such as "AI", drawn small on a
	// translucent plate in the lower right corner of every frame, and of
	// previews: letters that Go's own font has (Latin, Greek, Cyrillic). The
	// latents do not hold it: give it to Load again.
	Watermark string
	// Narration, if not nil, is spoken over the video. The latents do not hold it:
	// give it to Load again. Formats without sound are refused.
	Narration *Narration
	// Sound, if not nil, is a track for the video; likewise.
	Sound *SoundFile
	// OwnSound says what becomes of the sound that the model makes.
	OwnSound OwnSound
}

// plan is a request made definite: the model's part of it, and what becomes of the
// frames that the model draws.
type plan struct {
	job           engine.Job
	seconds       float64
	width, height int
	fps           int
	frames        int // of the video, at fps
	mark          *watermark
	upscale       Upscaling
	heard         *heard // nil for the model's own sound alone
	mute          bool   // without that
}

// Check returns the error that Generate would give to the request for a model with
// such capabilities, as far as it depends on nothing else: one of kind Invalid or
// Unsupported, which names the field.
func (r *Request) Check(c Capabilities) error {
	_, err := r.plan(c)
	return err
}

// plan checks a request against what a model can do.
func (r *Request) plan(c Capabilities) (plan, error) {
	p := plan{seconds: cmp.Or(r.Seconds, c.Lengths.Default), job: engine.Job{
		Prompt: r.Prompt, Negative: r.NegativePrompt, References: r.References, Seed: r.Seed,
		StepCache: r.StepCache,
		Steps:     cmp.Or(r.Steps, c.Steps.Default), Guidance: cmp.Or(r.Guidance, c.Guidance.Default),
	}}
	for _, check := range []error{r.checkPrompt(c), r.checkPictures(c), r.checkReferences(c), r.checkNumbers(c, p.seconds), r.checkSound()} {
		if check != nil {
			return p, check
		}
	}
	size := c.Sizes.Pick(r.size(c.Sizes.Default()))
	p.job.Video = engine.Video{Width: size.Width, Height: size.Height, FPS: c.Rate(r.FPS)}
	if err := p.fit(r); err != nil {
		return p, err
	}
	p.job.Frames = max(nativeIndex(p.frames-1, p.fps, p.job.FPS)+1, int(math.Round(p.seconds*float64(p.job.FPS))))
	return p, nil
}

func (r *Request) checkPrompt(c Capabilities) error {
	most := cmp.Or(c.Prompt.MaxBytes, MaxPromptBytes)
	switch {
	case strings.TrimSpace(r.Prompt) == "" && r.Image == nil:
		return invalid("prompt", "it is empty", "say what should happen in the video")
	case len(r.Prompt) > most:
		return invalid("prompt", fmt.Sprintf("it has %d bytes", len(r.Prompt)), fmt.Sprintf("the limit is %d", most))
	case !utf8.ValidString(r.Prompt):
		return invalid("prompt", "it is not valid UTF-8", "")
	case r.Expand && (c.Prompt.Words == nil || c.Prompt.Words.Draft == nil):
		return &Error{
			Kind: Unsupported, Op: "request", What: "expand", Err: fmt.Errorf("the model %s reads prompts as they are", c.Name),
			Hint: able(func(c Capabilities) bool { return c.Prompt.Words != nil && c.Prompt.Words.Draft != nil }),
		}
	case r.NegativePrompt != "" && !c.Negative:
		return unable(c, "negative prompt", func(c Capabilities) bool { return c.Negative })
	case len(r.NegativePrompt) > most || !utf8.ValidString(r.NegativePrompt):
		return invalid("negative prompt", fmt.Sprintf("it has %d bytes or is not valid UTF-8", len(r.NegativePrompt)), fmt.Sprintf("the limit is %d", most))
	}
	return nil
}

func (r *Request) checkPictures(c Capabilities) error {
	switch {
	case r.Image != nil && !c.FirstFrame:
		return unable(c, "first frame", func(c Capabilities) bool { return c.FirstFrame })
	case r.Image != nil && r.Image.Bounds().Empty():
		return invalid("image", "it has no pixels", "")
	case r.LastFrame != nil && !c.LastFrame:
		return unable(c, "last frame", func(c Capabilities) bool { return c.LastFrame })
	case r.LastFrame != nil && r.LastFrame.Bounds().Empty():
		return invalid("last frame", "it has no pixels", "")
	}
	return nil
}

func (r *Request) checkReferences(c Capabilities) error {
	for _, kind := range []struct {
		name string
		n    int
		most func(Capabilities) int
	}{
		{"reference image", len(r.References.Images), func(c Capabilities) int { return c.References.Images }},
		{"reference video", len(r.References.Videos), func(c Capabilities) int { return c.References.Videos }},
		{"reference sound", len(r.References.Sounds), func(c Capabilities) int { return c.References.Sounds }},
	} {
		switch most := kind.most(c); {
		case kind.n > 0 && most == 0:
			return unable(c, kind.name, func(c Capabilities) bool { return kind.most(c) > 0 })
		case kind.n > most:
			return invalid(kind.name+"s", fmt.Sprintf("there are %d", kind.n), fmt.Sprintf("%s takes at most %d", c.Name, most))
		}
	}
	for i, img := range r.References.Images {
		if img == nil || img.Bounds().Empty() {
			return invalid("reference images", fmt.Sprintf("number %d has no pixels", i+1), "")
		}
	}
	return nil
}

func (r *Request) checkNumbers(c Capabilities, seconds float64) error {
	steps, guidance, length := c.Steps, c.Guidance, c.Lengths
	switch {
	case r.Steps != 0 && (r.Steps < steps.Min || r.Steps > steps.Max):
		return invalid("steps", fmt.Sprintf("%d is out of range", r.Steps), steps.String()+", or 0 for the default")
	case !(r.Guidance == 0 || r.Guidance >= guidance.Min && r.Guidance <= guidance.Max):
		hint := guidance.String() + ", where 0 is the model's default and 1 is none"
		if guidance.Fixed() {
			hint = "leave it out: guidance is part of this model's weights"
		}
		return invalid("guidance", fmt.Sprintf("%v is out of range", r.Guidance), hint)
	case r.StepCache != 0 && !c.Extras.StepCache:
		return unable(c, "step cache", func(c Capabilities) bool { return c.Extras.StepCache })
	case !(r.StepCache >= 0 && r.StepCache <= MaxStepCache):
		return invalid("step cache", fmt.Sprintf("%v is out of range", r.StepCache), fmt.Sprintf("0 to %d", MaxStepCache))
	case !(seconds > 0 && seconds >= length.Min && seconds <= length.Max):
		return invalid("seconds", fmt.Sprintf("%v is out of range", seconds), length.String())
	}
	return nil
}

// unable is the refusal of what a model does not take.
func unable(c Capabilities, what string, can func(Capabilities) bool) error {
	return &Error{Kind: Unsupported, Op: "request", What: what, Err: fmt.Errorf("the model %s takes no %s", c.Name, what), Hint: able(can)}
}

// size is that of the video: a side that is 0 follows from the other in the shape
// of the model's own size, which is taken where both are.
func (r *Request) size(own Size) Size {
	switch {
	case r.Width == 0 && r.Height == 0:
		return own
	case r.Width == 0:
		return Size{Width: even(float64(r.Height) * float64(own.Width) / float64(own.Height)), Height: r.Height}
	case r.Height == 0:
		return Size{Width: r.Width, Height: even(float64(r.Width) * float64(own.Height) / float64(own.Width))}
	}
	return Size{Width: r.Width, Height: r.Height}
}

// fit sets the size, the rate, the number of frames and the watermark of the video
// that is made of the job's frames.
func (p *plan) fit(r *Request) error {
	size := r.size(Size{Width: p.job.Width, Height: p.job.Height})
	width, height, fps := size.Width, size.Height, cmp.Or(r.FPS, p.job.FPS)
	switch {
	case width < MinSide || height < MinSide || width > MaxSide || height > MaxSide:
		return invalid("size", fmt.Sprintf("%d×%d is out of range", width, height), fmt.Sprintf("each side %d to %d pixels", MinSide, MaxSide))
	case width%2 != 0 || height%2 != 0:
		return invalid("size", fmt.Sprintf("%d×%d has an odd side", width, height), "video stores colour for 2×2 pixels together: use even sides")
	case fps < 1 || fps > MaxFPS:
		return invalid("fps", fmt.Sprintf("%d is out of range", fps), fmt.Sprintf("1 to %d", MaxFPS))
	}
	if err := checkUpscaling(r.Upscale); err != nil {
		return err
	}
	p.width, p.height, p.fps, p.upscale, p.mute = width, height, fps, r.Upscale, r.ownOff()
	p.frames = max(1, int(math.Round(p.seconds*float64(fps))))
	if r.Watermark == "" {
		return nil
	}
	var err error
	p.mark, err = newWatermark(r.Watermark, width, height)
	return err
}

func even(x float64) int { return 2 * int(math.Round(x/2)) }

// nativeIndex returns which native frame is on the screen when frame i of a
// video at fps begins.
func nativeIndex(i, fps, native int) int { return i * native / fps }
