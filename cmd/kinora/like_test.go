package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
)

// TestLike: a video made like another one is the same, a flag changes what it names,
// and inspect says so.
func TestLike(t *testing.T) {
	dir := t.TempDir()
	command := func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(args, streams{&out, &errs}); code != want {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		return out.String(), errs.String()
	}
	a, b, c := filepath.Join(dir, "a.webp"), filepath.Join(dir, "b.webp"), filepath.Join(dir, "c.webp")
	command(0, "generate", "a red ball", "--model", "testcard", "--seconds", "0.5", "--size", "64x40", "--fps", "12", "--steps", "2", "--seed", "0", "-o", a)
	command(0, "generate", "--like", a, "-o", b)
	command(0, "generate", "--like", a, "--seed", "8", "-o", c)
	first, _ := os.ReadFile(a)
	if second, err := os.ReadFile(b); err != nil || !bytes.Equal(first, second) {
		t.Errorf("a video like another one differs from it: %v", err)
	}
	out, _ := command(0, "inspect", "--json", a, c)
	var seen []inspected
	for line := range strings.Lines(out) {
		var i inspected
		if err := json.Unmarshal([]byte(line), &i); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, i)
	}
	if len(seen) != 2 || seen[0].Settings.Seed != 0 || seen[1].Settings.Seed != 8 || seen[1].Settings.Steps != 2 || seen[1].Width != 64 || seen[1].Frames != 6 {
		t.Errorf("inspect says %s", out)
	}
	bad := filepath.Join(dir, "bad.mp4")
	if err := os.WriteFile(bad, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs := command(1, "inspect", bad); !strings.Contains(errs, "neither an MP4") {
		t.Errorf("a file that is no video: %s", errs)
	}
	if _, errs := command(2, "generate", "--like", bad); !strings.Contains(errs, "--like") {
		t.Errorf("like a file that is no video: %s", errs)
	}
}

// TestFindLoRA: a LoRA of a video is looked for in this folder and beside the video, and
// is the one that it was made with.
func TestFindLoRA(t *testing.T) {
	here, beside := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(here, "both"): "abc", filepath.Join(beside, "both"): "other",
		filepath.Join(beside, "beside"): "abc", filepath.Join(beside, "changed"): "other",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(here, "beside"), 0o700); err != nil {
		t.Fatal(err)
	}
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	for _, c := range []struct {
		lora       kinora.Added
		path, says string
	}{
		{kinora.Added{File: "both", Digest: abc}, filepath.Join(here, "both"), ""},
		{kinora.Added{File: "beside", Digest: abc}, filepath.Join(beside, "beside"), ""},
		{kinora.Added{File: "changed"}, filepath.Join(beside, "changed"), ""},
		{kinora.Added{File: "changed", Digest: abc}, "", "another file than the one that it was made with"},
		{kinora.Added{File: "gone", Digest: abc, Strength: 0.5}, "", "name it with --lora gone:0.5"},
		{kinora.Added{File: "g\x1b[31mone", Strength: 1}, "", "name it with --lora g[31mone:1"},
	} {
		got, err := findLoRA(t.Context(), c.lora, here, beside)
		if got != c.path || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %q, %v", c.lora, got, err)
		}
	}
}

// TestLikeLoRA: the LoRAs of a video come with their strengths and experts, unless the
// command line names some, and a missing one is named.
func TestLikeLoRA(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a:b.safetensors"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &kinora.Settings{Steps: 3, LoRAs: []kinora.Added{{File: "a:b.safetensors", Strength: -0.25, Expert: "low"}}}
	g := GenerateCmd{Like: filepath.Join(dir, "film.mp4")}
	if err := g.likeModel(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	l, err := parseLoRA(g.LoRA[0])
	if want := (kinora.LoRA{Path: filepath.Join(dir, "a:b.safetensors"), Strength: -0.25, Expert: "low"}); err != nil || l != want || *g.Steps != 3 {
		t.Errorf("%+v, %v", l, err)
	}
	s.LoRAs[0].File = "gone.safetensors"
	g = GenerateCmd{Like: g.Like}
	if err := g.likeModel(t.Context(), s); err == nil || !strings.Contains(err.Error(), "--like "+g.Like+": the LoRA gone.safetensors") {
		t.Errorf("a missing LoRA: %v", err)
	}
	g = GenerateCmd{Like: g.Like}
	g.LoRA = []string{"mine"}
	if err := g.likeModel(t.Context(), s); err != nil || len(g.LoRA) != 1 || g.LoRA[0] != "mine" {
		t.Errorf("a LoRA on the command line: %v, %v", g.LoRA, err)
	}
}
