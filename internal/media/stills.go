package media

import (
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/HugoSmits86/nativewebp"
)

// stillQuality is the quality of JPEGs, from 1 to 100.
const stillQuality = 90

// EncodeJPEG writes an image as JPEG.
func EncodeJPEG(w io.Writer, img image.Image) error {
	return unwritten("JPEG", jpeg.Encode(w, img, &jpeg.Options{Quality: stillQuality}))
}

// EncodePNG writes an image as PNG.
func EncodePNG(w io.Writer, img image.Image) error {
	return unwritten("PNG", png.Encode(w, img))
}

// EncodeWebP writes an image as lossless WebP.
func EncodeWebP(w io.Writer, img image.Image) error {
	return unwritten("WebP", nativewebp.Encode(w, img, nil))
}

func unwritten(format string, err error) error {
	if err != nil {
		return fmt.Errorf("media: writing an image as %s: %w", format, err)
	}
	return nil
}

// FromImage makes a frame of an image. Transparent parts become white.
func FromImage(img image.Image) Frame { return flatten(img, img.Bounds(), image.Point{}) }

// Spread returns the numbers of n evenly spaced frames of a video, the first and the
// last included. It returns all frames if there are at most n, and the first if n is
// 1.
func Spread(frames, n int) []int {
	n = min(n, frames)
	if n < 1 {
		return nil
	}
	at := make([]int, n)
	for i := 1; i < n; i++ {
		at[i] = i * (frames - 1) / (n - 1)
	}
	return at
}

// Thumbnail returns a copy of an image whose longer side has at most side pixels. A
// larger image is scaled down (Catmull-Rom), and its transparent parts become
// white.
func Thumbnail(img image.Image, side int) (*image.RGBA, error) {
	from := FromImage(img)
	w, h := from.W, from.H
	if longer := max(w, h); longer > side {
		w, h = max(1, (w*side+longer/2)/longer), max(1, (h*side+longer/2)/longer)
	}
	r, err := NewResizer(Bicubic, from.W, from.H, w, h)
	if err != nil {
		return nil, err
	}
	to := NewFrame(w, h)
	if err := r.ResizeInto(to, from); err != nil {
		return nil, err
	}
	out := black(w, h)
	for i := range w * h {
		copy(out.Pix[4*i:4*i+3], to.Pix[3*i:3*i+3])
	}
	return out, nil
}

// black is an opaque black image.
func black(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Rect, image.Black, image.Point{}, draw.Src)
	return img
}

// Spritesheet arranges images row by row, in columns, on black. All cells are as large
// as the largest image, and each image lies in the upper left corner of its cell.
// Without images, or with less than one column, the result has no pixels.
func Spritesheet(images []image.Image, columns int) image.Image {
	columns = min(columns, len(images))
	if columns < 1 {
		return image.NewRGBA(image.Rectangle{})
	}
	var cell image.Point
	for _, img := range images {
		size := img.Bounds().Size()
		cell = image.Pt(max(cell.X, size.X), max(cell.Y, size.Y))
	}
	rows := (len(images) + columns - 1) / columns
	sheet := black(columns*cell.X, rows*cell.Y)
	for i, img := range images {
		at := image.Pt(i%columns*cell.X, i/columns*cell.Y)
		draw.Draw(sheet, image.Rectangle{Min: at, Max: at.Add(img.Bounds().Size())}, img, img.Bounds().Min, draw.Over)
	}
	return sheet
}
