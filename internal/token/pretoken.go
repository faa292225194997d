package token

import (
	"strings"
	"unicode"
)

// preTokenizer cuts a text, which is not empty, into parts that the model sees
// one by one. first says that a part starts where the whole text starts.
type preTokenizer func(s string, first bool, yield func(s string, first bool))

// cutBy cuts by a pattern.
func cutBy(m matcher, b behaviour) preTokenizer {
	return func(s string, first bool, yield func(string, bool)) {
		cut(s, m, b, func(part string) {
			yield(part, first)
			first = false
		})
	}
}

// cutWords cuts by a pattern of GPT-2's family.
func cutWords(w words) preTokenizer {
	return func(s string, first bool, yield func(string, bool)) {
		k := kinds()
		for len(s) > 0 {
			n := w.next(k, s)
			yield(s[:n], first)
			s, first = s[n:], false
		}
	}
}

// prefixSpace puts a space before each text that does not start with one.
func prefixSpace(s string, first bool, yield func(string, bool)) {
	if s[0] != ' ' {
		s = " " + s
	}
	yield(s, first)
}

// metaspace is SentencePiece's treatment of spaces in tokenizer.json: they
// become marks, and each mark opens a part.
type metaspace struct {
	mark   string // "▁" as a rule
	always bool   // put a mark before each text
	first  bool   // or only before the whole one
	split  bool
}

func (m metaspace) cut(s string, first bool, yield func(string, bool)) {
	s = strings.ReplaceAll(s, " ", m.mark)
	if (m.always || m.first && first) && !strings.HasPrefix(s, m.mark) {
		s = m.mark + s
	}
	for m.split && len(s) > 0 {
		n := strings.Index(s[1:], m.mark) + 1
		if n == 0 {
			break
		}
		yield(s[:n], first)
		s, first = s[n:], false
	}
	yield(s, first)
}

// isWord is \w of Unicode's regular expressions (UTS #18).
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc) ||
		r == '\u200c' || r == '\u200d'
}
