package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/disk"
)

// DefaultMaxBytes is the most bytes of a blob when [Meta] sets no other limit: 16
// GiB, far more than an hour of video needs, and below what S3 takes in 10,000
// parts of 8 MiB.
const DefaultMaxBytes = 16 << 30

// Errors that callers act on; errors.Is finds them.
var (
	ErrNotFound = errors.New("no such blob")
	ErrTooLarge = errors.New("more bytes than this blob may have")
	// ErrNoSpace means that the store is full: the disk, a quota, or the largest
	// file that the system lets the process write.
	ErrNoSpace = errors.New("the store has no space left: free some, or move it to a larger disk")
)

// Meta describes the bytes that Put stores.
type Meta struct {
	// ContentType is stored by a bucket. A local folder does not store it.
	// Everywhere the key's extension, if known, takes precedence; see [Info].
	ContentType string
	// MaxBytes is the most bytes to take; 0 means DefaultMaxBytes.
	MaxBytes int64
}

// Info describes a blob.
type Info struct {
	Key  string
	Size int64 // bytes
	// ContentType is that of the key's extension. If the extension is unknown, it
	// is the type that a bucket stored, else application/octet-stream.
	ContentType string
	// ModTime is when the blob was written, by the store's clock. Put leaves it
	// zero.
	ModTime time.Time
	// SHA256 is the checksum of the bytes, in hex. Only Put returns it: store it
	// in the blob's row.
	SHA256 string
}

// Space is the room of a local disk, in bytes.
type Space = disk.Space

// backend is a kind of storage that a Store uses. The Store checks keys and
// prefixes first. A missing blob is an error that wraps ErrNotFound, except in
// delete.
type backend interface {
	// put reads src to its end. After any error the key holds what it held
	// before.
	put(ctx context.Context, key, contentType string, src *source) error
	open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error)
	stat(ctx context.Context, key string) (Info, error)
	delete(ctx context.Context, key string) error
	// list yields blobs in the byte order of their keys.
	list(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// tidy removes the temporary files of interrupted writes that are older than
	// a time.
	tidy(ctx context.Context, before time.Time) (int, error)
	check(ctx context.Context) error
	space() (Space, error)
	close() error
}

// Store keeps blobs by key. It may be used by several goroutines, and several
// processes may open the same place.
type Store struct {
	b     backend
	where string
}

// Open opens the store at where and checks that it can be used:
//
//   - a path is a local folder, made with mode 0700 if it is missing. Its files
//     have mode 0600. It may be shared by processes of one machine; for several
//     machines use a bucket.
//   - s3://bucket?region=…&endpoint=…&use_path_style=true&prefix=media/ is a
//     bucket of S3 or of a server that speaks its API. Credentials come from
//     AWS's environment variables, its files in ~/.aws (profile=… chooses one
//     of several) or the role of the machine. Other parameters: ssetype=AES256
//     or ssetype=aws:kms&kmskeyid=… encrypts, accelerate=true and
//     dualstack=true choose AWS's other endpoints, anonymous=true signs
//     nothing. Give the bucket a rule that ends unfinished multipart uploads
//     after a day.
//   - mem:// lasts as long as the process; it is for tests.
func Open(ctx context.Context, where string) (*Store, error) {
	scheme, _, isURL := strings.Cut(where, "://")
	var b backend
	var err error
	switch {
	case where == "":
		return nil, errors.New("blob: opening a store: no location given: name a folder or s3://bucket")
	case !isURL:
		b, err = openLocal(where)
	case scheme == "s3":
		b, err = openBucket(where)
	case scheme == "mem":
		b = openMemory()
	default:
		return nil, fmt.Errorf("blob: opening a store: %s:// is not a kind of store: name a folder or s3://bucket", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: opening the store %s: %w", where, classify(err))
	}
	s := &Store{b: b, where: where}
	if err := s.Check(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return s, nil
}

// Check returns nil when the store can be used now: a local folder by writing
// and removing an empty file, a bucket by listing one key.
func (s *Store) Check(ctx context.Context) error {
	if err := s.b.check(ctx); err != nil {
		return fmt.Errorf("blob: checking the store %s: %w", s.where, classify(err))
	}
	return nil
}

// Close closes the store. Open readers may go on.
func (s *Store) Close() error { return s.b.close() }

// Put stores all bytes of r under key, replacing what was there, and returns once
// they would survive a crash of the machine. The key holds all of them or, after
// an error, what it held before, with one exception: if the disk fails to sync a
// folder, the key is gone. An error of r is returned wrapped. Other errors are
// ErrKey, ErrTooLarge, ErrNoSpace and the store's own.
//
// If ctx ends between reads of r, the write ends. A read that blocks must watch
// ctx itself.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, m Meta) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	limit := m.MaxBytes
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src := &source{ctx: ctx, cancel: cancel, r: r, max: limit, hash: sha256.New()}
	contentType := resolveType(key, m.ContentType)
	err := s.b.put(ctx, key, contentType, src)
	if src.err != nil {
		// The store's own error follows from this one.
		return Info{}, fmt.Errorf("blob: reading what to store as %s: %w", key, src.err)
	}
	if err != nil {
		return Info{}, fmt.Errorf("blob: storing %s: %w", key, classify(err))
	}
	return Info{Key: key, Size: src.n, ContentType: contentType, SHA256: hex.EncodeToString(src.hash.Sum(nil))}, nil
}

// PutFile is Put of the file at path. The file stays in place.
func (s *Store) PutFile(ctx context.Context, key, path string, m Meta) (Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("blob: storing a file as %s: %w", key, err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return Info{}, fmt.Errorf("blob: storing a file as %s: %w", key, err)
	} else if !fi.Mode().IsRegular() {
		return Info{}, fmt.Errorf("blob: storing %s as %s: it is not a regular file", path, key)
	}
	return s.Put(ctx, key, f, m)
}

// Open returns a blob's bytes, to be read from any position: seeking costs
// nothing until the next read, and a bucket is asked for a window of bytes at a
// time. Close the reader; ctx must live until then. From a local folder it is an
// [os.File], so that an HTTP server can let the kernel send it.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	if err := CheckKey(key); err != nil {
		return nil, Info{}, err
	}
	r, info, err := s.b.open(ctx, key)
	if err != nil {
		return nil, Info{}, fmt.Errorf("blob: opening %s: %w", key, err)
	}
	return r, info, nil
}

// Stat describes a blob.
func (s *Store) Stat(ctx context.Context, key string) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	info, err := s.b.stat(ctx, key)
	if err != nil {
		return Info{}, fmt.Errorf("blob: looking at %s: %w", key, err)
	}
	return info, nil
}

// Delete removes a blob. A missing blob is not an error. Open readers may go on
// in a local folder and may fail in a bucket.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := s.b.delete(ctx, key); err != nil {
		return fmt.Errorf("blob: deleting %s: %w", key, err)
	}
	return nil
}

// List yields the blobs whose keys start with prefix, in the byte order of their
// keys, and ends after an error. Concurrent writes and deletions may or may not
// be seen. Files of a folder whose names are not keys are skipped.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		for info, err := range s.b.list(ctx, prefix) {
			if err != nil {
				yield(Info{}, fmt.Errorf("blob: listing %q: %w", prefix, err))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// FreeSpace returns the space on the disk of a local folder. For a bucket, and on
// systems that do not report it, the error wraps [errors.ErrUnsupported].
func (s *Store) FreeSpace() (Space, error) {
	sp, err := s.b.space()
	if err != nil {
		return Space{}, fmt.Errorf("blob: asking for the free space of %s: %w", s.where, err)
	}
	return sp, nil
}

// Room returns an error that wraps ErrNoSpace when fewer than need bytes are
// free, so that work can be refused before the disk is full. If the free space is
// unknown, Room returns nil.
func (s *Store) Room(need uint64) error {
	sp, err := s.FreeSpace()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	case sp.Free < need:
		return fmt.Errorf("blob: %d MiB are free at %s, %d MiB are needed: %w", sp.Free>>20, s.where, need>>20, ErrNoSpace)
	}
	return nil
}

// classify adds ErrNoSpace to errors that mean a full store.
func classify(err error) error {
	if disk.NoSpace(err) || bucketFull(err) {
		return fmt.Errorf("%w (%w)", ErrNoSpace, err)
	}
	return err
}

// source is the reader that a backend stores. It counts and hashes the bytes,
// enforces the limit, and remembers the first error, which is then the reader's
// fault and not the store's. That error also ends ctx: a bucket whose reader
// failed must not keep the bytes that came before.
type source struct {
	ctx    context.Context
	cancel context.CancelFunc
	r      io.Reader
	max, n int64
	hash   hash.Hash
	err    error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		return 0, s.fail(err)
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.hash.Write(p[:n])
	if s.n > s.max {
		return 0, s.fail(fmt.Errorf("%w: at most %d", ErrTooLarge, s.max))
	}
	if err != nil && err != io.EOF {
		return n, s.fail(err)
	}
	return n, err
}

func (s *source) fail(err error) error {
	s.err = err
	s.cancel()
	return err
}
