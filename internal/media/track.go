package media

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
)

// Limits of a sound track.
const (
	minTrackRate, maxTrackRate = 8000, 96000 // samples a second
	maxTrackChannels           = 2
	trackBits                  = 96000 // a second, of each channel
)

// Sound is the sound track of a video to be written.
type Sound struct {
	Rate     int // samples a second, 8000 to 96000
	Channels int // 1 or 2
	// Play yields the samples from the first frame on, some at a time: channels
	// interleaved, in [-1, 1]; what lies beyond is clipped. The slice may be reused
	// when yield returns.
	Play func(ctx context.Context, yield func(samples []float32) error) error
}

func (s *Sound) check() error {
	if s.Rate < minTrackRate || s.Rate > maxTrackRate || s.Channels < 1 || s.Channels > maxTrackChannels || s.Play == nil {
		return fmt.Errorf("media: a video cannot have sound of %d channels at %d samples a second: 1 or 2, and %d to %d, are possible",
			s.Channels, s.Rate, minTrackRate, maxTrackRate)
	}
	return nil
}

// write puts the samples into a temporary file, 16 bits each, little-endian. They
// cannot come through a pipe: ffmpeg's standard input has the frames, and not every
// system allows a second pipe.
func (s *Sound) write(ctx context.Context) (*target, error) {
	t, err := newTemporary()
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriter(t.temp)
	var b []byte
	err = s.Play(ctx, func(samples []float32) error {
		b = b[:0]
		for _, v := range samples {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(float64(clip(v))*math.MaxInt16))))
		}
		_, err := w.Write(b)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.discard()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("media: writing the sound of a video: %w", err)
	}
	return t, nil
}

// clip limits a sample to [-1, 1]; NaN becomes silence.
func clip(v float32) float32 {
	if v != v {
		return 0
	}
	return min(max(v, -1), 1)
}

// in returns the arguments with which ffmpeg reads the samples of a file.
func (s *Sound) in(t *target) ([]string, error) {
	abs, err := filepath.Abs(t.temp.Name())
	if err != nil {
		return nil, fmt.Errorf("media: finding the place of a sound: %w", err)
	}
	return []string{
		"-protocol_whitelist", "file,pipe", "-f", "s16le", "-ar", strconv.Itoa(s.Rate), "-ac", strconv.Itoa(s.Channels), "-i", "file:" + abs,
	}, nil
}

// out returns the arguments with which ffmpeg writes the sound of an input.
func (s *Sound) out(input int, codec string) []string {
	return []string{"-map", strconv.Itoa(input) + ":a:0", "-c:a", codec, "-b:a", strconv.Itoa(s.Channels * trackBits)}
}

// soundEncoders are ffmpeg's encoders of AAC in the order of preference.
var soundEncoders = []string{"aac", "libfdk_aac", "aac_at", "aac_mf"}

// ErrNoSoundEncoder is the cause of errors when ffmpeg is installed but cannot write
// the sound of an MP4.
var ErrNoSoundEncoder = errors.New("this ffmpeg cannot write AAC, the sound of MP4: install one that has the encoder aac (apt-get install ffmpeg, brew install ffmpeg), or name it in KINORA_FFMPEG")

// CanWriteSound returns nil if ffmpeg can write the sound of an MP4, and otherwise
// ErrNoFFmpeg or ErrNoSoundEncoder.
func CanWriteSound(ctx context.Context) error {
	tool, err := FFmpeg()
	if err == nil {
		_, err = chooseSoundEncoder(ctx, tool)
	}
	return err
}

// chooseSoundEncoder finds an encoder of AAC.
func chooseSoundEncoder(ctx context.Context, tool string) (string, error) {
	_, l, done, err := encodersOf(ctx, tool)
	defer done()
	if err != nil {
		return "", err
	}
	for _, name := range soundEncoders {
		if slices.Contains(l.sound, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("media: %w", ErrNoSoundEncoder)
}
