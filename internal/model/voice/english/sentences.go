package english

import (
	"iter"
	"strings"
	"unicode"
)

// sentences yields the sentences of a text: a line ends one, and so does a mark at
// the end of a word. Closing quotation marks and brackets after it are left out.
func (w *words) sentences(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(text, "\n") {
			s := []rune(strings.TrimFunc(line, isSpace))
			from := 0
			for i := 0; i < len(s); {
				end, next := sentenceEnd(s, i)
				switch {
				case next > 0 && w.ends(s[from:], end-from, s[next]):
					if !yieldShort(s[from:end], yield) {
						return
					}
					from, i = next, next
				case next > 0:
					i = next
				default:
					i++
				}
			}
			if !yieldShort(s[from:], yield) {
				return
			}
		}
	}
}

// sentenceEnd looks for a sentence that ends before rune i: it returns i and where
// the next one begins, or 0.
func sentenceEnd(s []rune, i int) (end, next int) {
	if !isOneOf(at(s, i-1), ".!?…") {
		return i, 0
	}
	j := i
	for isOneOf(at(s, j), "\"”’)]") {
		j++
	}
	if !isSpace(at(s, j)) {
		return i, 0
	}
	for isSpace(at(s, j)) {
		j++
	}
	return i, j
}

// ends says whether a sentence ends at end: not after a title or an initial, and not
// before a small letter.
func (w *words) ends(s []rune, end int, next rune) bool {
	if unicode.IsLower(next) {
		return false
	}
	if s[end-1] != '.' {
		return true
	}
	begin := end - 1
	for begin > 0 && s[begin-1] != ' ' {
		begin--
	}
	word := strings.TrimLeft(string(s[begin:end-1]), "(\"“'‘")
	if _, ok := w.Titles[word]; ok {
		return false
	}
	r := []rune(word)
	return len(r) != 1 || !unicode.IsUpper(r[0])
}

// yieldShort yields a sentence, in pieces if it is too long.
func yieldShort(s []rune, yield func(string) bool) bool {
	for len(s) > MaxSentence {
		cut := MaxSentence
		for cut > MaxSentence/2 && !isSpace(s[cut]) {
			cut--
		}
		if cut == MaxSentence/2 {
			cut = MaxSentence
		}
		if !yield(string(s[:cut])) {
			return false
		}
		s = s[cut:]
	}
	text := string(s)
	return strings.TrimFunc(text, isSpace) == "" || yield(text)
}

// clauses cuts a sentence of more than MaxClauses where its clauses end; a clause of
// more than MaxPhonemes is cut between words.
func clauses(ps string) []string {
	if ps == "" {
		return nil
	}
	if length(ps) <= MaxClauses {
		return []string{ps}
	}
	var out []string
	now := ""
	for _, part := range cutClauses(ps) {
		if now != "" && length(now)+length(part)+1 > MaxClauses {
			out, now = append(out, now), part
		} else if now != "" {
			now += " " + part
		} else {
			now = part
		}
		for length(now) > MaxPhonemes {
			var head string
			head, now = cutWords([]rune(now))
			out = append(out, head)
		}
	}
	if now != "" {
		out = append(out, now)
	}
	return out
}

func length(s string) int { return len([]rune(s)) }

// cutClauses cuts after the marks of clauses.
func cutClauses(ps string) []string {
	var out []string
	s := []rune(ps)
	from := 0
	for i := 1; i < len(s); i++ {
		if !isSpace(s[i]) || !isOneOf(s[i-1], ",;:—") {
			continue
		}
		out = append(out, string(s[from:i]))
		for isSpace(at(s, i)) {
			i++
		}
		from = i
	}
	return append(out, string(s[from:]))
}

// cutWords cuts off as many words as fit.
func cutWords(s []rune) (head, rest string) {
	for i := MaxPhonemes; i > 0; i-- {
		if isSpace(s[i]) {
			return string(s[:i]), strings.TrimLeftFunc(string(s[i:]), isSpace)
		}
	}
	return string(s[:MaxPhonemes]), string(s[MaxPhonemes:])
}
