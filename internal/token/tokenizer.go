package token

import (
	"fmt"
	"strings"
)

// Limits that readers and Encode enforce. The largest vocabularies in use have
// about 262,000 tokens and 514,000 merges, in a file of 33 MB.
const (
	MaxFileBytes     = 64 << 20 // of a tokenizer.json or a spiece.model
	MaxTokens        = 1 << 20  // in a vocabulary, added ones included
	MaxMerges        = 1 << 21
	MaxPieceBytes    = 1024    // of one token
	MaxAddedTokens   = 1 << 14 // tokens that are looked for in the text
	MaxAddedBytes    = 256     // of one of these
	MaxCharsmapBytes = 8 << 20
	MaxReplacement   = 16      // bytes that a normalizer may put in the place of others
	MaxTextBytes     = 2 << 20 // that Encode takes, before and after it is normalized
)

// Tokenizer is somebody else's tokenizer, read by ReadJSON, ReadSentencePiece or
// FromGGUF. It never changes, so any number of goroutines may use it at once.
type Tokenizer struct {
	raw       *addedSet // looked for in the text as it came
	forms     []normalizer
	normed    *addedSet // looked for in the normalized text
	pre       []preTokenizer
	model     model
	opens     []int32 // what Encode puts before the tokens of a text
	closes    []int32 // and after
	spelled   []string
	special   []bool // by id: says something about the text
	decoder   decoding
	addedByID map[string]int32
}

// Size is the number of tokens: every id is in [0, Size()). Some ids below it
// may have no token.
func (t *Tokenizer) Size() int { return len(t.spelled) }

// Token returns how the vocabulary spells a token, "" for an id without one. In
// a byte-level vocabulary these are the bytes themselves.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.spelled) {
		return ""
	}
	return t.spelled[id]
}

// ID returns the token that Token spells so.
func (t *Tokenizer) ID(spelled string) (int32, bool) {
	if id, ok := t.addedByID[spelled]; ok {
		return id, true
	}
	id := t.model.find(spelled)
	return id, id >= 0
}

// Special says whether a token says something about a text, such as its end,
// rather than being a part of it.
func (t *Tokenizer) Special(id int32) bool {
	return id >= 0 && int(id) < len(t.special) && t.special[id]
}

// Encode returns the ids of a text with those that the tokenizer puts around one,
// such as T5's </s> at its end. With max > 0 the result has at most max ids: a
// text that is too long loses its end, not what is put around it. max <= 0 sets
// no limit.
//
// What is not UTF-8 becomes U+FFFD, once for each part that cannot start a
// character, as Python's bytes.decode("utf-8", "replace") has it. Time is linear
// in the text but for a logarithm. An error says that the text is too long.
func (t *Tokenizer) Encode(text string, max int) ([]int32, error) {
	ids, err := t.encode(t.opens[:len(t.opens):len(t.opens)], text)
	if err != nil {
		return nil, err
	}
	if max > 0 {
		around := len(t.opens) + len(t.closes)
		ids = ids[:min(len(ids), len(t.opens)+max-min(max, around))]
		ids = append(ids, t.closes...)
		return ids[:min(len(ids), max)], nil
	}
	return append(ids, t.closes...), nil
}

// EncodePart returns the ids of a text with nothing put around it.
func (t *Tokenizer) EncodePart(text string) ([]int32, error) { return t.encode(nil, text) }

func (t *Tokenizer) encode(dst []int32, text string) ([]int32, error) {
	if len(text) > MaxTextBytes {
		return nil, fmt.Errorf("token: the text has %d bytes, more than the %d that can be encoded at once; give it in parts", len(text), MaxTextBytes)
	}
	text = validText(text)
	e := encoder{t: t, dst: dst}
	e.build()
	t.raw.split(text, e.normalize, e.token)
	return e.dst, e.err
}

// encoder is one call of Encode.
type encoder struct {
	t     *Tokenizer
	dst   []int32
	work  work
	stage []func(s string, f bool) // what each pre-tokenizer gives its parts to
	err   error
}

// build connects the stages: each pre-tokenizer with the next, the last with the
// model.
func (e *encoder) build() {
	n := len(e.t.pre)
	e.stage = make([]func(string, bool), n+1)
	e.stage[n] = func(s string, _ bool) {
		if s != "" {
			e.dst = e.t.model.encode(&e.work, e.dst, s)
		}
	}
	for i := n - 1; i >= 0; i-- {
		cut, next := e.t.pre[i], e.stage[i+1]
		e.stage[i] = func(s string, first bool) {
			if s != "" {
				cut(s, first, next)
			}
		}
	}
}

func (e *encoder) token(id int32) { e.dst = append(e.dst, id) }

// normalize takes a part between tokens that are looked for in the text as it
// came.
func (e *encoder) normalize(s string, first bool) {
	for _, form := range e.t.forms {
		s = form(s)
		if len(s) > MaxTextBytes {
			e.err = fmt.Errorf("token: the text has more than %d bytes once it is normalized; give it in parts", MaxTextBytes)
			return
		}
	}
	e.t.normed.split(s, func(part string, f bool) { e.stage[0](part, f && first) }, e.token)
}

// Decode returns the text of ids. plain leaves out the special tokens. An id
// without a token has no text.
func (t *Tokenizer) Decode(ids []int32, plain bool) string {
	d := t.NewDecoder(plain)
	var sb strings.Builder
	for _, id := range ids {
		sb.WriteString(d.Add(id))
	}
	sb.WriteString(d.End())
	return sb.String()
}
