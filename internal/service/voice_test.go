package service

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
)

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
		{"piqd", "", "x", "piqd", "", false},
		{"English_expressive_narrator", "", "你好", "", "en", true},
		{"Chinese (Mandarin)_News_Anchor", "auto", "x", "", "cmn", true},
		{"female-shaonv", "", "你好", "+f3", "cmn", true},
		{"male-qn-qingse", "English", "你好", "", "en", true},
		{"Wise_Woman", "", "x", "", "en", true}, // who speaks English is a woman
		{"Wise_Woman", "German", "x", "+f3", "de", true},
		{"heart", "", "x", "heart", "", false},
		{"Heart", "auto", "你好", "Heart", "", false},
		{"Arabic_CalmWoman", "auto", "x", "+f3", "ar", true},
		{"moss_audio_ab12", "", "x", "", "en", true},
		{"", "Nynorsk", "x", "", "nb", false}, // espeak-ng has no other Norwegian
	} {
		voice, lang, notes, err := localVoice(SpeechRequest{Voice: tt.voice, Language: tt.language, Text: tt.text})
		if err != nil || voice != tt.wantVoice || lang != tt.wantLang || (len(notes) == 1) != tt.noted {
			t.Errorf("%+v: %q, %q, %q", tt, voice, lang, notes)
		}
	}
}

// TestUnknownVoices: what is neither espeak-ng's nor MiniMax's is refused, where
// another voice would speak.
func TestUnknownVoices(t *testing.T) {
	for _, id := range []string{"alloy", "no_such_voice", "Klingon_Wise_Woman", "English_", "_Lady", "wise_woman", "moss_audio_", "English", "female-shaonv-x"} {
		_, _, _, err := localVoice(SpeechRequest{Voice: id, Text: "good day"})
		if e := job.AsError(err); err == nil || e.Code != job.Invalid || e.Param != "voice_setting.voice_id" || !strings.Contains(e.Message, "/v1/get_voice") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestVoicesListed: each voice of the list is one that is taken.
func TestVoicesListed(t *testing.T) {
	local := []media.Voice{{ID: "heart", Speaker: media.ByKinora, Name: "Heart", Languages: []string{"en-us", "en"}}, {ID: "en-us", Speaker: media.ByEspeak, Name: "English (America)", Languages: []string{"en-us", "en"}, Gender: "male"}, {ID: "cmn-latn-pinyin", Languages: []string{"cmn"}}}
	found := map[string]string{}
	for _, v := range miniMaxVoices(local) {
		found[v.ID] = v.Name
		if _, _, _, err := localVoice(SpeechRequest{Voice: v.ID, Text: "x"}); err != nil || v.Name == "" && v.ID != "cmn-latn-pinyin" || len(v.About) != 1 {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if list := miniMaxVoices(local); list[0].ID != "heart" || list[0].About[0] != "kinora, en-us, en" || list[len(list)-1].ID != "cmn-latn-pinyin" {
		t.Errorf("the first is %+v", list[0])
	}
	if found["English_expressive_narrator"] != "English Expressive Narrator" || found["female-shaonv"] == "" || found["Chinese (Mandarin)_Gentleman"] == "" || found["en-us"] != "English (America)" {
		t.Errorf("listed %v", found)
	}
	if _, ok := found["Arabic_CalmWoman"]; ok {
		t.Error("there is no Arabic voice here, and one is listed")
	}
}
