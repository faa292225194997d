// Package lmtest writes tiny language models for tests: real ones in shape, with
// random weights, that answer with nonsense in no time.
package lmtest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Template is the template of conversations of a tiny model.
const Template = `{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking %}<think>
{% endif %}{% endif %}`

// Context is how many tokens a tiny model holds.
const Context = 512

// sizes of the network.
const (
	width, hidden, layers, heads, kvHeads, headDim = 32, 48, 2, 4, 2, 8
	letters                                        = 95 // the printable ones of ASCII
)

// Files are those of a tiny model of the llama family, as transformers names them, by
// name. Its tokens are the bytes and three control tokens; it writes printable ASCII.
func Files() (map[string][]byte, error) {
	vocabulary := map[string]int{}
	for b := range 256 {
		vocabulary[spelled(byte(b))] = b
	}
	control := []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
	var added []map[string]any
	for i, s := range control {
		added = append(added, map[string]any{"id": 256 + i, "content": s, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
	}
	size := 256 + len(control)
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	files := map[string]any{
		"config.json": map[string]any{
			"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "vocab_size": size, "hidden_size": width, "intermediate_size": hidden,
			"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kvHeads, "head_dim": headDim,
			"max_position_embeddings": Context, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 10000.0,
			"tie_word_embeddings": false, "eos_token_id": 258,
		},
		"tokenizer.json": map[string]any{
			"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
			"pre_tokenizer": byteLevel, "post_processor": nil, "decoder": byteLevel,
			"model": map[string]any{
				"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
				"fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []string{},
			},
		},
		"tokenizer_config.json": map[string]any{"chat_template": Template, "eos_token": "<|im_end|>"},
	}
	tensors, err := weights(size)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{"model.safetensors": tensors}
	for name, v := range files {
		if out[name], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Folder writes a tiny model into a folder of its own.
func Folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// weights are random, always the same, and prefer printable letters.
func weights(size int) ([]byte, error) {
	random := rand.New(rand.NewPCG(1, 2))
	var all []safetensors.Tensor
	add := func(name string, scale float32, shape ...int) []float32 {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * float32(random.NormFloat64())
		}
		all = append(all, safetensors.FromFloat32(name, safetensors.F32, x, shape...))
		return x
	}
	ones := func(name string, n int) {
		x := add(name, 0, n)
		for i := range x {
			x[i] = 1
		}
	}
	add("model.embed_tokens.weight", 1, size, width)
	ones("model.norm.weight", width)
	head := add("lm_head.weight", 0.6, size, width)
	for id := range size {
		if id < ' ' || id >= ' '+letters { // hardly ever
			for i := range width {
				head[id*width+i] *= 0.05
			}
		}
	}
	for i := range layers {
		at := "model.layers." + string(rune('0'+i)) + "."
		ones(at+"input_layernorm.weight", width)
		ones(at+"post_attention_layernorm.weight", width)
		add(at+"self_attn.q_proj.weight", 0.3, heads*headDim, width)
		add(at+"self_attn.k_proj.weight", 0.3, kvHeads*headDim, width)
		add(at+"self_attn.v_proj.weight", 0.3, kvHeads*headDim, width)
		add(at+"self_attn.o_proj.weight", 0.3, width, heads*headDim)
		add(at+"mlp.gate_proj.weight", 0.3, hidden, width)
		add(at+"mlp.up_proj.weight", 0.3, hidden, width)
		add(at+"mlp.down_proj.weight", 0.3, width, hidden)
	}
	var b bytes.Buffer
	err := safetensors.Write(&b, all, nil)
	return b.Bytes(), err
}

// spelled is a byte in GPT-2's spelling: itself where it is a visible letter of
// Latin-1, else the next letter from U+0100 on.
func spelled(b byte) string {
	n := 0
	for c := range int(b) {
		if !visible(byte(c)) {
			n++
		}
	}
	if visible(b) {
		return string(rune(b))
	}
	return string(rune(0x100 + n))
}

func visible(b byte) bool { return b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae }
