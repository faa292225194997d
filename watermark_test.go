package kinora

import (
	"image"
	"strings"
	"testing"
)

// TestWatermarkPixels: on every frame the lower right corner has a dark plate
// with bright letters, and nothing else of the frame changes.
func TestWatermarkPixels(t *testing.T) {
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{0, 0}, {640, 360}, {64, 64}, {1080, 1920}} {
		r := Request{Prompt: "x", Seconds: 0.1, FPS: 48, Width: size[0], Height: size[1]}
		plain := allFrames(t, generate(t, m, r))
		r.Watermark = "AI"
		c := generate(t, m, r)
		marked := allFrames(t, c)
		if len(plain) != len(marked) {
			t.Fatalf("%v: %d and %d bytes", size, len(plain), len(marked))
		}
		stride := 4 * c.Width * c.Height
		for n := 0; n < c.FrameCount; n++ {
			changed, bright, dark := image.Rectangle{}, 0, 0
			for at := n * stride; at < (n+1)*stride; at += 4 {
				if string(plain[at:at+4]) == string(marked[at:at+4]) {
					continue
				}
				p := (at - n*stride) / 4
				x, y := p%c.Width, p/c.Width
				changed = changed.Union(image.Rect(x, y, x+1, y+1))
				for i := range 3 {
					switch a, b := int(plain[at+i]), int(marked[at+i]); {
					case b > 200:
						bright++
					case a > 100 && b < a*6/10:
						dark++
					}
				}
			}
			whole := image.Rect(0, 0, c.Width, c.Height)
			if !changed.In(whole) || changed.Min.X < c.Width/2 || changed.Min.Y < c.Height/2 || changed.Dx() < 8 || changed.Dy() < 6 || changed.Dx() > c.Width/3 {
				t.Errorf("%v, frame %d: the mark is at %v", size, n, changed)
			}
			if right, below := c.Width-changed.Max.X, c.Height-changed.Max.Y; right > c.Width/20+3 || below > c.Height/20+3 || right < 1 || below < 1 {
				t.Errorf("%v, frame %d: the mark ends %d and %d pixels before the corner", size, n, right, below)
			}
			if bright < 9 || dark < 30 {
				t.Errorf("%v, frame %d: %d bright and %d darkened values", size, n, bright, dark)
			}
		}
	}
}

// TestWatermarkLoad: latents hold no mark, Load draws the one it is given.
func TestWatermarkLoad(t *testing.T) {
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.1, Width: 96, Height: 72, Watermark: "Kinora"})
	want := allFrames(t, c)
	for mark, same := range map[string]bool{"": false, "Kinora": true} {
		again, err := m.Load(t.Context(), c.LatentsPath(), Request{Width: 96, Height: 72, Watermark: mark})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(allFrames(t, again)) == string(want); got != same {
			t.Errorf("loaded with the mark %q: the same is %v, want %v", mark, got, same)
		}
	}
}

func TestWatermarkRefusals(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("x", MaxWatermarkBytes+1), "65 bytes"},
		{"\xff", "not valid UTF-8"},
		{"人", "has no"},
		{"a\nb", "has no"},
		{strings.Repeat("wide ", 12), "does not fit"},
	} {
		m, e := fakeModel(t)
		_, err := m.Generate(t.Context(), Request{Prompt: "x", Watermark: c.text})
		if KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), c.want) || len(e.jobs) > 0 {
			t.Errorf("%q: %v, want one that says %q", c.text, err, c.want)
		}
	}
	if _, err := newWatermark("ИИ Ñ ©", 256, 160); err != nil {
		t.Error(err)
	}
}
