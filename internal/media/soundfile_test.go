package media

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// soundFile has ffmpeg make a sound file of a tone of 440 Hz.
func soundFile(t *testing.T, name string, args ...string) string {
	t.Helper()
	tool, err := FFmpeg()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), name)
	all := append([]string{"-loglevel", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"}, args...)
	if out, err := exec.Command(tool, append(all, path)...).CombinedOutput(); err != nil {
		t.Skipf("this ffmpeg makes no %s: %s", name, out)
	}
	return path
}

// TestReadSound: files in many formats give as many samples as they last, at the one
// rate, with the tone in both channels.
func TestReadSound(t *testing.T) {
	for name, args := range map[string][]string{
		"a.wav": nil, "a.mp3": nil, "a.flac": nil, "a.m4a": nil, "a.ogg": {"-c:a", "libvorbis"}, "a.opus": nil, "a.aiff": nil,
		"f32.wav": {"-c:a", "pcm_f32le"}, "five.flac": {"-ac", "6"}, "a.webm": {"-c:a", "libopus"}, "-dash file.wav": nil,
	} {
		path := soundFile(t, name, args...)
		info, err := ProbeSound(t.Context(), path)
		if err != nil || math.Abs(info.Duration.Seconds()-2) > 0.1 {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		var peak float32
		n, err := ReadSound(t.Context(), path, SoundPart{Length: 10 * time.Second}, func(s []float32) error {
			for i := 0; i < len(s); i += 2 {
				peak = max(peak, min(s[i], s[i+1]))
			}
			return nil
		})
		if err != nil || math.Abs(float64(n)/SoundRate-2) > 0.06 || peak < 0.02 {
			t.Errorf("%s: %d samples, peak %v, %v", name, n, peak, err)
		}
	}
}

// TestReadSoundPart: a part begins where it should and is not longer than it should
// be.
func TestReadSoundPart(t *testing.T) {
	path := soundFile(t, "a.flac")
	for _, c := range []struct{ start, length, want time.Duration }{
		{0, 500 * time.Millisecond, 500 * time.Millisecond}, {1500 * time.Millisecond, time.Minute, 500 * time.Millisecond},
	} {
		got := 0
		n, err := ReadSound(t.Context(), path, SoundPart{Start: c.start, Length: c.length}, func(s []float32) error { got += len(s); return nil })
		if err != nil || got != n*SoundChannels || math.Abs(float64(n)/SoundRate-c.want.Seconds()) > 0.03 {
			t.Errorf("from %v, %v: %d samples, %v", c.start, c.length, n, err)
		}
	}
	_, err := ReadSound(t.Context(), path, SoundPart{Start: time.Hour, Length: time.Second}, func([]float32) error { return nil })
	if bad, ok := errors.AsType[*BadSound](err); !ok || !strings.Contains(bad.Why, "1h0m0s") {
		t.Errorf("after its end: %v", err)
	}
	why := errors.New("full")
	if _, err := ReadSound(t.Context(), path, SoundPart{Length: time.Second}, func([]float32) error { return why }); !errors.Is(err, why) {
		t.Errorf("an error of the callee: %v", err)
	}
}

// TestHostileSound: files that are no sound files, or lead elsewhere, are refused
// with an error about the file, and nothing else is opened.
func TestHostileSound(t *testing.T) {
	if _, err := FFmpeg(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	whole := soundFile(t, "whole.flac")
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"empty.wav":      nil,
		"text.mp3":       []byte("hello, this is no sound"),
		"list.m3u8":      []byte("#EXTM3U\n#EXTINF:1,\nfile:" + whole + "\n"),
		"list.txt":       []byte("ffconcat version 1.0\nfile " + whole + "\n"),
		"picture.mp4":    mustSilent(t),
		"header.wav":     []byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\x10\x00data\xff\xff\xff\xff"),
		"truncated.flac": data[:60],
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ProbeSound(t.Context(), path)
		if err == nil {
			_, err = ReadSound(t.Context(), path, SoundPart{Length: time.Second}, func([]float32) error { return nil })
		}
		if _, ok := errors.AsType[*BadSound](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ProbeSound(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := ProbeSound(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	// Half a file gives what it holds.
	half := filepath.Join(dir, "half.flac")
	if err := os.WriteFile(half, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := ReadSound(t.Context(), half, SoundPart{Length: time.Minute}, func([]float32) error { return nil }); err != nil || n < SoundRate/2 || n > 3*SoundRate/2 {
		t.Errorf("half a file: %d samples, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadSound(ctx, whole, SoundPart{Length: time.Second}, func([]float32) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled reading: %v", err)
	}
}

// mustSilent is a video without sound.
func mustSilent(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "silent.mp4")
	e, err := Create(t.Context(), path, Options{W: 16, H: 16, FPS: 8})
	if err != nil {
		t.Skip(err)
	}
	for range 4 {
		if err := e.WriteFrame(make([]byte, 3*16*16)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
