package wan

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// TextTokens is the number of vectors of a prompt that the transformer attends
// to: shorter prompts are padded with zeros, as it was trained with.
const TextTokens = 512

// TransformerConfig is the shape of a transformer, named as in diffusers'
// config.json.
type TransformerConfig struct {
	Patch    [3]int `json:"patch_size"` // frames, rows, columns of latents that are one token
	Heads    int    `json:"num_attention_heads"`
	HeadDim  int    `json:"attention_head_dim"`
	In       int    `json:"in_channels"`
	Out      int    `json:"out_channels"`
	TextDim  int    `json:"text_dim"` // of a vector of the text encoder
	FreqDim  int    `json:"freq_dim"` // of the code of a timestep
	FFN      int    `json:"ffn_dim"`
	Layers   int    `json:"num_layers"`
	Position int    `json:"rope_max_seq_len"` // the largest number of tokens along an axis
	// ImageDim is the width of CLIP's vectors of an image, 0 for a transformer
	// that takes none. ImageRows is the number of these vectors that have a
	// place of their own, as where the last frame is given too; 0 is none.
	ImageDim  int `json:"image_dim"`
	ImageRows int `json:"pos_embed_seq_len"`
}

// Width is the number of channels of a token.
func (c TransformerConfig) Width() int { return c.Heads * c.HeadDim }

// defaultPosition is the largest number of tokens along an axis where a file
// does not say it.
const defaultPosition = 1024

// maxConfig is the largest config.json that is read, in bytes.
const maxConfig = 1 << 20

// The fields of config.json that allow one value.
type fixedFields struct {
	Class     string   `json:"_class_name"`
	CrossNorm *bool    `json:"cross_attn_norm"`
	QKNorm    *string  `json:"qk_norm"`
	Eps       *float64 `json:"eps"`
	AddedKV   *int     `json:"added_kv_proj_dim"`
}

// ParseTransformerConfig reads diffusers' config.json of a transformer, and
// refuses what the transformer here cannot compute.
func ParseTransformerConfig(data []byte) (TransformerConfig, error) {
	fail := func(err error) (TransformerConfig, error) {
		return TransformerConfig{}, fmt.Errorf("the transformer's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return fail(fmt.Errorf("%d bytes are too many, at most %d are read", len(data), maxConfig))
	}
	c := TransformerConfig{Patch: [3]int{1, 2, 2}, Position: defaultPosition}
	var f fixedFields
	if err := errors.Join(json.Unmarshal(data, &c), json.Unmarshal(data, &f)); err != nil {
		return fail(fmt.Errorf("it is not a config.json of a model: %w", err))
	}
	if c.Out == 0 {
		c.Out = c.In
	}
	switch {
	case f.Class != "WanTransformer3DModel":
		return fail(fmt.Errorf("it is of a %.60q, must be of a WanTransformer3DModel", f.Class))
	case f.CrossNorm != nil && !*f.CrossNorm:
		return fail(errors.New("cross_attn_norm is false, must be true"))
	case f.QKNorm == nil || *f.QKNorm != "rms_norm_across_heads":
		return fail(errors.New("qk_norm must be rms_norm_across_heads"))
	case f.Eps != nil && *f.Eps != tensor.Eps:
		return fail(fmt.Errorf("eps is %g, must be %g", *f.Eps, tensor.Eps))
	case (f.AddedKV != nil) != (c.ImageDim > 0) || f.AddedKV != nil && *f.AddedKV != c.Width():
		return fail(fmt.Errorf("added_kv_proj_dim must be %d where there is an image_dim, and null where there is none", c.Width()))
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	return c, nil
}

// Limits of a configuration, well above those of the largest model there is.
const (
	maxPatch    = 8
	maxHeads    = 256
	maxHeadDim  = 512
	maxChannels = 1 << 10
	maxTextDim  = 1 << 14
	maxFFN      = 1 << 17
	maxLayers   = 256
	maxPosition = 1 << 16
	maxImage    = 1 << 14
)

func (c TransformerConfig) check() error {
	for _, l := range []struct {
		name      string
		v, lo, hi int
	}{
		{"patch_size[0]", c.Patch[0], 1, maxPatch},
		{"patch_size[1]", c.Patch[1], 1, maxPatch},
		{"patch_size[2]", c.Patch[2], 1, maxPatch},
		{"num_attention_heads", c.Heads, 1, maxHeads},
		{"attention_head_dim", c.HeadDim, 6, maxHeadDim},
		{"in_channels", c.In, 1, maxChannels},
		{"out_channels", c.Out, 1, maxChannels},
		{"text_dim", c.TextDim, 1, maxTextDim},
		{"freq_dim", c.FreqDim, 2, maxTextDim},
		{"ffn_dim", c.FFN, 1, maxFFN},
		{"num_layers", c.Layers, 1, maxLayers},
		{"rope_max_seq_len", c.Position, 1, maxPosition},
		{"image_dim", c.ImageDim, 0, maxImage},
		{"pos_embed_seq_len", c.ImageRows, 0, maxImage},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("%s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	switch {
	case c.HeadDim%2 != 0 || c.FreqDim%2 != 0:
		return fmt.Errorf("attention_head_dim %d and freq_dim %d must be even", c.HeadDim, c.FreqDim)
	case c.ImageRows > 0 && c.ImageDim == 0:
		return errors.New("pos_embed_seq_len is set without image_dim")
	}
	return nil
}

// publishedHeadDim is the size of a head in every published model, which no
// shape tells.
const publishedHeadDim = 128

// InferTransformer tells the configuration from the shapes of weights, for files
// that come without one. The size of a head, which is in no shape, is taken to
// be 128, as in all published models.
func InferTransformer(w nn.Weights) (TransformerConfig, error) {
	fail := func(err error) (TransformerConfig, error) {
		return TransformerConfig{}, fmt.Errorf("the transformer: %w", err)
	}
	r, err := nn.Rename(w, probe, layouts)
	if err != nil {
		return fail(err)
	}
	dim := func(name string, rank, axis int) int {
		_, shape, e := r.Stored(name)
		switch {
		case e != nil:
			e = fmt.Errorf("parameter %q: %w", r.Layout.Name(name), e)
		case len(shape) != rank:
			e = fmt.Errorf("parameter %q has shape %v, must have %d axes", r.Layout.Name(name), shape, rank)
		}
		if e != nil {
			err = errors.Join(err, e)
			return 0
		}
		return shape[axis]
	}
	has := func(name string) bool { _, _, err := r.Stored(name); return err == nil }
	c := TransformerConfig{
		Patch: [3]int{1, 2, 2}, HeadDim: publishedHeadDim, Heads: dim(probe, 2, 0) / publishedHeadDim, Position: defaultPosition,
		TextDim: dim(probe, 2, 1), FreqDim: dim(embedder+"time_embedder.linear_1.weight", 2, 1),
		FFN: dim(blockName(0)+"ffn.net.0.proj.weight", 2, 0),
	}
	patch := c.Patch[0] * c.Patch[1] * c.Patch[2]
	if c.Out = dim("proj_out.weight", 2, 0) / patch; c.Heads > 0 {
		if _, shape, e := r.Stored(patchWeight); e == nil {
			c.In = tensor.Elems(shape) / (c.Width() * patch)
		}
	}
	for c.Layers <= maxLayers && has(blockName(c.Layers)+"scale_shift_table") {
		c.Layers++
	}
	if has(imageEmbedder + "norm1.weight") {
		c.ImageDim = dim(imageEmbedder+"norm1.weight", 1, 0)
	}
	if has(imageEmbedder + "pos_embed") {
		c.ImageRows = dim(imageEmbedder+"pos_embed", 3, 1)
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// Tokens is the number of tokens of latents of t frames of h×w, along each axis,
// or why they cannot be cut into tokens.
func (c TransformerConfig) Tokens(t, h, w int) (grid [3]int, err error) {
	for i, n := range []int{t, h, w} {
		if n <= 0 || n%c.Patch[i] != 0 {
			return grid, fmt.Errorf("latents of %d frames of %d×%d cannot be cut into tokens of %v", t, h, w, c.Patch)
		}
		if grid[i] = n / c.Patch[i]; grid[i] > c.Position {
			return grid, fmt.Errorf("latents of %d frames of %d×%d are %d tokens long along an axis, the transformer knows %d places", t, h, w, grid[i], c.Position)
		}
	}
	return grid, nil
}

// FLOPs counts the multiplications and additions of a forward pass over n
// tokens.
func (c TransformerConfig) FLOPs(n int) float64 {
	w, patch := float64(c.Width()), float64(c.Patch[0]*c.Patch[1]*c.Patch[2])
	ends := float64(n)*w*float64(c.In+c.Out)*patch + TextTokens*w*(float64(c.TextDim)+w)
	return float64(c.Layers)*c.blockFLOPs(n) + 2*ends
}

// blockFLOPs are those of a block: products with its matrices, and attention on
// the video and on the prompt.
func (c TransformerConfig) blockFLOPs(n int) float64 {
	w, rows := float64(c.Width()), float64(n)
	products := rows*w*(6*w+2*float64(c.FFN)) + 2*TextTokens*w*w
	scores := 2 * rows * w * (rows + TextTokens)
	return 2 * (products + scores)
}
