package wanvae

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

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
			if !slices.Equal(encoded(t, m, o, enc, enc.frames), encoded(t, m, backend.New(), enc, enc.frames)) {
				t.Errorf("%s: other latents than on the processor", kind)
			}
			o.Reset()
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
	for _, kind := range kinds {
		m := opened(t, kind)
		dec, enc := readGolden(t, kind, "decode"), readGolden(t, kind, "encode")
		simd.SetThreads(1)
		frames, latents := decoded(t, m, backend.New(), dec, dec.t), encoded(t, m, backend.New(), enc, enc.frames)
		simd.SetThreads(5)
		if !slices.Equal(frames, decoded(t, m, backend.New(), dec, dec.t)) || !slices.Equal(latents, encoded(t, m, backend.New(), enc, enc.frames)) {
			t.Errorf("%s: five threads give other bytes than one", kind)
		}
	}
}

// counting is a backend that knows how much its Carried operations hold.
type counting struct {
	tensor.Backend
	now, most int
}

func (c *counting) Retain(t *tensor.Tensor) *tensor.Tensor {
	c.now += t.Len()
	c.most = max(c.most, c.now)
	return c.Backend.Retain(t)
}

func (c *counting) Free(t *tensor.Tensor) {
	if t.Lasts() && t.Place() == tensor.Held {
		c.now -= t.Len()
	}
	c.Backend.Free(t)
}

// TestMemoryIsConstant: what a video's frames leave behind does not grow with
// their number.
func TestMemoryIsConstant(t *testing.T) {
	for _, kind := range kinds {
		m := opened(t, kind)
		g := readGolden(t, kind, "decode")
		held := func(latents int) int {
			c := &counting{Backend: backend.New()}
			long := golden{latents: slices.Repeat(g.latents, latents), t: latents * g.t, h: g.h, w: g.w}
			decoded(t, m, c, long, long.t)
			if c.now != 0 {
				t.Errorf("%s: %d numbers are held at the end", kind, c.now)
			}
			return c.most
		}
		if a, b := held(1), held(3); a != b || a == 0 {
			t.Errorf("%s: %d numbers are held in a video of %d latents, %d in one of %d", kind, a, g.t, b, 3*g.t)
		}
	}
}

// TestDecodeBytes: frames come as bytes, and what ends them ends the decoding.
func TestDecodeBytes(t *testing.T) {
	m := opened(t, "wan22")
	g := readGolden(t, "wan22", "decode")
	want := decoded(t, m, backend.New(), g, g.t)
	n, size := 0, 3*g.h*g.w*16*16
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
	enough := errors.New("enough")
	if err := m.Decode(t.Context(), g.latents, g.t, g.h, g.w, func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("yield's error came back as %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = m.Decode(ctx, g.latents, g.t, g.h, g.w, func([]byte) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n > 4 {
		t.Errorf("%d frames after the end of the context, %v", n, err)
	}
}

func TestRefuses(t *testing.T) {
	m := opened(t, "wan21")
	none := func([]byte) error { t.Error("a frame"); return nil }
	if err := m.Decode(t.Context(), make([]float32, 7), 1, 1, 1, none); err == nil || !strings.Contains(err.Error(), "7 numbers") {
		t.Errorf("too many numbers: %v", err)
	}
	for _, s := range [][3]int{{2, 8, 8}, {1, 12, 8}, {1, 8, 4}, {0, 8, 8}, {1, 0, 8}} {
		if _, err := m.Encode(t.Context(), s[0], s[1], s[2], func(int, []float32) error { t.Error("a frame is asked for"); return nil }); err == nil {
			t.Errorf("%v is encoded", s)
		}
	}
	broken := errors.New("broken")
	if _, err := m.Encode(t.Context(), 1, 8, 8, func(int, []float32) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error of a frame came back as %v", err)
	}
}

// TestConfigRefuses: configurations come from files.
func TestConfigRefuses(t *testing.T) {
	for what, change := range map[string]string{
		"no JSON":             `{`,
		"no levels":           `{"dim_mult": []}`,
		"too many levels":     `{"dim_mult": [1,1,1,1,1,1,1,1,1]}`,
		"a level of nothing":  `{"dim_mult": [1,0,4,4]}`,
		"negative channels":   `{"base_dim": -96}`,
		"odd channels":        `{"base_dim": 3}`,
		"too many channels":   `{"base_dim": 16000}`,
		"time of more levels": `{"temperal_downsample": [true]}`,
		"no blocks":           `{"num_res_blocks": 0}`,
		"many blocks":         `{"num_res_blocks": 1000000}`,
		"attention":           `{"attn_scales": [0.5]}`,
		"patches":             `{"patch_size": 2}`,
		"huge patches":        `{"patch_size": 100, "in_channels": 30000, "out_channels": 30000}`,
		"no latents":          `{"z_dim": 0}`,
		"other latents":       `{"z_dim": 15}`,
		"no deviation":        `{"z_dim": 1, "latents_mean": [0], "latents_std": [0]}`,
		"a shortcut":          `{"is_residual": true, "dim_mult": [3,2,4,4]}`,
	} {
		if c, err := ParseConfig([]byte(change)); err == nil {
			t.Errorf("%s: %+v is taken", what, c)
		}
	}
	for _, c := range []Config{Wan21(), Wan22()} {
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseConfig(data); err != nil || got.Temporal() != 4 || got.Frames(5) != 17 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if a, b := Wan21(), Wan22(); a.Spatial() != 8 || b.Spatial() != 16 {
		t.Errorf("latents of %d and %d pixels", a.Spatial(), b.Spatial())
	}
}

// TestOpenRefuses: weights come from files, too.
func TestOpenRefuses(t *testing.T) {
	f := goldens.Open(t, "wan21")
	c := configOf(t, f)
	wider := c
	wider.BaseDim = 8
	if _, err := Open(wider, f); err == nil || !strings.Contains(err.Error(), "shape") {
		t.Errorf("a wider configuration: %v", err)
	}
	empty, err := safetensors.Parse([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c, empty); !errors.Is(err, errNoWeights) {
		t.Errorf("no weights at all: %v", err)
	}
	if _, err := Guess(empty); !errors.Is(err, errNoWeights) {
		t.Errorf("no weights are taken for some: %v", err)
	}
	all := renamed{f, map[string]string{}}
	for _, name := range f.Names() {
		all.to[name] = name
	}
	for missing, instead := range map[string]string{
		"decoder.mid_block.attentions.0.proj.weight": "",
		"encoder.down_blocks.0.norm1.gamma":          "decoder.conv_in.bias",
		"quant_conv.weight":                          "decoder.conv_in.bias",
		"decoder.conv_out.weight":                    "decoder.conv_in.weight",
	} {
		was := all.to[missing]
		if all.to[missing] = instead; instead == "" {
			delete(all.to, missing)
		}
		if _, err := Open(c, all); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
		all.to[missing] = was
	}
}

// TestDecodeMemory: what is said to be remembered is, and all of it is in what a
// video is said to take.
func TestDecodeMemory(t *testing.T) {
	for _, kind := range kinds {
		m, g := opened(t, kind), readGolden(t, kind, "decode")
		c := &counting{Backend: backend.New()}
		decoded(t, m, c, g, g.t)
		want, _ := m.remembered(g.h, g.w)
		// While a convolution runs, what it was just given is held as well.
		if over := int64(c.most) - want; over < 0 || over > want/5 {
			t.Errorf("%s: %d numbers are held at the most, %d are said to be", kind, c.most, want)
		}
		if all := m.DecodeMemory(g.h, g.w); all < 2*want || m.DecodeMemory(2*g.h, g.w) > 2*all {
			t.Errorf("%s: %d bytes for a video of which %d numbers are remembered", kind, all, want)
		}
	}
}
