package token

import (
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The patterns by which GPT-2 and its heirs cut text before BPE. Go's regexp
// lacks their look-ahead, and an engine that backtracks can be made to take
// quadratic time, so the family is written out here: each cut looks at no byte
// that an earlier one has not passed, but for one character.

// words is a pattern of the family.
type words struct {
	anyCase   bool // 's and its like in capitals too
	signFirst bool // any one sign may open a word; otherwise only a blank may, and one may open a number too
	digits    int  // how long a number may be
	lineEnds  bool // signs take the line ends after them, and blanks before line ends belong to these
}

// gpt2Words is GPT-2's own pattern.
var gpt2Words = words{digits: math.MaxInt}

// knownWords has each pattern by its text, as tokenizer.json spells it.
var knownWords = map[string]words{
	// GPT-2
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: gpt2Words,
	// GPT-4 and Llama 3
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: {true, true, 3, true},
	// Qwen2, Qwen3
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: {true, true, 1, true},
}

// kind is what a pattern asks of a character.
type kind uint8

const (
	sign kind = iota
	blank
	lineEnd // \r and \n, which are blanks too
	aLetter
	aNumber
)

// kinds has the kind of each character of the first plane.
var kinds = sync.OnceValue(func() *[1 << 16]kind {
	var k [1 << 16]kind
	for r := range rune(len(k)) {
		k[r] = slowKind(r)
	}
	return &k
})

func slowKind(r rune) kind {
	switch {
	case unicode.IsLetter(r):
		return aLetter
	case unicode.IsNumber(r):
		return aNumber
	case r == '\r', r == '\n':
		return lineEnd
	case unicode.IsSpace(r):
		return blank
	}
	return sign
}

// kindAt returns the kind of the first character of s and its bytes.
func kindAt(k *[1 << 16]kind, s string) (kind, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return k[c], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if int(r) < len(k) {
		return k[r], n
	}
	return slowKind(r), n
}

// run returns where the characters of a kind end that go on at s[i:]; it goes
// over no more than so many.
func run(k *[1 << 16]kind, s string, i int, want kind, most int) int {
	for ; most > 0 && i < len(s); most-- {
		c, n := kindAt(k, s[i:])
		if c != want {
			break
		}
		i += n
	}
	return i
}

// next returns the length of the first part of s, which is not empty.
func (w words) next(k *[1 << 16]kind, s string) int {
	c, n := kindAt(k, s)
	if s[0] == '\'' {
		if m := contraction(s[1:], w.anyCase); m > 0 {
			return 1 + m
		}
	}
	switch c {
	case aLetter:
		return run(k, s, n, aLetter, math.MaxInt)
	case aNumber:
		return run(k, s, n, aNumber, w.digits-1)
	}
	second, m := lineEnd, 0 // what follows; at the end nothing that a part could go on with
	if n < len(s) {
		second, m = kindAt(k, s[n:])
	}
	if second == aLetter && c != lineEnd && (w.signFirst || s[0] == ' ') {
		return run(k, s, n+m, aLetter, math.MaxInt)
	}
	if s[0] == ' ' && second == aNumber && !w.signFirst {
		return run(k, s, n+m, aNumber, w.digits)
	}
	if c == sign || s[0] == ' ' && second == sign {
		end := run(k, s, n, sign, math.MaxInt)
		for w.lineEnds && end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	return w.blanks(k, s)
}

// blanks returns the length of a part of blanks: up to the last line end, or else
// all but the last, which belongs to what follows.
func (w words) blanks(k *[1 << 16]kind, s string) int {
	end, last, line := 0, 0, 0
	for end < len(s) {
		c, n := kindAt(k, s[end:])
		if c != blank && c != lineEnd {
			break
		}
		last = end
		end += n
		if c == lineEnd {
			line = end
		}
	}
	switch {
	case w.lineEnds && line > 0:
		return line
	case end < len(s) && last > 0:
		return last
	}
	return end
}

// contraction returns the length of the letters of 's, 't, 're, 've, 'm, 'll or
// 'd that s, what follows the apostrophe, starts with; 0 if it does not.
func contraction(s string, anyCase bool) int {
	if s == "" {
		return 0
	}
	if anyCase && strings.HasPrefix(s, "ſ") { // the long s is a small s to Unicode
		return len("ſ")
	}
	var c [2]byte
	copy(c[:], s)
	if anyCase {
		for i, b := range c {
			if b >= 'A' && b <= 'Z' {
				c[i] = b + 'a' - 'A'
			}
		}
	}
	switch c[0] {
	case 's', 't', 'm', 'd':
		return 1
	}
	switch c {
	case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
		return 2
	}
	return 0
}

// behaviour is what becomes of the parts of a text that a pattern matches.
type behaviour string

const (
	removed            behaviour = "Removed"
	isolated           behaviour = "Isolated"
	mergedWithPrevious behaviour = "MergedWithPrevious"
	mergedWithNext     behaviour = "MergedWithNext"
	contiguous         behaviour = "Contiguous"
)

// matcher returns where the first match in a text lies, or two zeros.
type matcher func(string) (start, end int)

// aRune matches a character that has a property.
func aRune(is func(rune) bool) matcher {
	return func(s string) (int, int) {
		at := strings.IndexFunc(s, is)
		if at < 0 {
			return 0, 0
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		return at, at + n
	}
}

// aText matches a text, which is not empty.
func aText(what string) matcher {
	return func(s string) (int, int) {
		if at := strings.Index(s, what); at >= 0 {
			return at, at + len(what)
		}
		return 0, 0
	}
}

// span is a part of a text: a match, or what lies between two.
type span struct {
	start, end int
	match      bool
}

// cut cuts a text by a pattern and calls yield with the parts.
func cut(s string, match matcher, b behaviour, yield func(string)) {
	var spans []span
	for at := 0; at < len(s); {
		start, end := match(s[at:])
		if end == 0 {
			spans = append(spans, span{at, len(s), false})
			break
		}
		if start > 0 {
			spans = append(spans, span{at, at + start, false})
		}
		spans = append(spans, span{at + start, at + end, true})
		at += end
	}
	for _, p := range join(spans, b) {
		if b != removed || !p.match {
			yield(s[p.start:p.end])
		}
	}
}

// join makes one span of those that belong together, in place.
func join(spans []span, b behaviour) []span {
	out := spans[:0]
	for i, p := range spans {
		before := i > 0 && spans[i-1].match
		joins := false
		switch b {
		case mergedWithPrevious:
			joins = p.match && !before
		case mergedWithNext:
			joins = !p.match && before
		case contiguous:
			joins = p.match == before
		}
		if last := len(out) - 1; joins && last >= 0 {
			out[last].end = p.end
		} else {
			out = append(out, p)
		}
	}
	return out
}
