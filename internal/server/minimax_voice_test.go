package server

import "testing"

func TestLocalVoice(t *testing.T) {
	for _, tt := range []struct {
		voice, language, text string
		wantVoice, wantLang   string
		noted                 bool
	}{
		{"", "", "good day", "", "en", false},
		{"", "auto", "你好", "", "cmn", false},
		{"", "auto", "日本へ", "", "ja", false},
		{"", "", "안녕", "", "ko", false},
		{"", "", "مرحبا", "", "ar", false},
		{"", "", "привет", "", "ru", false},
		{"", "Chinese,Yue", "x", "", "yue", false},
		{"", "Arabic", "x", "", "ar", false},
		{"", "pt-BR", "x", "", "pt-BR", false},
		{"en-us+f3", "", "x", "en-us+f3", "", false},
		{"cmn", "Chinese", "x", "cmn", "cmn", false},
		{"English_expressive_narrator", "", "你好", "", "en", true},
		{"Chinese (Mandarin)_News_Anchor", "auto", "x", "", "cmn", true},
		{"female-shaonv", "", "你好", "+f3", "cmn", true},
		{"male-qn-qingse", "English", "你好", "", "en", true},
		{"Wise_Woman", "", "x", "+f3", "en", true},
		{"Arabic_CalmWoman", "auto", "x", "+f3", "ar", true},
		{"moss_audio_ab12", "", "x", "", "en", true},
		{"", "Nynorsk", "x", "", "nb", false}, // espeak-ng has no other Norwegian
	} {
		voice, lang, notes := localVoice(Speech{Voice: tt.voice, Language: tt.language, Text: tt.text})
		if voice != tt.wantVoice || lang != tt.wantLang || (len(notes) == 1) != tt.noted {
			t.Errorf("%+v: %q, %q, %q", tt, voice, lang, notes)
		}
	}
}
