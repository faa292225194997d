package soundtrack

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/kinora-video/kinora/internal/media"
)

// Fit says which of a narration and its video is fitted to the other.
type Fit string

// The ways of fitting. FitEither is the rule where nothing is said: a video whose
// length was asked for keeps it, and another becomes longer where its narration is.
const (
	FitEither Fit = ""
	FitSpeech Fit = "speech" // the speech is made as short as the video
	FitVideo  Fit = "video"  // the video is made as long as the speech
)

// Fits are the values of Fit that a request may have.
var Fits = []Fit{FitSpeech, FitVideo}

// Limits of a narration.
const (
	// MaxSpeed bounds how many times as fast as usual a narration is spoken to fit
	// its video.
	MaxSpeed = 1.5
	// Tail is for how many seconds a video goes on that is made as long as its
	// narration.
	Tail = 0.5
)

// Speak speaks a text, as media.Speak does.
type Speak func(ctx context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error)

// Words are a narration to be spoken.
type Words struct {
	Text, Voice, Language string // as in media.SpeechOptions
	Fit                   Fit
}

// Narration is what was spoken.
type Narration struct {
	PCM   []byte // samples of one channel, as in a Piece
	Voice string
	Speed float64 // 1, or more if it was made shorter
	// VideoSeconds is the length of the video.
	VideoSeconds float64
	Longer       bool // than the usual length, because of the narration
}

// Piece is the sound of the narration.
func (n *Narration) Piece() *Piece {
	return &Piece{R: bytes.NewReader(n.PCM), Frames: len(n.PCM) / 2, Channels: 1}
}

// Notes say in words what was done to fit the narration and the video to each other,
// where that may surprise.
func (n *Narration) Notes() (notes []string) {
	if n.Speed > 1 {
		notes = append(notes, fmt.Sprintf("the narration is spoken %.2f times as fast as usual to fit the video", n.Speed))
	}
	if n.Longer {
		notes = append(notes, fmt.Sprintf("the video has %.4g s, as its narration is that long", n.VideoSeconds))
	}
	return notes
}

// TooLong is the error for a narration that cannot be fitted.
type TooLong struct {
	Speech  float64 // seconds of it at the usual speed
	Seconds float64 // of the video, or the most that it may have
	Limit   bool    // Seconds is the most
}

// Error says how much too long it is.
func (e *TooLong) Error() string {
	if e.Limit {
		return fmt.Sprintf("it takes %.1f s to speak, and a video can have %.4g s", e.Speech, e.Seconds)
	}
	return fmt.Sprintf("it takes %.1f s to speak, %.1f s at %v times the speed, and the video has %.4g s", e.Speech, e.Speech/MaxSpeed, MaxSpeed, e.Seconds)
}

// Length is what is known of the length of a video before it has a narration, in
// seconds.
type Length struct {
	Asked float64 // by the user; 0 for none
	Usual float64 // where none was asked for
	Least float64
	Most  float64
}

// Narrate speaks words for a video.
func Narrate(ctx context.Context, speak Speak, w Words, l Length) (*Narration, error) {
	n := &Narration{Speed: 1}
	if err := n.speak(ctx, speak, w); err != nil {
		return nil, err
	}
	usual := n.Piece().Seconds()
	if n.VideoSeconds = l.Asked; n.VideoSeconds == 0 {
		n.VideoSeconds = l.Usual
	}
	whole := math.Ceil(100*(usual+Tail)) / 100
	switch {
	case w.Fit == FitVideo, w.Fit == FitEither && l.Asked == 0 && usual > n.VideoSeconds:
		n.Longer = w.Fit == FitEither
		if n.VideoSeconds = max(whole, l.Least); whole > l.Most {
			return nil, &TooLong{Speech: usual, Seconds: l.Most, Limit: true}
		}
		return n, nil
	case usual > MaxSpeed*n.VideoSeconds:
		return nil, &TooLong{Speech: usual, Seconds: n.VideoSeconds}
	}
	const tries = 4 // a voice is not exactly as much faster as it is told to be
	for range tries {
		now := n.Piece().Seconds()
		if now <= n.VideoSeconds {
			return n, nil
		}
		const more = 1.01
		n.Speed = min(n.Speed*now/n.VideoSeconds*more, media.MaxSpeed)
		if err := n.speak(ctx, speak, w); err != nil {
			return nil, err
		}
	}
	if n.Piece().Seconds() <= n.VideoSeconds {
		return n, nil
	}
	return nil, &TooLong{Speech: usual, Seconds: n.VideoSeconds}
}

// speak speaks the words at the narration's speed.
func (n *Narration) speak(ctx context.Context, speak Speak, w Words) error {
	var pcm bytes.Buffer
	spoken, err := speak(ctx, &pcm, media.SpeechOptions{
		Text: w.Text, Voice: w.Voice, Language: w.Language, Speed: n.Speed, Format: "pcm", Rate: Rate, Channels: 1,
	})
	if err != nil {
		return err
	}
	n.PCM, n.Voice = trimmed(pcm.Bytes()), spoken.Voice
	return nil
}

// trimmed cuts off the silence before and after speech, all but a little.
func trimmed(pcm []byte) []byte {
	const (
		quiet  = 1 << 6 // of 1 << 15
		before = Rate / 20
		after  = Rate / 10
	)
	loud := func(i int) bool {
		v := int16(binary.LittleEndian.Uint16(pcm[2*i:]))
		return v > quiet || v < -quiet
	}
	n := len(pcm) / 2
	first, last := 0, n
	for first < n && !loud(first) {
		first++
	}
	for last > first && !loud(last-1) {
		last--
	}
	if first == last {
		return pcm[:2*n]
	}
	return pcm[2*max(0, first-before) : 2*min(n, last+after)]
}
