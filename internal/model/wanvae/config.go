package wanvae

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Config is the shape of an autoencoder, with the names of diffusers'
// config.json.
type Config struct {
	BaseDim        int `json:"base_dim"`         // channels of the encoder's first level
	DecoderBaseDim int `json:"decoder_base_dim"` // of the decoder's last level; 0 for BaseDim
	ZDim           int `json:"z_dim"`            // channels of a latent
	// DimMult has a level's channels, in multiples of the base; each level but
	// the encoder's last halves the sides of a frame.
	DimMult      []int `json:"dim_mult"`
	NumResBlocks int   `json:"num_res_blocks"`
	// TemporalDownsample says which of the halvings join two frames to one, too.
	TemporalDownsample []bool    `json:"temperal_downsample"`
	AttnScales         []float64 `json:"attn_scales"` // has to be empty
	// IsResidual is Wan 2.2: a shortcut without weights leads around each change
	// of resolution.
	IsResidual  bool `json:"is_residual"`
	InChannels  int  `json:"in_channels"`
	OutChannels int  `json:"out_channels"`
	// PatchSize is the side of the squares of pixels that become channels first;
	// 0 for 1.
	PatchSize int `json:"patch_size"`
	// LatentsMean and LatentsStd [ZDim] are those of the latents as the encoder
	// gives them; a transformer sees them standardised.
	LatentsMean []float32 `json:"latents_mean"`
	LatentsStd  []float32 `json:"latents_std"`
}

// Wan21 is the autoencoder of Wan 2.1, and of Wan 2.2 with 14B parameters.
func Wan21() Config {
	return Config{
		BaseDim: 96, ZDim: 16, DimMult: []int{1, 2, 4, 4}, NumResBlocks: 2, TemporalDownsample: []bool{false, true, true},
		InChannels: 3, OutChannels: 3,
		LatentsMean: []float32{
			-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
			0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
		},
		LatentsStd: []float32{
			2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
			3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
		},
	}
}

// Wan22 is the autoencoder of Wan 2.2 with 5B parameters.
func Wan22() Config {
	return Config{
		BaseDim: 160, DecoderBaseDim: 256, ZDim: 48, DimMult: []int{1, 2, 4, 4}, NumResBlocks: 2, TemporalDownsample: []bool{false, true, true},
		IsResidual: true, InChannels: 12, OutChannels: 12, PatchSize: 2,
		LatentsMean: []float32{
			-0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
			0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
			-0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
			-0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
		},
		LatentsStd: []float32{
			0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
			0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
			0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
			0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
		},
	}
}

// ParseConfig reads a config.json of diffusers. What the file leaves out is as in
// Wan 2.1, as it is there.
func ParseConfig(data []byte) (Config, error) {
	c := Wan21()
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("configuration of Wan's autoencoder: %w", err)
	}
	return c, c.check()
}

// Guess returns the configuration of a file of weights that comes without one:
// that of Wan 2.1 or of Wan 2.2.
func Guess(w nn.Weights) (Config, error) {
	for _, kind := range []struct {
		name string // of a parameter that it alone has
		c    func() Config
	}{
		{"decoder.upsamples.0.upsamples.0.residual.2.weight", Wan22},
		{"decoder.upsamples.0.residual.2.weight", Wan21},
		{"decoder.up_blocks.0.upsampler.time_conv.weight", Wan22},
		{"decoder.up_blocks.0.upsamplers.0.time_conv.weight", Wan21},
	} {
		if _, _, err := w.Stored(kind.name); !errors.Is(err, tensor.ErrNotStored) {
			return kind.c(), err
		}
	}
	return Config{}, errNoWeights
}

// Limits of a configuration, which comes from a file.
const (
	maxLevels   = 8
	maxBlocks   = 16
	maxChannels = 1 << 14 // of a level
	maxLatent   = 1 << 10
	maxPatch    = 8
)

// filled is c with its defaults.
func (c Config) filled() Config {
	if c.DecoderBaseDim == 0 {
		c.DecoderBaseDim = c.BaseDim
	}
	if c.PatchSize == 0 {
		c.PatchSize = 1
	}
	return c
}

func (c Config) check() error {
	c = c.filled()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("configuration of Wan's autoencoder: "+format, args...)
	}
	switch levels := len(c.DimMult); {
	case levels < 1 || levels > maxLevels:
		return bad("dim_mult has %d levels, 1 to %d are allowed", levels, maxLevels)
	case len(c.TemporalDownsample) != levels-1:
		return bad("temperal_downsample has %d entries for %d levels", len(c.TemporalDownsample), levels)
	case c.NumResBlocks < 1 || c.NumResBlocks > maxBlocks:
		return bad("num_res_blocks is %d, 1 to %d are allowed", c.NumResBlocks, maxBlocks)
	case c.ZDim < 1 || c.ZDim > maxLatent:
		return bad("z_dim is %d, 1 to %d are allowed", c.ZDim, maxLatent)
	case len(c.AttnScales) > 0:
		return bad("attn_scales is %v: attention outside the middle is not known", c.AttnScales)
	case c.PatchSize < 1 || c.PatchSize > maxPatch:
		return bad("patch_size is %d, 1 to %d are allowed", c.PatchSize, maxPatch)
	case c.InChannels != 3*c.PatchSize*c.PatchSize || c.OutChannels != c.InChannels:
		return bad("in_channels %d and out_channels %d must both be %d with patches of %d", c.InChannels, c.OutChannels, 3*c.PatchSize*c.PatchSize, c.PatchSize)
	case len(c.LatentsMean) != c.ZDim || len(c.LatentsStd) != c.ZDim:
		return bad("latents_mean and latents_std have %d and %d numbers for %d channels", len(c.LatentsMean), len(c.LatentsStd), c.ZDim)
	}
	for i, std := range c.LatentsStd {
		if mean := c.LatentsMean[i]; !(std > 0) || math.IsInf(float64(std), 0) || mean-mean != 0 {
			return bad("latents_mean %g and latents_std %g of channel %d", mean, std, i)
		}
	}
	for _, base := range []int{c.BaseDim, c.DecoderBaseDim} {
		for _, m := range c.DimMult {
			if base < 1 || base > maxChannels || m < 1 || m > maxChannels || base*m > maxChannels || !c.IsResidual && base*m%2 != 0 {
				return bad("a level of %d·%d channels: even numbers up to %d are allowed", base, m, maxChannels)
			}
		}
	}
	return c.checkShortcuts()
}

// checkShortcuts checks that the shortcuts of a residual autoencoder divide
// evenly.
func (c Config) checkShortcuts() error {
	if !c.IsResidual {
		return nil
	}
	enc, dec := c.widths()
	last := len(c.DimMult) - 1
	for i := range c.DimMult {
		down := c.blockOf(i, i == last)
		up := c.blockOf(last-1-i, i == last)
		if enc[i]*down%enc[i+1] != 0 || i < last && dec[i+1]*up%dec[i] != 0 {
			return fmt.Errorf("configuration of Wan's autoencoder: level %d has no shortcut from %d to %d channels, or from %d to %d", i, enc[i], enc[i+1], dec[i], dec[i+1])
		}
	}
	return nil
}

// blockOf is how many pixels become one in halving i, those of two frames where
// it joins them; no halving leaves a pixel alone.
func (c Config) blockOf(i int, none bool) int {
	switch {
	case none:
		return 1
	case c.TemporalDownsample[i]:
		return 8
	}
	return 4
}

// widths are the channels before the first level and after each: of the encoder
// and of the decoder.
func (c Config) widths() (enc, dec []int) {
	n := len(c.DimMult)
	enc, dec = []int{c.BaseDim}, []int{c.DecoderBaseDim * c.DimMult[n-1]}
	for i, m := range c.DimMult {
		enc = append(enc, c.BaseDim*m)
		dec = append(dec, c.DecoderBaseDim*c.DimMult[n-1-i])
	}
	return enc, dec
}

// Spatial is how many pixels, along a side, a latent stands for; Temporal how
// many frames, after the first, which is alone.
func (c Config) Spatial() int { return c.filled().PatchSize << (len(c.DimMult) - 1) }

// Temporal is described with Spatial.
func (c Config) Temporal() int {
	n := 1
	for _, t := range c.TemporalDownsample {
		if t {
			n *= 2
		}
	}
	return n
}

// Frames is the frames that t latents stand for.
func (c Config) Frames(t int) int { return 1 + (t-1)*c.Temporal() }
