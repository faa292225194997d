package kinora

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kinora-video/kinora/internal/media"
)

func TestDecodeImage(t *testing.T) {
	img := plainImage(60, 20, image.White.C)
	files := map[string]*bytes.Buffer{"png": {}, "jpeg": {}, "webp": {}, "gif": {}}
	if err := errors.Join(media.EncodePNG(files["png"], img), media.EncodeJPEG(files["jpeg"], img), media.EncodeWebP(files["webp"], img), gif.Encode(files["gif"], img, nil)); err != nil {
		t.Fatal(err)
	}
	for format, b := range files {
		data := b.Bytes()
		got, info, err := DecodeImage(bytes.NewReader(data), ImageLimits{})
		if err != nil || info != (ImageInfo{format, 60, 20, false}) || got.Bounds() != image.Rect(0, 0, 60, 20) {
			t.Errorf("%s: %+v, %v", format, info, err)
		}
		for _, c := range []struct {
			l    ImageLimits
			want string
		}{
			{ImageLimits{Bytes: int64(len(data)) - 1}, "the image file has more than"},
			{ImageLimits{Side: 59}, "59 a side"},
			{ImageLimits{Pixels: 1199}, "1199 pixels"},
		} {
			_, _, err := DecodeImage(bytes.NewReader(data), c.l)
			if KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "media") {
				t.Errorf("%s within %+v: %v, want one that says %q", format, c.l, err, c.want)
			}
		}
		if _, _, err := DecodeImage(bytes.NewReader(data[:len(data)/2]), ImageLimits{}); KindOf(err) != Invalid || err == nil {
			t.Errorf("half a %s: %v", format, err)
		}
	}
	for _, data := range []string{"", "<svg/>", "BM"} {
		if _, _, err := DecodeImage(strings.NewReader(data), ImageLimits{}); KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), "not a PNG") {
			t.Errorf("%q: %v", data, err)
		}
	}
	if _, _, err := DecodeImage(iotest.ErrReader(errors.New("the line is cut")), ImageLimits{}); KindOf(err) != Storage || !strings.Contains(err.Error(), "the line is cut") {
		t.Errorf("a reader that fails: %v", err)
	}
}

func FuzzDecodeImageLimits(f *testing.F) {
	var b bytes.Buffer
	if err := media.EncodePNG(&b, plainImage(9, 7, image.Black.C)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), int64(1000), 9, int64(63))
	f.Fuzz(func(t *testing.T, data []byte, size int64, side int, pixels int64) {
		l := ImageLimits{Bytes: size, Side: side, Pixels: pixels}
		if pixels <= 0 || pixels > 1<<20 {
			l.Pixels = 1 << 20 // more is allowed, and slow
		}
		img, info, err := DecodeImage(bytes.NewReader(data), l)
		if err != nil {
			return
		}
		w, h := img.Bounds().Dx(), img.Bounds().Dy()
		if w != info.Width || h != info.Height || side > 0 && max(w, h) > side || int64(w)*int64(h) > l.Pixels || size > 0 && int64(len(data)) > size {
			t.Errorf("%d bytes of %d×%d got through %+v", len(data), w, h, l)
		}
	})
}

// plainImage is an image of one colour whose corner is not at the origin.
func plainImage(w, h int, c color.Color) image.Image {
	img := image.NewRGBA(image.Rect(3, 5, 3+w, 5+h))
	draw.Draw(img, img.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return img
}

// saved writes a video of the test card.
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
			i, err := ProbeVideo(t.Context(), path)
			if err != nil || i.Width != 128 || i.Height != 80 || i.Frames != 12 || math.Abs(i.FPS-24) > 1e-6 || math.Abs(i.Seconds-0.5) > 1e-6 || i.HasAudio != (name == "x.mp4") {
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

func TestVideoRefusals(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.webp")
	if err := os.WriteFile(junk, []byte("RIFF\x04\x00\x00\x00WEBP"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.mp4")
	if err := os.WriteFile(text, []byte("#EXTM3U\nfile:///etc/passwd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := map[string]func(context.Context, string) error{
		"probe": func(ctx context.Context, path string) error { _, err := ProbeVideo(ctx, path); return err },
	}
	for name, f := range read {
		if err := f(t.Context(), filepath.Join(dir, "none")); KindOf(err) != NotFound {
			t.Errorf("%s: no file: %v", name, err)
		}
		if err := f(t.Context(), junk); KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), junk) {
			t.Errorf("%s: junk: %v", name, err)
		}
		if CanWrite(MP4) == nil {
			if err := f(t.Context(), text); KindOf(err) != Invalid || err == nil {
				t.Errorf("%s: a playlist: %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f(ctx, text); CanWrite(MP4) == nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", name, err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("KINORA_FFMPEG", "")
	for name, f := range read {
		if err := f(t.Context(), text); KindOf(err) != Unsupported || !strings.Contains(err.Error(), "install") {
			t.Errorf("%s: without ffmpeg: %v", name, err)
		}
	}
}
