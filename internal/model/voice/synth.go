package voice

import (
	"errors"
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/simd"
)

// The sound is put together from windows of 50 ms, one every 12.5 ms. The spectrum
// of each is, by bins of 20 Hz,
//
//	S = e^a·e^{iπ·tanh θ}·P + e^n·Z + e^r·e^{iφ}
//
// P is the spectrum of a train of pulses at the pitch, Z complex noise; a, θ, n, r
// and φ are what the network gives for each bin. The inverse transform of S, once
// more under the window, is added to what overlaps it (Griffin and Lim 1984), and
// the sum divided by that of the squared windows.
const (
	window = 1200 // samples of a window
	hop    = 300  // samples from one to the next
	parts  = 5    // numbers that the network gives for a bin

	// The pulses have all harmonics below highest, in Hz. Where the pitch is below
	// lowest there is no voice.
	lowest, highest = 40, 11000
	// loudest bounds the magnitude of each part of a spectrum.
	loudest = 1096.6332 // e^7
	// piece is how many windows are made at a time.
	piece = 64
)

// tables are the numbers that synthesis looks up.
type tables struct {
	spectra *transform // of windows
	// hann is Hann's window, periodic; under scaled, the window of the pulses, the
	// spectrum of a cosine of height 1 peaks at 1.
	hann, scaled [window]float32
	noise        noiseTables
}

var table = sync.OnceValue(func() *tables {
	t := &tables{spectra: newTransform(window), noise: newNoiseTables()}
	for i := range window {
		v := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/window)
		t.hann[i], t.scaled[i] = float32(v), float32(v/(window/4))
	}
	return t
})

// synthesis makes the sound of a sentence.
type synthesis struct {
	*tables
	pulses     []float32
	out        []float32 // the sum of the windows, from half a window before the sound on
	seed, part uint64
	windows    []float32 // [piece, window]
}

// newSynthesis begins the sound of a pitch track, one number a window, an even
// number of windows.
func newSynthesis(f0 []float32, seed, part uint64) *synthesis {
	return &synthesis{
		tables: table(), pulses: pulses(f0), out: make([]float32, (len(f0)-1)*hop+window), seed: seed, part: part,
		windows: make([]float32, piece*window),
	}
}

// add adds the windows lo to hi, which are even, from what the network gives for
// them, [hi-lo, parts, bins], and its exponentials.
func (s *synthesis) add(given, exps []float32, lo, hi int) {
	simd.For((hi-lo)/2, 4, func(from, to int) {
		w := workspace{tables: s.tables}
		for i := 2 * from; i < 2*to; i += 2 {
			w.listen(s.pulses, lo+i)
			for side := range 2 {
				at := (i + side) * parts * bins
				w.noise.draw(&w.drawn, s.seed, s.part, lo+i+side)
				w.shape(given[at:][:parts*bins], exps[at:][:parts*bins], side)
			}
			w.speak(s.windows[i*window:][:window], s.windows[(i+1)*window:][:window])
		}
	})
	const overlap = window / hop
	out := s.out[lo*hop:]
	simd.For(hi-lo+overlap-1, 16, func(from, to int) {
		for block := from; block < to; block++ {
			dst := out[block*hop:][:hop]
			for i := max(0, block-overlap+1); i <= min(block, hi-lo-1); i++ {
				for j, x := range s.windows[i*window+(block-i)*hop:][:hop] {
					dst[j] += x
				}
			}
		}
	})
}

// sound returns the samples, hop for each window.
func (s *synthesis) sound() ([]float32, error) {
	const half = window / 2
	n := (len(s.out)-window)/hop + 1
	out := s.out[half : half+n*hop]
	between := [hop]float32{}
	for i := range between {
		between[i] = 1 / s.squares(half+window+i, 2*window)
	}
	for i := range out {
		if at := half + i; at >= window && at < n*hop {
			out[i] *= between[i%hop]
		} else {
			out[i] /= max(s.squares(at, n), 1e-11)
		}
		if x := out[i]; x-x != 0 {
			return nil, errors.New("the voice gave a sample that is not finite: its weights are damaged")
		}
	}
	return out, nil
}

// squares is the sum of the squared windows over a sample, of n windows. Over the
// first and the last samples there are fewer than between.
func (t *tables) squares(sample, n int) (sum float32) {
	for at := sample % hop; at < window; at += hop {
		if i := (sample - at) / hop; sample >= at && i < n {
			sum += t.hann[at] * t.hann[at]
		}
	}
	return sum
}

// workspace is what two windows are made in: one in the real, one in the imaginary
// part of what is transformed, as both are real.
type workspace struct {
	*tables
	re, im, re2, im2 [window]float32
	drawn            [bins][2]float32 // the noise of a window
	sin, cos         [bins]float32
	pulse            [2][2][bins]float32 // of each window: real and imaginary parts
}

// listen makes the spectra of windows i and i+1 of the pulses. They reach half a
// window to each side, and are reflected at both ends.
func (w *workspace) listen(pulses []float32, i int) {
	for side, dst := range [][]float32{w.re[:], w.im[:]} {
		at := (i+side)*hop - window/2
		if at >= 0 && at+window <= len(pulses) {
			for j, x := range pulses[at : at+window] {
				dst[j] = x * w.scaled[j]
			}
			continue
		}
		for j := range dst {
			dst[j] = pulses[reflect(at+j, len(pulses))] * w.scaled[j]
		}
	}
	w.spectra.apply(w.re[:], w.im[:], w.re2[:], w.im2[:])
	for k := range bins {
		back := (window - k) % window
		ar, ai, br, bi := w.re[k], w.im[k], w.re[back], w.im[back]
		w.pulse[0][0][k], w.pulse[0][1][k] = (ar+br)/2, (ai-bi)/2
		w.pulse[1][0][k], w.pulse[1][1][k] = (ai+bi)/2, (br-ar)/2
	}
}

// reflect is the index of n samples that stands for i, as in a mirror on the first
// and on the last sample.
func reflect(i, n int) int {
	for i < 0 || i >= n {
		if i < 0 {
			i = -i
		} else {
			i = 2*(n-1) - i
		}
	}
	return i
}

// shape makes the spectrum of a window from what the network gives for it, and the
// exponentials of that, in the place of the spectrum of its pulses.
func (w *workspace) shape(given, exps []float32, side int) {
	phase := given[4*bins:][:bins]
	voiced, turned, noisy, own := exps[:bins], exps[bins:][:bins], exps[2*bins:][:bins], exps[3*bins:][:bins]
	re, im := w.pulse[side][0][:], w.pulse[side][1][:]
	for k, t := range turned {
		// π·tanh θ is a turn of tanh θ / 2, and that is ½ - 1/(e^{2θ}+1).
		w.sin[k] = 0.5 - 1/(t*t+1)
	}
	sincos(&w.sin, &w.cos)
	for k := range bins {
		v, n := atMost(voiced[k]), atMost(noisy[k])
		r, i, s, c := re[k], im[k], w.sin[k], w.cos[k]
		re[k] = v*(r*c-i*s) + n*w.drawn[k][0]
		im[k] = v*(r*s+i*c) + n*w.drawn[k][1]
	}
	for k, x := range phase {
		w.sin[k] = x * (1 / (2 * math.Pi))
	}
	sincos(&w.sin, &w.cos)
	for k := range bins {
		o := atMost(own[k])
		re[k] += o * w.cos[k]
		im[k] += o * w.sin[k]
	}
}

// atMost is the magnitude of a part of a spectrum, bounded.
func atMost(x float32) float32 {
	if x > loudest {
		return loudest
	}
	return x
}

// speak makes two windows of sound of their spectra.
func (w *workspace) speak(a, b []float32) {
	// The first and the last bin are real.
	for side := range 2 {
		w.pulse[side][1][0], w.pulse[side][1][bins-1] = 0, 0
	}
	ar, ai, br, bi := &w.pulse[0][0], &w.pulse[0][1], &w.pulse[1][0], &w.pulse[1][1]
	for k := range bins {
		back := (window - k) % window
		w.re[k], w.im[k] = ar[k]-bi[k], ai[k]+br[k]
		w.re[back], w.im[back] = ar[k]+bi[k], br[k]-ai[k]
	}
	// With both parts exchanged, the transform is its own inverse but for a factor.
	w.spectra.apply(w.im[:], w.re[:], w.im2[:], w.re2[:])
	for i, h := range w.hann {
		a[i], b[i] = w.re[i]*h*(1.0/window), w.im[i]*h*(1.0/window)
	}
}

// pulses is a train of pulses at the pitch f0, one number every hop samples: the sum
// of the cosines of all harmonics below highest, which is
// sin((h+½)·t)/(2·sin(t/2)) - ½ for h of them at the phase t.
func pulses(f0 []float32) []float32 {
	pitch, phase := make([]float32, len(f0)*hop), make([]float64, len(f0)*hop)
	turns := 0.0
	for i, f := range f0 {
		before, after := f0[max(i-1, 0)], f0[min(i+1, len(f0)-1)]
		for j := range hop {
			// Between the middles of windows the pitch changes evenly.
			at := (float32(j)+0.5)/hop - 0.5
			v := f + at*(after-f)
			if at < 0 {
				v = f + at*(f-before)
			}
			turns += float64(max(v, lowest)) / SampleRate
			turns -= math.Floor(turns)
			pitch[i*hop+j], phase[i*hop+j] = v, turns
		}
	}
	simd.For(len(f0), 8, func(lo, hi int) {
		for i := lo * hop; i < hi*hop; i++ {
			pitch[i] = pulse(pitch[i], phase[i])
		}
	})
	return pitch
}

// pulse is the train at a pitch in Hz and a phase in turns.
func pulse(pitch float32, phase float64) float32 {
	if !(pitch > lowest) {
		return 0
	}
	harmonics := math.Floor(float64(highest / pitch))
	below := sine(float32(phase / 2))
	if below = 2 * below; below < 2e-3 && below > -2e-3 { // at the top of a pulse
		return float32(harmonics)
	}
	over := phase * (harmonics + 0.5)
	return sine(float32(over-math.Floor(over)))/below - 0.5
}
