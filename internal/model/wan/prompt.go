package wan

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// cleanPrompt does to a prompt what diffusers' pipeline does before it is cut into
// tokens: the repairs of the package ftfy, entities of HTML made characters, and
// runs of white space made one blank. One repair is left out: text that was read
// in a wrong encoding stays as it is.
func cleanPrompt(s string) string {
	s = repaired(s)
	s = html.UnescapeString(html.UnescapeString(s))
	return strings.Join(strings.FieldsFunc(s, isSpace), " ")
}

// isSpace is what \s of Python's regular expressions matches.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F }

var (
	terminalEscape = regexp.MustCompile("\x1b\\[[0-9;]*[a-zA-Z]")
	entity         = regexp.MustCompile(`&#?[0-9A-Za-z]{1,24};`)
)

// repaired does the repairs of ftfy that are about characters.
func repaired(s string) string {
	if !strings.Contains(s, "<") {
		s = entity.ReplaceAllStringFunc(s, character)
	}
	s = terminalEscape.ReplaceAllString(s, "")
	var b strings.Builder
	for _, r := range s {
		if removed(r) {
			continue
		}
		switch plain, ok := plainer[r]; {
		case ok:
			b.WriteString(plain)
		case r >= 0x80 && r <= 0x9F:
			b.WriteRune(charmap.Windows1252.DecodeByte(byte(r)))
		case r >= 0xFF01 && r <= 0xFFEF: // of half or of full width
			b.WriteString(norm.NFKC.String(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// character is what an entity of HTML stands for, in capitals too.
func character(entity string) string {
	c := html.UnescapeString(entity)
	if c == entity && entity == strings.ToUpper(entity) {
		if lower := html.UnescapeString(strings.ToLower(entity)); lower != strings.ToLower(entity) {
			return strings.ToUpper(lower)
		}
	}
	return c
}

// removed says whether a character is a control character without a place in text.
func removed(r rune) bool {
	return r <= 0x08 || r == 0x0B || r >= 0x0E && r <= 0x1F || r == 0x7F ||
		r >= 0x206A && r <= 0x206F || r == 0xFEFF || r >= 0xFFF9 && r <= 0xFFFC
}

// plainer are characters that become others: ligatures, curled quotation marks,
// the ends of lines, the wide blank.
var plainer = map[rune]string{
	'Ĳ': "IJ", 'ĳ': "ij", 'ŉ': "'n", 'Ǳ': "DZ", 'ǲ': "Dz", 'ǳ': "dz", 'Ǆ': "DŽ", 'ǅ': "Dž", 'ǆ': "dž",
	'Ǉ': "LJ", 'ǈ': "Lj", 'ǉ': "lj", 'Ǌ': "NJ", 'ǋ': "Nj", 'ǌ': "nj",
	'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "ſt", 'ﬆ': "st",
	'\u02BC': "'", '\u2018': "'", '\u2019': "'", '\u201A': "'", '\u201B': "'",
	'\u201C': `"`, '\u201D': `"`, '\u201E': `"`, '\u201F': `"`,
	'\r': "\n", '\u2028': "\n", '\u2029': "\n", '\u3000': " ",
}
