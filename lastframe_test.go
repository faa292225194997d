package kinora

import (
	"bytes"
	"image"
	"math"
	"path/filepath"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// saved writes a clip of the test card.
func saved(t *testing.T, name string) (string, []byte) {
	t.Helper()
	dir := t.TempDir()
	m, err := Open(t.Context(), "testcard", WithLatentsDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.5, Width: 128, Height: 80})
	path := filepath.Join(dir, name)
	var last []byte
	if err := c.Save(t.Context(), path, WithTap([]int{c.FrameCount - 1}, func(_ int, img *image.RGBA) { last = bytes.Clone(img.Pix) })); err != nil {
		t.Fatal(err)
	}
	return path, last
}

// TestLastFrame: what Save wrote is told of, and its end is the next beginning.
func TestLastFrame(t *testing.T) {
	for name, off := range map[string]float64{"x.webp": 0, "x.mp4": 6} {
		t.Run(name, func(t *testing.T) {
			if f, _ := FormatOf(name); CanWrite(f) != nil {
				t.Skip(CanWrite(f))
			}
			path, want := saved(t, name)
			i, err := media.Inspect(t.Context(), path)
			if err != nil || i.W != 128 || i.H != 80 || i.Frames != 12 || math.Abs(i.FPS-24) > 1e-6 || math.Abs(i.Duration.Seconds()-0.5) > 1e-6 || i.Audio != (name == "x.mp4") {
				t.Errorf("%+v, %v", i, err)
			}
			got, err := media.LastFrame(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			img, sum := got.Image(), 0.0
			for p := range 128 * 80 {
				for k := range 3 {
					sum += math.Abs(float64(got.Pix[3*p+k]) - float64(want[4*p+k]))
				}
			}
			if mean := sum / float64(len(got.Pix)); mean > off {
				t.Errorf("the last frame is off by %.1f on average", mean)
			}
			m, e := fakeModel(t)
			if generate(t, m, Request{Image: img, Seconds: 0.1}); len(e.jobs[0].First) == 0 {
				t.Error("it does not make a first frame")
			}
		})
	}
}
