package service

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/text"
)

// speechLanguages are MiniMax's names of languages, in lower case, as tags of
// BCP 47.
var speechLanguages = map[string]string{
	"chinese": "cmn", "chinese,yue": "yue", "cantonese": "yue", "english": "en", "arabic": "ar", "russian": "ru", "spanish": "es",
	"french": "fr", "portuguese": "pt", "german": "de", "turkish": "tr", "dutch": "nl", "ukrainian": "uk", "vietnamese": "vi",
	"indonesian": "id", "japanese": "ja", "italian": "it", "korean": "ko", "thai": "th", "polish": "pl", "romanian": "ro",
	"greek": "el", "czech": "cs", "finnish": "fi", "hindi": "hi", "bulgarian": "bg", "danish": "da", "hebrew": "he",
	"malay": "ms", "persian": "fa", "slovak": "sk", "swedish": "sv", "croatian": "hr", "hungarian": "hu", "norwegian": "nb",
	"slovenian": "sl", "catalan": "ca", "nynorsk": "nb", "tamil": "ta", "afrikaans": "af",
}

// espeakVoice is what an id of espeak-ng's voices looks like: a tag of a
// language, and perhaps a variant.
var espeakVoice = regexp.MustCompile(`^[a-zA-Z]{2,4}(-[a-zA-Z0-9-]+)?(\+[a-zA-Z0-9_-]+)?$`)

// A high voice for the ids that say so.
const highVoice = "+f3"

// localVoice is the voice for a request in MiniMax's words, whose voices are not
// here: the usual one of the language that is asked for, that the voice's name begins
// with, or whose script the text is in. A voice that is neither of this server nor
// MiniMax's is job.Invalid.
func localVoice(r SpeechRequest) (voice, language string, notes []string, err error) {
	language = r.Language
	if tag, ok := speechLanguages[strings.ToLower(language)]; ok {
		language = tag
	} else if strings.EqualFold(language, "auto") {
		language = ""
	}
	if named := isMiniMaxVoice(r.Voice); !named && (espeakVoice.MatchString(r.Voice) || strings.EqualFold(r.Voice, kinora.HeartVoice)) {
		return r.Voice, language, nil, nil
	} else if !named && r.Voice != "" {
		return "", "", nil, noVoice(r.Voice)
	}
	if language == "" {
		if language = languageOfVoice(r.Voice); language == "" {
			language = text.Language(r.Text)
		}
	}
	if r.Voice == "" {
		return "", language, nil, nil
	}
	if soundsFemale(r.Voice) && language != "en" { // espeak-ng's own are male
		voice = highVoice
	}
	return voice, language, []string{fmt.Sprintf("voice_setting.voice_id %q is not on this server: the voice is the usual one for %s", Shorten(r.Voice, maxNotedWords), language)}, nil
}

// noVoice refuses a voice that is not known.
func noVoice(id string) error {
	const param = "voice_setting.voice_id"
	return job.Errorf(job.Invalid, param, "%s: there is no voice %q: POST /v1/get_voice lists those that there are", param, Shorten(id, maxNotedWords))
}

// miniMaxVoices are the voices of this server, that inside the program first; after
// it come the names of MiniMax's that they stand in for: those of the languages that
// there are voices of.
func miniMaxVoices(local []media.Voice) []SpeechVoice {
	has := func(tag string) bool {
		return slices.ContainsFunc(local, func(v media.Voice) bool {
			return slices.ContainsFunc(v.Languages, func(l string) bool {
				return strings.EqualFold(l, tag) || strings.HasPrefix(strings.ToLower(l), tag+"-")
			})
		})
	}
	var out []SpeechVoice
	list := func(v media.Voice) {
		about := v.Speaker + ", " + strings.Join(v.Languages, ", ")
		if v.Gender != "" {
			about += ", " + v.Gender
		}
		out = append(out, SpeechVoice{ID: v.ID, Name: v.Name, About: []string{about}})
	}
	for _, v := range local {
		if v.Speaker == media.ByKinora {
			list(v)
		}
	}
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
		if v.Speaker != media.ByKinora {
			list(v)
		}
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
