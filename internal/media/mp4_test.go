package media

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMP4RoundTrip(t *testing.T) {
	needFFmpeg(t)
	const w, h, frames = 96, 64, 15
	dir := t.TempDir()
	path := filepath.Join(dir, "-odd: 'name', 50%.mp4")
	meta := Meta{Prompt: "a red \"ball\";\n 一只猫; قطة", Model: "reel", Seed: math.MaxUint64}
	e, err := Create(t.Context(), path, Options{W: w, H: h, FPS: 24, Meta: meta})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, w, h, frames)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	onlyFiles(t, dir, filepath.Base(path))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if moov, mdat := bytes.Index(data, []byte("moov")), bytes.Index(data, []byte("mdat")); moov < 0 || moov > mdat {
		t.Errorf("not ready to stream: moov at %d, mdat at %d", moov, mdat)
	}

	r, err := OpenVideo(t.Context(), path, VideoOptions{W: w, H: h})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	i := r.Info
	if i.W != w || i.H != h || i.FPS != 24 || i.Codec != "h264" || i.PixFmt != "yuv420p" || i.Duration != 625*time.Millisecond {
		t.Errorf("the video is %+v", i)
	}
	if got := i.Tags["title"]; got != "a red \"ball\";  一只猫; قطة" {
		t.Errorf("title %q", got)
	}
	for _, want := range []string{"AI-generated", "reel", "Seed: 18446744073709551615", "trainedAlgorithmicMedia"} {
		if !strings.Contains(i.Tags["comment"], want) {
			t.Errorf("comment %q lacks %q", i.Tags["comment"], want)
		}
	}
	got := readAll(t, r, w, h)
	if len(got) != frames {
		t.Fatalf("%d frames came back of %d", len(got), frames)
	}
	for i, f := range got {
		if d := psnr(scene(w, h, i), f); d < sameFrame {
			t.Errorf("frame %d came back at %.1f dB", i, d)
		}
	}
}

func TestMP4Stream(t *testing.T) {
	needFFmpeg(t)
	const w, h, frames = 64, 48, 60
	var b bytes.Buffer
	e, err := Stream(t.Context(), &b, MP4, Options{W: w, H: h, FPS: 24, Meta: Meta{Prompt: "p", Model: "reel"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, w, h, frames)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("moof")); n < 2 {
		t.Errorf("%d fragments in two and a half seconds", n)
	}
	path := filepath.Join(t.TempDir(), "s.mp4")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := OpenVideo(t.Context(), path, VideoOptions{W: w, H: h})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := len(readAll(t, r, w, h)); n != frames {
		t.Errorf("%d frames came back of %d", n, frames)
	}
}

// failingWriter takes some bytes and then fails, as a closed pipe does.
type failingWriter struct{ left int }

var errGone = errors.New("the reader is gone")

func (f *failingWriter) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errGone
	}
	return len(b), nil
}

func TestMP4StreamToNobody(t *testing.T) {
	needFFmpeg(t)
	e, err := Stream(t.Context(), &failingWriter{1000}, MP4, Options{W: 64, H: 48, FPS: 24})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err = e.WriteFrame(scene(64, 48, i).Pix); err != nil {
			break
		}
	}
	if err == nil {
		err = e.Close()
	}
	if err == nil {
		t.Error("a stream that nobody took succeeded")
	}
}

func TestMP4WithoutFFmpeg(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("KINORA_FFMPEG", "")
	_, err := Create(t.Context(), filepath.Join(dir, "a.mp4"), Options{W: 16, H: 16, FPS: 24})
	if !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), "apt-get install ffmpeg") {
		t.Errorf("without ffmpeg: %v", err)
	}
	onlyFiles(t, dir)
	t.Setenv("KINORA_FFMPEG", filepath.Join(dir, "nothing"))
	if _, err := FFmpeg(); !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), "KINORA_FFMPEG") {
		t.Errorf("with a wrong KINORA_FFMPEG: %v", err)
	}
}

// TestMP4Broken runs ffmpegs that fail in their own ways.
func TestMP4Broken(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"at once", "echo Unknown encoder libx264 >&2; exit 3", "Unknown encoder libx264"},
		{"in the middle", "head -c 5000 >/dev/null; echo no space left >&2; exit 1", "no space left"},
		{"at the end", "cat >/dev/null; echo cannot finish >&2; exit 1", "cannot finish"},
		{"says it is fine", "head -c 5000 >/dev/null; exit 0", "pipe"},
		{"hangs", "exec sleep 1000", "hung"},
		{"hangs in a child", "sleep 1000", "hung"},
		{"hangs at the end", "cat >/dev/null; exec sleep 1000", "hung"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fakeFFmpeg(t, c.script)
			dir := t.TempDir()
			stall := time.Minute // a busy machine must not look like a hang
			if c.want == "hung" {
				stall = 50 * time.Millisecond
			}
			e, err := Create(t.Context(), filepath.Join(dir, "a.mp4"), Options{W: 64, H: 64, FPS: 24, Stall: stall})
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < 100 && err == nil; i++ {
				err = e.WriteFrame(scene(64, 64, i).Pix)
			}
			if err == nil {
				err = e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if again := e.Close(); again == nil {
				t.Error("Close succeeded after a failure")
			}
			onlyFiles(t, dir)
		})
	}
}

// TestMP4CancelWhileBlocked ends the context while a frame waits for an ffmpeg
// that takes nothing; without any further call the file must go.
func TestMP4CancelWhileBlocked(t *testing.T) {
	fakeFFmpeg(t, "exec sleep 1000")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	e, err := Create(ctx, filepath.Join(dir, "a.mp4"), Options{W: 512, H: 512, FPS: 24})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	if err := e.WriteFrame(NewFrame(512, 512).Pix); !errors.Is(err, context.Canceled) {
		t.Errorf("WriteFrame: %v", err)
	}
	onlyFiles(t, dir)
}

// endedContext has ended, which nobody who hangs on it has heard of yet.
type endedContext struct {
	context.Context
	err error
}

func (c *endedContext) Err() error { return c.err }

// TestAbortAfterTheEnd: a video that is dropped because its context has ended
// says so, whoever hears of the end first.
func TestAbortAfterTheEnd(t *testing.T) {
	fakeFFmpeg(t, "exec sleep 1000")
	for _, name := range []string{"a.mp4", "a.webp"} {
		dir := t.TempDir()
		ctx := &endedContext{Context: t.Context()}
		e, err := Create(ctx, filepath.Join(dir, name), Options{W: 64, H: 64, FPS: 24})
		if err != nil {
			t.Fatal(err)
		}
		ctx.err = context.Canceled
		e.Abort()
		if err := e.WriteFrame(scene(64, 64, 0).Pix); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: WriteFrame: %v", name, err)
		}
		onlyFiles(t, dir)
	}
}

func TestCancelAloneRemovesTheFile(t *testing.T) {
	needFFmpeg(t)
	for _, name := range []string{"a.mp4", "a.webp"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		e, err := Create(ctx, filepath.Join(dir, name), Options{W: 64, H: 64, FPS: 24})
		if err != nil {
			t.Fatal(err)
		}
		write(t, e, 64, 64, 5)
		cancel()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if list, _ := os.ReadDir(dir); len(list) == 0 {
				break
			}
		}
		onlyFiles(t, dir)
	}
}
