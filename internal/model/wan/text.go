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
	g, err := tokensOf(f)
	if err == nil {
		t, err = token.FromGGUF(g)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return t, err
}

// tokensOf is what the metadata of a GGUF file say about its tokenizer.
func tokensOf(f *gguf.File) (g token.GGUF, err error) {
	const prefix = "tokenizer.ggml."
	read := func(key string, how func(key string) error) {
		if _, ok := f.Value(prefix + key); ok && err == nil {
			err = how(prefix + key)
		}
	}
	text := func(to *string) func(string) error {
		return func(key string) (err error) { *to, err = f.Text(key); return err }
	}
	texts := func(to *[]string) func(string) error {
		return func(key string) (err error) { *to, err = f.Texts(key); return err }
	}
	yes := func(to **bool) func(string) error {
		return func(key string) error { b, err := f.Bool(key); *to = &b; return err }
	}
	id := func(to **uint32) func(string) error {
		return func(key string) error { n, err := f.Int(key); u := uint32(n); *to = &u; return err }
	}
	read("model", text(&g.Model))
	read("pre", text(&g.Pre))
	read("tokens", texts(&g.Tokens))
	read("merges", texts(&g.Merges))
	read("token_type", func(key string) error {
		all, err := f.Ints(key)
		for _, n := range all {
			g.TokenType = append(g.TokenType, int32(n))
		}
		return err
	})
	read("scores", func(key string) error {
		all, err := f.Floats(key)
		for _, x := range all {
			g.Scores = append(g.Scores, float32(x))
		}
		return err
	})
	read("precompiled_charsmap", func(key string) error {
		all, err := f.Ints(key)
		for _, n := range all {
			g.Charsmap = append(g.Charsmap, byte(n))
		}
		return err
	})
	read("bos_token_id", id(&g.BOS))
	read("eos_token_id", id(&g.EOS))
	read("add_bos_token", yes(&g.AddBOS))
	read("add_eos_token", yes(&g.AddEOS))
	read("add_space_prefix", yes(&g.AddSpace))
	read("remove_extra_whitespaces", yes(&g.RemoveMore))
	return g, err
}
