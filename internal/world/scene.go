package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/text"
)

// Version is the version of the scene format that this package reads and writes.
const Version = 1

// Limits of a scene. They bound the cost of drawing it.
const (
	MinSeconds   = 0.5
	MaxSeconds   = 600
	MaxActors    = 2
	MaxEvents    = 2
	MaxCount     = 3
	MaxSceneJSON = 64 << 10 // bytes
)

// Actor is one kind of subject in a scene, Count of them side by side.
type Actor struct {
	Subject Subject `json:"subject"`
	Color   Color   `json:"color"`
	Size    Size    `json:"size,omitzero"`
	Count   int     `json:"count,omitzero"` // 1 … 3; 0 means 1
}

// Scene describes a video. The actors move as one group: Events are the group's
// motions, in order, each for an equal share of the duration.
type Scene struct {
	Version  int      `json:"version"`
	Seed     uint64   `json:"seed,omitzero"`    // small variations: layout, start, clouds
	Duration float64  `json:"seconds,omitzero"` // 0 means 6
	Actors   []Actor  `json:"actors"`
	Relation Relation `json:"relation,omitzero"`
	Events   []Motion `json:"events"`
	Place    Place    `json:"place"`
	Time     Daytime  `json:"time,omitzero"`
	Weather  Weather  `json:"weather,omitzero"`
	Camera   Camera   `json:"camera,omitzero"`
}

// Seconds is the video's duration.
func (s Scene) Seconds() float64 { return s.Duration }

// DecodeScene reads one scene from hand-written or untrusted JSON, fills in
// what may be left out (count 1, 6 seconds, version 1, relation "left of" for
// two actors) and validates it. Unknown fields, more than [MaxSceneJSON] bytes
// and anything after the object are errors.
func DecodeScene(r io.Reader) (Scene, error) {
	words, err := text.Read(r, MaxSceneJSON)
	if err != nil {
		return Scene{}, fmt.Errorf("read scene: %w", err)
	}
	var s Scene
	data := []byte(words)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Scene{}, fmt.Errorf("read scene: %w", explain(err, data))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Scene{}, errors.New("read scene: there is more after the scene's closing brace")
	}
	s.fill()
	if err := s.Validate(); err != nil {
		return Scene{}, err
	}
	return s, nil
}

// The names of the fields, for the error about an unknown one.
const (
	sceneFields = "version, seed, seconds, actors, relation, events, place, time, weather, camera"
	actorFields = "subject, color, size, count"
)

// explain rewrites an error of package json for the author of the scene.
func explain(err error, data []byte) error {
	line := func(offset int64) int { return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n")) }
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty: write a scene in JSON")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends in the middle: a brace, bracket or quote is not closed")
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d is not JSON: %w", line(syntax.Offset), err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("line %d: a scene is an object in braces, not a JSON %s", line(kind.Offset), kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %s cannot be a JSON %s", line(kind.Offset), kind.Field, kind.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown field %s: a scene has %s, and an actor has %s", name, sceneFields, actorFields)
	}
	return err
}

// fill sets what a hand-written scene may leave out.
func (s *Scene) fill() {
	if s.Version == 0 {
		s.Version = Version
	}
	if s.Duration == 0 {
		s.Duration = 6
	}
	for i := range s.Actors {
		if s.Actors[i].Count == 0 {
			s.Actors[i].Count = 1
		}
	}
	if len(s.Actors) == 2 && s.Relation == NoRelation {
		s.Relation = LeftOf
	}
}

// Validate returns an error that says what is wrong with a scene, or nil. A
// valid scene can be drawn and captioned.
func (s Scene) Validate() error {
	switch {
	case s.Version != Version:
		return fmt.Errorf("scene: version %d is not known, use %d", s.Version, Version)
	case math.IsNaN(s.Duration) || s.Duration < MinSeconds || s.Duration > MaxSeconds:
		return fmt.Errorf("scene: seconds is %g, must be %g to %d", s.Duration, MinSeconds, MaxSeconds)
	case len(s.Actors) < 1 || len(s.Actors) > MaxActors:
		return fmt.Errorf("scene: %d actors, must be 1 to %d", len(s.Actors), MaxActors)
	case len(s.Events) < 1 || len(s.Events) > MaxEvents:
		return fmt.Errorf("scene: %d events, must be 1 to %d", len(s.Events), MaxEvents)
	case len(s.Actors) == 1 && s.Relation != NoRelation:
		return fmt.Errorf("scene: relation %q needs two actors", s.Relation)
	case len(s.Actors) == 2 && s.Relation == NoRelation:
		return errors.New("scene: two actors need a relation")
	case s.Place >= NumPlaces, s.Time >= NumDaytimes, s.Weather >= NumWeathers,
		s.Camera >= NumCameras, s.Relation >= NumRelations:
		return errors.New("scene: place, time, weather, camera or relation is out of range")
	}
	for i, a := range s.Actors {
		if a.Count < 1 || a.Count > MaxCount {
			return fmt.Errorf("scene: actor %d: count is %d, must be 1 to %d", i+1, a.Count, MaxCount)
		}
		if a.Subject >= NumSubjects || a.Color >= NumColors || a.Size >= NumSizes {
			return fmt.Errorf("scene: actor %d: subject, color or size is out of range", i+1)
		}
	}
	for _, e := range s.Events {
		if e >= NumMotions {
			return errors.New("scene: an event is out of range")
		}
	}
	return nil
}

// Labels is the ground truth of a video: every attribute by name. The keys of
// the second actor and the second event end in 2 and are absent without one.
func (s Scene) Labels() map[string]string {
	l := map[string]string{
		"place": s.Place.String(), "time": s.Time.String(),
		"weather": s.Weather.String(), "camera": s.Camera.String(),
	}
	for i, a := range s.Actors {
		suffix := ""
		if i > 0 {
			suffix = strconv.Itoa(i + 1)
		}
		l["subject"+suffix] = a.Subject.String()
		l["color"+suffix] = a.Color.String()
		l["size"+suffix] = a.Size.String()
		l["count"+suffix] = strconv.Itoa(a.Count)
	}
	for i, e := range s.Events {
		if i == 0 {
			l["motion"] = e.String()
		} else {
			l["motion"+strconv.Itoa(i+1)] = e.String()
		}
	}
	if s.Relation != NoRelation {
		l["relation"] = s.Relation.String()
	}
	return l
}
