package media

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

// Limits of a sound file that is read.
const (
	MaxSoundBytes  = 2 << 30
	MaxSoundOffset = 24 * time.Hour // at which a part of it may begin
	// SoundRate and SoundChannels are the form in which sound files are read.
	SoundRate     = 48000
	SoundChannels = 2

	maxFileChannels = 32
	readSoundTime   = 10 * time.Minute // to decode all that is wanted of a file
)

// soundContainers are the demuxers that ffmpeg may use for sound: those of sound
// files, and of videos, whose sound is taken. None opens other files.
const soundContainers = "wav,w64,rf64,aiff,caf,au,mp3,flac,ogg,aac,ac3,eac3,amr,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,asf"

// BadSound is an error about a sound file from outside.
type BadSound struct{ Why, Hint string }

// Error says what is wrong and what to do.
func (e *BadSound) Error() string { return e.Why + " (" + e.Hint + ")" }

// SoundInfo is what a sound file says of itself.
type SoundInfo struct {
	Codec    string
	Duration time.Duration // 0 where unknown
}

// SoundPart says which part of a sound file is wanted.
type SoundPart struct {
	Start  time.Duration // at most MaxSoundOffset
	Length time.Duration // at most; more than 0
	// Stall bounds how long ffmpeg may take for some of it; 0 means a minute.
	Stall time.Duration
}

// ProbeSound asks ffprobe about the first sound in an untrusted file. An error about
// the file is a *BadSound.
func ProbeSound(ctx context.Context, path string) (SoundInfo, error) {
	in, err := soundInput(path)
	if err != nil {
		return SoundInfo{}, err
	}
	tool, err := ffprobe()
	if err != nil {
		return SoundInfo{}, err
	}
	args := slices.Concat([]string{
		"-hide_banner", "-loglevel", "error", "-of", "json", "-select_streams", "a:0",
		"-show_entries", "stream=codec_name,channels,duration:format=duration",
	}, in)
	out, err := newProcess(ctx, tool, args...).output("reading the sound "+path, probeBytes, probeTime)
	switch {
	case ctx.Err() != nil:
		return SoundInfo{}, err
	case err != nil:
		return SoundInfo{}, notSound()
	}
	var found struct {
		Streams []struct {
			Codec    string `json:"codec_name"`
			Channels int
			Duration string
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return SoundInfo{}, fmt.Errorf("media: reading the sound %s: ffprobe's answer: %w", path, err)
	}
	if len(found.Streams) == 0 {
		return SoundInfo{}, &BadSound{"it has no sound in it", "give a file with sound: WAV, MP3, FLAC, M4A, Ogg, or a video"}
	}
	s := found.Streams[0]
	if s.Codec == "" || s.Channels < 1 || s.Channels > maxFileChannels {
		return SoundInfo{}, &BadSound{fmt.Sprintf("it has %d channels of sound in a format %q", s.Channels, clean(s.Codec, 40)), fmt.Sprintf("1 to %d channels in a format that ffmpeg knows can be read", maxFileChannels)}
	}
	info := SoundInfo{Codec: s.Codec, Duration: seconds(s.Duration)}
	if info.Duration == 0 {
		info.Duration = seconds(found.Format.Duration)
	}
	return info, nil
}

func notSound() error {
	return &BadSound{"it is no sound file that ffmpeg can read", "give WAV, MP3, FLAC, M4A, Ogg, or a video with sound"}
}

// soundInput checks that a path is a file of a possible size, and returns the
// arguments that name it.
func soundInput(path string) ([]string, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, fmt.Errorf("media: reading the sound %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, &BadSound{"it is no file but a folder, a device or a pipe", "give a file"}
	case info.Size() == 0:
		return nil, &BadSound{"it is empty", "give a file with sound"}
	case info.Size() > MaxSoundBytes:
		return nil, &BadSound{fmt.Sprintf("it has %d bytes", info.Size()), fmt.Sprintf("the limit is %d: cut out the part that you want", int64(MaxSoundBytes))}
	}
	return inputOf(path, soundContainers)
}

// ReadSound decodes a part of the first sound of an untrusted file: stereo samples
// in [-1, 1], interleaved, SoundRate a second in each channel. The slice is reused.
// frames is how many samples each channel had, at most those of the wanted part; the
// file may be damaged further on. An error about the file is a *BadSound; one of
// yield is returned as it is.
func ReadSound(ctx context.Context, path string, p SoundPart, yield func(samples []float32) error) (frames int, err error) {
	if p.Start < 0 || p.Start > MaxSoundOffset || p.Length <= 0 {
		return 0, &BadSound{fmt.Sprintf("%v from %v on cannot be taken of it", p.Length, p.Start), fmt.Sprintf("it may begin at 0 to %v", MaxSoundOffset)}
	}
	in, err := soundInput(path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readSoundTime, errSlowSound)
	defer cancel()
	begin := []string{"-hide_banner", "-nostdin", "-loglevel", "error"}
	if p.Start > 0 {
		begin = append(begin, "-ss", strconv.FormatFloat(p.Start.Seconds(), 'f', 6, 64))
	}
	left := int(math.Ceil(p.Length.Seconds()*SoundRate)) * SoundChannels
	whole := left
	give := func(s []float32) error {
		s = s[:min(left, len(s))]
		left -= len(s)
		return yield(s)
	}
	said, err := decodePCM(ctx, slices.Concat(begin, in, []string{"-map", "0:a:0"}, asPCM("aresample=async=1:first_pts=0")), Options{Stall: p.Stall}.stall(), give, func() bool { return left == 0 })
	frames = (whole - left) / SoundChannels
	switch {
	case errors.Is(context.Cause(ctx), errSlowSound):
		return frames, &BadSound{fmt.Sprintf("it took longer than %v to decode", readSoundTime), "convert it to WAV first"}
	case ctx.Err() != nil:
		return frames, fmt.Errorf("media: reading the sound %s was stopped: %w", path, context.Cause(ctx))
	case err != nil:
		return frames, err
	case frames == 0 && p.Start > 0:
		return 0, &BadSound{fmt.Sprintf("it has no sound from %v on", p.Start), "begin earlier"}
	case frames == 0 && said != "":
		return 0, notSound()
	case frames == 0:
		return 0, &BadSound{"it holds no sound", "give a file with sound"}
	}
	return frames, nil
}

var errSlowSound = errors.New("the sound takes too long to decode")

// asPCM returns the arguments with which ffmpeg writes sound as samples, through a
// filter.
func asPCM(filter string) []string {
	return []string{
		"-vn", "-sn", "-dn", "-af", filter, "-ar", strconv.Itoa(SoundRate), "-ac", strconv.Itoa(SoundChannels), "-f", "s16le", "pipe:1",
	}
}

// decodePCM has ffmpeg decode sound until done returns true or the sound ends. said
// is what ffmpeg said, if it ended by itself. Only an error of give, a missing
// ffmpeg, or the end of ctx is an error.
func decodePCM(ctx context.Context, args []string, stall time.Duration, give func([]float32) error, done func() bool) (said string, err error) {
	tool, err := FFmpeg()
	if err != nil {
		return "", err
	}
	proc := newProcess(ctx, tool, args...)
	out, err := proc.cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("media: opening a pipe from ffmpeg: %w", err)
	}
	proc.pipe = out
	if err := proc.start(); err != nil {
		return "", err
	}
	defer proc.kill(errClosed)
	raw, samples := make([]byte, 1<<16), make([]float32, 1<<15)
	for !done() {
		n, ended := readSome(proc, out, raw, stall)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		for i := range n / 2 {
			samples[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / math.MaxInt16
		}
		if err := give(samples[:n/2]); err != nil {
			return "", err
		}
		if ended {
			_ = proc.within(stall, "the end", proc.wait) // what it said matters, and not how it ended
			return proc.stderr.String(), nil
		}
	}
	return "", nil
}

// readSome fills b as far as data come before the end or a failure.
func readSome(p *process, r io.Reader, b []byte, stall time.Duration) (n int, ended bool) {
	err := p.within(stall, "sound", func() (err error) {
		n, err = io.ReadFull(r, b)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return err
	})
	return n, err != nil
}
