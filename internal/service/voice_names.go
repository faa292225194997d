package service

import (
	"strings"
)

// plainVoices are the ids of MiniMax's voices that do not begin with a language,
// by the language that they are meant for.
var plainVoices = map[string][]string{
	"Chinese": strings.Fields(`male-qn-qingse male-qn-jingying male-qn-badao male-qn-daxuesheng
		female-shaonv female-yujie female-chengshu female-tianmei
		male-qn-qingse-jingpin male-qn-jingying-jingpin male-qn-badao-jingpin male-qn-daxuesheng-jingpin
		female-shaonv-jingpin female-yujie-jingpin female-chengshu-jingpin female-tianmei-jingpin
		presenter_male presenter_female audiobook_male_1 audiobook_male_2 audiobook_female_1 audiobook_female_2
		clever_boy cute_boy lovely_girl cartoon_pig bingjiao_didi junlang_nanyou chunzhen_xuedi lengdan_xiongzhang
		badao_shaoye tianxin_xiaoling qiaopi_mengmei wumei_yujie diadia_xuemei danya_xuejie Arrogant_Miss Robot_Armor`),
	"English": strings.Fields(`Wise_Woman Friendly_Person Inspirational_girl Deep_Voice_Man Calm_Woman Casual_Guy
		Lively_Girl Patient_Man Young_Knight Determined_Man Lovely_Girl Decent_Boy Imposing_Manner Elegant_Man
		Abbess Sweet_Girl_2 Exuberant_Girl Santa_Claus Grinch Rudolph Arnold Charming_Santa Charming_Lady
		Sweet_Girl Cute_Elf Attractive_Girl Serene_Woman`),
}

// languageVoices are ids that begin with a language: those that clients begin
// with, and for each language one that the list of voices shows. Any other name
// behind a language is taken too, as MiniMax has hundreds and adds to them.
var languageVoices = strings.FieldsFunc(`Chinese (Mandarin)_News_Anchor, Chinese (Mandarin)_Gentleman,
	Cantonese_GentleLady, Cantonese_PlayfulMan, English_expressive_narrator, English_Graceful_Lady, English_Trustworthy_Man,
	Arabic_CalmWoman, Arabic_FriendlyGuy, Russian_AmbitiousWoman, Russian_ReliableMan, Spanish_SereneWoman, Spanish_Narrator,
	French_FemaleAnchor, French_MaleNarrator, Portuguese_CharmingQueen, Portuguese_ReliableMan, German_SweetLady, German_FriendlyMan,
	Turkish_CalmWoman, Turkish_Trustworthyman, Dutch_kindhearted_girl, Dutch_bossy_leader, Ukrainian_CalmWoman, Ukrainian_WiseScholar,
	Vietnamese_kindhearted_girl, Indonesian_CalmWoman, Indonesian_CaringMan, Japanese_KindLady, Japanese_LoyalKnight,
	Italian_BraveHeroine, Italian_Narrator, Korean_CalmLady, Korean_BraveYouth, Thai_female_1_sample1, Thai_male_1_sample8,
	Polish_female_1_sample1, Polish_male_1_sample4, Romanian_female_1_sample4, Romanian_male_1_sample2,
	Greek_female_1_sample1, greek_male_1a_v1, czech_female_2_v2, czech_male_1_v1, finnish_female_4_v1, finnish_male_1_v2,
	hindi_female_1_v2, hindi_male_1_v2`, func(r rune) bool { return r == ',' || r == '\n' })

// madeVoices begins the ids of voices that MiniMax's models made.
const madeVoices = "moss_audio_"

// isMiniMaxVoice says whether an id is that of a voice of MiniMax's: one of its
// plain ones, a name behind a language, or one that was made.
func isMiniMaxVoice(id string) bool {
	for _, list := range plainVoices {
		for _, plain := range list {
			if plain == id {
				return true
			}
		}
	}
	return languageOfVoice(id) != "" || strings.HasPrefix(id, madeVoices) && id != madeVoices
}

// languageOfVoice is the tag of the language that an id begins with, as in
// "Chinese (Mandarin)_News_Anchor"; "" for none.
func languageOfVoice(id string) string {
	before, name, ok := strings.Cut(id, "_")
	if !ok || strings.TrimSpace(name) == "" {
		return ""
	}
	before, _, _ = strings.Cut(before, " (")
	return speechLanguages[strings.ToLower(before)]
}
