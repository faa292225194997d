package kinora

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/media"
)

// Format is a kind of video file, named as its usual extension.
type Format string

const (
	MP4  Format = "mp4"  // H.264 and AAC in MP4, which plays everywhere; made by ffmpeg (see Encoder)
	WebP Format = "webp" // animated, lossless WebP without sound, for which nothing needs to be installed
)

// FormatOf tells the format by a file's name.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".mp4", ".m4v":
		return MP4, nil
	case ".webp":
		return WebP, nil
	}
	return "", &Error{
		Kind: Invalid, Op: "save", What: path, Err: errors.New("its name says no format that can be written"),
		Hint: "end it in .mp4 or .webp",
	}
}

// CanWrite returns nil when this machine can write the format, and otherwise an
// *Error of kind Unsupported that says what to install.
func CanWrite(f Format) error {
	return canWrite(context.Background(), f)
}

// canWrite is CanWrite, for as long as ctx lasts.
func canWrite(ctx context.Context, f Format) error {
	_, _, err := encoderOf(ctx, f)
	return err
}

// Encoder names the encoder that this machine writes the format with. For MP4 it
// is the first of ffmpeg's that works: libx264, then others for H.264, then mpeg4,
// which browsers do not play. note says so, for people, where it is not libx264.
// Which encoders work is found by writing a few frames, once for each ffmpeg.
// Errors are those of CanWrite.
func Encoder(f Format) (name, note string, err error) { return encoderOf(context.Background(), f) }

func encoderOf(ctx context.Context, f Format) (name, note string, err error) {
	switch f {
	case WebP:
		return "webp", "", nil
	case MP4:
		name, note, err := media.MP4Encoder(ctx)
		if err != nil {
			return "", "", &Error{Kind: Unsupported, Op: "write MP4", Err: err}
		}
		return name, note, nil
	}
	return "", "", &Error{Kind: Invalid, Op: "write", What: string(f), Err: errors.New("there is no such format"), Hint: "mp4 or webp"}
}

// SaveOption changes what Save and Write do besides writing the video.
type SaveOption func(*saveOptions)

type saveOptions struct {
	taps []tap
	from int // the first frame that is written
	mute bool
	// claimed says that the caller has reserved the name.
	claimed bool
}

// tap is who wants to see some frames.
type tap struct {
	at   []int
	show func(i int, frame *image.RGBA)
	img  *image.RGBA
}

// WithTap shows the frames with the numbers in at (see Spread), in their order
// and once each, to a function while the video is written, so that stills need no
// drawing of their own. The image is used again for the next: make a Thumbnail
// of it, or copy what is kept. Numbers that the video does not have are left out.
// What was shown of a video whose saving failed is worth nothing.
func WithTap(at []int, show func(i int, frame *image.RGBA)) SaveOption {
	return func(o *saveOptions) { o.taps = append(o.taps, tap{at: slices.Clone(at), show: show}) }
}

// FromFrame leaves out the frames before number n. The first frame of a video
// that goes on from the last frame of another repeats it: saved from frame 1 on,
// the two can be joined without a frame that stands. Taps keep counting the
// video's own frames, and are not shown what is left out.
func FromFrame(n int) SaveOption { return func(o *saveOptions) { o.from = n } }

// WithoutSound writes a silent video, whatever the model makes.
func WithoutSound() SaveOption { return func(o *saveOptions) { o.mute = true } }

// show hands a frame to those who want it.
func (o *saveOptions) show(c *Clip, i int, rgb []byte) {
	for n := range o.taps {
		t := &o.taps[n]
		if !slices.Contains(t.at, i) {
			continue
		}
		if t.img == nil {
			t.img = newImage(c.Width, c.Height)
		}
		setPixels(t.img, rgb)
		t.show(i, t.img)
	}
}

// encoder is media's, as far as a video goes.
type encoder interface {
	WriteFrame(rgb []byte) error
	Close() error
	Abort()
}

// Save draws the video into a file, in the format its name says. The file
// appears under its name when it is whole, replacing one that was there; until
// then, and when anything fails, nothing has that name. A name that another one
// is writing to, or has reserved, is refused. Once the file is safe the latents on
// disk are removed; while it is not, they stay, and the error says where. The file
// carries the prompt, the model, the seed and a mark that it was made by a model.
func (c *Clip) Save(ctx context.Context, path string, opts ...SaveOption) error {
	f, err := FormatOf(path)
	if err != nil {
		return err
	}
	if err := canWrite(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.unsaved(path, err)
	}
	return c.encode(ctx, path, func(o media.Options) (encoder, error) { return media.Create(ctx, path, o) }, opts...)
}

// SaveIn is Save into a place that was reserved, which stays reserved.
func (c *Clip) SaveIn(ctx context.Context, p *Place, opts ...SaveOption) error {
	return c.Save(ctx, p.path, append(opts[:len(opts):len(opts)], func(o *saveOptions) { o.claimed = true })...)
}

// Write draws the video into w: MP4 in fragments as the frames come, which
// players take from a pipe, or WebP at the end. Latents are removed and kept as
// by Save.
func (c *Clip) Write(ctx context.Context, w io.Writer, f Format, opts ...SaveOption) error {
	const where = "to the output"
	if err := canWrite(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.unsaved(where, err)
	}
	kind := media.MP4
	if f == WebP {
		kind = media.WebP
	}
	return c.encode(ctx, where, func(o media.Options) (encoder, error) { return media.Stream(ctx, w, kind, o) }, opts...)
}

// encode draws every frame into the encoder that open gives.
func (c *Clip) encode(ctx context.Context, where string, open func(media.Options) (encoder, error), opts ...SaveOption) error {
	var so saveOptions
	for _, opt := range opts {
		opt(&so)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if so.from < 0 || so.from >= c.FrameCount {
		return c.unsaved(where, invalid("frames", fmt.Sprintf("the video has no frame %d to begin with", so.from), fmt.Sprintf("0 to %d", c.FrameCount-1)))
	}
	var sound *media.Sound
	if !so.mute {
		sound = c.track(so.from)
	}
	e, err := open(media.Options{
		W: c.Width, H: c.Height, FPS: float64(c.FPS), Sound: sound,
		Meta: media.Meta{Prompt: c.Prompt, Model: c.Model, Seed: c.Seed}, Claimed: so.claimed,
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // the sound is played first
		}
		return c.unsaved(where, err)
	}
	frame := -1
	err = c.draw(ctx, func(rgb []byte) error {
		if frame++; frame < so.from {
			return nil
		}
		if err := e.WriteFrame(rgb); err != nil {
			return c.unsaved(where, err)
		}
		so.show(c, frame, rgb)
		return nil
	})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		e.Abort()
		if ctx.Err() != nil {
			return ctx.Err() // whatever it broke, this is why
		}
		return c.unsaved(where, err)
	}
	return c.Discard()
}

// unsaved says that a video was not written, and where its latents are.
func (c *Clip) unsaved(where string, err error) error {
	failure := &Error{Kind: Storage, Op: "save", What: where, Err: err}
	var cause *Error
	if errors.As(err, &cause) {
		if cause.Op == failure.Op {
			return err // said already
		}
		failure.Kind = cause.Kind
	}
	if errors.Is(err, media.ErrNoSoundEncoder) {
		failure.Kind = Unsupported
	}
	switch {
	case c.latentsPath != "":
		failure.Hint = "nothing is lost: the latents are in " + c.latentsPath + ", and kinora decode goes on from them"
	case c.keepErr != nil:
		failure.Hint = "the latents could not be kept either: " + c.keepErr.Error()
	}
	return failure
}
