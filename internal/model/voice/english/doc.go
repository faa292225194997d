// Package english reads English text: it cuts a text into sentences and says how
// each is spoken, in phonemes, which the voice of internal/model/voice speaks.
//
// It reads as Hibari's own text half does (hibari-tts 0.2.1), whose data it
// carries: the text is normalised (times, dates, units, money, abbreviations),
// cut into tokens by spaCy's rules, and tagged with parts of speech by an averaged
// perceptron; then words are looked up in misaki's American lexicon, with its rules
// for stems, stress, numbers and letters, and words that are not there are read
// by a small network. The phonemes are misaki's, one rune each.
//
// Any text is read without an error, in time that grows with its length; what
// cannot be spoken is left out. The package makes no sound and never translates.
package english

// Limits, which keep hostile text from taking more than its share of time.
const (
	// MaxClauses is the longest sentence in phonemes that is spoken at once if it
	// can be cut where a clause ends.
	MaxClauses = 400
	// MaxPhonemes is the longest one at all: without clauses it is cut between words,
	// else anywhere.
	MaxPhonemes = 800
	// MaxSentence is the longest sentence in runes before it is read. Longer ones
	// are cut between words, else anywhere.
	MaxSentence = 2000
	// maxWord is the longest run of runes without a blank that is read as one.
	maxWord = 200
	// maxParts is into how many parts a word is taken before it is cut.
	maxParts = 48
)
