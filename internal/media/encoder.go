package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Encoder takes the frames of one video in their order. Several goroutines may call
// its methods; the calls take effect one after another.
type Encoder interface {
	// WriteFrame adds a frame: W×H pixels of three bytes, as in Frame.Pix. The
	// slice may be reused when it returns. An error ends the video: no file gets
	// its name, and every later call returns the same error.
	WriteFrame(rgb []byte) error
	// Close finishes the video and, for a file, gives it its name. A video
	// without frames is an error.
	Close() error
	// Abort discards the video and what was written of it. After Close it does
	// nothing.
	Abort()
}

// Format is a kind of video file.
type Format uint8

const (
	// MP4 is H.264 (yuv420p) in MP4, or MPEG-4 Part 2 where ffmpeg has no
	// encoder of H.264. It needs ffmpeg. See MP4Encoder.
	MP4 Format = iota + 1
	// WebP is animated, lossless WebP; it needs nothing.
	WebP
)

// String returns the format's usual extension without its dot.
func (f Format) String() string {
	switch f {
	case MP4:
		return "mp4"
	case WebP:
		return "webp"
	}
	return "Format(" + strconv.Itoa(int(f)) + ")"
}

// FormatOf tells the format by the extension of a file's name.
func FormatOf(path string) (Format, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".mp4", ".m4v":
		return MP4, nil
	case ".webp":
		return WebP, nil
	default:
		return 0, fmt.Errorf("media: cannot tell a video format by the name %q: use .mp4 or .webp", path)
	}
}

// Options describes a video to be written.
type Options struct {
	// W and H are the sizes of every frame, in pixels; both even for MP4.
	W, H int
	// FPS is the number of frames a second.
	FPS float64
	// Sound is the sound track, or nil. A WebP is written without it.
	Sound *Sound
	Meta  Meta
	// Stall bounds how long ffmpeg may take for a frame, or for finishing a file,
	// before it counts as hung; 0 means a minute.
	Stall time.Duration
	// Claimed says that the caller has claimed the file's name (scratch.Claim).
	// Otherwise Create claims it.
	Claimed bool
}

// Meta is the metadata of a file; a mark that it was made by a model is added. The
// zero Meta writes nothing.
type Meta struct {
	Prompt string
	Model  string
	Seed   uint64
	// Settings are all that the video was made with: UTF-8 without control
	// characters, at most MaxSettings bytes, in a form that the caller knows.
	Settings string
}

// MaxSettings bounds the settings in a file's metadata, in bytes.
const MaxSettings = 64 << 10

// digitalSource is the IPTC's term for media made by a trained model.
const digitalSource = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

func (m Meta) empty() bool { return m == Meta{} }

// comment is the line that players show: that a model made the video, and how
// to make it again.
func (m Meta) comment() string {
	return fmt.Sprintf("AI-generated video. Model: %s. Seed: %d. Made with Kinora. Digital source type: %s.",
		clean(m.Model, 200), m.Seed, digitalSource)
}

// clean keeps the printable characters of s, cut to so many bytes.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

func (o Options) check(f Format) error {
	if o.W < 1 || o.H < 1 || o.W > MaxSide || o.H > MaxSide {
		return fmt.Errorf("media: a video cannot be %d×%d: sides are 1 to %d pixels", o.W, o.H, MaxSide)
	}
	if f == MP4 && (o.W%2 != 0 || o.H%2 != 0) {
		return fmt.Errorf("media: an MP4 cannot be %d×%d: H.264 in yuv420p needs even sides", o.W, o.H)
	}
	if !(o.FPS > 0 && o.FPS <= 1000) || math.IsNaN(o.FPS) {
		return fmt.Errorf("media: a video cannot have %v frames a second: 1 to 1000 are possible", o.FPS)
	}
	if s := o.Meta.Settings; s != clean(s, MaxSettings) {
		return fmt.Errorf("media: settings of %d bytes, or with control characters, cannot be written: at most %d bytes of text can", len(s), MaxSettings)
	}
	if o.Sound != nil {
		return o.Sound.check()
	}
	return nil
}

func (o Options) stall() time.Duration {
	if o.Stall > 0 {
		return o.Stall
	}
	return time.Minute
}

// Create begins a video file in the format of the name's extension. The frames go
// to a hidden file beside path, which Close renames to path. Until then the name is
// claimed: a second Create of it fails. When ctx ends the video is discarded. An MP4
// fails with ErrNoFFmpeg if there is no ffmpeg, and with ErrNoEncoder if ffmpeg
// cannot write it.
func Create(ctx context.Context, path string, o Options) (Encoder, error) {
	f, err := FormatOf(path)
	if err != nil {
		return nil, err
	}
	if err := o.check(f); err != nil {
		return nil, err
	}
	t, err := newTarget(path, o.Claimed)
	if err != nil {
		return nil, err
	}
	e, err := createIn(ctx, t, f, o)
	if err != nil {
		t.discard()
		return nil, err
	}
	return e, nil
}

func createIn(ctx context.Context, t *target, f Format, o Options) (Encoder, error) {
	if f == WebP {
		return newWebP(ctx, t, nil, o)
	}
	return newMP4(ctx, t, nil, o)
}

// Stream begins a video that is written to w: an MP4 in fragments as the frames
// come, a WebP as a whole on Close. It does not close w. The reader of w may be
// arbitrarily slow; only the end of ctx ends the stream.
func Stream(ctx context.Context, w io.Writer, f Format, o Options) (Encoder, error) {
	if err := o.check(f); err != nil {
		return nil, err
	}
	switch f {
	case MP4:
		return newMP4(ctx, nil, w, o)
	case WebP:
		t, err := newTemporary()
		if err != nil {
			return nil, err
		}
		e, err := newWebP(ctx, t, w, o)
		if err != nil {
			t.discard()
		}
		return e, err
	}
	return nil, fmt.Errorf("media: cannot stream the format %v", f)
}

var (
	errClosed   = errors.New("media: the video is closed")
	errAborted  = errors.New("media: the video was dropped")
	errNoFrames = errors.New("media: a video needs at least one frame")
)

func (o Options) checkFrame(rgb []byte) error {
	if len(rgb) != 3*o.W*o.H {
		return fmt.Errorf("media: a frame of %d×%d has %d bytes, not %d", o.W, o.H, 3*o.W*o.H, len(rgb))
	}
	return nil
}
