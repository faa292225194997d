package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// noted is a file that records what is done to it, and fails where it is told
// to.
type noted struct {
	fail string
	done []string
}

func (n *noted) step(name string) error {
	n.done = append(n.done, name)
	if name == n.fail {
		return errors.New(name + " fails")
	}
	return nil
}

func (n *noted) Sync() error  { return n.step("sync") }
func (n *noted) Close() error { return n.step("close") }

// TestCommit: the bytes are synced before the name and the name before the
// folder, and nothing has the name after an error.
func TestCommit(t *testing.T) {
	dir := t.TempDir()
	for fail, want := range map[string][]string{
		"":       {"sync", "close", "rename", "folder"},
		"sync":   {"sync", "close"},
		"close":  {"sync", "close"},
		"rename": {"sync", "close", "rename"},
		"folder": {"sync", "close", "rename", "folder"},
	} {
		if !CanSyncDirs && fail == "folder" {
			continue
		}
		n := &noted{fail: fail}
		err := Commit(n, func() error { return n.step("rename") }, func() (*os.File, error) {
			if err := n.step("folder"); err != nil {
				return nil, err
			}
			return os.Open(dir)
		})
		if !CanSyncDirs {
			want = slices.DeleteFunc(want, func(s string) bool { return s == "folder" })
		}
		if (err == nil) != (fail == "") || !slices.Equal(n.done, want) {
			t.Errorf("%q fails: %q, %v; want %q", fail, n.done, err, want)
		}
	}
}

func TestSyncFolder(t *testing.T) {
	if !CanSyncDirs {
		t.Skip("folders cannot be synced here")
	}
	none := func() (*os.File, error) { return os.Open(filepath.Join(t.TempDir(), "none")) }
	if err := SyncFolder(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := SyncFolder(func() (*os.File, error) { return nil, fs.ErrPermission }); err != nil {
		t.Errorf("a folder that may not be read: %v", err)
	}
}
