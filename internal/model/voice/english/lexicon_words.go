package english

import (
	"strings"
	"unicode"
)

// special reads the words that depend on what is around them.
func (l *lexicon) special(word, tag string, e emphasis, c *context) (string, bool) {
	if tag == "ADD" && (word == "." || word == "/") {
		return l.lookup(map[string]string{".": "dot", "/": "slash"}[word], "", weaker, c)
	}
	if name, ok := symbolWords[word]; ok {
		return l.lookup(name, "", asIs, c)
	}
	if isInitials(word) {
		return l.letters(word)
	}
	switch word {
	case "a", "A":
		if tag == "DT" {
			return "ɐ", true
		}
		return "ˈA", true
	case "am", "Am", "AM":
		switch {
		case strings.HasPrefix(tag, "NN"):
			return l.letters(word)
		case c.next == pause || word != "am" || e == slight || e == strong:
			return find(l.gold, "am")
		}
		return "ɐm", true
	case "an", "An", "AN":
		if word == "AN" && strings.HasPrefix(tag, "NN") {
			return l.letters(word)
		}
		return "ɐn", true
	case "used", "Used", "USED":
		if (tag == "VBD" || tag == "JJ") && c.to {
			return l.lookup("used", "VBD", asIs, nil)
		}
		return l.lookup("used", "DEFAULT", asIs, nil)
	}
	return l.little(word, tag, c)
}

// little reads the small words that change before a vowel or at a pause.
func (l *lexicon) little(word, tag string, c *context) (string, bool) {
	switch {
	case word == "I" && tag == "PRP":
		return secondary + "I", true
	case strings.EqualFold(word, "by") && word != "bY" && class(tag) == "ADV":
		return "bˈI", true
	case isTo(word, tag):
		switch c.next {
		case vowel:
			return "tʊ", true
		case consonant:
			return "tə", true
		}
		return find(l.gold, "to")
	case word == "in", word == "In", word == "IN" && tag != "NNP":
		if c.next == pause || tag != "IN" {
			return primary + "ɪn", true
		}
		return "ɪn", true
	case word == "the", word == "The", word == "THE" && tag == "DT":
		if c.next == vowel {
			return "ði", true
		}
		return "ðə", true
	case tag == "IN" && strings.EqualFold(strings.TrimSuffix(word, "."), "vs"):
		return l.lookup("versus", "", asIs, c)
	}
	return "", false
}

func isTo(word, tag string) bool {
	return word == "to" || word == "To" || word == "TO" && (tag == "TO" || tag == "IN")
}

// isInitials says whether a word is letters with points between them: U.S.
func isInitials(word string) bool {
	if !strings.Contains(strings.Trim(word, "."), ".") || !every(strings.ReplaceAll(word, ".", ""), unicode.IsLetter) {
		return false
	}
	for part := range strings.SplitSeq(word, ".") {
		if len([]rune(part)) > 2 {
			return false
		}
	}
	return true
}

// withS reads a plural, a third person, or a genitive.
func (l *lexicon) withS(word, tag string, e emphasis, c *context) (string, bool) {
	if len(word) < 3 || !strings.HasSuffix(word, "s") {
		return "", false
	}
	n := len(word)
	var stem string
	switch {
	case !strings.HasSuffix(word, "ss") && l.isKnown(word[:n-1]):
		stem = word[:n-1]
	case (strings.HasSuffix(word, "'s") || n > 4 && strings.HasSuffix(word, "es") && !strings.HasSuffix(word, "ies")) && l.isKnown(word[:n-2]):
		stem = word[:n-2]
	case n > 4 && strings.HasSuffix(word, "ies") && l.isKnown(word[:n-3]+"y"):
		stem = word[:n-3] + "y"
	default:
		return "", false
	}
	return addS(l.lookup(stem, tag, e, c))
}

func addS(ps string, ok bool) (string, bool) {
	if !ok || ps == "" {
		return "", false
	}
	switch last := lastRune(ps); {
	case isOneOf(last, "ptkfθ"):
		return ps + "s", true
	case isOneOf(last, "szʃʒʧʤ"):
		return ps + "ᵻz", true
	}
	return ps + "z", true
}

// withED reads a past tense.
func (l *lexicon) withED(word, tag string, e emphasis, c *context) (string, bool) {
	n := len(word)
	if n < 4 || !strings.HasSuffix(word, "d") {
		return "", false
	}
	var stem string
	switch {
	case !strings.HasSuffix(word, "dd") && l.isKnown(word[:n-1]):
		stem = word[:n-1]
	case n > 4 && strings.HasSuffix(word, "ed") && !strings.HasSuffix(word, "eed") && l.isKnown(word[:n-2]):
		stem = word[:n-2]
	default:
		return "", false
	}
	return addED(l.lookup(stem, tag, e, c))
}

func addED(ps string, ok bool) (string, bool) {
	if !ok || ps == "" {
		return "", false
	}
	r := []rune(ps)
	switch last := r[len(r)-1]; {
	case isOneOf(last, "pkfθʃsʧ"):
		return ps + "t", true
	case last == 'd':
		return ps + "ᵻd", true
	case last != 't':
		return ps + "d", true
	case len(r) < 2:
		return ps + "ɪd", true
	case isOneOf(r[len(r)-2], tapped):
		return string(r[:len(r)-1]) + "ɾᵻd", true
	}
	return ps + "ᵻd", true
}

// withING reads a present participle.
func (l *lexicon) withING(word, tag string, e emphasis, c *context) (string, bool) {
	n := len(word)
	if n < 5 || !strings.HasSuffix(word, "ing") {
		return "", false
	}
	var stem string
	switch {
	case n > 5 && l.isKnown(word[:n-3]):
		stem = word[:n-3]
	case l.isKnown(word[:n-3] + "e"):
		stem = word[:n-3] + "e"
	case n > 5 && doubled(word[:n-3]) && l.isKnown(word[:n-4]):
		stem = word[:n-4]
	default:
		return "", false
	}
	return addING(l.lookup(stem, tag, e, c))
}

// doubled says whether a stem ends in a consonant that was written twice, or in ck.
func doubled(stem string) bool {
	n := len(stem)
	return strings.HasSuffix(stem, "ck") || n > 1 && stem[n-1] == stem[n-2] && strings.IndexByte("bcdgklmnprstvxz", stem[n-1]) >= 0
}

func addING(ps string, ok bool) (string, bool) {
	if !ok || ps == "" {
		return "", false
	}
	if r := []rune(ps); len(r) > 1 && r[len(r)-1] == 't' && isOneOf(r[len(r)-2], tapped) {
		return string(r[:len(r)-1]) + "ɾɪŋ", true
	}
	return ps + "ɪŋ", true
}
