package shelf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// record is a model of two files.
func record(name string) Record {
	return Record{
		Name: name, About: "a test", Engine: "test", Aliases: []string{name + "-alias"},
		Files: []File{{Path: "a.txt", Size: 3, Repository: "t/m", Source: "a.txt"}, {Path: "deep/er/b.txt", Size: 3, Repository: "t/m", Source: "b.txt"}},
	}
}

// put puts a model of two files onto a shelf.
func put(t *testing.T, s *Shelf, name string, files ...string) {
	t.Helper()
	p, err := s.Begin(record(name))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, text := range files {
		digest, err := s.AddBlob(func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
		if err == nil {
			err = p.Link(i, digest)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Finish(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// TestShelf: models are found by name and alias, share equal files, and leave
// nothing behind.
func TestShelf(t *testing.T) {
	s := At(filepath.Join(t.TempDir(), "not", "there"))
	if len(s.Models()) != 0 {
		t.Error("a shelf that is not there has models")
	}
	if _, err := s.Find("x"); !errors.Is(err, ErrNotPulled) {
		t.Error(err)
	}
	if _, err := s.Find("../x"); !errors.Is(err, ErrNotPulled) {
		t.Error(err)
	}
	put(t, s, "one", "abc", "def")
	put(t, s, "two", "abc", "ghi")
	r, err := s.Find("two-alias")
	if err != nil || r.Name != "two" || r.Size() != 6 || r.Pulled.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	if got := s.Models(); len(got) != 2 || got[0].Name != "one" {
		t.Errorf("the models are %+v", got)
	}
	text, err := os.ReadFile(filepath.Join(s.ModelDir("two"), "deep", "er", "b.txt"))
	if err != nil || string(text) != "ghi" {
		t.Errorf("%q, %v", text, err)
	}
	blobs, _ := os.ReadDir(filepath.Join(s.Folder(), ".blobs"))
	if len(blobs) != 3 {
		t.Errorf("there are %d blobs of four files, two of them equal", len(blobs))
	}
	if err := s.Damaged(r); err != nil {
		t.Error(err)
	}
	if freed, err := s.Remove(t.Context(), "one"); err != nil || freed != 3 {
		t.Errorf("freed %d, %v", freed, err)
	}
	if err := s.Damaged(r); err != nil {
		t.Errorf("what another model uses is gone: %v", err)
	}
	if _, err := s.Remove(t.Context(), "one"); !errors.Is(err, ErrNotPulled) {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(s.Folder(), ".blobs", digestOf([]byte("ghi")))); err != nil {
		t.Fatal(err)
	}
	if err := s.Damaged(r); err == nil || !strings.Contains(err.Error(), "kinora pull two") {
		t.Error(err)
	}
}

// TestDamagedRecord: the files of a model whose record cannot be read stay when
// another model goes.
func TestDamagedRecord(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are not symbolic there")
	}
	s := At(t.TempDir())
	put(t, s, "one", "abc", "def")
	put(t, s, "two", "abc", "ghi")
	at := filepath.Join(s.ModelDir("two"), RecordName)
	for _, text := range []string{"", "{", `{"name": "one"}`, strings.Repeat(" ", maxRecordBytes+1), `{"name": "two", "engine": "x", "files": [{"path": "/etc/passwd"}]}`} {
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find("two"); err == nil || !strings.Contains(err.Error(), "kinora rm two") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := s.Remove(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(s.ModelDir("two"), "deep", "er", "b.txt")); err != nil || string(text) != "ghi" {
		t.Errorf("%q, %v", text, err)
	}
	if freed, err := s.Remove(t.Context(), "two"); err != nil || freed != 6 {
		t.Errorf("freed %d, %v", freed, err)
	}
}

// TestRecordsRefused: a model with a file outside of its folder, or with none, gets
// no place.
func TestRecordsRefused(t *testing.T) {
	s := At(t.TempDir())
	for name, change := range map[string]func(r *Record){
		"a path out":     func(r *Record) { r.Files[0].Path = "../a" },
		"no files":       func(r *Record) { r.Files = nil },
		"no engine":      func(r *Record) { r.Engine = "" },
		"a digest":       func(r *Record) { r.Files[0].Digest = "../../x" },
		"a size":         func(r *Record) { r.Files[0].Size = -1 },
		"too many files": func(r *Record) { r.Files = make([]File, MaxFiles+1) },
	} {
		r := record("one")
		change(&r)
		if p, err := s.Begin(r); err == nil {
			p.Close()
			t.Errorf("%s is taken", name)
		}
	}
	p, err := s.Begin(record("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Finish(time.Now()); err == nil {
		t.Error("a model without its files got its name")
	}
	if _, err := s.Find("one"); !errors.Is(err, ErrNotPulled) {
		t.Error(err)
	}
}

// fill writes a piece of a part.
func fill(t *testing.T, p *Part, b []byte, i int) {
	t.Helper()
	off, n := p.Piece(i)
	sum := PieceSum()
	sum.Write(b[off : off+n])
	if _, err := p.WriteAt(b[off:off+n], off); err != nil {
		t.Fatal(err)
	}
	if err := p.Done(i, sum.Sum32()); err != nil {
		t.Fatal(err)
	}
}

// TestPart: pieces come in any order, survive a process, and make the file whole.
func TestPart(t *testing.T) {
	s := At(t.TempDir())
	b := bytes.Repeat([]byte("0123456789abcde"), (2*PieceBytes+100)/15)
	digest, size := digestOf(b), int64(len(b))
	p, err := s.OpenPart(t.Context(), digest, size)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, p, b, 2)
	fill(t, p, b, 0)
	if p.Have() != size-PieceBytes || len(p.Missing()) != 1 || p.Missing()[0] != 1 {
		t.Errorf("there are %d bytes, missing %v", p.Have(), p.Missing())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Finish(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	late, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := s.OpenPart(late, digest, size); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second opening: %v", err)
	}
	p.Close()
	if s.HasBlob(digest, size) || s.PartBytes(digest, size) < size-PieceBytes {
		t.Errorf("whole %v, %d bytes are there", s.HasBlob(digest, size), s.PartBytes(digest, size))
	}
	p, err = s.OpenPart(t.Context(), digest, size)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := p.Missing(); len(got) != 1 {
		t.Errorf("opened again, %v are missing", got)
	}
	fill(t, p, b, 1)
	if err := p.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(s.Folder(), ".blobs", digest))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	p.Close()
	if p, err := s.OpenPart(t.Context(), digest, size); err != nil || p != nil {
		t.Errorf("a whole file has a part: %v, %v", p, err)
	}
}

// TestPartDigest: bytes with another digest are not kept.
func TestPartDigest(t *testing.T) {
	s := At(t.TempDir())
	b := []byte("some bytes")
	digest := digestOf([]byte("others"))
	p, err := s.OpenPart(t.Context(), digest, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fill(t, p, b, 0)
	err = p.Finish(t.Context())
	if e, ok := errors.AsType[*DigestError](err); !ok || e.Want != digest || e.Got != digestOf(b) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(s.Folder(), ".blobs")); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// FuzzPieces: whatever is in a file of pieces, no piece counts as there whose bytes
// are not.
func FuzzPieces(f *testing.F) {
	b := []byte("twelve bytes")
	digest := digestOf(b)
	s := At(f.TempDir())
	p, err := s.OpenPart(f.Context(), digest, int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	sum := PieceSum()
	sum.Write(b)
	if _, err := p.WriteAt(b, 0); err != nil {
		f.Fatal(err)
	}
	if err := p.Done(0, sum.Sum32()); err != nil {
		f.Fatal(err)
	}
	p.Close()
	journal, err := os.ReadFile(filepath.Join(s.Folder(), ".blobs", digest+".pieces"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(journal, b)
	f.Add(journal[:len(journal)-1], b)
	f.Add(journal, []byte("other  bytes"))
	f.Add([]byte(nil), b)
	f.Fuzz(func(t *testing.T, journal, bytesThere []byte) {
		at := filepath.Join(s.Folder(), ".blobs", digest)
		if err := errors.Join(os.WriteFile(at+".pieces", journal, 0o600), os.WriteFile(at+".part", bytesThere, 0o600)); err != nil {
			t.Fatal(err)
		}
		p, err := s.OpenPart(t.Context(), digest, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if there := len(p.Missing()) == 0; there && !bytes.HasPrefix(bytesThere, b) {
			// Another text has the same CRC-32C with a chance of one in 2³²; the fuzzer
			// may write its entry.
			if err := p.Finish(t.Context()); err == nil {
				t.Errorf("%q counts as the file", bytesThere)
			}
		}
	})
}

// TestAccept: an acceptance is of a licence for a model.
func TestAccept(t *testing.T) {
	s := At(filepath.Join(t.TempDir(), "models"))
	mit, other := catalog.Licence{Name: "MIT"}, catalog.Licence{Name: "MIT", Link: "https://example.com"}
	all := []catalog.Licence{mit, other}
	if left, err := s.Unaccepted("m", all); err != nil || len(left) != 2 {
		t.Error(left, err)
	}
	if err := s.Accept("m", []catalog.Licence{mit}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Unaccepted("m", all); err != nil || len(left) != 1 || left[0] != other {
		t.Error(left, err)
	}
	if left, err := s.Unaccepted("n", all); err != nil || len(left) != 2 {
		t.Error(left, err)
	}
	if err := os.WriteFile(filepath.Join(s.Folder(), "licences.json"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unaccepted("m", all); err == nil || !strings.Contains(err.Error(), "licences.json is damaged") {
		t.Error(err)
	}
}
