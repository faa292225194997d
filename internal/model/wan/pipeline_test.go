package wan

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

var storyGoldens = goldentest.Set{Dir: pipelineData, Make: "python3 tools/reference/wan_pipeline.py --models internal/model (tools/reference/README.md says with which packages)"}

const pipelineData = "testdata/pipeline"

// story is what the oracle did with one pipeline.
type story struct {
	Index, Scheduler json.RawMessage
	Transformer, VAE string
	Low              string
	Width, Height    int
	Frames, Steps    int
	Guidance         float32
	Prompt, Negative string
	Seed             uint64
	LoRA             string
	Strength         float64
	name             string
	latents, image   []float32
	last             []float32
	frames           []byte
	latentShape      []int
}

// pipelines are the oracle's goldens.
func pipelines(t *testing.T) map[string]*story {
	t.Helper()
	f := storyGoldens.Open(t, "golden")
	out := map[string]*story{}
	storyGoldens.About(t, f, &out)
	for name, s := range out {
		s.name = name
	}
	for _, tensor := range f.Names() {
		name, part, _ := strings.Cut(tensor, "/")
		s := out[name]
		if part == "frames" {
			b, err := f.Bytes(tensor)
			if err != nil {
				t.Fatal(err)
			}
			s.frames = slices.Clone(b)
			continue
		}
		x, shape, err := f.Float32(tensor)
		if err != nil {
			t.Fatal(err)
		}
		switch part {
		case "latents":
			s.latents, s.latentShape = x, shape
		case "image":
			s.image = x
		case "last_image":
			s.last = x
		default:
			t.Fatalf("the golden %q is compared with nothing", tensor)
		}
	}
	return out
}

// folder makes the model's folder as diffusers has it.
func (s *story) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(data []byte, path ...string) {
		to := filepath.Join(append([]string{dir}, path...)...)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	part := func(name, file string) {
		f, err := safetensors.Open(file)
		storyGoldens.Need(t, err)
		defer f.Close()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		config := []byte(f.Metadata()["config"])
		if len(config) == 0 {
			config = aboutOf(t, f).Config
		}
		write(config, name, "config.json")
		write(data, name, "model.safetensors")
	}
	write(s.Index, "model_index.json")
	write(s.Scheduler, schedulerDir, "scheduler_config.json")
	part(transformerDir, filepath.Join(pipelineData, s.Transformer+".safetensors"))
	if s.Low != "" {
		part(secondDir, filepath.Join(pipelineData, s.Low+".safetensors"))
	}
	part(vaeDir, filepath.Join("../wanvae/testdata", s.VAE+".safetensors"))
	part(encoderDir, "../t5/testdata/umt5.safetensors")
	if s.Transformer == "clip" || s.Transformer == "flf" {
		part(imageDir, "../clip/testdata/clip.safetensors")
	}
	tok, err := os.ReadFile(filepath.Join(pipelineData, "tokenizer.json"))
	storyGoldens.Need(t, err)
	write(tok, tokenizerDir, "tokenizer.json")
	return dir
}

// options are those with which the story's model is opened.
func (s *story) options() engine.Options {
	if s.LoRA == "" {
		return engine.Options{}
	}
	return engine.Options{LoRAs: []engine.LoRA{{Path: filepath.Join(pipelineData, s.LoRA), Strength: s.Strength}}}
}

// open opens the story's model on backends of a kind.
func (s *story) open(t *testing.T, dir string, o engine.Options, newBackend func() tensor.Backend) *model {
	t.Helper()
	f, err := readFolder("wan", dir)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	m, err := f.openOn(t.Context(), o, newBackend)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// job is what the oracle was asked for.
func (s *story) job(m *model) engine.Job {
	return engine.Job{
		Video:  engine.Video{Width: s.Width, Height: s.Height, FPS: m.caps.Rates[0], Frames: s.Frames},
		Prompt: s.Prompt, Negative: s.Negative, Seed: s.Seed, Steps: s.Steps, Guidance: s.Guidance, First: s.image, Last: s.last,
	}
}

// sample makes the latents of a job.
func sample(t *testing.T, m *model, j engine.Job) *Latents {
	t.Helper()
	steps := 0
	l, err := m.Sample(t.Context(), j, func(done, total int) {
		if steps++; done != steps || total != j.Steps {
			t.Errorf("progress says %d of %d after step %d of %d", done, total, steps, j.Steps)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if steps != j.Steps {
		t.Errorf("%d steps were told, not %d", steps, j.Steps)
	}
	return l.(*Latents)
}

// draw decodes latents.
func draw(t *testing.T, m *model, l engine.Latents) (frames [][]byte) {
	t.Helper()
	err := m.Decode(t.Context(), l, func(rgb []byte) error {
		frames = append(frames, slices.Clone(rgb))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// exact has products of f32.
func exact() tensor.Backend { return backend.Exact() }

// The bars of whole pipelines: relative L2 of the latents.
const (
	pipelineBar     = 1e-4
	pipelineHalfBar = 2e-2
)

// TestPipelines runs every pipeline that the oracle ran, with the same seed, and
// compares latents and frames.
func TestPipelines(t *testing.T) {
	for name, s := range pipelines(t) {
		dir := s.folder(t)
		of, half := name, strings.Contains(name, "bf16")
		for _, p := range []struct {
			precision string
			backend   func() tensor.Backend
			bar       float64
		}{{"f32", exact, pipelineBar}, {"bf16", backend.New, pipelineHalfBar}} {
			if half && p.precision == "f32" {
				continue
			}
			m := s.open(t, dir, s.options(), p.backend)
			l := sample(t, m, s.job(m))
			if got := []int{l.T, l.H, l.W, l.C}; !slices.Equal(got, s.latentShape) {
				t.Fatalf("%s: latents %v, diffusers has %v", of, got, s.latentShape)
			}
			d := goldentest.RelativeL2(l.Data, s.latents)
			t.Logf("%s, %s: relative L2 of the latents %.2g", of, p.precision, d)
			if !(d <= p.bar) {
				t.Errorf("%s, %s: the relative L2 of the latents is %.3g, must be at most %g", of, p.precision, d, p.bar)
			}
			if s.frames != nil && p.precision == "f32" {
				compareFrames(t, of, draw(t, m, l), s.frames)
			}
		}
	}
}

// compareFrames allows the last bit of a colour to differ, at one in a hundred.
func compareFrames(t *testing.T, name string, got [][]byte, want []byte) {
	t.Helper()
	all := slices.Concat(got...)
	if len(all) != len(want) {
		t.Errorf("%s: %d frames of %d bytes in all, diffusers has %d", name, len(got), len(all), len(want))
		return
	}
	other := 0
	for i, w := range want {
		if d := math.Abs(float64(all[i]) - float64(w)); d > 1 {
			t.Errorf("%s: byte %d of the frames is %d, diffusers has %d", name, i, all[i], w)
			return
		} else if d > 0 {
			other++
		}
	}
	if other > len(want)/100 {
		t.Errorf("%s: %d of %d colours differ in the last bit", name, other, len(want))
	}
}

func TestCleanPrompt(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(pipelineData, "prompts.json"))
	storyGoldens.Need(t, err)
	var pairs [][2]string
	if err := json.Unmarshal(data, &pairs); err != nil {
		t.Fatal(err)
	}
	if len(pairs) < 20 {
		t.Errorf("only %d prompts; make the goldens with: %s", len(pairs), storyGoldens.Make)
	}
	for _, p := range pairs {
		if got := cleanPrompt(p[0]); got != p[1] {
			t.Errorf("%q becomes %q, in diffusers %q", p[0], got, p[1])
		}
	}
}
