package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// The form of joined sound, whatever the form of the parts.
const (
	joinSoundRate     = 48000 // samples a second
	joinSoundChannels = 2
)

// soundOf returns the sound of all parts one after another, or nil if none has any
// or ffmpeg cannot write it. A part without sound is silent, and so is sound that
// cannot be decoded.
func soundOf(ctx context.Context, parts []part, o JoinOptions) *Sound {
	if !slices.ContainsFunc(parts, func(p part) bool { return p.info.Audio }) || CanWriteSound(ctx) != nil {
		return nil
	}
	return &Sound{Rate: joinSoundRate, Channels: joinSoundChannels, Play: func(ctx context.Context, yield func([]float32) error) error {
		var at float64 // seconds
		for _, p := range parts {
			begin := math.Round(at * joinSoundRate)
			at += p.seconds()
			if err := p.play(ctx, int(math.Round(at*joinSoundRate)-begin), o, yield); err != nil {
				return err
			}
		}
		return nil
	}}
}

// stageSound puts the sound of all parts into a temporary file. It returns the
// arguments with which ffmpeg reads the file as its third input and writes the
// sound; both are empty if the video is silent. The caller must call drop.
func stageSound(ctx context.Context, tool string, parts []part, o JoinOptions) (in, out []string, drop func(), err error) {
	s := soundOf(ctx, parts, o)
	if s == nil {
		return nil, nil, func() {}, nil
	}
	codec, err := chooseSoundEncoder(ctx, tool)
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := s.write(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if in, err = s.in(t); err != nil {
		t.discard()
		return nil, nil, nil, err
	}
	return in, s.out(2, codec), t.discard, nil
}

// seconds returns how long a part is shown, or 0 if that is unknown.
func (p part) seconds() float64 {
	if p.info.Frames > 0 && p.info.FPS > 0 {
		return float64(p.info.Frames) / p.info.FPS
	}
	return p.info.Duration.Seconds()
}

// play yields so many samples for each channel of a part's sound.
func (p part) play(ctx context.Context, samples int, o JoinOptions, yield func([]float32) error) error {
	left := samples * joinSoundChannels
	give := func(s []float32) error {
		s = s[:min(left, len(s))]
		left -= len(s)
		return yield(s)
	}
	if p.info.Audio && p.webp == nil && left > 0 {
		if err := p.decodeSound(ctx, o, give, func() bool { return left == 0 }); err != nil {
			return err
		}
	}
	for silence := make([]float32, joinSoundRate*joinSoundChannels); left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := give(silence); err != nil {
			return err
		}
	}
	return nil
}

// decodeSound has ffmpeg decode a part's sound until done returns true or the
// sound ends. Only an error of give or the end of ctx is an error.
func (p part) decodeSound(ctx context.Context, o JoinOptions, give func([]float32) error, done func() bool) error {
	tool, err := FFmpeg()
	if err != nil {
		return err
	}
	in, err := input(p.path)
	if err != nil {
		return &BadPart{p.path, err}
	}
	args := slices.Concat([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, in, []string{
		"-map", "0:a:0", "-vn", "-sn", "-dn", "-af", "aresample=async=1:first_pts=0",
		"-ar", strconv.Itoa(joinSoundRate), "-ac", strconv.Itoa(joinSoundChannels), "-f", "s16le", "pipe:1",
	})
	proc := newProcess(ctx, tool, args...)
	out, err := proc.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("media: opening a pipe from ffmpeg: %w", err)
	}
	proc.pipe = out
	if err := proc.start(); err != nil {
		return err
	}
	defer proc.kill(errClosed)
	stall := Options{Stall: o.Stall}.stall()
	raw, samples := make([]byte, 1<<16), make([]float32, 1<<15)
	for !done() {
		n, ended := readSome(proc, out, raw, stall)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range n / 2 {
			samples[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / math.MaxInt16
		}
		if err := give(samples[:n/2]); err != nil {
			return err
		}
		if ended {
			return nil
		}
	}
	return nil
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
