package train

import (
	"context"
	"image"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/world"
)

// A Window is a run of consecutive frames of a film at the native size and
// rate, and what a model is told of it.
type Window struct {
	Frames  []byte  // RGB, [T, H, W, 3]
	T, H, W int     // size
	Start   float64 // seconds from the film's beginning
	Seconds float64 // length of the film
	// Caption describes the film; another variant may say it in another way
	// or language.
	Caption func(variant uint64) string
	// Actors are where in each frame who the film is about stands, in pixels;
	// nil where that is not known.
	Actors [][]image.Rectangle
}

// A Source gives windows of films. The same id gives the same window.
type Source interface {
	Window(ctx context.Context, id uint64, frames, w, h, fps int) (Window, error)
	// Edition is that of the storybook whose words the captions have; no edition
	// if they are not the storybook's.
	Edition() world.Edition
}

// Storybook is the endless source of drawn films.
type Storybook struct {
	Split world.Split
	// Simple restricts films to one actor and one event.
	Simple bool
	Seed   uint64
}

// Edition implements Source: what is held out has the words of the first one alone.
func (s Storybook) Edition() world.Edition {
	if s.Split == world.Train {
		return world.Newest
	}
	return world.FirstEdition
}

// Window implements Source. Three films in five are 6 seconds long, the others
// 4 to 10; a window begins anywhere, two in five at the beginning. Seven
// films in ten are simple ones. What teaches has all colours, and is told in the
// words of every day, too; what is held out is as the films to measure by are.
func (s Storybook) Window(_ context.Context, id uint64, frames, w, h, fps int) (Window, error) {
	rng := rand.New(rand.NewPCG(s.Seed, id))
	seconds := 6.0
	if rng.IntN(5) >= 3 {
		seconds = 4 + 6*rng.Float64()
	}
	need := float64(frames-1) / float64(fps)
	seconds = max(seconds, need)
	start := 0.0
	if rng.IntN(5) >= 2 {
		start = rng.Float64() * (seconds - need)
	}
	teach := s.Split == world.Train
	scene := world.Sample(rng.Uint64(), world.SampleOptions{Split: s.Split, Simple: s.Simple || rng.IntN(10) < 7, Seconds: seconds, Everyday: teach})
	r := world.NewRenderer(scene, w, h)
	win := Window{Frames: make([]byte, frames*w*h*3), T: frames, H: h, W: w, Start: start, Seconds: seconds, Caption: func(v uint64) string {
		if teach {
			return scene.Tell(world.Lang(v%3), v/3)
		}
		return scene.Caption(world.Lang(v%3), v/3)
	}}
	for i := range frames {
		r.Frame(win.Frames[i*w*h*3:(i+1)*w*h*3], start+float64(i)/float64(fps))
		win.Actors = append(win.Actors, slices.Clone(r.Actors()))
	}
	return win, nil
}

// picture is all of a window in floats, as pixels has them.
func (w Window) picture() []float32 {
	x := make([]float32, w.T*w.H*w.W*3)
	w.pixels(x, 0, 0, w.W, w.H)
	return x
}

// pixels converts a crop of a window to floats in [-1, 1], [T, ch, cw, 3].
func (w Window) pixels(dst []float32, x0, y0, cw, ch int) {
	for t := range w.T {
		for y := range ch {
			row := w.Frames[((t*w.H+y0+y)*w.W+x0)*3:][:cw*3]
			out := dst[(t*ch+y)*cw*3:][:cw*3]
			for i, b := range row {
				out[i] = float32(b)/127.5 - 1
			}
		}
	}
}
