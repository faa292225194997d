package scratch

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.mp4")
	release, err := Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is in use before anything is made: %v", err)
	}
	_, err = Claim(filepath.Join(dir, ".", "a.mp4"))
	if _, taken := errors.AsType[*TakenError](err); !taken || !strings.Contains(err.Error(), "another kinora is writing it") {
		t.Errorf("a second claim: %v", err)
	}
	other, err := Claim(filepath.Join(dir, "b.mp4"))
	if err != nil {
		t.Errorf("another name: %v", err)
	} else {
		other()
	}
	release()
	if got := names(t, dir); len(got) != 0 && runtime.GOOS != "windows" {
		t.Errorf("released, there are %q", got)
	}
	// A second release must not take the claim from its new holder.
	second, err := Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if third, err := Claim(path); err == nil {
		third()
		t.Error("releasing it twice gave away another's claim")
	}
	second()
	// What a killed process left claims nothing, and is swept.
	if err := os.WriteFile(claimName(path), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if release, err = Claim(path); err != nil {
		t.Fatalf("after a process that was killed: %v", err)
	}
	release()
	if err := os.WriteFile(claimName(path), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if Sweep(dir); canLock && len(names(t, dir)) != 0 {
		t.Errorf("swept, there are %q", names(t, dir))
	}
}

// TestSameName: names that mean one file share one claim.
func TestSameName(t *testing.T) {
	const composed, apart = "\u00c4.mp4", "a\u0308.MP4"
	for system, same := range map[string]bool{"linux": false, "windows": true, "darwin": true} {
		if got := sameName(composed, system) == sameName(apart, system); got != same {
			t.Errorf("%s: %v, want %v", system, got, same)
		}
	}
	if sameName("a.mp4", "darwin") == sameName("b.mp4", "darwin") {
		t.Error("two names are one")
	}
}

// TestClaimTriesTheName: Claim finds out at once that the file system does not
// accept a name, and leaves nothing behind.
func TestClaimTriesTheName(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{237, 239, 255} {
		release, err := Claim(filepath.Join(dir, strings.Repeat("x", n-4)+".mp4"))
		if err != nil {
			t.Errorf("a name of %d bytes: %v", n, err)
			continue
		}
		release()
	}
	for name, path := range map[string]string{
		"too long": filepath.Join(dir, strings.Repeat("x", 256)), "with a zero byte": filepath.Join(dir, "a\x00b"),
		"in no folder": filepath.Join(dir, "none", "a.mp4"), "of a folder": dir,
	} {
		release, err := Claim(path)
		if err == nil {
			release()
			t.Errorf("a name %s is claimed", name)
		}
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("there are %q", got)
	}
	// A file that is there keeps what it holds.
	path := filepath.Join(dir, "a.mp4")
	if err := os.WriteFile(path, []byte("video"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if got, _ := os.ReadFile(path); string(got) != "video" {
		t.Errorf("it holds %q", got)
	}
}

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := Room(dir, 3<<20); err != nil {
		t.Error(err)
	}
	err := Room(dir, 1<<60)
	if e, ok := errors.AsType[*NoRoomError](err); !ok || e.Free < 0 || !strings.Contains(err.Error(), "about 1152921504606.8 MB are needed") {
		t.Errorf("a disk of an exabyte: %v", err)
	}
	if err := Room(filepath.Join(dir, "none"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("there are %q", got)
	}
}
