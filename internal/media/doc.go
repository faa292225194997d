// Package media is the door between Kinora and files of pictures, video and
// sound.
//
// It decodes images that nobody vouches for, resizes frames, writes videos as
// MP4 (H.264, through ffmpeg) or animated WebP (without it), joins them, reads
// videos through ffmpeg, and speaks texts through espeak-ng. Both are processes with
// fixed arguments, never a shell; ffmpeg may open local files and pipes only,
// and a process is killed when its context ends or when it stops making
// progress.
//
// A video file appears under its name whole or not at all. The package never
// touches the network, never trusts a size that a file states before it has
// checked it against a limit, and knows nothing of models.
package media

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
)

// Frame is one picture: W×H pixels of 8-bit sRGB, three bytes each, row by row
// without gaps: Pix is [H, W, 3].
type Frame struct {
	W, H int
	Pix  []byte
}

// NewFrame returns a black frame.
func NewFrame(w, h int) Frame { return Frame{W: w, H: h, Pix: make([]byte, 3*w*h)} }

// valid reports an error for a frame whose sizes and pixels do not agree.
func (f Frame) valid() error {
	if f.W < 1 || f.H < 1 || f.W > MaxSide || f.H > MaxSide || len(f.Pix) != 3*f.W*f.H {
		return fmt.Errorf("media: a frame of %d×%d with %d bytes of pixels is not one", f.W, f.H, len(f.Pix))
	}
	return nil
}

// Image returns a copy of the frame for the image packages.
func (f Frame) Image() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, f.W, f.H))
	for i, j := 0, 0; i+3 <= len(f.Pix) && j < len(m.Pix); i, j = i+3, j+4 {
		m.Pix[j], m.Pix[j+1], m.Pix[j+2], m.Pix[j+3] = f.Pix[i], f.Pix[i+1], f.Pix[i+2], 0xff
	}
	return m
}

// WritePNG writes the frame as a PNG image.
func (f Frame) WritePNG(w io.Writer) error {
	if err := f.valid(); err != nil {
		return err
	}
	if err := png.Encode(w, f.Image()); err != nil {
		return fmt.Errorf("media: writing a PNG image: %w", err)
	}
	return nil
}

// ErrNoFFmpeg is the cause of errors that a missing ffmpeg leads to.
var ErrNoFFmpeg = errors.New("ffmpeg is not installed (apt-get install ffmpeg, brew install ffmpeg, or name it in KINORA_FFMPEG)")
