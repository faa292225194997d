package recogniser

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/world"
)

// Attribute is a property that is read from a video.
type Attribute uint8

// The attributes. In a picture "a cat to the left of a dog" is "a dog to the right
// of a cat": of two actors the first is the left or the upper one.
const (
	Subject Attribute = iota
	Color
	Place
	Motion
	Camera
	Time
	Count
	Second // the subject of the second actor
	SecondColor
	SecondCount
	Relation
	Then // the second of two motions
	NumAttributes
)

// none is the value of what a video does not have.
const none = "none"

// attributes gives each attribute's name and values.
var attributes = [NumAttributes]struct {
	name   string
	values []string
}{
	{"subject", names[world.Subject](world.NumSubjects)},
	{"colour", names[world.Color](world.NumColors)},
	{"place", names[world.Place](world.NumPlaces)},
	{"motion", names[world.Motion](world.NumMotions)},
	{"camera", names[world.Camera](world.NumCameras)},
	{"time of day", names[world.Daytime](world.NumDaytimes)},
	{"count", counts},
	{"second subject", orNone(names[world.Subject](world.NumSubjects))},
	{"second colour", orNone(names[world.Color](world.NumColors))},
	{"second count", orNone(counts)},
	{"relation", []string{none, world.LeftOf.String(), world.Above.String()}},
	{"second motion", orNone(names[world.Motion](world.NumMotions))},
}

// counts are the numbers of actors of one kind, from 1 to world.MaxCount.
var counts = []string{"1", "2", "3"}

func orNone(values []string) []string { return append([]string{none}, values...) }

// names are the names of the first n values of a vocabulary of package world.
func names[T interface {
	~uint8
	fmt.Stringer
}](n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = T(i).String()
	}
	return out
}

// String is the attribute's name in reports.
func (a Attribute) String() string {
	if a < NumAttributes {
		return attributes[a].name
	}
	return fmt.Sprintf("attribute(%d)", uint8(a))
}

// Values are the names of an attribute's values, in the order of package
// world's constants.
func (a Attribute) Values() []string { return attributes[a].values }

// Chance is the share that even guessing gets right, over the values in the
// videos that models are measured by.
func (a Attribute) Chance() float64 {
	if a == Color {
		return 1 / float64(world.MeasuredColors)
	}
	return 1 / float64(len(a.Values()))
}

// Labels are one value of each attribute, as an index into its Values.
type Labels [NumAttributes]uint8

// Truth returns the labels of a scene.
func Truth(s world.Scene) Labels {
	l := Labels{
		Place: uint8(s.Place), Camera: uint8(s.Camera), Time: uint8(s.Time),
		Motion: uint8(s.Events[0]),
	}
	if len(s.Events) == 2 {
		l[Then] = uint8(s.Events[1]) + 1
	}
	first := s.Actors[0]
	if len(s.Actors) == 2 {
		second := s.Actors[1]
		switch s.Relation {
		case world.RightOf, world.Below:
			first, second = second, first
		}
		l[Relation] = besides
		if s.Relation == world.Above || s.Relation == world.Below {
			l[Relation] = above
		}
		l[Second], l[SecondColor], l[SecondCount] = uint8(second.Subject)+1, uint8(second.Color)+1, uint8(second.Count)
	}
	l[Subject], l[Color], l[Count] = uint8(first.Subject), uint8(first.Color), uint8(first.Count)-1
	return l
}

// Labels of Relation.
const (
	besides = 1
	above   = 2
)

// Name is the name of the value that l gives to a.
func (l Labels) Name(a Attribute) string { return a.Values()[l[a]] }

// mirrored returns the labels of the video's mirror image.
func (l Labels) mirrored() Labels {
	l[Motion] = uint8(turned(world.Motion(l[Motion])))
	if l[Then] > 0 {
		l[Then] = uint8(turned(world.Motion(l[Then]-1))) + 1
	}
	switch world.Camera(l[Camera]) {
	case world.PanLeft:
		l[Camera] = uint8(world.PanRight)
	case world.PanRight:
		l[Camera] = uint8(world.PanLeft)
	}
	if l[Relation] == besides {
		l[Subject], l[Second] = l[Second]-1, l[Subject]+1
		l[Color], l[SecondColor] = l[SecondColor]-1, l[Color]+1
		l[Count], l[SecondCount] = l[SecondCount]-1, l[Count]+1
	}
	return l
}

// turned is a motion in a mirror.
func turned(m world.Motion) world.Motion {
	switch m {
	case world.MoveLeft:
		return world.MoveRight
	case world.MoveRight:
		return world.MoveLeft
	default:
		return m
	}
}
