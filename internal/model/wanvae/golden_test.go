package wanvae

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// The bars are the largest relative L2 differences from the oracle, with products
// in f32 and in bf16.
const (
	exactBar = 1e-5
	bf16Bar  = 2e-2
)

var goldens = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/wan_vae.py --out internal/model/wanvae/testdata"}

var kinds = []string{"wan21", "wan22"}

// configOf is the configuration of a file of the goldens.
func configOf(t *testing.T, f *safetensors.File) Config {
	t.Helper()
	c, err := ParseConfig([]byte(f.Metadata()["config"]))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func opened(t *testing.T, kind string) *VAE {
	t.Helper()
	f := goldens.Open(t, kind)
	m, err := Open(configOf(t, f), f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden is an input and the oracle's result, each [T, H, W, C].
type golden struct {
	latents, video []float32
	t, h, w        int // of the latents
	frames         int
}

func readGolden(t *testing.T, kind, part string) golden {
	t.Helper()
	f := goldens.Open(t, kind+".golden")
	read := func(name string) ([]float32, []int) {
		v, shape, err := f.Float32(part + "/" + name)
		goldens.Need(t, err)
		return v, shape
	}
	z, zs := read("latents")
	v, vs := read("video")
	return golden{z, v, zs[0], zs[1], zs[2], vs[0]}
}

// decoded are the frames of the first n latents.
func decoded(t *testing.T, m *VAE, b tensor.Backend, g golden, n int) []float32 {
	t.Helper()
	var out []float32
	size := len(g.latents) / g.t
	err := m.decode(t.Context(), b, g.latents[:n*size], n, g.h, g.w, func(frame []float32) error {
		out = append(out, frame...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// encoded are the latents of the first n frames.
func encoded(t *testing.T, m *VAE, b tensor.Backend, g golden, n int) []float32 {
	t.Helper()
	size := len(g.video) / g.frames
	space := m.Config.Spatial()
	z, err := m.encode(t.Context(), b, n, g.h*space, g.w*space, func(i int, dst []float32) error {
		copy(dst, g.video[i*size:(i+1)*size])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestGolden compares both halves of both kinds of autoencoder with diffusers'.
func TestGolden(t *testing.T) {
	for _, l := range simd.Levels() {
		restore, ok := simd.Use(l)
		if !ok {
			t.Fatalf("level %v is listed and cannot be used", l)
		}
		defer restore()
		for _, kind := range kinds {
			m := opened(t, kind)
			for name, c := range map[string]struct {
				b   tensor.Backend
				bar float64
			}{"f32": {backend.Exact(), exactBar}, "bf16": {backend.New(), bf16Bar}} {
				t.Run(fmt.Sprintf("%v/%s/%s", l, kind, name), func(t *testing.T) {
					dec, enc := readGolden(t, kind, "decode"), readGolden(t, kind, "encode")
					near(t, "decoded", decoded(t, m, c.b, dec, dec.t), dec.video, c.bar)
					near(t, "encoded", encoded(t, m, c.b, enc, enc.frames), enc.latents, c.bar)
				})
			}
		}
	}
}

// near compares with the oracle.
func near(t *testing.T, what string, got, want []float32, bar float64) {
	t.Helper()
	d := goldentest.RelativeL2(got, want)
	t.Logf("%s: relative L2 %.1e", what, d)
	if !(d <= bar) {
		t.Errorf("%s: relative L2 %.3g from the oracle, must be at most %g", what, d, bar)
	}
}

// TestShorter: the video of fewer latents is the beginning of a longer one, and
// the other way round.
func TestShorter(t *testing.T) {
	for _, kind := range kinds {
		m, b := opened(t, kind), backend.New()
		dec, enc := readGolden(t, kind, "decode"), readGolden(t, kind, "encode")
		frames, latents := decoded(t, m, b, dec, dec.t), encoded(t, m, b, enc, enc.frames)
		for n := 1; n < dec.t; n++ {
			size := m.Config.Frames(n) * len(frames) / dec.frames
			if !slices.Equal(decoded(t, m, b, dec, n), frames[:size]) {
				t.Errorf("%s: %d latents give other frames alone than before others", kind, n)
			}
			if !slices.Equal(encoded(t, m, b, enc, m.Config.Frames(n)), latents[:n*len(latents)/enc.t]) {
				t.Errorf("%s: %d frames give other latents alone than before others", kind, m.Config.Frames(n))
			}
		}
	}
}

// renamed gives weights under other names.
type renamed struct {
	nn.Weights
	to map[string]string
}

func (r renamed) Stored(name string) (tensor.Stored, []int, error) {
	ours, ok := r.to[name]
	if !ok {
		return tensor.Stored{}, nil, fmt.Errorf("no tensor %q: %w", name, tensor.ErrNotStored)
	}
	return r.Weights.Stored(ours)
}

// TestOriginalNames opens weights with the names of the original files, and
// checks that every one of them is used.
func TestOriginalNames(t *testing.T) {
	for _, kind := range kinds {
		f := goldens.Open(t, kind)
		var names map[string]string
		if err := json.Unmarshal([]byte(f.Metadata()["names"]), &names); err != nil {
			t.Fatal(err)
		}
		w := renamed{f, map[string]string{}}
		for ours, theirs := range names {
			w.to[theirs] = ours
		}
		m, err := Open(configOf(t, f), w)
		if err != nil {
			t.Fatal(err)
		}
		for theirs := range w.to {
			if m.Params.Get(theirs) == nil {
				t.Errorf("%s: %s is not used", kind, theirs)
			}
		}
		g := readGolden(t, kind, "decode")
		if !slices.Equal(decoded(t, m, backend.New(), g, 1), decoded(t, opened(t, kind), backend.New(), g, 1)) {
			t.Errorf("%s: other frames by the other names", kind)
		}
		want := Wan21()
		if kind == "wan22" {
			want = Wan22()
		}
		for _, w := range []nn.Weights{f, w} {
			if c, err := Guess(w); err != nil || c.ZDim != want.ZDim {
				t.Errorf("%s is taken for an autoencoder with %d channels, %v", kind, c.ZDim, err)
			}
		}
	}
}
