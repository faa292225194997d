package tae

import (
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// levels is the number of times that the sides of a frame are doubled.
const levels = 3

// Config is the shape of an autoencoder, as its weights say it.
type Config struct {
	// Super is the larger decoder (taew2_2_super), whose frames are better.
	Super  bool
	Latent int             // channels of a latent
	Patch  int             // side of the squares of pixels that are channels
	Widths [levels + 1]int // channels of the decoder's levels, and after them
	Grow   [levels]int     // frames that become of one, 1 or 2, after each level
	Narrow int             // channels of the encoder
	Pool   [levels]int     // frames that become one, 1 or 2, before each level
}

// Limits of a configuration, which comes from a file.
const (
	maxWidth  = 1 << 12
	maxLatent = 1 << 10
	maxPatch  = 8
)

// Spatial is how many pixels, along a side, a latent stands for; Temporal how
// many frames, after the first, which is alone.
func (c Config) Spatial() int { return c.Patch << levels }

// Temporal is described with Spatial.
func (c Config) Temporal() int {
	n := 1
	for _, g := range c.Grow {
		n *= g
	}
	return n
}

// joined is how many frames the encoder makes a latent of.
func (c Config) joined() int {
	n := 1
	for _, p := range c.Pool {
		n *= p
	}
	return n
}

// Frames is the frames that t latents stand for.
func (c Config) Frames(t int) int { return 1 + (t-1)*c.Temporal() }

// Infer reads the configuration off the shapes of the weights.
func Infer(w nn.Weights) (Config, error) {
	var c Config
	var first error
	// shape is that of a convolution k×k, [O, C].
	shape := func(name string, k int) (out, in int) {
		_, s, err := w.Stored(name + ".weight")
		switch {
		case first != nil:
		case errors.Is(err, tensor.ErrNotStored):
			first = fmt.Errorf("these are not the weights of a tiny autoencoder of video (TAEHV): %w", err)
		case err != nil:
			first = err
		case len(s) != 4 || s[2] != k || s[3] != k:
			first = fmt.Errorf("parameter %q has shape %v, not that of a convolution %d×%d", name+".weight", s, k, k)
		default:
			return s[0], s[1]
		}
		return 0, 0
	}
	_, _, err := w.Stored(superIn + ".weight")
	c.Super = err == nil
	if c.Super {
		c.Widths[0], c.Latent = shape(superIn, 1)
	} else {
		c.Widths[0], c.Latent = shape(decoderIn, 3)
	}
	var colours int
	for i := range levels {
		c.Widths[i+1], _ = shape(c.enlarger(i), 3)
		at := c.Widths[i] // the channels that the layer grows frames of
		if c.Super {
			c.Widths[i+1] /= 4
			at = c.Widths[i+1]
		}
		grown, _ := shape(c.grower(i), 1)
		c.Grow[i] = grown / max(at, 1)
	}
	c.Narrow, colours = shape("encoder.0", 3)
	for i := range levels {
		_, pooled := shape(pooler(i), 1)
		c.Pool[i] = pooled / max(c.Narrow, 1)
	}
	if first != nil {
		return Config{}, first
	}
	for c.Patch = 1; c.Patch < maxPatch && 3*c.Patch*c.Patch < colours; c.Patch++ {
	}
	return c, c.check(colours)
}

func (c Config) check(colours int) error {
	switch {
	case 3*c.Patch*c.Patch != colours:
		return fmt.Errorf("a tiny autoencoder of %d channels of colour: they are no square of pixels", colours)
	case c.Latent < 1 || c.Latent > maxLatent:
		return fmt.Errorf("a tiny autoencoder with latents of %d channels: 1 to %d are allowed", c.Latent, maxLatent)
	}
	for _, w := range append(c.Widths[:], c.Narrow) {
		if w < 1 || w > maxWidth {
			return fmt.Errorf("a tiny autoencoder of %d channels: 1 to %d are allowed", w, maxWidth)
		}
	}
	for _, n := range append(c.Grow[:], c.Pool[:]...) {
		if n != 1 && n != 2 {
			return fmt.Errorf("a tiny autoencoder that makes %d frames of one, or one of %d: only 2 are known", n, n)
		}
	}
	return nil
}

// The names of layers: they are counted in a sequence, those without parameters
// included. A level begins with three blocks.
const (
	decoderIn  = "decoder.1"
	superIn    = "decoder.0"
	decoderOut = "decoder.22"
)

func (c Config) at(level, layer int) string {
	if c.Super {
		return fmt.Sprintf("decoder.%d", 1+7*level+layer)
	}
	return fmt.Sprintf("decoder.%d", 3+6*level+layer)
}

func (c Config) grower(level int) string {
	if c.Super {
		return c.at(level, 6) + ".conv"
	}
	return c.at(level, 4) + ".conv"
}

func (c Config) enlarger(level int) string {
	if c.Super {
		return c.at(level, 3)
	}
	return c.at(level, 5)
}

func pooler(level int) string { return fmt.Sprintf("encoder.%d.conv", 2+5*level) }
func halver(level int) string { return fmt.Sprintf("encoder.%d", 3+5*level) }
