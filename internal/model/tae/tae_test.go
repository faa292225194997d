package tae

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

// The bars are the largest relative L2 differences from the oracle, with products
// in f32 and in bf16.
const (
	exactBar = 1e-5
	bf16Bar  = 2e-2
)

var goldens = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/taehv.py --out internal/model/tae/testdata"}

var kinds = []string{"taew2_1", "taew2_2", "taew2_2_super"}

func opened(t *testing.T, kind string) *TAE {
	t.Helper()
	m, err := Open(goldens.Open(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden is an input and the oracle's result, each [T, H, W, C], the video in
// [-1, 1].
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
	for i := range v {
		v[i] = 2*v[i] - 1
	}
	return golden{z, v, zs[0], zs[1], zs[2], vs[0]}
}

// decoded are the frames of the first n latents.
func decoded(t *testing.T, m *TAE, b tensor.Backend, g golden, n int) []float32 {
	t.Helper()
	var out []float32
	err := m.decode(t.Context(), b, g.latents[:n*len(g.latents)/g.t], n, g.h, g.w, func(frame []float32) error {
		out = append(out, frame...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// encoded are the latents of the video.
func encoded(t *testing.T, m *TAE, b tensor.Backend, g golden) []float32 {
	t.Helper()
	size, space := len(g.video)/g.frames, m.Config.Spatial()
	z, err := m.encode(t.Context(), b, g.frames, g.h*space, g.w*space, func(i int, dst []float32) error {
		copy(dst, g.video[i*size:(i+1)*size])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestGolden compares both halves of the autoencoders with the oracle.
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
					for n := range dec.t {
						frames := m.Config.Frames(n + 1)
						d := goldentest.RelativeL2(decoded(t, m, c.b, dec, n+1), dec.video[:frames*len(dec.video)/dec.frames])
						if !(d <= c.bar) {
							t.Errorf("%d frames decoded: relative L2 %.3g from the oracle, must be at most %g", frames, d, c.bar)
						}
						t.Logf("%d frames decoded: relative L2 %.1e", frames, d)
					}
					d := goldentest.RelativeL2(encoded(t, m, c.b, enc), enc.latents)
					if !(d <= c.bar) {
						t.Errorf("encoded: relative L2 %.3g from the oracle, must be at most %g", d, c.bar)
					}
					t.Logf("encoded: relative L2 %.1e", d)
				})
			}
		}
	}
}

// TestEveryParameterIsUsed: the autoencoder has as many parameters as the file.
func TestEveryParameterIsUsed(t *testing.T) {
	for _, kind := range kinds {
		f, m := goldens.Open(t, kind), opened(t, kind)
		for _, name := range f.Names() {
			if m.Params.Get(name) == nil {
				t.Errorf("%s: %s is not used", kind, name)
			}
		}
	}
}

// TestOpaque decodes and encodes on a backend that hides its memory, and checks
// that nothing is left there but the parameters.
func TestOpaque(t *testing.T) {
	for _, kind := range kinds {
		m := opened(t, kind)
		dec, enc := readGolden(t, kind, "decode"), readGolden(t, kind, "encode")
		o := tensortest.NewOpaque(backend.New())
		held := 0
		for range 2 {
			if !slices.Equal(decoded(t, m, o, dec, dec.t), decoded(t, m, backend.New(), dec, dec.t)) {
				t.Errorf("%s: other frames than on the processor", kind)
			}
			if !slices.Equal(encoded(t, m, o, enc), encoded(t, m, backend.New(), enc)) {
				t.Errorf("%s: other latents than on the processor", kind)
			}
			if n := len(m.Params.Names()); o.Held() > n || held > 0 && o.Held() != held {
				t.Errorf("%s: %d tensors are held, %d before; there are %d parameters", kind, o.Held(), held, n)
			}
			held = o.Held()
		}
	}
}

// TestThreads: one thread and several give the same bytes.
func TestThreads(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	m, dec, enc := opened(t, "taew2_2"), readGolden(t, "taew2_2", "decode"), readGolden(t, "taew2_2", "encode")
	simd.SetThreads(1)
	frames, latents := decoded(t, m, backend.New(), dec, dec.t), encoded(t, m, backend.New(), enc)
	simd.SetThreads(5)
	if !slices.Equal(frames, decoded(t, m, backend.New(), dec, dec.t)) || !slices.Equal(latents, encoded(t, m, backend.New(), enc)) {
		t.Error("five threads give other bytes than one")
	}
}

// TestDecodeBytes: frames come as bytes, and what ends them ends the decoding.
func TestDecodeBytes(t *testing.T) {
	m, g := opened(t, "taew2_1"), readGolden(t, "taew2_1", "decode")
	want := decoded(t, m, backend.New(), g, g.t)
	n, size := 0, 3*g.h*g.w*8*8
	pixels := make([]byte, size)
	err := m.Decode(t.Context(), g.latents, g.t, g.h, g.w, func(rgb []byte) error {
		if tensor.ToPixels(pixels, want[n*size:(n+1)*size]); !slices.Equal(pixels, rgb) {
			t.Errorf("frame %d: other bytes", n)
		}
		n++
		return nil
	})
	if err != nil || n != g.frames {
		t.Errorf("%d frames, %v; want %d", n, err, g.frames)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = m.Decode(ctx, g.latents, g.t, g.h, g.w, func([]byte) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d frames after the end of the context, %v", n, err)
	}
}

// TestEncodeFewer: where frames lack for a latent, the last one stands in.
func TestEncodeFewer(t *testing.T) {
	m, g := opened(t, "taew2_1"), readGolden(t, "taew2_1", "encode")
	size := len(g.video) / g.frames
	long := g
	long.frames = 12
	long.video = slices.Concat(g.video, slices.Repeat(g.video[8*size:], 3))
	if !slices.Equal(encoded(t, m, backend.New(), g), encoded(t, m, backend.New(), long)) {
		t.Error("9 frames and 12, the last three times more, have other latents")
	}
}

// changed gives weights of which one has another shape, or is missing.
type changed struct {
	nn.Weights
	name  string
	shape []int
}

func (c changed) Stored(name string) (tensor.Stored, []int, error) {
	s, shape, err := c.Weights.Stored(name)
	if name == c.name && c.shape == nil {
		return s, nil, fmt.Errorf("no %q: %w", name, tensor.ErrNotStored)
	}
	if name == c.name {
		s.Bytes = make([]byte, 2*tensor.Elems(c.shape))
		shape = c.shape
	}
	return s, shape, err
}

func TestRefuses(t *testing.T) {
	f := goldens.Open(t, "taew2_1")
	for _, c := range []changed{
		{name: "decoder.1.weight"},
		{name: "decoder.1.weight", shape: []int{12}},
		{name: "decoder.1.weight", shape: []int{0, 5, 3, 3}},
		{name: "decoder.1.weight", shape: []int{12, 0, 3, 3}},
		{name: "decoder.7.conv.weight", shape: []int{36, 12, 1, 1}},
		{name: "decoder.7.conv.weight", shape: []int{13, 12, 1, 1}},
		{name: "encoder.0.weight", shape: []int{6, 4, 3, 3}},
		{name: "encoder.2.conv.weight", shape: []int{6, 60, 1, 1}},
		{name: "decoder.4.conv.0.weight", shape: []int{12, 12, 3, 3}},
		{name: "decoder.4.conv.0.weight", shape: []int{12, 23, 3, 3}},
		{name: "decoder.16.conv.4.bias"},
		{name: "encoder.17.weight", shape: []int{5, 6, 9}},
		{name: "decoder.1.weight", shape: []int{1 << 20, 5, 3, 3}},
	} {
		if _, err := Open(changed{f, c.name, c.shape}); err == nil {
			t.Errorf("%s of shape %v is taken", c.name, c.shape)
		}
	}
	large := goldens.Open(t, "taew2_2_super")
	for _, c := range []changed{
		{name: "decoder.22.weight"},
		{name: "decoder.0.weight", shape: []int{12, 6, 3, 3}},
		{name: "decoder.1.conv.0.weight", shape: []int{24, 1, 5, 5}},
		{name: "decoder.4.weight", shape: []int{3, 12, 3, 3}},
		{name: "decoder.21.conv.weight", shape: []int{12, 4, 1, 1}},
	} {
		if _, err := Open(changed{large, c.name, c.shape}); err == nil {
			t.Errorf("%s of shape %v is taken", c.name, c.shape)
		}
	}
	m := opened(t, "taew2_1")
	err := m.Decode(t.Context(), make([]float32, 7), 1, 1, 1, func([]byte) error { t.Error("a frame"); return nil })
	if err == nil || !strings.Contains(err.Error(), "7 numbers") {
		t.Errorf("too many numbers: %v", err)
	}
	for _, s := range [][3]int{{0, 8, 8}, {1, 12, 8}, {1, 8, 4}} {
		if _, err := m.Encode(t.Context(), s[0], s[1], s[2], func(int, []float32) error { t.Error("a frame is asked for"); return nil }); err == nil {
			t.Errorf("%v is encoded", s)
		}
	}
}
