package recogniser

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/world"
)

// Scenes is a kind of scene that models are measured by.
type Scenes uint8

// The kinds of scenes. Each shows what the others leave out.
const (
	One     Scenes = iota // one actor, one motion
	Several               // two kinds of actors, or two or three of one kind; one motion
	Events                // one actor, two motions
	NumScenes
)

// scenes gives each kind's name, the attributes that are read, and those that must
// be right for a video to count as what was asked for.
var scenes = [NumScenes]struct {
	name       string
	read, asks []Attribute
}{
	{"one", simple, simple},
	{
		"several",
		[]Attribute{Subject, Color, Count, Second, SecondColor, SecondCount, Relation},
		[]Attribute{Subject, Count, Second, SecondCount},
	},
	{"events", []Attribute{Subject, Motion, Then}, []Attribute{Motion, Then}},
}

// simple are the attributes that every video has.
var simple = []Attribute{Subject, Color, Place, Motion, Camera, Time}

// String is the kind's name in flags and reports.
func (k Scenes) String() string {
	if k < NumScenes {
		return scenes[k].name
	}
	return fmt.Sprintf("scenes(%d)", uint8(k))
}

// UnmarshalText reads a kind's name.
func (k *Scenes) UnmarshalText(b []byte) error {
	for i := range NumScenes {
		if scenes[i].name == string(b) {
			*k = i
			return nil
		}
	}
	return fmt.Errorf("no kind of scenes is called %.40q: there are %s, %s and %s", b, One, Several, Events)
}

// Attributes are those that are read from a video of such a scene.
func (k Scenes) Attributes() []Attribute { return scenes[k].read }

// Asks are the attributes that must all be right.
func (k Scenes) Asks() []Attribute { return scenes[k].asks }

// Sample draws a scene of the kind, where o leaves the number of actors and
// motions open. The same seed and options give the same scene. Seeds from
// world.Unseen on give scenes that training never sees.
func (k Scenes) Sample(seed uint64, o world.SampleOptions) world.Scene {
	o.Simple = k == One
	for i := uint64(0); ; i++ {
		if s := world.Sample(seed+i<<53, o); k.has(s) {
			return s
		}
	}
}

func (k Scenes) has(s world.Scene) bool {
	switch k {
	case Several:
		return len(s.Events) == 1 && (len(s.Actors) == 2 || s.Actors[0].Count > 1)
	case Events:
		return len(s.Events) == 2 && len(s.Actors) == 1 && s.Actors[0].Count == 1
	default:
		return true
	}
}
