package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// places are the kinds of store, which must behave alike.
var places = []struct {
	name string
	at   func(t testing.TB) string
}{
	{"folder", func(t testing.TB) string { return filepath.Join(t.TempDir(), "media") }},
	{"mem", func(testing.TB) string { return "mem://" }},
	{"s3", func(t testing.TB) string { _, where := newS3(t); return where }},
}

// everywhere runs a test on a fresh store of each kind.
func everywhere(t *testing.T, f func(t *testing.T, s *Store)) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { f(t, open(t, p.at(t))) })
	}
}

func open(t testing.TB, where string) *Store {
	t.Helper()
	s, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// noise returns n bytes, always the same for the same n.
func noise(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	seed[0], seed[1], seed[2] = byte(n), byte(n>>8), byte(n>>16)
	rand.NewChaCha8(seed).Read(b)
	return b
}

func put(t testing.TB, s *Store, key string, data []byte) Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(data), Meta{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t testing.TB, s *Store, key string) []byte {
	t.Helper()
	r, info, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != int64(len(data)) {
		t.Errorf("%s: Info has %d bytes, %d were read", key, info.Size, len(data))
	}
	return data
}

func keys(t testing.TB, s *Store, prefix string) []string {
	t.Helper()
	var out []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, info.Key)
	}
	return out
}

func TestPutThenOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		for _, n := range []int{0, 1, copyBytes - 1, copyBytes, copyBytes + 1, firstWindow + 7, partBytes + 5, 2*partBytes + 11} {
			key := fmt.Sprintf("video/ab/%d.mp4", n)
			data := noise(n)
			before := time.Now().Add(-2 * time.Second) // S3 stores whole seconds
			info := put(t, s, key, data)
			sum := sha256.Sum256(data)
			if want := (Info{Key: key, Size: int64(n), ContentType: "video/mp4", SHA256: hex.EncodeToString(sum[:])}); info != want {
				t.Errorf("Put returned %+v, want %+v", info, want)
			}
			if got := get(t, s, key); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back changed", n)
			}
			st, err := s.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if st.ModTime.Before(before) || st.ModTime.After(time.Now().Add(2*time.Second)) {
				t.Errorf("Stat says that it was written at %v", st.ModTime)
			}
			st.ModTime = time.Time{}
			if want := (Info{Key: key, Size: int64(n), ContentType: "video/mp4"}); st != want {
				t.Errorf("Stat returned %+v, want %+v", st, want)
			}
		}
	})
}

func TestPutReplaces(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		put(t, s, "file/00/a.txt", noise(5000))
		put(t, s, "file/00/a.txt", []byte("short"))
		if got := get(t, s, "file/00/a.txt"); string(got) != "short" {
			t.Errorf("%d bytes are there", len(got))
		}
	})
}

func TestContentType(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		for _, tt := range []struct{ key, meta, want string }{
			{"image/00/a.png", "", "image/png"},
			{"image/00/b.png", "video/mp4", "image/png"},
			{"file/00/c", "", anyType},
			{"file/00/d", "no type", anyType},
		} {
			if _, err := s.Put(t.Context(), tt.key, strings.NewReader("x"), Meta{ContentType: tt.meta}); err != nil {
				t.Fatal(err)
			}
			if info, err := s.Stat(t.Context(), tt.key); err != nil || info.ContentType != tt.want {
				t.Errorf("%s with %q: %q, %v, want %q", tt.key, tt.meta, info.ContentType, err, tt.want)
			}
		}
	})
	_, where := newS3(t)
	s := open(t, where)
	if _, err := s.Put(t.Context(), "file/00/x", strings.NewReader("x"), Meta{ContentType: "model/gltf-binary"}); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Stat(t.Context(), "file/00/x"); err != nil || info.ContentType != "model/gltf-binary" {
		t.Errorf("a bucket keeps the type: %q, %v", info.ContentType, err)
	}
}

func TestMissing(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		put(t, s, "video/ab/there.mp4", []byte("x"))
		for _, key := range []string{"video/ab/gone.mp4", "video/ab", "video", "video/ab/there.mp4/below", "sound/00/x"} {
			if _, err := s.Stat(t.Context(), key); !errors.Is(err, ErrNotFound) {
				t.Errorf("Stat of %s: %v", key, err)
			}
			if _, _, err := s.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
				t.Errorf("Open of %s: %v", key, err)
			}
			if err := s.Delete(t.Context(), key); err != nil {
				t.Errorf("Delete of %s: %v", key, err)
			}
		}
		if got := keys(t, s, ""); !slices.Equal(got, []string{"video/ab/there.mp4"}) {
			t.Errorf("left are %q", got)
		}
	})
}

func TestDelete(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		put(t, s, "video/ab/a.mp4", []byte("x"))
		put(t, s, "video/ab/b.mp4", []byte("y"))
		for range 2 {
			if err := s.Delete(t.Context(), "video/ab/a.mp4"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Stat(t.Context(), "video/ab/a.mp4"); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		if got := get(t, s, "video/ab/b.mp4"); string(got) != "y" {
			t.Errorf("its neighbour reads %q", got)
		}
	})
}

func TestList(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		all := []string{
			"a", "a-b/c", "a.b", "a0", "file/00/x.txt", "video/ab-c/1", "video/ab.d/1", "video/ab/1.mp4",
			"video/ab/2.mp4", "video/ab0", "video/ac/1.mp4", "videos/ab/1.mp4",
		}
		slices.Sort(all)
		for i, key := range all {
			put(t, s, key, noise(i))
		}
		for _, prefix := range []string{"", "a", "video", "video/", "video/a", "video/ab", "video/ab/", "video/ab/1", "video/ab/1.mp4", "none/", "video/none/x"} {
			var want []string
			for _, key := range all {
				if strings.HasPrefix(key, prefix) {
					want = append(want, key)
				}
			}
			if got := keys(t, s, prefix); !slices.Equal(got, want) {
				t.Errorf("below %q: %q\nwant %q", prefix, got, want)
			}
		}
		for info, err := range s.List(t.Context(), "video/ab/2") {
			i := slices.Index(all, info.Key)
			if err != nil || info.Size != int64(i) || info.ContentType != "video/mp4" || time.Since(info.ModTime) > time.Minute {
				t.Errorf("%+v, %v", info, err)
			}
			break // and stopping early is allowed
		}
		for _, prefix := range []string{"/", "../", "video//", "Video", ".tmp", "video/../"} {
			for _, err := range s.List(t.Context(), prefix) {
				if !errors.Is(err, ErrKey) {
					t.Errorf("prefix %q: %v", prefix, err)
				}
			}
		}
	})
}

func TestSeeking(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		data := noise(3*firstWindow + 123)
		put(t, s, "video/ab/x.mp4", data)
		r, info, err := s.Open(t.Context(), "video/ab/x.mp4")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		put(t, s, "video/ab/y.mp4", data[:9999])
		small, _, err := s.Open(t.Context(), "video/ab/y.mp4")
		if err != nil {
			t.Fatal(err)
		}
		defer small.Close()
		if err := iotest.TestReader(small, data[:9999]); err != nil {
			t.Error(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		buf := make([]byte, 4096)
		for range 20 {
			off := rng.Int64N(info.Size - int64(len(buf)))
			if _, err := r.Seek(off, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, buf); err != nil || !bytes.Equal(buf, data[off:off+int64(len(buf))]) {
				t.Fatalf("at %d: %v", off, err)
			}
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("a seek before the start went through")
		}
		if n, err := r.Seek(10, io.SeekEnd); err != nil || n != info.Size+10 {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		if n, err := r.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind the end: %d bytes, %v", n, err)
		}
	})
}

// TestServing serves a blob with Go's file server, as the platform does.
func TestServing(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		data := noise(3 << 20)
		put(t, s, "video/ab/x.mp4", data)
		for _, tt := range []struct {
			header     string
			status     int
			start, end int
		}{
			{"", 200, 0, len(data)},
			{"bytes=0-9", 206, 0, 10},
			{"bytes=1000000-2500000", 206, 1000000, 2500001},
			{"bytes=-5", 206, len(data) - 5, len(data)},
			{fmt.Sprintf("bytes=%d-", len(data)), 416, 0, 0},
		} {
			r, info, err := s.Open(t.Context(), "video/ab/x.mp4")
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, "/x", nil)
			if tt.header != "" {
				req.Header.Set("Range", tt.header)
			}
			w.Header().Set("Content-Type", info.ContentType)
			http.ServeContent(w, req, "", info.ModTime, r)
			r.Close()
			if w.Code != tt.status || w.Code < 300 && !bytes.Equal(w.Body.Bytes(), data[tt.start:tt.end]) {
				t.Errorf("%q: status %d, %d bytes", tt.header, w.Code, w.Body.Len())
			}
		}
	})
}

var errSource = errors.New("the source broke")

// TestPutWholeOrNothing makes the reader fail at different positions, over a
// fresh key and over one that holds something.
func TestPutWholeOrNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		put(t, s, "file/00/old.txt", []byte("old"))
		for _, n := range []int{0, 1, copyBytes, 3*partBytes + 1} {
			for _, key := range []string{"file/00/old.txt", "file/00/new.txt"} {
				broken := io.MultiReader(bytes.NewReader(noise(n)), iotest.ErrReader(errSource))
				if _, err := s.Put(t.Context(), key, broken, Meta{}); !errors.Is(err, errSource) {
					t.Errorf("%s broken after %d bytes: %v", key, n, err)
				}
				_, err := s.Put(t.Context(), key, bytes.NewReader(noise(n+11)), Meta{MaxBytes: int64(n + 10)})
				if !errors.Is(err, ErrTooLarge) {
					t.Errorf("%s of %d bytes where %d may be: %v", key, n+11, n+10, err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ends := io.MultiReader(bytes.NewReader(noise(n)), readerFunc(func(p []byte) (int, error) { cancel(); return 1, nil }))
				if _, err := s.Put(ctx, key, ends, Meta{}); !errors.Is(err, context.Canceled) {
					t.Errorf("%s cancelled after %d bytes: %v", key, n, err)
				}
			}
		}
		if got := keys(t, s, ""); !slices.Equal(got, []string{"file/00/old.txt"}) {
			t.Errorf("the store holds %q", got)
		}
		if got := get(t, s, "file/00/old.txt"); string(got) != "old" {
			t.Errorf("the old blob reads %q", got)
		}
		if _, err := s.Put(t.Context(), "file/00/fits.txt", bytes.NewReader(noise(10)), Meta{MaxBytes: 10}); err != nil {
			t.Errorf("exactly the limit: %v", err)
		}
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPutFile(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		path := filepath.Join(t.TempDir(), "video")
		if err := os.WriteFile(path, noise(99999), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := s.PutFile(t.Context(), "video/00/f.mp4", path, Meta{})
		if err != nil || info.Size != 99999 || !bytes.Equal(get(t, s, "video/00/f.mp4"), noise(99999)) {
			t.Errorf("%+v, %v", info, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the file was to stay: %v", err)
		}
		if _, err := s.PutFile(t.Context(), "video/00/g.mp4", path+"x", Meta{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
		if _, err := s.PutFile(t.Context(), "video/00/g.mp4", t.TempDir(), Meta{}); err == nil {
			t.Error("a folder was put")
		}
	})
}

// TestTogether has writers race for one key. Readers see the whole of one of
// them.
func TestTogether(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		data := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100_000+i) }
		put(t, s, "file/00/x.txt", data(0))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 3 {
					if _, err := s.Put(t.Context(), "file/00/x.txt", bytes.NewReader(data(i)), Meta{}); err != nil {
						t.Error(err)
					}
					r, _, err := s.Open(t.Context(), "file/00/x.txt")
					if err != nil {
						t.Error(err)
						continue
					}
					got, err := io.ReadAll(r)
					r.Close()
					// A bucket may notice that the key was overwritten meanwhile.
					if err == nil && (len(got) == 0 || !bytes.Equal(got, data(int(got[0])))) {
						t.Errorf("%d bytes of a mixture", len(got))
					}
				}
			})
		}
		wg.Wait()
		if got := keys(t, s, ""); !slices.Equal(got, []string{"file/00/x.txt"}) {
			t.Errorf("the store holds %q", got)
		}
	})
}

func TestBadKeysEverywhere(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		for _, key := range []string{"", "../x", "/etc/passwd", "a/../../x", "a\x00b", ".tmp/x"} {
			_, errPut := s.Put(t.Context(), key, strings.NewReader("x"), Meta{})
			_, errFile := s.PutFile(t.Context(), key, os.Args[0], Meta{})
			_, _, errOpen := s.Open(t.Context(), key)
			_, errStat := s.Stat(t.Context(), key)
			for _, err := range []error{errPut, errFile, errOpen, errStat, s.Delete(t.Context(), key)} {
				if !errors.Is(err, ErrKey) {
					t.Errorf("key %q: %v", key, err)
				}
			}
		}
	})
}

func TestOpenPlaces(t *testing.T) {
	_, where := newS3(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ where, want string }{
		{"", "no location given"},
		{"gs://bucket", "not a kind of store"},
		{"file:///tmp/x", "not a kind of store"},
		{file, "not a directory"},
		{"s3://", "bucket"},
		{"s3://media?colour=red", "colour"},
		{strings.Replace(where, "s3://media", "s3://other", 1), "the bucket does not exist"},
	} {
		s, err := Open(t.Context(), tt.where)
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", tt.where)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.where, err, tt.want)
		}
	}
}
