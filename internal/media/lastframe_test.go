package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// webpOf writes an animated WebP of a video of the scene.
func webpOf(t testing.TB, w, h, frames int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "video.webp")
	e, err := Create(t.Context(), path, Options{W: w, H: h, FPS: 24, Meta: Meta{Prompt: "p", Model: "m"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		if err := e.WriteFrame(scene(w, h, i).Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInspectWebP(t *testing.T) {
	i, err := Inspect(t.Context(), webpOf(t, 40, 24, 12))
	if err != nil {
		t.Fatal(err)
	}
	if i.W != 40 || i.H != 24 || i.Frames != 12 || i.FPS != 24 || i.Duration != 500*time.Millisecond || i.Audio {
		t.Errorf("%+v", i)
	}
}

// TestLastFrameWebP: lossless, so the picture is the very one. Boxes that hold
// only what changed leave the rest to frames before them.
func TestLastFrameWebP(t *testing.T) {
	for _, frames := range []int{1, 2, 9} {
		got, err := LastFrame(t.Context(), webpOf(t, 40, 24, frames))
		if err != nil {
			t.Fatal(err)
		}
		if want := scene(40, 24, frames-1); got.W != 40 || got.H != 24 || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("the last of %d frames is another picture", frames)
		}
	}
	// Frames that change only a corner, one pixel, and nothing.
	path := filepath.Join(t.TempDir(), "still.webp")
	e, err := Create(t.Context(), path, Options{W: 32, H: 16, FPS: 10})
	if err != nil {
		t.Fatal(err)
	}
	f := scene(32, 16, 0)
	for _, pixel := range []int{0, 5, 32*16 - 1, 32*16 - 1} {
		f.Pix[3*pixel] = 9
		if err := e.WriteFrame(f.Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := LastFrame(t.Context(), path); err != nil || !bytes.Equal(got.Pix, f.Pix) {
		t.Errorf("parts of a still picture do not come together: %v", err)
	}
}

func TestLastFrameMP4(t *testing.T) {
	for _, frames := range []int{1, 24, 80} {
		path := mp4Of(t, 96, 64, frames)
		i, err := Inspect(t.Context(), path)
		if err != nil || i.Frames != frames || i.Audio || i.FPS != 24 {
			t.Errorf("%d frames: %+v, %v", frames, i, err)
		}
		got, err := LastFrame(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if d := psnr(got, scene(96, 64, frames-1)); d < sameFrame {
			t.Errorf("the last of %d frames came back at %.1f dB", frames, d)
		}
	}
}

// TestLastFrameHostile feeds what is no video, or lies about itself.
func TestLastFrameHostile(t *testing.T) {
	good, err := os.ReadFile(webpOf(t, 40, 24, 1))
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(good, []byte("ANMF"))
	change := func(at int, b ...byte) []byte {
		out := slices.Clone(good)
		copy(out[at:], b)
		return out
	}
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, ""},
		{"text", []byte(strings.Repeat("not a video\n", 99)), ""},
		{"cut", good[:len(good)-9], "cut off"},
		{"no frames", good[:frame], "no frames"},
		{"a huge canvas", change(24, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "too large"},
		{"a small canvas", change(24, 3, 0, 0, 3, 0, 0), "outside"},
		{"a frame far out", change(frame+8, 0xff, 0xff, 0xff), "outside"},
		{"a frame of another size", change(frame+8+6, 7, 0, 0), "decoding a WebP frame"},
		{"a broken picture", change(frame+8+16+12, 0xff, 0xff, 0xff, 0xff, 0xff), ""},
		{"a canvas twice", webpFile(canvas(0), canvas(0)), "header is damaged"},
		{"a frame before the canvas", webpFile([2]string{"ANMF", string(make([]byte, 24))}), "frame is damaged"},
	} {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LastFrame(t.Context(), path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.want)
		}
	}
	if _, err := LastFrame(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Inspect(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := LastFrame(ctx, webpOf(t, 40, 24, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestScanWebPEnds: a file of the smallest parts is not walked over for long.
func TestScanWebPEnds(t *testing.T) {
	var b bytes.Buffer
	b.Write(webpFile(canvas(0)))
	for range maxWebPChunks + 1 {
		b.WriteString("junk\x00\x00\x00\x00")
	}
	_, err := scanWebP(t.Context(), "x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func FuzzScanWebP(f *testing.F) {
	good, err := os.ReadFile(webpOf(f, 16, 16, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(webpFile(canvas(1), [2]string{"ANMF", string(make([]byte, 24))}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 12 || len(data) > 1<<16 {
			return
		}
		video, err := scanWebP(t.Context(), "x", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if video.w*video.h > 1<<20 {
			return // allowed, and slow to fill
		}
		if pic, err := video.last(t.Context()); err == nil && (pic.W != video.w || pic.H != video.h || pic.valid() != nil) {
			t.Errorf("a canvas of %d×%d gave a picture of %d×%d", video.w, video.h, pic.W, pic.H)
		}
	})
}

// TestCanvasSize reads sizes of three bytes, less one.
func TestCanvasSize(t *testing.T) {
	head := (&webpVideo{o: Options{W: 4096, H: 258}}).header(100)
	f := &webpInput{r: bytes.NewReader(head), path: "x"}
	if err := f.canvas(20, int64(binary.LittleEndian.Uint32(head[16:]))); err != nil || f.w != 4096 || f.h != 258 {
		t.Errorf("%d×%d, %v", f.w, f.h, err)
	}
}
