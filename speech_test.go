package kinora

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSpeakRefusals(t *testing.T) {
	for _, c := range []struct {
		r    SpeechRequest
		want string
	}{
		{SpeechRequest{}, "speak text: it is empty"},
		{SpeechRequest{Text: "x", Speed: 3}, "speed"},
		{SpeechRequest{Text: "x", Format: "ogg"}, "format"},
	} {
		var b bytes.Buffer
		_, err := Speak(t.Context(), &b, c.r)
		if KindOf(err) != Invalid || err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%+v: %v, want one that says %q", c.r, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Speak(ctx, &bytes.Buffer{}, SpeechRequest{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KINORA_ESPEAK", "")
	if _, err := Speak(t.Context(), &bytes.Buffer{}, SpeechRequest{Text: "x"}); KindOf(err) != Unsupported || !strings.Contains(err.Error(), "apt-get install espeak-ng") {
		t.Errorf("without espeak-ng: %v", err)
	}
	if _, err := Voices(t.Context()); KindOf(err) != Unsupported {
		t.Errorf("voices without espeak-ng: %v", err)
	}
}

// fails is an output that takes nothing.
type fails struct{}

func (fails) Write([]byte) (int, error) { return 0, errors.New("the line is cut") }

func TestSpeak(t *testing.T) {
	voices, err := Voices(t.Context())
	if KindOf(err) == Unsupported && err != nil {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"en", "zh", "ar"} {
		if !slices.ContainsFunc(voices, func(v Voice) bool { return v.ID != "" && slices.Contains(v.Languages, language) }) {
			t.Errorf("no voice speaks %s", language)
		}
	}
	var b bytes.Buffer
	s, err := Speak(t.Context(), &b, SpeechRequest{Text: "A red ball bounces.", Voice: "en-us", SampleRate: 32000, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	if s.Voice != "en-us" || s.Format != WAV || s.SampleRate != 32000 || s.Channels != 2 || s.Bytes != int64(b.Len()) || !bytes.HasPrefix(b.Bytes(), []byte("RIFF")) {
		t.Errorf("%+v of %d bytes", s, b.Len())
	}
	if want := time.Duration(b.Len()-44) * time.Second / (4 * 32000); (s.Duration-want).Abs() > time.Millisecond || want < time.Second {
		t.Errorf("it takes %v, its samples %v", s.Duration, want)
	}
	if _, err := Speak(t.Context(), &b, SpeechRequest{Text: "x", Voice: "../../etc/passwd"}); KindOf(err) != Invalid || !strings.Contains(err.Error(), "speak voice") {
		t.Errorf("a voice that is none: %v", err)
	}
	if _, err := Speak(t.Context(), fails{}, SpeechRequest{Text: "x"}); KindOf(err) != Storage || !strings.Contains(err.Error(), "the line is cut") {
		t.Errorf("an output that takes nothing: %v", err)
	}
}
