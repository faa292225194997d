package token

import "unicode/utf8"

// model turns a part of a text into tokens. Its methods append to dst.
type model interface {
	// encode appends the tokens of s, which is valid UTF-8 and not empty.
	encode(w *work, dst []int32, s string) []int32
	// find returns the token that is spelled so, or -1.
	find(s string) int32
}

// work is the memory of one call of Encode.
type work struct {
	merger merger
	ids    []int32
	path   []pathNode
}

// bytesOf has the token of each byte, for what no token is spelled like.
type bytesOf [256]int32

// bpe joins symbols in the order of a list of merges (Sennrich et al., 2016):
// bytes, as GPT-2 does, or characters.
type bpe struct {
	vocab map[string]int32 // by spelling; that of bytes is raw
	pairs pairTable

	byteLevel bool
	bytes     bytesOf // by byte, if byteLevel; -1 where the vocabulary lacks it

	unknown  int32    // what a symbol outside the vocabulary becomes; -1: nothing
	fuse     bool     // several in a row become one
	fallback *bytesOf // what its bytes become, if not nil
	whole    bool     // a part that is a token needs no merges
}

func (b *bpe) find(s string) int32 {
	if id, ok := b.vocab[s]; ok {
		return id
	}
	return -1
}

func (b *bpe) encode(w *work, dst []int32, s string) []int32 {
	if b.whole {
		if id, ok := b.vocab[s]; ok {
			return append(dst, id)
		}
	}
	if b.byteLevel && b.unknown < 0 {
		ids := w.ids[:0]
		for i := range len(s) {
			if id := b.bytes[s[i]]; id >= 0 {
				ids = append(ids, id)
			}
		}
		w.ids = ids
		return append(dst, w.merger.merge(&b.pairs, ids)...)
	}
	w.ids = b.symbols(w.ids[:0], s)
	return append(dst, w.merger.merge(&b.pairs, w.ids)...)
}

// symbols appends what s consists of before any merge.
func (b *bpe) symbols(ids []int32, s string) []int32 {
	pending := false // whether an unknown symbol is not yet in ids
	for i := 0; i < len(s); {
		var id int32
		n := 1
		if b.byteLevel {
			id = b.bytes[s[i]]
		} else {
			_, n = utf8.DecodeRuneInString(s[i:])
			id = b.find(s[i : i+n])
		}
		part := s[i : i+n]
		i += n
		switch {
		case id >= 0:
			if pending {
				ids, pending = append(ids, b.unknown), false
			}
			ids = append(ids, id)
		case b.fallback.has(part):
			ids = b.fallback.append(ids, part)
		case b.unknown >= 0:
			if pending && !b.fuse {
				ids = append(ids, b.unknown)
			}
			pending = true
		}
	}
	if pending {
		ids = append(ids, b.unknown)
	}
	return ids
}

// has says whether every byte of s has a token.
func (f *bytesOf) has(s string) bool {
	if f == nil {
		return false
	}
	for i := range len(s) {
		if f[s[i]] < 0 {
			return false
		}
	}
	return true
}

func (f *bytesOf) append(dst []int32, s string) []int32 {
	for i := range len(s) {
		dst = append(dst, f[s[i]])
	}
	return dst
}
