package world

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// The words of captions, one a line: those of the first edition, and those that
// the second adds. The English and Arabic lists are made from captions
// (KINORA_UPDATE=1 go test -run TestLexicon ./internal/world); the Chinese ones
// are segmented by hand. The same test fails if a caption has a word that is
// not in the lists of its edition, or a list has a word that no caption uses.
//
//go:embed lexicon/*.txt
var wordLists embed.FS

type lexicon struct {
	words   []string
	known   map[string]bool
	longest int // runes
}

// lexicons are the words of each edition by language; [NoEdition] has none.
var lexicons = sync.OnceValue(func() [Newest + 1][NumLangs]lexicon {
	var all [Newest + 1][NumLangs]lexicon
	for e := range all {
		for lang := range Lang(NumLangs) {
			l := lexicon{known: map[string]bool{}}
			for of := FirstEdition; of <= Edition(e); of++ {
				text, err := wordLists.ReadFile(fmt.Sprintf("lexicon/%v.%d.txt", lang, of))
				if err != nil {
					panic(err) // the list is missing from the program
				}
				for _, w := range strings.Fields(string(text)) {
					l.words = append(l.words, w)
					l.known[fold(w)] = true
					l.longest = max(l.longest, len([]rune(w)))
				}
			}
			slices.Sort(l.words)
			all[e][lang] = l
		}
	}
	return all
})

// lexicon returns every word that captions of an edition use in a language.
func (e Edition) lexicon(lang Lang) lexicon { return lexicons()[e.known()][lang] }

// Lexicon returns every word that captions of an edition use in a language, in
// order.
func (e Edition) Lexicon(lang Lang) []string {
	if lang >= NumLangs {
		return nil
	}
	return slices.Clone(e.lexicon(lang).words)
}

// commandOnly are words that captions use only in a bracketed command: a red
// truck is unknown, but [Truck left] is known.
var commandOnly = map[string]bool{"truck": true, "pedestal": true}

// UnknownWords lists the words of a prompt that no caption of the edition uses,
// each once, in order. English is split into words. So is Arabic, where joined
// prefixes are removed as well. Chinese is segmented by the longest known word.
// Any other script is unknown throughout, as are emoji and other pictures among
// letters. Punctuation and case are ignored.
func (e Edition) UnknownWords(prompt string) []string {
	var list []string
	seen := map[string]bool{}
	note := func(u string) {
		if k := fold(u); !seen[k] {
			seen[k] = true
			list = append(list, u)
		}
	}
	for len(prompt) > 0 {
		part, command := prompt, false
		if i := strings.IndexByte(prompt, '['); i == 0 {
			if end := strings.IndexByte(prompt[:min(len(prompt), 40)], ']'); end > 0 {
				part, command = prompt[:end+1], true
			} else {
				part = prompt[:1]
			}
		} else if i > 0 {
			part = prompt[:i]
		}
		prompt = prompt[len(part):]
		for _, w := range splitWords(part) {
			if !command && commandOnly[fold(w)] {
				note(w)
			}
			for _, u := range e.unknownIn(w) {
				note(u)
			}
		}
	}
	return list
}

// isPicture reports whether a character depicts something: emoji, and signs
// such as a snowman. Degree and trade mark signs count as punctuation here.
func isPicture(c rune) bool {
	return c >= 0x2190 && c != unicode.ReplacementChar && unicode.Is(unicode.So, c)
}

// splitWords cuts a text where the script changes and at everything that is
// neither letter, mark nor digit. A picture is a word of its own, together with
// pictures that it is joined to.
func splitWords(text string) []string {
	var words []string
	var word []rune
	script := 0
	joined := false // the next picture belongs to the same word
	flush := func() {
		if len(word) > 0 {
			words = append(words, string(word))
		}
		word = word[:0]
	}
	for _, c := range text {
		switch {
		case unicode.Is(unicode.Mn, c) || c == 'ـ': // marks and the Arabic stroke
			continue
		case isPicture(c):
			if flush(); joined && len(words) > 0 {
				words[len(words)-1] += "\u200d" + string(c)
			} else {
				words = append(words, string(c))
			}
			joined = false
			continue
		case c == '\u200d': // joins pictures, and letters of some scripts
			flush()
			joined = len(words) > 0 && isPicture([]rune(words[len(words)-1])[0])
			continue
		case !unicode.IsLetter(c) && !unicode.IsDigit(c) || c == 0xfffd:
			if c != '\'' && c != '’' { // don't stays one word
				flush()
			}
			continue
		}
		if k := scriptOf(c); k != script {
			flush()
			script = k
		}
		word = append(word, c)
	}
	flush()
	return words
}

func scriptOf(c rune) int {
	switch {
	case unicode.Is(unicode.Latin, c) || unicode.IsDigit(c):
		return 1
	case unicode.Is(unicode.Han, c):
		return 2
	case unicode.Is(unicode.Arabic, c):
		return 3
	}
	return 4
}

// unknownIn returns the unknown parts of one word, or of one run of Chinese.
func (e Edition) unknownIn(word string) []string {
	first := []rune(word)[0]
	switch scriptOf(first) {
	case 1:
		if e.lexicon(En).known[fold(word)] {
			return nil
		}
	case 2:
		_, unknown := e.lexicon(Zh).segment([]rune(word))
		return unknown
	case 3:
		if e.lexicon(Ar).knowsArabic(fold(word)) {
			return nil
		}
	}
	return []string{word}
}

// segment splits a run of Chinese by the longest known word and returns these
// words and the parts in between.
func (l lexicon) segment(text []rune) (known, unknown []string) {
	var run []rune
	for i := 0; i < len(text); {
		n := min(l.longest, len(text)-i)
		for n > 0 && !l.known[string(text[i:i+n])] {
			n--
		}
		if n == 0 {
			run = append(run, text[i])
			i++
			continue
		}
		if len(run) > 0 {
			unknown = append(unknown, string(run))
			run = nil
		}
		known = append(known, string(text[i:i+n]))
		i += n
	}
	if len(run) > 0 {
		unknown = append(unknown, string(run))
	}
	return known, unknown
}

// prefixesAr are written together with the word they belong to, longest first.
var prefixesAr = []string{"وال", "بال", "كال", "فال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "س"}

// knowsArabic looks a folded word up unchanged, without its prefixes, and with
// the article that a caption may have used.
func (l lexicon) knowsArabic(w string) bool {
	if l.known[w] || l.known["ال"+w] {
		return true
	}
	for _, p := range prefixesAr {
		rest, ok := strings.CutPrefix(w, p)
		if ok && len([]rune(rest)) >= 2 && (l.known[rest] || l.known["ال"+rest]) {
			return true
		}
	}
	return false
}

// fold maps spellings of one word to the same text: it ignores case, and marks
// on Arabic letters that are often left out.
func fold(w string) string {
	return strings.Map(func(c rune) rune {
		switch c {
		case 'أ', 'إ', 'آ':
			return 'ا'
		case 'ى':
			return 'ي'
		case 'ة':
			return 'ه'
		}
		return unicode.ToLower(c)
	}, w)
}

// Words cuts a text into words as [Edition.UnknownWords] does; a run of Chinese is
// one.
func Words(text string) []string { return splitWords(text) }

// Fold maps the spellings of one word to the same text: it ignores case, and marks
// on Arabic letters that are often left out.
func Fold(word string) string { return fold(word) }
