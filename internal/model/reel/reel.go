// Package reel is Kinora's own model: a causal video autoencoder that
// compresses 16×16×8 pixels into a latent, a small text encoder, and a
// transformer with linear attention and a mixture of experts that turns noise
// into latents, chunk by chunk, in constant memory.
//
// A forward pass is written once, over tensor.Ops: training, sampling and
// streaming run the same code. The package never trains and never writes
// video files.
package reel

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// A Model is the codec, the transformer and the tokenizer.
type Model struct {
	Config Config
	BPE    *token.BPE
	Codec  *Codec
	Flow   *Flow
	// Storybook is the edition of the storybook whose words the model was
	// taught; NoEdition if it was taught none of them.
	Storybook world.Edition
	// CodecParams and FlowParams are the learned parameters, named as in the
	// file.
	CodecParams, FlowParams *nn.Params
	// NewBackend makes the backend that a pass computes on.
	NewBackend func() tensor.Backend
}

// New returns an untrained model.
func New(c Config, bpe *token.BPE, seed uint64) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return build(c, bpe, nn.NewParams(seed), nn.NewParams(seed+1))
}

// build makes a model of a checked configuration. Its parameters go into two
// empty sets.
func build(c Config, bpe *token.BPE, codec, flow *nn.Params) (*Model, error) {
	if bpe.Size() > c.Text.Vocab {
		return nil, fmt.Errorf("model configuration: text.vocab is %d, the tokenizer has %d tokens", c.Text.Vocab, bpe.Size())
	}
	m := &Model{Config: c, BPE: bpe, CodecParams: codec, FlowParams: flow, NewBackend: backend.New}
	m.Codec = NewCodec(m.CodecParams, c.Codec)
	m.Flow = NewFlow(m.FlowParams, c)
	return m, nil
}

// Refine returns m with layers at the latents' own resolution, of the given
// width and number of blocks on each side. They add nothing until they are
// trained. If m has layers of just that size, it is returned as it is. If it
// has others, their training would be lost, which is an error.
func (m *Model) Refine(width, blocks int, seed uint64) (*Model, error) {
	c := m.Config
	switch {
	case width < 1 || blocks < 1:
		return nil, fmt.Errorf("layers at the latents' resolution: width %d and %d blocks on each side, must be at least 1", width, blocks)
	case c.Flow.Fine == width && c.Flow.FineBlocks == blocks:
		return m, nil
	case c.Flow.Fine != 0:
		return nil, fmt.Errorf("the model has layers at the latents' resolution already, of width %d with %d blocks on each side: what they learned would be lost", c.Flow.Fine, c.Flow.FineBlocks)
	}
	c.Flow.Fine, c.Flow.FineBlocks = width, blocks
	return m.reshaped(c, seed)
}

// FewSteps returns m prepared for distillation: it is told the size of each
// sampler step, takes the given number of steps, and once trained has guidance
// of that scale in its weights. Until then it predicts what m does, without
// guidance. A model that is already distilled is an error: its teacher was a
// better one.
func (m *Model) FewSteps(steps int, guidance float32, seed uint64) (*Model, error) {
	c := m.Config
	switch {
	case c.Flow.Steps != 0:
		return nil, fmt.Errorf("the model was already distilled to %d steps: distil the model that it was distilled from", c.Flow.Steps)
	case steps < 1 || steps > MaxSteps:
		return nil, fmt.Errorf("a video takes 1 to %d steps, not %d", MaxSteps, steps)
	case !(guidance > 0 && guidance <= MaxGuidance):
		return nil, fmt.Errorf("guidance to be learned must be above 0 and at most %d, not %g", MaxGuidance, guidance)
	}
	c.Flow.Steps, c.Flow.Guidance = steps, guidance
	return m.reshaped(c, seed)
}

// reshaped returns a model of configuration c with those parameters of m that
// it has too.
func (m *Model) reshaped(c Config, seed uint64) (*Model, error) {
	out, err := New(c, m.BPE, seed)
	if err != nil {
		return nil, err
	}
	out.Storybook = m.Storybook
	out.CodecParams.Adopt(m.CodecParams)
	out.FlowParams.Adopt(m.FlowParams)
	return out, nil
}

// Tokens returns the token ids of a prompt, at least one.
func (m *Model) Tokens(prompt string) []int32 { return m.BPE.Encode(prompt, m.Config.Text.Max) }

// The keys of the metadata of a weights file.
const (
	metaFormat = "format"
	metaConfig = "config"
	metaBPE    = "tokenizer"
	// metaStorybook is Model.Storybook, a whole number. Older files lack the key:
	// their models were taught the first edition.
	metaStorybook = "storybook"
	format        = "kinora-reel-1"
)

// Metadata is what a weights file stores beside the weights.
func (m *Model) Metadata() (map[string]string, error) {
	cfg, err := json.Marshal(m.Config)
	if err != nil {
		return nil, err
	}
	bpe, err := json.Marshal(m.BPE)
	if err != nil {
		return nil, err
	}
	return map[string]string{metaFormat: format, metaConfig: string(cfg), metaBPE: string(bpe), metaStorybook: strconv.Itoa(int(m.Storybook))}, nil
}

// Open makes a model from the bytes of a weights file, for inference only: its
// weights cannot change. They stay in data, which must not change either. Open
// reads and checks all of data once.
func Open(data []byte) (*Model, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	return openFrozen(f)
}

// OpenFile is Open for a weights file. Where the system can, the file is mapped
// instead of read into memory; it stays mapped as long as the model is in use.
func OpenFile(path string) (*Model, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := openFrozen(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

func openFrozen(f *safetensors.File) (*Model, error) {
	m, err := describe(f)
	if err != nil {
		return nil, err
	}
	m.CodecParams.Freeze()
	m.FlowParams.Freeze()
	return m, nil
}

// Read makes the model that a weights file describes, with copies of its
// weights, for training. It checks everything in the file.
func Read(f *safetensors.File) (*Model, error) {
	m, err := describe(f)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(m.CodecParams.Thaw(), m.FlowParams.Thaw()); err != nil {
		return nil, err
	}
	return m, nil
}

// describe makes the model of a file's metadata, with its weights in place, and
// checks everything. A configuration may describe far more memory than its file
// has bytes, but weights in place take none.
func describe(f *safetensors.File) (*Model, error) {
	meta := f.Metadata()
	cfg, storybook, err := about(meta)
	if err != nil {
		return nil, err
	}
	bpe := new(token.BPE)
	if err := json.Unmarshal([]byte(meta[metaBPE]), bpe); err != nil {
		return nil, fmt.Errorf("model tokenizer: %w", err)
	}
	codec, flow := nn.InPlace(f), nn.InPlace(f)
	m, err := build(cfg, bpe, codec, flow)
	if err != nil {
		return nil, err
	}
	m.Storybook = storybook
	for _, p := range []*nn.Params{codec, flow} {
		if err := p.Err(); err != nil {
			return nil, err
		}
		if err := p.Check(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// about reads and checks a file's metadata: the model's configuration, and the
// edition of the storybook that the model was taught.
func about(meta map[string]string) (cfg Config, storybook world.Edition, err error) {
	if meta[metaFormat] != format {
		return cfg, 0, fmt.Errorf("the file says it is %.40q, not %q: it does not hold a reel model", meta[metaFormat], format)
	}
	if err := json.Unmarshal([]byte(meta[metaConfig]), &cfg); err != nil {
		return cfg, 0, fmt.Errorf("model configuration: %w", err)
	}
	if err := cfg.check(); err != nil {
		return cfg, 0, err
	}
	storybook, err = edition(meta)
	return cfg, storybook, err
}

// edition returns the edition of the storybook in a file's metadata.
func edition(meta map[string]string) (world.Edition, error) {
	text, ok := meta[metaStorybook]
	if !ok {
		return world.FirstEdition, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the file says that its model was taught edition %.20q of the storybook, which is not a whole number from 0 on", text)
	}
	return world.Edition(n), nil
}
