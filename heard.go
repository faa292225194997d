package kinora

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/soundtrack"
	"github.com/kinora-video/kinora/internal/text"
)

// Narration is speech over a video, which begins with its first frame. While it
// lasts, all other sound is lower.
type Narration struct {
	// Text is what is spoken; "" is the prompt, without camera commands. In it,
	// <#0.5#> is a pause of half a second.
	Text string
	// Voice is the id of a voice; "" is the usual one of the language.
	Voice string
	// Language is a BCP 47 tag; "" is told by the script of the text, where Latin
	// is English.
	Language string
	// Fit says whether the speech is fitted to the video, or the video to it.
	Fit NarrationFit
	// File, if not "", is a sound file with the narration, which is then not spoken.
	// Its speed is never changed.
	File string
	// SpokenBy, with File, says that a voice spoke Text into the file: Settings then
	// say that, and not the file's name.
	SpokenBy string
}

// NarrationFit says which of narration and video is fitted to the other.
type NarrationFit = soundtrack.Fit

// The ways of fitting. FitEither: if the request has Seconds, the narration is
// fitted to them, and otherwise the video is made longer where the narration is.
const (
	FitEither = soundtrack.FitEither
	FitSpeech = soundtrack.FitSpeech // the narration is spoken up to MaxNarrationSpeed times as fast
	FitVideo  = soundtrack.FitVideo  // the video is as long as the narration, and half a second more
)

// MaxNarrationSpeed bounds how many times as fast as usual a narration is spoken.
const MaxNarrationSpeed = soundtrack.MaxSpeed

// SoundFile is a track, such as music, for a video: cut to its length, or repeated.
type SoundFile struct {
	// Path is a sound file, or a video whose sound is taken: what ffmpeg reads of
	// the usual formats, at most 2 GiB.
	Path string
	// Start is where in the file the track begins, at most 24 hours.
	Start time.Duration
	// Volume is how loud it is: 0 means 1, which is as loud as a narration. At most
	// MaxSoundVolume.
	Volume float64
}

// MaxSoundVolume bounds SoundFile.Volume.
const MaxSoundVolume = soundtrack.MaxVolume

// OwnSound says what becomes of the sound that the model makes.
type OwnSound string

// What may become of the model's own sound. By default it is mixed with a
// narration, and a SoundFile replaces it.
const (
	OwnMix OwnSound = "mix"
	OwnOff OwnSound = "off"
)

// OwnSounds are the values of OwnSound that a request may have.
var OwnSounds = []OwnSound{OwnMix, OwnOff}

// heard is what a video sounds like beside, or instead of, its model's own sound.
type heard struct {
	narration *soundtrack.Narration // nil for none
	sound     *SoundFile            // nil for none
	own       bool                  // the model's own sound is mixed with them

	// What Settings say.
	spoken *NarrationSettings
	file   *SoundSettings
}

// Mixed says whether the request has a narration or a sound file.
func (r *Request) Mixed() bool { return r.Narration != nil || r.Sound != nil }

// ownOff says whether the model's own sound is left out.
func (r *Request) ownOff() bool {
	return r.OwnSound == OwnOff || r.OwnSound == "" && r.Sound != nil
}

// checkSound checks what is to be heard as far as no file is read and nothing is
// spoken.
func (r *Request) checkSound() error {
	if r.OwnSound != "" && !slices.Contains(OwnSounds, r.OwnSound) {
		return invalid("own sound", fmt.Sprintf("%.20q is not possible", r.OwnSound), "mix or off")
	}
	if s := r.Sound; s != nil {
		switch {
		case s.Path == "":
			return invalid("sound", "it names no file", "")
		case s.Start < 0 || s.Start > media.MaxSoundOffset:
			return invalid("sound", fmt.Sprintf("it cannot begin at %v", s.Start), fmt.Sprintf("0 to %v", media.MaxSoundOffset))
		case !(s.Volume >= 0 && s.Volume <= MaxSoundVolume):
			return invalid("sound", fmt.Sprintf("a volume of %v is out of range", s.Volume), fmt.Sprintf("more than 0, at most %v", float64(MaxSoundVolume)))
		}
	}
	n := r.Narration
	if n == nil {
		return nil
	}
	switch {
	case n.File == "" && strings.TrimSpace(r.words()) == "":
		return invalid("narration", "there is nothing to speak", "give a text")
	case len(r.words()) > media.MaxSpeechText:
		return invalid("narration", fmt.Sprintf("it has %d bytes", len(r.words())), fmt.Sprintf("the limit is %d", media.MaxSpeechText))
	case !utf8.ValidString(n.Text):
		return invalid("narration", "it is not valid UTF-8", "")
	case n.Fit != FitEither && !slices.Contains(soundtrack.Fits, n.Fit):
		return invalid("narration", fmt.Sprintf("a fit %.20q is not possible", n.Fit), "speech or video")
	case n.Fit == FitVideo && r.Seconds != 0:
		return invalid("seconds", "the video is as long as its narration", "leave the seconds out, or fit the narration to the video")
	}
	return nil
}

// command is a camera command in a prompt.
var command = regexp.MustCompile(`\[[^\[\]]*\]`)

// words are what the narration says.
func (r *Request) words() string {
	if r.Narration.Text != "" {
		return text.Unmarked(r.Narration.Text)
	}
	return SpokenPrompt(r.Prompt)
}

// SpokenPrompt is a prompt as a narration speaks it: without camera commands.
func SpokenPrompt(prompt string) string {
	return strings.Join(strings.Fields(command.ReplaceAllString(prompt, " ")), " ")
}

// speak speaks narrations; tests replace it.
var speak soundtrack.Speak = voiced

// hear readies what is heard in the video of a plan: it speaks the narration and
// reads the sound file once, so that what is wrong with them is found before
// anything is sampled. length is what is known of the video's length. It returns
// nil if the model's own sound is all.
func (r *Request) hear(ctx context.Context, length soundtrack.Length) (*heard, float64, error) {
	seconds := length.Asked
	if seconds == 0 {
		seconds = length.Usual
	}
	if !r.Mixed() {
		return nil, seconds, nil
	}
	h := &heard{own: !r.ownOff()}
	if r.Narration != nil {
		if err := h.narrate(ctx, r, length); err != nil {
			return nil, 0, err
		}
		seconds = h.narration.VideoSeconds
	}
	if err := soundRoom(seconds); err != nil {
		return nil, 0, err
	}
	if r.Sound != nil {
		if err := h.try(ctx, *r.Sound, seconds); err != nil {
			return nil, 0, err
		}
	}
	return h, seconds, nil
}

// soundRoom checks that there is room for the temporary files of a mix: a track,
// the model's own sound, and the sum.
func soundRoom(seconds float64) error {
	const files, bytes = 3, 2 * soundtrack.Channels * soundtrack.Rate
	return wrap(Storage, "mix sound in", os.TempDir(), roomFor(os.TempDir(), int64(math.Ceil(seconds))*files*bytes), "free some, or name another folder with TMPDIR")
}

// narrate speaks the narration, or reads its file.
func (h *heard) narrate(ctx context.Context, r *Request, length soundtrack.Length) error {
	n := r.Narration
	w := soundtrack.Words{Text: r.words(), Voice: n.Voice, Language: n.Language, Fit: n.Fit}
	if w.Language == "" && w.Voice == "" {
		w.Language = text.Language(w.Text)
	}
	say := speak
	if n.File != "" {
		say = recorded(n.File, length.Most)
	}
	var err error
	if h.narration, err = soundtrack.Narrate(ctx, say, w, length); err != nil {
		return narrationError(ctx, n, err)
	}
	h.spoken = &NarrationSettings{Text: n.Text, Voice: n.Voice, Language: n.Language, Fit: n.Fit, SpokenBy: h.narration.Voice}
	switch {
	case n.SpokenBy != "":
		h.spoken.SpokenBy = n.SpokenBy
	case n.File != "":
		h.spoken.File = filepath.Base(n.File)
	}
	return nil
}

// narrationError says what is wrong with a narration.
func narrationError(ctx context.Context, n *Narration, err error) error {
	const what = "narration"
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var long *soundtrack.TooLong
	var bad *media.BadSpeech
	switch {
	case errors.Is(err, errRecorded):
		return invalid(what, "the file is longer than the video", "leave the seconds out, and the video is as long as the narration")
	case errors.As(err, &long) && long.Limit:
		return invalid(what, long.Error(), "make it shorter")
	case errors.As(err, &long):
		return invalid(what, long.Error(), "make it shorter, or leave the seconds out: the video is then as long as the narration")
	case errors.As(err, &bad):
		return invalid(what, "the "+bad.Field+": "+bad.Why, bad.Hint)
	case errors.Is(err, media.ErrNoSpeech), errors.Is(err, media.ErrNoFFmpeg):
		return wrap(Unsupported, "speak", "the narration", media.Plain(err), "")
	case n.File != "":
		return soundFileError(ctx, what, n.File, err)
	}
	return wrap(Internal, "speak", "the narration", err, "")
}

// errRecorded is the error for speech in a file that would have to be faster.
var errRecorded = errors.New("a recorded narration cannot be spoken faster")

// recorded gives the sound of a file as if it were spoken.
func recorded(path string, most float64) soundtrack.Speak {
	return func(ctx context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error) {
		if o.Speed != 1 {
			return media.SpeechInfo{}, errRecorded
		}
		var b []byte
		part := media.SoundPart{Length: time.Duration((most + 2) * float64(time.Second))}
		_, err := media.ReadSound(ctx, path, part, func(s []float32) error {
			b = b[:0]
			for i := 0; i+1 < len(s); i += 2 {
				b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(float64(s[i]+s[i+1])/2*math.MaxInt16))))
			}
			_, err := w.Write(b)
			return err
		})
		return media.SpeechInfo{}, err
	}
}

// try reads what the video needs of a sound file once.
func (h *heard) try(ctx context.Context, s SoundFile, seconds float64) error {
	if s.Volume == 0 {
		s.Volume = 1
	}
	if _, err := media.ProbeSound(ctx, s.Path); err != nil {
		return soundFileError(ctx, "sound", s.Path, err)
	}
	frames, err := media.ReadSound(ctx, s.Path, s.part(seconds), func([]float32) error { return nil })
	if err != nil {
		return soundFileError(ctx, "sound", s.Path, err)
	}
	if got := float64(frames) / soundtrack.Rate; got < leastTrack && got < seconds {
		return invalid("sound", fmt.Sprintf("there are %.3f s of it", got), fmt.Sprintf("what is repeated has to last %v s at least", leastTrack))
	}
	h.sound = &s
	h.file = &SoundSettings{File: filepath.Base(s.Path), Volume: s.Volume, Start: s.Start.Seconds()}
	if h.file.Digest, err = digestFile(ctx, s.Path); err != nil {
		return soundFileError(ctx, "sound", s.Path, err)
	}
	return nil
}

// leastTrack is how many seconds a track must have to be repeated.
const leastTrack = 0.1

// part is what a video needs of the file.
func (s *SoundFile) part(seconds float64) media.SoundPart {
	return media.SoundPart{Start: s.Start, Length: time.Duration(math.Ceil(seconds*1000)) * time.Millisecond}
}

// soundFileError says what is wrong with a sound file.
func soundFileError(ctx context.Context, what, path string, err error) error {
	var bad *media.BadSound
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &bad):
		return &Error{Kind: Invalid, Op: "read the " + what, What: path, Err: errors.New(bad.Why), Hint: bad.Hint}
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Kind: NotFound, Op: "read the " + what, What: path, Err: errors.New("there is no such file")}
	case errors.Is(err, media.ErrNoFFmpeg):
		return wrap(Unsupported, "read the "+what, path, media.Plain(err), "")
	}
	return wrap(Storage, "read the "+what, path, err, "")
}

// speech is the narration as a piece of sound; nil for none.
func (h *heard) speech() *soundtrack.Piece {
	if h.narration == nil {
		return nil
	}
	return h.narration.Piece()
}

// SoundNotes say in words what was done to fit the sound and the video to each other,
// where that may surprise.
func (c *Clip) SoundNotes() (notes []string) {
	if c.heard == nil {
		return nil
	}
	if n := c.heard.narration; n != nil {
		notes = n.Notes()
	}
	if c.own != nil && !c.heard.own {
		notes = append(notes, fmt.Sprintf("the sound that %s makes is left out", c.Model))
	}
	return notes
}
