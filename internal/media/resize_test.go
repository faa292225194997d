package media

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

func noise(w, h int) Frame {
	r := rand.New(rand.NewPCG(1, uint64(w*h)))
	f := NewFrame(w, h)
	for i := range f.Pix {
		f.Pix[i] = byte(r.Uint32())
	}
	return f
}

func resized(t testing.TB, filter Filter, f Frame, w, h int) Frame {
	t.Helper()
	r, err := NewResizer(filter, f.W, f.H, w, h)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Resize(f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var sizes = [][4]int{{16, 16, 16, 16}, {1, 1, 9, 5}, {9, 5, 1, 1}, {37, 21, 64, 40}, {64, 40, 37, 21}, {200, 3, 7, 90}, {2, 2, 3, 3}}

// TestResizeKeepsFlatPictures checks that weights add up to one everywhere.
func TestResizeKeepsFlatPictures(t *testing.T) {
	for _, filter := range []Filter{Bicubic, Area, Lanczos} {
		for _, s := range sizes {
			for _, v := range []byte{0, 1, 127, 255} {
				f := NewFrame(s[0], s[1])
				for i := range f.Pix {
					f.Pix[i] = v
				}
				for i, got := range resized(t, filter, f, s[2], s[3]).Pix {
					if got != v {
						t.Fatalf("filter %d, %v: value %d is %d, want %d", filter, s, i, got, v)
					}
				}
			}
		}
	}
}

// refResize is the specification: both axes in floating point, with the weights
// of the filter's formula, over all pixels.
func refResize(filter Filter, f Frame, w, h int) []float64 {
	_, at := filter.kernel()
	weight := func(src, dst, i, x int) float64 {
		scale := float64(src) / float64(dst)
		centre := (float64(i) + 0.5) * scale
		if filter == Area {
			r := max(scale, 1) / 2
			return max(0, min(float64(x+1), centre+r)-max(float64(x), centre-r))
		}
		radius, _ := filter.kernel()
		d := (float64(x) + 0.5 - centre) / max(scale, 1)
		if math.Abs(d) >= radius {
			return 0
		}
		return at(d)
	}
	out := make([]float64, 3*w*h)
	for y := range h {
		for x := range w {
			var sum float64
			p := out[3*(y*w+x):][:3]
			for sy := range f.H {
				wy := weight(f.H, h, y, sy)
				if wy == 0 {
					continue
				}
				for sx := range f.W {
					v := wy * weight(f.W, w, x, sx)
					sum += v
					for c := range p {
						p[c] += v * float64(f.Pix[3*(sy*f.W+sx)+c])
					}
				}
			}
			for c := range p {
				p[c] /= sum
			}
		}
	}
	return out
}

func TestResizeMatchesReference(t *testing.T) {
	for _, filter := range []Filter{Bicubic, Area, Lanczos} {
		for _, s := range sizes {
			f := noise(s[0], s[1])
			want := refResize(filter, f, s[2], s[3])
			for i, got := range resized(t, filter, f, s[2], s[3]).Pix {
				if d := math.Abs(float64(got) - min(max(want[i], 0), 255)); d > 0.75 {
					t.Fatalf("filter %d, %v: value %d is %d, want %.2f", filter, s, i, got, want[i])
				}
			}
		}
	}
}

func TestResizeKeepsTheSameSize(t *testing.T) {
	f := noise(33, 17)
	for _, filter := range []Filter{Bicubic, Area, Lanczos} {
		if got := resized(t, filter, f, 33, 17); !bytes.Equal(got.Pix, f.Pix) {
			t.Errorf("filter %d changed a frame that kept its size", filter)
		}
	}
}

func TestResizeThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	f := noise(64, 40)
	simd.SetThreads(1)
	one := resized(t, Lanczos, f, 320, 200)
	simd.SetThreads(5)
	if five := resized(t, Lanczos, f, 320, 200); !bytes.Equal(one.Pix, five.Pix) {
		t.Error("the frame depends on the number of threads")
	}
}

func TestResizeRefuses(t *testing.T) {
	for _, s := range [][4]int{{0, 1, 1, 1}, {1, 1, 1, -1}, {1, 1, MaxSide + 1, 1}} {
		if _, err := NewResizer(Bicubic, s[0], s[1], s[2], s[3]); err == nil {
			t.Errorf("%v was taken", s)
		}
	}
	r, err := NewResizer(Bicubic, 4, 4, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Frame{{}, NewFrame(4, 5), {4, 4, make([]byte, 5)}} {
		if _, err := r.Resize(f); err == nil {
			t.Errorf("a frame of %d×%d with %d bytes was taken", f.W, f.H, len(f.Pix))
		}
		if _, err := Fit(f, 0, 5); err == nil {
			t.Error("Fit to nothing succeeded")
		}
	}
}

// TestFit draws a white square in the middle of black bars, on the sides or
// above and below: a square fitted to it has no bars.
func TestFit(t *testing.T) {
	for _, s := range [][4]int{{90, 30, 30, 30}, {30, 90, 30, 30}, {300, 100, 20, 20}, {30, 90, 60, 60}, {1, 1, 5, 3}} {
		f := NewFrame(s[0], s[1])
		side := min(s[0], s[1])
		for y := range side {
			for x := range side {
				copy(f.Pix[3*((y+(s[1]-side)/2)*s[0]+x+(s[0]-side)/2):], []byte{255, 255, 255})
			}
		}
		got, err := Fit(f, s[2], s[3])
		if err != nil || got.W != s[2] || got.H != s[3] {
			t.Fatalf("%v: %d×%d, %v", s, got.W, got.H, err)
		}
		if bytes.Count(got.Pix, []byte{255}) != len(got.Pix) {
			t.Errorf("%v: bars are left", s)
		}
	}
	f := noise(64, 40)
	if got, err := Fit(f, 64, 40); err != nil || !bytes.Equal(got.Pix, f.Pix) {
		t.Errorf("a frame that fits was changed: %v", err)
	}
}

func BenchmarkResize(b *testing.B) {
	for name, filter := range map[string]Filter{"bicubic": Bicubic, "lanczos": Lanczos} {
		b.Run(fmt.Sprintf("%s/256x160-1280x800", name), func(b *testing.B) {
			f := noise(256, 160)
			r, err := NewResizer(filter, 256, 160, 1280, 800)
			if err != nil {
				b.Fatal(err)
			}
			dst := NewFrame(1280, 800)
			for b.Loop() {
				if err := r.ResizeInto(dst, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
