package sampler

import "math"

// Torch draws the Gaussian noise of torch.randn on a CPU from a
// torch.Generator("cpu") with manual_seed, in float32, as diffusers' pipelines
// draw their first latents: the same seed begins with the same noise, up to the
// rounding of logarithm, sine and cosine (a few units in the last place).
//
// The bits are MT19937 (Matsumoto and Nishimura, "Mersenne Twister", 1998), of
// whose seed torch takes the lower 32 bits, made Gaussian by Box and Muller's
// transform: in float32 and in blocks of 16 for draws of 16 numbers or more, and
// in float64, a pair at a time, for shorter ones.
//
// Unlike Noise, a draw depends on all draws before it. A Torch is for one
// goroutine.
type Torch struct {
	state [mtSize]uint32
	next  int // of the words of state; mtSize when they are used up
	// left is the second half of a pair of which a short draw took the first.
	left    float64
	hasLeft bool
}

// Constants of MT19937.
const (
	mtSize   = 624
	mtMiddle = 397
)

// NewTorch returns the generator after manual_seed(seed).
func NewTorch(seed uint64) *Torch {
	t := &Torch{next: mtSize}
	x := uint32(seed)
	for i := range t.state {
		if i > 0 {
			x = 1812433253*(x^x>>30) + uint32(i)
		}
		t.state[i] = x
	}
	return t
}

// word returns the next 32 random bits.
func (t *Torch) word() uint32 {
	if t.next == mtSize {
		t.twist()
	}
	x := t.state[t.next]
	t.next++
	x ^= x >> 11
	x ^= x << 7 & 0x9D2C5680
	x ^= x << 15 & 0xEFC60000
	return x ^ x>>18
}

// twist makes the next words of the state.
func (t *Torch) twist() {
	for i := range t.state {
		y := t.state[i]&0x8000_0000 | t.state[(i+1)%mtSize]&0x7FFF_FFFF
		t.state[i] = t.state[(i+mtMiddle)%mtSize] ^ y>>1 ^ -(y&1)&0x9908B0DF
	}
	t.next = 0
}

// uniform32 is in [0, 1), with 24 bits.
func (t *Torch) uniform32() float32 { return float32(t.word()&(1<<24-1)) * (1.0 / (1 << 24)) }

// uniform64 is in [0, 1), with 53 bits.
func (t *Torch) uniform64() float64 {
	x := uint64(t.word())<<32 | uint64(t.word())
	return float64(x&(1<<53-1)) * (1.0 / (1 << 53))
}

// Fill fills dst with the next draw: torch.randn of len(dst) elements, in
// row-major order.
func (t *Torch) Fill(dst []float32) {
	const block = 16
	if len(dst) < block {
		for i := range dst {
			dst[i] = float32(t.pairwise())
		}
		return
	}
	for i := range dst {
		dst[i] = t.uniform32()
	}
	n := len(dst) / block * block
	for i := 0; i < n; i += block {
		gauss16((*[block]float32)(dst[i:]))
	}
	if n < len(dst) {
		// The last block overlaps the one before it, and is drawn anew.
		tail := (*[block]float32)(dst[len(dst)-block:])
		for i := range tail {
			tail[i] = t.uniform32()
		}
		gauss16(tail)
	}
}

// gauss16 makes Gaussians of uniform numbers: numbers i and i+8 are a pair.
func gauss16(x *[16]float32) {
	for i := range 8 {
		r := float32(math.Sqrt(float64(-2 * float32(math.Log(float64(1-x[i]))))))
		s, c := math.Sincos(float64(float32(2*math.Pi) * x[i+8]))
		x[i], x[i+8] = r*float32(c), r*float32(s)
	}
}

// pairwise returns one number of a pair, and keeps the other.
func (t *Torch) pairwise() float64 {
	if t.hasLeft {
		t.hasLeft = false
		return t.left
	}
	u, v := t.uniform64(), t.uniform64()
	r := math.Sqrt(-2 * math.Log1p(-v))
	s, c := math.Sincos(2 * math.Pi * u)
	t.left, t.hasLeft = r*s, true
	return r * c
}
