package t5

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Config is the shape of an encoder, named as in transformers' config.json.
type Config struct {
	Vocab       int `json:"vocab_size"`
	Width       int `json:"d_model"`
	HeadDim     int `json:"d_kv"`
	Heads       int `json:"num_heads"`
	Hidden      int `json:"d_ff"`
	Layers      int `json:"num_layers"`
	Buckets     int `json:"relative_attention_num_buckets"`
	MaxDistance int `json:"relative_attention_max_distance"`
	// OneBias: the first layer's bias of relative positions serves all layers,
	// as in T5. In UMT5 each layer has its own.
	OneBias bool `json:"-"`
}

// What config.json stands for where it says nothing.
const (
	defaultBuckets     = 32
	defaultMaxDistance = 128
)

// maxConfig is the largest config.json that is read, in bytes.
const maxConfig = 1 << 20

// ParseConfig reads the config.json of a UMT5 or T5 1.1 model, or of its
// encoder, and refuses what the encoder cannot compute.
func ParseConfig(data []byte) (Config, error) {
	fail := func(err error) (Config, error) {
		return Config{}, fmt.Errorf("the text encoder's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return fail(fmt.Errorf("%d bytes are too many, at most %d are read", len(data), maxConfig))
	}
	c := Config{Buckets: defaultBuckets, MaxDistance: defaultMaxDistance}
	var more struct {
		Type string  `json:"model_type"`
		Proj string  `json:"feed_forward_proj"`
		Eps  float64 `json:"layer_norm_epsilon"`
	}
	more.Eps = tensor.Eps
	if err := errors.Join(json.Unmarshal(data, &c), json.Unmarshal(data, &more)); err != nil {
		return fail(fmt.Errorf("it is not a config.json of a model: %w", err))
	}
	switch more.Type {
	case "umt5":
	case "t5", "mt5":
		c.OneBias = true
	default:
		return fail(fmt.Errorf("model_type is %.40q, must be umt5, t5 or mt5", more.Type))
	}
	switch {
	case more.Proj != "gated-gelu":
		return fail(fmt.Errorf("feed_forward_proj is %.40q, must be gated-gelu: T5 before version 1.1 is not supported", more.Proj))
	case more.Eps != tensor.Eps:
		return fail(fmt.Errorf("layer_norm_epsilon is %g, must be %g", more.Eps, tensor.Eps))
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	return c, nil
}

// Limits of a configuration, well above those of the largest model there is.
const (
	maxVocab   = 1 << 20
	maxWidth   = 1 << 14
	maxHeads   = 256
	maxHeadDim = 512
	maxHidden  = 1 << 17
	maxLayers  = 256
	maxBuckets = 1 << 10
	maxFar     = 1 << 16
)

func (c Config) check() error {
	for _, l := range []struct {
		name      string
		v, lo, hi int
	}{
		{"vocab_size", c.Vocab, 1, maxVocab},
		{"d_model", c.Width, 1, maxWidth},
		{"num_heads", c.Heads, 1, maxHeads},
		{"d_kv", c.HeadDim, 1, maxHeadDim},
		{"d_ff", c.Hidden, 1, maxHidden},
		{"num_layers", c.Layers, 1, maxLayers},
		{"relative_attention_num_buckets", c.Buckets, 4, maxBuckets},
		{"relative_attention_max_distance", c.MaxDistance, c.Buckets/4 + 1, maxFar},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("%s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	if c.Buckets%4 != 0 {
		return fmt.Errorf("relative_attention_num_buckets is %d, must be a multiple of 4", c.Buckets)
	}
	return nil
}

// Infer tells the configuration from the shapes of weights, for files that come
// without one. The largest distance that has a bucket of its own is not in any
// shape: it is taken to be 128, as in all published models.
func Infer(w nn.Weights) (Config, error) {
	r, err := nn.Rename(w, embedding, layouts)
	if err != nil {
		return Config{}, fmt.Errorf("the text encoder: %w", err)
	}
	c := Config{MaxDistance: defaultMaxDistance}
	dims := func(name string) []int {
		_, shape, e := r.Stored(name)
		switch {
		case e != nil:
			e = fmt.Errorf("parameter %q: %w", r.Layout.Name(name), e)
		case len(shape) != 2:
			e = fmt.Errorf("parameter %q has shape %v, must be a matrix", r.Layout.Name(name), shape)
		}
		if e != nil {
			err = errors.Join(err, e)
			return []int{0, 0}
		}
		return shape
	}
	table, bias := dims(embedding), dims(layer(0)+biasName)
	c.Vocab, c.Width = table[0], table[1]
	c.Buckets, c.Heads = bias[0], bias[1]
	c.Hidden = dims(layer(0) + "layer.1.DenseReluDense.wi_0.weight")[0]
	inner := dims(layer(0) + "layer.0.SelfAttention.q.weight")[0]
	if err != nil {
		return Config{}, fmt.Errorf("the text encoder: %w", err)
	}
	if c.Heads > 0 {
		c.HeadDim = inner / c.Heads
	}
	has := func(name string) bool { _, _, err := r.Stored(name); return err == nil }
	for c.Layers <= maxLayers && has(layer(c.Layers)+"layer.0.layer_norm.weight") {
		c.Layers++
	}
	c.OneBias = c.Layers > 1 && !has(layer(1)+biasName)
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("the text encoder's weights: %w", err)
	}
	return c, nil
}
