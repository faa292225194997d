package world

// Unseen is added to the seeds of scenes that models are measured by. It
// separates them from the seeds of training.
const Unseen = 1 << 52

// pair is two attributes that never occur together in training.
type pair struct {
	kind pairKind
	a, b uint8 // values of the kind's two attributes
}

type pairKind uint8

const (
	subjectColor pairKind = iota
	subjectPlace
	subjectMotion
	placeCamera
)

// heldOutPairs is the rule of the split; docs/world.md lists the same pairs.
// Training still shows each subject, colour, place, motion and camera move with
// almost everything else, so a model that knows the words can combine them.
var heldOutPairs = []pair{
	{subjectColor, uint8(Cat), uint8(Blue)},
	{subjectColor, uint8(Car), uint8(Green)},
	{subjectColor, uint8(Bird), uint8(Purple)},
	{subjectColor, uint8(Rocket), uint8(Yellow)},
	{subjectPlace, uint8(Dog), uint8(Space)},
	{subjectPlace, uint8(SteamTrain), uint8(Beach)},
	{subjectPlace, uint8(Balloon), uint8(Underwater)},
	{subjectPlace, uint8(Butterfly), uint8(City)},
	{subjectMotion, uint8(Fish), uint8(Bounce)},
	{subjectMotion, uint8(Boat), uint8(Circle)},
	{subjectMotion, uint8(Ball), uint8(MoveLeft)},
	{placeCamera, uint8(Desert), uint8(PanLeft)},
	{placeCamera, uint8(Mountains), uint8(ZoomIn)},
}

// String returns the pair as docs/world.md lists it.
func (p pair) String() string {
	s := Subject(p.a).String()
	switch p.kind {
	case subjectColor:
		return "subject × color | " + s + " | " + Color(p.b).String()
	case subjectPlace:
		return "subject × place | " + s + " | " + Place(p.b).String()
	case subjectMotion:
		return "subject × motion | " + s + " | " + Motion(p.b).String()
	}
	return "place × camera | " + Place(p.a).String() + " | " + Camera(p.b).String()
}

// in reports whether a scene holds the pair.
func (p pair) in(s Scene) bool {
	if p.kind == placeCamera {
		return s.Place == Place(p.a) && s.Camera == Camera(p.b)
	}
	for _, a := range s.Actors {
		if a.Subject != Subject(p.a) {
			continue
		}
		switch p.kind {
		case subjectColor:
			if a.Color == Color(p.b) {
				return true
			}
		case subjectPlace:
			if s.Place == Place(p.b) {
				return true
			}
		case subjectMotion:
			for _, e := range s.Events {
				if e == Motion(p.b) {
					return true
				}
			}
		}
	}
	return false
}

// give changes a scene so that it holds the pair.
func (p pair) give(s *Scene, r *rng) {
	if p.kind == placeCamera {
		s.Place, s.Camera = Place(p.a), Camera(p.b)
		return
	}
	a := &s.Actors[r.intn(len(s.Actors))]
	a.Subject = Subject(p.a)
	switch p.kind {
	case subjectColor:
		a.Color = Color(p.b)
	case subjectPlace:
		s.Place = Place(p.b)
	case subjectMotion:
		s.Events[r.intn(len(s.Events))] = Motion(p.b)
	}
}

// HeldOut reports whether a scene holds a combination that training never
// shows: any of its actors with its colour, its place or any of its motions,
// or the place with the camera move, is one of a fixed list of pairs, see
// docs/world.md. About one in seven one-actor combinations is held out.
func HeldOut(s Scene) bool {
	for _, p := range heldOutPairs {
		if p.in(s) {
			return true
		}
	}
	return false
}
