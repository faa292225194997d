package kinora

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// TestSpeakEnglish: English is spoken without espeak-ng, at the speed that is asked
// for, and with pauses of the length that they state.
func TestSpeakEnglish(t *testing.T) {
	t.Setenv("KINORA_ESPEAK", "/nowhere/espeak-ng")
	say := func(s Speech) ([]byte, Spoken) {
		t.Helper()
		var b bytes.Buffer
		s.Format = "pcm"
		info, err := Speak(t.Context(), &b, s)
		if err != nil {
			t.Fatal(err)
		}
		if info.Voice != HeartVoice || info.Speaker != media.ByKinora || info.Rate != 24000 {
			t.Errorf("%+v", info)
		}
		return b.Bytes(), info
	}
	const text = "Dr. Smith paid $5 at 9:30 p.m. What a bargain!"
	data, usual := say(Speech{Text: text})
	var loud float64
	for i := 0; i < len(data); i += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(data[i:]))) / math.MaxInt16
		loud += v * v
	}
	loud = math.Sqrt(loud / float64(len(data)/2))
	if s := usual.Duration.Seconds(); s < 2.5 || s > 7 || loud < 0.01 || loud > 0.5 {
		t.Errorf("%v s, %v loud", s, loud)
	}
	if again, _ := say(Speech{Text: text, Language: "en-US"}); !bytes.Equal(data, again) {
		t.Error("the same text is other bytes")
	}
	if live, _ := say(Speech{Text: text, Voice: "HEART", Live: true}); !bytes.Equal(data, live) {
		t.Error("live, it is other bytes")
	}
	if _, fast := say(Speech{Text: text, Speed: 2}); fast.Duration.Seconds() > 0.7*usual.Duration.Seconds() {
		t.Errorf("twice as fast it is %v instead of %v", fast.Duration, usual.Duration)
	}
	_, one := say(Speech{Text: "One."})
	_, pause := say(Speech{Text: "One.<#3#>One."})
	if rest := pause.Duration.Seconds() - 2*one.Duration.Seconds(); rest < 2 || rest > 3 {
		t.Errorf("a pause of 3 s adds %v", rest)
	}
}

func TestSpeakErrors(t *testing.T) {
	t.Setenv("KINORA_ESPEAK", "/nowhere/espeak-ng")
	for _, tt := range []struct {
		s    Speech
		kind Kind
		want string
	}{
		{Speech{}, Invalid, "it is empty"},
		{Speech{Text: "你好", Voice: HeartVoice}, Invalid, "nothing in it can be spoken"},
		{Speech{Text: "x", Pitch: 13}, Invalid, "pitch"},
		{Speech{Text: "x\xff"}, Invalid, "UTF-8"},
		{Speech{Text: "你好"}, Unsupported, "espeak-ng"},
		{Speech{Text: "hello", Language: "de"}, Unsupported, "heart, speaks English"},
	} {
		_, err := Speak(t.Context(), &bytes.Buffer{}, tt.s)
		if KindOf(err) != tt.kind || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "media:") {
			t.Errorf("%+v: %v", tt.s, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Speak(ctx, &bytes.Buffer{}, Speech{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestVoices: the voice inside is there without espeak-ng, and named voices of
// espeak-ng speak where it is.
func TestVoices(t *testing.T) {
	list, err := Voices(t.Context())
	if err != nil || len(list) == 0 || list[0].ID != HeartVoice || list[0].Speaker != media.ByKinora {
		t.Fatalf("%+v, %v", list, err)
	}
	if len(list) > 1 {
		info, err := Speak(t.Context(), &bytes.Buffer{}, Speech{Text: "hello", Voice: "en-us"})
		if err != nil || info.Speaker != media.ByEspeak || info.Voice != "en-us" {
			t.Errorf("%+v, %v", info, err)
		}
	}
	t.Setenv("KINORA_ESPEAK", "/nowhere/espeak-ng")
	if list, err := Voices(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("without espeak-ng: %+v, %v", list, err)
	}
}

// TestPhonemes: each phoneme is one that the voice has a sound for.
func TestPhonemes(t *testing.T) {
	list, err := Phonemes("Hello there. Goodbye!")
	if err != nil || strings.Join(list, "|") != "həlˈO ðˈɛɹ.|ɡˌʊdbˈI!" {
		t.Errorf("%q, %v", list, err)
	}
}
