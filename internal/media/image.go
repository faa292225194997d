package media

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/webp"
)

// Limits on an image, checked before its pixels are decoded. Within them a decoder
// takes at most about MaxImageMemory, and the frame three quarters of that in
// addition. An interlaced PNG may take half as much more. The tables of a lossless
// WebP may take 200 MiB more: the decoder refuses more than 2,600 of them.
const (
	// MaxImageBytes is the largest image file that is read.
	MaxImageBytes = 64 << 20
	// MaxWebPBytes is the largest WebP file. It is smaller, because the tables
	// of a lossless WebP unfold to some two hundred times their size in the file.
	MaxWebPBytes = 16 << 20
	// MaxSide is the longest side of an image or a video, in pixels.
	MaxSide = 16384
	// MaxImageMemory is how much the pixels may take while they are decoded:
	// 96 megapixels of 8-bit colour, 48 of 16-bit colour, of a WebP, and of a
	// JPEG in CMYK or RGB, 24 of a progressive JPEG, 16 of one in CMYK or RGB
	// (a megapixel being 1024×1024).
	MaxImageMemory = 384 << 20
	// maxScans bounds the passes of a progressive JPEG over its pixels, each
	// of which takes a few bytes in the file and a walk over the whole image.
	maxScans = 64
)

// ErrTooLarge is the cause of errors about images and videos beyond the limits.
var ErrTooLarge = errors.New("too large")

// ErrNotAnImage is the cause of errors about files that are no PNG, JPEG, WebP
// or GIF.
var ErrNotAnImage = errors.New("not a PNG, JPEG, WebP or GIF image")

// ImageKind says what an image file was.
type ImageKind struct {
	Format   string // PNG, JPEG, WebP or GIF
	Animated bool   // it has further pictures; only the first was read
}

// ReadError is an error of the reader that an image came from, and not one of the
// image.
type ReadError struct{ Err error }

// Error says that it came while reading.
func (e *ReadError) Error() string { return "media: reading an image: " + e.Err.Error() }

// Unwrap returns the reader's error.
func (e *ReadError) Unwrap() error { return e.Err }

// imageFormat is one of the formats that DecodeImage reads.
type imageFormat struct {
	name   string
	config func(io.Reader) (image.Config, error)
	// decode returns the picture, its canvas, and the picture's offset on the
	// canvas.
	decode func(data []byte) (img image.Image, canvas image.Rectangle, at image.Point, err error)
}

var (
	formatPNG  = imageFormat{"PNG", png.DecodeConfig, whole(png.Decode)}
	formatJPEG = imageFormat{"JPEG", jpeg.DecodeConfig, whole(jpeg.Decode)}
	formatWebP = imageFormat{"WebP", webp.DecodeConfig, decodeWebP}
	formatGIF  = imageFormat{"GIF", gif.DecodeConfig, decodeGIF}
)

// whole makes a decoder for a format whose pictures always cover the canvas.
func whole(decode func(io.Reader) (image.Image, error)) func([]byte) (image.Image, image.Rectangle, image.Point, error) {
	return func(data []byte) (image.Image, image.Rectangle, image.Point, error) {
		img, err := decode(bytes.NewReader(data))
		if err != nil {
			return nil, image.Rectangle{}, image.Point{}, err
		}
		return img, img.Bounds(), image.Point{}, nil
	}
}

// decodeGIF decodes the first picture of a GIF, which may cover only a part of
// its canvas.
func decodeGIF(data []byte) (image.Image, image.Rectangle, image.Point, error) {
	img, canvas, at, err := whole(gif.Decode)(data)
	if cfg, e := gif.DecodeConfig(bytes.NewReader(data)); e == nil {
		canvas = image.Rect(0, 0, cfg.Width, cfg.Height)
	}
	return img, canvas, at, err
}

// sniff tells the format by the first bytes. The image package's registry is
// left alone: any import anywhere could add a format to it.
func sniff(b []byte) (imageFormat, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return formatPNG, true
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return formatJPEG, true
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return formatWebP, true
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return formatGIF, true
	}
	return imageFormat{}, false
}

// notAnImage says what a file is instead of an image, if its first bytes show it.
func notAnImage(b []byte) error {
	if other := otherKind(b); other != "" {
		return fmt.Errorf("media: it is %s, %w: convert it first", other, ErrNotAnImage)
	}
	return fmt.Errorf("media: %w", ErrNotAnImage)
}

func otherKind(b []byte) string {
	if len(b) >= 12 && string(b[4:8]) == "ftyp" {
		switch brand := string(b[8:12]); brand {
		case "avif", "avis":
			return "an AVIF image"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			return "a HEIC image"
		case "crx ":
			return "a raw photo"
		}
		return "a video"
	}
	for _, k := range []struct{ begins, name string }{
		{"BM", "a BMP image"},
		{"II*\x00", "a TIFF image"},
		{"MM\x00*", "a TIFF image"},
		{"II+\x00", "a TIFF image"},
		{"\xff\x0a", "a JPEG XL image"},
		{"\x00\x00\x00\x0cJXL ", "a JPEG XL image"},
		{"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"},
		{"8BPS", "a Photoshop image"},
		{"\x00\x00\x01\x00", "an icon"},
		{"%PDF", "a PDF document"},
		{"\x1aE\xdf\xa3", "a video"},
	} {
		if bytes.HasPrefix(b, []byte(k.begins)) {
			return k.name
		}
	}
	text := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(b[:min(len(b), 1024)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	switch {
	case bytes.HasPrefix(text, []byte("<svg")), bytes.HasPrefix(text, []byte("<?xml")) && bytes.Contains(text, []byte("<svg")):
		return "an SVG drawing"
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return "a web page"
	}
	return ""
}

// ReadImage decodes the image file at path; see DecodeImageWithin.
func ReadImage(path string) (Frame, ImageKind, error) {
	file, err := os.Open(path)
	if err != nil {
		return Frame{}, ImageKind{}, fmt.Errorf("media: opening an image: %w", err)
	}
	defer file.Close()
	return DecodeImageWithin(file, ImageLimits{})
}

// ImageLimits are narrower limits on an image. A limit of 0 means the package's own,
// and a larger limit than that has no effect.
type ImageLimits struct {
	Bytes  int64 // of the file: MaxImageBytes
	Side   int   // in pixels, of the longer side: MaxSide
	Pixels int64 // in all: what MaxImageMemory holds
}

// narrowed applies the package's own limits.
func (l ImageLimits) narrowed() ImageLimits {
	if l.Bytes <= 0 || l.Bytes > MaxImageBytes {
		l.Bytes = MaxImageBytes
	}
	if l.Side <= 0 || l.Side > MaxSide {
		l.Side = MaxSide
	}
	if l.Pixels <= 0 || l.Pixels > MaxImageMemory {
		l.Pixels = MaxImageMemory
	}
	return l
}

// DecodeImage reads an untrusted PNG, JPEG, WebP or GIF image; of an animation it
// reads the first picture. Sizes are checked against the limits before any pixel is
// decoded. The error is ErrTooLarge beyond the limits, and ErrNotAnImage for a file
// in another format. Transparency is laid over white, the picture is turned upright
// by its Exif orientation, and its colours are converted to sRGB if it carries a
// profile of curves and a matrix.
func DecodeImage(r io.Reader) (Frame, error) {
	f, _, err := DecodeImageWithin(r, ImageLimits{})
	return f, err
}

// DecodeImageWithin is DecodeImage with narrower limits. It also tells what the
// file was. An error of r is a *ReadError.
func DecodeImageWithin(r io.Reader, l ImageLimits) (f Frame, kind ImageKind, err error) {
	l = l.narrowed()
	data, err := io.ReadAll(io.LimitReader(r, l.Bytes+1))
	if err != nil {
		return Frame{}, kind, &ReadError{err}
	}
	if int64(len(data)) > l.Bytes {
		return Frame{}, kind, fmt.Errorf("media: the image file has more than %s: %w", inBytes(l.Bytes), ErrTooLarge)
	}
	format, ok := sniff(data)
	if !ok {
		return Frame{}, kind, notAnImage(data)
	}
	// A bug in a decoder must not take the program down with it.
	defer func() {
		if p := recover(); p != nil {
			f, kind, err = Frame{}, ImageKind{}, fmt.Errorf("media: the %s decoder failed on a broken image: %v", format.name, p)
		}
	}()
	if err := format.admit(data, l); err != nil {
		return Frame{}, kind, err
	}
	img, canvas, at, err := format.decode(data)
	if err != nil {
		return Frame{}, kind, fmt.Errorf("media: decoding a %s image: %w", format.name, err)
	}
	f = flatten(img, canvas, at)
	if m := newColourMap(format.profile(data)); m != nil {
		m.apply(f.Pix)
	}
	return upright(f, format.orientation(data)), ImageKind{format.name, format.animated(data)}, nil
}

// inBytes writes a size in words.
func inBytes(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%1e6 == 0:
		return fmt.Sprintf("%d MB", n/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}

// admit checks the sizes in the header against the limits.
func (i imageFormat) admit(data []byte, l ImageLimits) error {
	cfg, err := i.config(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("media: reading the header of a %s image: %w", i.name, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return fmt.Errorf("media: the %s image is %d×%d pixels", i.name, cfg.Width, cfg.Height)
	}
	if pixels := min(l.Pixels, MaxImageMemory/i.bytesPerPixel(cfg, data)); cfg.Width > l.Side || cfg.Height > l.Side || int64(cfg.Width)*int64(cfg.Height) > pixels {
		return fmt.Errorf("media: the %s image is %d×%d pixels, allowed are %d a side and %s in all: %w",
			i.name, cfg.Width, cfg.Height, l.Side, inPixels(pixels), ErrTooLarge)
	}
	if i.name == "WebP" && len(data) > MaxWebPBytes {
		return fmt.Errorf("media: the WebP image has more than %d MiB: %w", MaxWebPBytes>>20, ErrTooLarge)
	}
	if i.name == "JPEG" && bytes.Count(data, []byte{0xff, 0xda}) > maxScans {
		return fmt.Errorf("media: the JPEG image has more than %d scans: %w", maxScans, ErrTooLarge)
	}
	return nil
}

// inPixels writes an area in words.
func inPixels(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d megapixels", n>>20)
	}
	return fmt.Sprintf("%d pixels", n)
}

// bytesPerPixel returns how much memory the decoder takes for a pixel.
func (i imageFormat) bytesPerPixel(cfg image.Config, data []byte) int64 {
	deep := cfg.ColorModel == color.RGBA64Model || cfg.ColorModel == color.NRGBA64Model || cfg.ColorModel == color.Gray16Model
	inks := i.name == "JPEG" && (cfg.ColorModel == color.CMYKModel || cfg.ColorModel == color.RGBAModel)
	progressive := i.name == "JPEG" && bytes.Contains(data, []byte{0xff, 0xc2})
	switch {
	case progressive && inks:
		return 24
	case progressive: // its coefficients are held beside its pixels
		return 16
	case inks, deep:
		return 8
	case i.name == "WebP": // transparency comes as an image of its own; indexed colours are unfolded
		return 8
	}
	return 4
}

// flatten draws an image at an offset on a white canvas, some rows at a time.
func flatten(img image.Image, b image.Rectangle, at image.Point) Frame {
	const band = 64
	f := NewFrame(b.Dx(), b.Dy())
	buf := image.NewRGBA(image.Rect(0, 0, f.W, min(f.H, band)))
	for y := 0; y < f.H; y += band {
		rows := min(band, f.H-y)
		part := buf.SubImage(image.Rect(0, 0, f.W, rows)).(*image.RGBA)
		draw.Draw(part, part.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(part, part.Rect, img, image.Pt(b.Min.X, b.Min.Y+y).Sub(at), draw.Over)
		dst := f.Pix[3*f.W*y:]
		for i := range f.W * rows {
			copy(dst[3*i:3*i+3], part.Pix[4*i:4*i+3])
		}
	}
	return f
}

// upright turns a frame upright that has an Exif orientation of 1 to 8.
func upright(f Frame, orientation int) Frame {
	if orientation <= 1 || orientation > 8 {
		return f
	}
	out := NewFrame(f.W, f.H)
	if orientation >= 5 {
		out.W, out.H = f.H, f.W
	}
	for y := range out.H {
		for x := range out.W {
			sx, sy := x, y
			if orientation >= 5 {
				sx, sy = y, x
			}
			switch orientation {
			case 2, 8:
				sx = f.W - 1 - sx
			case 3, 7:
				sx, sy = f.W-1-sx, f.H-1-sy
			case 4, 6:
				sy = f.H - 1 - sy
			}
			copy(out.Pix[3*(y*out.W+x):][:3], f.Pix[3*(sy*f.W+sx):][:3])
		}
	}
	return out
}
