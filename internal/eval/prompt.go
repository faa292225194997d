package eval

import "github.com/kinora-video/kinora/internal/world"

// Prompt is a sentence and the video that it asks for.
type Prompt struct {
	Lang  world.Lang
	Text  string
	Scene world.Scene
}

// Prompts returns n scenes with a combination never shown in training, each
// with a prompt in every language: [video][language]. A prompt names everything
// that is measured, except daylight and a still camera, which are the defaults.
func Prompts(n int, seed uint64, seconds float64) [][world.NumLangs]Prompt {
	out := make([][world.NumLangs]Prompt, n)
	for i := range out {
		s := world.Sample(world.Unseen+seed<<24+uint64(i), world.SampleOptions{Split: world.Test, Simple: true, Seconds: seconds})
		for l := range world.Lang(world.NumLangs) {
			out[i][l] = Prompt{l, tell(s, l, seed<<24+uint64(i)<<8), s}
		}
	}
	return out
}

// tell finds the first caption, from variant on, that names place, time and
// camera.
func tell(s world.Scene, l world.Lang, variant uint64) string {
	for ; ; variant++ {
		text := s.Caption(l, variant)
		told := true
		for _, other := range others(s) {
			told = told && other.Caption(l, variant) != text
		}
		if told {
			return text
		}
	}
}

// others are scenes that a caption of s would fit too if it left something out:
// s with another place, time or camera move. Both scenes have a default there
// or neither has, so that the same caption variant names the same facts.
func others(s world.Scene) []world.Scene {
	place, time, camera := s, s, s
	switch s.Place {
	case world.Underwater:
		place.Place = world.Space
	case world.Space:
		place.Place = world.Underwater
	default: // the places with weather come first
		place.Place = (s.Place + 1) % world.Underwater
	}
	out := []world.Scene{place}
	switch s.Time {
	case world.Sunset:
		time.Time = world.Night
		out = append(out, time)
	case world.Night:
		time.Time = world.Sunset
		out = append(out, time)
	}
	if s.Camera != world.Static {
		camera.Camera = s.Camera%(world.NumCameras-1) + 1
		out = append(out, camera)
	}
	return out
}
