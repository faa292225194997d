package lm

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// makeGoldens tells how to make a missing golden.
const makeGoldens = "make the goldens with: python3 tools/reference/lm.py tiny --out internal/model/lm/testdata"

// The largest relative L2 differences from the oracle: of products that round
// nothing, and of those that round activations to 16 bits.
const (
	exactBar = 1e-5
	fineBar  = 5e-4
)

// goldens are what transformers computed.
type goldens struct {
	ids    []int32
	logits map[string][]float32 // after every fourth token
}

func readGoldens(t *testing.T) goldens {
	t.Helper()
	f, err := safetensors.Open("testdata/golden.safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	defer f.Close()
	g := goldens{logits: map[string][]float32{}}
	for _, name := range f.Names() {
		v, _, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		g.logits[name] = v
	}
	for _, id := range g.logits["ids"] {
		g.ids = append(g.ids, int32(id))
	}
	return g
}

// tiny opens a small model with a backend.
func tiny(t testing.TB, name string, b tensor.Backend) *Model {
	t.Helper()
	m, err := Open(filepath.Join("testdata", name), OpenOptions{Backend: b})
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// logitsOf feeds tokens in parts of the given sizes, the last again and again, and
// returns the logits after every fourth token.
func logitsOf(t testing.TB, d *decoder, b tensor.Backend, ids []int32, parts ...int) []float32 {
	t.Helper()
	caches := d.newCaches(b)
	var out []float32
	for at, i := 0, 0; at < len(ids); i++ {
		n := min(parts[min(i, len(parts)-1)], len(ids)-at)
		logits := make([]float32, n*d.Vocabulary)
		if err := d.pass(t.Context(), b, []run{{caches, ids[at : at+n], logits}}); err != nil {
			t.Fatal(err)
		}
		for j := range n {
			if (at+j)%4 == 3 {
				out = append(out, logits[j*d.Vocabulary:][:d.Vocabulary]...)
			}
		}
		at += n
	}
	for _, c := range caches {
		b.FreeCache(c)
	}
	return out
}

// TestGolden holds both families, with each kind of rotary positions, in safetensors
// and in GGUF, against transformers: all tokens at once, in parts, and one by one.
func TestGolden(t *testing.T) {
	g := readGoldens(t)
	levels := simd.Levels()
	for _, l := range levels {
		restore, _ := simd.Use(l)
		for _, arch := range []string{"llama", "qwen3"} {
			for name, c := range ropes(t, arch) {
				if l != levels[len(levels)-1] && name != "default" {
					continue // they differ by what is uploaded alone
				}
				m := tiny(t, arch, nil)
				if m.decoder.Config.RoPE.Interleaved {
					t.Fatal("safetensors are interleaved")
				}
				m.decoder.RoPE = c.RoPE
				turn(m.decoder)
				holds(t, g, m.decoder, l, arch+"/"+name)
			}
			holds(t, g, tiny(t, arch+".gguf", nil).decoder, l, arch+"/gguf")
		}
		restore()
	}
}

// turn makes a decoder's frequencies again.
func turn(d *decoder) {
	d.frequencies, d.attention = d.RoPE.frequencies(d.HeadDim), 1
	if d.RoPE.Scaling == "yarn" {
		d.attention = float32(d.RoPE.Attention)
	}
}

// ropes are the configurations that the goldens were made with.
func ropes(t *testing.T, arch string) map[string]Config {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", arch, "ropes.json"))
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]Config{}
	for name, raw := range all {
		c, err := ParseConfig(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = c
	}
	if len(out) != 5 {
		t.Fatalf("%d kinds of rotary positions", len(out))
	}
	return out
}

func holds(t *testing.T, g goldens, d *decoder, l simd.Level, name string) {
	t.Helper()
	want := g.logits[name]
	if len(want) != len(g.ids)/4*d.Vocabulary {
		t.Fatalf("%s: %d logits; %s", name, len(want), makeGoldens)
	}
	for _, c := range []struct {
		b     tensor.Backend
		parts []int
		bar   float64
	}{
		{backend.Exact(), []int{40}, exactBar},
		{backend.Exact(), []int{17, 20, 1}, exactBar},
		{backend.Exact(), []int{1}, exactBar},
		{backend.Fine(), []int{40}, fineBar},
		{backend.Fine(), []int{18, 5, 1}, fineBar},
		{backend.Fine(), []int{1}, fineBar},
	} {
		d2 := goldentest.RelativeL2(logitsOf(t, d, c.b, g.ids, c.parts...), want)
		t.Logf("%v, %s, %v in parts of %v: %.2g", l, name, c.b.Precision(), c.parts, d2)
		if !(d2 <= c.bar) {
			t.Errorf("%v, %s, %v in parts of %v: relative L2 %.3g from the oracle, must be at most %g", l, name, c.b.Precision(), c.parts, d2, c.bar)
		}
	}
}

// TestSameBytes: on one thread or several, beside another sequence, and in memory
// that nobody sees, tokens give the same logits.
func TestSameBytes(t *testing.T) {
	g := readGoldens(t)
	for _, name := range []string{"llama", "qwen3", "llama.gguf", "qwen3.gguf"} {
		d := tiny(t, name, nil).decoder
		hidden := logitsOf(t, d, tensortest.NewOpaque(backend.Exact()), g.ids, 18, 3, 1)
		if seen := logitsOf(t, d, backend.Exact(), g.ids, 18, 3, 1); !slices.Equal(hidden, seen) {
			t.Errorf("%s, opaque: other bytes, %.3g away", name, goldentest.RelativeL2(hidden, seen))
		}
		for _, parts := range [][]int{{40}, {18, 3, 1}} {
			want := logitsOf(t, d, backend.Fine(), g.ids, parts...)
			same := func(what string, got []float32) {
				t.Helper()
				if !slices.Equal(got, want) {
					t.Errorf("%s, %v: other bytes, %.3g away", what, parts, goldentest.RelativeL2(got, want))
				}
			}
			before := simd.Threads()
			for _, n := range []int{1, 3} {
				simd.SetThreads(n)
				same(fmt.Sprint(name, ", ", n, " threads"), logitsOf(t, d, backend.Fine(), g.ids, parts...))
			}
			simd.SetThreads(before)
		}
	}
}
