package kinora

import (
	"bytes"
	"image"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// TestTap: the frames that were asked for come once each, in order, as they are
// in the video, and the video is drawn once.
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
	err := c.encode(t.Context(), "out.mp4", MP4, func(media.Options) (encoder, error) { return enc, nil },
		WithTap([]int{0}, func(i int, _ *image.RGBA) { first = append(first, i) }),
		WithTap([]int{47, 3, 3, 0, 48, -1}, func(i int, img *image.RGBA) {
			seen = append(seen, i)
			if img.Rect != image.Rect(0, 0, 64, 48) || !bytes.Equal(img.Pix, frames[i]) {
				t.Errorf("frame %d is not the video's", i)
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
	if err := c.Save(t.Context(), path, WithTap(media.Spread(c.FrameCount, 5), func(_ int, img *image.RGBA) {
		small, err := media.Thumbnail(img, 16)
		if err != nil {
			t.Error(err)
		}
		sheet = append(sheet, small)
	})); err != nil {
		t.Fatal(err)
	}
	if b := media.Spritesheet(sheet, 3).Bounds(); b != image.Rect(0, 0, 48, 24) {
		t.Errorf("the sheet of %d frames is %v", len(sheet), b)
	}
}
