package upscale

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

func open(t *testing.T, data []byte) *Net {
	t.Helper()
	n, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// levels runs f once for every kernel set the CPU has.
func levels(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v was listed but cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// picture is a frame of RGB bytes with edges and noise.
func picture(w, h int) []byte {
	rgb := make([]byte, 0, 3*w*h)
	for y := range h {
		for x := range w {
			v := byte(7*x + 3*y + x*y%13)
			if (x/5+y/4)%3 == 0 {
				v = 255 - v
			}
			rgb = append(rgb, v, byte(x*11), byte(y*17)^v)
		}
	}
	return rgb
}

// TestGolden holds the network to what PyTorch made of a picture.
func TestGolden(t *testing.T) {
	f, err := safetensors.Open(filepath.Join("testdata", "golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rgb, err := f.Bytes("rgb")
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Info("rgb")
	h, w := info.Shape[0], info.Shape[1]
	levels(t, func(t *testing.T) {
		by4 := open(t, General()) // anew, as what is packed belongs to a level
		by2, err := by4.Reduced(2)
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]*Net{"by4": by4, "by2": by2} {
			want, shape, err := f.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				b     tensor.Backend
				limit float64
			}{{backend.Exact(), 1e-5}, {backend.New(), 0.02}} {
				y := n.Forward(tt.b, tt.b.Upload(pixels(rgb), 1, 1, h, w, 3))
				if y.Dim(2) != shape[0] || y.Dim(3) != shape[1] {
					t.Fatalf("%s: %v, want %v", name, y.Shape, shape)
				}
				d := distance(tensor.Values(tt.b, y), want)
				t.Logf("%s, %v: relative L2 %.2g", name, tt.b.Precision(), d)
				if !(d <= tt.limit) {
					t.Errorf("%s, %v: off by %.3g, limit %g", name, tt.b.Precision(), d, tt.limit)
				}
			}
		}
	})
}

// pixels are bytes as numbers in [0, 1].
func pixels(rgb []byte) []float32 {
	x := make([]float32, len(rgb))
	for i, v := range rgb {
		x[i] = float32(v) / 255
	}
	return x
}

func distance(got, want []float32) float64 {
	var d, w float64
	for i, v := range want {
		e := float64(got[i]) - float64(v)
		d += e * e
		w += float64(v) * float64(v)
	}
	return math.Sqrt(d / w)
}

// small is an untrained network whose slopes and biases differ.
func small(t *testing.T, c Config) *Net {
	t.Helper()
	n, err := New(c, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range n.Params.Names() {
		p := n.Params.Get(name)
		if len(p.Shape) == 1 {
			for i := range p.Data() {
				p.Data()[i] += float32(i%5)/10 - 0.2
			}
		}
	}
	return n
}

// TestBandsGiveTheWhole: a frame in bands of few rows, in one band, and by
// Forward has the same bytes, for one thread and two.
func TestBandsGiveTheWhole(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	levels(t, func(t *testing.T) {
		for _, c := range []Config{{Factor: 2, Patch: 1, Width: 5, Depth: 3}, {Factor: 4, Patch: 1, Width: 8, Depth: 2}, {Factor: 2, Patch: 2, Width: 6, Depth: 4}} {
			n, frozen := small(t, c), small(t, c) // packed for each use, and once
			frozen.Params.Freeze()
			for _, size := range [][2]int{{16, 40}, {70, 22}, {6, 2}, {2, 62}, {130, 18}} {
				w, h := size[0], size[1]
				rgb := picture(w, h)
				for _, mk := range []func() tensor.Backend{func() tensor.Backend { return backend.Exact() }, backend.New} {
					want := whole(mk(), n, rgb, w, h)
					for _, patches := range []int{1, 4 * w, 1 << 20} {
						for _, threads := range []int{1, 2} {
							simd.SetThreads(threads)
							r, err := frozen.runner(mk(), w, h, patches)
							if err != nil {
								t.Fatal(err)
							}
							got := make([]byte, len(want))
							for range 2 { // what a frame leaves behind is no part of the next
								if err := r.Frame(got, rgb); err != nil {
									t.Fatal(err)
								}
								if !bytes.Equal(got, want) {
									t.Fatalf("%+v, %d×%d, %v, bands of %d rows, %d threads: other bytes than the whole", c, w, h, r.b.Precision(), r.band, threads)
								}
							}
						}
					}
				}
			}
		}
	})
}

func whole(b tensor.Backend, n *Net, rgb []byte, w, h int) []byte {
	var out []byte
	for _, v := range tensor.Values(b, n.Forward(b, b.Upload(pixels(rgb), 1, 1, h, w, 3))) {
		out = append(out, byte(max(0, min(255, v*255+0.5))))
	}
	return out
}

// TestOpaque: a backend whose memory nobody sees gives the bytes of the processor,
// from the frame as a whole and in bands, and holds no more after many frames.
func TestOpaque(t *testing.T) {
	frozen := small(t, Config{Factor: 2, Patch: 2, Width: 6, Depth: 3})
	frozen.Params.Freeze()
	for _, n := range []*Net{open(t, Storybook()), frozen} {
		const w, h = 22, 30
		rgb := picture(w, h)
		want := whole(backend.New(), n, rgb, w, h)
		for _, patches := range []int{1, 1 << 20} {
			o := tensortest.NewOpaque(backend.New())
			r, err := n.runner(o, w, h, patches)
			if err != nil {
				t.Fatal(err)
			}
			got, held := make([]byte, len(want)), 0
			for i := range 3 {
				if err := r.Frame(got, rgb); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%+v in bands of %d rows: other bytes", n.Config, r.band)
				}
				if i > 0 && o.Held() != held {
					t.Errorf("%+v: %d tensors are held after frame %d, %d before", n.Config, o.Held(), i, held)
				}
				held = o.Held()
			}
		}
	}
}

// TestOddSizes: what does not fill a patch is as if the edge went on.
func TestOddSizes(t *testing.T) {
	n := small(t, Config{Factor: 2, Patch: 4, Width: 6, Depth: 3})
	for _, size := range [][2]int{{13, 9}, {1, 1}, {4, 3}} {
		w, h := size[0], size[1]
		fw, fh := (w+3)/4*4, (h+3)/4*4
		rgb := picture(w, h)
		var full []byte
		for y := range fh {
			for x := range fw {
				full = append(full, rgb[3*(min(y, h-1)*w+min(x, w-1)):][:3]...)
			}
		}
		all := whole(backend.New(), n, full, fw, fh)
		var want []byte
		for y := range 2 * h {
			want = append(want, all[3*2*fw*y:][:3*2*w]...)
		}
		r, err := n.NewRunner(w, h)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if err := r.Frame(got, rgb); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d×%d differs from the frame filled up to %d×%d", w, h, fw, fh)
		}
	}
}

// TestReducedIsTheMean: the reduced network gives the means of the pixels that
// the network gives, also where it works on patches.
func TestReducedIsTheMean(t *testing.T) {
	for _, patch := range []int{1, 2} {
		n := small(t, Config{Factor: 6, Patch: patch, Width: 5, Depth: 3})
		half, err := n.Reduced(3)
		if err != nil {
			t.Fatal(err)
		}
		b := backend.Exact()
		x := b.Upload(pixels(picture(8, 6)), 1, 1, 6, 8, 3)
		big, got := tensor.Values(b, n.Forward(b, x)), tensor.Values(b, half.Forward(b, x))
		want := make([]float32, len(got))
		for y := range 36 {
			for x := range 48 {
				for c := range 3 {
					want[(y/3*16+x/3)*3+c] += big[(y*48+x)*3+c] / 9
				}
			}
		}
		if d := distance(got, want); !(d < 1e-5) {
			t.Errorf("patch %d: off by %.2g", patch, d)
		}
	}
	n := small(t, Config{Factor: 4, Patch: 1, Width: 5, Depth: 2})
	for _, k := range []int{-1, 0, 3, 4} {
		if _, err := n.Reduced(k); err == nil {
			t.Errorf("a factor of 4 was reduced by %d", k)
		}
	}
}

// TestFile: what is written is read again, and what is no upscaler is refused.
func TestFile(t *testing.T) {
	n := small(t, Config{Factor: 2, Patch: 2, Width: 6, Depth: 3})
	path := filepath.Join(t.TempDir(), "n.safetensors")
	if err := n.WriteFile(path, map[string]string{"note": "x"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, data)
	if again.Config != n.Config || !slices.Equal(again.Params.Names(), n.Params.Names()) {
		t.Fatalf("%+v was read as %+v", n.Config, again.Config)
	}
	for _, name := range n.Params.Names() {
		if d := distance(again.Params.Get(name).Values(), n.Params.Get(name).Values()); d > 1e-3 {
			t.Errorf("%s is off by %.2g", name, d)
		}
	}
	if err := n.WriteFile(path, map[string]string{metaConfig: "x"}); err == nil {
		t.Error("a note with the name of a field was taken")
	}
	for what, change := range map[string][2]string{
		"another format": {format, "kinora-upscaler-9"}, "a huge width": {`\"width\":6`, `\"width\":9`},
		"no factor": {`\"factor\":2`, `\"factor\":0`}, "more layers": {`\"depth\":3`, `\"depth\":4`},
	} {
		bad := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, data) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := Open(bad); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// TestRefusals: sizes that make no sense are errors.
func TestRefusals(t *testing.T) {
	for _, c := range []Config{{}, {Factor: 1, Patch: 1, Width: 4, Depth: 2}, {Factor: 2, Patch: 0, Width: 4, Depth: 2}, {Factor: 2, Patch: 1, Width: 4, Depth: 1}, {Factor: 2, Patch: 1, Width: 1 << 20, Depth: 3}} {
		if _, err := New(c, 1); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	n := small(t, Config{Factor: 2, Patch: 1, Width: 4, Depth: 2})
	if _, err := n.NewRunner(0, 4); err == nil {
		t.Error("frames of 0×4 were taken")
	}
	r, err := n.NewRunner(4, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.Frame(make([]byte, 192), make([]byte, 47)) == nil || r.Frame(make([]byte, 191), make([]byte, 48)) == nil {
		t.Error("a frame of the wrong size was taken")
	}
}

func BenchmarkFrame(b *testing.B) {
	n, err := Open(General())
	if err != nil {
		b.Fatal(err)
	}
	half, err := n.Reduced(2)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []*Net{half, n} {
		b.Run(fmt.Sprintf("256x160 by %d", n.Config.Factor), func(b *testing.B) {
			r, err := n.NewRunner(256, 160)
			if err != nil {
				b.Fatal(err)
			}
			rgb := picture(256, 160)
			w, h := r.Size()
			dst := make([]byte, 3*w*h)
			for b.Loop() {
				if err := r.Frame(dst, rgb); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n.Config.FLOPs()*256*160*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
