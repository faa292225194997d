package english

import (
	"strings"
	"unicode"
)

// none stands for the rune before the first and after the last.
const none rune = -1

// at returns rune i of s, or none.
func at(s []rune, i int) rune {
	if i < 0 || i >= len(s) {
		return none
	}
	return s[i]
}

// isSpace says whether r is white space, the separators of ASCII included.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// isDigit says whether r is a decimal digit of any script.
func isDigit(r rune) bool { return unicode.Is(unicode.Nd, r) }

// isASCIIDigit says whether r is one of 0 to 9.
func isASCIIDigit(r rune) bool { return r >= '0' && r <= '9' }

// isWord says whether r belongs to a word: a letter, a number or an underline.
func isWord(r rune) bool { return r == '_' || isWordPart(r) }

func isWordPart(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// isLetter says whether r is a letter, or a number that is no decimal digit, such
// as ½: these stand inside words.
func isLetter(r rune) bool { return isWordPart(r) && !isDigit(r) }

// isLower and isUpper are for Latin letters alone, as the rules of tokens are.
func isLower(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'ß' && r <= 'ÿ' && r != '÷'
}

func isUpper(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'À' && r <= 'Þ' && r != '×'
}

// isQuote says whether r is an apostrophe, straight or not.
func isQuote(r rune) bool { return r == '\'' || r == '‘' || r == '’' }

// isNumeral says whether r is a digit, raised and lowered ones included.
func isNumeral(r rune) bool {
	switch {
	case isDigit(r), r == '²', r == '³', r == '¹', r == '⁰', r >= '⁴' && r <= '⁹', r >= '₀' && r <= '₉', r >= '①' && r <= '⑨':
		return true
	}
	return false
}

// digitOf returns the value of a decimal digit of any script. Unicode has those
// in rows of ten.
func digitOf(r rune) int {
	if isASCIIDigit(r) {
		return int(r - '0')
	}
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10
		}
	}
	return 0
}

// wordAt says whether rune i of s belongs to a word.
func wordAt(s []rune, i int) bool { return isWord(at(s, i)) }

// edge says whether a word begins or ends before rune i of s.
func edge(s []rune, i int) bool { return wordAt(s, i-1) != wordAt(s, i) }

// every says whether f holds for all runes of s, and there is one.
func every(s string, f func(rune) bool) bool {
	for _, r := range s {
		if !f(r) {
			return false
		}
	}
	return s != ""
}

// firstRune and lastRune return the ends of s, or none.
func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return none
}

func lastRune(s string) rune { return at([]rune(s), len([]rune(s))-1) }

// title returns s with its first letter in upper case and the others in lower.
func title(s string) string {
	r := []rune(strings.ToLower(s))
	if len(r) > 0 {
		r = append([]rune(strings.ToUpper(string(r[:1]))), r[1:]...)
	}
	return string(r)
}
