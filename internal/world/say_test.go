package world

import (
	"reflect"
	"testing"
)

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
	cat := Scene{Version: 1, Duration: 6, Actors: []Actor{{Cat, Orange, Small, 1}}, Events: []Motion{MoveRight}, Place: City, Time: Sunset, Weather: Rain}
	all := Told{Sizes: [2]bool{true, true}, Place: true, Time: true, Weather: true, Camera: true}
	for _, tt := range []struct {
		change func(s *Scene)
		told   Told
		like   func(string) int
		want   [NumLangs]string
	}{
		{func(*Scene) {}, Told{}, nil, [NumLangs]string{"An orange cat walks right.", "一只橙色的猫向右走。", "قطة برتقالية تسير إلى اليمين."}},
		{func(*Scene) {}, all, like("kitten", "run", "dusk", "tiny", "跑"), [NumLangs]string{
			"A tiny orange kitten runs right in a city at dusk in the rain. The camera does not move.",
			"一只小小的橙色的猫在城市里向右跑，日落时，下着雨。镜头不动。",
			"قطة برتقالية صغيرة تسير إلى اليمين في المدينة عند الغروب تحت المطر. الكاميرا ثابتة.",
		}},
		{func(s *Scene) { s.Place, s.Actors[0].Size = Ocean, Large }, Told{Place: true}, like("kitten"), [NumLangs]string{"An orange cat moves right on the ocean.", "一只橙色的猫在海面上向右移动。", "قطة برتقالية تتحرك يمينا في المحيط."}},
		{func(s *Scene) { s.Actors[0].Count = 9 }, all, nil, [NumLangs]string{}},
	} {
		s := cat
		s.Actors = append([]Actor(nil), cat.Actors...)
		tt.change(&s)
		for lang, want := range tt.want {
			if got := s.Say(Lang(lang), tt.told, tt.like); got != want {
				t.Errorf("%v: %q, want %q", Lang(lang), got, want)
			}
		}
	}
}

// TestReadSaid: what is said of a scene is read as that scene, in each language,
// and what is said otherwise is not.
func TestReadSaid(t *testing.T) {
	for i := range uint64(40) {
		s := Sample(i, SampleOptions{Everyday: i%2 == 0})
		s.Events, s.Seed = s.Events[:1], 0
		told := Told{Sizes: [2]bool{true, true}, Place: true, Time: true, Weather: dry(s.Place), Camera: i%3 == 0}
		if !told.Camera {
			s.Camera = Static
		}
		for lang := range Lang(NumLangs) {
			text := s.Say(lang, told, nil)
			got, ok := ReadSaid(lang, text)
			if !ok || !reflect.DeepEqual(got, s) {
				t.Errorf("%v: %q of\n%+v is read as\n%+v", lang, text, s, got)
			}
			if got, ok := ReadSaid(lang, text+"!"); ok {
				t.Errorf("%q is read as %+v", text+"!", got)
			}
		}
	}
	for _, text := range []string{"", "a cat", "An orange elephant walks right.", "A red cat walks left or right."} {
		if got, ok := ReadSaid(En, text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func dry(p Place) bool { return p != Underwater && p != Space }
