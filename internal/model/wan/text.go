package wan

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/model/t5"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/weights/gguf"
)

// textEncoder turns prompts into what the transformer attends to. The tokenizer is
// read when it is first needed, and what was encoded is kept on disk: most often
// the encoder, which is larger than all else, need not be read at all.
type textEncoder struct {
	encoder *t5.Encoder
	dir     string // of the model
	tokens  *token.Tokenizer
	cache   *promptCache
}

// openText opens the text encoder.
func (m *model) openText() (*textEncoder, error) {
	w, err := m.weights(encoderDir)
	if err != nil {
		return nil, err
	}
	e, err := t5.Open(m.encoder, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.part(encoderDir), err)
	}
	// From blocks its vectors would otherwise be 2 % off, and it runs once a prompt.
	e.Params.Fine()
	cache, err := newPromptCache(m.opts.Cache, m.part(encoderDir), m.part(tokenizerDir))
	return &textEncoder{encoder: e, dir: m.dir, cache: cache}, err
}

// rows are the vectors of a prompt, [n, width].
type rows struct {
	data  []float32
	width int
}

// upload makes rows available to a backend.
func (r rows) upload(b tensor.Backend) *tensor.Tensor {
	return b.Upload(r.data, len(r.data)/r.width, r.width)
}

// encode returns the vectors of prompts, as far as they can from disk, by a plan.
func (m *model) encode(ctx context.Context, p plan, prompts ...string) ([]rows, error) {
	e := m.text
	out := make([]rows, len(prompts))
	var missing []int
	var ids [][]int32
	for i, prompt := range prompts {
		prompt = cleanPrompt(prompt)
		if data, ok := e.cache.load(prompt, m.encoder.Width); ok {
			out[i] = rows{data, m.encoder.Width}
			continue
		}
		some, err := m.tokenize(prompt)
		if err != nil {
			return nil, err
		}
		missing, ids = append(missing, i), append(ids, some)
	}
	if len(missing) == 0 {
		return out, nil
	}
	b := m.newBackend()
	e.encoder.Layers.Stay(p.encoderLayers)
	defer m.within(p.encoding)()
	// Nothing needs the encoder until another prompt comes.
	defer e.encoder.Layers.Stay(0)
	vectors, err := e.encoder.Encode(ctx, b, ids...)
	if err != nil {
		return nil, err
	}
	for k, i := range missing {
		out[i] = rows{tensor.Values(b, vectors[k]), m.encoder.Width}
		if err := e.cache.save(cleanPrompt(prompts[i]), out[i]); err != nil {
			m.note("what the text encoder made of the prompt is not kept for another time: %v", err)
		}
	}
	return out, nil
}

// tokenize cuts a clean prompt into tokens, as many as the transformer reads.
func (m *model) tokenize(prompt string) ([]int32, error) {
	e := m.text
	if e.tokens == nil {
		t, err := openTokenizer(e.dir)
		if err != nil {
			return nil, err
		}
		e.tokens = t
	}
	all, err := e.tokens.Encode(prompt, 0)
	if err != nil {
		return nil, err
	}
	if len(all) <= TextTokens {
		return all, nil
	}
	m.note("the prompt has %d tokens, the model reads the first %d", len(all), TextTokens)
	return e.tokens.Encode(prompt, TextTokens)
}

// openTokenizer reads the tokenizer of the model in dir: tokenizer.json, or the
// vocabulary of SentencePiece, or what a GGUF file of the text encoder has.
func openTokenizer(dir string) (*token.Tokenizer, error) {
	sentencePiece := func(data []byte) (*token.Tokenizer, error) {
		return token.ReadSentencePiece(data, token.Around{End: true})
	}
	for _, kind := range []struct {
		file string
		read func(data []byte) (*token.Tokenizer, error)
	}{{"tokenizer.json", token.ReadJSON}, {"spiece.model", sentencePiece}} {
		path := filepath.Join(dir, tokenizerDir, kind.file)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if info.Size() > token.MaxFileBytes {
			return nil, fmt.Errorf("%s: it has %d bytes, at most %d are read", path, info.Size(), token.MaxFileBytes)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		t, err := kind.read(data)
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return t, err
	}
	paths, err := weightFiles(filepath.Join(dir, encoderDir))
	if err == nil && filepath.Ext(paths[0]) == ".gguf" {
		return tokenizerOf(paths[0])
	}
	return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir, tokenizerDir, "tokenizer.json"), Err: fs.ErrNotExist}
}

// tokenizerOf is the tokenizer in a GGUF file.
func tokenizerOf(path string) (t *token.Tokenizer, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g, err := token.ReadGGUF(f)
	if err == nil {
		t, err = token.FromGGUF(g)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return t, err
}
