package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is recognised in the text before the model sees it.
// The fields are those of tokenizer.json.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word goes on beside it
	LStrip     bool   `json:"lstrip"`      // takes the white space before it along
	RStrip     bool   `json:"rstrip"`      // and after it
	Normalized bool   `json:"normalized"`  // looked for in the normalized text
	Special    bool   `json:"special"`     // says something about the text: left out when it is read
}

// addedSet finds added tokens in a text: the leftmost, and the longest of those
// that start at one place.
type addedSet struct {
	trie   *trie // its ids are places in tokens
	tokens []addedToken
	opens  [256]bool // bytes that some token starts with
}

// newAddedSet makes a set. form rewrites what is looked for.
func newAddedSet(tokens []addedToken, form func(string) string) *addedSet {
	a := &addedSet{trie: newTrie(0)}
	for _, special := range []bool{true, false} { // special ones win over their doubles
		for _, t := range tokens {
			content := form(t.Content)
			if t.Special != special || content == "" || a.trie.find(content) >= 0 {
				continue
			}
			a.trie.add(content, int32(len(a.tokens)))
			a.opens[content[0]] = true
			a.tokens = append(a.tokens, t)
		}
	}
	return a
}

// split calls text with what lies between added tokens, and token with these.
// first says that a part starts where s starts.
func (a *addedSet) split(s string, text func(part string, first bool), token func(id int32)) {
	from, at := 0, 0 // what is not yet given out; where the search goes on
	for at < len(s) && len(a.tokens) > 0 {
		if !a.opens[s[at]] {
			at++
			continue
		}
		n, i := a.trie.longest(s[at:])
		if n == 0 {
			at++
			continue
		}
		start, end := at, at+n
		at = end
		t := &a.tokens[i]
		if t.SingleWord && (endsWithWord(s[:start]) || startsWithWord(s[end:])) {
			continue
		}
		// White space that the token before has taken is not looked at again.
		if t.LStrip {
			start = from + len(strings.TrimRightFunc(s[from:max(start, from)], unicode.IsSpace))
		}
		if t.RStrip {
			end = max(end, from)
			end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
		}
		if start >= end {
			continue // all of it is taken already
		}
		if from < start {
			text(s[from:start], from == 0)
		}
		token(t.ID)
		from = end
	}
	if from < len(s) {
		text(s[from:], from == 0)
	}
}

func endsWithWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWord(r)
}

func startsWithWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWord(r)
}
