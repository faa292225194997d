package media

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawFFmpeg makes a shell script take ffmpeg's place, also where it is asked
// which encoders work.
func rawFFmpeg(t *testing.T, script string) {
	t.Helper()
	fakeFFmpeg(t, "")
	if err := os.WriteFile(os.Getenv("KINORA_FFMPEG"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// withoutX264 is a real ffmpeg that lists libx264 and has it not.
func withoutX264(t *testing.T) {
	t.Helper()
	needFFmpeg(t)
	real, err := FFmpeg()
	if err != nil {
		t.Fatal(err)
	}
	probe, err := ffprobe()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFPROBE", probe)
	rawFFmpeg(t, `case " $* " in *" libx264 "*) echo "Unknown encoder 'libx264'" >&2; exit 1;; esac
exec '`+real+`' "$@"`)
}

// TestWithoutX264 writes, streams and joins with the next encoder that works.
func TestWithoutX264(t *testing.T) {
	withoutX264(t)
	name, note, err := MP4Encoder(t.Context())
	if err != nil || name == firstChoice || !strings.Contains(note, name) {
		t.Fatalf("%q, %q, %v", name, note, err)
	}
	dir := t.TempDir()
	a, b := shot{"a.mp4", 96, 64, 9, 0, 24, Meta{}}.take(t, dir), shot{"b.mp4", 48, 32, 3, 0, 12, Meta{}}.take(t, dir)
	out := filepath.Join(dir, "all.mp4")
	if err := Join(t.Context(), out, []string{a, b}, JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{a: 9, out: 15} {
		frames, p := seen(t, path)
		if len(frames) != want || p.info.FPS != 24 || p.info.W != 96 {
			t.Errorf("%s has %d frames, want %d: %+v", path, len(frames), want, p.info)
			continue
		}
		if d := psnr(frames[8], scene(96, 64, 8)); d < sameFrame {
			t.Errorf("a frame came back at %.1f dB", d)
		}
	}
	// At rates that MPEG-4 Part 2 cannot state.
	odd := filepath.Join(dir, "odd.mp4")
	e, err := Create(t.Context(), odd, Options{W: 32, H: 32, FPS: 24.813721})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, 32, 32, 3)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestNoEncoder: an ffmpeg that cannot write MP4 is found out before a frame is
// drawn, with its own words.
func TestNoEncoder(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"it does not run":      {"echo cannot open shared object file >&2; exit 127", "cannot open shared object file"},
		"it has none":          {`case "$*" in *-encoders*) echo " V..... gif GIF";; *) exit 9;; esac`, "it has none of the encoders"},
		"those it has fail":    {`case "$*" in *-encoders*) echo " V..... mpeg4 MPEG-4";; *) echo no memory >&2; exit 1;; esac`, "no memory"},
		"it is something else": {"echo hello", "it has none of the encoders"},
	} {
		t.Run(name, func(t *testing.T) {
			rawFFmpeg(t, c.script)
			if _, _, err := MP4Encoder(t.Context()); !errors.Is(err, ErrNoEncoder) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want one that says %q", err, c.want)
			}
			dir := t.TempDir()
			if _, err := Create(t.Context(), filepath.Join(dir, "a.mp4"), Options{W: 32, H: 32, FPS: 24}); !errors.Is(err, ErrNoEncoder) {
				t.Errorf("Create: %v", err)
			}
			onlyFiles(t, dir)
		})
	}
}

// TestEncoderChoice: the best encoder that works is taken, for the size that is
// wanted, and is asked once.
func TestEncoderChoice(t *testing.T) {
	asked := filepath.Join(t.TempDir(), "asked")
	rawFFmpeg(t, `echo "$*" >>'`+asked+`'
case "$*" in
*-encoders*) echo " ------"; echo " V....D h264_nvenc x"; echo " V....D mpeg4 x"; echo " A....D aac x";;
*h264_nvenc*) case "$*" in *"64x64"*) echo too small >&2; exit 1;; esac; wc -c >'`+asked+`.bytes';;
*) cat >/dev/null;;
esac`)
	tool := os.Getenv("KINORA_FFMPEG")
	for range 2 {
		for size, want := range map[int]string{64: "mpeg4", 640: "h264_nvenc"} {
			e, err := chooseEncoder(t.Context(), tool, Options{W: size, H: size, FPS: 24})
			if err != nil || e.name != want {
				t.Errorf("for %d×%d: %q, %v, want %s", size, size, e.name, err, want)
			}
		}
	}
	log, err := os.ReadFile(asked)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "\n"); n != 4 { // the list, two sizes of one, and the other
		t.Errorf("ffmpeg was asked %d times, want 4:\n%s", n, log)
	}
	if !strings.Contains(string(log), "-b:v 2457600") { // 640·640·24/4
		t.Errorf("no bit rate was asked for:\n%s", log)
	}
	if n, err := os.ReadFile(asked + ".bytes"); err != nil || strings.TrimSpace(string(n)) != "3686400" { // 3 frames of 640·640·3
		t.Errorf("it was given %s bytes, %v", n, err)
	}
	if stale(nil, time.Time{}) || stale(errNoFrames, time.Now()) || !stale(errNoFrames, time.Time{}) {
		t.Error("what failed is to be tried again after a while, and only that")
	}
}

// TestEncoderRate: MPEG-4 Part 2 takes fractions of 16 bits.
func TestEncoderRate(t *testing.T) {
	first, last := mp4Encoders[0], mp4Encoders[slices.IndexFunc(mp4Encoders, func(e mp4Encoder) bool { return e.name == lastChoice })]
	for fps, want := range map[float64]string{24: "24/1", 30000.0 / 1001: "30000/1001", 1000: "1000/1", 24.8137: "", 0.5: "", 59.94: ""} {
		got := last.rate(fps)
		if want != "" && got != want {
			t.Errorf("%v: %s, want %s", fps, got, want)
		}
		if d := ratio(got) - fps; d > 1e-4 || d < -1e-4 {
			t.Errorf("%v: %s is %v off", fps, got, d)
		}
	}
	if got := first.rate(23.976); got != "23.976" {
		t.Errorf("libx264 is told %s", got)
	}
}
