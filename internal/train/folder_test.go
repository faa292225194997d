package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/media"
)

// testVideo makes a video of as many seconds of the test picture, and gives its
// bytes.
func testVideo(t *testing.T, ext, size string, seconds float64, more ...string) []byte {
	t.Helper()
	tool, err := media.FFmpeg()
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	path := filepath.Join(t.TempDir(), "made"+ext)
	args := []string{"-loglevel", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc=duration=%g:size=%s:rate=24", seconds, size)}
	args = append(args, more...)
	if !slices.Contains(more, "-pix_fmt") {
		args = append(args, "-pix_fmt", "yuv420p")
	}
	if out, err := exec.Command(tool, append(args, path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes a file of a folder, and the folders that it is in.
func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// putVideo writes a video and its captions.
func putVideo(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	put(t, dir, name, data)
	put(t, dir, strings.TrimSuffix(name, filepath.Ext(name))+".txt", []byte("a test card\n\nbars and a clock\n"))
}

// used returns the names of the videos that a folder gives.
func used(f *Folder) (out []string) {
	for _, v := range f.videos {
		out = append(out, filepath.ToSlash(v.name))
	}
	return out
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenFolder(t.Context(), dir, 1, 1); err == nil || !strings.Contains(err.Error(), "holds no videos") {
		t.Errorf("an empty folder: error %v", err)
	}
	putVideo(t, dir, "a.mp4", testVideo(t, ".mp4", "96x64", 2))
	if _, err := OpenFolder(t.Context(), dir, 10, 1); err == nil || !strings.Contains(err.Error(), "a.mp4: it is 2.00 s long, shorter than the 10.00 s") {
		t.Errorf("a folder of which nothing can be used: error %v", err)
	}
	f, err := OpenFolder(t.Context(), dir, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Window(t.Context(), 7, 17, 64, 32, 24)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Window(t.Context(), 7, 17, 64, 32, 24)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Frames, b.Frames) || a.Start != b.Start {
		t.Error("the same id gave two windows")
	}
	if a.Caption(0) != "a test card" || a.Caption(1) != "bars and a clock" {
		t.Errorf("captions %q, %q", a.Caption(0), a.Caption(1))
	}
}

// TestListing: every name is taken literally, whatever it contains, and every
// file that looks like a video is either used or listed as left out.
func TestListing(t *testing.T) {
	dir := t.TempDir()
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	take := []string{
		"-dash.mp4", "100%d.mp4", "UP.MP4", "a  b.MoV", "c.m4v", "d.webm", "e.mkv", "in/deep/er.mp4", "in.mp4/f.mp4", "link.mp4",
		"my [cats] set.mp4", "twins.mov", "twins.mp4", "видео.mp4", "🐶.mp4", decomposed + ".mp4",
	}
	for _, name := range take {
		if name != "link.mp4" {
			putVideo(t, dir, name, []byte("x"))
		}
	}
	if err := os.Rename(filepath.Join(dir, decomposed+".txt"), filepath.Join(dir, composed+".txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "c.txt"), filepath.Join(dir, "c.TXT")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"._a.mp4", ".hidden.mov", ".trash/x.mp4", "old.AVI", "tape.mts", "empty.mp4", "notes.md", "picture.png", "link.txt", "._UP.txt"} {
		put(t, dir, name, slices.Repeat([]byte("x"), min(1, len(strings.TrimPrefix(name, "empty.mp4")))))
	}
	for from, to := range map[string]string{"link.mp4": "UP.MP4", "dangling.mp4": "nowhere", "folder": "in", "loop.mp4": "loop.mp4"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Skip("no symbolic links here")
		}
	}
	l, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range l.videos {
		got = append(got, filepath.ToSlash(v.name))
		if v.captions == "" {
			t.Errorf("%s: its captions were not found", v.name)
		}
	}
	slices.Sort(got)
	slices.Sort(take)
	if !slices.Equal(got, take) {
		t.Errorf("taken are\n%q, want\n%q", got, take)
	}
	left := map[string]string{
		"._a.mp4": "hidden file", ".hidden.mov": "hidden file", ".trash": "hidden folder", "old.AVI": "not read", "tape.mts": "not read",
		"empty.mp4": "empty", "dangling.mp4": "link to a file that does not exist", "folder": "link to a folder", "loop.mp4": "cannot be examined",
	}
	for _, v := range l.left {
		if why, ok := left[v.Name]; !ok || !strings.Contains(v.Why, why) {
			t.Errorf("left out: %v, want %q", v, why)
		}
		delete(left, v.Name)
	}
	if len(left) > 0 {
		t.Errorf("left out and not named: %v", left)
	}
}

func TestShownNames(t *testing.T) {
	for name, want := range map[string]string{
		"видео 1.mp4": "видео 1.mp4", "a\nb.mp4": `"a\nb.mp4"`, "\x1b[31m.mp4": `"\x1b[31m.mp4"`, "\xff.mp4": `"\xff.mp4"`,
	} {
		if got := shown(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}

// TestFoldersNameIsNoPattern: a folder's name is no glob pattern.
func TestFoldersNameIsNoPattern(t *testing.T) {
	dir := t.TempDir()
	good := testVideo(t, ".mp4", "96x64", 1)
	for _, name := range []string{"set?", "set1", "my [cats] set"} {
		putVideo(t, dir, name+"/"+strings.Trim(name, "?")+".mp4", good)
	}
	for name, want := range map[string]string{"set?": "set.mp4", "my [cats] set": "my [cats] set.mp4"} {
		f, err := OpenFolder(t.Context(), filepath.Join(dir, name), 1, 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := used(f); !slices.Equal(got, []string{want}) {
			t.Errorf("%s gives %q, want %q", name, got, want)
		}
	}
}

// TestMixedFolder is a folder as users have them: each video is used, or listed
// with its reason.
func TestMixedFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts ffmpeg some fifty times")
	}
	t.Parallel()
	dir := t.TempDir()
	good := testVideo(t, ".mp4", "96x64", 3)
	for _, name := range []string{"UP.MP4", "100% [sure]?.mp4", "in/-dash.mov"} {
		putVideo(t, dir, name, good)
	}
	putVideo(t, dir, "turned.mp4", testVideo(t, ".mp4", "64x96", 2, "-metadata:s:v", "rotate=90"))
	putVideo(t, dir, "slow.mp4", testVideo(t, ".mp4", "96x64", 8, "-vf", "fps=1"))
	putVideo(t, dir, "screen.mkv", testVideo(t, ".mkv", "96x64", 2, "-vf", "select=not(mod(n\\,7))", "-fps_mode", "vfr"))
	putVideo(t, dir, "hdr.mp4", testVideo(t, ".mp4", "96x64", 2, "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084"))
	// What a browser records says neither how long it is nor where things are.
	putVideo(t, dir, "recorded.webm", testVideo(t, ".webm", "96x64", 2, "-c:v", "libvpx", "-live", "1"))
	usable := []string{"100% [sure]?.mp4", "UP.MP4", "hdr.mp4", "in/-dash.mov", "recorded.webm", "screen.mkv", "slow.mp4", "turned.mp4"}

	cut, err := os.ReadFile(filepath.Join("testdata", "cut-download.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	putVideo(t, dir, "cut.mp4", cut)
	// It has a part of its last second.
	torn := testVideo(t, ".mp4", "96x64", 2, "-g", "6", "-movflags", "+faststart")
	putVideo(t, dir, "torn.mp4", torn[:len(torn)*3/4])
	putVideo(t, dir, "headless.mp4", good[:len(good)/2])
	putVideo(t, dir, "no video.mp4", []byte("no video"))
	putVideo(t, dir, "short.mp4", testVideo(t, ".mp4", "96x64", 0.5))
	putVideo(t, dir, "small.mp4", testVideo(t, ".mp4", "16x16", 1))
	putVideo(t, dir, "song.mp4", testVideo(t, ".mp4", "96x64", 0.1, "-f", "lavfi", "-i", "sine=duration=4", "-map", "1:a", "-map", "0:v", "-frames:v", "1",
		"-c:v", "png", "-pix_fmt", "rgb24", "-disposition:v", "attached_pic"))
	put(t, dir, "nocaptions.mp4", good)
	put(t, dir, "zero.mp4", nil)
	put(t, dir, "._UP.MP4", []byte("Mac OS X"))
	put(t, dir, "old.avi", good)
	putVideo(t, dir, "silent.mp4", good)
	put(t, dir, "silent.txt", []byte(" \n\n"))
	left := map[string]string{
		"cut.mp4": "cut off", "torn.mp4": "cut off", "headless.mp4": "moov", "no video.mp4": "Invalid data", "short.mp4": "0.50 s long", "small.mp4": "16×16", "song.mp4": "",
		"nocaptions.mp4": "nocaptions.txt", "zero.mp4": "empty", "._UP.MP4": "hidden", "old.avi": "convert", "silent.mp4": "silent.txt holds no caption",
	}
	f, err := OpenFolder(t.Context(), dir, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := used(f); !slices.Equal(got, usable) {
		t.Errorf("used are\n%q, want\n%q", got, usable)
	}
	for _, l := range f.LeftOut() {
		if why, ok := left[l.Name]; !ok || !strings.Contains(l.Why, why) {
			t.Errorf("left out: %v, want %q", l, why)
		}
		delete(left, l.Name)
	}
	if len(left) > 0 {
		t.Errorf("left out and not named: %v", left)
	}
	for _, v := range f.videos {
		if want := map[string]float64{"in/-dash.mov": 3, "UP.MP4": 3, "100% [sure]?.mp4": 3, "slow.mp4": 8}[filepath.ToSlash(v.name)]; want != 0 && v.seconds != want {
			t.Errorf("%s has %g s, want %g", v.name, v.seconds, want)
		}
	}
}

// TestVideoFailsLater: a video that was fine at the start and then fails is
// reported once, and another one takes its place.
func TestVideoFailsLater(t *testing.T) {
	dir := t.TempDir()
	good := testVideo(t, ".mp4", "96x64", 2)
	for _, name := range []string{"a.mp4", "b.mp4"} {
		putVideo(t, dir, name, good)
	}
	f, err := OpenFolder(t.Context(), dir, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "b.mp4", good[:len(good)/2])
	var failed []string
	f.Failed = func(l LeftOut) { failed = append(failed, l.Name) }
	var first []Window
	for range 2 {
		for id := range uint64(3) {
			w, err := f.Window(t.Context(), id, 9, 32, 32, 24)
			if err != nil {
				t.Fatalf("window %d: %v", id, err)
			}
			if first = append(first, w); len(first) > 3 && !bytes.Equal(w.Frames, first[id].Frames) {
				t.Errorf("window %d is another one the second time", id)
			}
		}
	}
	if !slices.Equal(failed, []string{"b.mp4"}) {
		t.Errorf("named are %q, want b.mp4 once", failed)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Window(stopped, 1, 9, 32, 32, 24); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was stopped: error %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "a.mp4")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Window(t.Context(), 0, 9, 32, 32, 24); err == nil || !strings.Contains(err.Error(), "none of the 2 videos") {
		t.Errorf("when all are gone: error %v", err)
	}
}

// TestFrozenEndIsNoWindow: a video that ends long before its window does is not
// padded with its last picture.
func TestFrozenEndIsNoWindow(t *testing.T) {
	dir := t.TempDir()
	putVideo(t, dir, "a.mp4", testVideo(t, ".mp4", "96x64", 1))
	f, err := OpenFolder(t.Context(), dir, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Window(t.Context(), 0, 49, 32, 32, 24); err == nil || !strings.Contains(err.Error(), "end there") {
		t.Errorf("a window twice as long as the video: error %v", err)
	}
}
