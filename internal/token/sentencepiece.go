package token

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// spaceMark stands for a space in the pieces of SentencePiece.
const spaceMark = "▁"

// pieceKind says what a piece of SentencePiece is for.
type pieceKind int32

const (
	normalPiece  pieceKind = 1
	unknownPiece pieceKind = 2
	controlPiece pieceKind = 3 // is in no text
	fixedPiece   pieceKind = 4 // "user defined": cut out first, and never normalized
	unusedPiece  pieceKind = 5
	bytePiece    pieceKind = 6
)

// pieceSet is a vocabulary of SentencePiece.
type pieceSet struct {
	text     []string
	score    []float32
	kind     []pieceKind
	unknown  int32
	all      *trie
	fixed    *trie // nil if there are none
	fallback *bytesOf
}

// check completes a vocabulary: it refuses what cannot be one. bytes says that
// unknown text is spelled by its bytes.
func (v *pieceSet) check(bytes bool) error {
	if n := len(v.text); n == 0 || n > MaxTokens || len(v.score) != n || len(v.kind) != n {
		return fmt.Errorf("token: the vocabulary has %d pieces, %d scores and %d types; allowed are 1 to %d of each", n, len(v.score), len(v.kind), MaxTokens)
	}
	size := 0
	for _, s := range v.text {
		size += len(s)
	}
	v.unknown, v.all = -1, newTrie(size)
	for i, s := range v.text {
		id := int32(i)
		switch {
		case s == "" || len(s) > MaxPieceBytes:
			return fmt.Errorf("token: piece %d has %d bytes; allowed are 1 to %d", i, len(s), MaxPieceBytes)
		case !utf8.ValidString(s):
			return fmt.Errorf("token: piece %d is not UTF-8", i)
		case v.kind[i] < normalPiece || v.kind[i] > bytePiece:
			return fmt.Errorf("token: piece %d, %.40q, has the type %d, which this build does not know", i, s, v.kind[i])
		case math.IsNaN(float64(v.score[i])) || math.IsInf(float64(v.score[i]), 0):
			return fmt.Errorf("token: piece %d, %.40q, has a score that is not a number", i, s)
		case v.kind[i] == unknownPiece && v.unknown >= 0:
			return fmt.Errorf("token: pieces %d and %d both stand for unknown text", v.unknown, i)
		}
		switch v.kind[i] {
		case unknownPiece:
			v.unknown = id
		case fixedPiece:
			if v.fixed == nil {
				v.fixed = newTrie(0)
			}
			v.fixed.add(s, id)
		}
		old, ok := v.all.add(s, id)
		if !ok {
			return fmt.Errorf("token: the pieces have more than the %d beginnings allowed", maxTrieNodes)
		}
		if old >= 0 {
			return fmt.Errorf("token: pieces %d and %d are both %.40q", old, i, s)
		}
	}
	if v.unknown < 0 && !bytes {
		return errors.New("token: no piece stands for unknown text")
	}
	if bytes {
		var err error
		v.fallback, err = byteTokens(v.all.find)
		return err
	}
	return nil
}

// inText says whether text may become a piece.
func (v *pieceSet) inText(id int) bool { return v.kind[id] == normalPiece || v.kind[id] == fixedPiece }

// ranks returns, by id, how many scores are higher.
func (v *pieceSet) ranks() []uint32 {
	scores := slices.Clone(v.score)
	slices.Sort(scores)
	slices.Reverse(scores)
	scores = slices.Compact(scores)
	ranks := make([]uint32, len(v.score))
	for id, s := range v.score {
		at, _ := slices.BinarySearchFunc(scores, s, func(a, b float32) int {
			switch {
			case a > b:
				return -1
			case a < b:
				return 1
			}
			return 0
		})
		ranks[id] = uint32(at)
	}
	return ranks
}

// newUnigram makes the model of a vocabulary, with sums as SentencePiece makes
// them.
func newUnigram(v *pieceSet) *unigram {
	u := &unigram{
		trie: v.all, score: make([]float64, len(v.text)), outside: make([]bool, len(v.text)),
		unknown: v.unknown, fuse: true, fallback: v.fallback, single: true,
	}
	least := float32(math.MaxFloat32)
	for id, s := range v.text {
		u.score[id] = float64(v.score[id])
		switch v.kind[id] {
		case normalPiece:
			least = min(least, v.score[id])
		case fixedPiece: // better than any other way, since those are below 0
			u.score[id] = float64(float32(0.1 * float64(len(s)-1)))
		}
		u.outside[id] = !v.inText(id)
	}
	u.missing = float64(least - unknownPenalty)
	return u
}

// spaces is what SentencePiece does to a text before it is cut.
type spaces struct {
	table   *charsmap
	fixed   *trie // pieces that are left as they are
	dummy   bool  // puts a space before the text
	suffix  bool  // puts that space after it
	trimmed bool  // removes spaces around it, and all but one of several
	marked  bool  // spells spaces as marks
}

func (n *spaces) normalize(s string) string {
	mark := spaceMark
	if !n.marked {
		mark = " "
	}
	for n.trimmed && s != "" {
		to, size := n.prefix(s)
		if to != " " {
			break
		}
		s = s[size:]
	}
	if s == "" {
		return ""
	}
	var sb strings.Builder
	sb.Grow(len(s) + len(s)/2)
	if n.dummy && !n.suffix {
		sb.WriteString(mark)
	}
	after := n.trimmed // whether a space came before
	for s != "" && sb.Len() <= MaxTextBytes {
		to, size := n.prefix(s)
		s = s[size:]
		if len(to) == 1 && to[0] != ' ' {
			sb.WriteByte(to[0])
			after = false
			continue
		}
		if after {
			to = strings.TrimLeft(to, " ")
		}
		if to == "" {
			continue
		}
		after = n.trimmed && strings.HasSuffix(to, " ")
		for {
			word, more, found := strings.Cut(to, " ")
			sb.WriteString(word)
			if !found {
				break
			}
			sb.WriteString(mark)
			to = more
		}
	}
	if s != "" { // it has become too long
		return sb.String()
	}
	s = sb.String()
	for n.trimmed && strings.HasSuffix(s, mark) {
		s = s[:len(s)-len(mark)]
	}
	if n.dummy && n.suffix {
		s += mark
	}
	return s
}

func (n *spaces) prefix(s string) (string, int) {
	if n.fixed != nil {
		if size, _ := n.fixed.longest(s); size > 0 {
			return s[:size], size
		}
	}
	return n.table.prefix(s)
}

// newPieces makes the tokenizer of a vocabulary: a Unigram model, or BPE by
// scores.
func newPieces(v *pieceSet, unigram bool, n *spaces, surface string) (*Tokenizer, error) {
	t := &Tokenizer{spelled: v.text, addedByID: map[string]int32{}}
	if unigram {
		if v.unknown < 0 {
			return nil, errors.New("token: no piece stands for unknown text")
		}
		t.model = newUnigram(v)
	} else {
		if id := slices.Index(v.kind, unusedPiece); id >= 0 {
			return nil, fmt.Errorf("token: piece %d, %.40q, is marked as unused in a vocabulary of type BPE, which this build does not know", id, v.text[id])
		}
		t.model = newScored(v)
	}
	n.fixed = v.fixed
	t.forms = []normalizer{n.normalize}
	t.addTokens(nil)
	for id, k := range v.kind {
		t.special[id] = k == controlPiece || k == unknownPiece
	}
	unknown := ""
	if v.unknown >= 0 {
		unknown = v.text[v.unknown]
		t.special[v.unknown] = false // SentencePiece shows that something was there
	}
	t.decoder.stages = []func() decodeStage{func() decodeStage {
		return &pieceStage{unknown: unknown, surface: surface, dummy: n.dummy, trimmed: n.trimmed}
	}}
	return t, nil
}

// around puts the pieces for the begin and the end of a text around each, where
// they are wanted (begin, end: their ids, or -1).
func (t *Tokenizer) around(begin, end int32) {
	if begin >= 0 {
		t.opens = []int32{begin}
	}
	if end >= 0 {
		t.closes = []int32{end}
	}
}
