package recogniser

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/world"
)

// Attribute is a property that is read from a video.
type Attribute uint8

// The attributes.
const (
	Subject Attribute = iota
	Color
	Place
	Motion
	Camera
	Time
	NumAttributes
)

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
}

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

// Truth returns the labels of a scene with one actor and one event; of several,
// the first counts.
func Truth(s world.Scene) Labels {
	return Labels{
		Subject: uint8(s.Actors[0].Subject), Color: uint8(s.Actors[0].Color), Place: uint8(s.Place),
		Motion: uint8(s.Events[0]), Camera: uint8(s.Camera), Time: uint8(s.Time),
	}
}

// Name is the name of the value that l gives to a.
func (l Labels) Name(a Attribute) string { return a.Values()[l[a]] }

// mirrored returns the labels of the video's mirror image.
func (l Labels) mirrored() Labels {
	switch world.Motion(l[Motion]) {
	case world.MoveLeft:
		l[Motion] = uint8(world.MoveRight)
	case world.MoveRight:
		l[Motion] = uint8(world.MoveLeft)
	}
	switch world.Camera(l[Camera]) {
	case world.PanLeft:
		l[Camera] = uint8(world.PanRight)
	case world.PanRight:
		l[Camera] = uint8(world.PanLeft)
	}
	return l
}
