package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// left are the names in a folder.
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

// TestTidy: a folder goes once nobody touched it for long enough, as this
// process counts time; whatever the clocks say, and never one of its own.
func TestTidy(t *testing.T) {
	for _, lease := range []time.Duration{DefaultLease, staleWork} {
		wait := max(staleWork, 2*lease)
		synctest.Test(t, func(t *testing.T) {
			r := &Runner{Options: Options{Dir: t.TempDir(), Lease: lease, Log: slog.New(slog.DiscardHandler)}}
			r.folders.own = map[string]bool{"attempt-3-own": true}
			old := time.Now().Add(-1000 * time.Hour)
			for _, name := range []string{"attempt-1-dead", "attempt-2-busy", "attempt-3-own", "other"} {
				folder(t, r.Dir, name, old)
			}
			future := time.Now().Add(1000 * time.Hour)
			folder(t, r.Dir, "attempt-4-ahead", future)
			if err := os.WriteFile(filepath.Join(r.Dir, "attempt-5-file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			all := left(t, r.Dir)

			r.Tidy()
			time.Sleep(wait - time.Second)
			touch(t, filepath.Join(r.Dir, "attempt-2-busy"), old.Add(time.Millisecond))
			r.Tidy()
			if got := left(t, r.Dir); !slices.Equal(got, all) {
				t.Errorf("too soon: %v are left of %v", got, all)
			}
			time.Sleep(time.Second)
			r.Tidy()
			want := []string{"attempt-2-busy", "attempt-3-own", "attempt-5-file", "other"}
			if got := left(t, r.Dir); !slices.Equal(got, want) {
				t.Errorf("%v are left, want %v", got, want)
			}
			time.Sleep(wait - time.Second)
			r.Tidy()
			if got := left(t, r.Dir); !slices.Equal(got, slices.Delete(want, 0, 1)) {
				t.Errorf("%v are left when nobody touches it any more", got)
			}
		})
	}
}

// TestTidyAtStart: a new Runner removes what is very old, and nothing younger.
func TestTidyAtStart(t *testing.T) {
	dir := t.TempDir()
	folder(t, dir, "attempt-1-old", time.Now().Add(-abandonedWork-time.Minute))
	folder(t, dir, "attempt-2-young", time.Now().Add(-abandonedWork+time.Minute))
	folder(t, dir, "other", time.Now().Add(-1000*time.Hour))
	newRig(t, store.SQLite, func(o *Options) { o.Dir = dir })
	if got := left(t, dir); !slices.Equal(got, []string{"attempt-2-young", "other"}) {
		t.Errorf("%v are left", got)
	}
}

// TestFolderInUse: an attempt that runs touches its folder, so that neither its
// own Runner nor another that shares the place takes it away.
func TestFolderInUse(t *testing.T) {
	g := newRig(t, store.SQLite, func(o *Options) { o.Lease = 3 * time.Second })
	g.engine.save = func(context.Context) error {
		names := left(t, g.Dir)
		if len(names) != 1 || !strings.HasPrefix(names[0], workPrefix) {
			t.Errorf("while it runs there is %v", names)
		}
		path := filepath.Join(g.Dir, names[0])
		touch(t, path, time.Now().Add(-1000*time.Hour))
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if time.Since(info.ModTime()) < time.Minute {
				break
			}
			if time.Now().After(end) {
				return errors.New("it was not touched")
			}
		}
		g.Tidy()
		g.runner(g.DB, func(o *Options) { o.Dir = g.Dir }).Tidy()
		_, err := os.Stat(path)
		return err
	}
	j := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: 7})
	g.work()
	if got := g.get(j); got.State != job.Succeeded {
		t.Errorf("%s: %v", got.State, got.Error)
	}
	g.clean(g.Runner)
	if len(g.folders.own) != 0 {
		t.Errorf("it takes %v for its own", g.folders.own)
	}
}
