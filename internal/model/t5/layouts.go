package t5

import (
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
)

// The names of transformers, which the encoder uses itself.
const (
	embedding = "shared.weight"
	biasName  = "layer.0.SelfAttention.relative_attention_bias.weight"
)

// layer is what the names of layer i begin with.
func layer(i int) string { return fmt.Sprintf("encoder.block.%d.", i) }

// layouts are the ways in which files name an encoder's parameters.
var layouts = []*nn.Layout{
	{Title: "transformers"},
	{Title: "transformers, the encoder alone", Names: [][2]string{{embedding, "encoder.embed_tokens.weight"}}},
	{Title: "llama.cpp", Names: [][2]string{
		{embedding, "token_embd.weight"},
		{"encoder.final_layer_norm.", "enc.output_norm."},
		{"encoder.block.#.layer.0.layer_norm.", "enc.blk.#.attn_norm."},
		{"encoder.block.#.layer.0.SelfAttention.relative_attention_bias.", "enc.blk.#.attn_rel_b."},
		{"encoder.block.#.layer.0.SelfAttention.", "enc.blk.#.attn_"},
		{"encoder.block.#.layer.1.layer_norm.", "enc.blk.#.ffn_norm."},
		{"encoder.block.#.layer.1.DenseReluDense.wi_0.", "enc.blk.#.ffn_gate."},
		{"encoder.block.#.layer.1.DenseReluDense.wi_1.", "enc.blk.#.ffn_up."},
		{"encoder.block.#.layer.1.DenseReluDense.wo.", "enc.blk.#.ffn_down."},
	}},
	{Title: "Wan's repository", Names: [][2]string{
		{embedding, "token_embedding.weight"},
		{"encoder.final_layer_norm.", "norm."},
		{"encoder.block.#.layer.0.layer_norm.", "blocks.#.norm1."},
		{"encoder.block.#.layer.0.SelfAttention.relative_attention_bias.", "blocks.#.pos_embedding.embedding."},
		{"encoder.block.#.layer.0.SelfAttention.", "blocks.#.attn."},
		{"encoder.block.#.layer.1.layer_norm.", "blocks.#.norm2."},
		{"encoder.block.#.layer.1.DenseReluDense.wi_0.", "blocks.#.ffn.gate.0."},
		{"encoder.block.#.layer.1.DenseReluDense.wi_1.", "blocks.#.ffn.fc1."},
		{"encoder.block.#.layer.1.DenseReluDense.wo.", "blocks.#.ffn.fc2."},
	}},
}

// besides accepts what a file may hold beside an encoder: the table of tokens
// once more, the decoder of a whole T5, and the tokenizer that ComfyUI's files
// carry.
func besides(name string) bool {
	for _, prefix := range []string{"decoder.", "dec."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "encoder.embed_tokens.weight", "lm_head.weight", "output.weight", "spiece_model":
		return true
	}
	return false
}
