package kinora

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/image/webp"

	"github.com/kinora-video/kinora/internal/media"
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

// TestTap: the frames that were asked for come once each, in order, as they are
// in the clip, and the clip is drawn once.
func TestTap(t *testing.T) {
	m, _ := fakeModel(t)
	drawn := 0
	c := generate(t, m, Request{Prompt: "x", Seconds: 1, FPS: 48, Seed: 7, Watermark: "AI", Width: 64, Height: 48, Progress: func(p Progress) {
		if p.Phase == Drawing && p.Done > 0 {
			drawn++
		}
	}})
	frames := map[int][]byte{}
	n := 0
	for img, err := range c.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		frames[n] = slices.Clone(img.Pix)
		n++
	}
	drawn = 0
	var first, seen []int
	enc := &fakeEncoder{}
	err := c.encode(t.Context(), "out.mp4", func(media.Options) (encoder, error) { return enc, nil },
		WithTap([]int{0}, func(i int, _ *image.RGBA) { first = append(first, i) }),
		WithTap([]int{47, 3, 3, 0, 48, -1}, func(i int, img *image.RGBA) {
			seen = append(seen, i)
			if img.Rect != image.Rect(0, 0, 64, 48) || !bytes.Equal(img.Pix, frames[i]) {
				t.Errorf("frame %d is not the clip's", i)
			}
		}))
	if err != nil || !slices.Equal(first, []int{0}) || !slices.Equal(seen, []int{0, 3, 47}) {
		t.Errorf("seen were %v and %v, %v", first, seen, err)
	}
	if enc.frames != 48 || drawn != 48 {
		t.Errorf("%d frames written, %d drawn", enc.frames, drawn)
	}
	path := filepath.Join(t.TempDir(), "x.webp")
	var sheet []image.Image
	if err := c.Save(t.Context(), path, WithTap(Spread(c.FrameCount, 5), func(_ int, img *image.RGBA) {
		small, err := Thumbnail(img, 16)
		if err != nil {
			t.Error(err)
		}
		sheet = append(sheet, small)
	})); err != nil {
		t.Fatal(err)
	}
	if b := Spritesheet(sheet, 3).Bounds(); b != image.Rect(0, 0, 48, 24) {
		t.Errorf("the sheet of %d frames is %v", len(sheet), b)
	}
}

// plain is an image of one colour whose corner is not at the origin.
func plain(w, h int, c color.Color) image.Image {
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
		got, err := Thumbnail(plain(c.w, c.h, red), c.side)
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
	if _, err := Thumbnail(image.NewRGBA(image.Rectangle{}), 10); KindOf(err) != Invalid || err == nil {
		t.Errorf("an image without pixels: %v", err)
	}
}

func TestSpritesheet(t *testing.T) {
	red, green, blue := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}
	black := color.RGBA{0, 0, 0, 255}
	sheet := Spritesheet([]image.Image{plain(4, 2, red), plain(4, 2, green), plain(3, 3, blue)}, 2)
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
	if b := Spritesheet([]image.Image{plain(4, 2, red)}, 5).Bounds(); b.Dx() != 4 {
		t.Errorf("of one image in five columns it is %v", b)
	}
}

// TestStillFormats writes an image in each format and reads it again.
func TestStillFormats(t *testing.T) {
	img := plain(20, 10, color.RGBA{200, 100, 50, 255})
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
	if err := EncodePNG(&bytes.Buffer{}, image.NewRGBA(image.Rectangle{})); KindOf(err) != Storage || err == nil {
		t.Errorf("an image without pixels: %v", err)
	}
}
