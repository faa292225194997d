package lm

import (
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
)

// The names of transformers, which the decoder uses itself.
const (
	embedding = "model.embed_tokens.weight"
	lastNorm  = "model.norm.weight"
	head      = "lm_head.weight"
	// divisorsName is a tensor of llama.cpp's: what the frequencies of the rotary
	// positions are divided by.
	divisorsName = "rope_freqs.weight"
)

// layer is what the names of layer i begin with.
func layer(i int) string { return fmt.Sprintf("model.layers.%d.", i) }

// layouts are the ways in which files name a decoder's parameters.
var layouts = []*nn.Layout{
	{Title: "transformers"},
	{Title: "llama.cpp", Names: [][2]string{
		{embedding, "token_embd.weight"},
		{lastNorm, "output_norm.weight"},
		{head, "output.weight"},
		{"model.layers.#.input_layernorm.", "blk.#.attn_norm."},
		{"model.layers.#.post_attention_layernorm.", "blk.#.ffn_norm."},
		{"model.layers.#.self_attn.q_proj.", "blk.#.attn_q."},
		{"model.layers.#.self_attn.k_proj.", "blk.#.attn_k."},
		{"model.layers.#.self_attn.v_proj.", "blk.#.attn_v."},
		{"model.layers.#.self_attn.o_proj.", "blk.#.attn_output."},
		{"model.layers.#.self_attn.q_norm.", "blk.#.attn_q_norm."},
		{"model.layers.#.self_attn.k_norm.", "blk.#.attn_k_norm."},
		{"model.layers.#.mlp.gate_proj.", "blk.#.ffn_gate."},
		{"model.layers.#.mlp.up_proj.", "blk.#.ffn_up."},
		{"model.layers.#.mlp.down_proj.", "blk.#.ffn_down."},
	}},
}

// besides accepts what a file may hold beside a decoder: frequencies that older
// files carry, and the last matrix once more where it is tied.
func besides(name string) bool {
	return strings.HasSuffix(name, ".rotary_emb.inv_freq") || name == head || name == divisorsName
}
