package kinora

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/voice"
	"github.com/kinora-video/kinora/internal/model/voice/english"
	"github.com/kinora-video/kinora/internal/text"
)

// Speech says how a text is to be spoken: the text, the voice or its language,
// speed, pitch, volume and format. A zero field means its default.
type Speech = media.SpeechOptions

// Spoken describes speech that was made.
type Spoken = media.SpeechInfo

// Voice is one that Speak can speak with.
type Voice = media.Voice

// HeartVoice is the id of the voice inside the program: American English, female.
const HeartVoice = "heart"

var heart = Voice{ID: HeartVoice, Speaker: media.ByKinora, Name: "Heart", Languages: []string{"en-us", "en"}, Gender: "female"}

// Speak speaks a text and writes the sound to w. English is spoken by the voice
// inside the program, Heart, unless another one is named; everything else by
// espeak-ng. With s.Live w gets each sentence as soon as Heart has spoken it.
//
// Errors: an *Error of kind Invalid for a field that cannot be, with a
// *media.BadSpeech as its cause, or Unsupported where espeak-ng or ffmpeg is missing.
func Speak(ctx context.Context, w io.Writer, s Speech) (Spoken, error) {
	out, err := voiced(ctx, w, s)
	_, bad := errors.AsType[*media.BadSpeech](err)
	switch {
	case bad:
		err = wrap(Invalid, "speak", "", media.Plain(err), "")
	case errors.Is(err, media.ErrNoSpeech):
		err = wrap(Unsupported, "speak", "", media.Plain(err), "the voice inside the program, "+HeartVoice+", speaks English")
	case errors.Is(err, media.ErrNoFFmpeg):
		err = wrap(Unsupported, "speak", "", media.Plain(err), "WAV needs nothing")
	default:
		err = wrap(Internal, "speak", "", err, "")
	}
	return out, err
}

// voiced is Speak with the errors of whoever speaks.
func voiced(ctx context.Context, w io.Writer, s Speech) (Spoken, error) {
	if s.Voice == "" && s.Language == "" {
		s.Language = text.Language(s.Text)
	}
	if !isHeart(s) {
		return media.Speak(ctx, w, s)
	}
	go func() { _, _ = voice.Open() }() // while the text is read; Say gets its error
	r, err := english.Open()
	if err != nil {
		return Spoken{}, err
	}
	return media.SpeakBy(ctx, w, s, &narrator{reader: r, settings: voice.Settings{Speed: s.Speed, Pitch: s.Pitch}})
}

// isHeart says whether the voice inside the program is the one for a speech: it is
// named, or no voice is and the language is its own.
func isHeart(s Speech) bool {
	if s.Voice != "" {
		return strings.EqualFold(s.Voice, HeartVoice)
	}
	for _, tag := range heart.Languages {
		if strings.EqualFold(strings.ReplaceAll(s.Language, "_", "-"), tag) {
			return true
		}
	}
	return false
}

// Voices are those that Speak can speak with, the one inside the program first.
// Without espeak-ng it is the only one.
func Voices(ctx context.Context) ([]Voice, error) {
	list, err := media.ListVoices(ctx)
	if err != nil && !errors.Is(err, media.ErrNoSpeech) {
		return nil, wrap(Internal, "list voices", "", media.Plain(err), "")
	}
	return append([]Voice{heart}, list...), nil
}

// Phonemes are the sentences of an English text as Heart speaks them, in misaki's
// alphabet: the letters of the international phonetic alphabet, with A, I, O, W and Y
// for the diphthongs of day, eye, go, now and boy.
func Phonemes(text string) ([]string, error) {
	r, err := english.Open()
	if err != nil {
		return nil, wrap(Internal, "read", "", err, "")
	}
	var out []string
	for s := range r.Read(text) {
		out = append(out, s.Phonemes)
	}
	return out, nil
}

// narrator is Heart, as media knows it.
type narrator struct {
	reader   *english.Reader
	settings voice.Settings
}

func (n *narrator) Name() string { return HeartVoice }
func (n *narrator) By() string   { return media.ByKinora }
func (n *narrator) Rate() int    { return voice.SampleRate }

// Say implements media.Speaker.
func (n *narrator) Say(ctx context.Context, text string, yield func(media.Said) error) error {
	for s := range n.reader.Read(text) {
		v, err := voice.Open()
		if err != nil {
			return err
		}
		x, err := v.Speak(ctx, s.Phonemes, n.settings)
		if err != nil {
			return err
		}
		n.settings.Part++ // the noise of no two sentences is the same
		said := media.Said{Samples: x}
		if s.Part == 0 {
			said.Text = len(s.Text)
		}
		if err := yield(said); err != nil {
			return err
		}
	}
	return nil
}
