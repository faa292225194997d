package clip

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

var goldens = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/wan.py golden --out internal/model"}

// The largest relative L2 differences from the oracle.
const (
	exactBar = 1e-4
	halfBar  = 2e-2
)

// configJSON is the config.json that transformers wrote.
func configJSON(t *testing.T, f *safetensors.File) string {
	t.Helper()
	var about struct {
		Config json.RawMessage `json:"config"`
	}
	goldens.About(t, f, &about)
	return string(about.Config)
}

func config(t *testing.T, f *safetensors.File) Config {
	t.Helper()
	c, err := ParseConfig([]byte(configJSON(t, f)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encoder(t *testing.T) *Encoder {
	t.Helper()
	f := goldens.Open(t, "clip")
	e, err := Open(config(t, f), f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// images are the two images of the golden.
func images(t *testing.T) [][]float32 {
	t.Helper()
	v := goldens.Values(t, goldens.Open(t, "golden"), "in/pixels")
	return [][]float32{v[:len(v)/2], v[len(v)/2:]}
}

func encode(t *testing.T, e *Encoder, b tensor.Backend, images ...[]float32) []float32 {
	t.Helper()
	x, err := e.Encode(t.Context(), b, images...)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{len(images) * e.Config.Rows(), e.Config.Width}; !slices.Equal(x.Shape, want) {
		t.Fatalf("the vectors have shape %v, must be %v", x.Shape, want)
	}
	defer b.Reset()
	return tensor.Values(b, x)
}

// TestGolden holds the encoder against transformers.
func TestGolden(t *testing.T) {
	e, golden := encoder(t), goldens.Open(t, "golden")
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		for _, c := range []struct {
			backend tensor.Backend
			want    string
			bar     float64
		}{{backend.Exact(), "f32", exactBar}, {backend.New(), "f32", halfBar}, {backend.New(), "bf16", halfBar}} {
			d := goldentest.RelativeL2(encode(t, e, c.backend, images(t)...), goldens.Values(t, golden, "want/"+c.want))
			t.Logf("%v with %v against %s: %.2g", l, c.backend.Precision(), c.want, d)
			if !(d <= c.bar) {
				t.Errorf("%v with %v: relative L2 %.3g from the oracle's %s, must be at most %g", l, c.backend.Precision(), d, c.want, c.bar)
			}
		}
		restore()
	}
}

// TestPixels holds the preparation of a frame against the one of transformers.
func TestPixels(t *testing.T) {
	golden := goldens.Open(t, "golden")
	rgb, err := golden.Bytes("in/rgb")
	goldens.Need(t, err)
	got, err := config(t, goldens.Open(t, "clip")).Pixels(media.Frame{W: 90, H: 67, Pix: rgb})
	if err != nil {
		t.Fatal(err)
	}
	d := goldentest.RelativeL2(got, images(t)[0])
	t.Logf("relative L2 %.2g", d)
	if !(d <= 2e-3) {
		t.Errorf("relative L2 %.3g from the oracle's pixels", d)
	}
	if _, err := config(t, goldens.Open(t, "clip")).Pixels(media.Frame{W: 90, H: 66, Pix: rgb}); err == nil {
		t.Error("a frame that is none has pixels")
	}
}

// TestSameBytes: alone or together, layer by layer, on one thread, and in memory
// that nobody sees, images give the same bytes.
func TestSameBytes(t *testing.T) {
	e, in := encoder(t), images(t)
	want := encode(t, e, backend.New(), in...)
	same := func(what string, got []float32) {
		t.Helper()
		if !slices.Equal(got, want) {
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

// edited are weights of which some have another name or are missing.
type edited struct {
	*safetensors.File
	names map[string]string // the file's, by the new one
}

func (w edited) Stored(name string) (tensor.Stored, []int, error) {
	own, ok := w.names[name]
	if !ok {
		return tensor.Stored{}, nil, fmt.Errorf("%q: %w", name, tensor.ErrNotStored)
	}
	return w.File.Stored(own)
}

func (w edited) Names() []string {
	var out []string
	for n := range w.names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func rename(f *safetensors.File, prefix string) edited {
	w := edited{f, map[string]string{}}
	for _, n := range f.Names() {
		w.names[prefix+n] = n
	}
	return w
}

// TestOpen takes weights under the older names of transformers too, and names
// what weights lack or have too much of.
func TestOpen(t *testing.T) {
	f := goldens.Open(t, "clip")
	w := rename(f, "vision_model.")
	w.names["visual_projection.weight"] = "post_layernorm.weight"
	e, err := Open(config(t, f), w)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(encode(t, e, backend.New(), images(t)...), encode(t, encoder(t), backend.New(), images(t)...)) {
		t.Error("other bytes under other names")
	}
	for want, change := range map[string]func(w edited, c *Config){
		`lacks the parameter "encoder.layers.1.mlp.fc2.bias"`: func(w edited, _ *Config) { delete(w.names, "encoder.layers.1.mlp.fc2.bias") },
		`such as "encoder.layers.3.x"`:                        func(w edited, _ *Config) { w.names["encoder.layers.3.x"] = "post_layernorm.bias" },
		`16 tensors that its configuration has no use for`:    func(_ edited, c *Config) { c.Layers = 2 },
		`filters of 7×7 over 3 channels`:                      func(_ edited, c *Config) { c.Patch, c.Size = 6, 24 },
		`none of "vision_model.embeddings.class_embedding"`:   func(w edited, _ *Config) { clear(w.names) },
		`num_hidden_layers is 1, must be 2 to`:                func(_ edited, c *Config) { c.Layers = 1 },
	} {
		w, c := rename(f, ""), config(t, f)
		change(w, &c)
		if _, err := Open(c, w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	if _, err := e.Encode(t.Context(), backend.New()); err == nil {
		t.Error("no image has vectors")
	}
	if _, err := e.Encode(t.Context(), backend.New(), make([]float32, 3*31*30)); err == nil || !strings.Contains(err.Error(), "30×30 pixels") {
		t.Error(err)
	}
}

// TestParseConfigRefuses: configurations are not trusted.
func TestParseConfigRefuses(t *testing.T) {
	good := configJSON(t, goldens.Open(t, "clip"))
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for want, data := range map[string]string{
		"not a config.json":              "7",
		`model_type is "clip_text_mode`:  swap("clip_vision_model", "clip_text_model"),
		`hidden_act is "quick_gelu"`:     swap(`"gelu"`, `"quick_gelu"`),
		"num_channels is 4":              swap(`"num_channels": 3`, `"num_channels": 4`),
		"patch_size is 0, must be 1":     swap(`"patch_size": 7`, `"patch_size": 0`),
		"patch_size is 31, must be 1":    swap(`"patch_size": 7`, `"patch_size": 31`),
		"image_size is -4":               swap(`"image_size": 30`, `"image_size": -4`),
		"hidden_size 37 does not split":  swap(`"hidden_size": 36`, `"hidden_size": 37`),
		"layer_norm_eps is 0, must be":   swap("1e-05", "0"),
		"is 1048577 vectors, at most":    strings.Replace(swap(`"image_size": 30`, `"image_size": 1024`), `"patch_size": 7`, `"patch_size": 1`, 1),
		"1048577 bytes are too many":     strings.Repeat(" ", maxConfig+1),
		"intermediate_size is 900000000": swap(`"intermediate_size": 50`, `"intermediate_size": 900000000`),
	} {
		if _, err := ParseConfig([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}
