package minimax

import (
	"net/http"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// voicesAnswer is the answer to POST /v1/get_voice.
type voicesAnswer struct {
	service.Voices
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
func (a *V1) voices(w http.ResponseWriter, r *http.Request, _ auth.Principal) {
	a.answer(w, r, func() (any, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		v, err := voicesForm.read(body)
		if err != nil {
			return nil, err
		}
		all, err := a.service.Voices(r.Context(), web.RequestID(r.Context()))
		if err != nil {
			return nil, err
		}
		out := voicesAnswer{service.Voices{System: []service.SpeechVoice{}, Cloned: []service.SpeechVoice{}, Generated: []service.SpeechVoice{}}, success}
		for _, list := range []struct {
			kind string
			from []service.SpeechVoice
			to   *[]service.SpeechVoice
		}{{voicesSystem, all.System, &out.System}, {voicesCloned, all.Cloned, &out.Cloned}, {voicesGenerated, all.Generated, &out.Generated}} {
			if kind := v.text("voice_type"); (kind == voicesAll || kind == list.kind) && len(list.from) > 0 {
				*list.to = list.from
			}
		}
		return out, nil
	})
}
