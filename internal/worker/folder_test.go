package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/store"
)

// left returns the names in a folder.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// folder makes a folder with a file, last touched at a time.
func folder(t *testing.T, dir, name string, touched time.Time) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "latents"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch(t, path, touched)
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestFormerFolders: a new Runner removes old folders of the previous version's
// workers, but no recent ones and none of others.
func TestFormerFolders(t *testing.T) {
	dir := t.TempDir()
	folder(t, dir, "attempt-1-old", time.Now().Add(-formerAge-time.Minute))
	folder(t, dir, "attempt-2-young", time.Now().Add(-formerAge/2))
	folder(t, dir, "other", time.Now().Add(-1000*time.Hour))
	newRig(t, store.SQLite, func(o *Options) { o.Dir = dir })
	if got := left(t, dir); !slices.Equal(got, []string{"attempt-2-young", "other"}) {
		t.Errorf("%v are left", got)
	}
}

// TestFolderInUse: while an attempt runs, neither its own Runner nor another one
// with the same parent removes its folder, however old it looks. The folder of a
// killed process is removed, however young it looks.
func TestFolderInUse(t *testing.T) {
	g := newRig(t, store.SQLite, nil)
	dead, remove, err := scratch.Folder(g.Dir)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(saved, os.DirFS(dead)); err != nil {
		t.Fatal(err)
	}
	remove()
	g.engine.save = func(context.Context) error {
		names := left(t, g.Dir)
		if len(names) != 1 {
			t.Errorf("while it runs there is %v", names)
		}
		own := filepath.Join(g.Dir, names[0])
		touch(t, own, time.Now().Add(-1000*time.Hour))
		// This is the state after a kill: the lock file is there, but nobody
		// holds the lock.
		if err := os.CopyFS(dead, os.DirFS(saved)); err != nil {
			return err
		}
		g.Tidy()
		g.runner(g.DB, func(o *Options) { o.Dir = g.Dir }).Tidy()
		if got := left(t, g.Dir); !slices.Equal(got, names) {
			t.Errorf("%v are left, want %v", got, names)
		}
		return nil
	}
	j := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: 7})
	g.work()
	if got := g.get(j); got.State != job.Succeeded {
		t.Errorf("%s: %v", got.State, got.Error)
	}
	g.clean(g.Runner)
}
