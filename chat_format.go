package kinora

import (
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/grammar"
	"github.com/kinora-video/kinora/internal/model/lm"
)

// AnswerFormat is what an answer must be, whatever the model would rather say: no
// token comes that does not go on with such a text. An answer that MaxTokens or the
// context ends may be the beginning of one. The zero value is any text.
type AnswerFormat struct{ kind, source string }

// Kinds of formats.
const (
	formatJSON    = "json"
	formatSchema  = "schema"
	formatGrammar = "grammar"
)

// JSONFormat is a JSON object.
func JSONFormat() AnswerFormat { return AnswerFormat{kind: formatJSON} }

// SchemaFormat is JSON that a JSON schema describes.
func SchemaFormat(schema []byte) AnswerFormat {
	return AnswerFormat{kind: formatSchema, source: string(schema)}
}

// GrammarFormat is a text of a context-free grammar in llama.cpp's form (GBNF), whose
// first rule is called root.
func GrammarFormat(gbnf string) AnswerFormat {
	return AnswerFormat{kind: formatGrammar, source: gbnf}
}

// grammar is that of the format; nil for any text.
func (f AnswerFormat) grammar() (g *grammar.Grammar, err error) {
	switch f.kind {
	case formatJSON:
		return grammar.JSONObject(), nil
	case formatSchema:
		g, err = grammar.FromSchema([]byte(f.source))
	case formatGrammar:
		g, err = grammar.Parse(f.source)
	}
	if err != nil {
		return nil, invalid("format", strings.TrimPrefix(err.Error(), "grammar: "), "")
	}
	return g, nil
}

// held is the mask of an answer, and what went wrong with it.
type held struct{ *grammar.Mask }

// mask makes the mask of a format for one answer; nil for any text.
func (c *ChatModel) mask(f AnswerFormat) (*held, error) {
	g, err := f.grammar()
	if g == nil || err != nil {
		return nil, err
	}
	c.words.Do(func() { c.vocabulary = grammar.OfTokenizer(c.m.Tokenizer()) })
	return &held{g.NewMask(c.vocabulary, c.m.EOS())}, nil
}

// lm is the mask as the engine takes it.
func (h *held) lm() lm.Mask {
	if h == nil {
		return nil // and no interface that holds a nil
	}
	return h.Mask
}

// explain says why an answer broke off, where the format is the reason.
func (h *held) explain(err error) error {
	if h == nil || err == nil {
		return err
	}
	if cause := h.Err(); cause != nil {
		return invalid("format", fmt.Sprintf("it cannot be followed: %v", cause), "")
	}
	return err
}
