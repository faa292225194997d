package voice

import (
	"math"

	"github.com/kinora-video/kinora/internal/sampler"
)

// noiseTables have the radius and the direction of complex Gaussian noise (Box and
// Muller 1958) for 11 random bits each: for sound, as many are enough.
type noiseTables struct {
	radius    []float32    // [steps]
	direction [][2]float32 // [steps], real and imaginary part
}

const (
	stepBits = 11
	steps    = 1 << stepBits
	draws    = (bins + 3) / 4 // of four words for a window
)

func newNoiseTables() noiseTables {
	t := noiseTables{make([]float32, steps), make([][2]float32, steps)}
	for i := range steps {
		x := (float64(i) + 0.5) / steps
		s, c := math.Sincos(2 * math.Pi * x)
		t.radius[i], t.direction[i] = float32(math.Sqrt(-2*math.Log(x))), [2]float32{float32(c), float32(s)}
	}
	return t
}

// draw draws the noise of a window: real and imaginary part of each bin are Gaussian
// with variance 1. It depends on nothing but its arguments.
func (t *noiseTables) draw(dst *[bins][2]float32, seed, part uint64, at int) {
	for i := range draws {
		words := sampler.NoiseBits(seed, part, uint64(at)*draws+uint64(i))
		for j, w := range words[:min(4, bins-4*i)] {
			r, d := t.radius[w%steps], &t.direction[w>>stepBits%steps]
			dst[4*i+j] = [2]float32{r * d[0], r * d[1]}
		}
	}
}
