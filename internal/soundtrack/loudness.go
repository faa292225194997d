package soundtrack

import "math"

// Meter measures the loudness and the peak of stereo sound at Rate, as ITU-R
// BS.1770-5 says. The zero Meter has heard nothing.
type Meter struct {
	weigh [Channels]weighting
	peaks [Channels]interpolator
	peak  float32

	sum   float64 // of squares of the part that is being heard
	heard int     // frames of it
	parts []part
}

// part is a hundred milliseconds of sound: the sum of its squared, weighted samples.
type part struct {
	sum    float64
	frames int
}

const (
	partFrames   = Rate / 10
	partsOfBlock = 4 // a gating block has 400 ms, and one begins every 100 ms
	absoluteGate = -70
	relativeGate = -10
	offset       = -0.691 // so that a full-scale sine of 1 kHz in one channel is -3.01 LUFS
)

// Add hears some more stereo samples.
func (m *Meter) Add(samples []float32) {
	for i := 0; i+1 < len(samples); i += Channels {
		for c := range Channels {
			v := samples[i+c]
			w := m.weigh[c].next(float64(v))
			m.sum += w * w
			m.peak = max(m.peak, m.peaks[c].peak(v))
		}
		if m.heard++; m.heard == partFrames {
			m.parts = append(m.parts, part{m.sum, m.heard})
			m.sum, m.heard = 0, 0
		}
	}
}

// Loudness is the integrated loudness of all that was heard, in LUFS. Sound of less
// than 400 ms, which has no gating block, is measured as a whole. Silence is -Inf.
func (m *Meter) Loudness() float64 {
	blocks := m.blocks()
	gated := func(least float64) (mean float64) {
		n := 0
		for _, b := range blocks {
			if loudness(b) > least {
				mean += b
				n++
			}
		}
		return mean / float64(max(n, 1))
	}
	mean := gated(absoluteGate)
	if mean == 0 {
		return math.Inf(-1)
	}
	return loudness(gated(loudness(mean) + relativeGate))
}

// blocks are the mean squares of the gating blocks.
func (m *Meter) blocks() (means []float64) {
	mean := func(parts ...part) float64 {
		var all part
		for _, p := range parts {
			all.sum += p.sum
			all.frames += p.frames
		}
		return all.sum / float64(max(all.frames, 1))
	}
	for i := partsOfBlock; i <= len(m.parts); i++ {
		means = append(means, mean(m.parts[i-partsOfBlock:i]...))
	}
	if len(means) == 0 {
		means = append(means, mean(append(m.parts[:len(m.parts):len(m.parts)], part{m.sum, m.heard})...))
	}
	return means
}

func loudness(meanSquare float64) float64 { return offset + 10*math.Log10(meanSquare) }

// TruePeak is the largest value between and at the samples that were heard, in dBTP:
// decibels relative to full scale. Silence is -Inf.
func (m *Meter) TruePeak() float64 { return decibels(float64(m.peak)) }

func decibels(factor float64) float64 { return 20 * math.Log10(factor) }
func factor(decibels float64) float64 { return math.Pow(10, decibels/20) }

// weighting is the K-weighting of BS.1770-5: a shelf for the head, and a high-pass.
// Its coefficients are those for 48 kHz in the annex.
type weighting struct{ shelf, pass biquad }

func (w *weighting) next(x float64) float64 {
	x = w.shelf.next(x, 1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585)
	return w.pass.next(x, 1, -2, 1, -1.99004745483398, 0.99007225036621)
}

// biquad is a filter of the second order, in the transposed direct form II.
type biquad struct{ s1, s2 float64 }

func (b *biquad) next(x, b0, b1, b2, a1, a2 float64) float64 {
	y := b0*x + b.s1
	b.s1 = b1*x - a1*y + b.s2
	b.s2 = b2*x - a2*y
	return y
}

// phases are the coefficients of annex 2 of BS.1770-5: they give the values at the
// quarters between two samples. The third and fourth are the first two backwards.
var phases = [2][12]float32{
	{
		0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
		0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
	},
	{
		-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
		0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
	},
}

// taps is how many samples a value between two of them is made of.
const taps = 12

// interpolator remembers the last samples, twice, so that they always lie in a row.
type interpolator struct {
	last [2 * taps]float32
	at   int
}

// peak takes a sample and returns the largest of it and of the four values around
// the sample taps/2 before it.
func (p *interpolator) peak(x float32) float32 {
	if p.at == 0 {
		p.at = taps
	}
	p.at--
	p.last[p.at], p.last[p.at+taps] = x, x
	row := p.last[p.at : p.at+taps]
	var a, b, c, d float32
	for i, v := range row {
		a += phases[0][i] * v
		b += phases[1][i] * v
		c += phases[1][taps-1-i] * v
		d += phases[0][taps-1-i] * v
	}
	return max(abs(x), abs(a), abs(b), abs(c), abs(d))
}

func abs(x float32) float32 { return max(x, -x) }
