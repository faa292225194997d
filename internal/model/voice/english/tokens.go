package english

import (
	"regexp"
	"slices"
	"strings"
)

// A token is a word or a mark, with what is found out about it.
type token struct {
	text  string
	tag   string // its part of speech, in the Penn Treebank's names
	space bool   // a blank follows
	said  bool   // phonemes holds how it is spoken, which may be not at all
	// phonemes are in misaki's alphabet.
	phonemes string
	head     bool   // it begins a word
	alias    string // the word that is spoken instead
	currency string // the sign of the amount that it ends
	apart    bool   // a blank is spoken before it, inside a word
}

// say sets how a token is spoken.
func (t *token) say(phonemes string) { t.phonemes, t.said = phonemes, true }

// decided says whether nothing is left to find out about a token.
func (t *token) decided() bool { return t.said || t.alias != "" }

// What spaCy's English tokenizer takes from the ends of words and cuts words at.
const (
	marks   = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·"
	quotes  = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉"
	icons   = "™®©°§¶†‡•"
	peeled  = marks + quotes + icons // one by one, from both ends
	leading = "§%=—–"
)

var (
	moneySigns = strings.Fields("US$ C$ A$ $ £ € ¥ ฿ ₽ ₹ ₩ ₪ ₺ ₴ ₦ ₫ ₱ ₲ ₵ ₸ ₼ ₾ ₿")
	// unitSigns are cut from a digit before them.
	unitSigns = strings.Fields("km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K %")
	dashes    = []string{"---", "——", "--", "-", "–", "—", "~"}
	domains   = strings.Fields("com org net edu gov io co uk de fr info biz us ca au tv me ly ai")
	address   = regexp.MustCompile(`^[\pL\pN_.+-]+@[\pL\pN_-]+(?:\.[\pL\pN_-]+)+$`)
	label     = regexp.MustCompile(`^[\pL\pN_-]+$`)
)

// tokens cuts a text into words and marks.
func (w *words) tokens(text string) []token {
	var out []token
	rest := text
	for {
		rest = strings.TrimLeftFunc(rest, isSpace)
		if rest == "" {
			return out
		}
		chunk := rest
		if end := strings.IndexFunc(rest, isSpace); end >= 0 {
			chunk = rest[:end]
		}
		rest = rest[len(chunk):]
		for s := []rune(chunk); len(s) > 0; {
			n := min(len(s), maxWord)
			for _, t := range w.split(s[:n]) {
				out = append(out, token{text: t, head: true})
			}
			s = s[n:]
		}
		if len(out) > 0 {
			out[len(out)-1].space = rest != ""
		}
	}
}

// isSpecial returns the tokens of a text that the rules would cut wrongly.
func (w *words) isSpecial(s []rune) ([]string, bool) {
	if len(s) > w.longest {
		return nil, false
	}
	t, ok := w.Special[string(s)]
	return t, ok
}

// split cuts what stands between blanks: it peels marks from both ends until what
// is left is special or has none, and cuts that inside.
func (w *words) split(s []rune) []string {
	if t, ok := w.isSpecial(s); ok {
		return t
	}
	var before, after []string
	for len(s) > 0 {
		if _, ok := w.isSpecial(s); ok {
			break
		}
		pre := prefix(s)
		if pre > 0 {
			if _, ok := w.isSpecial(s[pre:]); ok {
				before, s = append(before, string(s[:pre])), s[pre:]
				break
			}
		}
		suf := suffix(s[pre:])
		if suf > 0 {
			if _, ok := w.isSpecial(s[:len(s)-suf]); ok {
				after, s = append(after, string(s[len(s)-suf:])), s[:len(s)-suf]
				break
			}
		}
		if pre+suf == 0 {
			break
		}
		if pre > 0 {
			before = append(before, string(s[:pre]))
		}
		if suf > 0 {
			after = append(after, string(s[len(s)-suf:]))
		}
		s = s[pre : len(s)-suf]
	}
	if t, ok := w.isSpecial(s); ok {
		before = append(before, t...)
	} else if isAddress(string(s)) {
		before = append(before, string(s))
	} else {
		before = append(before, inside(s)...)
	}
	slices.Reverse(after)
	return w.rejoin(append(before, after...))
}

// prefix returns how many runes are peeled from the start.
func prefix(s []rune) int {
	switch r := s[0]; {
	case r == '.' && at(s, 1) == '.':
		return dots(s, 0)
	case r == '+' && !isASCIIDigit(at(s, 1)):
		return 1
	case isOneOf(r, leading), isOneOf(r, peeled):
		return 1
	}
	for _, sign := range moneySigns {
		if c := []rune(sign); len(s) >= len(c) && slices.Equal(s[:len(c)], c) {
			return len(c)
		}
	}
	return 0
}

// dots returns the end of a run of points.
func dots(s []rune, i int) int {
	for at(s, i) == '.' {
		i++
	}
	return i
}

// suffix returns how many runes are peeled from the end: the longest that can be.
func suffix(s []rune) int {
	if len(s) == 0 {
		return 0
	}
	n := len(s)
	last, before := s[n-1], at(s, n-2)
	if last == '.' {
		return pointAtEnd(s)
	}
	if (last == 's' || last == 'S') && (before == '\'' || before == '’') {
		return 2
	}
	longest := 0
	if last == '…' && before == '…' {
		longest = 2
	} else if isOneOf(last, peeled) || last == '—' || last == '–' || last == '+' && isASCIIDigit(before) {
		longest = 1
	}
	for _, set := range [][]string{moneySigns, unitSigns} {
		for _, sign := range set {
			c := []rune(sign)
			if k := n - len(c); len(c) > longest && k > 0 && slices.Equal(s[k:], c) && isASCIIDigit(s[k-1]) {
				longest = len(c)
			}
		}
	}
	return longest
}

// pointAtEnd is suffix for what ends in a point: a run of them, or one after what
// ends a sentence rather than an abbreviation.
func pointAtEnd(s []rune) int {
	n := len(s)
	before := at(s, n-2)
	run := 1
	for at(s, n-1-run) == '.' {
		run++
	}
	switch {
	case run > 1:
		return run
	case before == none:
		return 0
	case isASCIIDigit(before), isLower(before), isOneOf(before, "%²-+"), isOneOf(before, marks), isOneOf(before, quotes):
		return 1
	case isOneOf(before, "FfCcKk") && at(s, n-3) == '°':
		return 1
	case isUpper(before) && isUpper(at(s, n-3)):
		return 1
	}
	return 0
}

// inside cuts a word at what joins its parts.
func inside(s []rune) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); {
		n := joint(s, i)
		if n == 0 {
			i++
			continue
		}
		if i > 0 {
			if i > start {
				out = append(out, string(s[start:i]))
			}
			out = append(out, string(s[i:i+n]))
			start = i + n
		}
		i += n
	}
	if start < len(s) {
		out = append(out, string(s[start:]))
	}
	return out
}

// joint returns how many runes at i join two parts of a word.
func joint(s []rune, i int) int {
	r, before, after := s[i], at(s, i-1), at(s, i+1)
	switch {
	case r == '.' && after == '.':
		return dots(s, i) - i
	case r == '…', isOneOf(r, icons):
		return 1
	case isOneOf(r, "+-*^") && isASCIIDigit(before) && (isASCIIDigit(after) || after == '-'):
		return 1
	case r == '.' && (isLower(before) || isOneOf(before, quotes)) && (isUpper(after) || isOneOf(after, quotes)):
		return 1
	case r == ',' && isLetter(before) && isLetter(after):
		return 1
	case before == none || !isWordPart(before):
		return 0
	case isOneOf(r, ":<>=/") && isLetter(after):
		return 1
	}
	for _, dash := range dashes {
		if d := []rune(dash); i+len(d) < len(s) && slices.Equal(s[i:i+len(d)], d) && isLetter(s[i+len(d)]) {
			return len(d)
		}
	}
	return 0
}

// isAddress says whether s is a web or mail address, which stays whole.
func isAddress(s string) bool {
	low := strings.ToLower(s)
	for _, start := range []string{"http://", "https://", "ftp://", "www."} {
		if rest, ok := strings.CutPrefix(low, start); ok && rest != "" {
			return true
		}
	}
	if strings.ContainsRune(s, '@') {
		return address.MatchString(s)
	}
	host, _, _ := strings.Cut(low, "/")
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return false
		}
	}
	return len(labels) > 1 && slices.Contains(domains, labels[len(labels)-1])
}

// rejoin puts together again neighbours that are special as one: Sept and a point.
func (w *words) rejoin(parts []string) []string {
	if len(parts) < 2 {
		return parts
	}
	var out []string
	for i := 0; i < len(parts); {
		n := 0
		for _, k := range []int{3, 2} {
			if i+k > len(parts) {
				continue
			}
			if t, ok := w.isSpecial([]rune(strings.Join(parts[i:i+k], ""))); ok {
				out, n = append(out, t...), k
				break
			}
		}
		if n == 0 {
			out, n = append(out, parts[i]), 1
		}
		i += n
	}
	return out
}
