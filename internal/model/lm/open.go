package lm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// weights are open files of weights.
type weights interface {
	nn.Listed
	io.Closer
}

const (
	// maxSmall is the largest file beside the weights that is read, but for the
	// tokenizer.
	maxSmall = 16 << 20
	// maxTemplate is the longest chat template, in bytes.
	maxTemplate = 1 << 20
)

// open opens the model at path.
func open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return openGGUF(path)
	}
	blocks, err := filepath.Glob(filepath.Join(globQuote(path), "*.gguf"))
	if err != nil {
		return nil, err
	}
	switch len(blocks) {
	case 0:
		return openFolder(path)
	case 1:
		return openGGUF(blocks[0])
	}
	return nil, fmt.Errorf("%s: it holds %d files of GGUF: name the one that is to be used", path, len(blocks))
}

// globQuote keeps Glob from reading a path as a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(path)
}

// openGGUF opens one file that has everything.
func openGGUF(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := modelOf(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	m.path = path
	return m, nil
}

// modelOf makes a model of a file of GGUF.
func modelOf(f *gguf.File) (*Model, error) {
	table, ok := f.Info("token_embd.weight")
	if !ok || len(table.Shape) != 2 {
		return nil, fmt.Errorf("tensor %q is missing or no matrix: it is no language model", "token_embd.weight")
	}
	_, untied := f.Info("output.weight")
	c, err := ggufConfig(f, table.Shape[0], !untied)
	if err != nil {
		return nil, err
	}
	m := &Model{files: f}
	if m.decoder, err = newDecoder(c, f); err != nil {
		return nil, err
	}
	g, err := token.ReadGGUF(f)
	if err != nil {
		return nil, err
	}
	a := about{bos: -1}
	if a.tokens, err = token.FromGGUF(g); err != nil {
		return nil, err
	}
	a.name, _ = f.Text("general.name")                // it may lack one
	a.template, _ = f.Text("tokenizer.chat_template") // and this
	if g.BOS != nil && (g.AddBOS == nil || *g.AddBOS || g.Model == "llama") {
		a.bos = int32(*g.BOS)
	}
	var ends []int
	if g.EOS != nil {
		ends = append(ends, int(*g.EOS))
	}
	for _, key := range []string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"} {
		if n, err := f.Int(key); err == nil && n >= 0 && n < int64(a.tokens.Size()) {
			ends = append(ends, int(n))
		}
	}
	return m, m.tell(a, ends)
}

// endings are tokens that end an answer in some family of models. Files often name
// but one of theirs.
var endings = []string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}

// tell sets what is known about the model, whose answers end at tokens.
func (m *Model) tell(a about, ends []int) error {
	v := m.decoder.Vocabulary
	if a.tokens.Size() > v {
		return fmt.Errorf("the tokenizer has %d tokens and the model %d: they do not belong together", a.tokens.Size(), v)
	}
	if len(a.template) > maxTemplate {
		return fmt.Errorf("the chat template has %d bytes, at most %d are read", len(a.template), maxTemplate)
	}
	for _, id := range ends {
		if id < 0 || id >= v {
			return fmt.Errorf("token %d is said to end an answer, the model has %d", id, v)
		}
		a.eos = append(a.eos, int32(id))
	}
	for _, s := range endings {
		if id, ok := a.tokens.ID(s); ok && a.tokens.Special(id) {
			a.eos = append(a.eos, id)
		}
	}
	if int(a.bos) >= v {
		return fmt.Errorf("token %d is said to begin a text, the model has %d", a.bos, v)
	}
	slices.Sort(a.eos)
	a.eos = slices.Compact(a.eos)
	m.about = a
	return nil
}

// openFolder opens a folder as transformers writes it.
func openFolder(dir string) (*Model, error) {
	path := filepath.Join(dir, "config.json")
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	c, h, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	paths, err := shards(dir)
	if err != nil {
		return nil, err
	}
	w, err := safetensors.OpenShards(paths...)
	if err != nil {
		return nil, err
	}
	m := &Model{path: dir, files: w}
	if m.decoder, err = newDecoder(c, w); err == nil {
		err = m.readBeside(dir, h)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), w.Close())
	}
	return m, nil
}

// shards are the files of weights in a folder: those that an index lists, or all.
func shards(dir string) ([]string, error) {
	index := filepath.Join(dir, "model.safetensors.index.json")
	if _, err := os.Stat(index); err == nil {
		return safetensors.Indexed(index)
	}
	paths, err := filepath.Glob(filepath.Join(globQuote(dir), "*.safetensors"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 || len(paths) > safetensors.MaxShards {
		return nil, fmt.Errorf("%s: it holds %d files of weights (*.safetensors, or one *.gguf), 1 to %d are read", dir, len(paths), safetensors.MaxShards)
	}
	return paths, nil
}

// readBeside reads the tokenizer and what is said about it.
func (m *Model) readBeside(dir string, h hfConfig) error {
	a := about{bos: -1}
	data, err := readFile(filepath.Join(dir, "tokenizer.json"), token.MaxFileBytes)
	if err != nil {
		return err
	}
	if a.tokens, err = token.ReadJSON(data); err != nil {
		return fmt.Errorf("tokenizer.json: %w", err)
	}
	var settings struct {
		BOS      json.RawMessage `json:"bos_token"`
		EOS      json.RawMessage `json:"eos_token"`
		Template json.RawMessage `json:"chat_template"`
	}
	var generation struct {
		EOS tokenIDs `json:"eos_token_id"`
	}
	err = readJSON(filepath.Join(dir, "tokenizer_config.json"), &settings)
	if err == nil {
		err = readJSON(filepath.Join(dir, "generation_config.json"), &generation)
	}
	if err != nil {
		return err
	}
	ends := slices.Clone([]int(generation.EOS))
	if len(ends) == 0 { // config.json has one even where nobody meant it
		ends = append(ends, h.EOS...)
	}
	if id, ok := a.tokens.ID(tokenText(settings.BOS)); ok {
		a.bos = id
	}
	if id, ok := a.tokens.ID(tokenText(settings.EOS)); ok {
		ends = append(ends, int(id))
	}
	a.template = templateText(settings.Template)
	file, err := readSmall(filepath.Join(dir, "chat_template.jinja"))
	if err == nil {
		a.template = string(file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return m.tell(a, ends)
}

// tokenText is the text of a token in tokenizer_config.json: itself, or the content
// of an object.
func tokenText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var o struct{ Content string }
	_ = json.Unmarshal(raw, &o) // then there is none
	return o.Content
}

// templateText is the chat template in tokenizer_config.json: a text, or the one of
// several that is called default.
func templateText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var all []struct{ Name, Template string }
	_ = json.Unmarshal(raw, &all) // then there is none
	for _, t := range all {
		if t.Name == "default" {
			return t.Template
		}
	}
	return ""
}

func readSmall(path string) ([]byte, error) { return readFile(path, maxSmall) }

// readFile reads a file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: it has more than %d bytes, which are not read", path, most)
	}
	return data, err
}

// readJSON reads a small file into v, which stays as it is if there is none.
func readJSON(path string, v any) error {
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if err = json.Unmarshal(data, v); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return err
}
