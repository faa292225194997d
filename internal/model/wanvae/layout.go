package wanvae

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A layout is how a kind of file names the parameters. down and up name layer at
// of a level; the one after the last residual block changes the resolution.
type layout struct {
	convIn, normOut, convOut            string
	mid                                 [3]string // residual, attention, residual
	norm1, conv1, norm2, conv2, project string    // of a residual block
	quant, postQuant                    string
	down, up                            func(c Config, level, at int) string
}

// diffusersLayout is that of diffusers' AutoencoderKLWan.
var diffusersLayout = layout{
	convIn: "conv_in", normOut: "norm_out", convOut: "conv_out",
	mid:   [3]string{"mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"},
	norm1: "norm1", conv1: "conv1", norm2: "norm2", conv2: "conv2", project: "conv_shortcut",
	quant: "quant_conv", postQuant: "post_quant_conv",
	down: func(c Config, level, at int) string {
		switch {
		case !c.IsResidual:
			return fmt.Sprintf("down_blocks.%d", level*(c.NumResBlocks+1)+at)
		case at == c.NumResBlocks:
			return fmt.Sprintf("down_blocks.%d.downsampler", level)
		}
		return fmt.Sprintf("down_blocks.%d.resnets.%d", level, at)
	},
	up: func(c Config, level, at int) string {
		switch {
		case at <= c.NumResBlocks:
			return fmt.Sprintf("up_blocks.%d.resnets.%d", level, at)
		case c.IsResidual:
			return fmt.Sprintf("up_blocks.%d.upsampler", level)
		}
		return fmt.Sprintf("up_blocks.%d.upsamplers.0", level)
	},
}

// originalLayout is that of Wan2.1_VAE.pth and Wan2.2_VAE.pth, and of the files
// that were converted from them as they are.
var originalLayout = layout{
	convIn: "conv1", normOut: "head.0", convOut: "head.2",
	mid:   [3]string{"middle.0", "middle.1", "middle.2"},
	norm1: "residual.0", conv1: "residual.2", norm2: "residual.3", conv2: "residual.6", project: "shortcut",
	quant: "conv1", postQuant: "conv2",
	down: func(c Config, level, at int) string {
		if !c.IsResidual {
			return fmt.Sprintf("downsamples.%d", level*(c.NumResBlocks+1)+at)
		}
		return fmt.Sprintf("downsamples.%d.downsamples.%d", level, at)
	},
	up: func(c Config, level, at int) string {
		if !c.IsResidual {
			return fmt.Sprintf("upsamples.%d", level*(c.NumResBlocks+2)+at)
		}
		return fmt.Sprintf("upsamples.%d.upsamples.%d", level, at)
	},
}

var errNoWeights = errors.New("these are not the weights of an autoencoder of Wan: they have neither diffusers' names nor the original ones")

// layoutOf finds out how the weights are named.
func layoutOf(w nn.Weights) (*layout, error) {
	for _, l := range []*layout{&diffusersLayout, &originalLayout} {
		if _, _, err := w.Stored("decoder." + l.convIn + ".weight"); !errors.Is(err, tensor.ErrNotStored) {
			return l, err
		}
	}
	return nil, errNoWeights
}

// source gives weights as they are stored, with the channels first, in the shapes
// of this program.
type source struct{ nn.Weights }

// Stored implements nn.Weights.
func (s source) Stored(name string) (tensor.Stored, []int, error) {
	t, shape, err := s.Weights.Stored(name)
	switch {
	case err != nil:
		return t, nil, err
	case strings.HasSuffix(name, ".weight"):
		t, shape, err = nn.ChannelsLast(t, shape, 1)
		if err != nil {
			err = fmt.Errorf("parameter %q: %w", name, err)
		}
		return t, shape, err
	case strings.HasSuffix(name, ".gamma") && len(shape) > 1 && tensor.Elems(shape[1:]) == 1:
		shape = shape[:1] // one number a channel
	}
	return t, shape, nil
}
