package kinora

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/soundtrack"
)

// mixedTrack is the form of sound that is mixed.
var mixedTrack = &Track{Rate: soundtrack.Rate, Channels: soundtrack.Channels}

// playMixed yields the sum of narration, sound file and the model's own sound for
// the frames from one on.
func (c *Clip) playMixed(ctx context.Context, from int, yield func(samples []float32) error) error {
	const what = "the sound"
	m := &soundtrack.Mix{
		Frames:    int(math.Round(float64(c.FrameCount-from) * soundtrack.Rate / float64(c.FPS))),
		Narration: c.heard.speech(), Volume: 1,
	}
	if s := c.heard.sound; s != nil {
		m.Volume = s.Volume
		t, err := staged(soundtrack.Channels, func(put func([]float32) error) error {
			_, err := media.ReadSound(ctx, s.Path, s.part(float64(m.Frames)/soundtrack.Rate), put)
			return err
		})
		if err != nil {
			return soundFileError(ctx, "sound", s.Path, err)
		}
		defer t.Discard()
		m.Track = t.piece()
	}
	if c.heard.own && c.own != nil {
		t, err := c.stageOwn(ctx, from)
		if err != nil {
			return err
		}
		defer t.Discard()
		m.Own = t.piece()
	}
	l, err := m.Level(ctx)
	if err == nil {
		err = l.Play(ctx, yield)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return wrap(Internal, "mix", what, err, "")
}

// stageOwn puts the model's own sound into a temporary file.
func (c *Clip) stageOwn(ctx context.Context, from int) (*stage, error) {
	r := media.NewResampler(c.own.Rate, soundtrack.Rate, c.own.Channels)
	return staged(c.own.Channels, func(put func([]float32) error) error {
		if err := c.play(ctx, from, func(s []float32) error { return put(r.Feed(s)) }); err != nil {
			return err
		}
		return put(r.Rest())
	})
}

// stage is sound in a temporary file: 16 bits a sample, at soundtrack.Rate.
type stage struct {
	*scratch.File
	channels, samples int
}

// staged writes samples into a temporary file, which the caller must Discard.
func staged(channels int, write func(put func([]float32) error) error) (*stage, error) {
	f, err := scratch.Create(os.TempDir())
	if err != nil {
		return nil, wrap(Storage, "mix sound in", os.TempDir(), err, "name a folder that can be written to with TMPDIR")
	}
	s := &stage{File: f, channels: channels}
	w := bufio.NewWriterSize(f, 1<<16)
	var b []byte
	full := func(err error) error {
		return wrap(Storage, "mix sound in", os.TempDir(), err, "free some room, or name another folder with TMPDIR")
	}
	err = write(func(samples []float32) error {
		b = b[:0]
		for _, v := range samples {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(math.MaxInt16*float64(max(-1, min(1, v)))))))
		}
		s.samples += len(samples)
		_, err := w.Write(b)
		return full(err)
	})
	if err == nil {
		err = full(w.Flush())
	}
	if err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

func (s *stage) piece() *soundtrack.Piece {
	return &soundtrack.Piece{R: s, Frames: s.samples / s.channels, Channels: s.channels}
}

// CheckFormat returns an error if files of a format cannot have the sound that a
// request asks for: one of kind Unsupported. Generate checks it where the request has an
// Output.
func (r *Request) CheckFormat(f Format) error {
	if !r.Mixed() || f.HasSound() {
		return nil
	}
	what := "narration"
	if r.Narration == nil {
		what = "sound"
	}
	return noSoundIn(what, f)
}

func noSoundIn(what string, f Format) error {
	return &Error{
		Kind: Unsupported, Op: "request", What: what, Err: fmt.Errorf("%s holds no sound", f),
		Hint: "write an .mp4 file, which needs ffmpeg",
	}
}
