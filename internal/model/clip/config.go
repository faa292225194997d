package clip

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/media"
)

// Config is the shape of an encoder, named as in transformers' config.json.
type Config struct {
	Width  int     `json:"hidden_size"`
	Hidden int     `json:"intermediate_size"`
	Layers int     `json:"num_hidden_layers"`
	Heads  int     `json:"num_attention_heads"`
	Size   int     `json:"image_size"` // of a side, in pixels
	Patch  int     `json:"patch_size"`
	Eps    float32 `json:"layer_norm_eps"`
}

// Rows is the number of vectors that an image becomes: one for each patch, and
// one for the whole.
func (c Config) Rows() int { return 1 + c.side()*c.side() }

// side is the number of patches along a side; what is left over is not seen.
func (c Config) side() int { return c.Size / c.Patch }

// maxConfig is the largest config.json that is read, in bytes.
const maxConfig = 1 << 20

// ParseConfig reads the config.json of a CLIPVisionModel, and refuses what the
// encoder cannot compute.
func ParseConfig(data []byte) (Config, error) {
	fail := func(err error) (Config, error) {
		return Config{}, fmt.Errorf("the image encoder's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return fail(fmt.Errorf("%d bytes are too many, at most %d are read", len(data), maxConfig))
	}
	c := Config{Eps: 1e-5}
	var more struct {
		Type     string `json:"model_type"`
		Act      string `json:"hidden_act"`
		Channels *int   `json:"num_channels"`
	}
	if err := errors.Join(json.Unmarshal(data, &c), json.Unmarshal(data, &more)); err != nil {
		return fail(fmt.Errorf("it is not a config.json of a model: %w", err))
	}
	switch {
	case more.Type != "clip_vision_model":
		return fail(fmt.Errorf("model_type is %.40q, must be clip_vision_model", more.Type))
	case more.Act != "gelu":
		return fail(fmt.Errorf("hidden_act is %.40q, must be gelu", more.Act))
	case more.Channels != nil && *more.Channels != channels:
		return fail(fmt.Errorf("num_channels is %d, must be %d", *more.Channels, channels))
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	return c, nil
}

// Limits of a configuration, well above those of the largest model there is.
const (
	maxWidth  = 1 << 14
	maxHidden = 1 << 17
	maxLayers = 256
	maxHeads  = 256
	maxSize   = 1 << 10
	maxRows   = 1 << 14
)

func (c Config) check() error {
	for _, l := range []struct {
		name      string
		v, lo, hi int
	}{
		{"hidden_size", c.Width, 1, maxWidth},
		{"intermediate_size", c.Hidden, 1, maxHidden},
		{"num_hidden_layers", c.Layers, 2, maxLayers},
		{"num_attention_heads", c.Heads, 1, maxHeads},
		{"image_size", c.Size, 1, min(maxSize, media.MaxSide)},
		{"patch_size", c.Patch, 1, c.Size},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("%s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	switch {
	case c.Width%c.Heads != 0:
		return fmt.Errorf("hidden_size %d does not split into %d heads", c.Width, c.Heads)
	case c.Rows() > maxRows:
		return fmt.Errorf("an image of %d pixels in patches of %d is %d vectors, at most %d are computed", c.Size, c.Patch, c.Rows(), maxRows)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("layer_norm_eps is %g, must be between 0 and 1", c.Eps)
	}
	return nil
}
