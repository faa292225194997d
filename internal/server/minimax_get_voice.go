package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
)

// voicesAnswer is the answer to POST /v1/get_voice.
type voicesAnswer struct {
	Voices
	Base baseResp `json:"base_resp"`
}

// Kinds of voices that a request may ask for.
const (
	voicesAll       = "all"
	voicesSystem    = "system"
	voicesCloned    = "voice_cloning"
	voicesGenerated = "voice_generation"
)

// voices lists the voices that POST /v1/t2a_v2 takes.
func (a *minimaxV1) voices(w http.ResponseWriter, r *http.Request, _ auth.Principal) {
	a.answer(w, r, func() (any, error) {
		body, err := mmBody(r)
		if err != nil {
			return nil, err
		}
		v, err := voicesForm.read(body)
		if err != nil {
			return nil, err
		}
		all, err := a.b.Voices(r.Context())
		if err != nil {
			return nil, err
		}
		out := voicesAnswer{Voices{[]SpeechVoice{}, []SpeechVoice{}, []SpeechVoice{}}, mmOK}
		for _, list := range []struct {
			kind string
			from []SpeechVoice
			to   *[]SpeechVoice
		}{{voicesSystem, all.System, &out.System}, {voicesCloned, all.Cloned, &out.Cloned}, {voicesGenerated, all.Generated, &out.Generated}} {
			if kind := v.text("voice_type"); (kind == voicesAll || kind == list.kind) && len(list.from) > 0 {
				*list.to = list.from
			}
		}
		return out, nil
	})
}

// miniMaxVoices are espeak-ng's voices, and before them the names of MiniMax's
// that they stand in for: those of the languages that espeak-ng has here.
func miniMaxVoices(local []kinora.Voice) []SpeechVoice {
	has := func(tag string) bool {
		return slices.ContainsFunc(local, func(v kinora.Voice) bool {
			return slices.ContainsFunc(v.Languages, func(l string) bool {
				return strings.EqualFold(l, tag) || strings.HasPrefix(strings.ToLower(l), tag+"-")
			})
		})
	}
	var out []SpeechVoice
	add := func(id, tag string) {
		if has(tag) {
			out = append(out, SpeechVoice{ID: id, Name: voiceTitle(id), About: []string{"spoken here by the usual voice for " + tag}})
		}
	}
	for _, language := range []string{"Chinese", "English"} { // no map decides an order
		for _, id := range plainVoices[language] {
			add(id, speechLanguages[strings.ToLower(language)])
		}
	}
	for _, id := range languageVoices {
		if id = strings.TrimSpace(id); id != "" {
			add(id, languageOfVoice(id))
		}
	}
	for _, v := range local {
		about := "espeak-ng, " + strings.Join(v.Languages, ", ")
		if v.Gender != "" {
			about += ", " + v.Gender
		}
		out = append(out, SpeechVoice{ID: v.ID, Name: v.Name, About: []string{about}})
	}
	return out
}

// voiceTitle is the words of an id, as a name for people.
func voiceTitle(id string) string {
	words := voiceWords(id)
	for i, w := range words {
		words[i] = fmt.Sprintf("%s%s", strings.ToUpper(w[:1]), w[1:])
	}
	return strings.Join(words, " ")
}
