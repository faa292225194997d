package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// needFFmpeg skips a test where ffmpeg is missing, and fails it where
// KINORA_REQUIRE_FFMPEG=1 says that it must not be.
func needFFmpeg(t *testing.T) {
	t.Helper()
	for _, find := range []func() (string, error){FFmpeg, ffprobe} {
		if _, err := find(); err != nil {
			if os.Getenv("KINORA_REQUIRE_FFMPEG") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%v; KINORA_REQUIRE_FFMPEG=1 makes this a failure", err)
		}
	}
}

// scene is frame i of a small video: smooth colours and a square that moves.
func scene(w, h, i int) Frame {
	f := NewFrame(w, h)
	for y := range h {
		for x := range w {
			p := f.Pix[3*(y*w+x):]
			p[0], p[1], p[2] = byte(40+120*x/w), byte(60+100*y/h), byte(100+3*i)
			if dx, dy := x-4*i, y-h/3; dx >= 0 && dx < 12 && dy >= 0 && dy < 12 {
				p[0], p[1], p[2] = 220, 40, 30
			}
		}
	}
	return f
}

// sameFrame is the least that a frame of scene has in common with what became of
// it in a video, in dB: it comes back at 32 and more, and the frame before or
// after it is at 26 and less.
const sameFrame = 29

// psnr compares two frames, in dB.
func psnr(a, b Frame) float64 {
	var sum float64
	for i, v := range a.Pix {
		d := float64(v) - float64(b.Pix[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix))/max(sum, 1e-9))
}

// onlyFiles checks that a folder holds these files and nothing else.
func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

// fakeFFmpeg makes a shell script take ffmpeg's place. It is not asked which
// encoders work.
func fakeFFmpeg(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+working+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFMPEG", path)
}

// working is the part of a stand-in for ffmpeg that answers what is asked before
// a video: libx264 is there, and works.
const working = `case "$*" in
*-encoders*) echo " V....D libx264 H.264"; exit ;;
*"-frames:v 3 "*) cat >/dev/null; exit ;;
esac
`

func write(t *testing.T, e Encoder, w, h, frames int) {
	t.Helper()
	for i := range frames {
		if err := e.WriteFrame(scene(w, h, i).Pix); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"a.mp4", Options{W: 15, H: 16, FPS: 24}},
		{"a.mp4", Options{W: 16, H: 16, FPS: 0}},
		{"a.mp4", Options{W: 16, H: 16, FPS: math.NaN()}},
		{"a.webp", Options{W: 0, H: 16, FPS: 24}},
		{"a.webp", Options{W: MaxSide + 1, H: 16, FPS: 24}},
		{"a.avi", Options{W: 16, H: 16, FPS: 24}},
		{"a", Options{W: 16, H: 16, FPS: 24}},
		{"missing/a.webp", Options{W: 16, H: 16, FPS: 24}},
	} {
		if e, err := Create(t.Context(), filepath.Join(dir, c.name), c.o); err == nil {
			e.Abort()
			t.Errorf("Create(%s, %+v) succeeded", c.name, c.o)
		}
	}
	onlyFiles(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "d.webp"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), filepath.Join(dir, "d.webp"), Options{W: 16, H: 16, FPS: 24}); err == nil {
		t.Error("a directory was taken for a file")
	}
}

// TestEncoderLife holds both formats to the promises of Encoder.
func TestEncoderLife(t *testing.T) {
	o := Options{W: 32, H: 16, FPS: 24}
	for _, name := range []string{"v.mp4", "v.webp"} {
		t.Run(name, func(t *testing.T) {
			if name == "v.mp4" {
				needFFmpeg(t)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			begin := func(ctx context.Context) Encoder {
				t.Helper()
				e, err := Create(ctx, path, o)
				if err != nil {
					t.Fatal(err)
				}
				return e
			}

			e := begin(t.Context())
			if err := e.Close(); !errors.Is(err, errNoFrames) {
				t.Errorf("closing without frames: %v", err)
			}
			onlyFiles(t, dir)

			e = begin(t.Context())
			write(t, e, 32, 16, 3)
			e.Abort()
			e.Abort()
			if err := e.WriteFrame(NewFrame(32, 16).Pix); !errors.Is(err, errAborted) {
				t.Errorf("a frame after Abort: %v", err)
			}
			if err := e.Close(); !errors.Is(err, errAborted) {
				t.Errorf("Close after Abort: %v", err)
			}
			onlyFiles(t, dir)

			ctx, cancel := context.WithCancel(t.Context())
			e = begin(ctx)
			write(t, e, 32, 16, 3)
			cancel()
			if err := e.Close(); !errors.Is(err, context.Canceled) {
				t.Errorf("Close after the context's end: %v", err)
			}
			onlyFiles(t, dir)

			e = begin(t.Context())
			if err := e.WriteFrame(make([]byte, 7)); err == nil {
				t.Error("a frame of another size was taken")
			}
			write(t, e, 32, 16, 3)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e.Abort()
			if err := e.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if err := e.WriteFrame(NewFrame(32, 16).Pix); !errors.Is(err, errClosed) {
				t.Errorf("a frame after Close: %v", err)
			}
			onlyFiles(t, dir, name)
		})
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\nc\td": "ab c d",
		"é\xffè":       "éè",
		"猫と犬":          "猫と",
	} {
		if got := clean(in, 8); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
