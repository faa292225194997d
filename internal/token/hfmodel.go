package token

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// model reads the part of that name.
func (r *hfReader) model(text string) error {
	if text == "" {
		return errors.New("token: tokenizer.json has no model")
	}
	parts, err := members(text)
	if err != nil {
		return err
	}
	vocab, merges := parts["vocab"], parts["merges"]
	delete(parts, "vocab")
	delete(parts, "merges")
	kind := strings.Trim(parts["type"], `"`)
	if kind == "" && merges != "" {
		kind = "BPE" // as files of before 2020 leave it out
	}
	switch kind {
	case "BPE":
		return r.bpe(parts, vocab, merges)
	case "Unigram":
		if merges != "" {
			return errors.New("token: the Unigram model of tokenizer.json has merges, which this build does not know")
		}
		return r.unigram(parts, vocab)
	}
	return fmt.Errorf("token: tokenizer.json has a model of type %.40q; this build has BPE and Unigram", kind)
}

// rest reads the small members of the model.
func rest(parts map[string]string, v any) error {
	var sb strings.Builder
	sb.WriteByte('{')
	for name, text := range parts {
		if sb.Len() > 1 {
			sb.WriteByte(',')
		}
		sb.WriteString(strconv.Quote(name) + ":" + text)
	}
	sb.WriteByte('}')
	return partOf(sb.String(), "the model", v)
}

func (r *hfReader) bpe(parts map[string]string, vocab, merges string) error {
	var c struct {
		Type     string   `json:"type"`
		Dropout  *float64 `json:"dropout"`
		Unknown  *string  `json:"unk_token"`
		Prefix   *string  `json:"continuing_subword_prefix"`
		Suffix   *string  `json:"end_of_word_suffix"`
		Fuse     bool     `json:"fuse_unk"`
		Fallback bool     `json:"byte_fallback"`
		Whole    bool     `json:"ignore_merges"`
	}
	if err := rest(parts, &c); err != nil {
		return err
	}
	switch {
	case c.Dropout != nil && *c.Dropout != 0:
		return errors.New("token: the BPE model of tokenizer.json has a dropout, which this build does not know")
	case c.Prefix != nil && *c.Prefix != "":
		return errors.New("token: the BPE model of tokenizer.json has a continuing_subword_prefix, which this build does not know")
	case c.Suffix != nil && *c.Suffix != "":
		return errors.New("token: the BPE model of tokenizer.json has an end_of_word_suffix, which this build does not know")
	case c.Fallback && r.byteLevel:
		return errors.New("token: the BPE model of tokenizer.json has both byte-level spelling and byte_fallback, which this build does not know")
	}
	b := &bpe{vocab: map[string]int32{}, byteLevel: r.byteLevel, unknown: -1, fuse: c.Fuse, whole: c.Whole}
	r.t.model = b
	if err := r.vocabulary(b, vocab); err != nil {
		return err
	}
	if c.Unknown != nil {
		if b.unknown = b.find(*c.Unknown); b.unknown < 0 {
			return fmt.Errorf("token: the unk_token %.40q is not in the vocabulary", *c.Unknown)
		}
	}
	if c.Fallback {
		var err error
		if b.fallback, err = byteTokens(b.find); err != nil {
			return err
		}
	}
	return b.readMerges(merges)
}

// vocabulary reads the tokens of BPE: an object of their numbers.
func (r *hfReader) vocabulary(b *bpe, text string) error {
	j := &jsonText{s: text}
	count := 0
	err := j.object(func(s string) error {
		id, err := j.id()
		if err != nil {
			return err
		}
		if count++; count > MaxTokens {
			return j.errorf("more than the %d tokens allowed", MaxTokens)
		}
		if err := r.spell(id, strings.Clone(s)); err != nil {
			return err
		}
		if b.byteLevel {
			if _, ok := rawBytes(nil, s); !ok {
				return nil // text is bytes and never becomes this
			}
		}
		spelled := r.t.spelled[id]
		if _, twice := b.vocab[spelled]; twice {
			return j.errorf("token %.40q occurs twice", s)
		}
		b.vocab[spelled] = id
		return nil
	})
	if err != nil {
		return fmt.Errorf("token: reading the vocabulary of the model: %w", err)
	}
	for i := range b.bytes {
		b.bytes[i] = b.find(string([]byte{byte(i)}))
	}
	return nil
}

// byteTokens returns the tokens <0x00> to <0xFF>, all of which have to be there.
func byteTokens(find func(string) int32) (*bytesOf, error) {
	f := &bytesOf{}
	for i := range f {
		s := fmt.Sprintf("<0x%02X>", i)
		if f[i] = find(s); f[i] < 0 {
			return nil, fmt.Errorf("token: the vocabulary is to spell unknown text by bytes, but has no %s", s)
		}
	}
	return f, nil
}

// readMerges reads the merges: an array of "left right" or ["left", "right"].
func (b *bpe) readMerges(text string) error {
	if text == "" {
		return errors.New("token: the BPE model of tokenizer.json has no merges")
	}
	b.pairs = newPairTable(min(len(text)/12, MaxMerges))
	j := &jsonText{s: text}
	count := 0
	err := j.array(func() error {
		var pair [2]string
		if j.peek() == '[' {
			n := 0
			if err := j.array(func() error {
				s, err := j.string()
				if n++; n > 2 || err != nil {
					return errors.Join(err, j.mergeError(n > 2, count))
				}
				pair[n-1] = s
				return nil
			}); err != nil || n != 2 {
				return errors.Join(err, j.mergeError(n != 2, count))
			}
		} else {
			s, err := j.string()
			if err != nil {
				return err
			}
			l, r, ok := strings.Cut(s, " ")
			if !ok || strings.Contains(r, " ") {
				return j.mergeError(true, count)
			}
			pair = [2]string{l, r}
		}
		count++
		return b.addMerge(count-1, pair[0], pair[1])
	})
	if err != nil {
		return fmt.Errorf("token: reading the merges of the model: %w", err)
	}
	return nil
}

func (j *jsonText) mergeError(wrong bool, n int) error {
	if !wrong {
		return nil
	}
	return j.errorf("merge %d is not of two tokens", n)
}

// addMerge enters merge n, of two tokens as they are spelled in the file.
func (b *bpe) addMerge(n int, left, right string) error {
	if n >= MaxMerges {
		return fmt.Errorf("token: there are more than the %d merges allowed", MaxMerges)
	}
	var room [4 * MaxPieceBytes]byte
	if len(left)+len(right) > len(room) {
		return fmt.Errorf("token: merge %d makes a token of %d bytes, more than the %d allowed", n, len(left)+len(right), MaxPieceBytes)
	}
	var l, both []byte
	if b.byteLevel {
		var ok bool
		if l, ok = rawBytes(room[:0], left); ok {
			both, ok = rawBytes(l, right)
		}
		if !ok {
			return fmt.Errorf("token: merge %d, %.40q and %.40q, is not of bytes", n, left, right)
		}
	} else {
		l = append(room[:0], left...)
		both = append(l, right...)
	}
	lid, lok := b.vocab[string(l)]
	rid, rok := b.vocab[string(both[len(l):])]
	id, ok := b.vocab[string(both)]
	if !lok || !rok || !ok {
		return fmt.Errorf("token: merge %d, %.40q and %.40q, has or makes a token that is not in the vocabulary", n, left, right)
	}
	b.pairs.set(key(lid, rid), uint32(n), id)
	return nil
}

// unigram reads a Unigram model. Its vocabulary is an array of pairs: a piece and
// its log probability.
func (r *hfReader) unigram(parts map[string]string, vocab string) error {
	var c struct {
		Type     string `json:"type"`
		Unknown  *int32 `json:"unk_id"`
		Fallback bool   `json:"byte_fallback"`
	}
	if err := rest(parts, &c); err != nil {
		return err
	}
	if r.byteLevel {
		return errors.New("token: tokenizer.json has a Unigram model after the pre-tokenizer ByteLevel, which this build does not know")
	}
	// A piece has a score of some 20 characters beside it.
	u := &unigram{trie: newTrie(len(vocab) / 3), fuse: true, missing: math.Inf(1)}
	j := &jsonText{s: vocab}
	err := j.array(func() error {
		s, score, err := j.scoredPiece()
		if err != nil {
			return err
		}
		id := int32(len(u.score))
		if id >= MaxTokens {
			return j.errorf("more than the %d tokens allowed", MaxTokens)
		}
		u.score = append(u.score, score)
		u.missing = min(u.missing, score)
		if s == "" {
			r.t.spelled = append(r.t.spelled, "")
			return nil
		}
		if err := r.spell(id, strings.Clone(s)); err != nil {
			return err
		}
		if _, ok := u.trie.add(s, id); !ok {
			return j.errorf("the pieces have more than the %d beginnings allowed", maxTrieNodes)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("token: reading the vocabulary of the model: %w", err)
	}
	if c.Unknown == nil || *c.Unknown < 0 || int(*c.Unknown) >= len(u.score) {
		return errors.New("token: the Unigram model of tokenizer.json has no unk_id in its vocabulary")
	}
	u.unknown = *c.Unknown
	u.missing -= unknownPenalty
	if c.Fallback {
		if u.fallback, err = byteTokens(u.find); err != nil {
			return err
		}
	}
	r.t.model = u
	return nil
}

// scoredPiece reads ["piece", score].
func (j *jsonText) scoredPiece() (s string, score float64, err error) {
	n := 0
	err = j.array(func() (err error) {
		switch n++; n {
		case 1:
			s, err = j.string()
		case 2:
			var w string
			if w, err = j.word(); err == nil {
				score, err = strconv.ParseFloat(w, 64)
			}
		default:
			err = j.errorf("a piece is not of a text and a score")
		}
		return err
	})
	if err == nil && (n != 2 || math.IsNaN(score) || math.IsInf(score, 0)) {
		err = j.errorf("a piece is not of a text and a score")
	}
	return s, score, err
}
