package shelf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/kinora-video/kinora/internal/disk"
	"github.com/kinora-video/kinora/internal/scratch"
)

// PieceBytes is how much of a file counts as fetched at a time: what a killed
// process loses at most of each of its connections.
const PieceBytes = 4 << 20

// maxBlobBytes bounds the size of a file, so that the table of its pieces stays
// small.
const maxBlobBytes = 1 << 40

// A file of pieces begins with journalHead, the file's size and PieceBytes. Then
// come entries of journalEntry bytes, one for a piece that is there: its number, the
// CRC-32C of its bytes, and the number's complement, by which an entry that was not
// written whole is told.
const (
	journalHead  = "kinora pieces 1\n"
	journalStart = len(journalHead) + 16
	journalEntry = 12
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PieceSum begins the sum of a piece's bytes, which Part.Done wants.
func PieceSum() hash.Hash32 { return crc32.New(castagnoli) }

// DigestError says that a file has not the bytes that its digest promises.
type DigestError struct{ Want, Got string }

// Error implements error.
func (e *DigestError) Error() string {
	return fmt.Sprintf("its SHA-256 is %s and not %s", e.Got, e.Want)
}

func (s *Shelf) blob(digest string) string { return filepath.Join(s.dir, blobs, digest) }

// HasBlob says whether a file is there, by its digest.
func (s *Shelf) HasBlob(digest string, size int64) bool {
	info, err := os.Stat(s.blob(digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// PartBytes is about how many bytes of a file that is not whole are there.
func (s *Shelf) PartBytes(digest string, size int64) int64 {
	info, err := os.Stat(s.blob(digest) + ".pieces")
	if err != nil {
		return 0
	}
	return min(size, max(0, info.Size()-int64(journalStart))/journalEntry*PieceBytes)
}

// AddBlob keeps what write writes, unless that fails, and returns its digest.
func (s *Shelf) AddBlob(write func(w io.Writer) error) (digest string, err error) {
	dir := filepath.Join(s.dir, blobs)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	f, err := scratch.Create(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := write(io.MultiWriter(f, sum)); err != nil {
		f.Discard()
		return "", err
	}
	_ = f.Chmod(0o444) // a help against mistakes, no more
	digest = hex.EncodeToString(sum.Sum(nil))
	return digest, f.Commit(s.blob(digest))
}

// Part is a file that is being fetched in pieces, in any order and by several
// goroutines. Nobody else can open it until it is closed.
type Part struct {
	path    string // of the finished file
	digest  string
	size    int64
	f       *os.File
	journal *os.File
	release func()

	mu      sync.Mutex
	changed sync.Cond // a piece was added
	has     []bool
	have    int64 // bytes of the pieces that are there
}

// OpenPart opens the part of a file, and makes it if there is none. It waits while
// another process has it. The pieces that are there already are read and checked,
// since a crash may have kept their entry and not their bytes. If the file is whole
// by then, the Part is nil.
func (s *Shelf) OpenPart(ctx context.Context, digest string, size int64) (p *Part, err error) {
	if !digestForm.MatchString(digest) || size < 0 || size > maxBlobBytes {
		return nil, fmt.Errorf("a file of %d bytes with the digest %q cannot be kept", size, digest)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, blobs), 0o777); err != nil {
		return nil, err
	}
	release, err := s.await(ctx, "blob-"+digest)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p == nil {
			release()
		}
	}()
	if s.HasBlob(digest, size) {
		os.Remove(s.blob(digest) + ".pieces") // a process that was killed when the file had its name
		return nil, nil
	}
	p = &Part{path: s.blob(digest), digest: digest, size: size, release: release, has: make([]bool, pieces(size))}
	p.changed.L = &p.mu
	if err := p.open(ctx); err != nil {
		p.shut()
		return nil, err
	}
	return p, nil
}

func pieces(size int64) int { return int((size + PieceBytes - 1) / PieceBytes) }

func (p *Part) open(ctx context.Context) (err error) {
	if p.f, err = os.OpenFile(p.path+".part", os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	if p.journal, err = os.OpenFile(p.path+".pieces", os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint64([]byte(journalHead), uint64(p.size))
	head = binary.LittleEndian.AppendUint64(head, PieceBytes)
	most := int64(journalStart) + int64(len(p.has))*2*journalEntry // a piece may have two entries after a crash
	old, err := io.ReadAll(io.LimitReader(p.journal, most))
	if err != nil {
		return err
	}
	entries, ok := bytes.CutPrefix(old, head)
	if !ok { // new, or cut short in its head
		if err := errors.Join(p.journal.Truncate(0), p.f.Truncate(0)); err != nil {
			return err
		}
		_, err := p.journal.WriteAt(head, 0)
		return err
	}
	sums := map[int]uint32{}
	for len(entries) >= journalEntry {
		i, crc, not := binary.LittleEndian.Uint32(entries), binary.LittleEndian.Uint32(entries[4:]), binary.LittleEndian.Uint32(entries[8:])
		if i == ^not && int(i) < len(p.has) {
			sums[int(i)] = crc
		}
		entries = entries[journalEntry:]
	}
	return p.recheck(ctx, head, sums)
}

// recheck reads the pieces that the journal has and writes the journal anew with
// those that are as it says.
func (p *Part) recheck(ctx context.Context, head []byte, sums map[int]uint32) error {
	fresh := head
	buf := make([]byte, min(PieceBytes, p.size))
	for i := range p.has {
		crc, listed := sums[i]
		if !listed {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		off, n := p.Piece(i)
		if _, err := p.f.ReadAt(buf[:n], off); err != nil || crc32.Checksum(buf[:n], castagnoli) != crc {
			continue
		}
		p.has[i], p.have = true, p.have+n
		fresh = appendEntry(fresh, i, crc)
	}
	if err := p.journal.Truncate(0); err != nil {
		return err
	}
	_, err := p.journal.WriteAt(fresh, 0)
	return err
}

func appendEntry(b []byte, i int, crc uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(i))
	b = binary.LittleEndian.AppendUint32(b, crc)
	return binary.LittleEndian.AppendUint32(b, ^uint32(i))
}

// Size is that of the whole file.
func (p *Part) Size() int64 { return p.size }

// Piece says where a piece lies.
func (p *Part) Piece(i int) (off, n int64) {
	off = int64(i) * PieceBytes
	return off, min(PieceBytes, p.size-off)
}

// Have is how many bytes are there.
func (p *Part) Have() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have
}

// Missing are the numbers of the pieces that are not there, in order.
func (p *Part) Missing() (out []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, has := range p.has {
		if !has {
			out = append(out, i)
		}
	}
	return out
}

// WriteAt writes bytes of a piece that is not there yet.
func (p *Part) WriteAt(b []byte, off int64) (int, error) { return p.f.WriteAt(b, off) }

// Done says that all bytes of a piece were written, and their PieceSum.
func (p *Part) Done(i int, sum uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.has[i] {
		return nil
	}
	end, err := p.journal.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// What a full disk cut off is written over by the next entry.
	end -= (end - int64(journalStart)) % journalEntry
	if _, err := p.journal.WriteAt(appendEntry(nil, i, sum), end); err != nil {
		return err
	}
	_, n := p.Piece(i)
	p.has[i], p.have = true, p.have+n
	p.changed.Broadcast()
	return nil
}

// Finish waits until all pieces are there, and reads them in order as they come to
// compare their digest. Then the file gets its name. The error is a *DigestError if
// the digest is another one: then nothing of the part is left. It returns early
// when ctx ends.
func (p *Part) Finish(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})()
	sum := sha256.New()
	for i := range p.has {
		if err := p.await(ctx, i); err != nil {
			return err
		}
		off, n := p.Piece(i)
		if _, err := io.Copy(sum, io.NewSectionReader(p.f, off, n)); err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.digest {
		p.shut()
		os.Remove(p.path + ".pieces")
		os.Remove(p.path + ".part")
		return &DigestError{Want: p.digest, Got: got}
	}
	if err := p.f.Truncate(p.size); err != nil { // nothing of an earlier try lies beyond the end
		return err
	}
	_ = p.f.Chmod(0o444) // a help against mistakes, no more
	f := p.f
	p.f = nil
	err := disk.Commit(f, func() error { return os.Rename(p.path+".part", p.path) }, func() (*os.File, error) { return os.Open(filepath.Dir(p.path)) })
	if err == nil {
		p.journal.Close()
		p.journal = nil
		os.Remove(p.path + ".pieces")
	}
	return err
}

// await waits for a piece.
func (p *Part) await(ctx context.Context, i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.has[i] {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.changed.Wait()
	}
	return ctx.Err()
}

// Close gives the part back. What was fetched stays. A second call does nothing.
func (p *Part) Close() {
	p.shut()
	p.release()
}

func (p *Part) shut() {
	for _, f := range []**os.File{&p.f, &p.journal} {
		if *f != nil {
			(*f).Close()
			*f = nil
		}
	}
}
