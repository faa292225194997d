// Package moderation says what may not be asked for: prompts are held against
// word lists, one a language, and, if the operator has one, a webhook decides
// about prompts and films.
//
// It never changes a prompt, never tells a customer which word it was, and
// keeps nothing.
package moderation

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/kinora-video/kinora/internal/job"
)

// Limits of the lists.
const (
	MaxWords     = 100_000 // in all lists together
	MaxWordRunes = 100
)

// Options say what is refused.
type Options struct {
	// Words lists what a prompt may not hold, by language ("en", "zh", "ar").
	// Where a language puts spaces between words an entry matches whole words
	// ("cat" is not in "category"); in Chinese, Japanese and Thai it matches
	// anywhere. Case, width and accents written in several ways do not matter,
	// nor does what is put between letters to hide them.
	Words map[string][]string
	// Hook is asked after the lists; nil for none.
	Hook Hook
}

// Hook decides about what the lists let pass.
type Hook interface {
	// Prompt returns a *job.Error of code PromptUnsafe to refuse.
	Prompt(ctx context.Context, project int64, text string) error
	// Output returns a *job.Error of code OutputUnsafe to refuse. Stills are
	// JPEG, a few of the film's frames.
	Output(ctx context.Context, j job.Job, stills [][]byte) error
}

// Filter is the lists made ready and the hook. Several goroutines may use it.
type Filter struct {
	words   map[string]struct{} // whole words and phrases, folded
	longest int                 // words of the longest phrase
	parts   []string            // what matches anywhere, folded
	hook    Hook
}

// New makes a filter.
func New(o Options) (*Filter, error) {
	f := &Filter{words: map[string]struct{}{}, hook: o.Hook}
	n := 0
	for lang, list := range o.Words {
		for _, w := range list {
			folded := fold(w)
			switch n++; {
			case n > MaxWords:
				return nil, fmt.Errorf("moderation: the lists hold more than %d words", MaxWords)
			case len(folded) == 0:
				return nil, fmt.Errorf("moderation: an entry of the list %q holds no letter or digit: %.40q", lang, w)
			case len([]rune(w)) > MaxWordRunes:
				return nil, fmt.Errorf("moderation: an entry of the list %q has more than %d characters: %.40q…", lang, MaxWordRunes, w)
			}
			if unspaced(w) {
				f.parts = append(f.parts, strings.Join(folded, ""))
				continue
			}
			f.words[strings.Join(folded, " ")] = struct{}{}
			f.longest = max(f.longest, len(folded))
		}
	}
	return f, nil
}

// Prompt checks a prompt before it is accepted. Errors are *job.Error:
// Invisible for characters that hide text, PromptUnsafe for what lists or hook
// refuse, Unavailable when the hook cannot be asked.
func (f *Filter) Prompt(ctx context.Context, project int64, text string) error {
	if r, ok := Invisible(text); ok {
		return job.Errorf(job.Invisible, "prompt", "the prompt holds the invisible character U+%04X: remove it", r)
	}
	if f.listed(text) {
		return job.Errorf(job.PromptUnsafe, "prompt", "the prompt asks for what this server does not make: change it; nothing was charged")
	}
	if f.hook == nil {
		return nil
	}
	return f.hook.Prompt(ctx, project, text)
}

// Watches reports whether films are looked at, so that stills are worth making.
func (f *Filter) Watches() bool { return f.hook != nil }

// Output checks a film before it is shown.
func (f *Filter) Output(ctx context.Context, j job.Job, stills [][]byte) error {
	if f.hook == nil {
		return nil
	}
	return f.hook.Output(ctx, j, stills)
}

// listed reports whether a text holds an entry of the lists.
func (f *Filter) listed(text string) bool {
	words := fold(text)
	for i := range words {
		phrase := ""
		for j, word := range words[i:min(i+f.longest, len(words))] {
			if j > 0 {
				phrase += " "
			}
			phrase += word
			if _, bad := f.words[phrase]; bad {
				return true
			}
		}
	}
	if len(f.parts) == 0 {
		return false
	}
	whole := strings.Join(words, "")
	for _, p := range f.parts {
		if strings.Contains(whole, p) {
			return true
		}
	}
	return false
}

// fold is a text's words in the form that comparisons use: compatibility
// decomposition (UAX #15) without marks, lower case.
func fold(text string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == 'ـ' { // accents, vowel signs, and Arabic's filler
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	return strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// unspaced reports whether a word is of a script that puts no spaces between
// words.
func unspaced(w string) bool {
	for _, r := range w {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			return true
		}
	}
	return false
}

// emojiBases are the characters that are emoji once a variation selector follows
// them, and are not symbols to Unicode: digits are found by their kind
// (emoji-variation-sequences.txt of UTS #51).
const emojiBases = "#*\u203c\u2049\u2139\u3030\u303d"

// regionFlags takes their tags off the three flags that have some: England's,
// Scotland's and Wales' (emoji-sequences.txt of UTS #51). Tags elsewhere hide text.
var regionFlags = strings.NewReplacer(
	"\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001f3f4",
	"\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "\U0001f3f4",
	"\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f", "\U0001f3f4",
)

// Invisible finds a character that shows nothing and can hide text: controls,
// tags, bidirectional overrides, zero-width ones. Joiners are part of writing in
// Arabic and Indic scripts and of emoji, and stay allowed next to such.
func Invisible(text string) (rune, bool) {
	prev := rune(0)
	runes := []rune(regionFlags.Replace(text))
	for i, r := range runes {
		next := rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		switch {
		case r == '\n' || r == '\r' || r == '\t':
		case r == '\u200c' || r == '\u200d':
			if !joins(prev) || !joins(next) {
				return r, true
			}
		case r == '\u200e' || r == '\u200f' || r == '\u061c': // direction marks
			if !hasRTL(text) {
				return r, true
			}
		case r >= 0xfe00 && r <= 0xfe0f: // variation selectors
			if !pictured(prev) && !unicode.IsDigit(prev) && !strings.ContainsRune(emojiBases, prev) {
				return r, true
			}
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r),
			r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0', r == '\u2800', r >= 0xe0100 && r <= 0xe01ef:
			return r, true
		}
		prev = r
	}
	return 0, false
}

// pictured reports whether r is a symbol, or of the blocks that are kept for
// emoji: some of those are newer than the tables of package unicode.
func pictured(r rune) bool { return unicode.IsSymbol(r) || r >= 0x1f000 && r <= 0x1faff }

// joins reports whether a zero-width joiner beside r is part of writing.
func joins(r rune) bool {
	return pictured(r) || unicode.IsMark(r) || r >= 0xfe00 && r <= 0xfe0f ||
		unicode.In(r, unicode.Arabic, unicode.Devanagari, unicode.Bengali, unicode.Tamil, unicode.Telugu, unicode.Kannada,
			unicode.Malayalam, unicode.Gujarati, unicode.Gurmukhi, unicode.Sinhala, unicode.Khmer, unicode.Mongolian, unicode.Syriac)
}

func hasRTL(text string) bool {
	for _, r := range text {
		if unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana) {
			return true
		}
	}
	return false
}
