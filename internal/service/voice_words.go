package service

import (
	"strings"
	"unicode"
)

// femaleWords and maleWords are what the ids of MiniMax's voices call a speaker,
// in English and in Pinyin.
var (
	femaleWords = wordSet(`female woman women lady girl miss maiden princess queen mother mom aunt auntie antie sister
		bestie abbess grandma wife f shaonv yujie tianmei mengmei xuemei xuejie meimei jiejie xiaoling`)
	maleWords = wordSet(`male man men boy guy gentleman bloke knight king prince butler father dad uncle brother
		grandpa husband santa m qn didi nanyou xuedi xiongzhang shaoye gege`)
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

// soundsFemale says whether a voice's id is that of a woman's voice by the first
// of its words that tells: English_Graceful_Lady, female-shaonv, Arabic_CalmWoman.
func soundsFemale(id string) bool {
	for _, w := range voiceWords(id) {
		if femaleWords[w] {
			return true
		}
		if maleWords[w] {
			return false
		}
	}
	return false
}

// voiceWords are the words of an id in lower case: what is between marks and
// digits, and begins with a capital after small letters.
func voiceWords(id string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	small := false
	for _, c := range id {
		if !unicode.IsLetter(c) || small && unicode.IsUpper(c) {
			end()
		}
		if small = unicode.IsLower(c); unicode.IsLetter(c) {
			word = append(word, c)
		}
	}
	end()
	return words
}
