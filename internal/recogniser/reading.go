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
	Sure  [NumAttributes]float64
	masks []mask // of some frames
}

// Shape compares the outlines of the actor that was read with those of a subject.
func (r Reading) Shape(want world.Subject) Shape { return shapeOf(r.masks, want) }

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
	out.masks = make([]mask, len(keys))
	for i, z := range logits[at:] {
		if z > 0 {
			out.masks[i/framePixels].set(i % framePixels)
		}
	}
	return out, nil
}

// Tally counts how often each attribute was right.
type Tally struct {
	Films int
	Right [NumAttributes]int
	Whole int // videos in which all that the scene asks for was right
}

// Add counts one video of a kind of scene.
func (t *Tally) Add(k Scenes, got, want Labels) {
	t.Films++
	for a := range got {
		if got[a] == want[a] {
			t.Right[a]++
		}
	}
	for _, a := range k.Asks() {
		if got[a] != want[a] {
			return
		}
	}
	t.Whole++
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

// CheckReal reads n storybook videos of a kind of scene that training did not see,
// each of them the given seconds from the beginning, and counts how often the
// recogniser is right. Half of them show a combination that the model under test
// never saw.
func CheckReal(ctx context.Context, r *Network, k Scenes, n int, seed uint64, seconds float64) (Tally, error) {
	var t Tally
	for i := range uint64(n) {
		if err := ctx.Err(); err != nil {
			return t, err
		}
		s := k.Sample(world.Unseen+seed<<24+i, world.SampleOptions{Seconds: 6, Split: world.Split(i % 2)})
		got, err := r.Read(Draw(s, 0, int(seconds*viewFPS)))
		if err != nil {
			return t, err
		}
		t.Add(k, got.Labels, Truth(s))
	}
	return t, nil
}
