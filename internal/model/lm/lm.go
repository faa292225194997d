// Package lm runs language models of the llama family (Touvron et al. 2023,
// arXiv:2302.13971; Llama 3, SmolLM2, Mistral) and of Qwen3 (arXiv:2505.09388):
// decoders with grouped queries, rotary positions and gated feed-forward layers.
//
// Weights stay where they are stored, in a GGUF file or in safetensors, and are
// multiplied from there. Several conversations may go on at once: each is a Session
// with its keys and values, and their tokens go through the weights together.
//
// The package never trains, fetches no model, and knows neither roles nor chat
// templates: a prompt is tokens.
package lm

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/token"
)

// OpenOptions say how a model is used.
type OpenOptions struct {
	// Backend computes, for this model alone; nil is backend.Fine.
	Backend tensor.Backend
	// Lease, if not nil, is taken for each pass: for a part of a prompt, or for the
	// next token of all sessions that wait.
	Lease *engine.Lease
	// Context is the most tokens of prompt and answer together; 0 is what the model
	// was made for, and more than that is refused.
	Context int
}

// A Model is open weights with their tokenizer. Any number of goroutines may use it.
type Model struct {
	path    string
	files   weights
	decoder *decoder
	about   about
	context int
	queue   queue
	broken  atomic.Pointer[error]
}

// about is what files say beside the weights.
type about struct {
	name     string
	tokens   *token.Tokenizer
	template string
	bos      int32 // -1 if there is none
	eos      []int32
}

// Info describes a model.
type Info struct {
	Name, Architecture string
	Parameters, Bytes  int
	Context            int // tokens of prompt and answer together
	Vocabulary         int // tokens
}

// Open opens a GGUF file, a folder with one such file, or a folder of safetensors
// with config.json and tokenizer.json, as transformers writes it. It maps the
// weights and reads the tokenizer; errors name the file and what is wrong in it.
func Open(path string, o OpenOptions) (*Model, error) {
	m, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the language model: %w", err)
	}
	c := m.decoder.Config
	switch {
	case o.Context < 0 || o.Context > c.Context:
		err = fmt.Errorf("opening the language model: %s: a context of %d tokens was asked for, the model was made for 1 to %d", path, o.Context, c.Context)
		return nil, errors.Join(err, m.Close())
	case o.Context > 0:
		m.context = o.Context
	default:
		m.context = c.Context
	}
	if o.Backend == nil {
		o.Backend = backend.Fine()
	}
	m.queue = newQueue(m.decoder, o.Backend, o.Lease)
	return m, nil
}

// Close unmaps the weights. All sessions must have been closed.
func (m *Model) Close() error { return m.files.Close() }

// Info describes the model.
func (m *Model) Info() Info {
	c, p := m.decoder.Config, m.decoder.params
	info := Info{Name: m.about.name, Architecture: c.Architecture, Parameters: p.Len(), Context: m.context, Vocabulary: c.Vocabulary}
	if info.Name == "" {
		info.Name = filepath.Base(m.path)
	}
	for _, name := range p.Names() {
		info.Bytes += len(p.Get(name).Stored().Bytes)
	}
	return info
}

// Config is the shape of the network.
func (m *Model) Config() Config { return m.decoder.Config }

// Tokenizer cuts text into the model's tokens.
func (m *Model) Tokenizer() *token.Tokenizer { return m.about.tokens }

// ChatTemplate is the file's template of conversations, in Jinja; "" if it has none.
func (m *Model) ChatTemplate() string { return m.about.template }

// BOS is the token that begins a text; ok is false if the model has none.
func (m *Model) BOS() (id int32, ok bool) { return m.about.bos, m.about.bos >= 0 }

// EOS are the tokens that end an answer.
func (m *Model) EOS() []int32 { return slices.Clone(m.about.eos) }

// ContextLength is the most tokens of prompt and answer together.
func (m *Model) ContextLength() int { return m.context }

// Vocabulary is the number of logits. The tokenizer may have fewer tokens.
func (m *Model) Vocabulary() int { return m.decoder.Vocabulary }

// Memory is the most bytes that a session of so many tokens takes, beside the model:
// keys and values in f32, with room to grow.
func (m *Model) Memory(tokens int) int {
	c := m.decoder.Config
	return 2 * 4 * c.KVHeads * c.HeadDim * c.Layers * tensor.CacheRoom(tokens)
}

// damaged finds the tensor whose values are not finite, once logits are not.
func (m *Model) damaged() error {
	if e := m.broken.Load(); e != nil {
		return *e
	}
	err := m.decoder.params.Check()
	if err == nil {
		err = errors.New("the numbers of the network grow beyond what f32 holds")
	}
	err = fmt.Errorf("%s: the model gives logits that are not finite: %w", m.path, err)
	m.broken.Store(&err)
	return err
}
