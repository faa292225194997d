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
	WebP Format = "webp" // animated, lossless WebP without sound; needs nothing installed
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

// Encoder names the encoder with which this machine writes the format. For MP4 it
// is the first of ffmpeg's encoders that works: libx264, then others for H.264,
// then mpeg4, which browsers do not play. If it is not libx264, note says in words
// what that means. To find out which encoders work, a few frames are written, once
// for each ffmpeg. Errors are those of CanWrite.
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
	// claimed: the caller has reserved the name.
	claimed bool
}

// tap is a function that wants to see some frames.
type tap struct {
	at   []int
	show func(i int, frame *image.RGBA)
	img  *image.RGBA
}

// WithTap calls a function with the frames whose numbers are in at (see Spread),
// in their order and once each, while the video is written. So stills need not be
// drawn again. The image is reused for the next frame: make a Thumbnail of it, or
// copy it. Numbers beyond the video's end are ignored. If saving fails, discard
// what the function was shown.
func WithTap(at []int, show func(i int, frame *image.RGBA)) SaveOption {
	return func(o *saveOptions) { o.taps = append(o.taps, tap{at: slices.Clone(at), show: show}) }
}

// FromFrame leaves out the frames before number n. A video that goes on from the
// last frame of another begins with that frame: saved from frame 1 on, it can be
// joined to the other without showing the frame twice. Taps still count all frames
// of the video, and are not shown those left out.
func FromFrame(n int) SaveOption { return func(o *saveOptions) { o.from = n } }

// WithoutSound writes a silent video, whatever the model makes.
func WithoutSound() SaveOption { return func(o *saveOptions) { o.mute = true } }

// show gives a frame to the taps that want it.
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

// encoder is the part of a media.Encoder that writing a video needs.
type encoder interface {
	WriteFrame(rgb []byte) error
	Close() error
	Abort()
}

// Save draws the video into a file, in the format that its name says. The file
// gets its name when it is whole, and replaces one that was there; if anything
// fails, no new file has the name. A name that somebody else writes to or has
// reserved is refused. When the file is safely on disk, the latents on disk are
// removed; if saving fails they stay, and the error says where. The file carries
// the prompt, the model, the seed, the Settings, and a mark that it was made by a model.
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
	return c.encode(ctx, path, f, func(o media.Options) (encoder, error) { return media.Create(ctx, path, o) }, opts...)
}

// SaveIn is Save to a reserved place, which stays reserved.
func (c *Clip) SaveIn(ctx context.Context, p *Place, opts ...SaveOption) error {
	return c.Save(ctx, p.path, append(opts[:len(opts):len(opts)], func(o *saveOptions) { o.claimed = true })...)
}

// Write draws the video into w: an MP4 in fragments as the frames come, which
// players can read from a pipe, or a WebP at the end. It removes or keeps the
// latents as Save does.
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
	return c.encode(ctx, where, f, func(o media.Options) (encoder, error) { return media.Stream(ctx, w, kind, o) }, opts...)
}

// encode draws every frame into the encoder that open gives.
func (c *Clip) encode(ctx context.Context, where string, f Format, open func(media.Options) (encoder, error), opts ...SaveOption) error {
	var so saveOptions
	for _, opt := range opts {
		opt(&so)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.heard != nil && !so.mute && !f.HasSound() {
		return c.unsaved(where, noSoundIn("sound", f))
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
		Meta: c.meta(so.from), Claimed: so.claimed,
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
			return ctx.Err() // whatever failed, failed because of this
		}
		return c.unsaved(where, err)
	}
	return c.Discard()
}

// meta is the metadata of a file with the frames from one on.
func (c *Clip) meta(from int) media.Meta {
	m := media.Meta{Prompt: c.Prompt, Model: c.Model, Seed: c.Seed}
	if from == 0 { // no settings give a part of a video
		m.Settings = c.Settings().encode()
	}
	return m
}

// unsaved makes the error for a video that was not written; it says where the
// latents are.
func (c *Clip) unsaved(where string, err error) error {
	failure := &Error{Kind: Storage, Op: "save", What: where, Err: err}
	var cause *Error
	if errors.As(err, &cause) {
		if cause.Op == failure.Op {
			return err // err says it already
		}
		failure.Kind = cause.Kind
	}
	if errors.Is(err, media.ErrNoSoundEncoder) {
		failure.Kind = Unsupported
	}
	switch {
	case c.latentsPath != "":
		failure.Hint = "nothing is lost: the latents are in " + c.latentsPath + ", and kinora decode goes on from them"
		if c.heard != nil {
			failure.Hint += " if it is given the narration and the sound again"
		}
	case c.keepErr != nil:
		failure.Hint = "the latents could not be kept either: " + c.keepErr.Error()
	}
	return failure
}
