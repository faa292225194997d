package blob

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// openFolder opens a local store and also returns its backend.
func openFolder(t testing.TB) (*Store, *local) {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "media"))
	return s, s.b.(*local)
}

// files lists every regular file below a folder, temporary ones too.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFaults makes each step of a write fail in turn, once, and then checks the
// whole folder.
func TestFaults(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "x", Err: errFull}
	broken := errors.New("the disk is broken")
	steps := func(s *Store, l *local, key string) []string {
		var seen []string
		l.fault = func(step string) error { seen = append(seen, step); return nil }
		put(t, s, key, noise(3*copyBytes))
		return seen
	}
	s, l := openFolder(t)
	all := steps(s, l, "video/ab/x.mp4")
	for _, want := range []string{"create", "write", "sync", "mkdir", "rename", "syncdir"} {
		if !slices.Contains(all, want) {
			t.Errorf("no step %q in %q", want, all)
		}
	}
	for i, step := range all {
		for _, fault := range []error{full, broken} {
			for _, over := range []bool{false, true} {
				s, l := openFolder(t)
				if over {
					put(t, s, "video/ab/x.mp4", []byte("old"))
					l.forgetDirs()
				}
				n := 0
				l.fault = func(got string) error {
					n++
					if n-1 != i {
						return nil
					}
					if got != step {
						t.Errorf("step %d is %q, was %q", i, got, step)
					}
					return fault
				}
				_, err := s.Put(t.Context(), "video/ab/x.mp4", bytes.NewReader(noise(3*copyBytes)), Meta{})
				if !errors.Is(err, fault) || errors.Is(err, ErrNoSpace) != errors.Is(fault, full) {
					t.Errorf("%s (%d) fails with %v: %v", step, i, fault, err)
				}
				var want []string
				if over && i < len(all)-1 { // after a failed last sync the key is gone, as Put documents
					want = []string{"video/ab/x.mp4"}
				}
				if got := files(t, l.dir); !slices.Equal(got, want) {
					t.Errorf("%s (%d) fails with %v: the folder holds %q, want %q", step, i, fault, got, want)
				} else if want != nil && string(get(t, s, want[0])) != "old" {
					t.Errorf("%s (%d): the old blob has changed", step, i)
				}
				l.fault = func(string) error { return nil }
				if put(t, s, "video/ab/x.mp4", noise(777)); !bytes.Equal(get(t, s, "video/ab/x.mp4"), noise(777)) {
					t.Errorf("%s (%d): the next write is not stored", step, i)
				}
			}
		}
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s, l := openFolder(t)
	put(t, s, "video/ab/x.mp4", []byte("x"))
	for path, want := range map[string]fs.FileMode{"": dirMode, ".tmp": dirMode, "video": dirMode, "video/ab": dirMode, "video/ab/x.mp4": fileMode} {
		if fi, err := os.Stat(filepath.Join(l.dir, path)); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%q: %v, %v, want %v", path, fi.Mode(), err, want)
		}
	}
}

// TestLinks: a symbolic link in the folder is not followed, and other files of
// the folder are left alone.
func TestLinks(t *testing.T) {
	s, l := openFolder(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.txt")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "file"), dirMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(l.dir, "file", "00")); err != nil {
		t.Skip("no links here:", err)
	}
	if err := os.Symlink(secret, filepath.Join(l.dir, "file", "s.txt")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Foreign.TXT", ".hidden", "file/a b"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file/00/secret.txt", "file/s.txt"} {
		if r, _, err := s.Open(t.Context(), key); err == nil {
			r.Close()
			t.Errorf("%s was opened", key)
		}
	}
	if err := s.Delete(t.Context(), "file/00/secret.txt"); err == nil {
		t.Error("a file outside was deleted, or Delete reports so")
	}
	if _, err := s.Put(t.Context(), "file/00/new.txt", strings.NewReader("x"), Meta{}); err == nil {
		t.Error("a file outside was written")
	}
	if got := files(t, outside); !slices.Equal(got, []string{"secret.txt"}) {
		t.Errorf("outside are %q", got)
	}
	if got := keys(t, s, ""); len(got) != 0 {
		t.Errorf("listed are %q", got)
	}
	put(t, s, "file/s.txt", []byte("own")) // in place of the link
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the secret reads %q, %v", data, err)
	}
}

// TestFolderTidiedAway: the store survives that somebody removes its folders
// while it is open.
func TestFolderTidiedAway(t *testing.T) {
	s, l := openFolder(t)
	put(t, s, "video/ab/x.mp4", []byte("x"))
	for _, dir := range []string{".tmp", "video", "video/ab"} {
		if err := os.RemoveAll(filepath.Join(l.dir, dir)); err != nil {
			t.Fatal(err)
		}
		put(t, s, "video/ab/y.mp4", []byte("y"))
		if got := get(t, s, "video/ab/y.mp4"); string(got) != "y" {
			t.Errorf("without %s: %q", dir, got)
		}
	}
}

// TestOpenIsAFile: Open returns a file, which an HTTP server can send from the
// kernel.
func TestOpenIsAFile(t *testing.T) {
	s, _ := openFolder(t)
	put(t, s, "video/ab/x.mp4", []byte("x"))
	r, _, err := s.Open(t.Context(), "video/ab/x.mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.(*os.File); !ok {
		t.Errorf("it is a %T", r)
	}
}

func TestRoom(t *testing.T) {
	s, _ := openFolder(t)
	sp, err := s.FreeSpace()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || sp.Free == 0 || sp.Free > sp.Total {
		t.Fatalf("%+v, %v", sp, err)
	}
	if err := s.Room(1); err != nil {
		t.Error(err)
	}
	if err := s.Room(sp.Total + 1); !errors.Is(err, ErrNoSpace) {
		t.Errorf("room for more than the disk: %v", err)
	}
}

// crashDir, in the environment, turns TestKilled into a program that puts blobs
// into that folder until it is killed.
const crashDir = "KINORA_BLOB_CRASH_DIR"

// TestKilled kills a writing process at three different moments. Every stored
// blob is whole, and every blob that the process reported is there.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		putUntilKilled(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := filepath.Join(t.TempDir(), "media")
	told := map[string]bool{}
	for i := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			if key, ok := strings.CutPrefix(lines.Text(), "put "); ok {
				told[key] = true
				if n++; n == 3+i {
					time.Sleep(time.Duration(3*i) * time.Millisecond)
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			}
		}
		cmd.Wait() // it was killed, so there is an error
	}
	s := open(t, dir)
	for _, key := range keys(t, s, "") {
		sum := sha256.Sum256(get(t, s, key))
		if want := "video/00/" + hex.EncodeToString(sum[:]) + ".mp4"; key != want {
			t.Errorf("%s does not match its name", key)
		}
		delete(told, key)
	}
	if len(told) != 0 {
		t.Errorf("reported but missing: %v", told)
	}
	left := files(t, filepath.Join(dir, tempDir))
	j := &Janitor{Store: s, Now: func() time.Time { return time.Now().Add(2 * DefaultGrace) }}
	swept, err := j.Sweep(t.Context(), "video/", 0, func(string) (bool, error) { return true, nil })
	if err != nil || swept.Temps != len(left) || len(files(t, filepath.Join(dir, tempDir))) != 0 {
		t.Errorf("%d temporary files were left, then %+v, %v", len(left), swept, err)
	}
}

func putUntilKilled(t *testing.T, dir string) {
	s := open(t, dir)
	for i := range 10_000 {
		data := noise(1<<20 + i + os.Getpid()%1000)
		sum := sha256.Sum256(data)
		key := "video/00/" + hex.EncodeToString(sum[:]) + ".mp4"
		put(t, s, key, data)
		fmt.Println("put " + key)
	}
}

func BenchmarkPutOpenLocal(b *testing.B) {
	s, _ := openFolder(b)
	benchPutOpen(b, s)
}

func BenchmarkPutOpenMem(b *testing.B) { benchPutOpen(b, open(b, "mem://")) }

// benchPutOpen writes and reads back 1 MiB. In a local folder most of the time is
// the disk's fsync.
func benchPutOpen(b *testing.B, s *Store) {
	data, buf := noise(1<<20), make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key := fmt.Sprintf("video/ab/%d.mp4", i%64)
		put(b, s, key, data)
		r, _, err := s.Open(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(buf); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
