package token

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// scored is SentencePiece's BPE, which models of Llama's first generations use:
// two neighbours join if what they spell is a piece, the one with the highest
// score first.
type scored struct {
	pieces *trie // that text may become
	pairs  pairTable
	size   int32 // pieces in the vocabulary; ids from here on are letters
	// letters are characters that are no pieces but occur in some: they have ids
	// from size on, until the merges are done.
	letters   map[rune]int32
	spelled   []rune   // letters by id, from size on
	fixed     *trie    // pieces that never join; nil if there are none
	unknown   int32    // what is no piece becomes this; several in a row are one
	fallback  *bytesOf // or, if not nil, its bytes
	everybody *trie    // all pieces, for find
}

// newScored makes the model. The pieces that are not mergeable are in no text.
func newScored(v *pieceSet) *scored {
	b := &scored{
		pieces: newTrie(0), size: int32(len(v.text)), letters: map[rune]int32{},
		fixed: v.fixed, unknown: v.unknown, fallback: v.fallback, everybody: v.all,
	}
	ranks := v.ranks()
	for id, s := range v.text {
		if !v.inText(id) {
			continue
		}
		b.pieces.add(s, int32(id))
		if utf8.RuneCountInString(s) == 1 {
			continue
		}
		for _, r := range s {
			if _, ok := b.letters[r]; !ok {
				b.letters[r] = -1
			}
		}
	}
	for _, r := range slices.Sorted(maps.Keys(b.letters)) {
		if b.pieces.find(string(r)) < 0 {
			b.letters[r] = b.size + int32(len(b.spelled))
			b.spelled = append(b.spelled, r)
		} else {
			delete(b.letters, r)
		}
	}
	b.pairs = newPairTable(len(v.text))
	for id, s := range v.text {
		if !v.inText(id) {
			continue
		}
		for i := range s {
			if i == 0 {
				continue
			}
			if l, r := b.symbol(s[:i]), b.symbol(s[i:]); l >= 0 && r >= 0 {
				b.pairs.set(key(l, r), ranks[id], int32(id))
			}
		}
	}
	return b
}

// symbol returns the id of a piece or a letter, or -1.
func (b *scored) symbol(s string) int32 {
	if id := b.pieces.find(s); id >= 0 {
		return id
	}
	if r, n := utf8.DecodeRuneInString(s); n == len(s) {
		if id, ok := b.letters[r]; ok {
			return id
		}
	}
	return -1
}

func (b *scored) find(s string) int32 { return b.everybody.find(s) }

func (b *scored) encode(w *work, dst []int32, s string) []int32 {
	for from := len(dst); s != ""; {
		n, fixed, id := len(s), 0, int32(-1)
		if b.fixed != nil {
			n, fixed, id = nextFixed(b.fixed, s)
		}
		dst = b.join(w, dst, from, s[:n])
		if fixed > 0 {
			dst = append(dst, id)
		}
		s = s[n+fixed:]
	}
	return dst
}

// nextFixed returns where the first of the fixed pieces lies in s, its length
// and its id; without one, the end of s and 0.
func nextFixed(fixed *trie, s string) (at, n int, id int32) {
	for at := range s {
		if n, id := fixed.longest(s[at:]); n > 0 {
			return at, n, id
		}
	}
	return len(s), 0, -1
}

// join appends the tokens of s to dst, in which the text's begin at from.
func (b *scored) join(w *work, dst []int32, from int, s string) []int32 {
	// A character that is in no piece has its place in s as its id.
	places := b.size + int32(len(b.spelled))
	ids := w.ids[:0]
	for i, r := range s {
		id, ok := b.letters[r]
		if !ok {
			if id = b.pieces.find(s[i : i+utf8.RuneLen(r)]); id < 0 {
				id = places + int32(i)
			}
		}
		ids = append(ids, id)
	}
	w.ids = ids
	for _, id := range w.merger.merge(&b.pairs, ids) {
		var r rune
		switch {
		case id < b.size:
			dst = append(dst, id)
			continue
		case id < places:
			r = b.spelled[id-b.size]
		default:
			r, _ = utf8.DecodeRuneInString(s[id-places:])
		}
		dst = appendUnknown(dst, from, string(r), b.unknown, b.fallback)
	}
	return dst
}

// appendUnknown appends what becomes of text that is no piece.
func appendUnknown(dst []int32, from int, s string, unknown int32, fallback *bytesOf) []int32 {
	if fallback.has(s) {
		return fallback.append(dst, s)
	}
	if unknown < 0 || len(dst) > from && dst[len(dst)-1] == unknown {
		return dst
	}
	return append(dst, unknown)
}
