package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// GGUF is what the metadata of a GGUF file say about its tokenizer. The fields
// have the names of their keys, without "tokenizer.ggml.". What a file lacks is
// the zero value, or nil for numbers of tokens and for bools, which then have the
// value that llama.cpp gives them.
type GGUF struct {
	Model      string    // "gpt2", "llama" or "t5"
	Pre        string    // which pattern cuts text, for gpt2
	Tokens     []string  // for gpt2 in byte-level spelling
	TokenType  []int32   // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
	Scores     []float32 // for llama and t5
	Merges     []string  // for gpt2
	Charsmap   []byte    // precompiled_charsmap, for t5
	BOS, EOS   *uint32   // bos_token_id, eos_token_id
	AddBOS     *bool     // add_bos_token
	AddEOS     *bool     // add_eos_token
	AddSpace   *bool     // add_space_prefix
	RemoveMore *bool     // remove_extra_whitespaces
}

// ggufPre is what a value of tokenizer.ggml.pre stands for.
type ggufPre struct {
	forms    []normalizer
	pre      []preTokenizer
	whole    bool // a part that is a token needs no merges
	addBegin bool
}

// ggufPres has the known ones. Text is normalized as the original tokenizer of
// these models does, which the metadata leave out.
var ggufPres = map[string]ggufPre{
	"gpt-2":  {pre: []preTokenizer{cutWords(gpt2Words)}},
	"smollm": {pre: []preTokenizer{cutBy(aRune(unicode.IsNumber), isolated), cutWords(gpt2Words)}},
	"qwen2": {
		forms: []normalizer{unicodeForm(norm.NFC)},
		pre:   []preTokenizer{cutWords(words{signFirst: true, anyCase: true, digits: 1, lineEnds: true})},
	},
	"llama-bpe": {
		pre:   []preTokenizer{cutWords(words{signFirst: true, anyCase: true, digits: 3, lineEnds: true})},
		whole: true, addBegin: true,
	},
}

// FromGGUF makes the tokenizer that the metadata of a GGUF file describe, which
// are not trusted. Control tokens and those of type user defined are recognised
// in the text.
func FromGGUF(g GGUF) (*Tokenizer, error) {
	if n := len(g.Tokens); n == 0 || n > MaxTokens || g.TokenType != nil && len(g.TokenType) != n {
		return nil, fmt.Errorf("token: the GGUF file has %d tokens and %d types of them; allowed are 1 to %d of each", n, len(g.TokenType), MaxTokens)
	}
	for _, id := range []*uint32{g.BOS, g.EOS} {
		if id != nil && int64(*id) >= int64(len(g.Tokens)) {
			return nil, fmt.Errorf("token: the GGUF file names token %d, and has %d", *id, len(g.Tokens))
		}
	}
	if g.TokenType == nil {
		g.TokenType = slices.Repeat([]int32{int32(normalPiece)}, len(g.Tokens))
	}
	var t *Tokenizer
	var err error
	addBegin, addEnd := false, false
	switch g.Model {
	case "gpt2":
		t, addBegin, err = g.byteLevel()
	case "llama":
		t, err = g.pieces(false)
		addBegin = true
	case "t5":
		t, err = g.pieces(true)
		addEnd = true
	default:
		return nil, fmt.Errorf("token: the GGUF file has a tokenizer of model %.40q; this build has gpt2, llama and t5", g.Model)
	}
	if err != nil {
		return nil, err
	}
	mark := func(id *uint32, said *bool, otherwise bool) int32 {
		if id == nil || said != nil && !*said || said == nil && !otherwise {
			return -1
		}
		return int32(*id)
	}
	t.around(mark(g.BOS, g.AddBOS, addBegin), mark(g.EOS, g.AddEOS, addEnd))
	return t, nil
}

// added returns the tokens that are recognised in the text.
func (g *GGUF) added() ([]addedToken, error) {
	var all []addedToken
	for id, s := range g.Tokens {
		k := pieceKind(g.TokenType[id])
		if k != controlPiece && k != fixedPiece || s == "" {
			continue
		}
		if len(s) > MaxAddedBytes {
			return nil, fmt.Errorf("token: token %d has %d bytes, more than the %d allowed", id, len(s), MaxAddedBytes)
		}
		all = append(all, addedToken{ID: int32(id), Content: s, Special: k == controlPiece})
	}
	if len(all) > MaxAddedTokens {
		return nil, fmt.Errorf("token: the GGUF file has %d control and user defined tokens, more than the %d allowed", len(all), MaxAddedTokens)
	}
	return all, nil
}

func (g *GGUF) byteLevel() (t *Tokenizer, addBegin bool, err error) {
	pre, ok := ggufPres[g.Pre]
	if !ok {
		return nil, false, fmt.Errorf("token: the GGUF file cuts text by tokenizer.ggml.pre %.40q, which this build does not know; it has gpt-2, smollm, qwen2 and llama-bpe", g.Pre)
	}
	added, err := g.added()
	if err != nil {
		return nil, false, err
	}
	r := &hfReader{t: &Tokenizer{addedByID: map[string]int32{}}, byteLevel: true}
	b := &bpe{vocab: make(map[string]int32, len(g.Tokens)), byteLevel: true, unknown: -1, whole: pre.whole}
	r.t.model, r.t.forms, r.t.pre = b, pre.forms, pre.pre
	for i, s := range g.Tokens {
		if err := r.spell(int32(i), s); err != nil {
			return nil, false, err
		}
		if _, ok := rawBytes(nil, s); ok && r.t.spelled[i] != "" {
			b.vocab[r.t.spelled[i]] = int32(i)
		}
	}
	for i := range b.bytes {
		b.bytes[i] = b.find(string([]byte{byte(i)}))
	}
	if len(g.Merges) == 0 {
		return nil, false, errors.New("token: the GGUF file has a tokenizer of model gpt2 without merges")
	}
	b.pairs = newPairTable(min(len(g.Merges), MaxMerges))
	for i, m := range g.Merges {
		left, right, ok := strings.Cut(m, " ")
		if !ok {
			return nil, false, fmt.Errorf("token: merge %d of the GGUF file is not of two tokens", i)
		}
		if err := b.addMerge(i, left, right); err != nil {
			return nil, false, err
		}
	}
	r.t.addTokens(added)
	r.t.decoder.stages = []func() decodeStage{func() decodeStage { return &byteStage{} }}
	return r.t, pre.addBegin, nil
}

// pieces makes a tokenizer of SentencePiece: Unigram for t5, BPE for llama.
func (g *GGUF) pieces(unigram bool) (*Tokenizer, error) {
	v := &pieceSet{text: slices.Clone(g.Tokens), score: g.Scores}
	bytes := false
	for _, k := range g.TokenType {
		bytes = bytes || pieceKind(k) == bytePiece
		v.kind = append(v.kind, pieceKind(k))
	}
	if err := v.check(bytes); err != nil {
		return nil, err
	}
	table, err := readCharsmap(g.Charsmap)
	if err != nil {
		return nil, err
	}
	or := func(said *bool, otherwise bool) bool {
		if said != nil {
			return *said
		}
		return otherwise
	}
	t, err := newPieces(v, unigram, &spaces{
		table: table, marked: true, dummy: or(g.AddSpace, true), trimmed: or(g.RemoveMore, unigram),
	}, " ⁇ ")
	if err != nil {
		return nil, err
	}
	added, err := g.added()
	if err != nil {
		return nil, err
	}
	t.addTokens(added)
	return t, nil
}
