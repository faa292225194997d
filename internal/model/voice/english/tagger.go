package english

import (
	_ "embed"
	"encoding/binary"
	"strings"
	"unicode"
)

//go:embed data/features.dict
var featuresFile []byte

//go:embed data/tags.dict
var tagsFile []byte

// tagger finds the parts of speech of words: an averaged perceptron (Collins 2002)
// over the word, its neighbours and the tags before it. A word that nearly always
// has one tag gets that.
type tagger struct {
	names    []string    // of tags
	features *dictionary // tag and weight in tenths, some of them, by feature
	words    *dictionary // 1 + the word's one tag or 0, and whether features name it
}

// Tags before the first, and words around a text.
const (
	start, start2 = "-START-", "-START2-"
	end, end2     = "-END-", "-END2-"
	plainTag      = "NN" // of a word about which nothing is known
)

func openTagger(names []string) (*tagger, error) {
	t := &tagger{names: names}
	var err error
	if t.features, err = openDictionary(featuresFile); err != nil {
		return nil, err
	}
	t.words, err = openDictionary(tagsFile)
	return t, err
}

// tag sets the tags of a text's tokens.
func (t *tagger) tag(tokens []token) {
	near := make([]string, 0, len(tokens)+4) // the words, as features name them
	near = append(near, start2, start)
	for _, k := range tokens {
		near = append(near, t.named(k.text))
	}
	near = append(near, end, end2)
	before2, before := start2, start
	for i := range tokens {
		k := &tokens[i]
		if known, ok := t.words.get(k.text); ok && known[0] > 0 {
			k.tag = t.names[known[0]-1]
		} else {
			k.tag = t.predict(t.featuresOf(i, k.text, near[i:i+5], before, before2))
		}
		before2, before = before, k.tag
	}
}

// named returns what features call a word: a frequent one by itself, another one by
// its shape.
func (t *tagger) named(word string) string {
	var n string
	switch r := []rune(word); {
	case strings.Contains(word, "-") && r[0] != '-':
		n = "!HYPHEN"
	case every(word, isNumeral) && len(r) == 4:
		n = "!YEAR"
	case isNumeral(r[0]):
		n = "!DIGITS"
	default:
		n = strings.ToLower(word)
	}
	if known, ok := t.words.get(n); ok && known[1] > 0 {
		return n
	}
	return "<" + shape(word) + ">"
}

// shape says how a word is written.
func shape(w string) string {
	r := []rune(w)
	switch {
	case every(w, unicode.IsLetter):
		return letterShape(r)
	case every(w, isNumeral):
		return "d"
	}
	var b strings.Builder
	for _, c := range r[:min(4, len(r))] {
		switch {
		case isNumeral(c):
			b.WriteByte('d')
		case unicode.IsLetter(c):
			b.WriteByte('x')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func letterShape(r []rune) string {
	upper, lower := 0, 0
	for _, c := range r {
		switch {
		case unicode.IsUpper(c):
			upper++
		case unicode.IsLower(c):
			lower++
		}
	}
	switch {
	case upper == 0 && lower > 0:
		return "x"
	case lower == 0 && upper > 0 && len(r) > 1:
		return "XX"
	case lower == 0 && upper > 0:
		return "X1"
	case upper == 1 && lower > 0 && unicode.IsUpper(r[0]):
		return "Xx"
	}
	return "xX"
}

// last3 is the end of a word.
func last3(w string) string {
	r := []rune(w)
	return string(r[max(0, len(r)-3):])
}

// featuresOf are the features of word i; near are the names of two words before it,
// itself, and two after it.
func (t *tagger) featuresOf(i int, word string, near []string, before, before2 string) []string {
	first := "i+"
	if i == 0 {
		first = "i0"
	}
	return []string{
		"b", "s3=" + last3(word), "p1=" + string([]rune(word)[:1]), "w=" + near[2], "sh=" + shape(word), first,
		"t-1=" + before, "t-2=" + before2, "t-12=" + before + "," + before2,
		"w-1=" + near[1], "s3-1=" + last3(near[1]), "w-2=" + near[0],
		"w+1=" + near[3], "s3+1=" + last3(near[3]), "w+2=" + near[4],
	}
}

// predict returns the tag that the features speak for most.
func (t *tagger) predict(features []string) string {
	scores := make([]float64, len(t.names))
	any := false
	for _, f := range features {
		row, _ := t.features.get(f)
		for b := []byte(row); len(b) > 1 && int(b[0]) < len(scores); {
			tenths, n := binary.Varint(b[1:])
			if n <= 0 {
				break
			}
			any = true
			scores[b[0]] += float64(tenths) / 10
			b = b[1+n:]
		}
	}
	if !any {
		return plainTag
	}
	best := 0
	for i, s := range scores {
		if s > scores[best] || s == scores[best] && t.names[i] > t.names[best] {
			best = i
		}
	}
	return t.names[best]
}
