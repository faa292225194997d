package clip

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

const makeGoldens = "make the goldens with: python3 tools/reference/clip.py --out internal/model/clip/testdata"

func openFile(t *testing.T, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open("testdata/" + name + ".safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // the file was only read
	return f
}

// config is the config.json of the golden.
func config(t *testing.T) []byte {
	t.Helper()
	var about struct{ Config json.RawMessage }
	if err := json.Unmarshal([]byte(openFile(t, "clip").Metadata()["about"]), &about); err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	return about.Config
}

func opened(t *testing.T) *Encoder {
	t.Helper()
	c, err := ParseConfig(config(t))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(c, openFile(t, "clip"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sizes are those of the golden's pictures.
var sizes = [][2]int{{28, 28}, {48, 32}, {60, 104}, {200, 131}, {20, 24}}

func golden(t *testing.T, g *safetensors.File, size [2]int) (rgb []byte, pixels, rows []float32) {
	t.Helper()
	name := fmt.Sprintf("%dx%d/", size[0], size[1])
	rgb, err := g.Bytes(name + "rgb")
	if err == nil {
		pixels, _, err = g.Float32(name + "pixels")
	}
	if err == nil {
		rows, _, err = g.Float32(name + "rows")
	}
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	return rgb, pixels, rows
}

func relativeL2(got, want []float32) float64 {
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff, norm = diff+d*d, norm+float64(w)*float64(w)
	}
	return math.Sqrt(diff / norm)
}

// TestPrepareGolden: pictures are scaled, cut and standardised as transformers and
// Pillow do it. Rounding may differ in the last bit of a byte, which is 1/255 over
// the deviation.
func TestPrepareGolden(t *testing.T) {
	g, c := openFile(t, "golden"), opened(t).Config
	for _, size := range sizes {
		rgb, want, _ := golden(t, g, size)
		got := c.Prepare(rgb, size[0], size[1])
		if len(got) != len(want) {
			t.Fatalf("%v: %d numbers, want %d", size, len(got), len(want))
		}
		others := 0
		for i, w := range want {
			switch d := math.Abs(float64(got[i] - w)); {
			case d > 1.01/255/0.26:
				t.Fatalf("%v: number %d is %v, want %v", size, i, got[i], w)
			case d > 1e-5:
				others++
			}
		}
		if others > len(want)/200 {
			t.Errorf("%v: %d of %d bytes differ", size, others, len(want))
		}
	}
}

// TestGolden holds the vectors of each picture against transformers, on every
// instruction set, alone and with others, with layers that come and go.
func TestGolden(t *testing.T) {
	g, e := openFile(t, "golden"), opened(t)
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		for _, b := range []struct {
			tensor.Backend
			bar float64
		}{{backend.Exact(), 1e-5}, {backend.New(), 2e-2}, {tensortest.NewOpaque(backend.New()), 2e-2}} {
			e.Params.LetGo("")
			var pictures [][]float32
			var want []float32
			for _, size := range sizes {
				_, pixels, rows := golden(t, g, size)
				pictures, want = append(pictures, pixels), append(want, rows...)
			}
			// The backend of tests prepares no layers while others run.
			if _, opaque := b.Backend.(*tensortest.Opaque); opaque {
				e.Layers.Stay(9)
			} else {
				e.Layers.Stay(1)
			}
			y, err := e.Encode(t.Context(), b, pictures...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(y.Shape, []int{len(sizes) * e.Config.Rows(), e.Config.Width}) {
				t.Fatalf("shape %v", y.Shape)
			}
			all := tensor.Values(b, y)
			d := relativeL2(all, want)
			t.Logf("%v, %v: relative L2 %.2g", l, b.Precision(), d)
			if !(d <= b.bar) {
				t.Errorf("%v, %v: the relative L2 is %.3g, must be at most %g", l, b.Precision(), d, b.bar)
			}
			b.Reset()
			e.Layers.Stay(9)
			if y, err = e.Encode(t.Context(), b, pictures[1]); err != nil {
				t.Fatal(err)
			}
			n := e.Config.Rows() * e.Config.Width
			if !slices.Equal(tensor.Values(b, y), all[n:2*n]) {
				t.Errorf("%v: a picture alone becomes other vectors", l)
			}
			b.Reset()
		}
		restore()
	}
}

// old are weights under the names of older files.
type old struct{ *safetensors.File }

func (o old) Stored(name string) (tensor.Stored, []int, error) {
	rest, ok := strings.CutPrefix(name, "vision_model.")
	if !ok {
		return tensor.Stored{}, nil, tensor.ErrNotStored
	}
	return o.File.Stored(rest)
}

// TestOpen takes both layouts, and says what is wrong with configurations and
// weights.
func TestOpen(t *testing.T) {
	c := opened(t).Config
	if _, err := Open(c, old{openFile(t, "clip")}); err != nil {
		t.Error(err)
	}
	more := c
	more.Layers++
	if _, err := Open(more, openFile(t, "clip")); err != nil {
		t.Errorf("the last layer is not needed: %v", err)
	}
	more.Layers++
	if _, err := Open(more, openFile(t, "clip")); err == nil || !strings.Contains(err.Error(), "lacks the parameter") {
		t.Errorf("weights that lack a layer: %v", err)
	}
	if _, err := Open(c, openFile(t, "golden")); err == nil || !strings.Contains(err.Error(), "not of this model") {
		t.Errorf("other weights: %v", err)
	}
	text := string(config(t))
	for want, data := range map[string]string{
		"not a config.json":        "{",
		"must be clip_vision":      `{"model_type":"siglip"}`,
		"hidden_act is":            strings.Replace(text, `"gelu"`, `"quick_gelu"`, 1),
		"num_hidden_layers is 999": strings.Replace(text, `"num_hidden_layers": 4`, `"num_hidden_layers": 999`, 1),
		"must be multiples":        strings.Replace(text, `"num_attention_heads": 3`, `"num_attention_heads": 5`, 1),
		"layer_norm_eps is 2":      strings.Replace(text, `"layer_norm_eps": 1e-05`, `"layer_norm_eps": 2`, 1),
		"1048577 bytes":            strings.Repeat(" ", maxConfig+1),
	} {
		if _, err := ParseConfig([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	e := opened(t)
	if _, err := e.Encode(t.Context(), backend.New(), make([]float32, 5)); err == nil || !strings.Contains(err.Error(), "has 5 numbers") {
		t.Errorf("a picture of 5 numbers: %v", err)
	}
	if _, err := e.Encode(t.Context(), backend.New()); err == nil {
		t.Error("no picture was accepted")
	}
}
