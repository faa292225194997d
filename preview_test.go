package kinora

import (
	"bytes"
	"image"
	"testing"
	"testing/synctest"
	"time"
)

// TestReelPreview: with two seconds between steps every step has a preview, and
// the video is the one that comes without.
func TestReelPreview(t *testing.T) {
	m := tinyReel(t)
	r := Request{Prompt: "a red ball", Seconds: 1, Seed: 3, Steps: 3}
	want := allFrames(t, generate(t, m, r))
	synctest.Test(t, func(t *testing.T) {
		var seen []image.Image
		steps := 0
		r.Progress = func(p Progress) {
			if p.Phase == Sampling {
				steps++
				time.Sleep(2 * time.Second)
			}
		}
		r.Preview = func(img image.Image) { seen = append(seen, img) }
		got := allFrames(t, generate(t, m, r))
		if !bytes.Equal(got, want) {
			t.Error("with previews the video is another one")
		}
		if len(seen) != steps-1 || steps < 3 {
			t.Errorf("%d previews in %d steps", len(seen), steps)
		}
		for i, img := range seen {
			if b := img.Bounds(); b.Dx() != 64 || b.Dy() != 32 {
				t.Errorf("preview %d is %v", i, b)
			}
			if i > 0 && bytes.Equal(img.(*image.RGBA).Pix, seen[i-1].(*image.RGBA).Pix) {
				t.Errorf("preview %d is the one before", i)
			}
		}
	})
}

// TestCardPreview: the test card shows its first frame once, with the mark.
func TestCardPreview(t *testing.T) {
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"", "AI"} {
		var seen []image.Image
		c := generate(t, m, Request{Prompt: "x", Seconds: 0.1, Watermark: mark, Preview: func(img image.Image) { seen = append(seen, img) }})
		if len(seen) != 1 {
			t.Fatalf("%d previews", len(seen))
		}
		for first, err := range c.Frames(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(seen[0].(*image.RGBA).Pix, first.Pix) {
				t.Errorf("mark %q: the preview is not the first frame", mark)
			}
			break
		}
	}
}
