package world

import (
	"fmt"
	"strings"
)

// Subject is what a video shows.
type Subject uint8

// The subjects that the storybook can draw.
const (
	Cat Subject = iota
	Dog
	Bird
	Fish
	Car
	Boat
	SteamTrain
	Rocket
	Balloon
	Butterfly
	Ball
	Person
)

// Color is the named colour that dominates a subject's pixels.
type Color uint8

// The colours. Videos that models are measured by use only those up to White,
// see [SampleOptions]: new colours come last.
const (
	Red Color = iota
	Orange
	Yellow
	Green
	Blue
	Purple
	Pink
	White
	Black
	Grey
	Brown
)

// Size is a subject's height relative to the frame's. The zero value is Medium.
type Size uint8

// The sizes: about 0.38, 0.26 and 0.54 of the frame's height.
const (
	Medium Size = iota
	Small
	Large
)

// Place is the scenery.
type Place uint8

// The places.
const (
	Meadow Place = iota
	Beach
	Ocean
	City
	Desert
	Mountains
	Underwater
	Space
)

// Daytime is the light. The zero value is Day.
type Daytime uint8

// The times of day.
const (
	Day Daytime = iota
	Sunset
	Night
)

// Weather is what falls from the sky. The zero value is Clear.
type Weather uint8

// The weathers.
const (
	Clear Weather = iota
	Rain
	Snow
)

// Motion is what the actors do, relative to the frame.
type Motion uint8

// The motions.
const (
	MoveLeft Motion = iota
	MoveRight
	MoveUp
	MoveDown
	Bounce
	Circle
	Approach
	Still
)

// Camera is how the view moves over the scenery. The zero value is Static.
type Camera uint8

// The camera moves.
const (
	Static Camera = iota
	PanLeft
	PanRight
	TiltUp
	TiltDown
	ZoomIn
	ZoomOut
)

// Relation is the position of the first actor relative to the second. The zero
// value is NoRelation, for scenes with one actor.
type Relation uint8

// The relations.
const (
	NoRelation Relation = iota
	LeftOf
	RightOf
	Above
	Below
)

// Lang is a language of captions.
type Lang uint8

// The languages of captions: English, Chinese (simplified), Arabic.
const (
	En Lang = iota
	Zh
	Ar
)

var (
	subjectNames  = []string{"cat", "dog", "bird", "fish", "car", "boat", "train", "rocket", "balloon", "butterfly", "ball", "person"}
	colorNames    = []string{"red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "grey", "brown"}
	sizeNames     = []string{"medium", "small", "large"}
	placeNames    = []string{"meadow", "beach", "ocean", "city", "desert", "mountains", "underwater", "space"}
	daytimeNames  = []string{"day", "sunset", "night"}
	weatherNames  = []string{"clear", "rain", "snow"}
	motionNames   = []string{"left", "right", "up", "down", "bounce", "circle", "approach", "still"}
	cameraNames   = []string{"static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out"}
	relationNames = []string{"none", "left of", "right of", "above", "below"}
	langNames     = []string{"en", "zh", "ar"}
)

// The number of values of each vocabulary; values are 0 … n-1.
const (
	NumSubjects  = 12
	NumColors    = 11
	NumSizes     = 3
	NumPlaces    = 8
	NumDaytimes  = 3
	NumWeathers  = 3
	NumMotions   = 8
	NumCameras   = 7
	NumRelations = 5
	NumLangs     = 3
)

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

// parse finds text in names; what describes the kind of name for the error.
func parse(what string, names []string, text []byte) (uint8, error) {
	for i, n := range names {
		if n == string(text) {
			return uint8(i), nil
		}
	}
	shown := string(text)
	if len(shown) > 40 {
		shown = shown[:40] + "…"
	}
	return 0, fmt.Errorf("unknown %s %q: choose one of %s", what, shown, strings.Join(names, ", "))
}

func marshal(what string, names []string, i uint8) ([]byte, error) {
	if int(i) >= len(names) {
		return nil, fmt.Errorf("cannot write %s %d: it has no name", what, i)
	}
	return []byte(names[i]), nil
}

// String is the name used in scene files and labels.
func (v Subject) String() string  { return name(subjectNames, uint8(v)) }
func (v Color) String() string    { return name(colorNames, uint8(v)) }
func (v Size) String() string     { return name(sizeNames, uint8(v)) }
func (v Place) String() string    { return name(placeNames, uint8(v)) }
func (v Daytime) String() string  { return name(daytimeNames, uint8(v)) }
func (v Weather) String() string  { return name(weatherNames, uint8(v)) }
func (v Motion) String() string   { return name(motionNames, uint8(v)) }
func (v Camera) String() string   { return name(cameraNames, uint8(v)) }
func (v Relation) String() string { return name(relationNames, uint8(v)) }
func (v Lang) String() string     { return name(langNames, uint8(v)) }

// MarshalText writes the value's name; it fails for a value without one.
func (v Subject) MarshalText() ([]byte, error)  { return marshal("subject", subjectNames, uint8(v)) }
func (v Color) MarshalText() ([]byte, error)    { return marshal("color", colorNames, uint8(v)) }
func (v Size) MarshalText() ([]byte, error)     { return marshal("size", sizeNames, uint8(v)) }
func (v Place) MarshalText() ([]byte, error)    { return marshal("place", placeNames, uint8(v)) }
func (v Daytime) MarshalText() ([]byte, error)  { return marshal("time", daytimeNames, uint8(v)) }
func (v Weather) MarshalText() ([]byte, error)  { return marshal("weather", weatherNames, uint8(v)) }
func (v Motion) MarshalText() ([]byte, error)   { return marshal("event", motionNames, uint8(v)) }
func (v Camera) MarshalText() ([]byte, error)   { return marshal("camera", cameraNames, uint8(v)) }
func (v Relation) MarshalText() ([]byte, error) { return marshal("relation", relationNames, uint8(v)) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Subject) UnmarshalText(b []byte) error { return unmarshal(v, "subject", subjectNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Color) UnmarshalText(b []byte) error { return unmarshal(v, "color", colorNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Size) UnmarshalText(b []byte) error { return unmarshal(v, "size", sizeNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Place) UnmarshalText(b []byte) error { return unmarshal(v, "place", placeNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Daytime) UnmarshalText(b []byte) error { return unmarshal(v, "time", daytimeNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Weather) UnmarshalText(b []byte) error { return unmarshal(v, "weather", weatherNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Motion) UnmarshalText(b []byte) error { return unmarshal(v, "event", motionNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Camera) UnmarshalText(b []byte) error { return unmarshal(v, "camera", cameraNames, b) }

// UnmarshalText reads a name; the error lists the valid names.
func (v *Relation) UnmarshalText(b []byte) error { return unmarshal(v, "relation", relationNames, b) }

// UnmarshalText reads en, zh or ar.
func (v *Lang) UnmarshalText(b []byte) error { return unmarshal(v, "language", langNames, b) }

func unmarshal[T ~uint8](v *T, what string, names []string, b []byte) error {
	i, err := parse(what, names, b)
	if err == nil {
		*v = T(i)
	}
	return err
}
