package shelf

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/disk"
)

// store is the lock that pulls share and a removal has for itself: blobs that no
// model has yet must not be removed under a pull.
const store = "store"

// Pulling is a model that is on its way to the shelf. While it is open, no other
// process pulls that model or removes any.
type Pulling struct {
	shelf    *Shelf
	record   Record
	dir      string
	releases []func()
}

// Begin makes a place for a model. The error is a *BusyError if another process is
// pulling it or removing a model. The caller must Close the Pulling.
func (s *Shelf) Begin(r Record) (p *Pulling, err error) {
	if err := r.check(r.Name, false); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return nil, err
	}
	p = &Pulling{shelf: s, record: r, dir: filepath.Join(s.dir, pulling+r.Name)}
	p.record.Files = append([]File(nil), r.Files...)
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	shared, err := s.share(store)
	if errors.Is(err, errTaken) {
		err = &BusyError{"removing a model"}
	}
	if err != nil {
		return p, err
	}
	p.releases = append(p.releases, shared)
	own, err := s.lock("model-"+r.Name, false)
	if errors.Is(err, errTaken) {
		err = &BusyError{"pulling " + r.Name}
	}
	if err != nil {
		return p, err
	}
	p.releases = append(p.releases, own)
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return p, err
	}
	if err := p.tidy(); err != nil {
		return p, err
	}
	return p, writeJSON(filepath.Join(p.dir, RecordName), p.record)
}

// tidy removes links of an earlier pull that do not belong to the model any more.
func (p *Pulling) tidy() error {
	wanted := map[string]bool{RecordName: true}
	for _, f := range p.record.Files {
		wanted[f.Path] = true
	}
	return filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.dir, path)
		if err == nil && !wanted[filepath.ToSlash(rel)] {
			err = os.Remove(path)
		}
		return err
	})
}

// Earlier returns where an earlier pull of the model, whole or not, has left a file
// of that path; "" if it has not.
func (p *Pulling) Earlier(path string) string {
	for _, dir := range []string{p.dir, p.shelf.ModelDir(p.record.Name)} {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() {
			return at
		}
	}
	return ""
}

// Link gives the model a file, whose blob is there. Several goroutines may call it,
// for different files.
func (p *Pulling) Link(i int, digest string) error {
	f := &p.record.Files[i]
	f.Digest = digest
	at := filepath.Join(p.dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
		return err
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	up := strings.Repeat("../", 1+strings.Count(f.Path, "/"))
	if os.Symlink(filepath.FromSlash(up+blobs+"/"+digest), at) == nil {
		return nil
	}
	// Windows lets not everybody make symbolic links.
	return os.Link(p.shelf.blob(digest), at)
}

// Finish gives the model its name. All of its files must have been linked.
func (p *Pulling) Finish(now time.Time) error {
	p.record.Pulled = now.UTC().Truncate(time.Second)
	if err := p.record.check(p.record.Name, true); err != nil {
		return fmt.Errorf("%s: %w", p.record.Name, err)
	}
	if err := writeJSON(filepath.Join(p.dir, RecordName), p.record); err != nil {
		return err
	}
	to := p.shelf.ModelDir(p.record.Name)
	gone, err := p.shelf.putAway(to)
	if err != nil {
		return err
	}
	if err := os.Rename(p.dir, to); err != nil {
		return err
	}
	if gone != "" {
		os.RemoveAll(gone)
	}
	return disk.SyncFolder(func() (*os.File, error) { return os.Open(p.shelf.dir) })
}

// Close ends the pull. Files that are there stay for the next one.
func (p *Pulling) Close() {
	for _, release := range p.releases {
		release()
	}
	p.releases = nil
}

// putAway gives a folder a name under which nobody finds it; "" if it is not there.
func (s *Shelf) putAway(dir string) (gone string, err error) {
	gone = filepath.Join(s.dir, leaving+rand.Text())
	err = os.Rename(dir, gone)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return gone, err
}

// Remove removes a model, whole or not, and every file that no other model uses.
// It returns how many bytes that freed. The error is ErrNotPulled if there is
// nothing of that name, and a *BusyError while another process pulls or removes
// models.
func (s *Shelf) Remove(ctx context.Context, name string) (freed int64, err error) {
	dirs := []string{s.ModelDir(name), filepath.Join(s.dir, pulling+name)}
	_, whole := os.Lstat(dirs[0])
	_, half := os.Lstat(dirs[1])
	if whole != nil && half != nil {
		return 0, ErrNotPulled
	}
	release, err := s.lock(store, false)
	if errors.Is(err, errTaken) {
		return 0, &BusyError{"pulling or removing a model"}
	}
	if err != nil {
		return 0, err
	}
	defer release()
	for _, dir := range dirs {
		gone, err := s.putAway(dir)
		if err == nil && gone != "" {
			err = os.RemoveAll(gone)
		}
		if err != nil {
			return 0, err
		}
	}
	return s.sweep(ctx)
}

// sweep removes what no model uses. The caller has the lock of the store.
func (s *Shelf) sweep(ctx context.Context) (freed int64, err error) {
	used, err := s.used()
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, blobs))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return freed, err
		}
		digest, kind, _ := strings.Cut(e.Name(), ".")
		if !digestForm.MatchString(digest) || used[digest] {
			continue
		}
		path := filepath.Join(s.dir, blobs, e.Name())
		info, err := e.Info()
		if err != nil {
			continue
		}
		size := info.Size()
		if kind == "part" { // it has holes
			size = s.PartBytes(digest, size)
		}
		if err := os.Remove(path); err != nil {
			return freed, err
		}
		if kind != "pieces" {
			freed += size
		}
		os.Remove(filepath.Join(s.dir, locks, "blob-"+digest))
	}
	return freed, nil
}

// used are the digests of the files that models use, whole or not: those that their
// records list, and those that links lead to, should a record be damaged.
func (s *Shelf) used() (map[string]bool, error) {
	used := map[string]bool{}
	for _, r := range append(s.Models(), s.AllUnfinished()...) {
		for _, f := range r.Files {
			used[f.Digest] = true
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		dir := filepath.Join(s.dir, e.Name())
		if strings.HasPrefix(e.Name(), leaving) {
			os.RemoveAll(dir) // a removal was interrupted
			continue
		}
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(e.Name(), pulling) {
			continue
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type()&fs.ModeSymlink != 0 {
				var to string
				if to, err = os.Readlink(path); err == nil {
					used[filepath.Base(to)] = true
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return used, nil
}
