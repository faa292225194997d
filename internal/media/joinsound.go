package media

import (
	"context"
	"math"
	"slices"
)

// The form of joined sound, whatever the form of the parts.
const (
	joinSoundRate     = SoundRate // samples a second
	joinSoundChannels = SoundChannels
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
	in, err := input(p.path)
	if err != nil {
		return &BadPart{p.path, err}
	}
	args := slices.Concat([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, in, []string{"-map", "0:a:0"}, asPCM("aresample=async=1:first_pts=0"))
	_, err = decodePCM(ctx, args, Options{Stall: o.Stall}.stall(), give, done)
	return err
}
