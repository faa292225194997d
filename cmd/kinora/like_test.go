package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLike: a video made like another one is the same, a flag changes what it names,
// and inspect says so.
func TestLike(t *testing.T) {
	dir := t.TempDir()
	kinora := func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(args, streams{&out, &errs}); code != want {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		return out.String(), errs.String()
	}
	a, b, c := filepath.Join(dir, "a.webp"), filepath.Join(dir, "b.webp"), filepath.Join(dir, "c.webp")
	kinora(0, "generate", "a red ball", "--model", "testcard", "--seconds", "0.5", "--size", "64x40", "--fps", "12", "--steps", "2", "--seed", "0", "-o", a)
	kinora(0, "generate", "--like", a, "-o", b)
	kinora(0, "generate", "--like", a, "--seed", "8", "-o", c)
	first, _ := os.ReadFile(a)
	if second, err := os.ReadFile(b); err != nil || !bytes.Equal(first, second) {
		t.Errorf("a video like another one differs from it: %v", err)
	}
	out, _ := kinora(0, "inspect", "--json", a, c)
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
	if _, errs := kinora(1, "inspect", bad); !strings.Contains(errs, "neither an MP4") {
		t.Errorf("a file that is no video: %s", errs)
	}
	if _, errs := kinora(2, "generate", "--like", bad); !strings.Contains(errs, "--like") {
		t.Errorf("like a file that is no video: %s", errs)
	}
}
