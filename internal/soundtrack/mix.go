package soundtrack

import (
	"context"
	"fmt"
	"math"
)

// Levels. They are what films and podcasts have, and what players expect that play
// sound as it is.
const (
	// TargetLoudness is that of a finished sound track, in LUFS.
	TargetLoudness = -16
	// Ceiling is the true peak of the sum before it is encoded, in dBTP. Encoded
	// with losses, peaks become up to a decibel higher: -1 dBTP is the aim.
	Ceiling = -2
	// MaxGain bounds how much quiet sound is raised, in decibels: what is nearly
	// silence stays quiet.
	MaxGain = 30
	// DuckDepth is by how much everything else is lower while there is speech, in
	// decibels.
	DuckDepth = 12
	// MaxVolume bounds Mix.Volume.
	MaxVolume = 4
)

// Mix is the sound track of a video. Each part may be nil, but not all.
type Mix struct {
	Frames    int    // of the result
	Narration *Piece // begins with the video
	Track     *Piece // is cut to the video's length, or repeated
	Own       *Piece // the sound that the model made
	// Volume is how loud the track is: at 1 it is as loud as a narration would be.
	// The loudness of the sum is less than TargetLoudness if nothing has a volume
	// of at least 1.
	Volume float64
}

// block is how many frames are mixed at a time.
const block = 1 << 13

// Levelled is a Mix whose loudness is known.
type Levelled struct {
	// Loudness and TruePeak are those of the result, in LUFS and dBTP; -Inf for
	// silence.
	Loudness, TruePeak float64

	mix             *Mix
	speech, track   float64 // gains
	gain            float64 // of the sum
	under           duck
	scratch, second []float32
}

// Level measures the parts and the sum, and chooses the gains. It reads each part a
// few times.
func (m *Mix) Level(ctx context.Context) (*Levelled, error) {
	l := &Levelled{mix: m, speech: 1, track: m.Volume, gain: 1}
	if m.Narration != nil {
		heard, err := l.measure(ctx, m.Narration.Frames, func(dst []float32, at int) error { return m.Narration.read(dst, at, nil) })
		if err != nil {
			return nil, err
		}
		l.speech = factor(gainTo(TargetLoudness, heard.Loudness()))
		if l.under, err = ducked(m.Narration); err != nil {
			return nil, err
		}
	}
	if m.Track != nil {
		heard, err := l.measure(ctx, m.Frames, func(dst []float32, at int) error { return m.Track.loop(dst, at, m.Frames) })
		if err != nil {
			return nil, err
		}
		l.track = m.Volume * factor(gainTo(TargetLoudness, heard.Loudness()))
	}
	heard, err := l.measure(ctx, m.Frames, l.sum)
	if err != nil {
		return nil, err
	}
	want := m.target()
	l.gain = factor(gainTo(want, heard.Loudness()))
	return l, l.settle(ctx, want)
}

// settle raises the gain by what the limiter has taken from the loudness.
func (l *Levelled) settle(ctx context.Context, want float64) error {
	const passes, close = 3, 0.1
	for range passes {
		var heard Meter
		if err := l.Play(ctx, func(samples []float32) error { heard.Add(samples); return nil }); err != nil {
			return err
		}
		l.Loudness, l.TruePeak = heard.Loudness(), heard.TruePeak()
		lost := want - l.Loudness
		if !bounded(l.Loudness) || lost < close || decibels(l.gain)+lost > MaxGain {
			return nil
		}
		l.gain *= factor(lost)
	}
	return nil
}

// target is the loudness of the sum.
func (m *Mix) target() float64 {
	loudest := m.Volume
	if m.Track == nil || m.Narration != nil || m.Own != nil {
		loudest = 1
	}
	return TargetLoudness + min(0, decibels(loudest))
}

// gainTo is the gain, in decibels, that brings a loudness to a wanted one.
func gainTo(want, has float64) float64 {
	if !bounded(has) {
		return 0
	}
	return min(MaxGain, want-has)
}

// measure hears so many frames.
func (l *Levelled) measure(ctx context.Context, frames int, read func(dst []float32, at int) error) (*Meter, error) {
	heard := new(Meter)
	err := l.blocks(ctx, frames, read, func(samples []float32) error { heard.Add(samples); return nil })
	return heard, err
}

// blocks reads so many frames, block by block.
func (l *Levelled) blocks(ctx context.Context, frames int, read func(dst []float32, at int) error, yield func([]float32) error) error {
	if l.scratch == nil {
		l.scratch = make([]float32, block*Channels)
	}
	for at := 0; at < frames; at += block {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("soundtrack: mixing was stopped: %w", context.Cause(ctx))
		}
		dst := l.scratch[:Channels*min(block, frames-at)]
		clear(dst)
		if err := read(dst, at); err != nil {
			return err
		}
		if err := yield(dst); err != nil {
			return err
		}
	}
	return nil
}

// sum adds all parts from frame at on to dst, without the gain of the sum.
func (l *Levelled) sum(dst []float32, at int) error {
	m := l.mix
	if l.second == nil {
		l.second = make([]float32, block*Channels)
	}
	other := l.second[:len(dst)]
	clear(other)
	if m.Track != nil {
		if err := m.Track.loop(other, at, m.Frames); err != nil {
			return err
		}
		scale(other, float32(l.track))
	}
	if m.Own != nil {
		if err := m.Own.read(other, at, nil); err != nil {
			return err
		}
	}
	l.under.apply(other, at)
	if m.Narration != nil {
		if err := m.Narration.read(dst, at, nil); err != nil {
			return err
		}
		scale(dst, float32(l.speech))
	}
	for i, v := range other {
		dst[i] += v
	}
	return nil
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}

// Play yields the sound: stereo samples, in all exactly as many as the mix has
// frames. The slice is reused.
func (l *Levelled) Play(ctx context.Context, yield func(samples []float32) error) error {
	limit := newLimiter(l.gain, factor(Ceiling))
	early := limiterDelay * Channels
	// The limiter gives out the last frames only when it is given as many more.
	return l.blocks(ctx, l.mix.Frames+limiterDelay, l.sum, func(samples []float32) error {
		limit.apply(samples)
		n := min(early, len(samples))
		early -= n
		if samples = samples[n:]; len(samples) == 0 {
			return nil
		}
		return yield(samples)
	})
}

// Fades of a track, in frames.
const (
	fadeIn  = Rate / 100   // so that nothing clicks
	fadeOut = Rate * 3 / 2 // where the video ends, or a quarter of it
	seam    = Rate / 2     // where the track begins again, or a quarter of it
)

// loop adds the piece, repeated until it has so many frames in all, to dst from
// frame at on. Where it begins again, its end and its beginning overlap and fade.
func (p *Piece) loop(dst []float32, at, frames int) error {
	if p.Frames < 1 {
		return nil
	}
	overlap := min(seam, p.Frames/4)
	period := p.Frames - overlap
	if p.Frames >= frames {
		overlap, period = 0, p.Frames
	}
	gain := make([]float32, min(block, len(dst)/Channels))
	for n := len(dst) / Channels; n > 0; {
		round, from := at/period, at%period
		some := min(n, period-from, len(gain))
		// The beginning, which fades in over the end of the round before.
		for i := range some {
			gain[i] = 1
			if x := from + i; round > 0 && x < overlap {
				gain[i] = float32(math.Sin(math.Pi / 2 * float64(x) / float64(overlap)))
			}
		}
		p.fade(gain[:some], at, frames)
		if err := p.read(dst[:Channels*some], from, gain[:some]); err != nil {
			return err
		}
		if round > 0 && from < overlap {
			for i := range some {
				gain[i] = 0
				if x := from + i; x < overlap {
					gain[i] = float32(math.Cos(math.Pi / 2 * float64(x) / float64(overlap)))
				}
			}
			p.fade(gain[:some], at, frames)
			if err := p.read(dst[:Channels*some], period+from, gain[:some]); err != nil {
				return err
			}
		}
		dst, at, n = dst[Channels*some:], at+some, n-some
	}
	return nil
}

// fade fades gains in at the beginning and out at the end of so many frames.
func (p *Piece) fade(gain []float32, at, frames int) {
	out := max(1, min(fadeOut, frames/4))
	for i := range gain {
		if x := at + i; x < fadeIn {
			gain[i] *= float32(x) / fadeIn
		}
		if left := frames - 1 - at - i; left < out {
			gain[i] *= float32(0.5 - 0.5*math.Cos(math.Pi*float64(max(0, left))/float64(out)))
		}
	}
}
