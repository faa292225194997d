package text

import "testing"

func TestLanguage(t *testing.T) {
	for words, want := range map[string]string{
		"": "en", "a red ball": "en", "un éléphant": "en", "一只红球": "cmn", "赤いボールが跳ねる": "ja", "빨간 공": "ko",
		"كرة حمراء": "ar", "красный мяч": "ru", "a 红 ball": "cmn",
	} {
		if got := Language(words); got != want {
			t.Errorf("%q is %q, want %q", words, got, want)
		}
	}
}
