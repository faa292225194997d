package english

import (
	"slices"
	"strings"
	"unicode"
)

// What belongs to melody and pauses.
const (
	stops  = `;:,.!?—…`    // without quotation marks
	stops2 = stops + `"“”` // with them
	junk   = "',-._‘’/"    // not spoken inside words
)

var (
	markTags  = []string{".", ",", "-LRB-", "-RRB-", "``", `""`, "''", ":", "$", "#", "NFP"}
	markSigns = map[string]string{"-LRB-": "(", "-RRB-": ")", "``": "“", `""`: "”", "''": "”"}
)

// A word is what is looked up together: a token, or the parts of some that no blank
// parts.
type word struct {
	parts []token
	open  bool // more parts may follow
}

// gather cuts tokens into parts, decides on marks and currencies, and puts parts
// without a blank between them together.
func gather(tokens []token) []word {
	var words []word
	currency := ""
	for i, t := range tokens {
		list := []token{t}
		if !t.said {
			list = list[:0]
			for _, text := range parts(t.text) {
				list = append(list, token{text: text, tag: t.tag, head: true})
			}
		}
		if len(list) == 0 {
			continue
		}
		list[len(list)-1].space = t.space
		ends := i+1 == len(tokens) || tokens[i+1].tag != "CD"
		for j := range list {
			k := &list[j]
			if !k.said && !mark(k, &currency, ends && j+1 == len(list)) && k.text == "2" && between(list, j) {
				k.alias = "to"
			}
			words = join(words, *k)
		}
	}
	return words
}

// mark decides on a mark or on the sign of a currency, which stands for all numbers
// after it; last says whether this is the last of them.
func mark(t *token, currency *string, last bool) bool {
	_, money := moneyWords[t.text]
	switch {
	case t.tag == "$" && money:
		*currency = t.text
		t.say("")
	case t.tag == ":" && (t.text == "-" || t.text == "–"):
		t.say("—")
	case slices.Contains(markTags, t.tag) && !every(strings.ToLower(t.text), func(r rune) bool { return r >= 'a' && r <= 'z' }):
		sign, ok := markSigns[t.tag]
		if !ok {
			sign = strings.Map(func(r rune) rune {
				if isOneOf(r, stops2) {
					return r
				}
				return -1
			}, t.text)
		}
		t.say(sign)
	case *currency == "":
		return false
	case t.tag != "CD":
		*currency = ""
	case last:
		t.currency = *currency
	}
	return true
}

// between says whether part j has a letter before and after it, as the 2 of b2b.
func between(list []token, j int) bool {
	return j > 0 && j+1 < len(list) && unicode.IsLetter(lastRune(list[j-1].text)) && unicode.IsLetter(firstRune(list[j+1].text))
}

// join adds a part to the last word, or begins another.
func join(words []word, t token) []word {
	if t.decided() {
		return append(words, word{parts: []token{t}})
	}
	if n := len(words) - 1; n >= 0 && words[n].open && len(words[n].parts) < maxParts {
		t.head = false
		words[n].parts = append(words[n].parts, t)
		words[n].open = !t.space
		return words
	}
	return append(words, word{parts: []token{t}, open: !t.space})
}

// merged is some parts of a word as one token. Its tag is that of the longest, with
// capitals counted twice.
func merged(list []token) token {
	t := token{head: list[0].head, space: list[len(list)-1].space}
	var text strings.Builder
	longest := -1
	for i, k := range list {
		text.WriteString(k.text)
		if k.space && i+1 < len(list) {
			text.WriteByte(' ')
		}
		n := 0
		for _, r := range k.text {
			n++
			if unicode.ToLower(r) != r {
				n++
			}
		}
		if n > longest {
			longest, t.tag = n, k.tag
		}
		t.currency = max(t.currency, k.currency)
	}
	t.text = text.String()
	return t
}
