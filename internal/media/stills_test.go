package media

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	"golang.org/x/image/webp"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		frames, n int
		want      []int
	}{
		{144, 4, []int{0, 47, 95, 143}},
		{5, 5, []int{0, 1, 2, 3, 4}},
		{3, 25, []int{0, 1, 2}},
		{9, 1, []int{0}},
		{9, 0, nil},
		{0, 4, nil},
	} {
		if got := Spread(c.frames, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d frames are %v, want %v", c.n, c.frames, got, c.want)
		}
	}
}

// plainImage is an image of one colour whose corner is not at the origin.
func plainImage(w, h int, c color.Color) image.Image {
	img := image.NewRGBA(image.Rect(3, 5, 3+w, 5+h))
	for y := range h {
		for x := range w {
			img.Set(3+x, 5+y, c)
		}
	}
	return img
}

func TestThumbnail(t *testing.T) {
	red := color.RGBA{200, 10, 20, 255}
	for _, c := range []struct{ w, h, side, tw, th int }{
		{640, 360, 320, 320, 180},
		{360, 640, 320, 180, 320},
		{100, 50, 320, 100, 50},
		{3000, 2, 100, 100, 1},
		{33, 33, 32, 32, 32},
	} {
		got, err := Thumbnail(plainImage(c.w, c.h, red), c.side)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rect != image.Rect(0, 0, c.tw, c.th) {
			t.Errorf("%d×%d within %d is %v", c.w, c.h, c.side, got.Rect)
		}
		if got.RGBAAt(c.tw-1, c.th-1) != red {
			t.Errorf("the corner is %v", got.RGBAAt(c.tw-1, c.th-1))
		}
	}
	if _, err := Thumbnail(image.NewRGBA(image.Rectangle{}), 10); err == nil {
		t.Errorf("an image without pixels: %v", err)
	}
}

func TestSpritesheet(t *testing.T) {
	red, green, blue := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}
	black := color.RGBA{0, 0, 0, 255}
	sheet := Spritesheet([]image.Image{plainImage(4, 2, red), plainImage(4, 2, green), plainImage(3, 3, blue)}, 2)
	if sheet.Bounds() != image.Rect(0, 0, 8, 6) {
		t.Fatalf("it is %v", sheet.Bounds())
	}
	for p, want := range map[image.Point]color.RGBA{{0, 0}: red, {3, 1}: red, {4, 0}: green, {7, 1}: green, {0, 2}: black, {0, 3}: blue, {2, 5}: blue, {3, 5}: black, {7, 5}: black} {
		if got := sheet.At(p.X, p.Y); got != color.Color(want) {
			t.Errorf("at %v is %v, want %v", p, got, want)
		}
	}
	if b := Spritesheet(nil, 5).Bounds(); !b.Empty() {
		t.Errorf("of no images it is %v", b)
	}
	if b := Spritesheet([]image.Image{plainImage(4, 2, red)}, 5).Bounds(); b.Dx() != 4 {
		t.Errorf("of one image in five columns it is %v", b)
	}
}

// TestStillFormats writes an image in each format and reads it again.
func TestStillFormats(t *testing.T) {
	img := plainImage(20, 10, color.RGBA{200, 100, 50, 255})
	var j, p, w bytes.Buffer
	if err := errors.Join(EncodeJPEG(&j, img), EncodePNG(&p, img), EncodeWebP(&w, img)); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (image.Image, error){
		"JPEG": func() (image.Image, error) { return jpeg.Decode(&j) },
		"PNG":  func() (image.Image, error) { return png.Decode(&p) },
		"WebP": func() (image.Image, error) { return webp.Decode(&w) },
	} {
		got, err := read()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := color.RGBAModel.Convert(got.At(got.Bounds().Min.X+10, got.Bounds().Min.Y+5)).(color.RGBA)
		if got.Bounds().Dx() != 20 || max(c.R, 200)-min(c.R, 200) > 3 || max(c.G, 100)-min(c.G, 100) > 3 || max(c.B, 50)-min(c.B, 50) > 3 {
			t.Errorf("%s came back as %v of %v", name, got.Bounds(), c)
		}
	}
	if err := EncodePNG(&bytes.Buffer{}, image.NewRGBA(image.Rectangle{})); err == nil {
		t.Errorf("an image without pixels: %v", err)
	}
}
