package recogniser

import (
	"context"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/world"
)

// Reading is what a recogniser reads from a video.
type Reading struct {
	Labels Labels
	// Sure is the probability of each label.
	Sure [NumAttributes]float64
}

// keyFrames is the number of frames that are read at full size.
const keyFrames = 6

// Read reads a video of at least two seconds; of a longer one it reads the
// first six. It returns ErrShort for a shorter video. Several goroutines may
// read at once.
func (r *Network) Read(v View) (Reading, error) {
	n, err := v.readable()
	if err != nil {
		return Reading{}, err
	}
	keys := spread(n, keyFrames)
	x := newSight(1, n, len(keys))
	frame := make([]float32, viewPixels)
	for j := range n {
		tensor.FromPixels(frame, v.frame(j))
		x.put(0, j, frame, keys)
	}
	b := backend.New()
	logits := tensor.Values(b, r.forward(b, x))
	var out Reading
	at := 0
	for a := range NumAttributes {
		size := r.classes[a]
		p, best := softmax(logits[at : at+size])
		out.Labels[a], out.Sure[a] = uint8(best), p[best]
		at += size
	}
	return out, nil
}

// Tally counts how often each attribute was right.
type Tally struct {
	Films int
	Right [NumAttributes]int
	Whole int // videos with every attribute right
}

// Add counts one video.
func (t *Tally) Add(got, want Labels) {
	t.Films++
	if got == want {
		t.Whole++
	}
	for a := range got {
		if got[a] == want[a] {
			t.Right[a]++
		}
	}
}

// Merge adds the counts of another tally.
func (t *Tally) Merge(o Tally) {
	t.Films += o.Films
	t.Whole += o.Whole
	for a := range o.Right {
		t.Right[a] += o.Right[a]
	}
}

// Share is the share of the videos for which a was right; 0 if there are none.
func (t *Tally) Share(a Attribute) float64 {
	if t.Films == 0 {
		return 0
	}
	return float64(t.Right[a]) / float64(t.Films)
}

// A Mistake is a video that was read wrong.
type Mistake struct {
	Scene world.Scene
	Got   Labels
}

// CheckReal reads n storybook videos that training did not see, each of them
// the given seconds from the beginning, and counts how often the recogniser is
// right. Half of them show a combination that the model under test never saw.
func CheckReal(ctx context.Context, r *Network, n int, seed uint64, seconds float64, wrong func(Mistake)) (Tally, error) {
	var t Tally
	for i := range uint64(n) {
		if err := ctx.Err(); err != nil {
			return t, err
		}
		s := world.Sample(world.Unseen+seed<<24+i, world.SampleOptions{Simple: true, Seconds: 6, Split: world.Split(i % 2)})
		got, err := r.Read(Draw(s, 0, int(seconds*viewFPS)))
		if err != nil {
			return t, err
		}
		t.Add(got.Labels, Truth(s))
		if wrong != nil && got.Labels != Truth(s) {
			wrong(Mistake{s, got.Labels})
		}
	}
	return t, nil
}
