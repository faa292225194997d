package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrNoSpeech is the cause of errors when espeak-ng is missing.
var ErrNoSpeech = errors.New("espeak-ng is not installed (apt-get install espeak-ng, brew install espeak-ng, or name it in KINORA_ESPEAK)")

// Espeak returns where espeak-ng is: KINORA_ESPEAK, or the PATH. The error is
// ErrNoSpeech.
func Espeak() (string, error) { return findTool("espeak-ng", "KINORA_ESPEAK", ErrNoSpeech) }

// Limits on speech.
const (
	// MaxSpeechText is the longest text in bytes, about two hours of speech.
	MaxSpeechText = 128 << 10
	// MaxPitch is how far a voice is raised or lowered, in semitones.
	MaxPitch = 12
	// MinSpeed and MaxSpeed bound how many times as fast a voice speaks.
	MinSpeed, MaxSpeed = 0.5, 2
	// MaxVolume bounds how many times as loud a voice speaks.
	MaxVolume = 10

	speechTime  = 5 * time.Minute // for each tool
	speechBytes = 1 << 30         // that espeak-ng may write
)

// SpeechRates are the sample rates of speech files.
var SpeechRates = []int{8000, 16000, 22050, 24000, 32000, 44100, 48000}

// SpeechFormats are the names of the formats: the last two need ffmpeg. PCM is
// 16-bit, little-endian, without a header.
var SpeechFormats = []string{"wav", "pcm", "mp3", "flac"}

// SpeechOptions says how a text is to be spoken. A zero field means its default.
type SpeechOptions struct {
	// Text is the text. In it, <#0.5#> is a pause of half a second.
	Text string
	// Voice is the id of one of ListVoices, in upper or lower case. A variant may
	// follow after a +: en-us+f3. "" means the first voice that speaks Language.
	Voice string
	// Language is a BCP 47 tag; "" is English.
	Language string
	Speed    float64 // 1
	Pitch    float64 // semitones up or down
	Volume   float64 // 1; louder only as far as nothing is clipped
	Format   string  // wav
	Rate     int     // of SpeechRates: the voice's own, 22050 of espeak-ng
	Bitrate  int     // of an mp3, 32000 to 320000 bits a second: 128000
	Channels int     // 1, or 2 of the same
	// Live has the sound written as soon as each sentence is spoken, by voices that
	// can: a WAV's header then has no length.
	Live bool
	// Progress, if not nil, hears how many bytes of the text are spoken, of how many.
	Progress func(done, of int)
}

// SpeechInfo describes the speech that was made.
type SpeechInfo struct {
	Voice    string // its id
	Speaker  string // ByKinora or ByEspeak
	Rate     int
	Channels int
	Duration time.Duration
	Bytes    int64
}

// BadSpeech is an error about a field of SpeechOptions.
type BadSpeech struct{ Field, Why, Hint string }

// Error says which field, why, and what to do.
func (e *BadSpeech) Error() string {
	return fmt.Sprintf("media: the %s of a speech: %s (%s)", e.Field, e.Why, e.Hint)
}

// check fills in the defaults and refuses what cannot be spoken.
func (o *SpeechOptions) check() error {
	o.Speed, o.Volume = orOne(o.Speed), orOne(o.Volume)
	if o.Format == "" {
		o.Format = "wav"
	}
	if o.Rate == 0 {
		o.Rate = 22050
	}
	if o.Bitrate == 0 {
		o.Bitrate = 128000
	}
	if o.Channels == 0 {
		o.Channels = 1
	}
	switch {
	case len(o.Text) > MaxSpeechText:
		return &BadSpeech{"text", fmt.Sprintf("it has %d bytes", len(o.Text)), fmt.Sprintf("the limit is %d", MaxSpeechText)}
	case !utf8.ValidString(o.Text):
		return &BadSpeech{"text", "it is not valid UTF-8", "send it as UTF-8"}
	case !(o.Speed >= MinSpeed && o.Speed <= MaxSpeed):
		return &BadSpeech{"speed", fmt.Sprintf("%v is out of range", o.Speed), fmt.Sprintf("%v to %v", MinSpeed, MaxSpeed)}
	case !(o.Pitch >= -MaxPitch && o.Pitch <= MaxPitch):
		return &BadSpeech{"pitch", fmt.Sprintf("%v is out of range", o.Pitch), fmt.Sprintf("%d to %d semitones", -MaxPitch, MaxPitch)}
	case !(o.Volume > 0 && o.Volume <= MaxVolume):
		return &BadSpeech{"volume", fmt.Sprintf("%v is out of range", o.Volume), fmt.Sprintf("more than 0, at most %d", MaxVolume)}
	case !slices.Contains(SpeechFormats, o.Format):
		return &BadSpeech{"format", fmt.Sprintf("there is no %.20q", o.Format), "one of " + strings.Join(SpeechFormats, ", ")}
	case !slices.Contains(SpeechRates, o.Rate):
		return &BadSpeech{"sample rate", fmt.Sprintf("%d is none of the possible", o.Rate), "one of " + strings.Trim(fmt.Sprint(SpeechRates), "[]")}
	case o.Bitrate < 32000 || o.Bitrate > 320000:
		return &BadSpeech{"bitrate", fmt.Sprintf("%d is out of range", o.Bitrate), "32000 to 320000"}
	case o.Channels != 1 && o.Channels != 2:
		return &BadSpeech{"channels", fmt.Sprintf("%d is not possible", o.Channels), "1 or 2"}
	}
	return nil
}

func orOne(x float64) float64 {
	if x == 0 {
		return 1
	}
	return x
}

// speakable returns the text for espeak-ng, without the control characters that are
// commands to it, and without [[, which begins phonemes.
func speakable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return r
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
	for strings.Contains(text, "[[") {
		text = strings.ReplaceAll(text, "[[", "[ [")
	}
	return text
}

// delivery is how espeak-ng is told to speak, and how many times as fast its output
// is played.
type delivery struct {
	words, pitch int
	faster       float64
}

// deliver turns speed and semitones into espeak-ng's words a minute and its pitch of
// 0 to 99. That pitch reaches about nine semitones up and seven down, depending on
// the voice. The rest is made by speaking slower and playing faster, or the reverse.
func deliver(speed, semitones float64) delivery {
	const (
		normal       = 175 // words a minute
		slow, quick  = 80, 450
		middle       = 50
		up, down     = 5.5, 6.5 // steps for a semitone, as measured
		most, lowest = 99, 0
	)
	step := up
	if semitones < 0 {
		step = down
	}
	at := min(max(middle+step*semitones, lowest), most)
	d := delivery{pitch: int(math.Round(at)), faster: math.Exp2((semitones - (at-middle)/step) / 12)}
	d.words = int(math.Round(min(max(normal*speed/d.faster, slow), quick)))
	return d
}

// espeakArgs are the arguments for speaking what comes on standard input, as
// UTF-8. voice is a name that espeak-ng itself gave.
func espeakArgs(voice string, d delivery) []string {
	return []string{
		"--stdin", "--stdout", "-b", "1", "-v", voice,
		"-s", strconv.Itoa(d.words), "-p", strconv.Itoa(d.pitch), "-a", "100",
	}
}

// Speak speaks a text through espeak-ng and writes the result to w when all of it is
// spoken. The text goes to the tool's standard input, never into an argument. A pause
// lasts as long as it says, at any speed and pitch. An error about an option is a
// *BadSpeech.
func Speak(ctx context.Context, w io.Writer, o SpeechOptions) (SpeechInfo, error) {
	if err := ctx.Err(); err != nil {
		return SpeechInfo{}, err
	}
	if err := o.check(); err != nil {
		return SpeechInfo{}, err
	}
	list, err := phrases(o.Text)
	if err != nil {
		return SpeechInfo{}, err
	}
	if needsFFmpeg(o.Format) {
		if _, err := FFmpeg(); err != nil {
			return SpeechInfo{}, err
		}
	}
	voice, file, err := findVoice(ctx, o.Voice, o.Language)
	if err != nil {
		return SpeechInfo{}, err
	}
	d := deliver(o.Speed, o.Pitch)
	raw, err := speakPhrases(ctx, file, d, list)
	if err != nil {
		return SpeechInfo{}, err
	}
	defer raw.discard()
	s, err := openSound(raw.temp.File, d.faster, o)
	if err != nil {
		return SpeechInfo{}, err
	}
	info := SpeechInfo{
		Voice: voice, Speaker: ByEspeak, Rate: o.Rate, Channels: o.Channels,
		Duration: time.Duration(float64(s.samples) / float64(o.Rate) * float64(time.Second)),
	}
	counted := &Counter{W: w}
	if needsFFmpeg(o.Format) {
		err = s.compress(ctx, counted, o)
	} else {
		err = s.write(ctx, counted, o)
	}
	info.Bytes = counted.N
	return info, err
}

func needsFFmpeg(format string) bool { return format == "mp3" || format == "flac" }

// speakRaw has espeak-ng write its WAV into a temporary file.
func speakRaw(ctx context.Context, voice string, d delivery, text string) (*target, error) {
	tool, err := Espeak()
	if err != nil {
		return nil, err
	}
	t, err := newTemporary()
	if err != nil {
		return nil, err
	}
	p := newProcess(ctx, tool, espeakArgs(voice, d)...)
	p.cmd.Stdin = strings.NewReader(speakable(text))
	p.cmd.Stdout = &limited{w: t.temp, left: speechBytes, over: func() { p.cancel(errors.New("it wrote too much")) }}
	err = p.start()
	if err == nil {
		defer p.cancel(nil)
		if err = p.within(speechTime, "speaking", p.wait); err != nil {
			err = p.explain("speaking", err)
		}
	}
	if err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// compressArgs returns all of ffmpeg's arguments: samples come on standard input and
// the output is a file, because both formats state their length at the beginning.
func compressArgs(o SpeechOptions, path string) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,pipe",
		"-f", "s16le", "-ar", strconv.Itoa(o.Rate), "-ac", strconv.Itoa(o.Channels), "-i", "pipe:0", "-vn",
		"-metadata", "comment=AI-generated speech. Made with Kinora.",
	}
	if o.Format == "mp3" {
		args = append(args, "-c:a", "libmp3lame", "-b:a", strconv.Itoa(o.Bitrate))
	} else {
		args = append(args, "-c:a", "flac")
	}
	return append(args, "-f", o.Format, "-y", "file:"+path)
}

// compress makes an mp3 or flac of the sound.
func (s *sound) compress(ctx context.Context, w io.Writer, o SpeechOptions) error {
	tool, err := FFmpeg()
	if err != nil {
		return err
	}
	t, err := newTemporary()
	if err != nil {
		return err
	}
	defer t.discard()
	p := newProcess(ctx, tool, compressArgs(o, t.temp.Name())...)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("media: opening a pipe to ffmpeg: %w", err)
	}
	p.pipe = in
	if err := p.start(); err != nil {
		return err
	}
	defer p.cancel(nil)
	err = p.within(speechTime, "writing "+o.Format, func() error {
		if err := s.samplesTo(ctx, in, o.Channels); err != nil {
			return err
		}
		in.Close()
		return p.wait()
	})
	if err != nil {
		return p.explain("writing speech as "+o.Format, err)
	}
	file, err := os.Open(t.temp.Name())
	if err != nil {
		return fmt.Errorf("media: reading the speech: %w", err)
	}
	defer file.Close()
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("media: writing speech: %w", err)
	}
	return nil
}
