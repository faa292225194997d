package wan

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/sampler"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

// TestOpaque: the engine gives the same bytes on a backend that hides its memory.
func TestOpaque(t *testing.T) {
	all := pipelines(t)
	for _, name := range []string{"t2v", "ti2v, image", "i2v, both frames"} {
		s := short(all[name])
		dir := s.folder(t)
		j := s.job(s.open(t, dir, engine.Options{}, backend.New))
		j.StepCache = 0.4
		want := sample(t, s.open(t, dir, engine.Options{}, backend.New), j)
		hidden := s.open(t, dir, engine.Options{}, func() tensor.Backend { return tensortest.NewOpaque(backend.New()) })
		if got := sample(t, hidden, j); !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

// TestRecipe reads how models are sampled, with and without files that say so.
func TestRecipe(t *testing.T) {
	t21 := TransformerConfig{In: 16, Out: 16}
	i2v := TransformerConfig{In: 36, Out: 16}
	t22 := TransformerConfig{In: 48, Out: 48}
	for name, tt := range map[string]struct {
		index, scheduler string
		c                TransformerConfig
		channels         int
		second           bool
		want             recipe
	}{
		"nothing said":      {"", "", t21, 16, false, recipe{shift: 5}},
		"5B":                {"", "", t22, 48, false, recipe{shift: 5, tokens: true}},
		"two experts":       {"", "", t21, 16, true, recipe{shift: 5, boundary: 0.875}},
		"two of image":      {"", "", i2v, 16, true, recipe{shift: 5, boundary: 0.9}},
		"said":              {`{"_class_name":"WanPipeline","boundary_ratio":0.8,"expand_timesteps":false}`, `{"_class_name":"UniPCMultistepScheduler","prediction_type":"flow_prediction","use_flow_sigmas":true,"flow_shift":3}`, t22, 48, true, recipe{shift: 3, boundary: 0.8}},
		"no experts":        {`{"_class_name":"WanPipeline","boundary_ratio":null}`, `{"_class_name":"FlowMatchEulerDiscreteScheduler","shift":8}`, t21, 16, false, recipe{shift: 8, euler: true}},
		"shift left out":    {"", `{"_class_name":"FlowMatchEulerDiscreteScheduler"}`, t21, 16, false, recipe{shift: 1, euler: true}},
		"distilled to few":  {`{"_class_name":"WanDMDPipeline"}`, "", t21, 16, false, recipe{shift: 5, renoise: fastWan}},
		"boundary of image": {`{"_class_name":"WanImageToVideoPipeline","boundary_ratio":0.9}`, "", i2v, 16, true, recipe{shift: 5, boundary: 0.9}},
	} {
		r, err := readRecipe(recipeFolder(t, tt.index, tt.scheduler), tt.c, tt.channels, tt.second)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.euler != tt.want.euler || r.shift != tt.want.shift || r.boundary != tt.want.boundary || r.tokens != tt.want.tokens || !slices.Equal(r.renoise, tt.want.renoise) {
			t.Errorf("%s: %+v, want %+v", name, r, tt.want)
		}
		if m := r.flow(4).Method; (m == sampler.FlowEuler) != tt.want.euler || (m == sampler.Renoise) != (tt.want.renoise != nil) {
			t.Errorf("%s: sampled by method %v", name, m)
		}
	}
	for want, files := range map[string][2]string{
		"WanVACEPipeline":      {`{"_class_name":"WanVACEPipeline"}`, ""},
		"not a configuration":  {"{", ""},
		"boundary_ratio is 2":  {`{"boundary_ratio":2}`, ""},
		"DDIMScheduler":        {"", `{"_class_name":"DDIMScheduler"}`},
		"flow_prediction":      {"", `{"_class_name":"UniPCMultistepScheduler","prediction_type":"epsilon"}`},
		"use_flow_sigmas":      {"", `{"_class_name":"UniPCMultistepScheduler","use_flow_sigmas":false}`},
		"solver_order":         {"", `{"_class_name":"UniPCMultistepScheduler","solver_order":3}`},
		"final_sigmas_type":    {"", `{"_class_name":"UniPCMultistepScheduler","final_sigmas_type":"sigma_min"}`},
		"must be 1000":         {"", `{"_class_name":"FlowMatchEulerDiscreteScheduler","num_train_timesteps":100}`},
		"of another kind":      {"", `{"_class_name":"FlowMatchEulerDiscreteScheduler","use_dynamic_shifting":true}`},
		"the shift is 0":       {"", `{"_class_name":"FlowMatchEulerDiscreteScheduler","shift":0}`},
		"it is no configurat":  {"", strings.Repeat(" ", maxConfig+1)},
		"it has more than 104": {strings.Repeat(" ", maxConfig+1), ""},
	} {
		if _, err := readRecipe(recipeFolder(t, files[0], files[1]), t21, 16, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// recipeFolder makes a folder with the two files, "" for none.
func recipeFolder(t *testing.T, index, scheduler string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{"model_index.json": index, filepath.Join(schedulerDir, "scheduler_config.json"): scheduler} {
		to := filepath.Join(dir, path)
		if text == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWeightFiles finds the weights of a part, and says what is wrong with a
// folder.
func TestWeightFiles(t *testing.T) {
	const index = "m.safetensors.index.json"
	for _, tt := range []struct {
		files map[string]string
		want  []string // or
		err   string
	}{
		{map[string]string{"a.safetensors": "", "config.json": ""}, []string{"a.safetensors"}, ""},
		{map[string]string{"b.safetensors": "", "a.safetensors": ""}, []string{"a.safetensors", "b.safetensors"}, ""},
		{map[string]string{"x.gguf": ""}, []string{"x.gguf"}, ""},
		{map[string]string{"a.safetensors": "", "b.safetensors": "", index: `{"weight_map":{"x":"b.safetensors","y":"b.safetensors"}}`}, []string{"b.safetensors"}, ""},
		{map[string]string{"config.json": ""}, nil, "no weights"},
		{map[string]string{"x.gguf": "", "y.gguf": "", "z.safetensors": ""}, nil, "holds x.gguf and y.gguf: keep the one"},
		{map[string]string{"x.gguf": "", "y.safetensors": "", index: `{"weight_map":{"x":"y.safetensors"}}`}, []string{"x.gguf"}, ""},
		{map[string]string{index: `{"weight_map":{"x":"b.safetensors"}}`}, nil, "a part that is missing"},
		{map[string]string{index: `{"weight_map":{"x":"../b.safetensors"}}`}, nil, "no file of weights beside it"},
		{map[string]string{index: `{"weight_map":{"x":"b.bin"}}`}, nil, "no file of weights beside it"},
		{map[string]string{index: `{}`}, nil, "lists 0 files"},
		{map[string]string{index: `[`}, nil, "no index of weights"},
		{map[string]string{index: `{}`, "fp16.safetensors.index.json": `{}`}, nil, "keep the one"},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := weightFiles(dir)
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v: %v, %v, want %v %q", tt.files, got, err, tt.want, tt.err)
		}
	}
	if _, err := weightFiles(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
	}
}

// TestFolderRefusals names what is missing, and parts that do not belong together.
func TestFolderRefusals(t *testing.T) {
	all := pipelines(t)
	for want, change := range map[string]func(s *story, dir string){
		"no weights": func(_ *story, dir string) {
			must(t, os.Remove(filepath.Join(dir, transformerDir, "model.safetensors")))
			must(t, os.Remove(filepath.Join(dir, transformerDir, "config.json")))
		},
		"no such file": func(_ *story, dir string) { must(t, os.RemoveAll(filepath.Join(dir, vaeDir))) },
		"the transformer makes latents of 4 channels, the autoencoder has 6": func(_ *story, dir string) {
			other := all["ti2v, text"].folder(t)
			must(t, os.RemoveAll(filepath.Join(dir, vaeDir)))
			must(t, os.Rename(filepath.Join(other, vaeDir), filepath.Join(dir, vaeDir)))
		},
		"gives vectors of 36 numbers, the transformer takes 20": func(_ *story, dir string) {
			part := filepath.Join(dir, transformerDir)
			f := goldens.Open(t, "ti2v")
			must(t, os.WriteFile(filepath.Join(part, "config.json"), aboutOf(t, f).Config, 0o600))
		},
		"by an image encoder (CLIP), which cannot be read": func(_ *story, dir string) {
			f := goldens.Open(t, "i2v")
			must(t, os.WriteFile(filepath.Join(dir, transformerDir, "config.json"), aboutOf(t, f).Config, 0o600))
		},
	} {
		s := all["t2v"]
		dir := s.folder(t)
		change(s, dir)
		if _, err := Spec("x", dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	s := all["t2v"]
	dir := s.folder(t)
	must(t, os.RemoveAll(filepath.Join(dir, tokenizerDir)))
	m := s.open(t, dir, engine.Options{}, backend.New)
	if _, err := m.Sample(t.Context(), s.job(m), nil); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("without a tokenizer: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
