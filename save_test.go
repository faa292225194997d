package kinora

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/media"
)

// fakeEncoder counts frames and fails where it is told to.
type fakeEncoder struct {
	frames          int
	failAt          int // 1 for the first frame
	closeErr        error
	closed, aborted bool
}

func (e *fakeEncoder) WriteFrame([]byte) error {
	if e.frames++; e.frames == e.failAt {
		return errors.New("no space left on device")
	}
	return nil
}

func (e *fakeEncoder) Close() error { e.closed = true; return e.closeErr }
func (e *fakeEncoder) Abort()       { e.aborted = true }

func TestSaveFailures(t *testing.T) {
	full := errors.New("no space left on device")
	for _, tt := range []struct {
		name    string
		enc     fakeEncoder
		openErr error
		engine  error
		kind    Kind
	}{
		{name: "opening", openErr: full, kind: Storage},
		{name: "a frame", enc: fakeEncoder{failAt: 3}, kind: Storage},
		{name: "closing", enc: fakeEncoder{closeErr: full}, kind: Storage},
		{name: "the model", engine: full, kind: Internal},
	} {
		m, e := fakeModel(t)
		c := generate(t, m, Request{Prompt: "x", Seconds: 1})
		e.decodeErr = tt.engine
		kept := c.LatentsPath()
		err := c.encode(t.Context(), "out.mp4", MP4, func(media.Options) (encoder, error) { return &tt.enc, tt.openErr })
		if KindOf(err) != tt.kind || err == nil {
			t.Errorf("%s: %v of kind %v, want %v", tt.name, err, KindOf(err), tt.kind)
			continue
		}
		for _, want := range []string{"out.mp4", "no space left", kept, "kinora decode"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", tt.name, err, want)
			}
		}
		if n := strings.Count(err.Error(), "kinora decode"); n != 1 {
			t.Errorf("%s: the way out is told %d times in %q", tt.name, n, err)
		}
		if tt.openErr == nil && !tt.enc.aborted {
			t.Errorf("%s: the encoder was not told to drop the file", tt.name)
		}
		if _, err := m.Load(t.Context(), kept, Request{}); err != nil {
			t.Errorf("%s: the latents are no use: %v", tt.name, err)
		}
	}
}

func TestSaveDropsLatents(t *testing.T) {
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 1, Seed: math.MaxUint64})
	kept := c.LatentsPath()
	var got media.Options
	enc := &fakeEncoder{}
	err := c.encode(t.Context(), "out.mp4", MP4, func(o media.Options) (encoder, error) { got = o; return enc, nil })
	if err != nil {
		t.Fatal(err)
	}
	if !enc.closed || enc.aborted || enc.frames != 24 {
		t.Errorf("%+v", enc)
	}
	if got.W != 32 || got.H != 24 || got.FPS != 24 || got.Meta.Prompt != "x" || got.Meta.Model != "fake" || got.Meta.Seed != math.MaxUint64 {
		t.Errorf("the encoder was asked for %+v", got)
	}
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the latents are still there")
	}
	// A clip can be saved again, from memory.
	if err := c.encode(t.Context(), "again.mp4", MP4, func(media.Options) (encoder, error) { return &fakeEncoder{}, nil }); err != nil {
		t.Error(err)
	}
}

func TestSaveCancelled(t *testing.T) {
	m, _ := fakeModel(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := generate(t, m, Request{Prompt: "x", Seconds: 2, Progress: func(p Progress) {
		if p.Phase == Drawing && p.Done == 5 {
			cancel()
		}
	}})
	enc := &fakeEncoder{}
	err := c.encode(ctx, "out.mp4", MP4, func(media.Options) (encoder, error) { return enc, nil })
	if !errors.Is(err, context.Canceled) || !enc.aborted || enc.closed || enc.frames > 6 {
		t.Errorf("%v, %+v", err, enc)
	}
	if _, err := os.Stat(c.LatentsPath()); err != nil {
		t.Errorf("the latents are gone: %v", err)
	}
}

func TestLatentsNotKept(t *testing.T) {
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 1})
	if err := c.Discard(); err != nil {
		t.Fatal(err)
	}
	c.keepErr = errors.New("read-only")
	err := c.encode(t.Context(), "out.mp4", MP4, func(media.Options) (encoder, error) { return &fakeEncoder{failAt: 1}, nil })
	if err == nil || !strings.Contains(err.Error(), "could not be kept") {
		t.Errorf("%v", err)
	}
}

func TestSaveWebP(t *testing.T) {
	dir := t.TempDir()
	m, err := Open(t.Context(), "testcard", WithLatentsDir(filepath.Join(dir, "latents")))
	if err != nil {
		t.Fatal(err)
	}
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.25, Width: 64, Height: 40})
	path := filepath.Join(dir, "x.webp")
	if err := c.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(data, []byte("RIFF")) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	var stream bytes.Buffer
	if err := c.Write(t.Context(), &stream, WebP); err != nil || !bytes.Equal(stream.Bytes(), data) {
		t.Errorf("the stream has %d bytes, the file %d, %v", stream.Len(), len(data), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestSaveMP4(t *testing.T) {
	if err := CanWrite(MP4); err != nil {
		if KindOf(err) != Unsupported || !strings.Contains(err.Error(), "install") {
			t.Errorf("without ffmpeg: %v", err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	m, err := Open(t.Context(), "testcard", WithLatentsDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.5})
	var stream bytes.Buffer
	if err := c.Write(t.Context(), &stream, MP4); err != nil || !bytes.Contains(stream.Bytes()[:64], []byte("ftyp")) {
		t.Errorf("a stream of %d bytes, %v", stream.Len(), err)
	}
}

func TestNoFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KINORA_FFMPEG", "")
	m, _ := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.5})
	err := c.Save(t.Context(), filepath.Join(t.TempDir(), "x.mp4"))
	if KindOf(err) != Unsupported || !strings.Contains(err.Error(), "install") || !strings.Contains(err.Error(), c.LatentsPath()) {
		t.Errorf("%v", err)
	}
}

// working is the part of a stand-in for ffmpeg that answers what is asked before
// a video: libx264 is there, and works.
const working = `case "$*" in
*-encoders*) echo " V....D libx264 H.264"; exit ;;
*"-frames:v 3 "*) cat >/dev/null; exit ;;
esac
`

// TestSaveHangs: an ffmpeg that takes nothing ends neither a Save that is
// cancelled nor one that waits, and costs no latents.
func TestSaveHangs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "ffmpeg")
	for _, script := range []string{"exec sleep 1000", "sleep 1000", "cat >/dev/null; exec sleep 1000"} {
		if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+working+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KINORA_FFMPEG", tool)
		m, _ := fakeModel(t)
		out := t.TempDir()
		path := filepath.Join(out, "x.mp4")

		c := generate(t, m, Request{Prompt: "x", Seconds: 2, Width: 640, Height: 480})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		err := c.Save(ctx, path)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", script, err)
		}

		err = c.encode(t.Context(), path, MP4, func(o media.Options) (encoder, error) {
			o.Stall = 50 * time.Millisecond
			return media.Create(t.Context(), path, o)
		})
		if KindOf(err) != Storage || err == nil || !strings.Contains(err.Error(), "hung") || !strings.Contains(err.Error(), c.LatentsPath()) {
			t.Errorf("%s: %v", script, err)
		}
		if _, err := m.Load(t.Context(), c.LatentsPath(), Request{}); err != nil {
			t.Errorf("%s: the latents are no use: %v", script, err)
		}
		if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", script, left, err)
		}
	}
}

func TestFormats(t *testing.T) {
	for path, want := range map[string]Format{"a.mp4": MP4, "A.MP4": MP4, "x/a.webp": WebP} {
		if got, err := FormatOf(path); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	for _, path := range []string{"", "a", "a.avi", "mp4"} {
		if _, err := FormatOf(path); KindOf(err) != Invalid || err == nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := CanWrite("avi"); KindOf(err) != Invalid || err == nil {
		t.Errorf("avi: %v", err)
	}
}
