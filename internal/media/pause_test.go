package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPhrases(t *testing.T) {
	for _, c := range []struct {
		text string
		want []phrase
	}{
		{"a b", []phrase{{"a b", 0}}},
		{"a<#0.5#>b", []phrase{{"a", 500 * time.Millisecond}, {"b", 0}}},
		{"<#1#> a <#0.01#>", []phrase{{"", time.Second}, {" a ", 10 * time.Millisecond}}},
		{"a<#99.99#>\n\x01<#2.#>b", []phrase{{"a", 101990 * time.Millisecond}, {"b", 0}}},
		{" <#1#> <#2#>b", []phrase{{"", 3 * time.Second}, {"b", 0}}},
		// What is no pause is text.
		{"a<#b#>c <#-1#> <# 1 #> <#1e1#> <#.5#> <#1,5#> <##> <#٣#> <#1#", []phrase{{"a<#b#>c <#-1#> <# 1 #> <#1e1#> <#.5#> <#1,5#> <##> <#٣#> <#1#", 0}}},
		{"<#<#1#>#>", []phrase{{"<#", time.Second}, {"#>", 0}}},
	} {
		if got, err := phrases(c.text); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q is %+v, want %+v, %v", c.text, got, c.want, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "empty"},
		{"<#1#>", "empty"},
		{" <#1#>\x01<#1#> ", "empty"},
		{"a<#0#>", "a pause of 0 seconds (0.01 to 99.99)"},
		{"a<#0.009#>", "0.01 to 99.99"},
		{"a<#99.991#>", "0.01 to 99.99"},
		{"a<#100#>", "0.01 to 99.99"},
		{"a<#" + strings.Repeat("9", 1000) + "#>", "99999999999999999999 seconds"},
		{strings.Repeat("a<#0.01#>", MaxPauses+1), "more than 200 pauses"},
		{strings.Repeat("a<#99#>", 7), "longer than 10m"},
	} {
		_, err := phrases(c.text)
		if bad := (*BadSpeech)(nil); !errors.As(err, &bad) || bad.Field != "text" || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 200 {
			t.Errorf("%.50q: %v, want one that says %q", c.text, err, c.want)
		}
	}
}

func FuzzPhrases(f *testing.F) {
	f.Add("a<#0.5#>b <#1#><#2#>")
	f.Add("<#<#1#>#>[<#1#>[")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := phrases(text)
		if err != nil {
			return
		}
		var all time.Duration
		said := 0
		for i, p := range list {
			if p.text == "" && i > 0 || p.pause == 0 && i < len(list)-1 || strings.Contains(speakable(p.text), "[[") {
				t.Errorf("phrase %d of %q is %+v", i, text, p)
			}
			said += len(p.text)
			all += p.pause
		}
		if said == 0 || said > len(text) || all > MaxPauseTime || len(list) > MaxPauses+1 {
			t.Errorf("%q: %d bytes in %d phrases, %v of pauses", text, said, len(list), all)
		}
	})
}

// TestSpeakPauses: each phrase is spoken by itself, and what is between them
// lasts as long as it says.
func TestSpeakPauses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	voiced := tone(22050, 100, 0.5, 0.1)[44+2:] // from its first sample that is not 0
	wav := slices.Concat(newWAVHeader(22050, 1, 0), make([]byte, 2*300), voiced, make([]byte, 2*6000))
	dir := fakeEspeak(t, wav)
	script := read(t, dir, "espeak-ng")
	script = strings.Replace(script, "cat >text", "{ cat; echo; } >>text", 1)
	if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text   string
		said   string
		quiets []int // samples before, between and after what is voiced
	}{
		{"one", "one\n", []int{300, 6000}},
		{"one<#0.5#>two", "one\ntwo\n", []int{300, 11025, 6000}},
		{"<#1#>-x; [[a<#0.1#>", "-x; [ [a\n", []int{22050, 2205}},
		{"[<#0.01#>[a]]<#2#><#1#><break time='9s'/>&lt;", "[\n[a]]\n<break time='9s'/>&lt;\n", []int{300, 221, 66150, 6000}},
	} {
		if err := os.WriteFile(filepath.Join(dir, "text"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		i, err := Speak(t.Context(), &b, SpeechOptions{Text: c.text, Format: "pcm"})
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := read(t, dir, "text"); got != c.said {
			t.Errorf("%q: said were %q, want %q", c.text, got, c.said)
		}
		var want []byte
		for n, quiet := range c.quiets {
			if n > 0 {
				want = append(want, voiced...)
			}
			want = append(want, make([]byte, 2*quiet)...)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%q: %d samples, want %d, or others", c.text, b.Len()/2, len(want)/2)
		}
		if d := time.Duration(len(want)/2) * time.Second / 22050; (i.Duration - d).Abs() > time.Millisecond {
			t.Errorf("%q takes %v, want %v", c.text, i.Duration, d)
		}
	}
	// A voice that is raised by playing it faster pauses no shorter.
	for _, o := range []SpeechOptions{{Pitch: 12}, {Pitch: -12, Rate: 8000}, {Rate: 48000, Speed: 2}} {
		o.Format = "pcm"
		o.Text = "one"
		_, one, errOne := spoken(t, o)
		o.Text = "one<#3#>two<#4#>three"
		_, three, errThree := spoken(t, o)
		quiet := three.Duration - 3*one.Duration + time.Duration(2*6300*float64(time.Second)/22050/deliver(1, o.Pitch).faster)
		if errOne != nil || errThree != nil || (quiet-7*time.Second).Abs() > time.Millisecond {
			t.Errorf("%+v: the pauses take %v, want 7 s; %v, %v", o, quiet, errOne, errThree)
		}
	}
	onlyFiles(t, os.TempDir())
}

func spoken(t *testing.T, o SpeechOptions) ([]byte, SpeechInfo, error) {
	t.Helper()
	var b bytes.Buffer
	i, err := Speak(t.Context(), &b, o)
	return b.Bytes(), i, err
}

// TestSpeakPausesFail: a phrase that cannot be spoken ends all, and nothing is
// left.
func TestSpeakPausesFail(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := fakeEspeak(t, tone(22050, 100, 0.5, 0.1))
	other := tone(16000, 100, 0.5, 0.1)
	if err := os.WriteFile(filepath.Join(dir, "other"), other, 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.Replace(read(t, dir, "espeak-ng"), "cat wav",
		`case "$(cat text)" in *fail*) echo broken data >&2; exit 3;; *other*) cat other;; *mute*) ;; *) cat wav;; esac`, 1)
	if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"one<#1#>fail<#1#>two":  "broken data",
		"one<#1#>other<#1#>two": "no WAV",
		"one<#1#>mute":          "no WAV",
	} {
		data, _, err := spoken(t, SpeechOptions{Text: text})
		if err == nil || !strings.Contains(err.Error(), want) || len(data) > 0 {
			t.Errorf("%s: %d bytes, %v, want an error that says %q", text, len(data), err, want)
		}
	}
	onlyFiles(t, os.TempDir())
}

// TestSpeakPausesReal: with the real espeak-ng too, a pause is exactly as long
// as it says.
func TestSpeakPausesReal(t *testing.T) {
	needEspeak(t)
	for _, speed := range []float64{1, 2} {
		data, _, err := spoken(t, SpeechOptions{Text: "One.<#3.5#>Two. <#1.25#>", Speed: speed, Format: "pcm"})
		if err != nil {
			t.Fatal(err)
		}
		var runs []int
		quiet := 0
		for at := 0; at < len(data); at += 2 {
			if v := int16(binary.LittleEndian.Uint16(data[at:])); v <= 4 && v >= -4 {
				quiet++
				continue
			}
			if quiet > 22050 {
				runs = append(runs, quiet)
			}
			quiet = 0
		}
		runs = append(runs, quiet)
		if want := []int{22050 * 7 / 2, 22050*5/4 + 1}; fmt.Sprint(runs) != fmt.Sprint(want) {
			t.Errorf("at speed %v it pauses for %v samples, want %v", speed, runs, want)
		}
	}
}
