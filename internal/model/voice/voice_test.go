package voice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

const hello = "həlˈO ðˈɛɹ."

func speak(t *testing.T, phonemes string, s Settings) []float32 {
	t.Helper()
	x, err := opened(t).Speak(t.Context(), phonemes, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestSameBytes: one thread and several, and a backend whose memory nobody sees, give
// the same sound, and several goroutines may speak at once.
func TestSameBytes(t *testing.T) {
	v := opened(t)
	defer simd.SetThreads(simd.Threads())
	simd.SetThreads(1)
	one := speak(t, hello, Settings{Seed: 3})
	simd.SetThreads(3)
	results := make(chan []float32, 3)
	for range cap(results) {
		go func() {
			x, err := v.Speak(context.Background(), hello, Settings{Seed: 3})
			if err != nil {
				t.Error(err)
			}
			results <- x
		}()
	}
	for range cap(results) {
		if x := <-results; !slices.Equal(x, one) {
			t.Error("three threads give other bytes than one")
		}
	}
	o := tensortest.NewOpaque(backend.Exact())
	hidden, err := v.speak(t.Context(), o, v.rows(hello), Settings{Speed: 1, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(hidden, one) {
		t.Error("the opaque backend gives other bytes")
	}
}

// TestSettings: what speed, seed and sentence do.
func TestSettings(t *testing.T) {
	plain := speak(t, hello, Settings{})
	if n := len(plain); n%hop != 0 || n < SampleRate/2 || n > 2*SampleRate {
		t.Fatalf("the sound has %d samples", n)
	}
	for name, tt := range map[string]struct {
		s         Settings
		lo, hi    float64 // length, against that of plain
		otherwise bool
	}{
		"the same": {Settings{Speed: 1}, 1, 1, false},
		"slow":     {Settings{Speed: 0.5}, 1.7, 2.3, true},
		"fast":     {Settings{Speed: 2}, 0.4, 0.65, true},
		"seed":     {Settings{Seed: 1}, 1, 1, true},
		"sentence": {Settings{Part: 1}, 1, 1, true},
		"higher":   {Settings{Pitch: 4}, 1, 1, true},
	} {
		x := speak(t, hello, tt.s)
		if r := float64(len(x)) / float64(len(plain)); r < tt.lo || r > tt.hi {
			t.Errorf("%s: %.2f times as long, want %v to %v", name, r, tt.lo, tt.hi)
		}
		if slices.Equal(x, plain) == tt.otherwise {
			t.Errorf("%s: other sound: %v, want %v", name, !tt.otherwise, tt.otherwise)
		}
	}
}

// TestLevel: the sound is as loud as speech, begins and ends quietly, and has no
// jumps.
func TestLevel(t *testing.T) {
	x := speak(t, hello, Settings{})
	var top, jump, sum float64
	for i, v := range x {
		top, sum = max(top, math.Abs(float64(v))), sum+float64(v)*float64(v)
		if i > 0 {
			jump = max(jump, math.Abs(float64(v-x[i-1])))
		}
	}
	if rms := math.Sqrt(sum / float64(len(x))); top > 0.99 || top < 0.1 || rms < 0.01 || rms > 0.3 || jump > 0.4 {
		t.Errorf("the sound peaks at %.2f, its RMS is %.3f, its largest step %.2f", top, rms, jump)
	}
	for _, end := range [][]float32{x[:SampleRate/50], x[len(x)-SampleRate/50:]} {
		for _, v := range end {
			if math.Abs(float64(v)) > 0.01 {
				t.Fatalf("a sample of the first or last 20 ms is %v", v)
			}
		}
	}
}

// TestPitch: the pitch of the pulses follows the setting.
func TestPitch(t *testing.T) {
	tracks := []float32{2, 2.2, 0, 1, -0.1, 0, 0, 0.5}
	f0, entry := pitch(tracks, 12)
	if want := []float32{400, 440, -20, 0}; !slices.Equal(f0, want) {
		t.Errorf("the pitch is %v, want %v", f0, want)
	}
	for i, want := range []float64{math.Log(401) / 5, 0, math.Log(441) / 5, 1, 0, 0, 0, 0.5} {
		if math.Abs(float64(entry[i])-want) > 1e-6 {
			t.Errorf("number %d for the decoder is %v, want %v", i, entry[i], want)
		}
	}
}

// TestRefusals: bad input gets an error that says what was wrong.
func TestRefusals(t *testing.T) {
	v := opened(t)
	for name, tt := range map[string]struct {
		phonemes string
		s        Settings
		want     string
	}{
		"slow":     {hello, Settings{Speed: 0.4}, "0.5 to 2"},
		"fast":     {hello, Settings{Speed: 2.1}, "0.5 to 2"},
		"no speed": {hello, Settings{Speed: math.NaN()}, "0.5 to 2"},
		"high":     {hello, Settings{Pitch: 13}, "-12 to 12"},
		"no pitch": {hello, Settings{Pitch: math.Inf(-1)}, "-12 to 12"},
		"long":     {strings.Repeat("a", MaxPhonemes+1), Settings{}, "at most 1000"},
	} {
		if _, err := v.Speak(t.Context(), tt.phonemes, tt.s); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want one with %q", name, err, tt.want)
		}
	}
	if x, err := v.Speak(t.Context(), "漢字", Settings{}); x != nil || err != nil {
		t.Errorf("no phoneme gives %d samples and %v", len(x), err)
	}
	if x, y := speak(t, "h漢əlˈO", Settings{}), speak(t, "həlˈO", Settings{}); !slices.Equal(x, y) {
		t.Error("what the voice does not know is not left out")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Speak(ctx, hello, Settings{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled sentence gives %v", err)
	}
}

func TestAlphabet(t *testing.T) {
	v := opened(t)
	for _, r := range "həlO ˈˌæɹʤʧθðŋ.,;?!—" {
		if v.alphabet[r] == 0 {
			t.Errorf("the voice does not know %q", r)
		}
	}
	if !strings.Contains(License(), "Apache License") || !strings.Contains(License(), "misaki") {
		t.Error("the licence or the notice is missing")
	}
}

// TestTiming: durations are rounded to even, and bounded.
func TestTiming(t *testing.T) {
	log := func(d float64) float32 { return float32(math.Log1p(d)) }
	frames, err := timing([]float32{log(2), -5, log(0), log(4.6)}, 2)
	if want := []int32{0, 1, 2, 3, 3}; err != nil || !slices.Equal(frames, want) {
		t.Errorf("the frames are %v, want %v (%v)", frames, want, err)
	}
	for name, logs := range map[string][]float32{
		"held": {log(900)}, "infinite": {float32(math.Inf(1))}, "not a number": {float32(math.NaN())},
		"long": slices.Repeat([]float32{log(399)}, 100),
	} {
		if _, err := timing(logs, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// changed is the voice's file with something changed.
func changed(t *testing.T, change func(ts map[string]safetensors.Tensor, meta map[string]string)) []byte {
	t.Helper()
	f, err := safetensors.Parse(heart)
	if err != nil {
		t.Fatal(err)
	}
	ts, meta := map[string]safetensors.Tensor{}, map[string]string{}
	for k, v := range f.Metadata() {
		meta[k] = v
	}
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		data, err := f.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		ts[name] = safetensors.Tensor{Name: name, DType: info.DType, Shape: info.Shape, Data: data}
	}
	change(ts, meta)
	var list []safetensors.Tensor
	for _, x := range ts {
		list = append(list, x)
	}
	var w bytes.Buffer
	if err := safetensors.Write(&w, list, meta); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestHostileFiles: a file that is damaged or made to do harm gets an error.
func TestHostileFiles(t *testing.T) {
	type (
		ts   = map[string]safetensors.Tensor
		meta = map[string]string
	)
	config := func(change func(c *Config)) func(ts, meta) {
		return func(_ ts, m meta) {
			var c Config
			if err := json.Unmarshal([]byte(m[metaConfig]), &c); err != nil {
				t.Fatal(err)
			}
			change(&c)
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			m[metaConfig] = string(text)
		}
	}
	for name, tt := range map[string]struct {
		change func(ts, meta)
		want   string
	}{
		"format":    {func(_ ts, m meta) { m[metaFormat] = "kinora-upscaler-1" }, "does not hold a voice"},
		"no config": {func(_ ts, m meta) { m[metaConfig] = "{" }, "voice configuration"},
		"layers":    {config(func(c *Config) { c.Text.Layers = 1 << 40 }), "layers"},
		"heads":     {config(func(c *Config) { c.Text.Heads = 3 }), "heads"},
		"no heads":  {config(func(c *Config) { c.ProsodyText.Heads = 0 }), "heads"},
		"width":     {config(func(c *Config) { c.Decoder.Width = -1 }), "width"},
		"wide":      {config(func(c *Config) { c.Decoder.Width = 192 }), "shape"},
		"prosody":   {config(func(c *Config) { c.Prosody.Width = 64 }), "prosody"},
		"kernel":    {config(func(c *Config) { c.Decoder.Kernel = 6 }), "kernel"},
		"entry":     {config(func(c *Config) { c.Entry = 0 }), "entry"},
		"dilation":  {config(func(c *Config) { c.Prosody.Dilations[1] = 0 }), "dilation"},
		"blocks":    {config(func(c *Config) { c.Prosody.Dilations = make([]int, 65) }), "blocks"},
		"more":      {config(func(c *Config) { c.Decoder.Dilations = append(c.Decoder.Dilations, 1) }), "lacks"},
		"bins":      {config(func(c *Config) { c.Bins = 513 }), "bins"},
		"phonemes":  {config(func(c *Config) { c.Text.Phonemes = 177 }), "phonemes"},
		"convs":     {config(func(c *Config) { c.Text.Convs = 1 << 30 }), "convs"},
		"alphabet":  {func(_ ts, m meta) { m[metaAlphabet] = `{"a": 178}` }, "alphabet"},
		"silence":   {func(_ ts, m meta) { m[metaAlphabet] = `{"a": 0}` }, "alphabet"},
		"two":       {func(_ ts, m meta) { m[metaAlphabet] = `{"ab": 3}` }, "one character"},
		"missing":   {func(x ts, _ meta) { delete(x, "dec_norm.bias") }, "dec_norm.bias"},
		"no scale":  {func(x ts, _ meta) { delete(x, "head.weight.scale") }, "head.weight.scale"},
		"not finite": {func(x ts, _ meta) {
			x["dec_in.bias"] = safetensors.FromFloat32("dec_in.bias", safetensors.F32, slices.Repeat([]float32{float32(math.NaN())}, 256), 256)
		}, "not finite"},
		"scale": {func(x ts, _ meta) {
			x["head.weight.scale"] = safetensors.FromFloat32("head.weight.scale", safetensors.F32, slices.Repeat([]float32{float32(math.Inf(1))}, 3005), 3005)
		}, "not finite"},
	} {
		if _, err := Parse(changed(t, tt.change)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want one with %q", name, err, tt.want)
		}
	}
	for _, n := range []int{0, 7, 100, 30000, len(heart) - 1} {
		if _, err := Parse(heart[:n]); err == nil {
			t.Errorf("%d bytes of the file are taken for the whole", n)
		}
	}
}

// TestUnquantised: weights in f32, or in int8 with one scale for all, are a voice as
// well; phonemes that would never end are refused.
func TestUnquantised(t *testing.T) {
	wide := func(x map[string]safetensors.Tensor, name string, by float32) {
		f, err := safetensors.Parse(heart)
		if err != nil {
			t.Fatal(err)
		}
		s, shape, err := f.Stored(name)
		if err != nil {
			t.Fatal(err)
		}
		values := tensor.InPlace(s, shape...).Values()
		for i := range values {
			values[i] *= by
		}
		x[name] = safetensors.FromFloat32(name, safetensors.F32, values, shape...)
		delete(x, name+".scale")
	}
	v, err := Parse(changed(t, func(x map[string]safetensors.Tensor, _ map[string]string) {
		wide(x, "head.weight", 1)
		x["decoder.0.pw1.weight.scale"] = safetensors.FromFloat32("decoder.0.pw1.weight.scale", safetensors.F32, []float32{0.0035714281}, 1)
	}))
	if err != nil {
		t.Fatal(err)
	}
	x, err := v.Speak(t.Context(), hello, Settings{})
	if err != nil || len(x) != len(speak(t, hello, Settings{})) {
		t.Errorf("%d samples, %v", len(x), err)
	}
	v, err = Parse(changed(t, func(x map[string]safetensors.Tensor, _ map[string]string) { wide(x, "dur.2.weight", 1e30) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Speak(t.Context(), hello, Settings{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("endless phonemes give %v", err)
	}
}

// TestNotFinite: no sample that is not finite leaves the voice.
func TestNotFinite(t *testing.T) {
	given := make([]float32, 2*parts*bins)
	given[4*bins+7] = float32(math.NaN())
	s := newSynthesis([]float32{100, 100}, 0, 0)
	s.add(given, given, 0, 2)
	if _, err := s.sound(); err == nil || !strings.Contains(err.Error(), "not finite") {
		t.Errorf("a phase that is not finite gives %v", err)
	}
}
