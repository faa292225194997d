package wan

import (
	"context"
	"encoding/json"
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
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

var goldens = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/wan.py golden --out internal/model"}

// The largest relative L2 differences from the oracle.
const (
	exactBar = 1e-4
	halfBar  = 2e-2
)

// kinds are the transformers of the goldens: 2.1 from text, from an image, from
// the first and the last frame, and the 5B model of 2.2.
var kinds = []string{"t2v", "i2v", "flf2v", "ti2v"}

// inputs are what a golden pass was given, and what it has to give.
type inputs struct {
	golden      *safetensors.File
	kind        string
	latents     *tensor.Tensor
	timesteps   []float32
	text, image *tensor.Tensor
}

func (g *inputs) read(t *testing.T, name string) *tensor.Tensor {
	t.Helper()
	v, shape, err := g.golden.Float32(g.kind + "/" + name)
	goldens.Need(t, err)
	return tensor.New(v, shape...)
}

func goldenInputs(t *testing.T, kind string) *inputs {
	t.Helper()
	return inputsOf(t, goldens.Open(t, "golden"), kind)
}

func inputsOf(t *testing.T, golden *safetensors.File, kind string) *inputs {
	t.Helper()
	g := &inputs{golden: golden, kind: kind}
	g.latents, g.text, g.timesteps = g.read(t, "in/latents"), g.read(t, "in/text"), g.read(t, "in/timesteps").Data()
	if kind == "i2v" || kind == "flf2v" {
		g.image = g.read(t, "in/image")
	}
	return g
}

// about is what a golden says about its model: config.json, and diffusers' names
// by those of Wan's repository.
type about struct {
	Config   json.RawMessage   `json:"config"`
	Original map[string]string `json:"original"`
}

func aboutOf(t *testing.T, f *safetensors.File) (a about) {
	t.Helper()
	goldens.About(t, f, &a)
	return a
}

func parseConfig(t *testing.T, f *safetensors.File) TransformerConfig {
	t.Helper()
	c, err := ParseTransformerConfig(aboutOf(t, f).Config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openTransformer(t *testing.T, f *safetensors.File) *Transformer {
	t.Helper()
	m, err := OpenTransformer(parseConfig(t, f), f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// up brings a tensor of a golden to b.
func up(b tensor.Backend, t *tensor.Tensor) *tensor.Tensor {
	if t == nil {
		return nil
	}
	return b.Upload(t.Data(), t.Shape...)
}

// forward is a whole pass on the inputs of a golden.
func forward(t *testing.T, m *Transformer, b tensor.Backend, g *inputs) []float32 {
	t.Helper()
	prompts, err := m.Embed(b, []*tensor.Tensor{up(b, g.text)}, up(b, g.image))
	if err != nil {
		t.Fatal(err)
	}
	defer prompts.Free(b)
	b.Reset()
	y, err := m.Forward(t.Context(), b, up(b, g.latents), g.timesteps, prompts)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Reset()
	want := slices.Clone(g.latents.Shape)
	want[4] = m.Config.Out
	if !slices.Equal(y.Shape, want) {
		t.Fatalf("the velocity has shape %v, must be %v", y.Shape, want)
	}
	return tensor.Values(b, y)
}

// TestTransformerGolden holds every kind of transformer against diffusers.
func TestTransformerGolden(t *testing.T) {
	for _, kind := range kinds {
		m, g := openTransformer(t, goldens.Open(t, kind)), goldenInputs(t, kind)
		check := func(name string, b tensor.Backend, bar float64) {
			t.Helper()
			d := goldentest.RelativeL2(forward(t, m, b, g), g.read(t, "want/"+name).Data())
			t.Logf("%s, %v with %v against %s: %.2g", kind, simd.Current(), b.Precision(), name, d)
			if !(d <= bar) {
				t.Errorf("%s, %v with %v: relative L2 %.3g from the oracle's %s, must be at most %g", kind, simd.Current(), b.Precision(), d, name, bar)
			}
		}
		for _, l := range simd.Levels() {
			restore, _ := simd.Use(l)
			check("f32", backend.Exact(), exactBar)
			check("f32", backend.New(), halfBar)
			check("bf16", backend.New(), halfBar)
			if kind == "ti2v" {
				all := g.timesteps
				g.timesteps = g.read(t, "in/timesteps of tokens").Data()
				check("f32 of tokens", backend.Exact(), exactBar)
				g.timesteps = all
			}
			restore()
		}
	}
}

// TestTransformerQuantised holds a transformer of a GGUF file, whose matrices are
// of several types, against diffusers with the numbers that are in the file.
func TestTransformerQuantised(t *testing.T) {
	w, err := gguf.Open("testdata/quant.gguf")
	goldens.Need(t, err)
	defer w.Close()
	golden := goldens.Open(t, "quant")
	m, err := OpenTransformer(parseConfig(t, golden), w)
	if err != nil {
		t.Fatal(err)
	}
	g := inputsOf(t, golden, "quant")
	want := g.read(t, "want/f32").Data()
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		exact, half := goldentest.RelativeL2(forward(t, m, backend.Exact(), g), want), goldentest.RelativeL2(forward(t, m, backend.New(), g), want)
		t.Logf("%v: %.2g, with %v %.2g", l, exact, backend.Precision, half)
		if !(exact <= exactBar) || !(half <= halfBar) {
			t.Errorf("%v: relative L2 %.3g from the oracle, must be at most %g; with %v %.3g, must be at most %g", l, exact, exactBar, backend.Precision, half, halfBar)
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

// original gives the weights of a golden the names of Wan's repository, as
// diffusers converts them, after a prefix.
func original(t *testing.T, f *safetensors.File, prefix string) renamed {
	t.Helper()
	w := renamed{f, map[string]string{}}
	for n, own := range aboutOf(t, f).Original {
		w.names[prefix+n] = own
	}
	return w
}

// TestTransformerLayouts opens the same weights under other names: they give the
// same bytes. A file of ComfyUI may hold other models too.
func TestTransformerLayouts(t *testing.T) {
	for _, kind := range kinds {
		f, g := goldens.Open(t, kind), goldenInputs(t, kind)
		want := forward(t, openTransformer(t, f), backend.New(), g)
		plain, comfy := original(t, f, ""), original(t, f, "model.diffusion_model.")
		comfy.names["first_stage_model.decoder.weight"] = "proj_out.weight"
		for _, w := range []renamed{plain, comfy} {
			m, err := OpenTransformer(parseConfig(t, f), w)
			if err != nil {
				t.Fatal(err)
			}
			if got := forward(t, m, backend.New(), g); !slices.Equal(got, want) {
				t.Errorf("%s: other bytes than under diffusers' names", kind)
			}
			aliases, err := TransformerAliases(w)
			if err != nil {
				t.Fatal(err)
			}
			for n, own := range w.names {
				if all := aliases(n); !slices.Contains(all, own) && own != "proj_out.weight" {
					t.Errorf("%s: the names of %s are %q, must have %s", kind, n, all, own)
				}
			}
		}
	}
}

// TestTransformerSameBytes: whole or in parts that come and go, in one piece or
// with a stop between blocks, on one thread or more, and in memory that nobody
// sees, a pass gives the same bytes.
func TestTransformerSameBytes(t *testing.T) {
	for _, kind := range []string{"i2v", "ti2v"} {
		m, g := openTransformer(t, goldens.Open(t, kind)), goldenInputs(t, kind)
		want := forward(t, m, backend.New(), g)
		same := func(what string, got []float32) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: other bytes", kind, what)
			}
		}
		o := tensortest.NewOpaque(backend.New())
		same("opaque", forward(t, m, o, g))
		held := o.Held()
		if forward(t, m, o, g); o.Held() != held || held > len(m.Params.Names()) {
			t.Errorf("%s: %d tensors are held after one pass, %d after two", kind, held, o.Held())
		}
		same("in steps", inSteps(t, m, backend.New(), g))
		for stay := range m.Parts.Len() {
			m.Parts.Stay(stay)
			same(fmt.Sprint(stay, " parts in memory"), forward(t, m, backend.New(), g))
		}
		before := simd.Threads()
		for _, n := range []int{1, 3} {
			simd.SetThreads(n)
			same(fmt.Sprint(n, " threads"), forward(t, m, backend.New(), g))
		}
		simd.SetThreads(before)
	}
}

// inSteps is forward with a stop after the first block.
func inSteps(t *testing.T, m *Transformer, b tensor.Backend, g *inputs) []float32 {
	t.Helper()
	prompts, err := m.Embed(b, []*tensor.Tensor{up(b, g.text)}, up(b, g.image))
	if err != nil {
		t.Fatal(err)
	}
	p, x, err := m.Begin(t.Context(), b, up(b, g.latents), g.timesteps, prompts)
	if err != nil {
		t.Fatal(err)
	}
	before := tensor.Values(b, x)
	y, err := p.Blocks(t.Context(), x, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tensor.Values(b, x), before) {
		t.Error("a block has changed its input")
	}
	if y, err = p.Blocks(t.Context(), y, 1, m.Config.Layers); err != nil {
		t.Fatal(err)
	}
	return tensor.Values(b, p.End(y))
}

// TestTransformerBatch runs two prompts side by side: each gives what it gives
// alone.
func TestTransformerBatch(t *testing.T) {
	for _, kind := range kinds {
		m, g, b := openTransformer(t, goldens.Open(t, kind)), goldenInputs(t, kind), backend.New()
		other := *g
		other.text = tensor.New(g.text.Data()[:3*g.text.Dim(1)], 3, g.text.Dim(1))
		want := append(forward(t, m, b, g), forward(t, m, b, &other)...)
		prompts, err := m.Embed(b, []*tensor.Tensor{up(b, g.text), up(b, other.text)}, up(b, g.image))
		if err != nil {
			t.Fatal(err)
		}
		x := up(b, g.latents)
		y, err := m.Forward(t.Context(), b, b.Concat(0, x, x), g.timesteps, prompts)
		if err != nil {
			t.Fatal(err)
		}
		if got := tensor.Values(b, y); !slices.Equal(got, want) {
			t.Errorf("%s: relative L2 %.3g between two prompts side by side and one after the other", kind, goldentest.RelativeL2(got, want))
		}
	}
}

// TestFeedForwardInPieces gives the bytes of the whole for pieces of any size.
func TestFeedForwardInPieces(t *testing.T) {
	m, b := openTransformer(t, goldens.Open(t, "t2v")), backend.New()
	run := func(room int) []float32 {
		h := b.Scale(up(b, tensor.New(goldenInputs(t, "t2v").latents.Data()[:60*34], 2, 17, 60)), 1)
		y := m.blocks[0].feedForward(b, h, room)
		if !slices.Equal(y.Shape, []int{2, 17, 60}) {
			t.Fatalf("room for %d: shape %v", room, y.Shape)
		}
		return tensor.Values(b, y)
	}
	want := run(hiddenRoom)
	for _, room := range []int{1, 100, 350, 1700, 3399} {
		if got := run(room); !slices.Equal(got, want) {
			t.Errorf("room for %d numbers: relative L2 %.3g from the whole", room, goldentest.RelativeL2(got, want))
		}
	}
}

// TestTransformerEnds: a pass ends when its context does.
func TestTransformerEnds(t *testing.T) {
	m, g, b := openTransformer(t, goldens.Open(t, "t2v")), goldenInputs(t, "t2v"), backend.New()
	prompts, err := m.Embed(b, []*tensor.Tensor{up(b, g.text)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Forward(ctx, b, up(b, g.latents), g.timesteps, prompts); !errors.Is(err, context.Canceled) {
		t.Errorf("a pass that was cancelled gives %v", err)
	}
}

// TestForwardRefuses says what is wrong with the inputs of a pass.
func TestForwardRefuses(t *testing.T) {
	g, b := goldenInputs(t, "t2v"), backend.New()
	m := openTransformer(t, goldens.Open(t, "t2v"))
	prompts, err := m.Embed(b, []*tensor.Tensor{up(b, g.text)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(shape ...int) *tensor.Tensor { return tensor.Zeros(shape...) }
	for want, in := range map[string]struct {
		latents   *tensor.Tensor
		timesteps []float32
	}{
		"the transformer takes [B, T, H, W, 5]": {zeros(1, 3, 4, 4, 6), []float32{1}},
		"cannot be cut into tokens of [1 2 2]":  {zeros(1, 3, 5, 4, 5), []float32{1}},
		"1025 tokens long along an axis":        {zeros(1, 1025, 2, 2, 5), []float32{1}},
		"1 prompts for a batch of 2":            {zeros(2, 3, 4, 4, 5), []float32{1}},
		"5 timesteps, must be 1 or one for eac": {zeros(1, 3, 4, 4, 5), make([]float32, 5)},
	} {
		if _, err := m.Forward(t.Context(), b, in.latents, in.timesteps, prompts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	for want, c := range map[string]struct {
		kind  string
		text  []*tensor.Tensor
		image *tensor.Tensor
	}{
		"no prompt":                  {"t2v", nil, nil},
		"takes [tokens, 36]":         {"t2v", []*tensor.Tensor{zeros(3, 37)}, nil},
		"takes none":                 {"t2v", []*tensor.Tensor{zeros(3, 36)}, zeros(5, 28)},
		"needs an image":             {"i2v", []*tensor.Tensor{zeros(3, 20)}, nil},
		"takes [rows, 28]":           {"i2v", []*tensor.Tensor{zeros(3, 20)}, zeros(5, 27)},
		"an image of 5 rows":         {"flf2v", []*tensor.Tensor{zeros(3, 20)}, zeros(5, 28)},
		"a prompt of shape [0 20], ": {"ti2v", []*tensor.Tensor{zeros(0, 20)}, nil},
	} {
		m := openTransformer(t, goldens.Open(t, c.kind))
		if _, err := m.Embed(b, c.text, c.image); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// TestOpenTransformerRefuses names what weights lack, or have too much of.
func TestOpenTransformerRefuses(t *testing.T) {
	f := goldens.Open(t, "t2v")
	for want, change := range map[string]func(w renamed, c *TransformerConfig){
		`lacks the parameter "blocks.1.ffn.net.2.bias"`: func(w renamed, _ *TransformerConfig) { delete(w.names, "blocks.1.ffn.2.bias") },
		`none of "condition_embedder.text_embedder.linear_1.weight" (diffusers), "text_embedding.0.weight" (Wan's`: func(w renamed, _ *TransformerConfig) {
			clear(w.names)
		},
		`such as "vace_blocks.0.weight"`: func(w renamed, _ *TransformerConfig) { w.names["vace_blocks.0.weight"] = "proj_out.bias" },
		`27 tensors that its configuration has no use for, such as "blocks.1.`: func(_ renamed, c *TransformerConfig) {
			c.Layers = 1
		},
		`"blocks.0.ffn.net.0.proj.weight" has shape [100 60]`: func(_ renamed, c *TransformerConfig) { c.FFN = 99 },
		`"patch_embedding.weight" has shape [60 5 1 2 2] in the weights, their configuration needs [60 6 1 2 2]`: func(_ renamed, c *TransformerConfig) {
			c.In = 6
		},
		"num_layers is 0": func(_ renamed, c *TransformerConfig) { c.Layers = 0 },
	} {
		w, c := original(t, f, ""), parseConfig(t, f)
		change(w, &c)
		if _, err := OpenTransformer(c, w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	w := renamed{f, map[string]string{}}
	for _, n := range f.Names() {
		w.names[n] = n
	}
	// Some files have these, and no pass uses them.
	w.names["blocks.0.attn2.norm_added_q.weight"] = "proj_out.bias"
	w.names["blocks.0.to_gate_compress.weight"] = "proj_out.weight"
	if _, err := OpenTransformer(parseConfig(t, f), w); err != nil {
		t.Error(err)
	}
}

// TestParseTransformerConfigRefuses: configurations are not trusted.
func TestParseTransformerConfigRefuses(t *testing.T) {
	image, text := string(aboutOf(t, goldens.Open(t, "i2v")).Config), string(aboutOf(t, goldens.Open(t, "t2v")).Config)
	swap := strings.Replace
	for want, data := range map[string]string{
		"not a config.json":                       "{",
		`it is of a "WanVACETransformer3DModel"`:  swap(text, "WanTransformer3DModel", "WanVACETransformer3DModel", 1),
		"cross_attn_norm is false":                swap(text, `"cross_attn_norm": true`, `"cross_attn_norm": false`, 1),
		"qk_norm must be rms":                     swap(text, `"rms_norm_across_heads"`, `null`, 1),
		"eps is 1e-05, must be 1e-06":             swap(text, "1e-06", "1e-05", 1),
		"added_kv_proj_dim must be 48 where":      swap(image, `"added_kv_proj_dim": 48`, `"added_kv_proj_dim": 50`, 1),
		"added_kv_proj_dim must be 60 where":      swap(text, `"added_kv_proj_dim": null`, `"added_kv_proj_dim": 60`, 1),
		"num_layers is 100000, must be":           swap(text, `"num_layers": 2`, `"num_layers": 100000`, 1),
		"attention_head_dim 21":                   swap(text, `"attention_head_dim": 20`, `"attention_head_dim": 21`, 1),
		"patch_size[1] is -2":                     swap(text, "[1, 2, 2]", "[1, -2, 2]", 1),
		"pos_embed_seq_len is set without image_": swap(text, `"pos_embed_seq_len": null`, `"pos_embed_seq_len": 514`, 1),
		"1048577 bytes are too many":              strings.Repeat(" ", maxConfig+1),
	} {
		if _, err := ParseTransformerConfig([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// shapes are weights of which only the shapes are known.
type shapes map[string][]int

func (s shapes) Stored(name string) (tensor.Stored, []int, error) {
	shape, ok := s[name]
	if !ok {
		return tensor.Stored{}, nil, tensor.ErrNotStored
	}
	return tensor.Stored{}, shape, nil
}

// TestInferTransformer tells the published models by their shapes, in every
// layout.
func TestInferTransformer(t *testing.T) {
	base := TransformerConfig{Patch: [3]int{1, 2, 2}, HeadDim: 128, TextDim: 4096, FreqDim: 256, Position: 1024}
	model := func(layers, heads, ffn, in, out, image, rows int) TransformerConfig {
		c := base
		c.Layers, c.Heads, c.FFN, c.In, c.Out, c.ImageDim, c.ImageRows = layers, heads, ffn, in, out, image, rows
		return c
	}
	for name, c := range map[string]TransformerConfig{
		"2.1 1.3B":            model(30, 12, 8960, 16, 16, 0, 0),
		"2.1 14B image":       model(40, 40, 13824, 36, 16, 1280, 0),
		"2.1 14B both frames": model(40, 40, 13824, 36, 16, 1280, 514),
		"2.2 5B":              model(30, 24, 14336, 48, 48, 0, 0),
		"2.2 14B image":       model(40, 40, 13824, 36, 16, 0, 0),
	} {
		for _, l := range layouts {
			w := shapes{}
			p := nn.NewParams(0)
			build(tinyOf(c), p) // for the names alone
			for _, n := range p.Names() {
				w[l.Name(n)] = p.Get(n).Shape
			}
			scaled(w, l, c)
			if got, err := InferTransformer(w); err != nil || got != c {
				t.Errorf("%s as of %s: inferred %+v, %v; want %+v", name, l.Title, got, err, c)
			}
		}
	}
	if _, err := InferTransformer(shapes{"text_embedding.0.weight": {1536, 4096}}); err == nil || !strings.Contains(err.Error(), "time_embedding.0.weight") {
		t.Errorf("a file of one tensor gives %v", err)
	}
}

// tinyOf has the parts of c, in a size that takes no memory.
func tinyOf(c TransformerConfig) TransformerConfig {
	c.Heads, c.HeadDim, c.FFN, c.TextDim, c.FreqDim, c.In, c.Out = 1, 6, 1, 1, 2, 1, 1
	c.ImageDim, c.ImageRows = min(c.ImageDim, 1), min(c.ImageRows, 1)
	return c
}

// scaled sets the shapes by which c is told.
func scaled(w shapes, l *nn.Layout, c TransformerConfig) {
	set := func(name string, shape ...int) {
		if _, ok := w[l.Name(name)]; ok {
			w[l.Name(name)] = shape
		}
	}
	set(patchWeight, c.Width(), c.In, 1, 2, 2)
	set(probe, c.Width(), c.TextDim)
	set(embedder+"time_embedder.linear_1.weight", c.Width(), c.FreqDim)
	set("blocks.0.ffn.net.0.proj.weight", c.FFN, c.Width())
	set("proj_out.weight", 4*c.Out, c.Width())
	set(imageEmbedder+"norm1.weight", c.ImageDim)
	set(imageEmbedder+"pos_embed", 1, c.ImageRows, c.ImageDim)
}

// FuzzParseTransformerConfig: any configuration is refused, or within the limits
// and able to be cut into tokens.
func FuzzParseTransformerConfig(f *testing.F) {
	f.Add([]byte(`{"_class_name":"WanTransformer3DModel","num_attention_heads":12,"attention_head_dim":128,"in_channels":16,` +
		`"text_dim":4096,"freq_dim":256,"ffn_dim":8960,"num_layers":30,"qk_norm":"rms_norm_across_heads","eps":1e-06}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseTransformerConfig(data)
		if err != nil {
			return
		}
		if err := c.check(); err != nil {
			t.Errorf("%s is accepted, and then refused: %v", data, err)
		}
		if _, err := c.Tokens(c.Patch[0], c.Patch[1], c.Patch[2]); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	})
}
