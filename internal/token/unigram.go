package token

import (
	"math"
	"unicode/utf8"
)

// unigram finds the most probable way to put a text together from pieces (Kudo,
// "Subword Regularization", 2018), by Viterbi's algorithm: time grows with the
// text times the length of the longest piece.
type unigram struct {
	trie     *trie     // of all pieces
	outside  []bool    // by id: pieces that text does not become; nil if it may become all
	score    []float64 // by id: the log probability
	missing  float64   // the score of a character that is no piece
	unknown  int32
	fuse     bool     // unknown characters in a row become one
	fallback *bytesOf // what their bytes become, if not nil
	single   bool     // sums are rounded to float32, as SentencePiece's
}

// unknownPenalty is how much less probable an unknown character is than the
// rarest piece.
const unknownPenalty = 10

// scoreReset is the sum at which SentencePiece begins anew from 0, so that
// float32 keeps its digits over a long text.
const scoreReset = 100_000

// pathNode is the best way to a place in the text.
type pathNode struct {
	score float64
	start int32 // where its last piece starts; -1: no way leads here yet
	id    int32
}

func (u *unigram) find(s string) int32 { return u.trie.find(s) }

func (u *unigram) encode(w *work, dst []int32, s string) []int32 {
	path := u.search(w, s)
	// The way back gives the pieces from the last to the first.
	ids := w.ids[:0]
	for end := int32(len(s)); end > 0; end = path[end].start {
		ids = append(ids, end)
	}
	w.ids = ids
	from := len(dst)
	for i := len(ids) - 1; i >= 0; i-- {
		n := &path[ids[i]]
		if n.id != u.unknown {
			dst = append(dst, n.id)
			continue
		}
		if !u.fuse {
			from = len(dst)
		}
		dst = appendUnknown(dst, from, s[n.start:ids[i]], u.unknown, u.fallback)
	}
	return dst
}

func (u *unigram) search(w *work, s string) []pathNode {
	if cap(w.path) <= len(s) {
		w.path = make([]pathNode, len(s)+1)
	}
	path := w.path[:len(s)+1]
	for i := range path {
		path[i] = pathNode{start: -1}
	}
	farthest := 0
	for at := 0; at < len(s); {
		size := 1
		if s[at] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(s[at:])
		}
		if u.single && math.Abs(path[at].score) > scoreReset {
			u.rebase(path[at : farthest+1])
		}
		base, whole := path[at].score, false
		node := uint32(0)
		for i := at; i < len(s); i++ {
			child, id, ok := u.trie.step(node, s[i])
			if !ok {
				break
			}
			node = child
			if id < 0 || u.outside != nil && u.outside[id] {
				continue
			}
			u.offer(&path[i+1], base+u.score[id], at, id)
			whole = whole || i+1 == at+size
			farthest = max(farthest, i+1)
		}
		if !whole {
			u.offer(&path[at+size], base+u.missing, at, u.unknown)
			farthest = max(farthest, at+size)
		}
		at += size
	}
	return path
}

// offer takes a way to a node if it is better than the best so far.
func (u *unigram) offer(n *pathNode, score float64, start int, id int32) {
	if u.single {
		score = float64(float32(score))
	}
	if n.start < 0 || score > n.score {
		*n = pathNode{score, int32(start), id}
	}
}

// rebase takes the first sum from all.
func (u *unigram) rebase(path []pathNode) {
	first := path[0].score
	for i := range path {
		if i == 0 || path[i].start >= 0 {
			path[i].score = float64(float32(path[i].score - first))
		}
	}
}
