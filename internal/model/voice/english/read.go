package english

import (
	"iter"
	"strings"
	"sync"
)

// A Reader reads text. Several goroutines may use one.
type Reader struct {
	words   *words
	tagger  *tagger
	lexicon *lexicon
	speller func() *speller // opened for the first unknown word
}

// Open returns the reader inside the program. The first call opens its data; all
// calls share it.
var Open = sync.OnceValues(open)

func open() (*Reader, error) {
	r := &Reader{}
	var err error
	if r.words, err = readWords(wordsFile); err != nil {
		return nil, err
	}
	if r.tagger, err = openTagger(r.words.Tags); err != nil {
		return nil, err
	}
	if r.lexicon, err = openLexicon(); err != nil {
		return nil, err
	}
	r.speller = sync.OnceValue(func() *speller {
		s, err := openSpeller()
		if err != nil {
			panic(err) // the file inside the program is damaged
		}
		return s
	})
	return r, nil
}

// A Sentence is what the voice speaks at once: a sentence, or a part of a long one.
type Sentence struct {
	Text     string // of the sentence; the same for all its parts
	Part     int    // of a long sentence, from 0
	Phonemes string // misaki's, at most MaxPhonemes runes
}

// Read yields the sentences of a text, each as soon as it is read. What has nothing
// to speak is left out.
func (r *Reader) Read(text string) iter.Seq[Sentence] {
	return func(yield func(Sentence) bool) {
		for text := range r.words.sentences(text) {
			for i, ps := range clauses(r.Phonemes(text)) {
				if !yield(Sentence{Text: text, Part: i, Phonemes: ps}) {
					return
				}
			}
		}
	}
}

// Phonemes reads one sentence of any length.
func (r *Reader) Phonemes(sentence string) string {
	return r.speak(r.tokens(r.words.normalize(sentence)))
}

// tokens are those of a text with their tags. [word](/phonemes/) says itself how it
// is spoken.
func (r *Reader) tokens(text string) []token {
	var out []token
	plain := func(text string) {
		list := r.words.tokens(text)
		r.tagger.tag(list)
		out = append(out, list...)
	}
	for {
		before, link, rest, ok := cutLink(text)
		plain(before)
		if !ok {
			return out
		}
		link.space = rest != "" && isSpace(firstRune(rest))
		out = append(out, link)
		text = rest
	}
}

// cutLink cuts a text at its first [word](/phonemes/). Without the slashes the word
// is read as usual.
func cutLink(text string) (before string, link token, rest string, ok bool) {
	for from := 0; ; {
		open := strings.IndexByte(text[from:], '[')
		if open < 0 {
			return text, token{}, "", false
		}
		open += from
		end := strings.IndexByte(text[open:], ']')
		if end < 0 {
			return text, token{}, "", false
		}
		end += open
		from = end + 1
		said, isLink := strings.CutPrefix(text[end+1:], "(")
		if end == open+1 || !isLink {
			continue
		}
		stop := strings.IndexByte(said, ')')
		if stop < 0 {
			return text, token{}, "", false
		}
		rest, said = said[stop+1:], said[:stop]
		link = token{text: text[open+1 : end], tag: plainTag, head: true}
		if len(said) > 1 && said[0] == '/' && strings.HasSuffix(said, "/") {
			link.say(strings.TrimRight(said[1:], "/"))
		}
		return text[:open], link, rest, true
	}
}
