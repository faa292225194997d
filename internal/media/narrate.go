package media

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// A Speaker speaks in espeak-ng's place: a voice that is a model.
type Speaker interface {
	// Name is the id of the voice, By what speaks with it, and Rate how many samples
	// a second it gives.
	Name() string
	By() string
	Rate() int
	// Say speaks a text without pauses, and yields each sentence as soon as it is
	// spoken.
	Say(ctx context.Context, text string, yield func(Said) error) error
}

// Said is a spoken sentence.
type Said struct {
	Samples []float32 // mono, in [-1, 1]
	Text    int       // bytes of the text that it says
}

// Who speaks, in SpeechInfo.Speaker and Voice.Speaker.
const (
	ByEspeak = "espeak-ng"
	ByKinora = "kinora" // a voice inside the program
)

// unheardBy is how loud the noise is, at most, that a Speaker's silence holds, of
// 32767.
const unheardBy = 32

// SpeakBy speaks a text by a Speaker, as Speak does by espeak-ng. With o.Live w gets
// the sound of each sentence as soon as it is spoken, otherwise when all of it is.
func SpeakBy(ctx context.Context, w io.Writer, o SpeechOptions, by Speaker) (SpeechInfo, error) {
	if err := ctx.Err(); err != nil {
		return SpeechInfo{}, err
	}
	o.Rate = cmp.Or(o.Rate, by.Rate())
	if err := o.check(); err != nil {
		return SpeechInfo{}, err
	}
	list, err := phrases(o.Text)
	if err != nil {
		return SpeechInfo{}, err
	}
	counted := &Counter{W: w}
	out, err := newSink(ctx, counted, o, by.Rate())
	if err != nil {
		return SpeechInfo{}, err
	}
	n := &narration{to: out, rate: by.Rate(), whole: len(o.Text), progress: o.Progress}
	for _, p := range list {
		if err = n.say(ctx, by, p); err != nil {
			break
		}
	}
	if err == nil {
		err = n.end()
	}
	info := SpeechInfo{Voice: by.Name(), Speaker: by.By(), Rate: o.Rate, Channels: o.Channels}
	samples, closed := out.close(err)
	info.Duration = time.Duration(float64(samples) / float64(o.Rate) * float64(time.Second))
	info.Bytes = counted.N
	return info, closed
}

// A sink makes sound files of 16-bit samples, which it is given as numbers.
type sink interface {
	write(x []float32) error
	// close ends the file, or gives it up because of why. It returns how many samples
	// of each channel the file has, and why or what went wrong.
	close(why error) (samples int64, err error)
}

func newSink(ctx context.Context, w *Counter, o SpeechOptions, rate int) (sink, error) {
	if o.Live {
		return newLive(ctx, w, o, rate)
	}
	if needsFFmpeg(o.Format) {
		if _, err := FFmpeg(); err != nil {
			return nil, err
		}
	}
	t, err := newTemporary()
	if err != nil {
		return nil, err
	}
	s := &wholeSink{ctx: ctx, w: w, o: o, temp: t, buf: bufio.NewWriterSize(t.temp, 1<<16)}
	if _, err := s.buf.Write(newWAVHeader(rate, 1, 0)); err != nil {
		t.discard()
		return nil, fmt.Errorf("media: writing speech: %w", err)
	}
	return s, nil
}

// narration puts sentences and pauses together.
type narration struct {
	to       sink
	rate     int
	quiet    []float32 // the silence at the end of what was said, not written yet
	paused   bool      // a pause was last: the silence that follows it is cut
	said     bool      // something was
	given    int64     // samples
	whole    int       // bytes of the text
	done     int
	progress func(done, of int)
}

func (n *narration) say(ctx context.Context, by Speaker, p phrase) error {
	if p.text != "" {
		err := by.Say(ctx, p.text, func(s Said) error {
			if err := n.add(s.Samples); err != nil {
				return err
			}
			if n.done = min(n.done+s.Text, n.whole); n.progress != nil {
				n.progress(n.done, n.whole)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if p.pause == 0 {
		return nil
	}
	n.quiet, n.paused = n.quiet[:0], true // the pause states the whole length of the silence
	return n.put(make([]float32, int(math.Round(p.pause.Seconds()*float64(n.rate)))))
}

// add writes a sentence up to the silence at its end.
func (n *narration) add(samples []float32) error {
	x := make([]float32, len(samples))
	first, end := len(x), 0
	for i, v := range samples {
		v = float32(math.RoundToEven(min(max(float64(v)*math.MaxInt16, math.MinInt16), math.MaxInt16)))
		if x[i] = v; v > unheardBy || v < -unheardBy {
			first, end = min(first, i), i+1
		}
	}
	if end == 0 { // nothing but silence
		if !n.paused {
			n.quiet = append(n.quiet, x...)
		}
		return nil
	}
	n.said = true
	if n.paused {
		x, end = x[first:], end-first
		n.paused = false
	}
	if err := n.put(n.quiet); err != nil {
		return err
	}
	n.quiet = append(n.quiet[:0], x[end:]...)
	return n.put(x[:end])
}

func (n *narration) put(x []float32) error {
	if n.given += int64(len(x)); 2*n.given > speechBytes {
		return errors.New("media: speaking: it is too long")
	}
	if len(x) == 0 {
		return nil
	}
	return n.to.write(x)
}

func (n *narration) end() error {
	if !n.said {
		return &BadSpeech{"text", "nothing in it can be spoken", "write words"}
	}
	if n.progress != nil {
		n.progress(n.whole, n.whole)
	}
	return n.put(n.quiet)
}

// wholeSink keeps the samples in a temporary WAV file, of which the sound is made in
// the end.
type wholeSink struct {
	ctx  context.Context
	w    *Counter
	o    SpeechOptions
	temp *target
	buf  *bufio.Writer
}

func (s *wholeSink) write(x []float32) error {
	var two [2]byte
	for _, v := range x {
		if _, err := s.buf.Write(binary.LittleEndian.AppendUint16(two[:0], uint16(int16(v)))); err != nil {
			return fmt.Errorf("media: writing speech: %w", err)
		}
	}
	return nil
}

func (s *wholeSink) close(why error) (int64, error) {
	defer s.temp.discard()
	if why != nil {
		return 0, why
	}
	if err := s.buf.Flush(); err != nil {
		return 0, fmt.Errorf("media: writing speech: %w", err)
	}
	sound, err := openSound(s.temp.temp.File, 1, s.o)
	if err != nil {
		return 0, err
	}
	if needsFFmpeg(s.o.Format) {
		return sound.samples, sound.compress(s.ctx, s.w, s.o)
	}
	return sound.samples, sound.write(s.ctx, s.w, s.o)
}
