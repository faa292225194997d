package t5

import (
	"encoding/json"
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
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

var goldens = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/wan.py golden --out internal/model"}

// The largest relative L2 differences from the oracle.
const (
	exactBar = 1e-4
	halfBar  = 2e-2
	// codesBar is for matrices in blocks whose products round activations to
	// int8: the scores of attention, which T5 does not scale, carry that on. With
	// Fine parameters only attention rounds, to bf16.
	codesBar = 4e-2
)

// prompts are the two prompts of the goldens.
func prompts(t *testing.T, golden *safetensors.File, kind string) [][]int32 {
	t.Helper()
	out := make([][]int32, 2)
	for i := range out {
		for _, id := range goldens.Values(t, golden, fmt.Sprintf("%s/in/ids%d", kind, i)) {
			out[i] = append(out[i], int32(id))
		}
	}
	return out
}

// about is what a golden says about its model: config.json, or the names of
// transformers by those of another layout.
func about(t *testing.T, f *safetensors.File, what string, to any) {
	t.Helper()
	var all map[string]json.RawMessage
	goldens.About(t, f, &all)
	goldens.Need(t, json.Unmarshal(all[what], to))
}

// configJSON is the config.json that transformers wrote.
func configJSON(t *testing.T, f *safetensors.File) string {
	t.Helper()
	var raw json.RawMessage
	about(t, f, "config", &raw)
	return string(raw)
}

func config(t *testing.T, f *safetensors.File) Config {
	t.Helper()
	c, err := ParseConfig([]byte(configJSON(t, f)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encoder(t *testing.T, f *safetensors.File) *Encoder {
	t.Helper()
	e, err := Open(config(t, f), f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode returns what an encoder makes of prompts, prompt by prompt.
func encode(t *testing.T, e *Encoder, b tensor.Backend, prompts ...[]int32) [][]float32 {
	t.Helper()
	got, err := e.Encode(t.Context(), b, prompts...)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for i, x := range got {
		if !slices.Equal(x.Shape, []int{len(prompts[i]), e.Config.Width}) {
			t.Errorf("a prompt of %d tokens gives %v", len(prompts[i]), x)
		}
		out = append(out, tensor.Values(b, x))
	}
	b.Reset()
	return out
}

// TestGolden holds both kinds of encoders against transformers, which was given
// the two prompts as one batch with a mask.
func TestGolden(t *testing.T) {
	golden := goldens.Open(t, "golden")
	for _, kind := range []string{"umt5", "t5"} {
		e, in := encoder(t, goldens.Open(t, kind)), prompts(t, golden, kind)
		for _, l := range simd.Levels() {
			restore, _ := simd.Use(l)
			for _, c := range []struct {
				backend tensor.Backend
				want    string
				bar     float64
			}{{backend.Exact(), "f32", exactBar}, {backend.New(), "f32", halfBar}, {backend.New(), "bf16", halfBar}} {
				for i, got := range encode(t, e, c.backend, in...) {
					want := goldens.Values(t, golden, fmt.Sprintf("%s/want/%s of %d", kind, c.want, i))
					d := goldentest.RelativeL2(got, want)
					t.Logf("%s, prompt %d, %v with %v against %s: %.2g", kind, i, l, c.backend.Precision(), c.want, d)
					if !(d <= c.bar) {
						t.Errorf("%s, prompt %d, %v with %v: relative L2 %.3g from the oracle's %s, must be at most %g", kind, i, l, c.backend.Precision(), d, c.want, c.bar)
					}
				}
			}
			restore()
		}
	}
}

// TestQuantised holds an encoder of a GGUF file, whose matrices are of several
// types, against transformers with the numbers that are in the file. Fine
// parameters keep the bar of weights in bf16.
func TestQuantised(t *testing.T) {
	w, err := gguf.Open("testdata/quant.gguf")
	goldens.Need(t, err)
	defer w.Close()
	c, err := Infer(w)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() *Encoder {
		e, err := Open(c, w)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e, fine := fresh(), fresh()
	fine.Params.Fine()
	golden := goldens.Open(t, "quant")
	var ids []int32
	for _, id := range goldens.Values(t, golden, "quant/in/ids0") {
		ids = append(ids, int32(id))
	}
	want := goldens.Values(t, golden, "quant/want/f32 of 0")
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		for _, c := range []struct {
			what    string
			e       *Encoder
			backend tensor.Backend
			bar     float64
		}{
			{"f32", e, backend.Exact(), exactBar},
			{"int8", e, backend.New(), codesBar},
			{"fine", fine, backend.New(), halfBar},
		} {
			d := goldentest.RelativeL2(encode(t, c.e, c.backend, ids)[0], want)
			t.Logf("%v, %s: %.2g", l, c.what, d)
			if !(d <= c.bar) {
				t.Errorf("%v, %s: relative L2 %.3g from the oracle, must be at most %g", l, c.what, d, c.bar)
			}
		}
		restore()
	}
}

// renamed are weights under the names of another layout.
type renamed struct {
	*safetensors.File
	names map[string]string // the file's, by the other layout's
}

func (r renamed) Stored(name string) (tensor.Stored, []int, error) {
	own, ok := r.names[name]
	if !ok {
		return tensor.Stored{}, nil, fmt.Errorf("%q: %w", name, tensor.ErrNotStored)
	}
	return r.File.Stored(own)
}

func (r renamed) Names() []string {
	var out []string
	for n := range r.names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// TestLayouts opens the same weights under the names of llama.cpp and of Wan's
// repository, without a configuration: they give the same bytes.
func TestLayouts(t *testing.T) {
	golden := goldens.Open(t, "golden")
	for kind, layouts := range map[string][]string{"umt5": {"llama.cpp", "wan"}, "t5": {"llama.cpp"}} {
		f := goldens.Open(t, kind)
		in := prompts(t, golden, kind)
		want := encode(t, encoder(t, f), backend.New(), in...)
		for _, layout := range append(layouts, "alone") {
			w := renamed{f, map[string]string{}}
			if layout == "alone" {
				for _, n := range f.Names() {
					w.names[strings.Replace(n, "shared", "encoder.embed_tokens", 1)] = n
				}
			} else {
				about(t, f, layout, &w.names)
			}
			c, err := Infer(w)
			if err != nil || c != config(t, f) {
				t.Fatalf("%s of %s: inferred %+v, %v", kind, layout, c, err)
			}
			e, err := Open(c, w)
			if err != nil {
				t.Fatal(err)
			}
			if got := encode(t, e, backend.New(), in...); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s of %s: other bytes than under the names of transformers", kind, layout)
			}
		}
	}
}

// TestSameBytes: alone or together, layer by layer, on one thread, and in memory
// that nobody sees, prompts give the same bytes.
func TestSameBytes(t *testing.T) {
	e, in := encoder(t, goldens.Open(t, "umt5")), prompts(t, goldens.Open(t, "golden"), "umt5")
	want := encode(t, e, backend.New(), in...)
	same := func(what string, got [][]float32) {
		t.Helper()
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: other bytes", what)
		}
	}
	same("alone", append(encode(t, e, backend.New(), in[0]), encode(t, e, backend.New(), in[1])...))
	same("opaque", encode(t, e, tensortest.NewOpaque(backend.New()), in...))
	for stay := range 2 {
		e.Layers.Stay(stay)
		same(fmt.Sprint(stay, " layers in memory"), encode(t, e, backend.New(), in...))
	}
	defer simd.SetThreads(simd.Threads())
	for _, n := range []int{1, 3} {
		simd.SetThreads(n)
		same(fmt.Sprint(n, " threads"), encode(t, e, backend.New(), in...))
	}
}

// TestEncodeRefuses says what is wrong with prompts.
func TestEncodeRefuses(t *testing.T) {
	e := encoder(t, goldens.Open(t, "umt5"))
	for want, in := range map[string][][]int32{
		"no prompt":                           {},
		"a prompt of 0 tokens":                {{1}, {}},
		"a prompt of 4097 tokens":             {make([]int32, MaxTokens+1)},
		"token 97 is not among the 97":        {{96, 97}},
		"token -1 is not among the 97 that t": {{-1}},
	} {
		if _, err := e.Encode(t.Context(), backend.New(), in...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// TestOpenRefuses names what weights lack, or have too much of.
func TestOpenRefuses(t *testing.T) {
	f := goldens.Open(t, "umt5")
	names := func() map[string]string {
		m := map[string]string{}
		for _, n := range f.Names() {
			m[n] = n
		}
		return m
	}
	c := config(t, f)
	for want, change := range map[string]func(m map[string]string, c *Config){
		`lacks the parameter "encoder.block.1.layer.1.DenseReluDense.wo.weight"`: func(m map[string]string, _ *Config) {
			delete(m, "encoder.block.1.layer.1.DenseReluDense.wo.weight")
		},
		`has shape [32 3] in the weights`: func(_ map[string]string, c *Config) { c.Buckets = 16 },
		`10 tensors that its configuration has no use for, such as "encoder.block.1.`: func(_ map[string]string, c *Config) {
			c.Layers = 1
		},
		`they have none of "shared.weight" (transformers)`: func(m map[string]string, _ *Config) { clear(m) },
		`num_layers is 0`: func(_ map[string]string, c *Config) { c.Layers = 0 },
	} {
		m, c := names(), c
		change(m, &c)
		var w nn.Weights = renamed{f, m}
		if _, err := Open(c, w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// TestParseConfigRefuses: configurations are not trusted.
func TestParseConfigRefuses(t *testing.T) {
	good := configJSON(t, goldens.Open(t, "umt5"))
	for want, data := range map[string]string{
		"not a config.json":                      "[]",
		`model_type is "bert"`:                   strings.Replace(good, `"umt5"`, `"bert"`, 1),
		`feed_forward_proj is "relu"`:            strings.Replace(good, `"gated-gelu"`, `"relu"`, 1),
		"layer_norm_epsilon is 0.1":              strings.Replace(good, "1e-06", "0.1", 1),
		"d_model is -36, must be 1":              strings.Replace(good, `"d_model": 36`, `"d_model": -36`, 1),
		"num_heads is 4294967296":                strings.Replace(good, `"num_heads": 3`, `"num_heads": 4294967296`, 1),
		"num_buckets is 30, must be a multiple":  strings.Replace(good, `num_buckets": 32`, `num_buckets": 30`, 1),
		"max_distance is 8, must be 9 to 65536":  strings.Replace(good, `max_distance": 128`, `max_distance": 8`, 1),
		"1048577 bytes are too many":             strings.Repeat(" ", maxConfig+1),
		"cannot unmarshal string into Go struct": strings.Replace(good, `"d_ff": 50`, `"d_ff": "50"`, 1),
	} {
		if _, err := ParseConfig([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// FuzzParseConfig: any configuration is refused, or within the limits, and its
// distances all have a bucket.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"umt5","vocab_size":256384,"d_model":4096,"d_kv":64,"num_heads":64,"d_ff":10240,` +
		`"num_layers":24,"feed_forward_proj":"gated-gelu"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		for _, b := range append(distances(c, 300), bucket(c, -maxFar), bucket(c, maxFar)) {
			if b < 0 || int(b) >= c.Buckets {
				t.Fatalf("%s: a distance is in bucket %d of %d", data, b, c.Buckets)
			}
		}
	})
}
