package soundtrack

import (
	"math"
	"testing"
)

// tone is a stereo sine: amplitude in full scale, phase in degrees.
func tone(hertz, amplitude, phase, seconds float64) []float32 {
	out := make([]float32, 0, Channels*int(seconds*Rate))
	for i := range int(seconds * Rate) {
		v := float32(amplitude * math.Sin(2*math.Pi*hertz*float64(i)/Rate+phase*math.Pi/180))
		out = append(out, v, v)
	}
	return out
}

// TestLoudness has the signals of EBU Tech 3341 for the integrated loudness.
func TestLoudness(t *testing.T) {
	type level struct{ decibels, seconds float64 }
	for _, c := range []struct {
		name   string
		levels []level
		want   float64
	}{
		{"1", []level{{-23, 20}}, -23},
		{"2", []level{{-33, 20}}, -33},
		{"3", []level{{-36, 10}, {-23, 60}, {-36, 10}}, -23},
		{"4", []level{{-72, 10}, {-36, 10}, {-23, 60}, {-36, 10}, {-72, 10}}, -23},
		{"5", []level{{-26, 20}, {-20, 20.1}, {-26, 20}}, -23},
		{"shorter than a block", []level{{-23, 0.3}}, -23},
	} {
		var m Meter
		for _, l := range c.levels {
			m.Add(tone(1000, factor(l.decibels), 0, l.seconds))
		}
		if got := m.Loudness(); math.Abs(got-c.want) > 0.1 {
			t.Errorf("case %s: %.2f LUFS, want %.1f", c.name, got, c.want)
		}
	}
	var m Meter
	if m.Add(make([]float32, 2*Rate)); !math.IsInf(m.Loudness(), -1) || !math.IsInf(m.TruePeak(), -1) {
		t.Errorf("silence: %v LUFS, %v dBTP", m.Loudness(), m.TruePeak())
	}
	if got := new(Meter).Loudness(); !math.IsInf(got, -1) {
		t.Errorf("nothing: %v LUFS", got)
	}
}

// TestTruePeak has signals of EBU Tech 3341 whose peaks lie between the samples. It
// allows 0.2 dB more and 0.4 dB less.
func TestTruePeak(t *testing.T) {
	for _, c := range []struct{ fraction, amplitude, phase, want float64 }{
		{4, 0.5, 0, -6}, {4, 0.5, 45, -6}, {6, 0.5, 60, -6}, {8, 0.5, 67.5, -6}, {4, 1.41, 45, 3},
	} {
		var m Meter
		// The tone begins softly: a step has peaks of its own.
		s := tone(Rate/c.fraction, c.amplitude, c.phase, 1)
		for i := range Rate / 10 {
			s[2*i] *= float32(i) / (Rate / 10)
			s[2*i+1] = s[2*i]
		}
		m.Add(s)
		if got := m.TruePeak(); got > c.want+0.2 || got < c.want-0.4 {
			t.Errorf("a sine of 1/%v of the rate: %.2f dBTP, want %.1f", c.fraction, got, c.want)
		}
	}
}
