// Package grammar holds a language model to a context-free grammar: at each step
// it says which tokens may come next, so that what the model writes is a text of
// the grammar as far as it goes.
//
// A Grammar is made of a text in the form that llama.cpp's users know (Parse), of
// a JSON schema (FromSchema), of pieces in Go (New), or is one of JSON itself. A
// Vocabulary is the tokens of a tokenizer; a Mask follows one text and is what a
// language model asks. Everything is done on bytes, so a token may hold a part of
// a character.
//
// Grammars from outside are not trusted: their size, the depth of what they nest
// and the memory that it takes to follow them are bounded, and a grammar that
// cannot be followed (left recursion, a loop over nothing, a rule that never
// ends) is refused with the name of the rule. The package opens no files, knows
// no model, and never changes a text.
package grammar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Limits of a grammar.
const (
	MaxText    = 1 << 18 // bytes of a grammar's text, or of a JSON schema
	MaxRepeat  = 2000    // most times that {m,n} may ask for
	MaxSymbols = 1 << 18 // of all rules, written out
	MaxNesting = 200     // parentheses in parentheses, or schemas in schemas
)

// Expr is a piece of a grammar.
type Expr struct {
	op       op
	text     string // of a text; the name of a rule
	set      []span // of a character
	of       []Expr
	min, max int // of a repetition; max -1 for none
}

type op uint8

const (
	opText op = iota
	opChar
	opSeq
	opOr
	opRepeat
	opRule
	opWords
)

// span is the characters lo to hi.
type span struct{ lo, hi rune }

// Text is a text as it is written: any bytes.
func Text(s string) Expr { return Expr{op: opText, text: s} }

// Chars is one character of a set in the form of regular expressions, without the
// brackets: "a-z0-9", or "^\"" for any but a quote. A backslash takes the next
// character as it is. The set must be valid: it is the program's own.
func Chars(set string) Expr {
	p := &reader{text: set + "]"}
	e, err := p.class()
	if err != nil {
		return Expr{op: opChar} // an empty set, which New refuses
	}
	return e
}

// Seq is its parts one after the other.
func Seq(parts ...Expr) Expr { return Expr{op: opSeq, of: parts} }

// Or is any one of its parts.
func Or(parts ...Expr) Expr { return Expr{op: opOr, of: parts} }

// Opt is a part, or nothing.
func Opt(e Expr) Expr { return Repeat(e, 0, 1) }

// Repeat is a part at least lo times and at most hi times; hi below 0 sets no
// limit.
func Repeat(e Expr, lo, hi int) Expr {
	if hi < 0 {
		hi = -1
	}
	return Expr{op: opRepeat, of: []Expr{e}, min: lo, max: hi}
}

// Rule is what the rule of a name describes.
func Rule(name string) Expr { return Expr{op: opRule, text: name} }

// Words is any one of many texts. Those that begin or end alike share rules, so
// that thousands of them are followed as quickly as one.
func Words(words ...string) Expr {
	e := Expr{op: opWords}
	for _, w := range words {
		e.of = append(e.of, Text(w))
	}
	return e
}

// Grammar is a set of rules, ready to be followed. It never changes, so any
// number of goroutines may use it at once.
type Grammar struct {
	// syms are the symbols of all alternatives, one after the other, each ended by
	// symEnd. A symbol of 0 or more is a rule; ^s is one byte of sets[s].
	syms []int32
	sets []byteSet
	alts [][]int32 // where each rule's alternatives begin in syms
	root int32

	class   [256]uint8 // bytes that no set tells apart have one class
	classes int
	inSet   [][]uint64 // by set: its classes
}

const symEnd = int32(-1 << 31)

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 == 1 }

// New makes a grammar of rules; root is the one that a whole text matches. It
// refuses rules that are missing, are left-recursive, repeat what may be empty,
// can never end, or are too large.
func New(root string, rules map[string]Expr) (*Grammar, error) {
	c := &compiler{g: &Grammar{}, named: map[string]int32{}, setOf: map[byteSet]int32{}}
	names := slices.Sorted(maps.Keys(rules))
	for _, name := range names {
		c.named[name] = c.rule(name)
	}
	at, ok := c.named[root]
	if !ok {
		return nil, fmt.Errorf("grammar: there is no rule %.40q, where a text begins", root)
	}
	c.g.root = at
	for _, name := range names {
		c.define(c.named[name], name, rules[name])
		if c.err != nil {
			return nil, c.err
		}
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.g.classify()
	return c.g, nil
}

var errTooLarge = fmt.Errorf("grammar: its rules have more than %d symbols when repetitions are written out: repeat less, or use rules", MaxSymbols)

// Match says whether a whole text is one of the grammar's.
func (g *Grammar) Match(text string) (bool, error) {
	a := newAutomaton(g)
	at := a.start()
	for i := range len(text) {
		if at = a.step(at, text[i]); at == dead {
			return false, a.err
		}
	}
	return a.states[at].end, nil
}

var errNoMemory = errors.New("grammar: too many ways to read the text so far: the grammar is too ambiguous to be followed; make its alternatives begin differently")
