package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// needEspeak skips a test where espeak-ng is missing.
func needEspeak(t *testing.T) {
	t.Helper()
	if _, err := Espeak(); err != nil {
		t.Skip(err)
	}
}

// tone is a WAV of a sine of some hertz, loud out of 1.
func tone(rate int, hertz, loud, seconds float64) []byte {
	n := int(seconds * float64(rate))
	b := newWAVHeader(rate, 1, 0x7ffff000) // as a pipe gives it: without an end
	for i := range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(loud*math.MaxInt16*math.Sin(2*math.Pi*hertz*float64(i)/float64(rate)))))
	}
	return b
}

// fakeEspeak makes a shell script take espeak-ng's place. It lists three
// voices, notes its arguments and input in the folder it returns, and speaks
// the WAV it is given.
func fakeEspeak(t *testing.T, wav []byte) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for espeak-ng is a shell script")
	}
	dir := t.TempDir()
	script := `#!/bin/sh
cd '` + dir + `'
case "$1" in
--voices=variant) printf '%s\n' 'Pty Language Age/Gender VoiceName File Other' ' 5 variant --/F female3 !v/f3' ' 5 variant --/M Mr_Serious !v/Mr serious';;
--voices) cat voices;;
*) printf '%s\n' "$@" >args; cat >text; cat wav;;
esac
`
	voices := `Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 2  en-us           --/F      English_(America)  gmw/en-US            (en 3)
 5  xx              --/M      Evil               ../../etc/passwd
 5  de              --/M      german-mbrola-5    mb/mb-de5
`
	for name, content := range map[string]string{"espeak-ng": script, "voices": voices, "wav": string(wav)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KINORA_ESPEAK", filepath.Join(dir, "espeak-ng"))
	return dir
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSpeakArguments(t *testing.T) {
	for _, c := range []struct{ voice, language, want, file string }{
		{"", "", "en", "gmw/en"},
		{"", "en-US", "en-us", "gmw/en-US"},
		{"", "zh_Hans_CN", "cmn", "sit/cmn"},
		{"", "en-AU", "en", "gmw/en"},
		{"EN-us", "zh", "en-us", "gmw/en-US"},
		{"en-gb", "", "en", "gmw/en"},
		{"cmn+F3", "", "cmn+f3", "sit/cmn+f3"},
	} {
		dir := fakeEspeak(t, tone(22050, 100, 0.5, 0.1))
		text := "--voices; $(reboot) [[h@]] \x01500Sb\x00 猫\nend"
		i, err := Speak(t.Context(), &bytes.Buffer{}, SpeechOptions{Text: text, Voice: c.voice, Language: c.language, Format: "pcm"})
		if err != nil || i.Voice != c.want {
			t.Errorf("voice %q for %q is %q, want %q, %v", c.voice, c.language, i.Voice, c.want, err)
			continue
		}
		if got, want := read(t, dir, "args"), strings.Join(espeakArgs(c.file, delivery{words: 175, pitch: 50}), "\n")+"\n"; got != want {
			t.Errorf("the arguments are %q, want %q", got, want)
		}
		if got, want := read(t, dir, "text"), "--voices; $(reboot) [ [h@]] 500Sb 猫\nend"; got != want {
			t.Errorf("the text is %q, want %q", got, want)
		}
	}
}

func TestSpeakRefuses(t *testing.T) {
	fakeEspeak(t, tone(22050, 100, 0.5, 0.1))
	for _, c := range []struct {
		field string
		o     SpeechOptions
	}{
		{"text", SpeechOptions{}},
		{"text", SpeechOptions{Text: " \n\x01"}},
		{"text", SpeechOptions{Text: "\xff"}},
		{"text", SpeechOptions{Text: strings.Repeat("x", MaxSpeechText+1)}},
		{"speed", SpeechOptions{Text: "x", Speed: 0.4}},
		{"speed", SpeechOptions{Text: "x", Speed: math.NaN()}},
		{"pitch", SpeechOptions{Text: "x", Pitch: 12.5}},
		{"pitch", SpeechOptions{Text: "x", Pitch: math.NaN()}},
		{"volume", SpeechOptions{Text: "x", Volume: -1}},
		{"volume", SpeechOptions{Text: "x", Volume: math.Inf(1)}},
		{"format", SpeechOptions{Text: "x", Format: "ogg"}},
		{"sample rate", SpeechOptions{Text: "x", Rate: 12345}},
		{"bitrate", SpeechOptions{Text: "x", Bitrate: 1}},
		{"channels", SpeechOptions{Text: "x", Channels: 3}},
		{"voice", SpeechOptions{Text: "x", Voice: "../../etc/passwd"}},
		{"voice", SpeechOptions{Text: "x", Voice: "passwd"}},
		{"voice", SpeechOptions{Text: "x", Voice: "-x"}},
		{"voice", SpeechOptions{Text: "x", Voice: "mb-de5"}},
		{"voice", SpeechOptions{Text: "x", Voice: "en+"}},
		{"voice", SpeechOptions{Text: "x", Voice: "en+../../x"}},
		{"voice", SpeechOptions{Text: "x", Voice: "en+Mr serious"}},
		{"language", SpeechOptions{Text: "x", Language: "tlh"}},
		{"language", SpeechOptions{Text: "x", Language: "-"}},
	} {
		var b bytes.Buffer
		_, err := Speak(t.Context(), &b, c.o)
		if bad := (*BadSpeech)(nil); !errors.As(err, &bad) || bad.Field != c.field || b.Len() > 0 {
			t.Errorf("%.80q: %v, want an error about the %s", fmt.Sprint(c.o), err, c.field)
		}
	}
}

func TestSpeakMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KINORA_ESPEAK", "")
	t.Setenv("KINORA_FFMPEG", "")
	_, err := Speak(t.Context(), &bytes.Buffer{}, SpeechOptions{Text: "x"})
	if !errors.Is(err, ErrNoSpeech) || !strings.Contains(err.Error(), "apt-get install espeak-ng") {
		t.Errorf("without espeak-ng: %v", err)
	}
	if _, err := ListVoices(t.Context()); !errors.Is(err, ErrNoSpeech) {
		t.Errorf("voices without espeak-ng: %v", err)
	}
	if _, err := Speak(t.Context(), &bytes.Buffer{}, SpeechOptions{Text: "x", Format: "mp3"}); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("an mp3 without ffmpeg: %v", err)
	}
}

// TestSpeakBroken runs espeak-ngs that fail in their own ways.
func TestSpeakBroken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct{ name, wav, want string }{
		{"nothing", "", "no WAV"},
		{"text", strings.Repeat("no sound\n", 20), "no WAV"},
		{"no samples", string(newWAVHeader(22050, 1, 0)), "nothing in it can be spoken"},
		{"two channels", string(newWAVHeader(22050, 2, 0)) + "xxxx", "no WAV"},
	} {
		fakeEspeak(t, []byte(c.wav))
		if _, err := Speak(t.Context(), &bytes.Buffer{}, SpeechOptions{Text: "x"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.want)
		}
	}
	dir := fakeEspeak(t, nil)
	fail := "#!/bin/sh\ncase $1 in --voices) cat " + dir + "/voices;; *) echo broken data >&2; exit 3;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte(fail), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Speak(t.Context(), &bytes.Buffer{}, SpeechOptions{Text: "x"}); err == nil || !strings.Contains(err.Error(), "broken data") {
		t.Errorf("one that fails: %v", err)
	}
	hang := "#!/bin/sh\ncase $1 in --voices) cat " + dir + "/voices;; *) sleep 1000;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte(hang), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if _, err := Speak(ctx, &bytes.Buffer{}, SpeechOptions{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("one that hangs: %v", err)
	}
	onlyFiles(t, os.TempDir())
}

// heard is what Speak makes of a tone: its samples in the first channel.
func heard(t *testing.T, wav []byte, o SpeechOptions) ([]int16, SpeechInfo) {
	t.Helper()
	fakeEspeak(t, wav)
	o.Text = "x"
	var b bytes.Buffer
	i, err := Speak(t.Context(), &b, o)
	if err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	if int64(b.Len()) != i.Bytes {
		t.Errorf("%+v: %d bytes, the answer says %d", o, b.Len(), i.Bytes)
	}
	data := b.Bytes()
	if o.Format != "pcm" {
		rate, start, err := wavHeader(bytes.NewReader(mono(data)))
		if err != nil || rate != i.Rate || start != 44 {
			t.Fatalf("%+v: a header of rate %d, samples from %d, %v", o, rate, start, err)
		}
		if n := binary.LittleEndian.Uint32(data[40:]); int(n) != len(data)-44 || int(binary.LittleEndian.Uint32(data[4:])) != len(data)-8 {
			t.Errorf("%+v: the header says %d bytes of %d", o, n, len(data)-44)
		}
		data = data[44:]
	}
	var out []int16
	for at := 0; at < len(data); at += 2 * i.Channels {
		out = append(out, int16(binary.LittleEndian.Uint16(data[at:])))
		if i.Channels == 2 && !bytes.Equal(data[at:at+2], data[at+2:at+4]) {
			t.Fatalf("%+v: the channels differ at byte %d", o, at)
		}
	}
	return out, i
}

// mono says one channel in a header, for wavHeader, which takes no other.
func mono(b []byte) []byte {
	b = slices.Clone(b)
	b[22] = 1
	return b
}

// crossings counts how often a sound goes up through zero.
func crossings(x []int16) int {
	n := 0
	for i := 1; i < len(x); i++ {
		if x[i-1] < 0 && x[i] >= 0 {
			n++
		}
	}
	return n
}

func loudest(x []int16) int {
	most := 0
	for _, v := range x {
		most = max(most, int(v), -int(v))
	}
	return most
}

// TestSpeakRates: a tone keeps its height, length and loudness at every rate,
// and what is above the new rate's reach goes.
func TestSpeakRates(t *testing.T) {
	wav := tone(22050, 1000, 0.5, 1)
	for _, rate := range SpeechRates {
		for _, channels := range []int{1, 2} {
			x, i := heard(t, wav, SpeechOptions{Rate: rate, Channels: channels})
			if len(x) != rate || i.Rate != rate || i.Channels != channels || i.Duration != time.Second {
				t.Errorf("at %d Hz: %d samples, %+v", rate, len(x), i)
			}
			if n := crossings(x); n < 998 || n > 1001 {
				t.Errorf("at %d Hz a tone of 1000 Hz has %d waves", rate, n)
			}
			if l := loudest(x[100 : len(x)-100]); l < 16000 || l > 16700 {
				t.Errorf("at %d Hz a tone of half the loudness peaks at %d", rate, l)
			}
		}
	}
	same, _ := heard(t, wav, SpeechOptions{Format: "pcm", Rate: 22050})
	for i, v := range same {
		if v != int16(binary.LittleEndian.Uint16(wav[44+2*i:])) {
			t.Fatalf("at the voice's own rate sample %d is another", i)
		}
	}
	if x, _ := heard(t, tone(22050, 6000, 0.5, 1), SpeechOptions{Rate: 8000}); loudest(x[500:len(x)-500]) > 200 {
		t.Errorf("6000 Hz at 8000 samples a second peak at %d", loudest(x[500:len(x)-500]))
	}
}

func TestSpeakVolume(t *testing.T) {
	for _, c := range []struct {
		loud, volume float64
		want         int
	}{
		{0.25, 0, 8191},
		{0.25, 0.5, 4096},
		{0.25, 2, 16383},
		{0.25, 10, math.MaxInt16}, // as loud as can be
		{1, 10, math.MaxInt16},
	} {
		x, _ := heard(t, tone(22050, 22050.0/44, c.loud, 0.2), SpeechOptions{Volume: c.volume})
		if got := loudest(x); got < c.want-10 || got > c.want {
			t.Errorf("%v times %v peaks at %d, want %d", c.loud, c.volume, got, c.want)
		}
		flat := 0
		for i := 1; i < len(x); i++ {
			if x[i] == math.MaxInt16 && x[i-1] == x[i] {
				flat++
			}
		}
		if flat > 0 {
			t.Errorf("%v times %v is clipped", c.loud, c.volume)
		}
	}
}

// TestDeliver: what espeak-ng cannot reach is played faster or slower, and
// then spoken slower or faster, so that the length stays.
func TestDeliver(t *testing.T) {
	for _, c := range []struct {
		speed, pitch float64
		want         delivery
	}{
		{1, 0, delivery{175, 50, 1}},
		{2, 0, delivery{350, 50, 1}},
		{0.5, 0, delivery{88, 50, 1}},
		{1, 4, delivery{175, 72, 1}},
		{1, -4, delivery{175, 24, 1}},
		{1, 12, delivery{146, 99, math.Exp2((12 - 49/5.5) / 12)}},
		{1, -12, delivery{224, 0, math.Exp2((-12 + 50/6.5) / 12)}},
		{2, -12, delivery{449, 0, math.Exp2((-12 + 50/6.5) / 12)}},
		{0.5, 12, delivery{80, 99, math.Exp2((12 - 49/5.5) / 12)}},
	} {
		got := deliver(c.speed, c.pitch)
		if got.words != c.want.words || got.pitch != c.want.pitch || math.Abs(got.faster-c.want.faster) > 1e-9 {
			t.Errorf("speed %v, pitch %v: %+v, want %+v", c.speed, c.pitch, got, c.want)
		}
	}
	x, i := heard(t, tone(22050, 200, 0.5, 1), SpeechOptions{Pitch: 12})
	f := math.Exp2((12 - 49/5.5) / 12)
	if got := float64(crossings(x)) / i.Duration.Seconds(); math.Abs(got-200*f) > 3 {
		t.Errorf("200 Hz come out as %.0f, want %.0f", got, 200*f)
	}
}

func TestParseVoices(t *testing.T) {
	dir := fakeEspeak(t, nil)
	got := parseVoices(read(t, dir, "voices"))
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if v := got[0]; v.ID != "cmn" || v.Name != "Chinese (Mandarin, latin as English)" || v.Gender != "male" || !slices.Equal(v.Languages, []string{"cmn", "zh-cmn", "zh"}) {
		t.Errorf("%+v", v)
	}
	if v := got[2]; v.ID != "en-us" || v.Gender != "female" {
		t.Errorf("%+v", v)
	}
}

func TestWAVHeader(t *testing.T) {
	good := tone(16000, 100, 0.5, 0.1)
	extra := slices.Concat(good[:36], []byte("LIST\x03\x00\x00\x00abc\x00"), good[36:])
	long := slices.Concat(good[:16], []byte{18, 0, 0, 0}, good[20:36], []byte{0, 0}, good[36:])
	for _, c := range []struct {
		name  string
		data  []byte
		start int64 // 0 for an error
	}{
		{"plain", good, 44},
		{"a chunk between", extra, 56},
		{"a longer format", long, 46},
		{"empty", nil, 0},
		{"cut", good[:30], 0},
		{"no format", slices.Concat(good[:12], good[36:]), 0},
		{"an endless chunk", slices.Concat(good[:12], []byte("junk\xff\xff\xff\xff"), good), 0},
	} {
		rate, start, err := wavHeader(bytes.NewReader(c.data))
		if (err == nil) != (c.start > 0) || start != c.start || err == nil && rate != 16000 {
			t.Errorf("%s: rate %d, samples from %d, %v; want them from %d", c.name, rate, start, err, c.start)
		}
	}
}

func FuzzWAVHeader(f *testing.F) {
	f.Add(tone(22050, 100, 0.5, 0.01))
	f.Add(newWAVHeader(8000, 2, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		rate, start, err := wavHeader(bytes.NewReader(data))
		if err == nil && (rate < 4000 || rate > 192000 || start < 44 || start > int64(len(data))) {
			t.Errorf("rate %d, samples from %d of %d bytes", rate, start, len(data))
		}
	})
}

// fails is an output that takes nothing.
type fails struct{}

var errCut = errors.New("the line is cut")

func (fails) Write([]byte) (int, error) { return 0, errCut }

// TestSpeakInto: what is written is what is told, and an output that takes nothing
// is no fault of the request.
func TestSpeakInto(t *testing.T) {
	needEspeak(t)
	voices, err := ListVoices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"en", "zh", "ar"} {
		if !slices.ContainsFunc(voices, func(v Voice) bool { return v.ID != "" && slices.Contains(v.Languages, language) }) {
			t.Errorf("no voice speaks %s", language)
		}
	}
	var b bytes.Buffer
	s, err := Speak(t.Context(), &b, SpeechOptions{Text: "A red ball bounces.", Voice: "en-us", Rate: 32000, Channels: 2})
	if err != nil || s.Voice != "en-us" || s.Rate != 32000 || s.Channels != 2 || s.Bytes != int64(b.Len()) || !bytes.HasPrefix(b.Bytes(), []byte("RIFF")) {
		t.Fatalf("%+v of %d bytes, %v", s, b.Len(), err)
	}
	if want := time.Duration(b.Len()-44) * time.Second / (4 * 32000); (s.Duration-want).Abs() > time.Millisecond || want < time.Second {
		t.Errorf("it takes %v, its samples %v", s.Duration, want)
	}
	_, err = Speak(t.Context(), &b, SpeechOptions{Text: "x", Voice: "../../etc/passwd"})
	if bad, ok := errors.AsType[*BadSpeech](err); !ok || bad.Field != "voice" {
		t.Errorf("a voice that is none: %v", err)
	}
	if _, err := Speak(t.Context(), fails{}, SpeechOptions{Text: "x"}); !errors.Is(err, errCut) {
		t.Errorf("an output that takes nothing: %v", err)
	}
}

// TestSpeak speaks with the real tools.
func TestSpeak(t *testing.T) {
	needEspeak(t)
	voices, err := ListVoices(t.Context())
	if err != nil || len(voices) < 20 {
		t.Fatalf("%d voices, %v", len(voices), err)
	}
	say := func(o SpeechOptions) ([]byte, SpeechInfo) {
		t.Helper()
		o.Text = "The quick brown fox jumps over the lazy dog."
		var b bytes.Buffer
		i, err := Speak(t.Context(), &b, o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		return b.Bytes(), i
	}
	plain, i := say(SpeechOptions{})
	if i.Voice != "en" || i.Duration < 2*time.Second || i.Duration > 5*time.Second {
		t.Errorf("%+v", i)
	}
	if again, _ := say(SpeechOptions{}); !bytes.Equal(again, plain) {
		t.Error("said again, it is another sound")
	}
	if _, quick := say(SpeechOptions{Speed: 2}); quick.Duration > i.Duration*6/10 {
		t.Errorf("twice as fast it takes %v of %v", quick.Duration, i.Duration)
	}
	for _, semitones := range []float64{-12, 12} {
		if _, p := say(SpeechOptions{Pitch: semitones}); p.Duration < i.Duration*85/100 || p.Duration > i.Duration*115/100 {
			t.Errorf("%v semitones away it takes %v, not %v", semitones, p.Duration, i.Duration)
		}
	}
	if female, _ := say(SpeechOptions{Voice: "en-us+f3"}); bytes.Equal(female, plain) {
		t.Error("another voice sounds the same")
	}
	needFFmpeg(t)
	for format, magic := range map[string]string{"mp3": "ID3", "flac": "fLaC"} {
		for _, rate := range []int{8000, 32000} {
			data, j := say(SpeechOptions{Format: format, Rate: rate, Channels: 2, Bitrate: 256000})
			if !bytes.HasPrefix(data, []byte(magic)) || j.Rate != rate || j.Bytes != int64(len(data)) {
				t.Errorf("%s at %d Hz begins with %q: %+v", format, rate, data[:4], j)
			}
		}
	}
}
