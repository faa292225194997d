package kinora

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestJoin: a clip and one that goes on from its last frame become one film,
// without the frame that both have.
func TestJoin(t *testing.T) {
	for _, ext := range []string{".webp", ".mp4"} {
		t.Run(ext, func(t *testing.T) {
			if f, _ := FormatOf(ext); CanWrite(f) != nil {
				t.Skip(CanWrite(f))
			}
			dir := t.TempDir()
			m, err := Open(t.Context(), "testcard", WithLatentsDir(filepath.Join(dir, "latents")))
			if err != nil {
				t.Fatal(err)
			}
			c := generate(t, m, Request{Prompt: "x", Seconds: 0.5, Width: 128, Height: 80})
			a, b, all := filepath.Join(dir, "a"+ext), filepath.Join(dir, "b"+ext), filepath.Join(dir, "all"+ext)
			var shown []int
			tap := WithTap([]int{0, 1, 2, 11}, func(i int, _ *image.RGBA) { shown = append(shown, i) })
			if err := errors.Join(c.Save(t.Context(), a), c.Save(t.Context(), b, FromFrame(2), tap)); err != nil {
				t.Fatal(err)
			}
			if len(shown) != 2 || shown[0] != 2 || shown[1] != 11 {
				t.Errorf("frames %v were shown", shown)
			}
			if err := Join(t.Context(), all, a, b); err != nil {
				t.Fatal(err)
			}
			i, err := ProbeVideo(t.Context(), all)
			if err != nil || i.Frames != 22 || i.FPS != 24 || i.Width != 128 || i.Height != 80 {
				t.Errorf("%+v, %v", i, err)
			}
			for _, n := range []int{-1, 12} {
				if err := c.Save(t.Context(), b, FromFrame(n)); KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), "0 to 11") {
					t.Errorf("from frame %d: %v", n, err)
				}
			}
		})
	}
}

func TestJoinRefusals(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.webp")
	if err := os.WriteFile(junk, []byte("RIFF\x04\x00\x00\x00WEBP"), 0o600); err != nil {
		t.Fatal(err)
	}
	good, _ := saved(t, "good.webp")
	for _, c := range []struct {
		to    string
		parts []string
		kind  Kind
		want  string
	}{
		{"x.avi", []string{good}, Invalid, "end it in .mp4 or .webp"},
		{"x.webp", nil, Invalid, "0 films (1 to 100)"},
		{"x.webp", []string{good, junk}, Invalid, "join " + junk},
		{"x.webp", []string{filepath.Join(dir, "none")}, NotFound, "none"},
		{"none/x.webp", []string{good}, Storage, "join films into"},
	} {
		err := Join(t.Context(), filepath.Join(dir, c.to), c.parts...)
		if err == nil || KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "media:") {
			t.Errorf("%s of %q: %v, want one that is %v and says %q", c.to, c.parts, err, c.kind, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Join(ctx, filepath.Join(dir, "x.webp"), good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("KINORA_FFMPEG", "")
	if err := Join(t.Context(), filepath.Join(dir, "x.mp4"), good); KindOf(err) != Unsupported || err == nil || !strings.Contains(err.Error(), "install") {
		t.Errorf("without ffmpeg: %v", err)
	}
	if err := Join(t.Context(), filepath.Join(dir, "x.webp"), good, good); err != nil {
		t.Errorf("WebP without ffmpeg: %v", err)
	}
}

// TestJoinHangs: an ffmpeg that stands still ends a Join that waits and one
// that is cancelled.
func TestJoinHangs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	good, _ := saved(t, "good.webp")
	tool := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+working+"exec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFMPEG", tool)
	out := t.TempDir()
	path := filepath.Join(out, "x.mp4")
	if err := joinFilms(t.Context(), path, []string{good}, 300*time.Millisecond); KindOf(err) != Storage || err == nil || !strings.Contains(err.Error(), "hung") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := Join(ctx, path, good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
