package sampler

import (
	"math"
	"math/bits"
)

// Noise fills dst with standard Gaussian noise: elements 0, 1, ... of the given
// stream of the given seed. The generator is counter-based, so element i
// depends only on seed, stream and i: a longer draw begins with the shorter
// one, any part can be drawn by itself (NoiseAt), and threads cannot change it.
// Streams separate draws that must not repeat each other, such as the chunks of
// one video.
//
// The bits are Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy
// as 1, 2, 3", 2011) with the seed as key and (i/4, stream) as counter, made
// Gaussian by Box and Muller's transform in double precision. |value| < 6.8.
func Noise(dst []float32, seed, stream uint64) { NoiseAt(dst, seed, stream, 0) }

// NoiseAt fills dst with the elements first, first+1, ... of the stream.
func NoiseAt(dst []float32, seed, stream, first uint64) {
	for len(dst) > 0 {
		quad := gauss4(NoiseBits(seed, stream, first/4))
		n := copy(dst, quad[first%4:])
		dst = dst[n:]
		first += uint64(n)
	}
}

// NoiseBits returns the uniform words that the elements 4i to 4i+3 of the stream are
// made of: of each pair of words, the first gives the radius of a pair of Gaussians
// and the second their angle.
func NoiseBits(seed, stream, i uint64) [4]uint32 {
	return philox([4]uint32{uint32(i), uint32(i >> 32), uint32(stream), uint32(stream >> 32)}, [2]uint32{uint32(seed), uint32(seed >> 32)})
}

// philox is Philox4x32 with 10 rounds.
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	const m0, m1 = 0xD2511F53, 0xCD9E8D57 // multipliers
	const w0, w1 = 0x9E3779B9, 0xBB67AE85 // key increments
	for range 10 {
		hi0, lo0 := bits.Mul32(m0, c[0])
		hi1, lo1 := bits.Mul32(m1, c[2])
		c = [4]uint32{hi1 ^ c[1] ^ k[0], lo1, hi0 ^ c[3] ^ k[1], lo0}
		k[0] += w0
		k[1] += w1
	}
	return c
}

// gauss4 makes two pairs of independent Gaussians from four uniform words.
func gauss4(w [4]uint32) [4]float32 {
	var out [4]float32
	for i := 0; i < 4; i += 2 {
		// The half keeps the logarithm away from 0 at both ends.
		u := (float64(w[i]) + 0.5) / (1 << 32)
		v := (float64(w[i+1]) + 0.5) / (1 << 32)
		r := math.Sqrt(-2 * math.Log(u))
		s, c := math.Sincos(2 * math.Pi * v)
		out[i], out[i+1] = float32(r*c), float32(r*s)
	}
	return out
}
