package text

import "unicode"

// Language guesses a text's language by its script, as a tag of BCP 47: what is
// written in Latin letters counts as English.
func Language(words string) string {
	han := false
	for _, c := range words {
		switch {
		case unicode.In(c, unicode.Hiragana, unicode.Katakana):
			return "ja" // beside Han, which is Chinese alone
		case unicode.Is(unicode.Hangul, c):
			return "ko"
		case unicode.Is(unicode.Arabic, c):
			return "ar"
		case unicode.Is(unicode.Cyrillic, c):
			return "ru"
		case unicode.Is(unicode.Han, c):
			han = true
		}
	}
	if han {
		return "cmn"
	}
	return "en"
}
