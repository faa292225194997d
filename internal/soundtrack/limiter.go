package soundtrack

import "math"

// limiter keeps the true peaks of stereo sound below a ceiling. It looks ahead by
// limiterAhead frames, lowers both channels alike, and lets go slowly. Sound comes
// out limiterDelay frames late.
type limiter struct {
	ceiling float32
	gain    float32 // before the limit
	peaks   [Channels]interpolator

	delay [limiterDelay * Channels]float32
	held  [limiterAhead]float32 // the gain that each of the last frames needs, let go slowly
	sum   float64               // of held
	now   float32               // the last of held
	least window
	n     int // frames taken
}

const (
	limiterAhead = Rate / 200 // 5 ms
	limiterDelay = limiterAhead + taps/2 - 1
	// leastOf is from how many frames' needs the least is taken: a peak between two
	// samples is known up to taps/2 frames after them.
	leastOf = limiterAhead + taps/2
	// letGo is the part of the way back to 1 that the gain goes with each frame:
	// 63 % of it in 80 ms.
	letGo = 1.0 / (Rate * 80 / 1000)
)

func newLimiter(gain, ceiling float64) *limiter {
	l := &limiter{gain: float32(gain), ceiling: float32(ceiling), now: 1, sum: limiterAhead}
	for i := range l.held {
		l.held[i] = 1
	}
	return l
}

// apply limits stereo samples in place; what comes out first is silence of the
// limiter's delay.
func (l *limiter) apply(samples []float32) {
	for i := 0; i+1 < len(samples); i += Channels {
		need := float32(1)
		at := l.n % limiterDelay * Channels
		var late [Channels]float32
		for c := range Channels {
			v := samples[i+c] * l.gain
			late[c] = l.delay[at+c]
			l.delay[at+c] = v
			if p := l.peaks[c].peak(v); p > l.ceiling {
				need = min(need, l.ceiling/p)
			}
		}
		g := l.step(need)
		for c := range Channels {
			samples[i+c] = late[c] * g
		}
	}
}

// step takes the gain that a frame needs, and returns the gain for the frame that
// comes out now. Each of the averaged numbers is the least of a window that frame
// lies in, so the average is never more than what the frame needs.
func (l *limiter) step(need float32) float32 {
	l.now = min(l.least.next(need, l.n), l.now+(1-l.now)*letGo)
	slot := l.n % limiterAhead
	l.sum += float64(l.now) - float64(l.held[slot])
	l.held[slot] = l.now
	l.n++
	return float32(min(1, l.sum/limiterAhead))
}

// window is the least of the last leastOf values: those of them that are less
// than all after them, in a ring.
type window struct {
	value [leastOf + 1]float32
	at    [leastOf + 1]int
	first int
	count int
}

func (w *window) next(v float32, n int) float32 {
	const size = leastOf + 1
	if w.count > 0 && w.at[w.first] <= n-leastOf {
		w.first, w.count = (w.first+1)%size, w.count-1
	}
	for w.count > 0 && w.value[(w.first+w.count-1)%size] >= v {
		w.count--
	}
	slot := (w.first + w.count) % size
	w.value[slot], w.at[slot] = v, n
	w.count++
	return w.value[w.first]
}

// bounded says whether a loudness can be a target: silence cannot be made loud.
func bounded(loudness float64) bool { return !math.IsInf(loudness, 0) && !math.IsNaN(loudness) }
