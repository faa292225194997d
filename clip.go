package kinora

import (
	"context"
	"errors"
	"image"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/kinora-video/kinora/internal/engine"
)

// Clip is a generated video: its latents, from which frames are drawn, and sound is
// played where the model has any, as often as they are asked for. One goroutine at a time may use a Clip.
type Clip struct {
	Model         string
	Prompt        string
	Seed          uint64
	Width, Height int // pixels of a frame
	FPS           int // frames a second
	FrameCount    int
	// Upscaled says that frames are drawn smaller than this, in the native size,
	// and enlarged.
	Upscaled bool
	// Sound is the form of the sound track; nil for a silent video.
	Sound *Track

	own   *Track // what the model makes
	heard *heard // what is heard beside it, or instead; nil for nothing

	model       *Model
	latents     engine.Latents
	tracker     *tracker
	latentsPath string    // the file that keeps the latents, "" when there is none
	foreign     bool      // the latents are a file of the caller's
	keepErr     error     // why there is no file
	network     enlarging // what enlarges frames, or nil
	mark        *watermark

	// What Settings say of how it is drawn.
	seconds   float64
	upscale   Upscaling
	watermark string
	ownSound  OwnSound
}

func newClip(m *Model, l engine.Latents, p plan, t *tracker) *Clip {
	v, o := l.Video(), l.Origin()
	sound := m.caps.Sound
	switch {
	case p.heard != nil:
		sound = mixedTrack
	case p.mute:
		sound = nil
	}
	return &Clip{
		Model: m.caps.Name, Prompt: o.Prompt, Seed: o.Seed,
		Width: p.width, Height: p.height, FPS: p.fps, FrameCount: p.frames,
		Upscaled: p.width > v.Width || p.height > v.Height,
		Sound:    sound, own: m.caps.Sound, heard: p.heard,
		model: m, latents: l, tracker: t, mark: p.mark, seconds: p.seconds, upscale: p.upscale,
	}
}

// Duration is how long the video plays.
func (c *Clip) Duration() time.Duration {
	return time.Duration(c.FrameCount) * time.Second / time.Duration(c.FPS)
}

// LatentsPath is the file that keeps the latents, or "" when there is none:
// after Save or Discard, for a video of Load, or when it could not be written.
func (c *Clip) LatentsPath() string { return c.latentsPath }

// Discard removes the file of latents of a video that nobody wants any more. A
// video that is neither saved nor discarded leaves it.
func (c *Clip) Discard() error {
	path := c.latentsPath
	c.latentsPath = ""
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap(Storage, "remove latents", path, err, "")
	}
	return nil
}

// Frames draws the frames in order. The image is used again for the next frame:
// copy what is kept. After an error, which ends the sequence, the image is nil.
// Breaking out of the loop stops the drawing.
func (c *Clip) Frames(ctx context.Context) iter.Seq2[*image.RGBA, error] {
	return func(yield func(*image.RGBA, error) bool) {
		img := newImage(c.Width, c.Height)
		stopped := false
		err := c.draw(ctx, func(rgb []byte) error {
			setPixels(img, rgb)
			if !yield(img, nil) {
				stopped = true
				return errEnough
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// newImage is a black image.
func newImage(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	return img
}

// setPixels copies RGB into an opaque image.
func setPixels(img *image.RGBA, rgb []byte) {
	for i := range len(rgb) / 3 {
		copy(img.Pix[4*i:4*i+3], rgb[3*i:3*i+3])
	}
}

// errEnough ends a drawing early and is no failure.
var errEnough = errors.New("enough frames")

// draw hands over every frame in the video's size and at its rate: RGB, valid
// until yield returns.
func (c *Clip) draw(ctx context.Context, yield func(rgb []byte) error) error {
	native, name := c.latents.Video(), c.Model
	size, err := newScaler(native.Width, native.Height, c.Width, c.Height, c.network)
	if err != nil {
		return wrap(Internal, "scale frames of", name, err, "")
	}
	c.tracker.begin(0)
	c.tracker.drawing(0, c.FrameCount)
	next, drawn := 0, 0
	var marked []byte
	// Scaling is the machine's work too: the cores are given up only for what the
	// callee does.
	use := func(rgb []byte, during func(func() error) error) error {
		this := drawn
		drawn++
		var out []byte
		for next < c.FrameCount && nativeIndex(next, c.FPS, native.FPS) == this {
			if out == nil {
				if out, err = size.apply(rgb); err != nil {
					return err
				}
				if c.mark != nil {
					marked = append(marked[:0], out...) // out may be the engine's own
					c.mark.draw(marked)
					out = marked
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := during(func() error { return yield(out) }); err != nil {
				return err
			}
			next++
			c.tracker.drawing(next, c.FrameCount)
		}
		if next == c.FrameCount {
			return errEnough
		}
		return nil
	}
	err = c.model.yielding(ctx, func(during func(func() error) error) error {
		return c.model.engine.Decode(ctx, c.latents, func(rgb []byte) error { return use(rgb, during) })
	})
	if err != nil && !errors.Is(err, errEnough) {
		return wrap(Internal, "draw with", name, err, "")
	}
	if err == nil && next < c.FrameCount {
		return &Error{Kind: Internal, Op: "draw with", What: name, Err: errors.New("the latents hold fewer frames than they say")}
	}
	return nil
}
