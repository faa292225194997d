package grammar

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/token"
)

// Vocabulary is the tokens that a language model chooses from, as bytes, in a
// form that all of them can be held against a grammar at once. It never changes,
// so any number of masks may share it.
type Vocabulary struct {
	size int
	text []string // by id; "" for a token that is no part of a text

	// A trie in the order of a walk: what begins with node i are the nodes before
	// after[i].
	bytes  []byte
	depth  []uint16
	after  []int32
	tokens [][]int32 // that end at the node
}

// NewVocabulary makes a vocabulary of the tokens 0 to size-1 with their bytes; a
// token of no bytes, such as one that ends a text, never comes by a grammar.
func NewVocabulary(size int, text func(id int32) string) *Vocabulary {
	v := &Vocabulary{size: size, text: make([]string, size)}
	ids := make([]int32, 0, size)
	for id := range int32(size) {
		s := text(id)
		if v.text[id] = s; s != "" && len(s) <= token.MaxPieceBytes {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b int32) int { return strings.Compare(v.text[a], v.text[b]) })
	var path []int32 // the node of each byte of the token before
	before := ""
	leave := func(depth int) {
		for ; len(path) > depth; path = path[:len(path)-1] {
			v.after[path[len(path)-1]] = int32(len(v.bytes))
		}
	}
	for _, id := range ids {
		s := v.text[id]
		same := 0
		for same < len(s) && same < len(before) && s[same] == before[same] {
			same++
		}
		leave(same)
		for i := same; i < len(s); i++ {
			path = append(path, int32(len(v.bytes)))
			v.bytes, v.depth, v.after, v.tokens = append(v.bytes, s[i]), append(v.depth, uint16(i)), append(v.after, 0), append(v.tokens, nil)
		}
		last := path[len(path)-1]
		v.tokens[last] = append(v.tokens[last], id)
		before = s
	}
	leave(0)
	return v
}

// OfTokenizer makes a vocabulary of a tokenizer's tokens, of which the special ones
// are no part of a text. A model may have more logits than its tokenizer has
// tokens: the others never come.
func OfTokenizer(t *token.Tokenizer) *Vocabulary {
	return NewVocabulary(t.Size(), func(id int32) string {
		if t.Special(id) {
			return ""
		}
		return t.Bytes(id)
	})
}

var negInf = float32(math.Inf(-1))

// maxMasks is how many sets of tokens a mask remembers: each is a bit a token.
const maxMasks = 256

// Mask says which tokens may come next in one text. One goroutine uses it. It is
// what a language model asks for as lm.Mask and lm.Checker.
type Mask struct {
	v    *Vocabulary
	a    *automaton
	at   int32
	ends []int32
	over bool // an end token has come

	sets map[int32][]uint64 // by state: the tokens that may come
	path []int32            // scratch: the state at each depth
}

// NewMask begins a text. The tokens of ends may come where the text may end.
func (g *Grammar) NewMask(v *Vocabulary, ends []int32) *Mask {
	m := &Mask{v: v, a: newAutomaton(g), ends: ends, sets: map[int32][]uint64{}}
	m.at = m.a.start()
	return m
}

// CanEnd says whether the text so far is whole.
func (m *Mask) CanEnd() bool { return !m.over && m.at != dead && m.a.states[m.at].end }

// Allows says whether a token may come next.
func (m *Mask) Allows(id int32) bool {
	if slices.Contains(m.ends, id) {
		return m.CanEnd()
	}
	return m.follow(id) != dead
}

// follow returns the state that a token leads to, or dead.
func (m *Mask) follow(id int32) int32 {
	if m.over || id < 0 || int(id) >= m.v.size || m.v.text[id] == "" {
		return dead
	}
	at := m.at
	for i, s := 0, m.v.text[id]; i < len(s) && at != dead; i++ {
		at = m.a.step(at, s[i])
	}
	return at
}

// Limit sets the logits of all tokens that must not come next to -Inf.
func (m *Mask) Limit(logits []float32) {
	var set []uint64
	if !m.over {
		set = m.tokens()
	}
	for id := range logits {
		if word := id >> 6; word >= len(set) || set[word]>>(id&63)&1 == 0 {
			logits[id] = negInf
		}
	}
}

// Accept takes a token as the next one. An error says that it must not come, or
// that the grammar cannot be followed any further.
func (m *Mask) Accept(id int32) error {
	if slices.Contains(m.ends, id) {
		if !m.CanEnd() {
			return fmt.Errorf("grammar: the text ends with token %d, and is not whole", id)
		}
		m.over = true
		return nil
	}
	to := m.follow(id)
	if to == dead {
		if m.a.err != nil {
			return m.a.err
		}
		return fmt.Errorf("grammar: token %d cannot come next", id)
	}
	var trimmed bool
	if m.at, trimmed = m.a.trim(to); trimmed || len(m.sets) > maxMasks {
		clear(m.sets)
	}
	return nil
}

// Err is why the grammar cannot be followed any further; nil if it can.
func (m *Mask) Err() error { return m.a.err }

// tokens returns the set of the tokens that may come next.
func (m *Mask) tokens() []uint64 {
	if m.at == dead {
		return nil
	}
	if set, ok := m.sets[m.at]; ok {
		return set
	}
	set := make([]uint64, (m.v.size+63)/64)
	v := m.v
	m.path = append(m.path[:0], m.at)
	for i := 0; i < len(v.bytes); {
		depth := int(v.depth[i])
		to := m.a.step(m.path[depth], v.bytes[i])
		if to == dead {
			i = int(v.after[i])
			continue
		}
		for _, id := range v.tokens[i] {
			set[id>>6] |= 1 << (id & 63)
		}
		m.path = append(m.path[:depth+1], to)
		i++
	}
	for _, id := range m.ends {
		if id >= 0 && int(id) < m.v.size {
			set[id>>6] &^= 1 << (id & 63)
			if m.CanEnd() {
				set[id>>6] |= 1 << (id & 63)
			}
		}
	}
	if m.a.err != nil {
		clear(set)
	}
	m.sets[m.at] = set
	return set
}
