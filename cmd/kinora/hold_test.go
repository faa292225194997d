package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestFolderInUse: of two commands that write to one folder the second is told,
// before it has done anything, and may have the folder when the first is over.
func TestFolderInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	release, err := holdFolder("--dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	commands := []string{
		"train codec --steps 1 --dir ", "train text --steps 1 --dir ", "train text-video --steps 1 --dir ", "train recogniser --dir ",
		"world sample -n 1 --size 32x32 --seconds 0.5 --format webp --out ", "eval --out ",
	}
	for _, command := range commands {
		var out, errs bytes.Buffer
		if got := run(append(strings.Fields(command), dir), streams{&out, &errs}); got != exitFailure || !strings.Contains(errs.String(), dir+" is in use by another kinora") {
			t.Errorf("kinora %s%s: exit %d\n%s", command, dir, got, errs.String())
		}
	}
	release()
	if exists(dir) {
		t.Error("a folder to which nothing was written is left")
	}
	var out, errs bytes.Buffer
	if got := run(append(strings.Fields(commands[4]), dir), streams{&out, &errs}); got != exitOK {
		t.Errorf("when the folder is free: exit %d\n%s", got, errs.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("beside the videos there are %q", left)
	}
}
