package english

import (
	_ "embed"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

//go:embed data/gold.dict
var goldFile []byte

//go:embed data/silver.dict
var silverFile []byte

// lexicon knows how words are spoken: misaki's American one, with its rules for
// words that are not in it as they stand. The gold part is checked by people, the
// silver part is not.
type lexicon struct{ gold, silver *dictionary }

func openLexicon() (*lexicon, error) {
	l := &lexicon{}
	var err error
	if l.gold, err = openDictionary(goldFile); err != nil {
		return nil, err
	}
	l.silver, err = openDictionary(silverFile)
	return l, err
}

// sound says what begins after a word, which some words depend on.
type sound int8

const (
	pause sound = iota // the end of a clause, or of the text
	consonant
	vowel
)

// context is what follows a word.
type context struct {
	next sound
	to   bool // the word to
}

// find returns the entry of a word. A word in lower case also finds the entry with
// a capital, and the reverse.
func find(d *dictionary, word string) (string, bool) {
	if v, ok := d.get(word); ok || len([]rune(word)) < 2 {
		return v, ok
	}
	low := strings.ToLower(word)
	capital := title(low)
	switch {
	case word == low && capital != word:
		return d.get(capital)
	case word == capital:
		return d.get(low)
	}
	return "", false
}

func (l *lexicon) inGold(word string) bool   { _, ok := find(l.gold, word); return ok }
func (l *lexicon) inSilver(word string) bool { _, ok := find(l.silver, word); return ok }

// reading picks from an entry what is spoken for a tag. Entries by tag have a tab
// before each; a tag without = has no reading.
func reading(entry, tag string, c *context) (string, bool) {
	rest, ok := strings.CutPrefix(entry, "\t")
	if !ok {
		return entry, true
	}
	byTag := map[string]string{}
	silent := map[string]bool{}
	for one := range strings.SplitSeq(rest, "\t") {
		name, ps, ok := strings.Cut(one, "=")
		byTag[name], silent[name] = ps, !ok
	}
	_, exact := byTag[tag]
	if _, atPause := byTag["None"]; c != nil && c.next == pause && atPause {
		tag = "None"
	} else if !exact {
		tag = class(tag)
	}
	if _, ok := byTag[tag]; !ok {
		tag = "DEFAULT"
	}
	return byTag[tag], !silent[tag]
}

// class is the kind of word that a tag is of.
func class(tag string) string {
	switch {
	case strings.HasPrefix(tag, "VB"):
		return "VERB"
	case strings.HasPrefix(tag, "NN"):
		return "NOUN"
	case strings.HasPrefix(tag, "ADV"), strings.HasPrefix(tag, "RB"):
		return "ADV"
	case strings.HasPrefix(tag, "ADJ"), strings.HasPrefix(tag, "JJ"):
		return "ADJ"
	}
	return tag
}

var symbolWords = map[string]string{"%": "percent", "&": "and", "+": "plus", "@": "at"}

// isKnown says whether lookup knows a word.
func (l *lexicon) isKnown(word string) bool {
	if _, ok := symbolWords[word]; ok || l.inGold(word) || l.inSilver(word) {
		return true
	}
	if !every(word, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) {
		return false
	}
	if len(word) == 1 || word == strings.ToUpper(word) && l.inGold(strings.ToLower(word)) {
		return true
	}
	return word[1:] == strings.ToUpper(word[1:])
}

// lookup reads a word that is known. c is nil inside numbers.
func (l *lexicon) lookup(word, tag string, e emphasis, c *context) (string, bool) {
	name := false
	if word == strings.ToUpper(word) && !l.inGold(word) {
		word, name = strings.ToLower(word), tag == "NNP"
	}
	entry, ok := find(l.gold, word)
	if !ok && !name {
		entry, ok = find(l.silver, word)
	}
	var ps string
	if ok {
		ps, ok = reading(entry, tag, c)
	}
	if !ok || name && !strings.Contains(ps, primary) {
		if letters, known := l.letters(word); known {
			return letters, true
		}
	}
	return e.apply(ps), ok
}

// letters reads a word letter by letter.
func (l *lexicon) letters(word string) (string, bool) {
	var b strings.Builder
	for _, r := range word {
		if !unicode.IsLetter(r) {
			continue
		}
		ps, ok := find(l.gold, strings.ToUpper(string(r)))
		if !ok {
			return "", false
		}
		b.WriteString(ps)
	}
	ps := faint.apply(b.String())
	if i := strings.LastIndex(ps, secondary); i >= 0 {
		ps = ps[:i] + primary + ps[i+len(secondary):]
	}
	return ps, true
}

// speak reads a token, if the lexicon and its rules can.
func (l *lexicon) speak(t *token, c context) (string, bool) {
	word := t.text
	if t.alias != "" {
		word = t.alias
	}
	word = norm.NFKC.String(strings.NewReplacer("‘", "'", "’", "'").Replace(word))
	word = strings.Map(func(r rune) rune {
		if isDigit(r) {
			return '0' + rune(digitOf(r))
		}
		return r
	}, word)
	e := asIs
	switch word {
	case strings.ToLower(word):
	case strings.ToUpper(word):
		e = strong
	default:
		e = slight
	}
	if ps, ok := l.word(word, t.tag, e, &c); ok {
		return l.withCurrency(ps, t.currency), true
	}
	if isNumber(word, t.head) {
		return l.number(word, t.currency, t.head)
	}
	return "", false
}

// word reads a word as it stands, as another form of one that is known, or letter
// by letter.
func (l *lexicon) word(word, tag string, e emphasis, c *context) (string, bool) {
	if ps, ok := l.special(word, tag, e, c); ok {
		return ps, true
	}
	if low := strings.ToLower(word); l.readsLower(word, low, tag, e, c) {
		word = low
	}
	if l.isKnown(word) {
		return l.lookup(word, tag, e, c)
	}
	if stem, ok := strings.CutSuffix(word, "s'"); ok && l.isKnown(stem+"'s") {
		return l.lookup(stem+"'s", tag, e, c)
	}
	if stem, ok := strings.CutSuffix(word, "'"); ok && l.isKnown(stem) {
		return l.lookup(stem, tag, e, c)
	}
	if ps, ok := l.withS(word, tag, e, c); ok {
		return ps, true
	}
	if ps, ok := l.withED(word, tag, e, c); ok {
		return ps, true
	}
	if e == asIs {
		e = slight
	}
	return l.withING(word, tag, e, c)
}

// readsLower says whether a word with capitals is to be read as in lower case: it
// has no entry of its own, and is no short name.
func (l *lexicon) readsLower(word, low, tag string, e emphasis, c *context) bool {
	runes := []rune(word)
	if len(runes) < 2 || word == low || tag == "NNP" && len(runes) <= 7 {
		return false
	}
	if !every(strings.ReplaceAll(word, "'", ""), unicode.IsLetter) || l.inGold(word) || l.inSilver(word) {
		return false
	}
	if rest := string(runes[1:]); word != strings.ToUpper(word) && rest != strings.ToLower(rest) {
		return false
	}
	if l.inGold(low) || l.inSilver(low) {
		return true
	}
	for _, form := range []func(string, string, emphasis, *context) (string, bool){l.withS, l.withED, l.withING} {
		if ps, ok := form(low, tag, e, c); ok && ps != "" {
			return true
		}
	}
	return false
}
