package browser

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestOpenRefuses(t *testing.T) {
	for _, address := range []string{"", "file:///etc/passwd", "javascript:alert(1)", "--help", "http://", "http://[::1"} {
		if err := Open(address); err == nil {
			t.Errorf("%q was opened", address)
		}
	}
}

func TestOpener(t *testing.T) {
	const address = "http://127.0.0.1:8080/studio/enter#CODE"
	for system, want := range map[string]string{"linux": "xdg-open", "freebsd": "xdg-open", "darwin": "open", "windows": "rundll32"} {
		name, args := opener(system, address)
		if name != want || !slices.Contains(args, address) {
			t.Errorf("%s: %s %q", system, name, args)
		}
	}
}

// TestOpen: the system's program gets the whole address.
func TestOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it puts a program of Linux in the place of the system's")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "opened")
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\nprintf %s \"$1\" >"+out+".part && mv "+out+".part "+out+"\n"), 0o700); err != nil { //nolint:gosec // a program has to be executable
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("BROWSER", "any")
	if err := Open("http://127.0.0.1:1/x#y"); err != nil {
		t.Fatal(err)
	}
	for {
		got, err := os.ReadFile(out)
		if err == nil {
			if string(got) != "http://127.0.0.1:1/x#y" {
				t.Errorf("opened %q", got)
			}
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("it was never opened")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
