package lm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/weights/gguf"
)

// TestParseConfig changes one thing at a time in a config.json.
func TestParseConfig(t *testing.T) {
	for _, arch := range []string{"llama", "qwen3"} {
		data, err := os.ReadFile(filepath.Join("testdata", arch, "config.json"))
		if err != nil {
			t.Fatalf("%v; %s", err, makeGoldens)
		}
		c, err := ParseConfig(data)
		if err != nil || c.Architecture != arch || c.Heads != 8 || c.KVHeads != 2 || c.Width != 64 || c.Hidden != 96 || c.Layers != 2 || c.Context != 64 || c.Eps != 1e-5 || c.QKNorm != (arch == "qwen3") || c.Tied != c.QKNorm {
			t.Fatalf("%s: %+v, %v", arch, c, err)
		}
		for _, change := range []struct{ key, value, want string }{
			{"model_type", `"gemma"`, `"gemma"`},
			{"vocab_size", `0`, "the vocabulary is 0"},
			{"hidden_size", `-64`, "the width is -64"},
			{"intermediate_size", `1000000000`, "feed-forward"},
			{"num_hidden_layers", `100000`, "layers is 100000"},
			{"num_attention_heads", `0`, "heads is 0"},
			{"num_key_value_heads", `3`, "do not share"},
			{"num_key_value_heads", `9`, "key and value heads is 9"},
			{"head_dim", `15`, "must be even"},
			{"head_dim", `0`, "size of a head is 0"},
			{"max_position_embeddings", `0`, "the context is 0"},
			{"rms_norm_eps", `0`, "epsilon"},
			{"hidden_act", `"gelu"`, "hidden_act"},
			{"attention_bias", `true`, "attention_bias"},
			{"use_sliding_window", `true`, "sliding window"},
			{"layer_types", `["full_attention", "sliding_attention"]`, "layer_types"},
			{"rope_parameters", `{"rope_type": "longrope", "factor": 2}`, `"longrope"`},
			{"rope_parameters", `{"rope_type": "linear"}`, "no factor"},
			{"rope_parameters", `{"rope_type": "linear", "factor": 0}`, "factor of the rotary"},
			{"rope_parameters", `{"rope_type": "llama3", "factor": 8}`, "low_freq_factor"},
			{"rope_parameters", `{"rope_type": "llama3", "factor": 8, "low_freq_factor": 2, "high_freq_factor": 2}`, "both 2"},
			{"rope_parameters", `{"rope_type": "yarn", "factor": 8, "original_max_position_embeddings": -1}`, "context before scaling"},
			{"rope_parameters", `{"rope_type": "yarn", "factor": 8, "beta_fast": 1, "beta_slow": 9}`, "beta_fast"},
			{"rope_parameters", `{"rope_theta": 0}`, "base of the rotary"},
			{"rope_parameters", `{"partial_rotary_factor": 0.5}`, "partial_rotary_factor"},
			{"vocab_size", `"many"`, "not a config.json"},
		} {
			_, err := ParseConfig(changed(t, data, change.key, change.value))
			if err == nil || !strings.Contains(err.Error(), change.want) {
				t.Errorf("%s, %s %s: %v, want one that says %q", arch, change.key, change.value, err, change.want)
			}
		}
	}
	if _, err := ParseConfig(make([]byte, maxConfig+1)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a long one: %v", err)
	}
	old := `{"model_type": "llama", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 9, "num_hidden_layers": 1,
		"num_attention_heads": 2, "max_position_embeddings": 99, "rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 3}}`
	if c, err := ParseConfig([]byte(old)); err != nil || c.RoPE.Theta != 500 || c.RoPE.Scaling != "linear" || c.RoPE.Factor != 3 || c.KVHeads != 2 || c.HeadDim != 4 {
		t.Errorf("in the form of transformers 4: %+v, %v", c, err)
	}
}

// changed is a JSON object with another value of a key.
func changed(t *testing.T, data []byte, key, value string) []byte {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	all[key] = json.RawMessage(value)
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// entries are metadata of GGUF in memory.
type entries map[string]any

func (e entries) Has(key string) bool { _, ok := e[key]; return ok }
func value[T any](e entries, key string) (T, error) {
	v, ok := e[key].(T)
	if !ok {
		return v, fmt.Errorf("%q: %w", key, gguf.ErrNoEntry)
	}
	return v, nil
}
func (e entries) Text(key string) (string, error)   { return value[string](e, key) }
func (e entries) Int(key string) (int64, error)     { return value[int64](e, key) }
func (e entries) Float(key string) (float64, error) { return value[float64](e, key) }
func (e entries) Bool(key string) (bool, error)     { return value[bool](e, key) }

// TestGGUFConfig changes one entry at a time.
func TestGGUFConfig(t *testing.T) {
	good := entries{
		"general.architecture": "qwen3", "qwen3.context_length": int64(64), "qwen3.embedding_length": int64(32), "qwen3.block_count": int64(2),
		"qwen3.feed_forward_length": int64(48), "qwen3.attention.head_count": int64(4), "qwen3.attention.head_count_kv": int64(2),
		"qwen3.attention.key_length": int64(16), "qwen3.attention.value_length": int64(16), "qwen3.attention.layer_norm_rms_epsilon": 1e-6,
		"qwen3.rope.scaling.type": "yarn", "qwen3.rope.scaling.factor": 4.0, "qwen3.rope.scaling.original_context_length": int64(16),
	}
	c, err := ggufConfig(good, 100, false)
	if err != nil || !c.QKNorm || c.RoPE.Interleaved || c.HeadDim != 16 || c.RoPE.Theta != 10000 || c.RoPE.Scaling != "yarn" || c.RoPE.Original != 16 || math.Abs(c.RoPE.Attention-1.138629) > 1e-6 {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, change := range []struct {
		key   string
		value any
		want  string
	}{
		{"general.architecture", "mamba", `"mamba"`},
		{"general.architecture", nil, "general.architecture"},
		{"qwen3.context_length", nil, "qwen3.context_length"},
		{"qwen3.context_length", int64(-1), "is -1, which no model has"},
		{"qwen3.embedding_length", int64(1 << 40), "which no model has"},
		{"qwen3.block_count", int64(0), "layers is 0"},
		{"qwen3.attention.head_count", int64(0), "heads is 0"},
		{"qwen3.attention.head_count_kv", int64(3), "do not share"},
		{"qwen3.attention.value_length", int64(8), "values have 8 numbers"},
		{"qwen3.attention.layer_norm_rms_epsilon", math.NaN(), "epsilon"},
		{"qwen3.rope.dimension_count", int64(8), "8 of 16"},
		{"qwen3.rope.freq_base", math.Inf(1), "base of the rotary"},
		{"qwen3.rope.scaling.type", "longrope", `"longrope"`},
		{"qwen3.rope.scaling.factor", -2.0, "factor of the rotary"},
		{"qwen3.expert_count", int64(8), "mixture of 8 experts"},
	} {
		e := maps.Clone(good)
		e[change.key] = change.value
		if change.value == nil {
			delete(e, change.key)
		}
		if _, err := ggufConfig(e, 100, false); err == nil || !strings.Contains(err.Error(), change.want) {
			t.Errorf("%s %v: %v, want one that says %q", change.key, change.value, err, change.want)
		}
	}
}

// copyModel copies a tiny model's folder.
func copyModel(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDamaged damages the files of a model: the error names the file and what is wrong.
func TestDamaged(t *testing.T) {
	replace := func(file, old, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, file)
			data, err := os.ReadFile(path)
			if err == nil && !bytes.Contains(data, []byte(old)) {
				err = fmt.Errorf("%s has no %q", file, old)
			}
			if err == nil {
				err = os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(with), 1), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(file string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(file, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   []string
	}{
		"no configuration":  {remove("config.json"), []string{"config.json"}},
		"no tokenizer":      {remove("tokenizer.json"), []string{"tokenizer.json"}},
		"no weights":        {remove("model.safetensors"), []string{"0 files of weights"}},
		"a missing tensor":  {replace("model.safetensors", "layers.1.mlp.up_proj.weight", "layers.1.mlp.upxproj.weight"), []string{"lacks", "model.layers.1.mlp.up_proj.weight"}},
		"a misshapen one":   {replace("config.json", `"intermediate_size": 96`, `"intermediate_size": 80`), []string{"model.layers.0.mlp.gate_proj.weight", "[96 64]", "[80 64]"}},
		"too many layers":   {replace("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 1`), []string{"no use for", "model.layers.1."}},
		"too many tokens":   {replace("config.json", `"vocab_size": 288`, `"vocab_size": 280`), []string{"model.embed_tokens.weight", "[288 64]"}},
		"a bad shard list":  {write("model.safetensors.index.json", `{"weight_map": {"x": "../model.safetensors"}}`), []string{"index.json", "../model.safetensors"}},
		"a missing shard":   {write("model.safetensors.index.json", `{"weight_map": {"x": "b.safetensors"}}`), []string{"b.safetensors"}},
		"a wrong end token": {write("generation_config.json", `{"eos_token_id": 999}`), []string{"token 999"}},
		"no JSON":           {write("generation_config.json", `{`), []string{"generation_config.json"}},
		"two models":        {func(t *testing.T, dir string) { write("a.gguf", "")(t, dir); write("b.gguf", "")(t, dir) }, []string{"2 files of GGUF"}},
		"no GGUF":           {write("a.gguf", "GGUF but not really"), []string{"a.gguf"}},
	} {
		dir := copyModel(t, "llama")
		c.damage(t, dir)
		_, err := Open(dir, OpenOptions{})
		for _, want := range append(c.want, dir) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want one that says %q", name, err, want)
			}
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.gguf"), OpenOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestNotFinite: weights that are not numbers are found by what they do, and named.
func TestNotFinite(t *testing.T) {
	dir := copyModel(t, "llama")
	path := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1], data[len(data)-2] = 0x7f, 0xc0 // bf16 NaN, in the tensor that is stored last
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir, OpenOptions{Backend: backend.Fine()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := m.NewSession()
	defer s.Close()
	for range 2 {
		if _, err = s.Generate(t.Context(), prompt(5), Options{}, nil); err == nil || !strings.Contains(err.Error(), "not finite") || !strings.Contains(err.Error(), `parameter "model.`) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v", err)
		}
	}
}

// FuzzParseConfig: no configuration breaks the reader, and what it accepts is within
// its limits and gives frequencies.
func FuzzParseConfig(f *testing.F) {
	for _, arch := range []string{"llama", "qwen3"} {
		for _, file := range []string{"config.json", "ropes.json"} {
			data, err := os.ReadFile(filepath.Join("testdata", arch, file))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			var all map[string]json.RawMessage
			if json.Unmarshal(data, &all) == nil && file == "ropes.json" {
				for _, c := range all {
					f.Add([]byte(c))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if err := c.check(); err != nil {
			t.Error(err)
		}
		for i, x := range c.RoPE.frequencies(c.HeadDim) {
			if !(x >= 0) || math.IsInf(float64(x), 0) {
				t.Errorf("%+v: frequency %d is %g", c.RoPE, i, x)
			}
		}
	})
}

// FuzzOpenGGUF: no file of GGUF breaks Open.
func FuzzOpenGGUF(f *testing.F) {
	for _, name := range []string{"llama.gguf", "qwen3.gguf"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		if m, err := modelOf(file); err == nil && (m.about.tokens.Size() > m.Vocabulary() || m.decoder.check() != nil) {
			t.Errorf("%+v", m.decoder.Config)
		}
	})
}
