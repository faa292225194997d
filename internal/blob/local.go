package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kinora-video/kinora/internal/disk"
)

const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700

	// tempDir holds files that are being written. No key starts with a dot.
	tempDir = ".tmp"
	// copyBytes is how much is read, hashed and written at a time.
	copyBytes = 256 << 10
	// maxKnownDirs bounds the cache of folders that are known to be on the disk.
	maxKnownDirs = 1 << 16
)

// local is a backend in a folder.
type local struct {
	root *os.Root
	dir  string // its absolute path

	mu   sync.Mutex
	dirs map[string]bool // folders whose entry in their parent is synced

	// fault, in tests, is called before each step of a write and may fail it.
	fault func(step string) error
}

func openLocal(where string) (*local, error) {
	dir, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &local{root: root, dir: dir, dirs: map[string]bool{".": true}, fault: func(string) error { return nil }}, nil
}

func (l *local) put(ctx context.Context, key, _ string, src *source) error {
	f, temp, err := l.create()
	if err != nil {
		return err
	}
	w := stepFile{f, l.fault}
	buf := bufs.Get().(*[copyBytes]byte)
	defer bufs.Put(buf)
	_, err = io.CopyBuffer(w, src, buf[:])
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(err, f.Close(), l.remove(temp))
	}
	return l.commit(w, temp, key)
}

var bufs = sync.Pool{New: func() any { return new([copyBytes]byte) }}

// stepFile is f without its ReadFrom, so that the bytes are copied through a
// buffer of ours.
type stepFile struct {
	f     *os.File
	fault func(string) error
}

// Write implements io.Writer.
func (w stepFile) Write(p []byte) (int, error) {
	if err := w.fault("write"); err != nil {
		return 0, err
	}
	return w.f.Write(p)
}

// Sync implements disk.File.
func (w stepFile) Sync() error {
	if err := w.fault("sync"); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close implements io.Closer.
func (w stepFile) Close() error { return w.f.Close() }

// create makes an empty temporary file.
func (l *local) create() (*os.File, string, error) {
	if err := l.fault("create"); err != nil {
		return nil, "", err
	}
	name := tempDir + "/" + strings.ToLower(rand.Text())
	f, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		// This is the first write, or somebody removed the folder.
		if err := l.root.Mkdir(tempDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		f, err = l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	}
	return f, name, err
}

// commit renames a temporary file to its key, as disk.Commit expects.
func (l *local) commit(f stepFile, temp, key string) error {
	dir := path.Dir(key)
	placed := false
	err := disk.Commit(f, func() error {
		err := l.rename(temp, key)
		placed = err == nil
		return err
	}, func() (*os.File, error) { return l.openDir(dir) })
	if err != nil && placed {
		// The caller gets an error and assumes that the key is missing, so remove
		// it.
		return errors.Join(err, l.remove(key))
	}
	if err != nil {
		return errors.Join(err, l.remove(temp))
	}
	return nil
}

// rename renames a file to its key, and makes missing folders.
func (l *local) rename(temp, key string) error {
	dir := path.Dir(key)
	if err := l.makeDir(dir); err != nil {
		return err
	}
	if err := l.fault("rename"); err != nil {
		return err
	}
	err := l.root.Rename(temp, key)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed the folder after it was made.
		l.forgetDirs()
		if err := l.makeDir(dir); err != nil {
			return err
		}
		err = l.root.Rename(temp, key)
	}
	return err
}

// makeDir makes a folder and its parents, and syncs each once in the life of the
// process.
func (l *local) makeDir(dir string) error {
	l.mu.Lock()
	known := l.dirs[dir]
	l.mu.Unlock()
	if known {
		return nil
	}
	parent := path.Dir(dir)
	if err := l.makeDir(parent); err != nil {
		return err
	}
	if err := l.fault("mkdir"); err != nil {
		return err
	}
	if err := l.root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// This is needed even if another process made the folder: it may not have
	// synced it yet.
	if err := disk.SyncFolder(func() (*os.File, error) { return l.openDir(parent) }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.dirs) >= maxKnownDirs {
		l.dirs = map[string]bool{".": true}
	}
	l.dirs[dir] = true
	return nil
}

func (l *local) forgetDirs() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirs = map[string]bool{".": true}
}

// openDir opens a folder, to sync its entries.
func (l *local) openDir(dir string) (*os.File, error) {
	if err := l.fault("syncdir"); err != nil {
		return nil, err
	}
	return l.root.Open(dir)
}

// remove deletes a file, if it is there.
func (l *local) remove(name string) error {
	if err := l.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (l *local) open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	info, err := l.stat(ctx, key) // first, because opening a pipe would block
	if err != nil {
		return nil, Info{}, err
	}
	f, err := l.root.Open(key)
	if err != nil {
		return nil, Info{}, absent(err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		return nil, Info{}, errors.Join(err, f.Close())
	}
	info.Size, info.ModTime = fi.Size(), fi.ModTime()
	return f, info, nil
}

func (l *local) stat(ctx context.Context, key string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	fi, err := l.root.Lstat(key)
	if err != nil {
		return Info{}, absent(err)
	}
	if !fi.Mode().IsRegular() {
		return Info{}, ErrNotFound
	}
	return Info{Key: key, Size: fi.Size(), ContentType: resolveType(key, ""), ModTime: fi.ModTime()}, nil
}

// delete does not sync the folder: a blob that a crash brings back is an orphan,
// which the janitor deletes.
func (l *local) delete(ctx context.Context, key string) error {
	// If the key names a folder, it names no blob, and Remove would delete an
	// empty folder.
	if _, err := l.stat(ctx, key); errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return l.remove(key)
}

// absent turns a file system's error for a missing file into ErrNotFound.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ErrNotFound
	}
	return err
}

func (l *local) list(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		l.walk(ctx, path.Dir(prefix+"x"), prefix, yield)
	}
}

// walk yields the blobs below dir, and reports whether to go on.
func (l *local) walk(ctx context.Context, dir, prefix string, yield func(Info, error) bool) bool {
	entries, err := l.readDir(dir)
	if err != nil {
		yield(Info{}, err)
		return false
	}
	for _, e := range entries {
		key := path.Join(dir, strings.TrimSuffix(e, "/"))
		if CheckKey(key) != nil {
			continue
		}
		if strings.HasSuffix(e, "/") {
			// The folder is above the prefix or below it.
			if sub := key + "/"; strings.HasPrefix(sub, prefix) || strings.HasPrefix(prefix, sub) {
				if !l.walk(ctx, key, prefix, yield) {
					return false
				}
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		info, err := l.stat(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue // deleted meanwhile, or a link
		}
		if !yield(info, err) || err != nil {
			return false
		}
	}
	return true
}

// readDir returns the names in a folder. Names of folders end in a slash, so that
// their order is that of keys. A missing folder is empty.
func (l *local) readDir(dir string) ([]string, error) {
	d, err := l.root.Open(dir)
	if err != nil {
		if errors.Is(absent(err), ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, absentOK(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if e.IsDir() {
			names[i] += "/"
		}
	}
	slices.Sort(names)
	return names, nil
}

// absentOK drops an error that means that a file is missing.
func absentOK(err error) error {
	if errors.Is(absent(err), ErrNotFound) {
		return nil
	}
	return err
}

func (l *local) tidy(ctx context.Context, before time.Time) (int, error) {
	names, err := l.readDir(tempDir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		name = tempDir + "/" + name
		fi, err := l.root.Lstat(name)
		if err != nil || !fi.Mode().IsRegular() || !fi.ModTime().Before(before) {
			continue
		}
		if err := l.remove(name); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (l *local) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, name, err := l.create()
	if err != nil {
		return fmt.Errorf("the folder cannot be written to: %w", err)
	}
	return errors.Join(f.Close(), l.remove(name))
}

func (l *local) space() (Space, error) { return disk.Room(l.dir) }

func (l *local) close() error { return l.root.Close() }
