package english

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// speak gives the phonemes of tokens. It goes from the end to the start, because
// some words depend on the sound after them.
func (r *Reader) speak(tokens []token) string {
	words := gather(tokens)
	var c context
	for i := len(words) - 1; i >= 0; i-- {
		list := words[i].parts
		if len(list) > 1 {
			c = r.speakParts(list, c)
			continue
		}
		if t := &list[0]; !t.said {
			t.say(r.speakToken(t, c))
		}
		c = c.before(list[0].phonemes, &list[0])
	}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(joined(w.parts))
		if w.parts[len(w.parts)-1].space {
			b.WriteByte(' ')
		}
	}
	return strings.TrimFunc(b.String(), isSpace)
}

// before is the context of what stands before a token that is spoken so.
func (c context) before(ps string, t *token) context {
	c.to = isTo(t.text, t.tag)
	for _, r := range ps {
		switch {
		case isOneOf(r, stops):
			c.next = pause
		case isOneOf(r, vowels):
			c.next = vowel
		case isOneOf(r, consonants):
			c.next = consonant
		default:
			continue
		}
		break
	}
	return c
}

// speakToken reads a token by the lexicon, or else by its spelling.
func (r *Reader) speakToken(t *token, c context) string {
	if ps, ok := r.lexicon.speak(t, c); ok {
		return ps
	}
	return r.spell(t.text)
}

// speakParts reads a word of several parts. It looks for the longest run of parts
// from the end that the lexicon knows, and goes on before it. If one part is not
// known at all, the whole is read by its spelling.
func (r *Reader) speakParts(list []token, c context) context {
	decided := func(t token) bool { return t.decided() }
	left, right := 0, len(list)
	for left < right {
		var t token
		ps, ok := "", false
		if run := list[left:right]; !slices.ContainsFunc(run, decided) {
			t = merged(run)
			ps, ok = r.lexicon.speak(&t, c)
		}
		switch {
		case ok:
			sayAll(list[left:right], ps)
			c = c.before(ps, &t)
			right, left = left, 0
		case left+1 < right:
			left++
		default:
			right--
			left = 0
			if k := &list[right]; !k.said {
				if strings.Trim(k.text, junk) != "" {
					t = merged(list)
					sayAll(list, r.spell(t.text))
					return c
				}
				k.say("")
			}
		}
	}
	balance(list)
	return c
}

// sayAll has the first of some parts say what all of them are spoken as.
func sayAll(list []token, ps string) {
	for i := range list {
		list[i].say("")
	}
	list[0].say(ps)
}

// balance separates the parts of a word that is none, such as AC/DC, by blanks, and
// takes stress from a word with too much of it.
func balance(list []token) {
	apart := isMixed(list)
	for i := 1; i < len(list); i++ {
		list[i].apart = apart
	}
	if apart {
		return
	}
	type part struct {
		stressed, weight, at int
	}
	var spoken []part
	stressed := 0
	for i, t := range list {
		if t.phonemes == "" {
			continue
		}
		p := part{weight: weight(t.phonemes), at: i}
		if strings.Contains(t.phonemes, primary) {
			p.stressed = 1
			stressed++
		}
		spoken = append(spoken, p)
	}
	weaken := func(p part) { list[p.at].phonemes = weaker.apply(list[p.at].phonemes) }
	switch n := len(spoken); {
	case n == 2 && len([]rune(list[spoken[0].at].text)) == 1:
		weaken(spoken[1])
	case n < 2 || stressed <= (n+1)/2:
	default:
		slices.SortFunc(spoken, func(a, b part) int {
			return cmp.Or(a.stressed-b.stressed, a.weight-b.weight, a.at-b.at)
		})
		for _, p := range spoken[:n/2] {
			weaken(p)
		}
	}
}

// isMixed says whether a word has parts of different kinds.
func isMixed(list []token) bool {
	letters, digits, others := 0, 0, 0
	for i, t := range list {
		if t.space && i+1 < len(list) {
			return true
		}
		for _, r := range t.text {
			switch {
			case r == '/' || r == ' ':
				return true
			case isOneOf(r, junk):
			case unicode.IsLetter(r):
				letters = 1
			case isASCIIDigit(r):
				digits = 1
			default:
				others = 1
			}
		}
	}
	return letters+digits+others > 1
}

// joined is what a word's parts say together.
func joined(list []token) string {
	ps := ""
	for _, t := range list {
		if t.apart && ps != "" && t.phonemes != "" && !isSpace(lastRune(ps)) {
			ps += " "
		}
		ps += t.phonemes
	}
	return strings.NewReplacer("ɾ", "T", "ʔ", "t").Replace(ps)
}

// symbolSounds are symbols inside words that are not in the lexicon.
var symbolSounds = map[rune]string{
	'/': "slˈæʃ", '=': "ˈikwᵊlz", '+': "plˈʌs", '&': "ænd", '@': "æt", '%': "pəɹsˈɛnt", '#': "hˈæʃ",
	'*': "ˈæstəɹˌɪsk", '~': "tˈɪldə", '^': "kˈɛɹət", '<': "lˈɛs ðən", '>': "ɡɹˈATəɹ ðən", '—': "—",
}

// spell reads what the lexicon does not know: letters by the spelling network, digits
// as a number, some symbols by name.
func (r *Reader) spell(text string) string {
	s := []rune(text)
	var out []string
	for i := 0; i < len(s); {
		end, ps := i+1, ""
		switch {
		case isDigit(s[i]):
			end, ps = r.spellNumber(s, i)
		case isLetter(s[i]):
			end = lettersEnd(s, i)
			ps = r.speller().speak(string(s[i:end]))
		case s[i] != '_' && !isSpace(s[i]):
			ps = symbolSounds[s[i]]
			for ; end < len(s) && !isWord(s[end]) && !isSpace(s[end]); end++ {
				ps += symbolSounds[s[end]]
			}
		}
		if ps != "" {
			out = append(out, ps)
		}
		i = end
	}
	return strings.Join(out, " ")
}

// lettersEnd returns the end of letters from i on, with single apostrophes among
// them.
func lettersEnd(s []rune, i int) int {
	for isLetter(at(s, i)) {
		i++
		if r := at(s, i); (r == '\'' || r == '’') && isLetter(at(s, i+1)) {
			i++
		}
	}
	return i
}

// spellNumber reads the number that begins at i.
func (r *Reader) spellNumber(s []rune, i int) (end int, ps string) {
	end = digits(s, i, len(s))
	for isOneOf(at(s, end), ",.") && isDigit(at(s, end+1)) {
		end = digits(s, end+1, len(s))
	}
	ascii := []rune(string(s[i:end]))
	for j, c := range ascii {
		if isDigit(c) {
			ascii[j] = '0' + rune(digitOf(c))
		}
	}
	ps, _ = r.lexicon.number(string(ascii), "", false)
	return end, ps
}
