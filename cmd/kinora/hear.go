package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/text"
)

// soundFlags say what is heard in a video.
type soundFlags struct {
	Narrate     narrated `placeholder:"TEXT" help:"Speak the prompt over the video; --narrate=TEXT speaks another text."`
	NarrateFile string   `placeholder:"FILE" help:"Speak the text in a file."`
	Voice       string   `placeholder:"ID" help:"The voice that speaks, such as en-gb or de. Default: the usual one of the language, which the script of the text tells."`
	Fit         string   `default:"" enum:",speech,video" placeholder:"speech" help:"speech: the narration is spoken faster, up to ${maxNarration} times, to be as short as the video. video: the video is as long as the narration. Default: speech if --seconds is given; otherwise the video becomes longer where the narration is."`
	Sound       string   `placeholder:"FILE" help:"A track, such as music: WAV, MP3, FLAC, M4A, Ogg, or a video whose sound is taken. It is cut to the video's length or repeated, and lower while a narration speaks."`
	SoundStart  float64  `placeholder:"S" help:"Where in the file, in seconds, the track begins."`
	SoundVolume *float64 `placeholder:"V" help:"How loud the track is: 1 is as loud as a narration, at most ${maxVolume}. Default: 1."`
	OwnSound    string   `default:"" enum:",mix,off" placeholder:"mix" help:"What becomes of the sound that the model makes: mix or off. Default: off with --sound, mix otherwise."`
}

// narrated is the flag --narrate, which needs no value.
type narrated struct {
	given bool
	text  string // "" is the prompt
}

// IsBool makes --narrate a flag that needs no value.
func (*narrated) IsBool() bool { return true }

// Decode reads --narrate and --narrate=TEXT.
func (n *narrated) Decode(k *kong.DecodeContext) error {
	n.given = true
	if k.Scan.Peek().Type == kong.FlagValueToken {
		if n.text = fmt.Sprint(k.Scan.Pop().Value); strings.TrimSpace(n.text) == "" {
			return errors.New("it is empty: give a text, or --narrate alone to speak the prompt")
		}
	}
	return nil
}

// withNarration returns the command line with the word after --narrate as its
// value, where the parser took it for one argument too many; nil for any other.
func withNarration(args []string, wrong string) []string {
	i := slices.Index(args, "--narrate")
	if i < 0 || i+1 == len(args) || strings.HasPrefix(args[i+1], "-") || !tooMany.MatchString(wrong) {
		return nil
	}
	return slices.Concat(args[:i], []string{args[i] + "=" + args[i+1]}, args[i+2:])
}

// hear adds what is heard to a request.
func (f *soundFlags) hear(r *kinora.Request) error {
	r.OwnSound = kinora.OwnSound(f.OwnSound)
	if f.Narrate.given && f.NarrateFile != "" {
		return usagef("give --narrate or --narrate-file")
	}
	if f.Narrate.given || f.NarrateFile != "" {
		r.Narration = &kinora.Narration{Text: f.Narrate.text, Voice: f.Voice, Fit: kinora.NarrationFit(f.Fit)}
		if f.NarrateFile != "" {
			var err error
			if r.Narration.Text, err = readNarration(f.NarrateFile); err != nil {
				return err
			}
		}
	}
	if f.Sound != "" {
		start := time.Duration(f.SoundStart * float64(time.Second))
		if !(f.SoundStart >= 0 && f.SoundStart <= media.MaxSoundOffset.Seconds()) {
			return usagef("--sound-start %v: choose 0 to %v seconds", f.SoundStart, media.MaxSoundOffset.Seconds())
		}
		r.Sound = &kinora.SoundFile{Path: f.Sound, Start: start}
		var err error
		if r.Sound.Volume, err = given("--sound-volume", f.SoundVolume, fmt.Sprintf("more than 0, at most %v", float64(kinora.MaxSoundVolume))); err != nil {
			return err
		}
	}
	for _, needs := range []struct {
		flag  string
		given bool
		what  string
		there bool
	}{
		{"--voice", f.Voice != "", "--narrate", r.Narration != nil},
		{"--fit", f.Fit != "", "--narrate", r.Narration != nil},
		{"--sound-start", f.SoundStart != 0, "--sound", r.Sound != nil},
		{"--sound-volume", f.SoundVolume != nil, "--sound", r.Sound != nil},
	} {
		if needs.given && !needs.there {
			return usagef("%s does nothing without %s: add that, or leave it out", needs.flag, needs.what)
		}
	}
	return nil
}

// readNarration reads the text of --narrate-file.
func readNarration(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", usagef("--narrate-file: %w", err)
	}
	defer file.Close()
	words, err := text.Read(file, media.MaxSpeechText)
	if err != nil {
		return "", usagef("--narrate-file %s: %w", path, err)
	}
	if words = strings.TrimSpace(words); words == "" {
		return "", usagef("--narrate-file %s: it holds no text", path)
	}
	return words, nil
}

// checkFormat refuses a narration or a track for a file that holds no sound, before
// anything is opened.
func (t target) checkFormat(r *kinora.Request) error {
	err := r.CheckFormat(t.format)
	if err == nil {
		return nil
	}
	if why := kinora.CanWrite(kinora.MP4); why != nil {
		return fmt.Errorf("%w: here, %w", err, cause(why))
	}
	return err
}

// likeSound fills in what was heard in a video.
func (g *GenerateCmd) likeSound(ctx context.Context, s *kinora.Settings) (notes []string, err error) {
	g.OwnSound = cmp.Or(g.OwnSound, string(s.OwnSound))
	if n := s.Narration; n != nil && !g.Narrate.given && g.NarrateFile == "" {
		if n.File != "" {
			notes = append(notes, fmt.Sprintf("%s has a narration from the file %s: without it", g.Like, printable(n.File)))
		} else {
			g.Narrate = narrated{true, n.Text}
			g.Voice, g.Fit = cmp.Or(g.Voice, n.Voice), cmp.Or(g.Fit, string(n.Fit))
		}
	}
	if s.Sound == nil || g.Sound != "" {
		return notes, nil
	}
	path, why, err := findSound(ctx, s.Sound, ".", filepath.Dir(g.Like))
	if err != nil {
		return nil, err
	}
	if path == "" {
		return append(notes, fmt.Sprintf("%s has the sound of %s, which %s: without it (--sound)", g.Like, printable(s.Sound.File), why)), nil
	}
	g.Sound = path
	if g.SoundStart == 0 {
		g.SoundStart = s.Sound.Start
	}
	unless(&g.SoundVolume, s.Sound.Volume)
	return notes, nil
}

// findSound finds the file of a track in one of some folders; if it returns "", why
// says why.
func findSound(ctx context.Context, s *kinora.SoundSettings, dirs ...string) (path, why string, err error) {
	why = "is neither in this folder nor beside the video"
	for _, dir := range dirs {
		path := filepath.Join(dir, s.File)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		got, err := kinora.SoundDigest(ctx, path)
		if err != nil {
			return "", "", err
		}
		if s.Digest == "" || got == s.Digest {
			return path, "", nil
		}
		why = "is another file now"
	}
	return "", why, nil
}
