package kinora

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/media"
)

// SoundFormat is a kind of sound, named as its usual extension.
type SoundFormat string

const (
	WAV  SoundFormat = "wav"  // 16-bit samples with a header, for which ffmpeg is not needed
	PCM  SoundFormat = "pcm"  // the same without a header, little-endian
	MP3  SoundFormat = "mp3"  // made by ffmpeg
	FLAC SoundFormat = "flac" // made by ffmpeg
)

// Limits of a SpeechRequest.
const (
	MaxSpeechBytes     = media.MaxSpeechText // of text, about two hours
	MinSpeed, MaxSpeed = media.MinSpeed, media.MaxSpeed
	MaxPitch           = media.MaxPitch // semitones up or down
	MaxVolume          = media.MaxVolume
	MinPause, MaxPause = media.MinPause, media.MaxPause // that one may last
	MaxPauses          = media.MaxPauses                // in a text
	MaxPauseTime       = media.MaxPauseTime             // that all of them last
)

// SpeechRequest says what to speak. The zero value of every field but Text is a
// sensible default.
type SpeechRequest struct {
	// Text is spoken as it is written. Nothing in it is a command but pauses in
	// seconds, as MiniMax's API writes them: in "wait<#0.5#>now" there is half a
	// second of silence, whatever the speed. A pause lasts 0.01 to 99.99
	// seconds; MaxPauses and MaxPauseTime bound all of them.
	Text string
	// Voice is the ID of one of Voices, in any case. It may name one of
	// espeak-ng's variants after a +, such as en-us+f3. "" means the first voice
	// that speaks Language.
	Voice string
	// Language is a BCP 47 tag, such as en, zh or pt-BR. "" means English.
	Language string
	// Speed is how many times as fast the voice speaks, about: 0.5 to 2; 0 means 1.
	Speed float64
	// Pitch raises or lowers the voice by semitones, about: -12 to 12.
	Pitch float64
	// Volume is how many times as loud it is: more than 0, at most 10; 0 means 1.
	// Above 1 it grows only as far as no sample is clipped.
	Volume float64
	// Format of the sound: "" means WAV.
	Format SoundFormat
	// SampleRate is 8000, 16000, 22050, 24000, 32000, 44100 or 48000 samples a
	// second; 0 means 22050.
	SampleRate int
	// Bitrate of an MP3 in bits a second, 32000 to 320000; 0 means 128000. Low
	// sample rates do not reach the high ones.
	Bitrate int
	// Channels is 1, or 2 that are the same; 0 means 1.
	Channels int
}

// Speech is what was spoken.
type Speech struct {
	Voice      string // the ID of the voice that spoke
	Format     SoundFormat
	SampleRate int
	Channels   int
	Duration   time.Duration
	Bytes      int64 // written
}

// Speak speaks a text into w, through espeak-ng on this machine: w is written
// once all is spoken. The same request gives the same sound.
//
// Errors: an *Error of kind Invalid names the field; Unsupported says what to
// install; Storage, that the sound could not be made or written. A cancelled
// context gives its own error.
func Speak(ctx context.Context, w io.Writer, r SpeechRequest) (Speech, error) {
	if err := ctx.Err(); err != nil {
		return Speech{}, err
	}
	if r.Format == "" {
		r.Format = WAV
	}
	i, err := media.Speak(ctx, w, media.SpeechOptions{
		Text: r.Text, Voice: r.Voice, Language: r.Language, Speed: r.Speed, Pitch: r.Pitch, Volume: r.Volume,
		Format: string(r.Format), Rate: r.SampleRate, Bitrate: r.Bitrate, Channels: r.Channels,
	})
	if err != nil {
		return Speech{}, unspoken("speak", err)
	}
	return Speech{
		Voice: i.Voice, Format: r.Format, SampleRate: i.Rate, Channels: i.Channels, Duration: i.Duration, Bytes: i.Bytes,
	}, nil
}

// Voice is one that Speak speaks with.
type Voice struct {
	ID        string
	Name      string   // as people say
	Languages []string // BCP 47 tags, the one it speaks best first
	Gender    string   // male, female, or "" where unknown
}

// Voices lists the voices of this machine's espeak-ng by their IDs. Without
// espeak-ng it returns an *Error of kind Unsupported that says what to install.
func Voices(ctx context.Context) ([]Voice, error) {
	found, err := media.ListVoices(ctx)
	if err != nil {
		return nil, unspoken("list voices", err)
	}
	voices := make([]Voice, len(found))
	for i, v := range found {
		voices[i] = Voice{ID: v.ID, Name: v.Name, Languages: v.Languages, Gender: v.Gender}
	}
	return voices, nil
}

// unspoken says why nothing was spoken.
func unspoken(op string, err error) error {
	if bad, ok := errors.AsType[*media.BadSpeech](err); ok {
		return &Error{Kind: Invalid, Op: op, What: bad.Field, Err: errors.New(bad.Why), Hint: bad.Hint}
	}
	kind := Storage
	if errors.Is(err, media.ErrNoSpeech) || errors.Is(err, media.ErrNoFFmpeg) {
		kind = Unsupported
	}
	return wrap(kind, op, "", plainly(err), "")
}
