package hub

import (
	"strings"
	"unicode"
)

// printable makes a text of a server fit for a terminal, and no longer than most
// runes.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
