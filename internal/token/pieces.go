package token

import (
	"unicode"
	"unicode/utf8"
)

// class is the kind of a character for the cutting rule.
type class uint8

const (
	space   class = iota // blanks; one goes to the front of the next piece
	newline              // line ends, always a piece alone
	letter               // letters with their marks: Latin, Arabic, ...
	han                  // Han, kana and bopomofo: written without spaces
	digit
	bracket // opens or closes something: always a piece alone
	other   // remaining punctuation and symbols, and bytes that are not UTF-8
)

// classOf returns the class and the number of bytes of the first character of
// s.
func classOf(s string) (class, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return asciiClass(c), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && n == 1:
		return other, 1
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo):
		return han, n
	case unicode.IsLetter(r), unicode.IsMark(r):
		return letter, n
	case unicode.IsNumber(r):
		return digit, n
	case r == '\u0085', r == '\u2028', r == '\u2029':
		return newline, n
	case unicode.IsSpace(r):
		return space, n
	case unicode.In(r, unicode.Ps, unicode.Pe):
		return bracket, n
	}
	return other, n
}

func asciiClass(c byte) class {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return letter
	case c >= '0' && c <= '9':
		return digit
	case c == ' ', c == '\t':
		return space
	case c >= '\n' && c <= '\r':
		return newline
	case c == '[', c == ']', c == '(', c == ')', c == '{', c == '}':
		return bracket
	}
	return other
}

// nextPiece returns the length of the first piece of s (not empty). Merges
// never cross a piece, so a word has the same tokens in every sentence. A piece
// is
//
//   - a run of letters, marks included, with the blank before it: " cat", " القط"
//   - a run of Han characters, which merge with their neighbours as their
//     counts tell: no dictionary says where a Chinese word ends
//   - a run of digits or of other signs, with the blank before it
//   - a bracket or a line end, alone, so that "[Pan left]" opens and closes the
//     same way wherever it stands
//   - what is left of a run of blanks
//
// A piece has at most MaxTokenBytes bytes, which bounds the time of one merge
// search; a longer run continues as the next piece.
func nextPiece(s string) int {
	c, n := classOf(s)
	switch c {
	case newline, bracket:
		return n
	case space:
		return spacePiece(s, n)
	}
	return runPiece(s, n, c)
}

// spacePiece cuts a piece that starts with a blank of n bytes.
func spacePiece(s string, n int) int {
	if n == len(s) {
		return n
	}
	c, m := classOf(s[n:])
	switch c {
	case letter, digit, other, han:
		if s[0] == ' ' {
			return runPiece(s, n+m, c)
		}
		return n
	case newline, bracket:
		return n
	}
	// A longer run of blanks: all but the last one, which belongs to the next
	// piece.
	end, last := n, n
	for end < len(s) {
		c, m := classOf(s[end:])
		if c != space || end+m > MaxTokenBytes {
			break
		}
		last = end
		end += m
	}
	if end < len(s) && s[last] == ' ' {
		return last
	}
	return end
}

// runPiece extends a piece of n bytes over the following characters of class c.
func runPiece(s string, n int, c class) int {
	for n < len(s) {
		d, m := classOf(s[n:])
		if d != c || n+m > MaxTokenBytes {
			break
		}
		n += m
	}
	return n
}
