// Package voice speaks English: phonemes become sound. It is Hibari's network
// (hibari-tts 0.2.1, Apache-2.0), a small student of Kokoro-82M, on our kernels,
// with its weights inside the program.
//
// One network says how long each phoneme lasts, another which pitch and loudness
// each 12.5 ms have, a third the spectrum of each 12.5 ms, in five parts. Signal
// processing makes sound of these: pulses at the pitch, filtered; noise, filtered;
// and a part with phases of its own (see synth.go).
//
// It reads phonemes alone. Text becomes phonemes elsewhere, and files of sound are
// made elsewhere. It never trains.
package voice

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/tensor"
)

// SampleRate is the number of samples a second.
const SampleRate = 24000

// Limits of one sentence.
const (
	// MaxPhonemes are read at once: about a minute of speech. Longer texts come
	// sentence by sentence.
	MaxPhonemes = 1000
	// maxDuration bounds the frames of prosody of one phoneme, 25 ms each at speed
	// 1. The longest in speech are about 40.
	maxDuration = 400
	// maxFrames bounds the frames of prosody of a sentence: five minutes.
	maxFrames = 12000
)

// Bounds of Settings: speed as a factor, pitch in semitones.
const (
	MinSpeed, MaxSpeed = 0.5, 2
	MaxPitch           = 12
)

// Settings say how to speak.
type Settings struct {
	Speed float64 // how many times as fast, MinSpeed to MaxSpeed; 0 means 1
	Pitch float64 // semitones higher or, below zero, lower; at most MaxPitch
	// Seed is that of the noise in breath and consonants: the same seed gives the
	// same sound. Part is the number of the sentence in its text, so that the noise
	// of no two is the same.
	Seed, Part uint64
}

func (s Settings) check() (Settings, error) {
	if s.Speed == 0 {
		s.Speed = 1
	}
	if !(s.Speed >= MinSpeed && s.Speed <= MaxSpeed) {
		return s, fmt.Errorf("a voice cannot speak %v times as fast: %v to %v", s.Speed, MinSpeed, MaxSpeed)
	}
	if !(math.Abs(s.Pitch) <= MaxPitch) {
		return s, fmt.Errorf("a voice cannot be raised by %v semitones: %d to %d", s.Pitch, -MaxPitch, MaxPitch)
	}
	return s, nil
}

// A Voice is an open voice. Several goroutines may speak with it.
type Voice struct {
	net *network
	// alphabet has the rows of the tables for letters of the international phonetic
	// alphabet with misaki's additions, stress marks, punctuation and the space.
	alphabet map[rune]int32
	backends sync.Pool
}

// rows are the rows of the tables for phonemes, with silence around them. What the
// voice does not know is left out.
func (v *Voice) rows(phonemes string) []int32 {
	ids := []int32{0}
	for _, r := range phonemes {
		if id := v.alphabet[r]; id != 0 {
			ids = append(ids, id)
		}
	}
	return append(ids, 0)
}

// Speak speaks a sentence, given as phonemes such as "həlˈO ðˈɛɹ.", and returns
// samples, mono, at SampleRate. They lie within about [-1, 1] and are not clipped.
// What the voice does not know is left out; nil is what it makes of nothing.
func (v *Voice) Speak(ctx context.Context, phonemes string, s Settings) ([]float32, error) {
	s, err := s.check()
	if err != nil {
		return nil, err
	}
	ids := v.rows(phonemes)
	switch n := len(ids) - 2; {
	case n == 0:
		return nil, nil
	case n > MaxPhonemes:
		return nil, fmt.Errorf("a sentence of %d phonemes, the voice speaks at most %d at once: cut it at its commas", n, MaxPhonemes)
	}
	b, ok := v.backends.Get().(tensor.Backend)
	if !ok {
		b = backend.Exact()
	}
	defer func() {
		b.Reset()
		v.backends.Put(b)
	}()
	return v.speak(ctx, b, ids, s)
}

// speak is Speak of rows of the tables on a backend.
func (v *Voice) speak(ctx context.Context, b tensor.Backend, ids []int32, s Settings) ([]float32, error) {
	x := v.net.prosodyText.apply(b, ids)
	frames, err := timing(tensor.Values(b, v.net.durations(b, x)), s.Speed)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f0, entry := pitch(tensor.Values(b, v.net.tracks(b, x, frames)), s.Pitch)
	h := v.net.decode(b, v.net.text.apply(b, ids), twice(frames), b.Upload(entry, len(f0), 2))
	syn := newSynthesis(f0, s.Seed, s.Part)
	given, exps := make([]float32, piece*parts*bins), make([]float32, piece*parts*bins)
	for lo := 0; lo < len(f0); lo += piece {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hi := min(lo+piece, len(f0))
		n := (hi - lo) * parts * bins
		b.Scope(func() *tensor.Tensor {
			x := v.net.spectrum(b, h, lo, hi)
			b.Download(given[:n], x)
			x = b.Exp(x)
			b.Download(exps[:n], x)
			return x
		})
		syn.add(given[:n], exps[:n], lo, hi)
	}
	return syn.sound()
}

// timing says which phoneme each frame of prosody belongs to, from log(1+duration)
// of each phoneme. Each has one frame at least.
func timing(logs []float32, speed float64) ([]int32, error) {
	var frames []int32
	for i, x := range logs {
		d := math.RoundToEven((math.Exp(float64(x)) - 1) / speed)
		if !(d <= maxDuration) {
			return nil, fmt.Errorf("the voice would hold phoneme %d of the sentence for %.3g frames, at most %d are allowed: its weights are damaged", i, d, maxDuration)
		}
		for range max(1, int(d)) {
			frames = append(frames, int32(i))
		}
		if len(frames) > maxFrames {
			return nil, fmt.Errorf("the sentence would be longer than %d s: cut it at its commas", maxFrames*2*hop/SampleRate)
		}
	}
	return frames, nil
}

// twice repeats every frame: one of prosody is two of the spectrum.
func twice(frames []int32) []int32 {
	out := make([]int32, 0, 2*len(frames))
	for _, at := range frames {
		out = append(out, at, at)
	}
	return out
}

// pitch makes of the tracks [F, 4] the pitch of each frame of the spectrum in Hz,
// below 40 where the voice is silent or whispers, raised by semitones; and what the
// decoder takes, [2F, 2]: log(1+pitch)/5 and the loudness.
func pitch(tracks []float32, semitones float64) (f0, entry []float32) {
	by := float32(100 * math.Exp2(semitones/12))
	for i := 0; i < len(tracks); i += 4 {
		for j := range 2 {
			f := by * tracks[i+j]
			f0 = append(f0, f)
			entry = append(entry, float32(math.Log1p(float64(max(f, 0)))/5), tracks[i+2+j])
		}
	}
	return f0, entry
}
