package voice

import "fmt"

// Config is the shape of a network.
type Config struct {
	// Text reads the phonemes for the spectrum, ProsodyText for durations and
	// pitch.
	Text        TextConfig `json:"text"`
	ProsodyText TextConfig `json:"prosody_text"`
	// Prosody makes pitch and loudness, Decoder the spectrum.
	Prosody BlocksConfig `json:"prosody"`
	Decoder BlocksConfig `json:"decoder"`
	Entry   int          `json:"entry"` // taps of the convolution before the decoder
	Bins    int          `json:"bins"`  // frequencies of the spectrum
}

// TextConfig is the shape of an encoder of phonemes.
type TextConfig struct {
	Phonemes int `json:"phonemes"` // rows of the table
	Width    int `json:"width"`
	Hidden   int `json:"hidden"` // of the layers in between
	Kernel   int `json:"kernel"` // taps of a convolution
	Convs    int `json:"convs"`  // convolution blocks
	Heads    int `json:"heads"`
	Layers   int `json:"layers"` // times that the one layer of attention is applied
}

// BlocksConfig is the shape of a row of convolution blocks.
type BlocksConfig struct {
	Width  int `json:"width"`
	Hidden int `json:"hidden"`
	Kernel int `json:"kernel"` // taps of a convolution
	// Dilations has the distance between the taps of each block's convolution.
	Dilations []int `json:"dilations"`
}

// Limits of a configuration, which comes from a file.
const (
	maxPhonemes = 4096
	maxWidth    = 2048
	maxHidden   = 8192
	maxKernel   = 63
	maxBlocks   = 64
	maxDilation = 64
)

// bins is the number of frequencies that synthesis takes.
const bins = window/2 + 1

func within(x, lo, hi int) bool { return x >= lo && x <= hi }

func odd(kernel int) bool { return within(kernel, 1, maxKernel) && kernel%2 == 1 }

func (c TextConfig) check(name string) error {
	if !within(c.Phonemes, 1, maxPhonemes) || !within(c.Width, 1, maxWidth) || !within(c.Hidden, 1, maxHidden) || !odd(c.Kernel) || !within(c.Convs, 0, maxBlocks) {
		return fmt.Errorf("voice configuration: %s: phonemes %d must be 1 to %d, width %d 1 to %d, hidden %d 1 to %d, kernel %d odd and at most %d, convs %d at most %d",
			name, c.Phonemes, maxPhonemes, c.Width, maxWidth, c.Hidden, maxHidden, c.Kernel, maxKernel, c.Convs, maxBlocks)
	}
	if !within(c.Layers, 0, maxBlocks) || c.Heads < 1 || c.Width%c.Heads != 0 {
		return fmt.Errorf("voice configuration: %s: layers %d must be at most %d, and the width %d divide by the %d heads", name, c.Layers, maxBlocks, c.Width, c.Heads)
	}
	return nil
}

func (c BlocksConfig) check(name string) error {
	if !within(c.Width, 1, maxWidth) || !within(c.Hidden, 1, maxHidden) || !odd(c.Kernel) || len(c.Dilations) > maxBlocks {
		return fmt.Errorf("voice configuration: %s: width %d must be 1 to %d, hidden %d 1 to %d, kernel %d odd and at most %d, blocks %d at most %d",
			name, c.Width, maxWidth, c.Hidden, maxHidden, c.Kernel, maxKernel, len(c.Dilations), maxBlocks)
	}
	for _, d := range c.Dilations {
		if !within(d, 1, maxDilation) {
			return fmt.Errorf("voice configuration: %s: dilation %d must be 1 to %d", name, d, maxDilation)
		}
	}
	return nil
}

func (c Config) check() error {
	for _, err := range []error{
		c.Text.check("text"), c.ProsodyText.check("prosody_text"), c.Prosody.check("prosody"), c.Decoder.check("decoder"),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case c.Text.Phonemes != c.ProsodyText.Phonemes:
		return fmt.Errorf("voice configuration: text knows %d phonemes, prosody_text %d", c.Text.Phonemes, c.ProsodyText.Phonemes)
	case c.Prosody.Width != c.ProsodyText.Width:
		return fmt.Errorf("voice configuration: prosody has width %d, prosody_text %d", c.Prosody.Width, c.ProsodyText.Width)
	case !odd(c.Entry):
		return fmt.Errorf("voice configuration: entry %d must be odd and at most %d", c.Entry, maxKernel)
	case c.Bins != bins:
		return fmt.Errorf("voice configuration: %d bins, synthesis takes %d", c.Bins, bins)
	}
	return nil
}
