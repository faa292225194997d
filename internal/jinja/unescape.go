package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// escapes are those of one letter.
var escapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\n': "",
}

// unescape replaces Python's escapes in a string: those of one letter, \x, \u, \U and
// octal ones. Others stay as they are.
func unescape(s string, line int) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		if e, ok := escapes[c]; ok {
			b.WriteString(e)
			continue
		}
		digits, base := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c], 16
		from := i + 1
		if c >= '0' && c <= '7' {
			from, digits, base = i, 1, 8
			for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
				digits++
			}
		}
		if digits == 0 {
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		n, err := strconv.ParseUint(s[min(from, len(s)):min(from+digits, len(s))], base, 32)
		if err != nil || from+digits > len(s) || n > utf8.MaxRune || n >= 0xd800 && n < 0xe000 {
			failf("line %d: a string has an escape that is no character", line)
		}
		b.WriteRune(rune(n))
		i = from + digits - 1
	}
	return b.String()
}
