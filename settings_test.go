package kinora

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kinora-video/kinora/internal/engine"
)

// TestSettingsInFiles: what a video was made with can be read from its file, and the
// latents on disk carry it too.
func TestSettingsInFiles(t *testing.T) {
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a <red> \"ball\" 一只猫\u00a0& \ufffe=;#\\\n", 300) // longer than an argument
	for _, prompt := range []string{"a <red> \"ball\"\n一只猫", long} {
		for _, ext := range []string{".webp", ".mp4"} {
			if ext == ".mp4" && CanWrite(MP4) != nil {
				continue
			}
			c := generate(t, m, Request{Prompt: prompt, Seed: 1<<64 - 1, Steps: 3, Seconds: 0.5, Width: 64, Height: 40, FPS: 12, Guidance: 2.5, Watermark: "AI"})
			kept := filepath.Join(t.TempDir(), "kept")
			if err := os.Link(c.LatentsPath(), kept); err != nil {
				t.Fatal(err)
			}
			want := &Settings{
				Version: 1, Program: program(), Model: "testcard", Prompt: prompt, Seed: 1<<64 - 1, Steps: 3, Guidance: 2.5,
				Seconds: 0.5, Width: 64, Height: 40, FPS: 12, Watermark: "AI",
			}
			path := filepath.Join(t.TempDir(), "a"+ext)
			if err := c.Save(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			v, err := ReadVideo(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, v.Settings); diff != "" {
				t.Errorf("%s: %s", ext, diff)
			}
			if v.Width != 64 || v.Height != 40 || v.Frames != 6 || v.FPS != 12 || v.Sound != (ext == ".mp4") {
				t.Errorf("%s: the header says %+v", ext, v)
			}
			c, err = m.Load(t.Context(), kept, Request{Width: 128, Height: 80, FPS: 24})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := c.Write(t.Context(), &b, v.Format); err != nil {
				t.Fatal(err)
			}
			stream := filepath.Join(t.TempDir(), "stream"+ext)
			if err := os.WriteFile(stream, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if v, err = ReadVideo(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			want.Width, want.Height, want.FPS, want.Watermark = 128, 80, 24, ""
			if diff := cmp.Diff(want, v.Settings); diff != "" {
				t.Errorf("decoded to a stream of %s: %s", ext, diff)
			}
			if v.Width != 128 || v.Frames != 12 || v.FPS != 24 || v.Sound != (ext == ".mp4") {
				t.Errorf("the stream of %s says %+v", ext, v)
			}
		}
	}
}

// TestSettingsLeftOut: a part of a video has no settings, and latents from before
// there were settings are still read.
func TestSettingsLeftOut(t *testing.T) {
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.5})
	path := filepath.Join(t.TempDir(), "a.webp")
	if err := c.Save(t.Context(), path, FromFrame(1)); err != nil {
		t.Fatal(err)
	}
	v, err := ReadVideo(t.Context(), path)
	if err != nil || v.Settings != nil || v.Model != "fake" {
		t.Errorf("a part says %+v, %v", v, err)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, []byte(`{"N":12,"Steps":4,"Prompt":"x","Seed":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = m.Load(t.Context(), old, Request{}); err != nil {
		t.Fatal(err)
	}
	if c.Settings() != nil {
		t.Errorf("old latents have the settings %+v", c.Settings())
	}
}

func TestWeightsDigest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if got, err := LoRADigest(t.Context(), path); err != nil || got != abc {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := LoRADigest(t.Context(), path+"y"); KindOf(err) != Storage {
		t.Errorf("a missing file: %v", err)
	}
}

// FuzzParseSettings: what is read can be written again, and reads as the same.
func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`{"version":7,"model":"m","loras":[{"file":"a.safetensors","strength":1}],"new":{"x":1}}`))
	f.Add([]byte(`{"version":1,"model":"m","prompt":"a \u00a0\u3000\ufffe\ud800 \"b\"","seed":18446744073709551615,"steps":3,"guidance":1.5,"seconds":1e300,"upscale":"no"}`))
	f.Add([]byte(`{"version":1,"model":"m","loras":[{"file":"../a"}]}`))
	f.Add([]byte(`{"version":1,"model":"m","guidance":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSettings(data)
		if err != nil {
			if s != nil || KindOf(err) != Invalid {
				t.Fatalf("%q gives %+v, %v", data, s, err)
			}
			return
		}
		if s.Model == "" || s.Version < 1 || len(s.LoRAs) > engine.MaxLoRAs || s.Width < 0 || !(s.Seconds >= 0) {
			t.Fatalf("%q gives %+v", data, s)
		}
		for _, l := range s.LoRAs {
			if l.File != filepath.Base(l.File) || l.File == "." || l.File == ".." {
				t.Fatalf("%q names the file %q", data, l.File)
			}
		}
		line := s.encode()
		if line == "" {
			return // longer than the bytes that it was read from, and too long
		}
		again, err := ParseSettings([]byte(line))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", data, line, err)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q is written as %q, which differs: %s", data, line, diff)
		}
		if strings.ContainsAny(line, "\n\r\x00") || !utf8.ValidString(line) {
			t.Fatalf("%q is written as %q, which is no line", data, line)
		}
	})
}

func TestParseSettings(t *testing.T) {
	s, err := ParseSettings([]byte(`{"version":7,"model":"m","loras":[{"file":"a.safetensors","strength":1}],"new":{"x":1}}`))
	if err != nil || s.Version != 7 || s.Model != "m" || len(s.LoRAs) != 1 {
		t.Errorf("later settings: %+v, %v", s, err)
	}
	for _, bad := range []string{
		"", "[]", "null", `{"version":1}`, `{"model":"m"}`, `{"version":1,"model":"m","steps":-1}`, "{\"version\":1,\"model\":\"\xff\"}",
		`{"version":1,"model":"m","loras":[{"file":"../a"}]}`, `{"version":1,"model":"m","prompt":"` + strings.Repeat("x", MaxSettingsBytes) + `"}`,
	} {
		if s, err := ParseSettings([]byte(bad)); KindOf(err) != Invalid || err == nil {
			t.Errorf("%.60q gives %+v, %v", bad, s, err)
		}
	}
}
