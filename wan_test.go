package kinora

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/hub"
	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/shelf"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

const wanList = `
models:
  - name: tinywan
    about: a tiny Wan
    engine: wan
    licence: {name: Apache-2.0, link: "https://example.com/licence"}
    components:
      - {repository: test/tinywan, files: [model_index.json, "scheduler/*", "transformer/*", "vae/*", "text_encoder/*", "tokenizer/*"]}
      - {repository: test/tinywan, files: [taew2_2.safetensors], into: tiny_decoder}
`

// pullWan pulls a Wan of tiny parts, those that its oracle made, which takes a first
// frame.
func pullWan(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(shelf.DirEnv, filepath.Join(dir, "models"))
	t.Setenv(catalog.FileEnv, filepath.Join(dir, "models.yaml"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	if err := os.WriteFile(filepath.Join(dir, "models.yaml"), []byte(wanList), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"model_index.json":                []byte(`{"_class_name": "WanPipeline", "expand_timesteps": true}`),
		"scheduler/scheduler_config.json": []byte(`{"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction", "use_flow_sigmas": true, "flow_shift": 5.0}`),
	}
	read := func(path string) []byte {
		data, err := os.ReadFile(filepath.Join("internal/model", path))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for part, path := range map[string]string{
		"transformer": "wan/testdata/pipeline/ti2v.safetensors", "vae": "wanvae/testdata/wan22.safetensors", "text_encoder": "t5/testdata/umt5.safetensors",
	} {
		data := read(path)
		f, err := safetensors.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		config := []byte(f.Metadata()["config"])
		if len(config) == 0 {
			var about struct{ Config json.RawMessage }
			if err := json.Unmarshal([]byte(f.Metadata()["about"]), &about); err != nil {
				t.Fatal(err)
			}
			config = about.Config
		}
		files[part+"/model.safetensors"], files[part+"/config.json"] = data, config
	}
	files["tokenizer/tokenizer.json"] = read("wan/testdata/pipeline/tokenizer.json")
	files["taew2_2.safetensors"] = read("tae/testdata/taew2_2.safetensors")
	srv := hubtest.New()
	t.Cleanup(srv.Close)
	srv.Put("test/tinywan", hubtest.Repo{Files: files})
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := c.Find("tinywan")
	s, err := shelf.Default()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	h, err := hub.New(hub.Options{Endpoint: srv.Hub.URL})
	err = errors.Join(err, s.Accept(e.Name, e.Licences(), time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := h.Plan(t.Context(), s, e)
	if err == nil {
		err = h.Pull(t.Context(), s, plan, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPulledWan: released weights that were pulled make a video with every option
// that they take, and a file of latents is drawn again to the same frames.
func TestPulledWan(t *testing.T) {
	pullWan(t)
	said, err := CapabilitiesOf("tinywan")
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, said)
	if !said.FirstFrame || !said.Negative || said.LastFrame || !said.Extras.Memory || !said.Extras.LoRA || !said.Extras.StepCache || len(said.Extras.Decoders) != 2 {
		t.Errorf("%+v", said)
	}
	picture := image.NewRGBA(image.Rect(0, 0, 200, 150))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i * 7)
	}
	picture.Set(3, 4, color.White)
	r := Request{Prompt: "a red fox", NegativePrompt: "low quality", Image: picture, Seconds: 0.2, Width: 128, Height: 160, Steps: 3, Seed: 3, StepCache: 0.05}
	frames := func(opts ...Option) ([][]byte, []string) {
		t.Helper()
		var notes []string
		latents := t.TempDir()
		m, err := Open(t.Context(), "tinywan", append(opts, WithLatentsDir(latents), WithNotes(func(line string) { notes = append(notes, line) }))...)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.Generate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		made := pixels(t, c)
		again, err := m.Load(t.Context(), c.LatentsPath(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(pixels(t, again), made, slices.Equal[[]byte]) {
			t.Error("the latents on disk are drawn otherwise")
		}
		return made, notes
	}
	plain, notes := frames()
	if len(plain) != 5 || len(plain[0]) != 128*160*4 {
		t.Fatalf("%d frames of %d bytes", len(plain), len(plain[0]))
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "the step cache") {
		t.Errorf("notes %q", notes)
	}
	limited, notes := frames(WithMemory(1 << 30))
	if !slices.EqualFunc(limited, plain, slices.Equal[[]byte]) {
		t.Error("within a limit on memory the video is another one")
	}
	if len(notes) == 0 || !strings.HasPrefix(notes[0], "memory, at most 1.1 GB: ") {
		t.Errorf("notes %q", notes)
	}
	tiny, _ := frames(WithDecoder(engine.TinyDecoder))
	if len(tiny) != len(plain) || slices.Equal(tiny[1], plain[1]) {
		t.Error("the tiny decoder draws what the full one draws")
	}
	digest := func() string {
		m, err := Open(t.Context(), "tinywan")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		d, err := m.WeightsDigest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pulled := digest()
	s, err := shelf.Default()
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(s.ModelDir("tinywan"), "transformer", "q8.gguf")
	writeSmaller(t, filepath.Join(filepath.Dir(replaced), "model.safetensors"), replaced)
	coarse, _ := frames()
	if d := digest(); len(coarse) != len(plain) || slices.EqualFunc(coarse, plain, slices.Equal[[]byte]) || d == pulled {
		t.Errorf("a GGUF file beside the weights changes nothing: %s, %s", pulled, d)
	}
	if err := os.Remove(replaced); err != nil {
		t.Fatal(err)
	}
	if again, _ := frames(); !slices.EqualFunc(again, plain, slices.Equal[[]byte]) || digest() != pulled {
		t.Error("without the GGUF file the video is not what it was")
	}
	pool := NewPool(0, WithLatentsDir(t.TempDir()))
	if err := pool.Name("quick", "tinywan", WithDecoder(engine.TinyDecoder)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][][]byte{"tinywan": plain, "quick": tiny} {
		m, release, err := pool.Use(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Generate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(pixels(t, c), want, slices.Equal[[]byte]) {
			t.Errorf("the pool's %s draws otherwise", name)
		}
		release()
	}
	if err := pool.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for want, opt := range map[string]Option{
		"no such file":   WithLoRA(LoRA{Path: "nowhere.safetensors", Strength: 1}),
		"has no experts": WithLoRA(LoRA{Path: "x", Strength: 1, Expert: "low"}),
	} {
		if _, err := Open(t.Context(), "tinywan", opt); KindOf(err) != Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	m, err := Open(t.Context(), "tinywan", WithMemory(1), WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Generate(t.Context(), r); KindOf(err) != Invalid || !strings.Contains(err.Error(), "request memory: a video of this size and length takes at least") {
		t.Errorf("a limit of one byte: %v", err)
	}
}

// pixels are the frames of a clip.
func pixels(t *testing.T, c *Clip) (out [][]byte) {
	t.Helper()
	for f, err := range c.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(f.Pix))
	}
	return out
}

// writeSmaller writes the tensors of a file of safetensors to a GGUF file, all numbers a
// little smaller.
func writeSmaller(t *testing.T, from, to string) {
	t.Helper()
	f, err := safetensors.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tensors []gguf.Tensor
	for _, name := range f.Names() {
		x, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		bytes := make([]byte, 0, 4*len(x))
		for _, v := range x {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(0.98*v))
		}
		if len(shape) > 4 { // GGUF has no more axes
			shape = []int{shape[0], len(x) / shape[0]}
		}
		tensors = append(tensors, gguf.Tensor{Name: name, Type: gguf.F32, Shape: shape, Data: func(w io.Writer) error {
			_, err := w.Write(bytes)
			return err
		}})
	}
	if err := gguf.WriteFile(to, tensors, nil); err != nil {
		t.Fatal(err)
	}
}
