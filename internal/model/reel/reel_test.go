package reel

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// TestOpenTrustsNoConfiguration opens a small file whose configuration asks for
// terabytes: that must be an error before there is memory for it.
func TestOpenTrustsNoConfiguration(t *testing.T) {
	m := tiny(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"wide":   {func(c *Config) { c.Flow.Width, c.Flow.Heads, c.Flow.Hidden, c.Flow.Experts = 8192, 128, 1<<16, 256 }, "flow.in.weight"},
		"deep":   {func(c *Config) { c.Flow.Blocks = 128 }, "lacks the parameter"},
		"codec":  {func(c *Config) { c.Codec.DeepWidth = 4096 }, "codec.down.weight"},
		"vocab":  {func(c *Config) { c.Text.Vocab = 1 << 18 }, "text.table"},
		"silent": {func(c *Config) { c.FPS = 0 }, "fps"},
	} {
		t.Run(name, func(t *testing.T) {
			meta, err := m.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			cfg := m.Config
			c.change(&cfg)
			text, err := json.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			meta[metaConfig] = string(text)
			var ts []safetensors.Tensor
			for _, name := range append(m.CodecParams.Names(), m.FlowParams.Names()...) {
				p := m.CodecParams.Get(name)
				if p == nil {
					p = m.FlowParams.Get(name)
				}
				ts = append(ts, safetensors.FromFloat32(name, safetensors.F32, values(p), p.Shape...))
			}
			path := filepath.Join(t.TempDir(), "hostile.safetensors")
			if err := safetensors.WriteFile(path, ts, meta); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = Open(data)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if took, most := after.TotalAlloc-before.TotalAlloc, uint64(16<<20); took > most {
				t.Errorf("a file of %d bytes took %d MiB", len(data), took>>20)
			}
		})
	}
}

// TestRefine checks that new layers change nothing, to the bit, before they are
// trained.
func TestRefine(t *testing.T) {
	m := tiny(t)
	c := m.Config
	c.Flow.Fine, c.Flow.FineBlocks = 0, 0
	plain, err := New(c, m.BPE, 1)
	if err != nil {
		t.Fatal(err)
	}
	if left := plain.FlowParams.Adopt(m.FlowParams); left != nil {
		t.Fatalf("the model without has %v, the model with has not", left)
	}
	refined, err := plain.Refine(20, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := refined.Refine(20, 3, 5); err != nil || again != refined {
		t.Errorf("a model that has the layers is made anew: %v", err)
	}
	batch := Batch{
		Z: gaussian(1, 2, 3, 4, 6, 8), T: []float32{0, 0.5, 0.5, 1, 0.9, 0.9}, Place: make([]float32, 6),
		Seconds: []float32{6, 4}, Chunks: []int{3},
	}
	run := func(m *Model) []byte {
		o := f32()
		return raw(m.Flow.Forward(o, batch, m.Flow.Encode(o, [][]int32{{1, 2}, {1, 5, 2}}), nil, nil))
	}
	before := run(plain)
	if !bytes.Equal(before, run(refined)) {
		t.Error("untrained layers change what the model says")
	}
	refined.FlowParams.Get("flow.fine.out.bias").Data()[0] = 1
	if bytes.Equal(before, run(refined)) {
		t.Error("the layers are not there")
	}
	for _, bad := range [][2]int{{-1, 1}, {0, 1}, {8, 0}, {1 << 20, 1}} {
		if _, err := plain.Refine(bad[0], bad[1], 1); err == nil {
			t.Errorf("width %d with %d blocks passes", bad[0], bad[1])
		}
	}
	for _, other := range [][2]int{{20, 2}, {16, 3}} {
		if _, err := refined.Refine(other[0], other[1], 1); err == nil || !strings.Contains(err.Error(), "would be lost") {
			t.Errorf("trained layers give way to width %d with %d blocks: %v", other[0], other[1], err)
		}
	}
}

// TestOpenTakesNoCopy: a model's weights stay in their file, so opening it
// allocates only a small part of the file's size.
func TestOpenTakesNoCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reel.safetensors")
	if err := os.WriteFile(path, Embedded(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*Model, error){
		"embedded": func() (*Model, error) { return Open(Embedded()) },
		"file":     func() (*Model, error) { return OpenFile(path) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := open()
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		took := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d of %d bytes", name, took, len(Embedded()))
		if took > uint64(len(Embedded())/8) {
			t.Errorf("%s: opening %d bytes takes %d", name, len(Embedded()), took)
		}
		if m.FlowParams.Get("flow.in.weight").Place() != tensor.InStore {
			t.Errorf("%s: a weight was moved", name)
		}
	}
}

// TestOpenRefusesWhatIsNotFinite: both Open and Read refuse values that are not
// finite.
func TestOpenRefusesWhatIsNotFinite(t *testing.T) {
	m := tiny(t)
	for _, name := range []string{"codec.out.weight", "flow.0.table", "codec.latent_std"} {
		bad := tiny(t)
		p := bad.FlowParams.Get(name)
		if p == nil {
			p = bad.CodecParams.Get(name)
		}
		v := p.Values()
		v[len(v)-1] = float32(math.NaN())
		p.Set(v)
		path := filepath.Join(t.TempDir(), "bad.safetensors")
		if err := bad.WriteFile(path, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, opened := OpenFile(path)
		_, read := Read(f)
		for how, err := range map[string]error{"opened": opened, "read": read} {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "not finite") {
				t.Errorf("%s, %s: error %v", name, how, err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "good.safetensors")
	if err := m.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path); err != nil {
		t.Errorf("finite weights: %v", err)
	}
}

// TestShrunkWeights: if a weights file is truncated while its model is in use,
// the next use of the model returns an error.
func TestShrunkWeights(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the file is not mapped")
	}
	path := filepath.Join(t.TempDir(), "reel.safetensors")
	if err := os.WriteFile(path, Embedded(), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<16); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Sample(t.Context(), Request{Prompt: "a cat", Frames: 1, Steps: 1}, nil); err == nil || !strings.Contains(err.Error(), "file changed while it was open") {
		t.Errorf("sampling: error %v", err)
	}
}

// TestFewSteps checks that a model prepared for few steps predicts the same as
// before, whatever stride it is told, until the stride's layer is trained; and
// that a request cannot choose the guidance that is in its weights.
func TestFewSteps(t *testing.T) {
	c := tiny(t).Config
	c.Flow.Steps, c.Flow.Guidance = 0, 0
	plain, err := New(c, tiny(t).BPE, 1)
	if err != nil {
		t.Fatal(err)
	}
	few, err := plain.FewSteps(4, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	run := func(m *Model, stride ...float32) []byte {
		o := f32()
		batch := Batch{
			Z: gaussian(1, 1, 2, 4, 6, 8), T: []float32{0, 0.5}, Stride: stride, Place: make([]float32, 2),
			Seconds: []float32{6}, Chunks: []int{2},
		}
		return raw(m.Flow.Forward(o, batch, m.Flow.Encode(o, [][]int32{{1, 2}}), nil, nil))
	}
	want := run(plain)
	if !bytes.Equal(run(few), want) || !bytes.Equal(run(few, 0.25, 0.5), want) {
		t.Error("a layer that was not trained changes what the model says")
	}
	weight := few.FlowParams.Get("flow.stride.weight")
	weight.Set(gaussian(3, weight.Shape...).Data())
	if bytes.Equal(run(few, 0.25, 0.5), run(few, 0.25, 0.25)) {
		t.Error("the model does not hear how far a step goes")
	}

	if _, err := few.FewSteps(4, 3, 2); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a model was distilled twice: %v", err)
	}
	for _, bad := range []struct {
		steps    int
		guidance float32
	}{{0, 3}, {MaxSteps + 1, 3}, {4, 0}, {4, -1}, {4, float32(math.NaN())}, {4, MaxGuidance + 1}} {
		if _, err := plain.FewSteps(bad.steps, bad.guidance, 1); err == nil {
			t.Errorf("%d steps with guidance %g pass", bad.steps, bad.guidance)
		}
	}
	r := Request{Prompt: "a red ball", Frames: 1, Guidance: 2}
	if _, err := few.Sample(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), "part of these weights") {
		t.Errorf("another guidance: %v", err)
	}
	calls := 0
	r.Guidance = 3
	if _, err := few.Sample(t.Context(), r, func(_, total int) { calls = total }); err != nil || calls != 4 {
		t.Errorf("%d steps, want the model's own 4: %v", calls, err)
	}
}

// TestStorybook: a file says which edition of the storybook its model was taught,
// and one of before it did means the first.
func TestStorybook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	m := tiny(t)
	m.Storybook = 2
	if err := m.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var ts []safetensors.Tensor
	for _, name := range f.Names() {
		v, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, safetensors.FromFloat32(name, safetensors.F32, v, shape...))
	}
	const none = "no key"
	for said, want := range map[string]world.Edition{"2": 2, "0": 0, "9": 9, none: 1, "": -1, "-1": -1, "two": -1, "99999999999999999999": -1} {
		meta := maps.Clone(f.Metadata())
		if meta[metaStorybook] != "2" {
			t.Fatalf("the file says edition %q", meta[metaStorybook])
		}
		meta[metaStorybook] = said
		if said == none {
			delete(meta, metaStorybook)
		}
		var b bytes.Buffer
		if err := safetensors.Write(&b, ts, meta); err != nil {
			t.Fatal(err)
		}
		got, err := Open(b.Bytes())
		switch {
		case want < 0 && (err == nil || !strings.Contains(err.Error(), "storybook")):
			t.Errorf("edition %q: error %v", said, err)
		case want >= 0 && (err != nil || got.Storybook != want):
			t.Errorf("edition %q was read as %+v: %v", said, got, err)
		}
	}
	c := m.Config
	c.Flow.Steps, c.Flow.Guidance = 0, 0
	teacher, err := New(c, m.BPE, 1)
	if err != nil {
		t.Fatal(err)
	}
	teacher.Storybook = 2
	few, err := teacher.FewSteps(4, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if few.Storybook != 2 {
		t.Errorf("the same model of few steps was taught edition %d", few.Storybook)
	}
}
