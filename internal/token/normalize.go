package token

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is cut.
type normalizer func(string) string

// unicodeForm returns the normalizer to one of Unicode's forms (UAX #15).
func unicodeForm(f norm.Form) normalizer {
	return func(s string) string {
		if f.QuickSpanString(s) == len(s) {
			return s
		}
		if manyMarks(s) {
			return normalizeMarks(f, s)
		}
		return f.String(s)
	}
}

// marksInARow is how many marks may follow each other before x/text, which
// follows the Stream-Safe Text Format, would put a U+034F among them, as the
// forms themselves do not.
const marksInARow = 8 // x/text starts at 30, and a mark may decompose into 3

// manyMarks says whether s has more marks in a row than x/text leaves alone.
func manyMarks(s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run, i = 0, i+1
			continue
		}
		p := norm.NFKD.PropertiesString(s[i:])
		if p.CCC() == 0 {
			run = 0
		} else if run++; run > marksInARow {
			return true
		}
		i += max(p.Size(), 1)
	}
	return false
}

// normalizeMarks is a form by its definition: decompose, sort the marks, compose.
func normalizeMarks(f norm.Form, s string) string {
	type mark struct {
		r   rune
		ccc uint8
	}
	decomposed := norm.NFD
	if f == norm.NFKC || f == norm.NFKD {
		decomposed = norm.NFKD
	}
	var all []mark
	for i := 0; i < len(s); {
		p := decomposed.PropertiesString(s[i:])
		n := max(p.Size(), 1)
		part := string(p.Decomposition())
		if part == "" {
			part = decomposed.String(s[i : i+n]) // Hangul syllables decompose by rule
		}
		for _, r := range part {
			all = append(all, mark{r, decomposed.PropertiesString(string(r)).CCC()})
		}
		i += n
	}
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].ccc != 0 {
			end++
		}
		from := i
		if all[from].ccc == 0 {
			from++
		}
		slices.SortStableFunc(all[from:end], func(a, b mark) int { return int(a.ccc) - int(b.ccc) })
		i = end
	}
	if f == norm.NFC || f == norm.NFKC {
		starter, last := -1, uint8(0) // last is the class of what was kept after the starter
		kept := all[:0]
		for _, m := range all {
			if starter >= 0 && (len(kept)-1 == starter || last != 0 && last < m.ccc) {
				if r, ok := compose(kept[starter].r, m.r); ok {
					kept[starter].r = r
					continue
				}
			}
			kept = append(kept, m)
			if last = m.ccc; last == 0 {
				starter = len(kept) - 1
			}
		}
		all = kept
	}
	var sb strings.Builder
	for _, m := range all {
		sb.WriteRune(m.r)
	}
	return sb.String()
}

// compose returns the character that two compose to, if they do.
func compose(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}

// lowercase is the lower case of each character by itself. İ is the one of which
// it has two characters.
func lowercase(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "İ", "i̇"))
}

// stripAccents removes marks of every kind; decompose first.
func stripAccents(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, s)
}

// strip removes white space from the ends.
func strip(left, right bool) normalizer {
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
}

// prepend puts a text before every other that is not empty.
func prepend(text string) normalizer {
	return func(s string) string {
		if s == "" {
			return s
		}
		return text + s
	}
}

// replaceAll puts a text in the place of each occurrence of another.
func replaceAll(what, to string) normalizer {
	return func(s string) string { return strings.ReplaceAll(s, what, to) }
}

// replaceRuns puts a text in the place of each run of what, of which it has at
// least so many.
func replaceRuns(what string, least int, to string) normalizer {
	return func(s string) string { return replaceRun(s, what, least, to) }
}

func replaceRun(s, what string, least int, to string) string {
	need := strings.Repeat(what, least)
	at := strings.Index(s, need)
	if at < 0 {
		return s
	}
	var sb strings.Builder
	for at >= 0 {
		sb.WriteString(s[:at])
		sb.WriteString(to)
		s = s[at+len(need):]
		for strings.HasPrefix(s, what) {
			s = s[len(what):]
		}
		at = strings.Index(s, need)
	}
	sb.WriteString(s)
	return sb.String()
}

// validText puts U+FFFD in the place of each part of s that is not UTF-8: as
// many as the Unicode Standard recommends (section 3.9, "maximal subparts"), and
// as Python's bytes.decode("utf-8", "replace") gives.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var sb strings.Builder
	for len(s) > 0 {
		n := validPrefix(s)
		sb.WriteString(s[:n])
		if s = s[n:]; s != "" {
			sb.WriteRune(utf8.RuneError)
			bad, _ := brokenRune(s)
			s = s[bad:]
		}
	}
	return sb.String()
}

// validPrefix is the number of bytes of s before the first that is not UTF-8.
func validPrefix(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

// brokenRune is for an s that does not start with a character. It returns the
// bytes of the longest start of s that some character has too, at least 1; cut
// says that this is all of s, so that more bytes could complete the character.
func brokenRune(s string) (n int, cut bool) {
	low, high := byte(0x80), byte(0xbf)
	var size int
	switch c := s[0]; {
	case c >= 0xc2 && c <= 0xdf:
		size = 2
	case c >= 0xe0 && c <= 0xef:
		size = 3
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		size = 4
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	default:
		return 1, false
	}
	for n = 1; n < size; n++ {
		if n == len(s) {
			return n, true
		}
		if s[n] < low || s[n] > high {
			return n, false
		}
		low, high = 0x80, 0xbf
	}
	return n, false
}
