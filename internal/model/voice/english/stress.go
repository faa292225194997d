package english

import "strings"

const (
	primary, secondary = "ˈ", "ˌ"
	vowels             = "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ"
	consonants         = "bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθ"
	diphthongs         = "AIOQWYʤʧ"
	// tapped are the vowels after which an American t before another one is a tap.
	tapped = "AIOWYiuæɑəɛɪɹʊʌ"
)

// emphasis says what becomes of a word's stress.
type emphasis int8

const (
	asIs   emphasis = iota
	bare            // no stress at all
	weaker          // the primary becomes secondary, the secondary goes
	faint           // the same, and secondary where there is none
	slight          // secondary where there is none
	strong          // primary where there is none
)

// apply changes the marks of stress.
func (e emphasis) apply(ps string) string {
	hasPrimary := strings.Contains(ps, primary)
	marked := hasPrimary || strings.Contains(ps, secondary)
	switch {
	case e == bare:
		return strings.ReplaceAll(strings.ReplaceAll(ps, primary, ""), secondary, "")
	case (e == weaker || e == faint) && hasPrimary:
		return strings.ReplaceAll(strings.ReplaceAll(ps, secondary, ""), primary, secondary)
	case (e == faint || e == slight) && !marked:
		return beforeVowel(secondary, ps)
	case e == strong && !marked:
		return beforeVowel(primary, ps)
	case e == strong && !hasPrimary:
		return strings.ReplaceAll(ps, secondary, primary)
	}
	return ps
}

// beforeVowel puts a mark before the first vowel, if there is one.
func beforeVowel(mark, ps string) string {
	if i := strings.IndexAny(ps, vowels); i >= 0 {
		return ps[:i] + mark + ps[i:]
	}
	return ps
}

// weight is how long a word is spoken, about.
func weight(ps string) int {
	n := 0
	for _, r := range ps {
		n++
		if isOneOf(r, diphthongs) {
			n++
		}
	}
	return n
}
