package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/text"
)

// SpeakCmd speaks a text.
type SpeakCmd struct {
	Text      string   `arg:"" optional:"" help:"What is spoken. <#0.5#> in it is a pause of half a second. Without it, or with -, it is read from standard input."`
	Output    string   `short:"o" placeholder:"FILE" help:"Where to write: a .wav, .mp3, .flac or .pcm file, or - for standard output. Default: a new .wav file in this folder."`
	Play      bool     `help:"Play it while it is spoken, by ffplay, aplay or play, instead of writing a file."`
	Voice     string   `placeholder:"ID" help:"Which voice, of kinora speak --voices. Default: heart, which is inside the program, for English, and the first of espeak-ng for other languages."`
	Language  string   `placeholder:"TAG" help:"The language of the text, such as en, zh or ar, if no voice is named. Default: guessed by its script."`
	Speed     *float64 `placeholder:"1" help:"How many times as fast, 0.5 to 2."`
	Pitch     float64  `placeholder:"0" help:"Semitones up or down, -12 to 12."`
	Volume    *float64 `placeholder:"1" help:"How many times as loud, at most 10; louder only as far as nothing is clipped."`
	Rate      *int     `placeholder:"HZ" help:"Samples a second: 8000, 16000, 22050, 24000, 32000, 44100 or 48000. Default: the voice's own."`
	Bitrate   *int     `placeholder:"128000" help:"Bits a second of an MP3, 32000 to 320000."`
	Stereo    bool     `help:"Write two channels, which are the same."`
	Format    string   `placeholder:"wav" help:"Format for standard output: wav, mp3, flac or pcm (16 bits, without a header)."`
	Overwrite bool     `help:"Replace the output file if there is one."`
	Voices    bool     `help:"List the voices."`
	Phonemes  bool     `help:"Print the phonemes of an English text, a sentence a line, instead of speaking it."`
}

// Help is the end of the command's help.
func (SpeakCmd) Help() string {
	return `Standard output and players get each sentence as soon as it is spoken.

Examples:
  kinora speak "Once upon a time, there was a red ball." -o ball.wav
  kinora speak "Dr. Smith paid $5 at 9:30pm." --speed 1.2 -o smith.mp3
  kinora speak --play < story.txt
  kinora speak "你好" --voice cmn -o hello.wav
  kinora speak "hello" -o - --format mp3 | mpv -`
}

// maxPhonemesText bounds the text of --phonemes, which is not spoken.
const maxPhonemesText = 16 << 20

// Run speaks.
func (c *SpeakCmd) Run(ctx context.Context, s streams) error {
	if c.Voices {
		return listVoices(ctx, s.out)
	}
	if c.Text == "" || c.Text == "-" {
		most := int64(media.MaxSpeechText)
		if c.Phonemes {
			most = maxPhonemesText
		}
		if isTerminal(os.Stdin) && c.Text == "" {
			return usagef(`speak: say what should be spoken, such as: kinora speak "hello" -o hello.wav`)
		}
		words, err := text.Read(os.Stdin, most)
		if err != nil {
			return usagef("the text from standard input: %w", err)
		}
		c.Text = words
	}
	if c.Phonemes {
		return printPhonemes(s.out, c.Text)
	}
	o, err := c.speech()
	if err != nil {
		return err
	}
	switch {
	case c.Play && c.Output != "":
		return usagef("--play plays the sound and writes no file: leave -o %s out", c.Output)
	case c.Play:
		return c.play(ctx, s, o)
	case c.Output == "-":
		return c.stream(ctx, s, o)
	}
	return c.file(ctx, s, o)
}

// speech reads the flags.
func (c *SpeakCmd) speech() (o kinora.Speech, err error) {
	o = kinora.Speech{Text: c.Text, Voice: c.Voice, Language: c.Language, Pitch: c.Pitch, Channels: 1}
	if c.Stereo {
		o.Channels = 2
	}
	if o.Speed, err = given("--speed", c.Speed, "0.5 to 2"); err != nil {
		return o, err
	}
	if o.Volume, err = given("--volume", c.Volume, "more than 0, at most 10"); err != nil {
		return o, err
	}
	if o.Rate, err = given("--rate", c.Rate, "one of "+strings.Trim(fmt.Sprint(media.SpeechRates), "[]")); err != nil {
		return o, err
	}
	if o.Bitrate, err = given("--bitrate", c.Bitrate, "32000 to 320000"); err != nil {
		return o, err
	}
	if c.Format != "" && c.Output != "-" {
		return o, usagef("--format %s: the name of the file says its format; --format is for -o -", c.Format)
	}
	return o, nil
}

// play speaks to a player.
func (c *SpeakCmd) play(ctx context.Context, s streams, o kinora.Speech) error {
	player, err := media.Play(ctx)
	if err != nil {
		return err
	}
	o.Format, o.Live = "wav", true
	start := time.Now()
	info, err := kinora.Speak(ctx, player, o)
	if err != nil {
		player.Stop()
		return err
	}
	took := time.Since(start)
	if err := player.Close(); err != nil {
		return err
	}
	return spokenLine(s.err, "played", info, took)
}

// stream speaks to standard output.
func (c *SpeakCmd) stream(ctx context.Context, s streams, o kinora.Speech) error {
	if isTerminal(s.out) {
		return usagef("-o -: standard output is a terminal: send it to a file or a program")
	}
	o.Format, o.Live = c.Format, true
	start := time.Now()
	info, err := kinora.Speak(ctx, s.out, o)
	if err != nil {
		return err
	}
	return spokenLine(s.err, "made standard output:", info, time.Since(start))
}

// file speaks into a file, which gets its name when it is whole.
func (c *SpeakCmd) file(ctx context.Context, s streams, o kinora.Speech) error {
	path, release, err := c.reserve()
	if err != nil {
		return err
	}
	defer release()
	o.Format = strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	var done func()
	o.Progress, done = speakBar(s.err)
	defer done()
	start := time.Now()
	var info kinora.Spoken
	err = scratch.WriteFile(path, func(w io.Writer) error {
		var err error
		info, err = kinora.Speak(ctx, w, o)
		return err
	})
	done()
	if err != nil {
		return err
	}
	return spokenLine(s.out, "made "+path+":", info, time.Since(start))
}

// reserve decides on the file and claims its name.
func (c *SpeakCmd) reserve() (path string, release func(), err error) {
	if c.Output == "" {
		stem := kinora.Slug(c.Text)
		for i := 1; i < 10_000; i++ {
			path = stem + ".wav"
			if i > 1 {
				path = fmt.Sprintf("%s-%d.wav", stem, i)
			}
			if exists(path) {
				continue
			}
			if release, err = scratch.Claim(path); err == nil {
				return path, release, nil
			}
			if _, taken := errors.AsType[*scratch.TakenError](err); !taken {
				return "", nil, err
			}
		}
		return "", nil, usagef("there are thousands of files named %s: name the new one with -o", stem)
	}
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(c.Output)), ".")
	switch dir := filepath.Dir(c.Output); {
	case isDir(c.Output):
		return "", nil, usagef("-o %s: it is a folder: name a file in it", c.Output)
	case !slices.Contains(media.SpeechFormats, ext):
		return "", nil, usagef("-o %s: name a %s file", c.Output, orOf([]string{".wav", ".pcm", ".mp3", ".flac"}))
	case !isDir(dir):
		return "", nil, usagef("-o %s: there is no folder %s: make it first", c.Output, dir)
	}
	if info, err := os.Stat(c.Output); err == nil && !info.Mode().IsRegular() {
		return "", nil, usagef("-o %s: it is no file but a device or a pipe: write to standard output with -o - and send that there", c.Output)
	}
	if release, err = scratch.Claim(c.Output); err != nil {
		return "", nil, fmt.Errorf("-o %s: %w", c.Output, err)
	}
	if !c.Overwrite && exists(c.Output) {
		release()
		return "", nil, usagef("-o %s: it is there already: choose another name, or add --overwrite", c.Output)
	}
	return c.Output, release, nil
}

// speakBar shows on a terminal how much of the text is spoken.
func speakBar(w io.Writer) (progress func(done, of int), end func()) {
	if !isTerminal(w) {
		return nil, func() {}
	}
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	bar := p.New(1, mpb.BarStyle().Lbound(" ").Rbound(" ").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(decor.Name("speaking")), mpb.AppendDecorators(decor.Percentage()), mpb.BarRemoveOnComplete())
	ended := false
	return func(done, of int) {
			bar.SetTotal(int64(of)+1, false) // a full bar disappears
			bar.SetCurrent(int64(done))
		}, func() {
			if !ended {
				ended = true
				bar.Abort(true)
				p.Wait()
			}
		}
}

// spokenLine says what was spoken, by whom, and how long that took.
func spokenLine(w io.Writer, what string, i kinora.Spoken, took time.Duration) error {
	by := i.Voice
	if i.Speaker != media.ByKinora {
		by = i.Speaker + "'s " + i.Voice
	}
	_, err := fmt.Fprintf(w, "%s %s of speech by %s, %d Hz, %s, in %s (%.1f × real time)\n",
		what, short(i.Duration), by, i.Rate, bytesOf(i.Bytes), short(took), i.Duration.Seconds()/took.Seconds())
	return err
}

// listVoices prints the voices.
func listVoices(ctx context.Context, w io.Writer) error {
	list, err := kinora.Voices(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%-24s %-10s %-8s %-24s %s\n", v.ID, v.Speaker, v.Gender, strings.Join(v.Languages, ", "), v.Name)
	}
	if len(list) == 1 {
		b.WriteString("\nespeak-ng, which speaks many languages, is not installed.\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// printPhonemes prints the sentences of a text in phonemes.
func printPhonemes(w io.Writer, text string) error {
	list, err := kinora.Phonemes(text)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.Join(append(list, ""), "\n"))
	return err
}
