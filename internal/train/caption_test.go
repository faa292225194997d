package train

import (
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/world"
)

// TestCaptionsFitTheTextEncoder: the text encoder reads the storybook's
// captions to the end.
func TestCaptionsFitTheTextEncoder(t *testing.T) {
	m, err := reel.Open(reel.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	const n = 9000
	cut, sum := 0, 0
	for i := range uint64(n) {
		s := world.Sample(i, world.SampleOptions{Everyday: true, Simple: i%10 < 7})
		tokens := len(m.BPE.Encode(s.Tell(world.Lang(i%world.NumLangs), i), 1<<10))
		sum += tokens
		if tokens > m.Config.Text.Max {
			cut++
		}
	}
	if cut > n/1000 || sum/n > m.Config.Text.Max/2 {
		t.Errorf("of %d captions %d have more than %d tokens; they have %d on average", n, cut, m.Config.Text.Max, sum/n)
	}
}
