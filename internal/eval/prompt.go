package eval

import (
	"slices"

	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/world"
)

// Prompt is a sentence and the video that it asks for.
type Prompt struct {
	Lang  world.Lang
	Text  string
	Scene world.Scene
}

// Prompts returns n scenes of a kind with a combination never shown in training, each
// with a prompt in every language: [video][language]. A prompt names everything
// that is measured, except daylight, a still camera and a count of one, which go
// without saying.
func Prompts(k recogniser.Scenes, n int, seed uint64, seconds float64) [][world.NumLangs]Prompt {
	out := make([][world.NumLangs]Prompt, n)
	for i := range out {
		s := k.Sample(world.Unseen+seed<<24+uint64(i), world.SampleOptions{Split: world.Test, Seconds: seconds})
		for l := range world.Lang(world.NumLangs) {
			out[i][l] = Prompt{l, tell(s, l, seed<<24+uint64(i)<<8), s}
		}
	}
	return out
}

// tell finds the first caption, from variant on, that names all that is measured.
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
// s with another place, time, camera move, count, relation or second motion. Both
// scenes have a default there or neither has, so that the same caption variant names
// the same facts.
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
	for i, a := range s.Actors {
		if a.Count > 1 {
			o := s
			o.Actors = slices.Clone(s.Actors)
			o.Actors[i].Count = 5 - a.Count // 2 for 3, and 3 for 2
			out = append(out, o)
		}
	}
	if s.Relation != world.NoRelation {
		o := s
		o.Relation = s.Relation%(world.NumRelations-1) + 1
		out = append(out, o)
	}
	if len(s.Events) == 2 {
		o := s
		o.Events = slices.Clone(s.Events)
		for o.Events[1] == s.Events[1] || o.Events[1] == s.Events[0] {
			o.Events[1] = (o.Events[1] + 1) % world.NumMotions
		}
		out = append(out, o)
	}
	return out
}
