package kinora

import (
	"context"
	"errors"
	"image"
	"io"
	"io/fs"
	"strings"

	"github.com/kinora-video/kinora/internal/media"
)

// MaxImageBytes is the largest image file that DecodeImage takes.
const MaxImageBytes = media.MaxImageBytes

// ImageLimits narrow what DecodeImage takes. A limit of 0 is the package's own,
// beyond which none goes: MaxImageBytes (64 MiB) of file, 16384 pixels a side, and as many
// pixels as 384 MiB hold while they are decoded (96 megapixels of most images,
// fewer of deep and progressive ones).
type ImageLimits struct {
	Bytes  int64 // of the file
	Side   int   // pixels of the longer side
	Pixels int64 // in all
}

// ImageInfo says what an image was.
type ImageInfo struct {
	Format        string // png, jpeg, webp or gif
	Width, Height int    // pixels, upright
	Animated      bool   // it has more pictures than its first, which is the one that was read
}

// DecodeImage reads an image that may come from anywhere: PNG, JPEG, WebP or
// GIF, and of an animation its first picture. No more than the limit is read,
// and sizes are held against the limits before any pixel is decoded.
// Transparency is laid over white, the picture turned upright as its Exif
// orientation says, and its colours brought to sRGB where it carries a profile
// of curves and a matrix.
//
// Errors: an *Error of kind Invalid says which limit the image is over, or what
// is wrong with it; Storage, that r could not be read.
func DecodeImage(r io.Reader, limits ImageLimits) (image.Image, ImageInfo, error) {
	seen := &readErrors{r: r}
	f, what, err := media.DecodeImageWithin(seen, media.ImageLimits(limits))
	if err != nil {
		kind := Invalid
		if seen.err != nil {
			kind = Storage
		}
		return nil, ImageInfo{}, wrap(kind, "decode", "image", plainly(err), "")
	}
	return f.Image(), ImageInfo{Format: imageFormats[what.Format], Width: f.W, Height: f.H, Animated: what.Animated}, nil
}

var imageFormats = map[string]string{"PNG": "png", "JPEG": "jpeg", "WebP": "webp", "GIF": "gif"}

// readErrors notes why reading failed.
type readErrors struct {
	r   io.Reader
	err error
}

func (r *readErrors) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// VideoInfo is what a video file tells of itself.
type VideoInfo struct {
	Width, Height int     // as players show it: upright, and with square pixels
	FPS           float64 // average frames a second, 0 where unknown
	Seconds       float64 // 0 where unknown
	Frames        int     // as the file counts them, or by rate and length
	HasAudio      bool
}

// ProbeVideo asks ffprobe about a video file, which may come from anywhere; of
// an animated WebP it knows by itself. Playlists and whatever else would make
// ffmpeg open other files are no videos here, nor is the cover of a song.
//
// Errors: an *Error of kind NotFound, Unsupported (without ffmpeg) or Invalid.
func ProbeVideo(ctx context.Context, path string) (VideoInfo, error) {
	i, err := media.Inspect(ctx, path)
	if err != nil {
		return VideoInfo{}, unread("probe", path, err)
	}
	return VideoInfo{
		Width: i.W, Height: i.H, FPS: i.FPS, Seconds: i.Duration.Seconds(), Frames: i.Frames, HasAudio: i.Audio,
	}, nil
}

// unread says why a video file was not read.
func unread(op, path string, err error) error {
	kind := Invalid
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = NotFound
	case errors.Is(err, media.ErrNoFFmpeg):
		kind = Unsupported
	}
	return wrap(kind, op, path, plainly(err), "")
}

// plainly leaves the package's name out of an error's text: customers of a
// server read it too.
func plainly(err error) error { return plainError{err} }

type plainError struct{ error }

func (e plainError) Error() string { return strings.TrimPrefix(e.error.Error(), "media: ") }
func (e plainError) Unwrap() error { return e.error }
