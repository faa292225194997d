package scratch

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
)

// names returns the names of the files in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestFileIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	// This is the longest name allowed: the hidden one must not be longer.
	path := filepath.Join(dir, strings.Repeat("x", 255))
	broken := errors.New("no more")
	if err := WriteFile(path, func(w io.Writer) error { w.Write([]byte("half")); return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("a failure left %q", got)
	}
	for _, text := range []string{"first", "second"} {
		if err := WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("the file holds %q, want %q", got, text)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("beside the file: %q", got)
	}
}

// TestSweep: a file that nobody holds goes; a file that is held, or that
// another program made, stays.
func TestSweep(t *testing.T) {
	if !canLock {
		t.Skip("here it takes a day to tell")
	}
	dir := t.TempDir()
	used, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	folder, remove, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(used.Name()), filepath.Base(folder), ".kinora-1.other", "a.mp4"}
	slices.Sort(want)
	left := newName()
	for _, name := range []string{newName(), newName(), ".kinora-1.other", "a.mp4", left + "/" + folderLock, left + "/x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("after sweeping there are %q, want %q", got, want)
	}
	if err := used.Commit(filepath.Join(dir, "b.mp4")); err != nil {
		t.Errorf("a file in use was swept away: %v", err)
	}
	remove()
	if got := names(t, dir); !slices.Equal(got, []string{".kinora-1.other", "a.mp4", "b.mp4"}) {
		t.Errorf("in the end there are %q", got)
	}
}

// TestSweepLeavesClaims: a sweep that locks a claim just given up leaves alone
// the new claim that has taken its place.
func TestSweepLeavesClaims(t *testing.T) {
	if !canLock {
		t.Skip("here it takes a day to tell")
	}
	path := filepath.Join(t.TempDir(), "a.mp4")
	name := claimName(path)
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	late := flock.New(name, flock.SetFlag(os.O_RDONLY))
	if ok, err := late.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	release, err := Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	removeUnheld(late, name, name)
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the claim in use was swept away: %v", err)
	}
}

// TestCreateSweeps: the first file created in a folder removes what was left
// there.
func TestCreateSweeps(t *testing.T) {
	if !canLock {
		t.Skip("here it takes a day to tell")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, newName()), []byte("half a video"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Discard()
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("there are %q", got)
	}
}

func TestHold(t *testing.T) {
	dir := t.TempDir()
	release, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Hold(dir + "/.")
	held, ok := errors.AsType[*HeldError](err)
	if !ok || !strings.Contains(err.Error(), dir) {
		t.Fatalf("a second one: error %v", err)
	}
	if runtime.GOOS != "windows" && held.Process != os.Getpid() {
		t.Errorf("it is said to be in use by process %d, not %d", held.Process, os.Getpid())
	}
	release()
	if got := names(t, dir); len(got) != 0 && runtime.GOOS != "windows" {
		t.Errorf("released, it holds %q", got)
	}
	// The file of a killed process is no lock.
	if err := os.WriteFile(filepath.Join(dir, holdName), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	release, err = Hold(dir)
	if err != nil {
		t.Fatalf("after a process that was killed: %v", err)
	}
	release()
	if _, err := Hold(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestWriteNew: when several callers write one name at once, one succeeds and
// the others get an error; no reader sees a partial file, and nothing else is
// left. The same holds without hard links.
func TestWriteNew(t *testing.T) {
	t.Run("links", writeNew)
	t.Run("no links", func(t *testing.T) {
		defer func(was func(string, string) error) { hardLink = was }(hardLink)
		hardLink = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM} }
		writeNew(t)
	})
}

func writeNew(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "key")
		var done atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				switch err := WriteNew(path, bytes.Repeat([]byte{byte('a' + i)}, 100)); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, fs.ErrExist):
					t.Error(err)
				}
			})
		}
		all.Wait()
		got, err := os.ReadFile(path)
		if err != nil || done.Load() != 1 || len(got) != 100 || !bytes.Equal(got, bytes.Repeat(got[:1], 100)) {
			t.Fatalf("%d wrote it, it holds %q, %v", done.Load(), got, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Fatalf("the folder holds %v", left)
		}
	}
}
