package voice

import (
	"encoding/json"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

var goldenSet = goldentest.Set{Dir: "testdata", Make: "python3 tools/reference/voice.py golden --package DIR --out internal/model/voice/testdata"}

// goldens is the file of goldens and what its metadata says.
type goldens struct {
	file      *safetensors.File
	sentences []golden
	windows   []int // whose spectrum is there; negative ones count from the last
}

type golden struct {
	phonemes string
	speed    float64
}

func readGoldens(t *testing.T) goldens {
	t.Helper()
	g := goldens{file: goldenSet.Open(t, "golden")}
	var sentences [][2]any
	for key, to := range map[string]any{"sentences": &sentences, "windows": &g.windows} {
		goldenSet.Need(t, json.Unmarshal([]byte(g.file.Metadata()[key]), to))
	}
	for _, s := range sentences {
		g.sentences = append(g.sentences, golden{s[0].(string), s[1].(float64)})
	}
	return g
}

func (g goldens) read(t *testing.T, name string) []float32 {
	t.Helper()
	return goldenSet.Values(t, g.file, name)
}

func opened(t testing.TB) *Voice {
	t.Helper()
	v, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near fails if got is farther from want than bar, relative L2.
func near(t *testing.T, what string, got, want []float32, bar float64) {
	t.Helper()
	if d := goldentest.RelativeL2(got, want); !(d <= bar) {
		t.Errorf("%s: relative L2 %.2g, want at most %.2g (%d numbers, want %d)", what, d, bar, len(got), len(want))
	} else {
		t.Logf("%s: relative L2 %.2g", what, d)
	}
}

// TestGolden compares each step with the package's.
func TestGolden(t *testing.T) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("the CPU has no %v", l)
			}
			defer restore()
			g := readGoldens(t)
			if l == simd.Go { // takes long
				g.sentences = g.sentences[:1]
			}
			g.compare(t)
		})
	}
}

func (g goldens) compare(t *testing.T) {
	t.Helper()
	v, err := Parse(heart)
	if err != nil {
		t.Fatal(err)
	}
	v.net.exact = true
	for i, s := range g.sentences {
		name := string(rune('0'+i)) + "/"
		b := backend.Exact()
		ids := v.rows(s.phonemes)
		x := v.net.prosodyText.apply(b, ids)
		logs := tensor.Values(b, v.net.durations(b, x))
		near(t, name+"logs", logs, g.read(t, name+"logs"), 1e-4)
		frames, err := timing(logs, s.speed)
		if err != nil {
			t.Fatal(err)
		}
		tracks := tensor.Values(b, v.net.tracks(b, x, frames))
		near(t, name+"tracks", tracks, g.read(t, name+"tracks"), 1e-4)
		f0, entry := pitch(tracks, 0)
		h := v.net.decode(b, v.net.text.apply(b, ids), twice(frames), b.Upload(entry, len(f0), 2))
		var shown []float32
		for _, w := range g.windows {
			w = (w + len(f0)) % len(f0)
			shown = append(shown, tensor.Values(b, v.net.spectrum(b, h, w, w+1))...)
		}
		near(t, name+"spectrum", shown, g.read(t, name+"spectrum"), 1e-4)
		sound, err := v.speak(t.Context(), b, ids, Settings{Speed: s.speed, Seed: 7, Part: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		want := g.read(t, name+"sound")
		from, to := 0, len(sound)
		if i > 0 {
			from, to = max(0, len(sound)-32*hop), max(0, len(sound)-16*hop)
		}
		near(t, name+"sound", sound[from:to], want, 1e-2)
	}
}

// TestRounded compares durations and pitch with those of the package as it is, with
// activations that are rounded. Between two steps the last digit of a sum decides,
// so that what follows differs a little.
func TestRounded(t *testing.T) {
	v, g := opened(t), readGoldens(t)
	for i, s := range g.sentences {
		name := string(rune('0'+i)) + "/rounded/"
		b := backend.Exact()
		x := v.net.prosodyText.apply(b, v.rows(s.phonemes))
		want := g.read(t, name+"logs")
		near(t, name+"logs", tensor.Values(b, v.net.durations(b, x)), want, 1e-2)
		frames, err := timing(want, s.speed)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+"tracks", tensor.Values(b, v.net.tracks(b, x, frames)), g.read(t, name+"tracks"), 3e-2)
	}
}

// TestPulses compares the train of pulses with the package's.
func TestPulses(t *testing.T) {
	f0 := []float32{0, 100, 150, 210, 210, 30, 41, 399, 0, 0}
	near(t, "pulses", pulses(f0), readGoldens(t).read(t, "pulses"), 1e-3)
}
