package world

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"testing"
)

// TestMeasuredFilmsStay: a seed without [SampleOptions.Everyday] means the
// scenes and captions that published figures were measured by, whatever words
// and colours were added since.
func TestMeasuredVideosStay(t *testing.T) {
	for _, tt := range []struct {
		opt  SampleOptions
		want uint64
	}{
		{SampleOptions{Split: Test, Simple: true}, 0x6551ccbe235c43c},
		{SampleOptions{Simple: true}, 0xb39e9074bbfcfaab},
		{SampleOptions{}, 0xa3c9d05a1adf7f65},
		{SampleOptions{Split: Test}, 0x816ed3d55a1c68be},
	} {
		h := fnv.New64a()
		for i := range uint64(3000) {
			s := Sample(1<<52+77<<24+i, tt.opt)
			scene, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(scene)
			for lang := range Lang(NumLangs) {
				h.Write([]byte(s.Caption(lang, 77<<24+i<<8)))
			}
		}
		if got := h.Sum64(); got != tt.want {
			t.Errorf("%+v: 3000 videos of seed 77 have changed (%#x)", tt.opt, got)
		}
	}
	for i, want := range []string{
		`approach blue cat city: There is a medium-sized blue cat, and it approaches in a city street in the evening in clear weather while the camera pans left.`,
		`right blue cat ocean: A scene in rainy weather at sea at dusk: a tiny blue kitten moves right. [Pan left]`,
		`bounce white fish beach: Under the moon, a small white fish bounces up and down as rain falls at the beach. The camera pans right.`,
	} {
		s := Sample(1<<52+77<<24+uint64(i), SampleOptions{Split: Test, Simple: true, Seconds: 4})
		got := fmt.Sprintf("%v %v %v %v: %s", s.Events[0], s.Actors[0].Color, s.Actors[0].Subject, s.Place, s.Caption(En, 77<<24+uint64(i)<<8))
		if got != want {
			t.Errorf("video %d of seed 77:\n%s, was\n%s", i, got, want)
		}
	}
}
