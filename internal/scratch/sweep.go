package scratch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// untouched is how long a file must not have changed to count as left behind
// where no lock can tell (canLock).
const untouched = 24 * time.Hour

// swept holds the folders that this process has swept. It is emptied when it
// grows too large, as a server has a folder for each job.
var swept = struct {
	sync.Mutex
	dirs map[string]bool
}{dirs: map[string]bool{}}

// sweepOnce sweeps a folder, which may be large, only once per process.
func sweepOnce(dir string) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	swept.Lock()
	known := swept.dirs[abs]
	if len(swept.dirs) >= 1024 {
		clear(swept.dirs)
	}
	swept.dirs[abs] = true
	swept.Unlock()
	if !known {
		Sweep(abs)
	}
}

// Sweep removes unfinished files that killed processes left in a folder. A file
// that it cannot read or remove, such as another user's, stays.
func Sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the next writer there gets the error
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), suffix) && !strings.HasSuffix(e.Name(), claimSuffix) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() { // opening a pipe would block
			continue
		}
		removeAbandoned(filepath.Join(dir, e.Name()), info)
	}
}

func removeAbandoned(path string, info fs.FileInfo) {
	if !canLock {
		if time.Since(info.ModTime()) > untouched {
			os.RemoveAll(path)
		}
		return
	}
	held := path
	if info.IsDir() {
		held = filepath.Join(path, folderLock)
		if info, err := os.Lstat(held); err != nil || !info.Mode().IsRegular() {
			return
		}
	}
	lock := flock.New(held, flock.SetFlag(os.O_RDONLY))
	if ok, err := lock.TryLock(); !ok || err != nil {
		return
	}
	removeUnheld(lock, held, path)
}

// removeUnheld removes the file at path, after locking the open file held. The
// file may have been removed before it was locked: then a new file, another
// caller's claim, has its name and stays.
func removeUnheld(lock *flock.Flock, held, path string) {
	if current(lock, held) {
		os.RemoveAll(path)
	}
	_ = lock.Unlock() // the system unlocks it at the end of the process
}
