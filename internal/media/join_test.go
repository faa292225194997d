package media

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// shot is a video for the tests: frames of the scene from number from on.
type shot struct {
	name         string
	w, h, frames int
	from         int
	fps          float64
	meta         Meta
}

// take writes the video into a folder.
func (s shot) take(t *testing.T, dir string) string {
	t.Helper()
	if f, _ := FormatOf(s.name); f == MP4 {
		needFFmpeg(t)
	}
	path := filepath.Join(dir, s.name)
	e, err := Create(t.Context(), path, Options{W: s.w, H: s.h, FPS: s.fps, Meta: s.meta})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.frames {
		if err := e.WriteFrame(scene(s.w, s.h, s.from+i).Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// seen is every frame of a video, and what is told of it.
func seen(t *testing.T, path string) ([]Frame, part) {
	t.Helper()
	p, err := openPart(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeParts([]part{p})
	var all []Frame
	err = p.draw(t.Context(), Options{W: p.info.W, H: p.info.H, FPS: p.info.FPS}, func(rgb []byte) error {
		all = append(all, Frame{W: p.info.W, H: p.info.H, Pix: bytes.Clone(rgb)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, p
}

// TestJoinCopies: videos that are alike come back frame by frame as they were,
// and so does what is told of the first.
func TestJoinCopies(t *testing.T) {
	made := Meta{Prompt: "a <red> \"ball\"; 一只猫 & قطة", Model: "reel", Seed: 1<<64 - 1}
	for _, ext := range []string{".mp4", ".webp"} {
		t.Run(ext, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			videos := []string{
				shot{"-odd: 'name'\n, 50%" + ext, 96, 64, 7, 0, 24, made}.take(t, dir),
				shot{"b" + ext, 96, 64, 1, 20, 24, Meta{Prompt: "another", Model: "reel"}}.take(t, dir),
				shot{"c" + ext, 96, 64, 61, 3, 24, Meta{}}.take(t, dir),
			}
			t.Chdir(dir)
			videos[1] = "b" + ext
			var want []Frame
			for _, f := range videos {
				frames, _ := seen(t, f)
				want = append(want, frames...)
			}
			t.Setenv("TMPDIR", t.TempDir())
			path := filepath.Join(out, "all"+ext)
			if err := Join(t.Context(), path, videos, JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			got, p := seen(t, path)
			if !slices.EqualFunc(got, want, func(a, b Frame) bool { return bytes.Equal(a.Pix, b.Pix) }) {
				t.Errorf("%d frames came back of %d, or others", len(got), len(want))
			}
			if i := p.info; i.W != 96 || i.H != 64 || i.FPS != 24 || i.Frames != 69 || i.Duration != 2875*time.Millisecond {
				t.Errorf("%+v", i)
			}
			if p.meta() != made {
				t.Errorf("it is said to be made by %+v, want %+v", p.meta(), made)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(data, []byte("trainedAlgorithmicMedia")) {
				t.Error("the mark of a model's work is lost")
			}
			if moov, mdat := bytes.Index(data, []byte("moov")), bytes.Index(data, []byte("mdat")); ext == ".mp4" && (moov < 0 || moov > mdat) {
				t.Errorf("not ready to stream: moov at %d, mdat at %d", moov, mdat)
			}
			onlyFiles(t, out, "all"+ext)
			onlyFiles(t, os.TempDir())

			// Joined again, over one of its own parts.
			if err := Join(t.Context(), path, []string{path, videos[1]}, JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			if got, _ := seen(t, path); len(got) != 70 || !bytes.Equal(got[69].Pix, want[7].Pix) {
				t.Errorf("joined again it has %d frames", len(got))
			}
		})
	}
}

// TestJoinRedraws: videos that differ become one in the size and at the rate of
// the first.
func TestJoinRedraws(t *testing.T) {
	marked := Meta{Prompt: "second", Model: "reel", Seed: 3}
	for _, c := range []struct {
		to       string
		parts    []shot
		frames   []int // which of the scene, -1 for any
		needTool bool
	}{
		{"sizes.mp4", []shot{{"a.mp4", 96, 64, 4, 0, 24, Meta{}}, {"b.mp4", 192, 128, 3, 0, 24, marked}}, []int{0, 1, 2, 3, -1, -1, -1}, true},
		{"rates.mp4", []shot{{"a.mp4", 96, 64, 6, 0, 24, Meta{}}, {"b.mp4", 96, 64, 6, 0, 12, marked}}, []int{0, 1, 2, 3, 4, 5, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, true},
		{"rates.webp", []shot{{"a.webp", 96, 64, 6, 0, 24, Meta{}}, {"b.mp4", 96, 64, 6, 0, 48, marked}}, []int{0, 1, 2, 3, 4, 5, -1, -1, -1}, true},
		{"webp.mp4", []shot{{"a.webp", 96, 64, 7, 0, 24, Meta{}}, {"b.webp", 96, 64, 13, 5, 24, marked}}, []int{0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, true},
		{"sizes.webp", []shot{{"a.webp", 96, 64, 2, 0, 24, Meta{}}, {"b.webp", 48, 32, 2, 0, 12, marked}}, []int{0, 1, -1, -1, -1, -1}, false},
	} {
		t.Run(c.to, func(t *testing.T) {
			if c.needTool {
				needFFmpeg(t)
			}
			dir, out := t.TempDir(), t.TempDir()
			var videos []string
			for _, s := range c.parts {
				videos = append(videos, s.take(t, dir))
			}
			path := filepath.Join(out, c.to)
			if err := Join(t.Context(), path, videos, JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			got, p := seen(t, path)
			if len(got) != len(c.frames) || p.info.W != 96 || p.info.H != 64 || p.info.FPS != 24 {
				t.Fatalf("%d frames, want %d: %+v", len(got), len(c.frames), p.info)
			}
			for i, n := range c.frames {
				if n >= 0 && psnr(got[i], scene(96, 64, n)) < sameFrame {
					t.Errorf("frame %d is not number %d of the scene: %.1f dB", i, n, psnr(got[i], scene(96, 64, n)))
				}
			}
			if p.meta() != marked {
				t.Errorf("it is said to be made by %+v", p.meta())
			}
			onlyFiles(t, out, c.to)
		})
	}
}

// TestJoinRefuses: nothing is left, and a bad video is named.
func TestJoinRefuses(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	good := shot{"a.webp", 32, 16, 2, 0, 24, Meta{}}.take(t, dir)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(data, []byte("ANMF"))
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	change := func(at int, b ...byte) []byte {
		out := slices.Clone(data)
		copy(out[at:], b)
		return out
	}
	cut := put("cut.webp", data[:len(data)-5])
	broken := put("broken.webp", change(frame+8+16+12, 0xff, 0xff, 0xff, 0xff, 0xff))
	slow := put("slow.webp", change(frame+8+12, 0xff, 0xff, 0xff))
	small := shot{"small.webp", 16, 16, 2, 0, 24, Meta{}}.take(t, dir)
	for _, c := range []struct {
		to     string
		videos []string
		bad    string // the video that is named
		want   string
	}{
		{"x.avi", []string{good}, "", "format"},
		{"x.webp", nil, "", "0 videos"},
		{"x.webp", slices.Repeat([]string{good}, MaxJoinParts+1), "", "101 videos"},
		{"x.webp", []string{good, filepath.Join(dir, "none")}, filepath.Join(dir, "none"), "none"},
		{"x.webp", []string{good, dir}, dir, "regular"},
		{"x.webp", []string{good, cut}, cut, "cut off"},
		{"x.webp", []string{small, broken}, broken, ""},
		{"x.webp", []string{slow}, "", "longer than 4h"},
		{"missing/x.webp", []string{good}, "", "starting the video"},
	} {
		err := Join(t.Context(), filepath.Join(out, c.to), c.videos, JoinOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %d videos: %v, want one that says %q", c.to, len(c.videos), err, c.want)
			continue
		}
		bad := (*BadPart)(nil)
		if errors.As(err, &bad) != (c.bad != "") || bad != nil && bad.Path != c.bad {
			t.Errorf("%v: it is about another video than %q", err, c.bad)
		}
	}
	if err := Join(t.Context(), filepath.Join(out, "x.webp"), []string{filepath.Join(dir, "none")}, JoinOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no video: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, videos := range [][]string{{good, good}, {good, small}} {
		if err := Join(ctx, filepath.Join(out, "x.webp"), videos, JoinOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	onlyFiles(t, out)
}

// TestJoinBroken runs ffmpegs that fail in their own ways while copying.
func TestJoinBroken(t *testing.T) {
	dir := t.TempDir()
	videos := []string{shot{"a.mp4", 64, 48, 5, 0, 24, Meta{}}.take(t, dir), shot{"b.mp4", 64, 48, 5, 0, 24, Meta{}}.take(t, dir)}
	probe, err := ffprobe()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFPROBE", probe)
	t.Setenv("TMPDIR", t.TempDir())
	out := t.TempDir()
	path := filepath.Join(out, "x.mp4")
	for _, c := range []struct{ script, want string }{
		{"echo no space left >&2; exit 1", "no space left"},
		{"exec sleep 1000", "hung"},
		{"sleep 1000", "hung"},
		{"exit 0", "joined into"}, // and wrote nothing
		{`for to; do :; done; cp '` + videos[0] + `' "${to#file:}"`, "5 frames of 10"},
	} {
		fakeFFmpeg(t, c.script)
		stall := time.Minute
		if c.want == "hung" {
			stall = 50 * time.Millisecond
		}
		if err := Join(t.Context(), path, videos, JoinOptions{Stall: stall}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one that says %q", c.script, err, c.want)
		}
		onlyFiles(t, out)
	}
	fakeFFmpeg(t, "exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := Join(ctx, path, videos, JoinOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	onlyFiles(t, out)
	onlyFiles(t, os.TempDir())
}

// TestJoinHidesNothing: a video whose name or content looks like a list of other
// files opens none.
func TestJoinHidesNothing(t *testing.T) {
	dir := t.TempDir()
	good := shot{"a.mp4", 64, 48, 2, 0, 24, Meta{}}.take(t, dir)
	list := filepath.Join(dir, "list.mp4")
	if err := os.WriteFile(list, []byte("ffconcat version 1.0\nfile "+good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := (*BadPart)(nil)
	if err := Join(t.Context(), filepath.Join(dir, "x.mp4"), []string{good, list}, JoinOptions{}); !errors.As(err, &bad) || bad.Path != list {
		t.Errorf("a list for a video: %v", err)
	}
	onlyFiles(t, dir, "a.mp4", "list.mp4")
}

// TestPlaceFollowsLinks: a link to a video is as good as the video.
func TestPlaceFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deep", "a"), []byte("video"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("deep", "a"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	to := filepath.Join(t.TempDir(), partName(0))
	n, err := place(filepath.Join(dir, "link"), to)
	if got, e := os.ReadFile(to); err != nil || e != nil || n != 5 || string(got) != "video" {
		t.Errorf("%d bytes, %q, %v, %v", n, got, err, e)
	}
}

func TestMetaOfOthers(t *testing.T) {
	want := Meta{Prompt: "p", Model: "m", Seed: 7}
	for _, tags := range []map[string]string{
		nil,
		{"comment": "a nice video", "description": "p", "artist": "m"},
		{"comment": "AI-generated video. Model: m. Seed: 99999999999999999999. Made with Kinora."},
	} {
		if m := metaOfTags(tags); !m.empty() {
			t.Errorf("%v: %+v", tags, m)
		}
	}
	if m := metaOfTags(map[string]string{"comment": want.comment(), "description": "p", "artist": "m"}); m != want {
		t.Errorf("%+v", m)
	}
	packet := string(xmpPacket(want))
	if m := metaOfXMP([]byte(packet)); m != want {
		t.Errorf("%+v", m)
	}
	for _, x := range []string{
		"", "<", packet[:len(packet)/2][:80], strings.ReplaceAll(packet, "urn:kinora:meta", "urn:others"),
		strings.ReplaceAll(packet, digitalSource, "x"), strings.ReplaceAll(packet, `"7"`, `"-7"`),
	} {
		if m := metaOfXMP([]byte(x)); !m.empty() {
			t.Errorf("%.200s: %+v", x, m)
		}
	}
}

func FuzzMetaOfXMP(f *testing.F) {
	f.Add(xmpPacket(Meta{Prompt: "p & <q>", Model: "m", Seed: 7}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := metaOfXMP(data)
		m.Prompt, m.Model = clean(m.Prompt, 8000), clean(m.Model, 200)
		if again := metaOfXMP(xmpPacket(m)); again != m {
			t.Errorf("%+v comes back as %+v", m, again)
		}
	})
}

// TestJoinWebPKeepsTimes: frames that are not all shown equally long stay as
// long as they were.
func TestJoinWebPKeepsTimes(t *testing.T) {
	dir := t.TempDir()
	videos := []string{shot{"a.webp", 32, 16, 3, 0, 24, Meta{}}.take(t, dir), shot{"b.webp", 32, 16, 2, 0, 10, Meta{}}.take(t, dir)}
	path := filepath.Join(dir, "x.webp")
	if err := Join(t.Context(), path, videos, JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	p, err := openPart(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeParts([]part{p})
	var got []int64
	for _, f := range p.webp.frames {
		got = append(got, f.shown.Milliseconds())
	}
	if want := []int64{42, 41, 42, 100, 100}; !slices.Equal(got, want) {
		t.Errorf("frames are shown for %v ms, want %v", got, want)
	}
}

// TestJoinHangs: an ffmpeg that stands still ends a Join that waits and one
// that is cancelled.
func TestJoinHangs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	good := shot{name: "good.webp", w: 32, h: 24, frames: 3, fps: 24}.take(t, t.TempDir())
	tool := filepath.Join(t.TempDir(), "ffmpeg")
	const script = "#!/bin/sh\ncase \"$*\" in\n*-encoders*) echo ' V....D libx264 x'; exit ;;\n*'-frames:v 3 '*) cat >/dev/null; exit ;;\nesac\nexec sleep 1000\n"
	if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFMPEG", tool)
	out := t.TempDir()
	path := filepath.Join(out, "x.mp4")
	if err := Join(t.Context(), path, []string{good}, JoinOptions{Stall: 300 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "hung") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := Join(ctx, path, []string{good}, JoinOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
