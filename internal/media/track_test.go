package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// half plays a second: 440 Hz on the left in its first half, silence on the right.
func half(_ context.Context, yield func([]float32) error) error {
	const rate = 16000
	for at := 0; at < rate; at += 1000 {
		samples := make([]float32, 2*1000)
		for i := range 1000 {
			if at+i < rate/2 {
				samples[2*i] = float32(0.5 * math.Sin(2*math.Pi*440*float64(at+i)/rate))
			}
		}
		if err := yield(samples); err != nil {
			return err
		}
	}
	return nil
}

// loudness decodes the sound of an MP4, of 16 kHz or 48 kHz in stereo, and returns
// the root mean square of both channels in each tenth of some seconds.
func loudness(t *testing.T, path string, seconds int) (out [][2]float64) {
	t.Helper()
	tool, err := FFmpeg()
	if err != nil {
		t.Fatal(err)
	}
	data, err := newProcess(t.Context(), tool, "-loglevel", "error", "-i", path, "-map", "0:a:0", "-ar", "16000", "-ac", "2", "-f", "s16le", "pipe:1").output("reading sound", 1<<20, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	const tenth = 1600
	if n := len(data) / 4; n < 10*seconds*tenth-tenth/10 || n > (10*seconds+1)*tenth+2048 {
		t.Fatalf("%d samples a channel came back of %d", n, 10*seconds*tenth)
	}
	data = append(data, make([]byte, 4*tenth)...) // what rounding of rates took
	for i := range 10 * seconds {
		var rms [2]float64
		for c := range 2 {
			var sum float64
			for k := range tenth {
				v := float64(int16(binary.LittleEndian.Uint16(data[4*(i*tenth+k)+2*c:]))) / math.MaxInt16
				sum += v * v
			}
			rms[c] = math.Sqrt(sum / tenth)
		}
		out = append(out, rms)
	}
	return out
}

// TestMP4Sound: what is played comes back on its channel at its time, from a file
// and from a stream, and the samples on their way are gone.
func TestMP4Sound(t *testing.T) {
	needFFmpeg(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := t.TempDir()
	const w, h, frames = 64, 48, 24
	o := Options{W: w, H: h, FPS: 24, Sound: &Sound{Rate: 16000, Channels: 2, Play: half}}
	var stream bytes.Buffer
	for name, open := range map[string]func() (Encoder, error){
		"file.mp4":   func() (Encoder, error) { return Create(t.Context(), filepath.Join(dir, "file.mp4"), o) },
		"stream.mp4": func() (Encoder, error) { return Stream(t.Context(), &stream, MP4, o) },
	} {
		e, err := open()
		if err != nil {
			t.Fatal(err)
		}
		write(t, e, w, h, frames)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if name == "stream.mp4" {
			if err := os.WriteFile(path, stream.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		i, err := Inspect(t.Context(), path)
		if err != nil || !i.Audio || i.Frames != frames {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
		for tenth, rms := range loudness(t, path, 1) {
			// A stream's first samples are of the encoder's start, before the first
			// frame: its sound comes up to 64 ms later here.
			if tenth < 5 && rms[0] < 0.15 || tenth > 5 && rms[0] > 0.05 || rms[1] > 0.05 {
				t.Errorf("%s: in tenth %d the channels are as loud as %.3f", name, tenth, rms)
			}
		}
	}
	onlyFiles(t, temp)
}

// TestJoinSound: joined parts sound as they do alone, at their time, whether their
// pictures are copied or drawn anew, and one that is silent stays so.
func TestJoinSound(t *testing.T) {
	needFFmpeg(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := t.TempDir()
	for name, width := range map[string]int{"copied": 64, "drawn": 80} {
		var parts []string
		for i, sound := range []*Sound{{Rate: 16000, Channels: 2, Play: half}, nil, {Rate: 16000, Channels: 2, Play: half}} {
			path := filepath.Join(dir, fmt.Sprint(name, i, ".mp4"))
			w := 64
			if i == 2 {
				w = width
			}
			e, err := Create(t.Context(), path, Options{W: w, H: 48, FPS: 24, Sound: sound})
			if err != nil {
				t.Fatal(err)
			}
			write(t, e, w, 48, 24)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, path)
		}
		all := filepath.Join(dir, name+".mp4")
		if err := Join(t.Context(), all, parts, JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		i, err := Probe(t.Context(), all)
		if err != nil || i.Frames != 72 || !i.Audio || i.Duration != 3*time.Second {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
		for tenth, rms := range loudness(t, all, 3) {
			loud, edge := tenth < 5 || tenth >= 20 && tenth < 25, tenth%5 == 0
			if !edge && loud != (rms[0] > 0.15) || !edge && !loud && rms[0] > 0.05 || rms[1] > 0.05 {
				t.Errorf("%s: in tenth %d the channels are as loud as %.3f", name, tenth, rms)
			}
		}
		silent := filepath.Join(dir, name+" silent.mp4")
		if err := Join(t.Context(), silent, parts[1:2], JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		if i, err := Probe(t.Context(), silent); err != nil || i.Audio {
			t.Errorf("%s: of silent parts: %+v, %v", name, i, err)
		}
	}
	onlyFiles(t, temp)
}

// TestSoundFails: a video whose sound does not come is none, and nothing stays.
func TestSoundFails(t *testing.T) {
	needFFmpeg(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := t.TempDir()
	broken := errors.New("no sound today")
	o := Options{W: 64, H: 48, FPS: 24, Sound: &Sound{Rate: 16000, Channels: 1, Play: func(context.Context, func([]float32) error) error { return broken }}}
	if _, err := Create(t.Context(), filepath.Join(dir, "x.mp4"), o); !errors.Is(err, broken) {
		t.Errorf("sound that does not come: %v", err)
	}
	for _, bad := range []Sound{{Rate: 100, Channels: 1, Play: half}, {Rate: 16000, Channels: 3, Play: half}, {Rate: 16000, Channels: 1}} {
		o.Sound = &bad
		if _, err := Create(t.Context(), filepath.Join(dir, "x.mp4"), o); err == nil || !strings.Contains(err.Error(), "sound") {
			t.Errorf("%d channels at %d: %v", bad.Channels, bad.Rate, err)
		}
	}
	o.Sound = &Sound{Rate: 16000, Channels: 2, Play: half}
	e, err := Create(t.Context(), filepath.Join(dir, "x.mp4"), o)
	if err != nil {
		t.Fatal(err)
	}
	e.Abort()
	onlyFiles(t, temp)
	onlyFiles(t, dir)
}

func TestSamplesAreClipped(t *testing.T) {
	nan := float32(math.NaN())
	for in, want := range map[float32]float32{0.5: 0.5, 2: 1, -7: -1, float32(math.Inf(1)): 1} {
		if got := clip(in); got != want {
			t.Errorf("%v is written as %v", in, got)
		}
	}
	if got := clip(nan); got != 0 {
		t.Errorf("no number is written as %v", got)
	}
}
