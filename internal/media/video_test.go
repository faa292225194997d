package media

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readAll(t *testing.T, r *VideoReader, w, h int) []Frame {
	t.Helper()
	var all []Frame
	for {
		f := NewFrame(w, h)
		err := r.Next(f)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
}

// mp4Of writes an MP4 of some frames at 24 a second.
func mp4Of(t *testing.T, w, h, frames int) string {
	t.Helper()
	needFFmpeg(t)
	path := filepath.Join(t.TempDir(), "video.mp4")
	e, err := Create(t.Context(), path, Options{W: w, H: h, FPS: 24})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, w, h, frames)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenVideoOptions(t *testing.T) {
	path := mp4Of(t, 96, 64, 24)
	for _, c := range []struct {
		o    VideoOptions
		want int
	}{
		{VideoOptions{W: 40, H: 40}, 24},
		{VideoOptions{W: 96, H: 64, FPS: 12}, 12},
		{VideoOptions{W: 96, H: 64, FPS: 48}, 48},
		{VideoOptions{W: 192, H: 30, MaxFrames: 5, Threads: 1}, 5},
		{VideoOptions{W: 96, H: 64, Start: 500 * time.Millisecond}, 12},
	} {
		r, err := OpenVideo(t.Context(), path, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(readAll(t, r, c.o.W, c.o.H)); got != c.want || r.Frames() != got {
			t.Errorf("%+v gave %d frames, want %d", c.o, got, c.want)
		}
		if err := r.Next(NewFrame(c.o.W, c.o.H)); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		r.Close()
	}
}

// TestOpenVideoCrops checks the centre crop: of a video whose left third is
// black, the middle square of it must be white all over.
func TestOpenVideoCrops(t *testing.T) {
	needFFmpeg(t)
	path := filepath.Join(t.TempDir(), "a.mp4")
	e, err := Create(t.Context(), path, Options{W: 96, H: 32, FPS: 24})
	if err != nil {
		t.Fatal(err)
	}
	f := NewFrame(96, 32)
	for i := range f.Pix {
		if x := i / 3 % 96; x >= 32 && x < 64 {
			f.Pix[i] = 255
		}
	}
	for range 3 {
		if err := e.WriteFrame(f.Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenVideo(t.Context(), path, VideoOptions{W: 32, H: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := NewFrame(32, 32)
	if err := r.Next(got); err != nil {
		t.Fatal(err)
	}
	for _, x := range []int{2, 16, 29} {
		if v := got.Pix[3*(16*32+x)]; v < 235 {
			t.Errorf("pixel %d of the middle is %d", x, v)
		}
	}
}

func TestOpenVideoStopsEarly(t *testing.T) {
	path := mp4Of(t, 256, 256, 48)
	r, err := OpenVideo(t.Context(), path, VideoOptions{W: 256, H: 256})
	if err != nil {
		t.Fatal(err)
	}
	f := NewFrame(256, 256)
	if err := r.Next(f); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := r.Next(f); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	r, err = OpenVideo(ctx, path, VideoOptions{W: 256, H: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	for err = nil; err == nil; {
		err = r.Next(f)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
}

// TestOpenVideoHostile feeds files that are no videos, or want ffmpeg to open
// other files.
func TestOpenVideoHostile(t *testing.T) {
	real := mp4Of(t, 32, 32, 4)
	data, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty.mp4":     "",
		"text.mp4":      strings.Repeat("not a video\n", 100),
		"cut.mp4":       string(data[:40]),
		"playlist.mp4":  "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:" + real + "\n#EXT-X-ENDLIST\n",
		"playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:" + real + "\n#EXT-X-ENDLIST\n",
		"concat.mp4":    "ffconcat version 1.0\nfile '" + real + "'\n",
		"picture.svg":   `<svg xmlns="http://www.w3.org/2000/svg"><image href="file:` + real + `"/></svg>`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := OpenVideo(t.Context(), path, VideoOptions{W: 32, H: 32}); err == nil {
			r.Close()
			t.Errorf("%s was opened as a video of %+v", name, r.Info)
		}
	}
	for _, name := range []string{"missing.mp4", "concat:" + real, "-version"} {
		if r, err := OpenVideo(t.Context(), name, VideoOptions{W: 32, H: 32}); err == nil {
			r.Close()
			t.Errorf("%s was opened", name)
		}
	}
}

func TestOpenVideoHangs(t *testing.T) {
	path := mp4Of(t, 32, 32, 4)
	probe, err := ffprobe()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFPROBE", probe)
	for _, script := range []string{"exec sleep 1000", "sleep 1000", "head -c 100 /dev/zero; sleep 1000"} {
		fakeFFmpeg(t, script)
		r, err := OpenVideo(t.Context(), path, VideoOptions{W: 32, H: 32, Stall: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Next(NewFrame(32, 32)); err == nil || !strings.Contains(err.Error(), "hung") {
			t.Errorf("%s: %v", script, err)
		}
		r.Close()
	}
}

func TestParseProbe(t *testing.T) {
	for _, c := range []struct {
		out  string
		want error
	}{
		{`{"streams":[{"codec_type":"video","width":99999,"height":10}]}`, ErrTooLarge},
		{`{"streams":[{"codec_type":"video","width":16000,"height":16000}]}`, ErrTooLarge},
		{`{"streams":[{"codec_type":"video","width":-1,"height":10}]}`, nil},
		{`{"streams":[]}`, nil},
		{`{"streams":[{"codec_type":"audio"}]}`, nil},
		{`{`, nil},
	} {
		_, err := parseProbe("x", []byte(c.out))
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.out, err)
		}
	}
	i, err := parseProbe("x", []byte(`{"streams":[{"codec_type":"video","width":4,"height":2,"avg_frame_rate":"0/0","duration":"N/A"}],"format":{"duration":"1.5"}}`))
	if err != nil || i.FPS != 0 || i.Duration != 1500*time.Millisecond || i.Frames != 0 || i.Audio {
		t.Errorf("%+v, %v", i, err)
	}
	i, err = parseProbe("x", []byte(`{"streams":[{"codec_type":"audio","duration":"9"},{"codec_type":"video","width":4,"height":2,"avg_frame_rate":"30000/1001","duration":"2"}]}`))
	if err != nil || i.Frames != 60 || !i.Audio || i.Duration != 2*time.Second {
		t.Errorf("without a count of frames: %+v, %v", i, err)
	}
	i, err = parseProbe("x", []byte(`{"streams":[{"codec_type":"video","width":4,"height":2,"avg_frame_rate":"24/1","duration":"2","nb_frames":"49"}]}`))
	if err != nil || i.Frames != 49 {
		t.Errorf("with a count of frames: %+v, %v", i, err)
	}
}
