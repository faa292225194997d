package world

// rng is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014). The package has its own copy so that a seed always means
// the same video, whatever the standard library does.
type rng struct{ state uint64 }

func newRNG(seed uint64, stream string) *rng {
	h := seed ^ 0x9e3779b97f4a7c15
	for i := 0; i < len(stream); i++ {
		h = mix64(h ^ uint64(stream[i])*0xff51afd7ed558ccd)
	}
	return &rng{state: h}
}

func mix64(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix64(r.state)
}

// intn returns a whole number in [0, n).
func (r *rng) intn(n int) int { return int((r.next() >> 33) * uint64(n) >> 31) }

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// in returns a number in [lo, hi).
func (r *rng) in(lo, hi float64) float64 { return lo + (hi-lo)*r.float() }

// chance is true with probability p.
func (r *rng) chance(p float64) bool { return r.float() < p }

func pick[T any](r *rng, list []T) T { return list[r.intn(len(list))] }
