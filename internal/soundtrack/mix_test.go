package soundtrack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// piece makes a Piece of samples.
func piece(channels int, samples []float32) *Piece {
	var b []byte
	for _, v := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(float64(v)*math.MaxInt16))))
	}
	return &Piece{R: bytes.NewReader(b), Frames: len(samples) / channels, Channels: channels}
}

// talk is mono noise in bursts: speech is like that.
func talk(amplitude float64, seconds ...float64) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []float32
	for i, s := range seconds {
		for range int(s * Rate) {
			v := 0.0
			if i%2 == 0 {
				v = amplitude * (rng.Float64()*2 - 1)
			}
			out = append(out, float32(v))
		}
	}
	return out
}

func mixed(t *testing.T, m *Mix) (*Levelled, []float32) {
	t.Helper()
	l, err := m.Level(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []float32
	if err := l.Play(t.Context(), func(s []float32) error { out = append(out, s...); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(out) != Channels*m.Frames {
		t.Fatalf("%d samples for %d frames", len(out), m.Frames)
	}
	return l, out
}

// TestLevels: whatever goes in, the sum has the loudness, and no peak is above the
// ceiling. A pulse every tenth of a second makes the limiter work.
func TestLevels(t *testing.T) {
	clicks := tone(300, 0.02, 0, 4)
	for i := 0; i < len(clicks); i += Rate / 5 {
		clicks[i], clicks[i+1] = 0.9, 0.9
	}
	for name, m := range map[string]*Mix{
		"quiet speech":     {Narration: piece(1, talk(0.01, 1, 0.3, 1))},
		"loud track":       {Track: piece(2, tone(440, 0.99, 0, 6)), Volume: 1},
		"clicks":           {Track: piece(2, clicks), Volume: 1},
		"all":              {Narration: piece(1, talk(0.3, 1, 0.5, 2)), Track: piece(2, tone(220, 0.2, 0, 1.5)), Own: piece(1, talk(0.2, 0.1, 0.9, 0.1, 0.9)), Volume: 1},
		"a track, quieter": {Track: piece(2, tone(440, 0.5, 0, 9)), Volume: 0.5},
	} {
		m.Frames = 5*Rate + 17
		want := float64(TargetLoudness)
		if m.Volume == 0.5 {
			want = TargetLoudness + decibels(0.5)
		}
		l, out := mixed(t, m)
		var heard Meter
		heard.Add(out)
		if math.Abs(heard.Loudness()-want) > 0.3 || heard.TruePeak() > Ceiling+0.3 {
			t.Errorf("%s: %.2f LUFS, %.2f dBTP; want %.1f, at most %v", name, heard.Loudness(), heard.TruePeak(), want, Ceiling)
		}
		if math.Abs(heard.Loudness()-l.Loudness) > 0.2 {
			t.Errorf("%s: it says %.2f LUFS, and has %.2f", name, l.Loudness, heard.Loudness())
		}
	}
	l, out := mixed(t, &Mix{Frames: Rate, Own: piece(1, make([]float32, Rate))})
	if slices.Max(out) != 0 || !math.IsInf(l.Loudness, -1) {
		t.Errorf("silence became %v, %v LUFS", slices.Max(out), l.Loudness)
	}
}

// power is the mean square of a tone of some Hertz in stereo samples from one time
// to another, in decibels.
func power(out []float32, hertz, from, to float64) float64 {
	var re, im float64
	a, b := int(from*Rate), int(to*Rate)
	for i := a; i < b; i++ {
		s, c := math.Sincos(2 * math.Pi * hertz * float64(i) / Rate)
		re += float64(out[2*i]) * c
		im += float64(out[2*i]) * s
	}
	n := float64(b - a)
	return 10 * math.Log10((re*re+im*im)/(n*n))
}

// TestDuck: music is lower by DuckDepth from before speech begins until after it has
// ended, also in a pause between sentences, and then comes back.
func TestDuck(t *testing.T) {
	_, out := mixed(t, &Mix{
		Frames: 10 * Rate, Volume: 1, Track: piece(2, tone(3000, 0.2, 0, 10)),
		Narration: piece(1, append(make([]float32, 2*Rate), talk(0.2, 1, 0.6, 1)...)),
	})
	before := power(out, 3000, 0.2, 1.5)
	for _, c := range []struct{ from, to, want float64 }{
		{2.1, 2.9, -DuckDepth}, {3.1, 3.5, -DuckDepth}, {4, 4.5, -DuckDepth}, {6.3, 8, 0},
	} {
		if got := power(out, 3000, c.from, c.to) - before; math.Abs(got-c.want) > 1 {
			t.Errorf("from %v to %v s the music is %.1f dB lower, want %v", c.from, c.to, got, c.want)
		}
	}
}

// TestLoop: a short track fills the video without a gap or a click, and fades at the
// end.
func TestLoop(t *testing.T) {
	// One second holds a whole number of periods after the overlap.
	p := piece(2, tone(400, 0.5, 0, 1))
	frames := 7 * Rate
	out := make([]float32, Channels*frames)
	// In odd parts, as in one.
	for at := 0; at < frames; {
		n := min(9973, frames-at)
		if err := p.loop(out[Channels*at:Channels*(at+n)], at, frames); err != nil {
			t.Fatal(err)
		}
		at += n
	}
	for s := 0.1; s < 5; s += 0.05 {
		if got := power(out, 400, s, s+0.05); math.Abs(got-(20*math.Log10(0.25))) > 3.2 {
			t.Errorf("at %.2f s: %.1f dB", s, got)
		}
	}
	var step float32
	for i := Channels; i < len(out); i += Channels {
		step = max(step, abs(out[i]-out[i-Channels]))
	}
	if most := float32(2 * math.Pi * 400 / Rate * 0.5 * 1.5); step > most {
		t.Errorf("a step of %v between two samples, at most %v", step, most)
	}
	if last := out[len(out)-Channels]; abs(last) > 1e-4 || power(out, 400, 6.8, 6.95) > -30 {
		t.Errorf("it ends at %v, and has %.1f dB shortly before", last, power(out, 400, 6.8, 6.95))
	}
}

// TestLimiter: what is below the ceiling passes unchanged, only later, and what is
// above never comes out above it.
func TestLimiter(t *testing.T) {
	quiet := tone(1000, 0.5, 0, 0.2)
	got := append(slices.Clone(quiet), make([]float32, Channels*limiterDelay)...)
	newLimiter(1, factor(Ceiling)).apply(got)
	if !slices.Equal(got[Channels*limiterDelay:], quiet) {
		t.Error("sound below the ceiling is changed")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	loud := make([]float32, 4*Rate)
	for i := range loud {
		loud[i] = float32(rng.NormFloat64())
		if i/Rate%2 == 1 {
			loud[i] /= 100
		}
	}
	newLimiter(1, 0.5).apply(loud)
	var m Meter
	m.Add(loud)
	for i, v := range loud {
		if abs(v) > 0.5001 {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
	if got := m.TruePeak(); got > decibels(0.5)+0.3 {
		t.Errorf("a true peak of %.2f dBTP", got)
	}
}

// TestMixEnds: the end of the context, and an error of a reader, end a mix.
func TestMixEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	m := &Mix{Frames: Rate, Own: piece(1, talk(0.1, 1))}
	if _, err := m.Level(ctx); !errors.Is(err, why) {
		t.Errorf("a cancelled mix: %v", err)
	}
	m.Own = &Piece{R: bytes.NewReader(nil), Frames: Rate, Channels: 1}
	if _, err := m.Level(t.Context()); err == nil {
		t.Error("sound that is not there was read")
	}
}
