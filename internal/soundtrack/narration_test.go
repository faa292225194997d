package soundtrack

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// voice speaks noise of so many seconds, a little slower than it is told to.
func voice(seconds float64, asked *[]media.SpeechOptions) Speak {
	return func(_ context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error) {
		*asked = append(*asked, o)
		s := seconds
		if o.Speed != 1 {
			s = seconds / (1 + 0.9*(o.Speed-1))
		}
		p := piece(1, append(append(make([]float32, Rate/2), talk(0.2, s)...), make([]float32, Rate/2)...))
		_, err := io.Copy(w, io.NewSectionReader(p.R, 0, int64(2*p.Frames)))
		return media.SpeechInfo{Voice: "noise"}, err
	}
}

// TestNarrate: each rule of fitting. Silence around the speech does not count.
func TestNarrate(t *testing.T) {
	for name, c := range map[string]struct {
		speech  float64
		fit     Fit
		length  Length
		seconds float64 // of the video
		faster  bool
		fails   bool
	}{
		"short, no length asked": {2, FitEither, Length{0, 6, 0, 60}, 6, false, false},
		"long, no length asked":  {9, FitEither, Length{0, 6, 0, 60}, 9.65, false, false},
		"a length asked":         {7, FitEither, Length{6, 5, 0, 60}, 6, true, false},
		"speech to video":        {8, FitSpeech, Length{0, 6, 0, 60}, 6, true, false},
		"much too long":          {10, FitSpeech, Length{6, 6, 0, 60}, 0, false, true},
		"video to speech":        {2, FitVideo, Length{0, 6, 0, 60}, 2.65, false, false},
		"the least":              {2, FitVideo, Length{0, 6, 5, 60}, 5, false, false},
		"beyond the most":        {9, FitEither, Length{0, 6, 0, 8}, 0, false, true},
		"just as long":           {5.8, FitSpeech, Length{6, 6, 0, 60}, 6, false, false},
	} {
		var asked []media.SpeechOptions
		n, err := Narrate(t.Context(), voice(c.speech, &asked), Words{Text: "words", Voice: "v", Language: "en", Fit: c.fit}, c.length)
		if c.fails {
			var long *TooLong
			if !errors.As(err, &long) || len(asked) != 1 {
				t.Errorf("%s: %v after %d tries", name, err, len(asked))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if math.Abs(n.VideoSeconds-c.seconds) > 0.02 || (n.Speed > 1) != c.faster || n.Piece().Seconds() > n.VideoSeconds || n.Voice != "noise" {
			t.Errorf("%s: a video of %v s, speech of %v s at speed %v", name, n.VideoSeconds, n.Piece().Seconds(), n.Speed)
		}
		if o := asked[0]; o.Text != "words" || o.Voice != "v" || o.Language != "en" || o.Rate != Rate || o.Format != "pcm" || o.Channels != 1 {
			t.Errorf("%s: the voice was asked for %+v", name, o)
		}
	}
	var asked []media.SpeechOptions
	if n, err := Narrate(t.Context(), voice(2, &asked), Words{Fit: FitVideo}, Length{Most: 60}); err != nil || n.Piece().Seconds() > 2.2 {
		t.Errorf("silence was not cut off: %v s, %v", n.Piece().Seconds(), err)
	}
}
