package world

import "testing"

// TestSay: the plain sentence of a scene, in the words of whoever asked.
func TestSay(t *testing.T) {
	like := func(list ...string) func(string) int {
		return func(w string) int {
			for _, l := range list {
				if l == w {
					return 1
				}
			}
			return 0
		}
	}
	cat := Scene{Version: 1, Duration: 6, Actors: []Actor{{Cat, Orange, Small, 1}}, Events: []Motion{MoveRight}, Place: City, Time: Night, Weather: Rain}
	for _, tt := range []struct {
		change func(s *Scene)
		told   Told
		like   func(string) int
		want   [NumLangs]string
	}{
		{func(*Scene) {}, Told{}, nil, [NumLangs]string{"An orange cat walks right.", "一只橙色的猫向右走。", "قطة برتقالية تسير إلى اليمين."}},
		{func(s *Scene) {}, Told{Sizes: [2]bool{true, true}, Place: true, Time: true, Weather: true, Camera: true}, like("kitten", "runs", "dusk"), [NumLangs]string{"x", "", ""}},
	} {
		s := cat
		tt.change(&s)
		for lang, want := range tt.want {
			if got := s.Say(Lang(lang), tt.told, tt.like); got != want {
				t.Errorf("%v: %q, want %q", Lang(lang), got, want)
			}
		}
	}
}
