package soundtrack

import "math"

// duck is by how much other sound is lowered under a narration, one gain for each
// duckStep frames. Beyond its end nothing is lowered.
type duck []float32

const (
	duckStep  = Rate / 100 // 10 ms
	duckHold  = 80         // steps without speech through which it stays low: a pause between sentences
	duckAhead = 25         // steps before speech at which it begins to go down
	duckBack  = 70         // steps in which it comes back
	duckFloor = 0.03       // of the loudest step's amplitude; what is below is no speech
)

// ducked finds the speech in a narration.
func ducked(speech *Piece) (duck, error) {
	steps := (speech.Frames + duckStep - 1) / duckStep
	level := make([]float64, steps)
	buf := make([]float32, duckStep*Channels)
	loudest := 0.0
	for i := range level {
		clear(buf)
		if err := speech.read(buf, i*duckStep, nil); err != nil {
			return nil, err
		}
		for _, v := range buf {
			level[i] += float64(v) * float64(v)
		}
		level[i] = math.Sqrt(level[i])
		loudest = max(loudest, level[i])
	}
	// How many steps each step is away from speech, before it and after it.
	d := make(duck, steps+duckHold+duckBack)
	far := len(d) + duckAhead + duckBack
	since, until := make([]int, len(d)), make([]int, len(d))
	spoken := func(i int) bool { return i < steps && level[i] > duckFloor*loudest }
	for i, n := 0, far; i < len(d); i++ {
		if n++; spoken(i) {
			n = 0
		}
		since[i] = n
	}
	for i, n := len(d)-1, far; i >= 0; i-- {
		if n++; spoken(i) {
			n = 0
		}
		until[i] = n
	}
	for i := range d {
		down := 1 - float64(until[i])/duckAhead // 1 is as low as it goes
		back := 1 - float64(since[i]-duckHold)/duckBack
		depth := min(1, max(0, down, back))
		d[i] = float32(factor(-DuckDepth * depth))
	}
	return d, nil
}

// apply lowers stereo samples that begin at a frame. Between two steps the gain
// goes straight from one to the other.
func (d duck) apply(samples []float32, at int) {
	if len(d) == 0 {
		return
	}
	gain := func(i int) float32 {
		if i < len(d) {
			return d[i]
		}
		return 1
	}
	for i := 0; i+1 < len(samples); i += Channels {
		frame := at + i/Channels
		step, part := frame/duckStep, float32(frame%duckStep)/duckStep
		g := gain(step)
		g += part * (gain(step+1) - g)
		samples[i] *= g
		samples[i+1] *= g
	}
}
