package lm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Config is the shape of a decoder.
type Config struct {
	// Architecture is "llama" or "qwen3".
	Architecture string
	Vocabulary   int // tokens that the model knows: the length of its logits
	Width        int
	Hidden       int // of the feed-forward layers
	Layers       int
	Heads        int // of the queries
	KVHeads      int // of the keys and the values; divides Heads
	HeadDim      int
	Context      int // the most tokens that the model was made for
	Eps          float64
	RoPE         RoPE
	// Tied says that the table of tokens is also the last matrix.
	Tied bool
	// QKNorm says that queries and keys are normalised, head by head.
	QKNorm bool
}

// Limits of a configuration, well above those of the largest model there is.
const (
	maxVocabulary = 1 << 20
	maxWidth      = 1 << 15
	maxHidden     = 1 << 18
	maxLayers     = 512
	maxHeads      = 1024
	maxHeadDim    = 1024
	maxContext    = 1 << 24
	// maxConfig is the largest config.json that is read, in bytes.
	maxConfig = 1 << 20
)

func (c Config) check() error {
	for _, l := range []struct {
		name      string
		v, lo, hi int
	}{
		{"the vocabulary", c.Vocabulary, 1, maxVocabulary},
		{"the width", c.Width, 1, maxWidth},
		{"the width of the feed-forward layers", c.Hidden, 1, maxHidden},
		{"the number of layers", c.Layers, 1, maxLayers},
		{"the number of attention heads", c.Heads, 1, maxHeads},
		{"the number of key and value heads", c.KVHeads, 1, c.Heads},
		{"the size of a head", c.HeadDim, 2, maxHeadDim},
		{"the context", c.Context, 1, maxContext},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("%s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d attention heads do not share %d key and value heads evenly", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("the size of a head is %d, must be even", c.HeadDim)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("the epsilon of the norms is %g, must be between 0 and 1", c.Eps)
	}
	return c.RoPE.check()
}

// hfConfig is config.json of transformers, versions 4 and 5.
type hfConfig struct {
	Type       string   `json:"model_type"`
	Vocabulary int      `json:"vocab_size"`
	Width      int      `json:"hidden_size"`
	Hidden     int      `json:"intermediate_size"`
	Layers     int      `json:"num_hidden_layers"`
	Heads      int      `json:"num_attention_heads"`
	KVHeads    *int     `json:"num_key_value_heads"`
	HeadDim    *int     `json:"head_dim"`
	Context    int      `json:"max_position_embeddings"`
	Eps        *float64 `json:"rms_norm_eps"`
	Act        string   `json:"hidden_act"`
	Tied       *bool    `json:"tie_word_embeddings"`
	Bias       bool     `json:"attention_bias"`
	MLPBias    bool     `json:"mlp_bias"`
	Sliding    *bool    `json:"use_sliding_window"`
	Window     *int     `json:"sliding_window"`
	LayerTypes []string `json:"layer_types"`
	Theta      *float64 `json:"rope_theta"`
	Scaling    *hfRoPE  `json:"rope_scaling"`
	RoPE       *hfRoPE  `json:"rope_parameters"`
	EOS        tokenIDs `json:"eos_token_id"`
	BOS        *int     `json:"bos_token_id"`
}

// tokenIDs is a token or a list of tokens.
type tokenIDs []int

func (t *tokenIDs) UnmarshalJSON(b []byte) error {
	var one *int
	if json.Unmarshal(b, &one) == nil {
		if one != nil {
			*t = tokenIDs{*one}
		}
		return nil
	}
	var all []int
	err := json.Unmarshal(b, &all)
	*t = all
	return err
}

// ParseConfig reads the config.json of a model of transformers' types llama,
// mistral and qwen3, and refuses what the decoder cannot compute.
func ParseConfig(data []byte) (Config, error) {
	c, _, err := parseConfig(data)
	return c, err
}

func parseConfig(data []byte) (Config, hfConfig, error) {
	var h hfConfig
	fail := func(err error) (Config, hfConfig, error) {
		return Config{}, h, fmt.Errorf("the model's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return fail(fmt.Errorf("%d bytes are too many, at most %d are read", len(data), maxConfig))
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return fail(fmt.Errorf("it is not a config.json of a model: %w", err))
	}
	c, err := h.config()
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return fail(err)
	}
	return c, h, nil
}

// config is what transformers makes of the file.
func (h *hfConfig) config() (Config, error) {
	c := Config{
		Vocabulary: h.Vocabulary, Width: h.Width, Hidden: h.Hidden, Layers: h.Layers,
		Heads: h.Heads, KVHeads: h.Heads, Context: h.Context, Eps: 1e-6,
	}
	switch h.Type {
	case "llama", "mistral":
		c.Architecture = "llama"
	case "qwen3":
		c.Architecture, c.QKNorm, c.HeadDim = "qwen3", true, 128
	default:
		return c, fmt.Errorf("model_type is %.40q; Kinora runs llama, mistral and qwen3", h.Type)
	}
	if err := h.refuse(); err != nil {
		return c, err
	}
	if h.KVHeads != nil {
		c.KVHeads = *h.KVHeads
	}
	if c.Architecture == "llama" && c.Heads > 0 {
		c.HeadDim = c.Width / c.Heads
	}
	if h.HeadDim != nil {
		c.HeadDim = *h.HeadDim
	}
	if h.Eps != nil {
		c.Eps = *h.Eps
	}
	c.Tied = h.Tied != nil && *h.Tied
	rope, err := h.rope(c.Context)
	c.RoPE = rope
	return c, err
}

// refuse names what a configuration has that the decoder lacks.
func (h *hfConfig) refuse() error {
	switch {
	case h.Act != "" && h.Act != "silu":
		return fmt.Errorf("hidden_act is %.40q, must be silu", h.Act)
	case h.Bias:
		return errors.New("attention_bias is true: attention with biases is not supported")
	case h.MLPBias:
		return errors.New("mlp_bias is true: feed-forward layers with biases are not supported")
	case h.Sliding != nil && *h.Sliding, h.Type == "mistral" && h.Window != nil && *h.Window < h.Context:
		return errors.New("it attends to a sliding window, which is not supported")
	case slices.ContainsFunc(h.LayerTypes, func(t string) bool { return t != "full_attention" }):
		return errors.New("layer_types has others than full_attention, which are not supported")
	}
	return nil
}

// metadata is what a GGUF file says about its model.
type metadata interface {
	Text(key string) (string, error)
	Int(key string) (int64, error)
	Float(key string) (float64, error)
	Bool(key string) (bool, error)
	Has(key string) bool
}

// ggufConfig reads the configuration in the metadata of a GGUF file. The size of
// the vocabulary is that of the table of tokens.
func ggufConfig(m metadata, vocabulary int, tied bool) (Config, error) {
	arch, err := m.Text("general.architecture")
	if err != nil {
		return Config{}, err
	}
	c := Config{Architecture: arch, Vocabulary: vocabulary, Tied: tied}
	switch arch {
	case "llama":
	case "qwen3":
		c.QKNorm = true
	default:
		return c, fmt.Errorf("its architecture is %.40q; Kinora runs llama and qwen3", arch)
	}
	r := ggufReader{m: m, prefix: arch + "."}
	c.Context = r.whole("context_length", -1)
	c.Width = r.whole("embedding_length", -1)
	c.Hidden = r.whole("feed_forward_length", -1)
	c.Layers = r.whole("block_count", -1)
	c.Heads = r.whole("attention.head_count", -1)
	c.KVHeads = r.whole("attention.head_count_kv", c.Heads)
	c.HeadDim = r.whole("attention.key_length", c.Width/max(1, c.Heads))
	c.Eps = r.number("attention.layer_norm_rms_epsilon", -1)
	values, experts := r.whole("attention.value_length", c.HeadDim), r.whole("expert_count", 0)
	rotated := r.whole("rope.dimension_count", c.HeadDim)
	c.RoPE = r.rope(c.Context)
	c.RoPE.Interleaved = arch == "llama" // as the converter orders the rows of its weights
	switch {
	case r.err != nil:
		return c, r.err
	case values != c.HeadDim:
		return c, fmt.Errorf("values have %d numbers a head and keys %d, which is not supported", values, c.HeadDim)
	case experts != 0:
		return c, fmt.Errorf("it is a mixture of %d experts, which is not supported", experts)
	case rotated != c.HeadDim:
		return c, fmt.Errorf("rotary positions for %d of %d numbers of a head are not supported", rotated, c.HeadDim)
	}
	return c, c.check()
}

// ggufReader reads numbers and keeps the first error.
type ggufReader struct {
	m      metadata
	prefix string
	err    error
}

// whole reads a whole number; a key that is missing gives otherwise, or an error if
// that is negative.
func (r *ggufReader) whole(key string, otherwise int) int {
	if key = r.prefix + key; r.err != nil || !r.m.Has(key) && otherwise >= 0 {
		return otherwise
	}
	n, err := r.m.Int(key)
	if err == nil && (n < 0 || n > math.MaxInt32) {
		err = fmt.Errorf("entry %q is %d, which no model has", key, n)
	}
	r.err = err
	return int(n)
}

// number is whole for any number.
func (r *ggufReader) number(key string, otherwise float64) float64 {
	if key = r.prefix + key; r.err != nil || !r.m.Has(key) && otherwise >= 0 {
		return otherwise
	}
	x, err := r.m.Float(key)
	r.err = err
	return x
}
