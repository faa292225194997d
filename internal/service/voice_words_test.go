package service

import (
	"slices"
	"testing"
)

func TestSoundsFemale(t *testing.T) {
	for id, want := range map[string]bool{
		"female-shaonv": true, "female-yujie-jingpin": true, "presenter_female": true, "audiobook_female_1": true,
		"English_Graceful_Lady": true, "Wise_Woman": true, "Sweet_Girl_2": true, "Arabic_CalmWoman": true,
		"Chinese (Mandarin)_Kind-hearted_Antie": true, "Cantonese_ProfessionalHost（F)": true, "wumei_yujie": true,
		"Japanese_DecisivePrincess": true, "ENGLISH_LADY": true, "English_Whispering_girl": true,

		"male-qn-qingse": false, "presenter_male": false, "Deep_Voice_Man": false, "Cantonese_PlayfulMan": false,
		"Chinese (Mandarin)_Gentleman": false, "Cantonese_ProfessionalHost（M)": false, "Santa_Claus": false,
		"Young_Knight": false, "Friendly_Person": false, "English_Gentle-voiced_man": false, "Male_Lady_Fan": false,
		"moss_audio_ab12": false, "": false, "Shaonvish": false, "\xff\x00é": false,
	} {
		if got := soundsFemale(id); got != want {
			t.Errorf("%q sounds female: %v, want %v; its words are %q", id, got, want, voiceWords(id))
		}
	}
	if got, want := voiceWords("Chinese (Mandarin)_Kind-heartedÄrztin2x"), []string{"chinese", "mandarin", "kind", "hearted", "ärztin", "x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
