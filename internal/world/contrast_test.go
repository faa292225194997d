package world

import "testing"

// contrast is the share of an actor's pixels that clearly differ from the
// scenery behind them: the lowest over a few subjects.
func contrast(p Place, d Daytime, c Color) float64 {
	const w, h, clear = 128, 80, 40
	worst := 1.0
	for _, a := range []Subject{Cat, Car, Bird, Person} {
		s := still()
		s.Place, s.Time, s.Actors[0] = p, d, Actor{Subject: a, Color: c, Count: 1}
		r := NewRenderer(s, w, h)
		with, without := make([]byte, w*h*3), make([]byte, w*h*3)
		r.Frame(with, 1)
		r.members, r.order = nil, nil
		r.Frame(without, 1)
		all, seen := 0, 0
		for i := range w * h {
			most := 0
			for k := range 3 {
				most = max(most, int(with[3*i+k])-int(without[3*i+k]), int(without[3*i+k])-int(with[3*i+k]))
			}
			if most > 0 {
				all++
			}
			if most >= clear {
				seen++
			}
		}
		worst = min(worst, float64(seen)/float64(all))
	}
	return worst
}

// TestColorsAreSeen: every colour of an actor is visible in every place at
// every time of day, except black in space at night, which Sample never draws.
func TestColorsAreSeen(t *testing.T) {
	for p := range Place(NumPlaces) {
		for d := range Daytime(NumDaytimes) {
			for c := range Color(NumColors) {
				if lost(Scene{Place: p, Time: d, Actors: []Actor{{Color: c}}}) {
					continue
				}
				if got := contrast(p, d, c); got < 0.3 {
					t.Errorf("%v in %v by %v: %.0f %% of the actor differs clearly from what is behind it", c, p, d, 100*got)
				}
			}
		}
	}
	for seed := range uint64(4000) {
		if s := Sample(seed, SampleOptions{Everyday: true}); lost(s) {
			t.Errorf("seed %d: %v", seed, s.Labels())
		}
	}
}
