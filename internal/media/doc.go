// Package media is the door between Kinora and files of pictures, video and
// sound.
//
// It decodes untrusted images, resizes frames, writes videos as MP4 (H.264,
// through ffmpeg) or animated WebP (without ffmpeg), joins videos, reads them
// through ffmpeg, and speaks texts through espeak-ng. Both tools run as processes
// with fixed arguments, never through a shell. ffmpeg may open only local files and
// pipes. A process is killed when its context ends or when it makes no progress.
//
// A video file gets its name when it is whole. The package never touches the
// network, checks each size that a file states against a limit before it uses it,
// and knows nothing of models.
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

// valid returns an error if the size of a frame and its pixels do not agree.
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

// ErrNoFFmpeg is the cause of errors when ffmpeg is missing.
var ErrNoFFmpeg = errors.New("ffmpeg is not installed (apt-get install ffmpeg, brew install ffmpeg, or name it in KINORA_FFMPEG)")
