package kinora

import (
	"errors"
	"image"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// TestJoin: a video and one that goes on from its last frame become one video,
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
			if err := media.Join(t.Context(), all, []string{a, b}, media.JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			i, err := media.Inspect(t.Context(), all)
			if err != nil || i.Frames != 22 || i.FPS != 24 || i.W != 128 || i.H != 80 {
				t.Errorf("%+v, %v", i, err)
			}
			for path, has := range map[string]bool{a: true, b: false, all: false} {
				v, err := ReadVideo(t.Context(), path)
				if err != nil || v.Settings != nil != has {
					t.Errorf("%s: settings %+v, %v; are there to be any: %v", filepath.Base(path), v.Settings, err, has)
				}
			}
			for _, n := range []int{-1, 12} {
				if err := c.Save(t.Context(), b, FromFrame(n)); KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), "0 to 11") {
					t.Errorf("from frame %d: %v", n, err)
				}
			}
		})
	}
}
