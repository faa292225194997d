package reel

import "fmt"

// Config is everything that fixes the shape of a model. It travels in the
// metadata of the weights.
type Config struct {
	// Width and Height are the native frame size in pixels: multiples of 32.
	Width  int `json:"width"`
	Height int `json:"height"`
	// FPS is the native frame rate.
	FPS int `json:"fps"`

	Codec CodecConfig `json:"codec"`
	Text  TextConfig  `json:"text"`
	Flow  FlowConfig  `json:"flow"`
}

// CodecConfig is the shape of the video autoencoder: 16× in space and 8× in
// time.
type CodecConfig struct {
	Latent    int `json:"latent"`     // channels of a latent, for 16×16×8 pixels
	EncWidth  int `json:"enc_width"`  // channels at 1/8 of the resolution
	EncBlocks int `json:"enc_blocks"` // residual blocks at that resolution
	DecWidth  int `json:"dec_width"`
	DecBlocks int `json:"dec_blocks"`
	DeepWidth int `json:"deep_width"` // channels at 1/16
	EncDeep   int `json:"enc_deep"`
	DecDeep   int `json:"dec_deep"`
	// Head is the hidden width of the layer that draws a patch's 8 frames; 0
	// draws them with a single product.
	Head int `json:"head"`
}

// TextConfig is the shape of the text encoder.
type TextConfig struct {
	Vocab  int `json:"vocab"`
	Width  int `json:"width"`
	Blocks int `json:"blocks"`
	Heads  int `json:"heads"`
	Max    int `json:"max"` // tokens of a prompt; longer prompts are truncated
}

// FlowConfig is the shape of the transformer.
type FlowConfig struct {
	Width  int `json:"width"`
	Blocks int `json:"blocks"`
	Heads  int `json:"heads"`
	Hidden int `json:"hidden"` // of the gated feed-forward layer
	// Softmax makes every n-th block use softmax attention; the others are
	// linear. 1 is softmax everywhere, 0 nowhere.
	Softmax int `json:"softmax"`
	// Experts is their number in every second block. TopK of them run for a
	// token, beside a shared one. 0 is a dense model. The active size stays
	// that of Hidden.
	Experts int `json:"experts"`
	TopK    int `json:"top_k"`
	// Groups is the number of groups of 8 frames in a chunk, which is denoised
	// as one.
	Groups int `json:"groups"`
	// Fine is the width of the layers at the latents' own resolution. There are
	// FineBlocks of them before the blocks and as many after; 0 is none.
	Fine       int `json:"fine,omitempty"`
	FineBlocks int `json:"fine_blocks,omitempty"`
	// Steps is the number of sampling steps of a model that was distilled to
	// few steps: it is told the size of each step. 0 is a model that was not
	// distilled. Guidance is the guidance scale that such a model was distilled
	// with, so that it needs no second pass.
	Steps    int     `json:"steps,omitempty"`
	Guidance float32 `json:"guidance,omitempty"`
}

// Patch is the side of a codec patch in pixels, Group the number of frames of a
// group, and Latent the side of a latent in pixels.
const (
	patch     = 8
	groupSize = 8
	latentPix = 16
)

// Default is the configuration of the embedded model.
func Default() Config {
	return Config{
		Width: 256, Height: 160, FPS: 24,
		Codec: CodecConfig{Latent: 32, EncWidth: 96, EncBlocks: 2, DecWidth: 256, DecBlocks: 3, DeepWidth: 192, EncDeep: 4, DecDeep: 6, Head: 1024},
		Text:  TextConfig{Vocab: 2048, Width: 256, Blocks: 3, Heads: 8, Max: 64},
		Flow:  FlowConfig{Width: 256, Blocks: 8, Heads: 8, Hidden: 512, Softmax: 2, Experts: 8, TopK: 2, Groups: 6, Fine: 128, FineBlocks: 2},
	}
}

// Frames is the number of frames of g groups; the first group is a single
// frame.
func Frames(g int) int { return 1 + groupSize*(g-1) }

// check refuses configurations that the code cannot run, as a file from outside
// may hold anything.
func (c Config) check() error {
	type limit struct {
		name      string
		v, lo, hi int
	}
	for _, l := range []limit{
		{"width", c.Width, 32, 2048},
		{"height", c.Height, 32, 2048},
		{"fps", c.FPS, 1, 120},
		{"codec.latent", c.Codec.Latent, 1, 256},
		{"codec.enc_width", c.Codec.EncWidth, 8, 2048},
		{"codec.enc_blocks", c.Codec.EncBlocks, 0, 64},
		{"codec.dec_width", c.Codec.DecWidth, 8, 2048},
		{"codec.dec_blocks", c.Codec.DecBlocks, 0, 64},
		{"codec.deep_width", c.Codec.DeepWidth, 8, 4096},
		{"codec.enc_deep", c.Codec.EncDeep, 0, 64},
		{"codec.dec_deep", c.Codec.DecDeep, 0, 64},
		{"codec.head", c.Codec.Head, 0, 8192},
		{"text.vocab", c.Text.Vocab, 259, 1 << 18},
		{"text.width", c.Text.Width, 8, 8192},
		{"text.blocks", c.Text.Blocks, 0, 128},
		{"text.heads", c.Text.Heads, 1, 128},
		{"text.max", c.Text.Max, 1, 4096},
		{"flow.width", c.Flow.Width, 8, 8192},
		{"flow.blocks", c.Flow.Blocks, 1, 128},
		{"flow.heads", c.Flow.Heads, 1, 128},
		{"flow.hidden", c.Flow.Hidden, 8, 1 << 16},
		{"flow.softmax", c.Flow.Softmax, 0, 128},
		{"flow.experts", c.Flow.Experts, 0, 256},
		{"flow.top_k", c.Flow.TopK, 0, 16},
		{"flow.groups", c.Flow.Groups, 1, 64},
		{"flow.fine", c.Flow.Fine, 0, 4096},
		{"flow.fine_blocks", c.Flow.FineBlocks, 0, 64},
		{"flow.steps", c.Flow.Steps, 0, MaxSteps},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("model configuration: %s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	switch {
	case !(c.Flow.Guidance >= 0 && c.Flow.Guidance <= MaxGuidance) || (c.Flow.Guidance == 0) != (c.Flow.Steps == 0):
		return fmt.Errorf("model configuration: flow.guidance is %g with flow.steps %d: must be above 0 and at most %d in a model of few steps, and 0 in any other", c.Flow.Guidance, c.Flow.Steps, MaxGuidance)
	case c.Width%32 != 0 || c.Height%32 != 0:
		return fmt.Errorf("model configuration: %d×%d is not a multiple of 32", c.Width, c.Height)
	case c.Flow.Width%c.Flow.Heads != 0 || c.Flow.Width/c.Flow.Heads%2 != 0 || c.Flow.Width/c.Flow.Heads < 6:
		return fmt.Errorf("model configuration: flow.width %d does not split into %d heads of an even size of at least 6", c.Flow.Width, c.Flow.Heads)
	case c.Text.Width%c.Text.Heads != 0 || c.Text.Width/c.Text.Heads%2 != 0:
		return fmt.Errorf("model configuration: text.width %d does not split into %d heads of even size", c.Text.Width, c.Text.Heads)
	case c.Flow.Experts > 0 && (c.Flow.TopK < 1 || c.Flow.TopK > c.Flow.Experts):
		return fmt.Errorf("model configuration: flow.top_k is %d of %d experts", c.Flow.TopK, c.Flow.Experts)
	}
	return nil
}
