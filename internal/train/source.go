package train

import (
	"context"
	"image"
	"math/rand/v2"
	"slices"

	"github.com/kinora-video/kinora/internal/world"
)

// A Window is a run of consecutive frames of a video at the native size and
// rate, and the inputs of a model that describe it.
type Window struct {
	Frames  []byte  // RGB, [T, H, W, 3]
	T, H, W int     // size
	Start   float64 // seconds from the video's beginning
	Seconds float64 // length of the video
	// Caption describes the video. Other variants use other words or another
	// language.
	Caption func(variant uint64) string
	// Actors are the areas in each frame that show the video's actors, in
	// pixels; nil if unknown.
	Actors [][]image.Rectangle
}

// A Source returns windows of videos. The same id gives the same window.
type Source interface {
	Window(ctx context.Context, id uint64, frames, w, h, fps int) (Window, error)
	// Edition returns the edition of the storybook whose words the captions use,
	// or NoEdition if they are not the storybook's.
	Edition() world.Edition
}

// Storybook is the endless source of drawn videos.
type Storybook struct {
	Split world.Split
	// Simple restricts videos to one actor and one event.
	Simple bool
	Seed   uint64
}

// Edition implements Source: held-out videos use only the words of the first
// edition.
func (s Storybook) Edition() world.Edition {
	if s.Split == world.Train {
		return world.Newest
	}
	return world.FirstEdition
}

// Window implements Source. Three videos in five are 6 seconds long, the others
// 4 to 10. A window begins anywhere, two in five at the beginning. Seven videos
// in ten are simple. Videos to train on have all colours, and their captions
// use everyday words too; held-out videos are like those that models are
// measured by.
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

// picture converts a whole window to floats, as pixels does.
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
