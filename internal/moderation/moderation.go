// Package moderation decides which prompts and videos are refused. It compares
// prompts with word lists, one per language. If the operator has a webhook, it
// then decides about prompts and videos.
//
// It never changes a prompt, never tells a customer which word was refused, and
// stores nothing.
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

// Options configure a Filter.
type Options struct {
	// Words lists what a prompt must not contain, by language ("en", "zh", "ar").
	// In languages with spaces between words an entry matches whole words ("cat"
	// is not in "category"); in Chinese, Japanese and Thai it matches anywhere.
	// Case, width and the spelling of accents do not matter, nor do characters
	// inserted between letters to hide a word.
	Words map[string][]string
	// Hook is asked after the lists; nil for none.
	Hook Hook
}

// Hook decides about prompts that the lists accept, and about videos.
type Hook interface {
	// Prompt returns a *job.Error of code PromptUnsafe to refuse the prompt.
	Prompt(ctx context.Context, project int64, text string) error
	// Output returns a *job.Error of code OutputUnsafe to refuse the video.
	// Stills are a few of its frames, as JPEG.
	Output(ctx context.Context, j job.Job, stills [][]byte) error
}

// Filter is the prepared lists and the hook. Several goroutines may use it.
type Filter struct {
	words   map[string]struct{} // whole words and phrases, folded
	longest int                 // words of the longest phrase
	parts   []string            // texts that match anywhere, folded
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

// Prompt checks a prompt before it is accepted. Errors are *job.Error: Invisible
// for characters that hide text, PromptUnsafe if the lists or the hook refuse it,
// Unavailable if the hook cannot be asked.
func (f *Filter) Prompt(ctx context.Context, project int64, text string) error {
	if r, ok := Invisible(text); ok {
		return job.Errorf(job.Invisible, "prompt", "the prompt holds the invisible character U+%04X: remove it", r)
	}
	if f.listed(text) {
		return job.Errorf(job.PromptUnsafe, "prompt", "this server's rules do not allow the prompt: change it; nothing was charged")
	}
	if f.hook == nil {
		return nil
	}
	return f.hook.Prompt(ctx, project, text)
}

// Watches reports whether videos are reviewed, that is whether stills are needed.
func (f *Filter) Watches() bool { return f.hook != nil }

// Output checks a video before it is shown.
func (f *Filter) Output(ctx context.Context, j job.Job, stills [][]byte) error {
	if f.hook == nil {
		return nil
	}
	return f.hook.Output(ctx, j, stills)
}

// listed reports whether a text contains an entry of the lists.
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

// fold returns a text's words in the form that is compared: compatibility
// decomposition (UAX #15) without marks, in lower case.
func fold(text string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == 'ـ' { // accents, vowel signs, and Arabic's filler
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	return strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// unspaced reports whether a word's script has no spaces between words.
func unspaced(w string) bool {
	for _, r := range w {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			return true
		}
	}
	return false
}

// emojiBases are characters that become emoji with a variation selector but are
// not symbols in Unicode. Digits are detected by their category
// (emoji-variation-sequences.txt of UTS #51).
const emojiBases = "#*\u203c\u2049\u2139\u3030\u303d"

// regionFlags removes the tags of the three flags that have some: England's,
// Scotland's and Wales' (emoji-sequences.txt of UTS #51). Tags elsewhere hide
// text.
var regionFlags = strings.NewReplacer(
	"\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001f3f4",
	"\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "\U0001f3f4",
	"\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f", "\U0001f3f4",
)

// Invisible finds an invisible character that can hide text: controls, tags,
// bidirectional overrides, zero-width characters. Joiners are part of writing in
// Arabic and Indic scripts and of emoji, and are allowed next to those.
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

// pictured reports whether r is a symbol or in a block reserved for emoji: some
// emoji are newer than the tables of package unicode.
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
