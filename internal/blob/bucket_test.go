package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBucketFull(t *testing.T) {
	f, where := newS3(t)
	s := open(t, where)
	f.full = true
	for _, n := range []int{10, 2*partBytes + 1} {
		if _, err := s.Put(t.Context(), "video/00/x.mp4", bytes.NewReader(noise(n)), Meta{}); !errors.Is(err, ErrNoSpace) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if len(f.objects) != 0 || len(f.uploads) != 0 {
		t.Errorf("%d objects and %d uploads are left", len(f.objects), len(f.uploads))
	}
	if err := s.Room(1 << 60); err != nil {
		t.Errorf("Room of a bucket, whose free space is unknown: %v", err)
	}
	if _, err := s.FreeSpace(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a bucket's free space: %v", err)
	}
}

// TestBucketUploadEnds: an upload that fails leaves no parts to pay for.
func TestBucketUploadEnds(t *testing.T) {
	f, where := newS3(t)
	s := open(t, where)
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(bytes.NewReader(noise(3*partBytes)), readerFunc(func([]byte) (int, error) { cancel(); return 1, nil }))
	if _, err := s.Put(ctx, "video/00/x.mp4", r, Meta{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.objects) != 0 || len(f.uploads) != 0 {
		t.Errorf("%d objects and %d uploads are left", len(f.objects), len(f.uploads))
	}
}

func TestBucketPrefix(t *testing.T) {
	f, where := newS3(t)
	put(t, open(t, where), "video/00/x.mp4", []byte("x"))
	if _, ok := f.objects["kinora/video/00/x.mp4"]; !ok || len(f.objects) != 1 {
		t.Errorf("the bucket holds %v", f.objects)
	}
}

// TestWindows: the requests to a bucket for reading on and for jumping about.
func TestWindows(t *testing.T) {
	f, where := newS3(t)
	s := open(t, where)
	data := noise(7 << 20)
	put(t, s, "video/00/x.mp4", data)
	r, _, err := s.Open(t.Context(), "video/00/x.mp4")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.gets) != 0 {
		t.Errorf("opening asked for %q", f.gets)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if want := []string{"bytes=0-1048575", "bytes=1048576-5242879", "bytes=5242880-7340031"}; !slices.Equal(f.gets, want) {
		t.Errorf("reading it all asked for %q, want %q", f.gets, want)
	}
	f.gets = nil
	for _, off := range []int64{5 << 20, 100, 200} {
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 50)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"bytes=5242880-6291455", "bytes=100-1048675", "bytes=200-1048775"}; !slices.Equal(f.gets, want) {
		t.Errorf("jumping asked for %q, want %q", f.gets, want)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a closed reader reads")
	}
}

// TestChangedWhileRead: a reader never mixes two versions of a blob.
func TestChangedWhileRead(t *testing.T) {
	f, where := newS3(t)
	s := open(t, where)
	put(t, s, "video/00/x.mp4", noise(2<<20))
	r, _, err := s.Open(t.Context(), "video/00/x.mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, firstWindow)); err != nil {
		t.Fatal(err)
	}
	f.clock = func() time.Time { return time.Now().Add(time.Hour) }
	put(t, s, "video/00/x.mp4", noise(2<<20))
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "written again") {
		t.Errorf("reading on: %v", err)
	}
}

// TestWindowEndsEarly: if the store breaks off, reading fails; it does not return
// a shorter blob.
func TestWindowEndsEarly(t *testing.T) {
	r := &windowReader{ctx: t.Context(), size: 100, window: firstWindow, fetch: func(context.Context, int64, int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("only this")), nil
	}}
	if got, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "only this" {
		t.Errorf("%q, %v", got, err)
	}
}
