package kinora

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kinora-video/kinora/internal/scratch"
)

// full makes the disks of some folders full for the length of a test.
func full(t *testing.T, dirs ...string) {
	t.Helper()
	was := roomFor
	t.Cleanup(func() { roomFor = was })
	roomFor = func(dir string, need int64) error {
		for _, d := range dirs {
			if dir == d {
				return &scratch.NoRoomError{Dir: dir, Need: need}
			}
		}
		return was(dir, need)
	}
}

func reserve(t *testing.T, path string) *Place {
	t.Helper()
	p, err := Reserve(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// TestNoRoomForTheVideo: a full disk is told of before anything is sampled.
func TestNoRoomForTheVideo(t *testing.T) {
	m, e := fakeModel(t)
	dir := t.TempDir()
	place := reserve(t, filepath.Join(dir, "a.webp"))
	full(t, dir)
	_, err := m.Generate(t.Context(), Request{Prompt: "x", Output: place})
	if KindOf(err) != Storage || len(e.jobs) != 0 || !strings.Contains(err.Error(), "no room in "+dir) || !strings.Contains(err.Error(), place.Path()) {
		t.Errorf("%v, after %d samplings", err, len(e.jobs))
	}
}

// TestLatentsGoWhereThereIsRoom: latents whose folder is too full, or whose name
// is too long, are kept in the model's folder, before sampling and after it.
func TestLatentsGoWhereThereIsRoom(t *testing.T) {
	m, e := fakeModel(t)
	dir := t.TempDir()
	for name, path := range map[string]string{
		"no room": filepath.Join(dir, "a.latents"), "a long name": filepath.Join(t.TempDir(), strings.Repeat("x", 250)+".latents"),
	} {
		full(t, dir)
		c := generate(t, m, Request{Prompt: "a red ball", Seconds: 1, Latents: path})
		if kept := c.LatentsPath(); filepath.Dir(kept) != m.latentsDir || !strings.HasPrefix(filepath.Base(kept), "a-red-ball-") {
			t.Errorf("%s: kept in %q", name, kept)
		}
		if err := c.Discard(); err != nil {
			t.Error(err)
		}
	}

	// The disk may fill up while the video is sampled.
	gone := t.TempDir()
	e.atStep = func(int) { os.RemoveAll(gone) }
	c := generate(t, m, Request{Prompt: "x", Seconds: 1, Latents: filepath.Join(gone, "a.latents")})
	if kept := c.LatentsPath(); filepath.Dir(kept) != m.latentsDir {
		t.Errorf("kept in %q, %v", kept, c.keepErr)
	}
	if _, err := m.Load(t.Context(), c.LatentsPath(), Request{}); err != nil {
		t.Error(err)
	}

	// Where the model's folder is full too, the output's may have room.
	e.atStep = nil
	full(t, m.latentsDir)
	place := reserve(t, filepath.Join(t.TempDir(), "b.webp"))
	c = generate(t, m, Request{Prompt: "x", Seconds: 1, Output: place})
	if kept := c.LatentsPath(); filepath.Dir(kept) != filepath.Dir(place.Path()) {
		t.Errorf("kept in %q", kept)
	}
	n := len(e.jobs)
	full(t, m.latentsDir, dir)
	if _, err := m.Generate(t.Context(), Request{Prompt: "x", Latents: filepath.Join(dir, "c.latents")}); KindOf(err) != Storage || len(e.jobs) != n {
		t.Errorf("no room anywhere: %v, %d samplings", err, len(e.jobs)-n)
	}
}

// TestOneWritesAName: while a name is reserved or written to, another one that
// wants it is told.
func TestOneWritesAName(t *testing.T) {
	m, _ := fakeModel(t)
	path := filepath.Join(t.TempDir(), "a.webp")
	place := reserve(t, path)
	if _, err := Reserve(path); KindOf(err) != Storage || !strings.Contains(err.Error(), "another kinora is writing it") {
		t.Errorf("a second reservation: %v", err)
	}
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.2})
	if err := c.Save(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another kinora is writing it") {
		t.Errorf("saved by another: %v", err)
	}
	if err := c.SaveIn(t.Context(), place); err != nil {
		t.Error(err)
	}
	place.Release()
	place.Release()
	if err := c.Save(t.Context(), path); err != nil {
		t.Errorf("released: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 || left[0].Name() != "a.webp" {
		t.Errorf("there are %v, %v", left, err)
	}
}

// TestOneWritesLatents: two videos that are sampled at once do not share a file of
// latents, of which the second would take the first one's place.
func TestOneWritesLatents(t *testing.T) {
	m, e := fakeModel(t)
	path := filepath.Join(t.TempDir(), "a.latents")
	var second error
	e.atStep = func(step int) {
		if step == 0 {
			e.atStep = nil
			_, second = m.Generate(t.Context(), Request{Prompt: "second", Latents: path})
		}
	}
	c := generate(t, m, Request{Prompt: "first", Latents: path})
	if KindOf(second) != Storage || !errors.Is(second, ErrTaken) {
		t.Errorf("the second: %v", second)
	}
	kept, err := m.Load(t.Context(), c.LatentsPath(), Request{})
	if err != nil || kept.Prompt != "first" {
		t.Errorf("kept is %+v, %v", kept, err)
	}
	if _, err := m.Generate(t.Context(), Request{Prompt: "third", Latents: path}); !errors.Is(err, os.ErrExist) {
		t.Errorf("after it: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

// TestNamesAreTried: what no file can be called is refused before sampling, and
// what it can be called is saved.
func TestNamesAreTried(t *testing.T) {
	m, _ := fakeModel(t)
	dir := t.TempDir()
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.1})
	for _, n := range []int{237, 239, 255} {
		place := reserve(t, filepath.Join(dir, strings.Repeat("y", n-5)+".webp"))
		if err := c.SaveIn(t.Context(), place); err != nil {
			t.Errorf("a name of %d bytes: %v", n, err)
		}
	}
	if _, err := Reserve(filepath.Join(dir, strings.Repeat("y", 251)+".webp")); KindOf(err) != Storage || !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("a name of 256 bytes: %v", err)
	}
	if _, err := Reserve(filepath.Join(dir, "none", "a.mp4")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := Reserve(filepath.Join(dir, "a.avi")); KindOf(err) != Invalid {
		t.Errorf("another format: %v", err)
	}
}
