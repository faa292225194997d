package wan

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// The names of diffusers, which the transformer uses itself.
const (
	embedder      = "condition_embedder."
	imageEmbedder = embedder + "image_embedder."
	patchWeight   = "patch_embedding.weight"
	// probe is a parameter that every transformer has, under another name in
	// every layout.
	probe = embedder + "text_embedder.linear_1.weight"
)

// blockName is what the names of block i begin with.
func blockName(i int) string { return fmt.Sprintf("blocks.%d.", i) }

// originalNames has diffusers' names and those of Wan's repository, which GGUF
// files have too.
var originalNames = [][2]string{
	{embedder + "text_embedder.linear_1.", "text_embedding.0."},
	{embedder + "text_embedder.linear_2.", "text_embedding.2."},
	{embedder + "time_embedder.linear_1.", "time_embedding.0."},
	{embedder + "time_embedder.linear_2.", "time_embedding.2."},
	{embedder + "time_proj.", "time_projection.1."},
	{imageEmbedder + "norm1.", "img_emb.proj.0."},
	{imageEmbedder + "ff.net.0.proj.", "img_emb.proj.1."},
	{imageEmbedder + "ff.net.2.", "img_emb.proj.3."},
	{imageEmbedder + "norm2.", "img_emb.proj.4."},
	{imageEmbedder + "pos_embed", "img_emb.emb_pos"},
	{"blocks.#.attn1.to_q.", "blocks.#.self_attn.q."},
	{"blocks.#.attn1.to_k.", "blocks.#.self_attn.k."},
	{"blocks.#.attn1.to_v.", "blocks.#.self_attn.v."},
	{"blocks.#.attn1.to_out.0.", "blocks.#.self_attn.o."},
	{"blocks.#.attn1.norm_q.", "blocks.#.self_attn.norm_q."},
	{"blocks.#.attn1.norm_k.", "blocks.#.self_attn.norm_k."},
	{"blocks.#.attn2.to_q.", "blocks.#.cross_attn.q."},
	{"blocks.#.attn2.to_k.", "blocks.#.cross_attn.k."},
	{"blocks.#.attn2.to_v.", "blocks.#.cross_attn.v."},
	{"blocks.#.attn2.to_out.0.", "blocks.#.cross_attn.o."},
	{"blocks.#.attn2.norm_q.", "blocks.#.cross_attn.norm_q."},
	{"blocks.#.attn2.norm_k.", "blocks.#.cross_attn.norm_k."},
	{"blocks.#.attn2.add_k_proj.", "blocks.#.cross_attn.k_img."},
	{"blocks.#.attn2.add_v_proj.", "blocks.#.cross_attn.v_img."},
	{"blocks.#.attn2.norm_added_k.", "blocks.#.cross_attn.norm_k_img."},
	{"blocks.#.norm2.", "blocks.#.norm3."},
	{"blocks.#.ffn.net.0.proj.", "blocks.#.ffn.0."},
	{"blocks.#.ffn.net.2.", "blocks.#.ffn.2."},
	{"blocks.#.scale_shift_table", "blocks.#.modulation"},
	{"scale_shift_table", "head.modulation"},
	{"proj_out.", "head.head."},
}

// layouts are the ways in which files name a transformer's parameters.
var layouts = []*nn.Layout{
	{Title: "diffusers"},
	{Title: "Wan's repository, GGUF", Names: originalNames},
	{Title: "ComfyUI", Prefix: "model.diffusion_model.", Names: originalNames},
}

// besides accepts what a file may hold beside the parameters, and diffusers too
// leaves unused: gains of queries for an image, which older files have; and the
// gates with which FastWan's sparse attention adds a coarse one (Zhang et al.
// 2025, arXiv:2505.13389), while here every token attends to all.
func besides(name string) bool {
	return strings.Contains(name, ".attn2.norm_added_q.") || strings.Contains(name, ".to_gate_compress.")
}

// TransformerAliases returns a function that gives, for a name that a tensor has
// in a transformer's weights, its names in all layouts that are known.
func TransformerAliases(w nn.Weights) (func(name string) []string, error) {
	r, err := nn.Rename(w, probe, layouts)
	if err != nil {
		return nil, fmt.Errorf("the transformer: %w", err)
	}
	return r.Aliases(layouts), nil
}

// transformerWeights are weights under diffusers' names, with the first
// convolution as the matrix that patches are multiplied by.
type transformerWeights struct {
	*nn.Renamed
	config TransformerConfig
	patch  []byte // the matrix in f32, once it was asked for
}

// Stored implements nn.Weights.
func (w *transformerWeights) Stored(own string) (tensor.Stored, []int, error) {
	s, shape, err := w.Renamed.Stored(own)
	if own != patchWeight || err != nil {
		return s, shape, err
	}
	c := w.config
	out, places := c.Width(), c.Patch[0]*c.Patch[1]*c.Patch[2]
	// Files that allow four axes have some of them joined; their order is the same.
	if len(shape) < 2 || shape[0] != out || tensor.Elems(shape) != out*c.In*places {
		return s, nil, fmt.Errorf("parameter %q has shape %v in the weights, their configuration needs [%d %d %d %d %d]: the file is damaged or of another model", own, shape, out, c.In, c.Patch[0], c.Patch[1], c.Patch[2])
	}
	if w.patch == nil {
		w.patch = patchMatrix(tensor.InPlace(s, shape...).Values(), out, c.In, places)
	}
	return tensor.Stored{DType: tensor.F32, Bytes: w.patch}, []int{out, places * c.In}, nil
}

// patchMatrix turns filters [out, in, places] into rows [out, places, in], the
// order in which Unshuffle puts the numbers of a patch.
func patchMatrix(filters []float32, out, in, places int) []byte {
	b := make([]byte, 4*len(filters))
	for o := range out {
		for c := range in {
			for p := range places {
				at := (o*places+p)*in + c
				binary.LittleEndian.PutUint32(b[4*at:], math.Float32bits(filters[(o*in+c)*places+p]))
			}
		}
	}
	return b
}
