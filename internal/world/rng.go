package world

// rng is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014). The package has its own copy so that a seed always means
// the same video, whatever the standard library does.
type rng struct {
	state uint64
	guide guide // chooses in the place of chance, where there is one
}

// guide makes the choices of a caption, so that its text is not one of many but
// the one that is wanted, or each of them in turn.
type guide interface {
	choose(n int) int                          // of n ways to build a sentence
	maybe(p float64) bool                      // whether it is built in a way with probability p
	pick(n int, text func(i int) []string) int // of n words or phrases that mean the same
}

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
func (r *rng) intn(n int) int {
	if r.guide != nil {
		return r.guide.choose(n)
	}
	return int((r.next() >> 33) * uint64(n) >> 31)
}

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// in returns a number in [lo, hi).
func (r *rng) in(lo, hi float64) float64 { return lo + (hi-lo)*r.float() }

// chance is true with probability p.
func (r *rng) chance(p float64) bool {
	if r.guide != nil {
		return r.guide.maybe(p)
	}
	return r.float() < p
}

func pick[T any](r *rng, list []T) T {
	if r.guide != nil {
		return list[r.guide.pick(len(list), func(i int) []string { return spelled(list[i]) })]
	}
	return list[r.intn(len(list))]
}

// spelled returns the text of a word or phrase that captions choose.
func spelled(x any) []string {
	switch x := x.(type) {
	case string:
		return []string{x}
	case [2]string:
		return x[:]
	case nounAr:
		return []string{x.one, x.two, x.three}
	case adjAr:
		return []string{x.m, x.f}
	}
	return nil
}
