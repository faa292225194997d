package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// corners is a picture whose corners have colours of their own: red, green,
// blue and white, from the upper left one row by row.
func corners(w, h int) Frame {
	f := NewFrame(w, h)
	for i := range w * h {
		x, y := i%w, i/w
		copy(f.Pix[3*i:], [][]byte{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}}[2*y/h*2+2*x/w])
	}
	return f
}

// cornersOf spells the corners of a picture: R, G, B, W, or ? for any other.
func cornersOf(f Frame) string {
	out := ""
	for _, y := range []int{f.H / 8, f.H - 1 - f.H/8} {
		for _, x := range []int{f.W / 8, f.W - 1 - f.W/8} {
			p := f.Pix[3*(y*f.W+x):][:3]
			name := "?"
			for _, c := range []struct {
				name    string
				r, g, b byte
			}{{"R", 255, 0, 0}, {"G", 0, 255, 0}, {"B", 0, 0, 255}, {"W", 255, 255, 255}} {
				if near(p[0], c.r, 60) && near(p[1], c.g, 60) && near(p[2], c.b, 60) {
					name = c.name
				}
			}
			out += name
		}
	}
	return out
}

func near(a, b byte, most int) bool { return max(int(a)-int(b), int(b)-int(a)) <= most }

// cornerFilm writes half a second of corners as MP4.
func cornerFilm(t *testing.T, w, h int) string {
	t.Helper()
	needFFmpeg(t)
	path := filepath.Join(t.TempDir(), "corners.mp4")
	e, err := Create(t.Context(), path, Options{W: w, H: h, FPS: 24})
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if err := e.WriteFrame(corners(w, h).Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// withMatrix writes a display matrix, [a b c d] of it, into an MP4's header.
func withMatrix(t *testing.T, path string, m [4]int32) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.Index(data, []byte("tkhd"))
	if head < 0 || data[head+4] != 0 {
		t.Fatal("there is no header of a track")
	}
	const one = 1 << 16
	for i, v := range []int32{m[0] * one, m[1] * one, 0, m[2] * one, m[3] * one} {
		binary.BigEndian.PutUint32(data[head+4+40+4*i:], uint32(v))
	}
	out := filepath.Join(t.TempDir(), "turned.mp4")
	if err := os.WriteFile(out, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// firstOf reads the first frame of a video in a size.
func firstOf(t *testing.T, path string, w, h int) Frame {
	t.Helper()
	r, err := OpenVideo(t.Context(), path, VideoOptions{W: w, H: h, FPS: 24, MaxFrames: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := NewFrame(w, h)
	if err := r.Next(f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestVideoUpright: a phone that is held upright writes its pictures lying, and
// says how to turn them.
func TestVideoUpright(t *testing.T) {
	plain := cornerFilm(t, 96, 64)
	for _, c := range []struct {
		name   string
		matrix [4]int32
		w, h   int
		want   string // the corners
	}{
		{"a quarter to the right", [4]int32{0, 1, -1, 0}, 64, 96, "BRWG"},
		{"half", [4]int32{-1, 0, 0, -1}, 96, 64, "WBGR"},
		{"a quarter to the left", [4]int32{0, -1, 1, 0}, 64, 96, "GWRB"},
		{"mirrored", [4]int32{-1, 0, 0, 1}, 96, 64, "GRWB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "a quarter to the right" {
				t.Skip("each takes many runs of ffmpeg")
			}
			t.Parallel()
			path := withMatrix(t, plain, c.matrix)
			i, err := Inspect(t.Context(), path)
			if err != nil || i.W != c.w || i.H != c.h {
				t.Errorf("it is told to be %d×%d, want %d×%d: %v", i.W, i.H, c.w, c.h, err)
			}
			last, err := LastFrame(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if last.W != c.w || last.H != c.h || cornersOf(last) != c.want {
				t.Errorf("the last picture is %s of %d×%d, want %s of %d×%d", cornersOf(last), last.W, last.H, c.want, c.w, c.h)
			}
			// As training sees it.
			if f := firstOf(t, path, c.w/2, c.h/2); cornersOf(f) != c.want {
				t.Errorf("the first picture is %s, want %s", cornersOf(f), c.want)
			}
			// Before one that is stored otherwise; of a turned and of a mirrored one
			// also before itself, and after the other.
			thrice := c.name == "a quarter to the right" || c.name == "mirrored"
			joins := [][]string{{path, plain}}
			if thrice {
				joins = append(joins, []string{path, path})
			}
			for _, videos := range joins {
				out := filepath.Join(t.TempDir(), "joined.mp4")
				if err := Join(t.Context(), out, videos, JoinOptions{}); err != nil {
					t.Fatal(err)
				}
				got, p := seen(t, out)
				if len(got) != 24 || p.info.W != c.w || p.info.H != c.h || cornersOf(got[0]) != c.want {
					t.Errorf("joined it is %s of %d×%d and %d frames, want %s of %d×%d and 24", cornersOf(got[0]), p.info.W, p.info.H, len(got), c.want, c.w, c.h)
				}
			}
			if !thrice {
				return
			}
			out := filepath.Join(t.TempDir(), "joined.mp4")
			if err := Join(t.Context(), out, []string{plain, path}, JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			if f, err := LastFrame(t.Context(), out); err != nil || f.W != 96 || c.w == 96 && cornersOf(f) != c.want {
				t.Errorf("as the second of two its end is %s, want %s: %v", cornersOf(f), c.want, err)
			}
		})
	}
}

// TestVideoVariableRate: pictures that are not all shown equally long keep
// their times. The video is one second at 60 frames, and one at 10.
func TestVideoVariableRate(t *testing.T) {
	needFFmpeg(t)
	const theirs = "testdata/variable-rate.mp4"
	i, err := Inspect(t.Context(), theirs)
	if err != nil || i.FPS != 35 || i.Frames != 70 || i.Duration != 2*time.Second {
		t.Errorf("%v frames a second, %d frames, %v, %v", i.FPS, i.Frames, i.Duration, err)
	}
	plain := shot{"a.mp4", 160, 90, 24, 0, 24, Meta{}}.take(t, t.TempDir())
	for _, c := range []struct {
		videos []string
		want   time.Duration
	}{{[]string{theirs}, 2 * time.Second}, {[]string{plain, theirs}, 3 * time.Second}, {[]string{theirs, plain}, 3 * time.Second}} {
		out := filepath.Join(t.TempDir(), "x.mp4")
		if err := Join(t.Context(), out, c.videos, JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := Inspect(t.Context(), out)
		if d := (got.Duration - c.want).Abs(); err != nil || d > 50*time.Millisecond {
			t.Errorf("%d videos play %v, want %v: %v", len(c.videos), got.Duration, c.want, err)
		}
	}
	// Each second of it is a second: the last picture of the first one is that
	// of the same time in the original.
	r, err := OpenVideo(t.Context(), theirs, VideoOptions{W: 160, H: 90, FPS: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := len(readAll(t, r, 160, 90)); n != 40 {
		t.Errorf("at 20 frames a second it has %d frames, want 40", n)
	}
}

// TestVideoHDR: white on paper, which HDR notes as 203 nits, is white in sRGB
// too, and a little less where brighter light has to find room above it.
func TestVideoHDR(t *testing.T) {
	needFFmpeg(t)
	f, err := LastFrame(t.Context(), "testdata/hdr-pq.mp4")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Frame{f, firstOf(t, "testdata/hdr-pq.mp4", 64, 36)} {
		if p := f.Pix[:3]; !near(p[0], 229, 3) || !near(p[1], 229, 3) || !near(p[2], 229, 3) {
			t.Errorf("white of 203 nits is %v, want about 229", p)
		}
	}
	// HLG has it at three quarters of its range: 721 of 64 to 940, in 10 bits.
	hlg := made(t, "hlg.mp4", "-f", "lavfi", "-i", "color=c=0xbfbfbf:s=64x48:r=10:d=0.3", "-vf", "scale=out_color_matrix=bt709,format=yuv444p",
		"-c:v", "libx264", "-qp", "0", "-color_trc", "arib-std-b67", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
	if f, err = LastFrame(t.Context(), hlg); err != nil {
		t.Fatal(err)
	}
	if p := f.Pix[:3]; !near(p[0], 229, 4) || !near(p[2], 229, 4) {
		t.Errorf("in HLG it is %v, want about 229", p)
	}
}

// TestToneMap holds the curve and the colours to what the standards say.
func TestToneMap(t *testing.T) {
	for nits, want := range map[float64]float64{0: 0, 100: 0.5081, 203: 0.5807, 1000: 0.7518, 10000: 1} {
		if got := pqCode(nits); math.Abs(got-want) > 1e-4 {
			t.Errorf("%v nits are %.4f in PQ, want %.4f", nits, got, want)
		}
		if back := pqNits(pqCode(nits)); math.Abs(back-nits) > 1e-3*(1+nits) {
			t.Errorf("%v nits come back as %v", nits, back)
		}
	}
	for v, want := range map[float64]float64{0: 0, 0.5: 1.0 / 12, 0.75: 0.26496, 1: 1} {
		if got := hlgScene(v); math.Abs(got-want) > 1e-4 {
			t.Errorf("%v in HLG is a light of %v, want %v", v, got, want)
		}
	}
	converters := map[colour]func(dst, src []byte){} // each has tables that take a while to make
	pixel := func(c colour, code float64, of [3]float64) [3]byte {
		src, dst := make([]byte, 6), make([]byte, 3)
		if converters[c] == nil {
			converters[c] = c.converter()
		}
		for i, k := range of {
			binary.LittleEndian.PutUint16(src[2*i:], uint16(math.Round(65535*code*k)))
		}
		converters[c](dst, src)
		return [3]byte(dst)
	}
	grey := [3]float64{1, 1, 1}
	pq := colour{wide: true, transfer: transferPQ, primaries: "bt2020", peak: 1000}
	for _, c := range []struct {
		name string
		c    colour
		nits float64
		want byte
	}{
		{"black", pq, 0, 0},
		{"what is dark stays", pq, 50.75, 137}, // a quarter of white
		{"the peak is white", pq, 1000, 255},
		{"and so is what is above it", pq, 4000, 255},
		{"nothing above paper white", colour{wide: true, transfer: transferPQ, primaries: "bt2020", peak: 203}, 203, 255},
	} {
		if got := pixel(c.c, pqCode(c.nits), grey); !near(got[0], c.want, 1) || got[0] != got[1] || got[1] != got[2] {
			t.Errorf("%s: %v nits are %v, want %d", c.name, c.nits, got, c.want)
		}
	}
	// Greys of wider gamuts that are no HDR stay the very same; their red is
	// redder than sRGB has.
	for primaries := range gamuts {
		sdr := colour{wide: true, transfer: "bt709", primaries: primaries}
		for v := range 256 {
			if got := pixel(sdr, float64(v)/255, grey); !near(got[0], byte(v), 0) || got[0] != got[2] {
				t.Errorf("%s: grey %d became %v", primaries, v, got)
			}
		}
		if got := pixel(sdr, 1, [3]float64{1, 0, 0}); got != [3]byte{255, 0, 0} {
			t.Errorf("%s: red is %v", primaries, got)
		}
		if got := pixel(sdr, 1, [3]float64{0.5, 0.2, 0.2}); got[0] <= 130 || got[1] >= 50 {
			t.Errorf("%s: a red that is half as bright is %v, which is not more red", primaries, got)
		}
	}
}

// made has ffmpeg make a file for a test.
func made(t *testing.T, name string, args ...string) string {
	t.Helper()
	needFFmpeg(t)
	tool, err := FFmpeg()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	args = append(append([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, args...), path)
	if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Skipf("this ffmpeg cannot make %s: %v: %s", name, err, out)
	}
	return path
}

// TestVideoKinds reads what other programs write: each is a video of corners, or
// of one colour, and has to look like it.
func TestVideoKinds(t *testing.T) {
	base := cornerFilm(t, 96, 64)
	white := []string{"-f", "lavfi", "-i", "color=c=white:s=96x64:r=10:d=0.3"}
	for _, c := range []struct {
		name string
		args []string
		w, h int
		want string
	}{
		{"wide-pixels.mp4", []string{"-i", base, "-vf", "setsar=2", "-c:v", "libx264"}, 192, 64, "RGBW"},
		{"high-pixels.mp4", []string{"-i", base, "-vf", "setsar=1/2", "-c:v", "libx264"}, 96, 128, "RGBW"},
		{"ten-bit.mkv", []string{"-i", base, "-pix_fmt", "yuv422p10le", "-c:v", "ffv1"}, 96, 64, "RGBW"},
		{"full-colour.webm", []string{"-i", base, "-pix_fmt", "yuv444p", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"}, 96, 64, "RGBW"},
		{"full-range.mov", []string{"-i", base, "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "2"}, 96, 64, "RGBW"},
		{"interlaced.ts", []string{"-i", base, "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", "-field_order", "tt"}, 96, 64, "RGBW"},
		{"odd.mkv", []string{"-i", base, "-vf", "scale=95:63", "-pix_fmt", "yuv444p", "-c:v", "ffv1"}, 95, 63, "RGBW"},
		{"few-colours.gif", []string{"-i", base}, 96, 64, "RGBW"},
		{"moving.png", []string{"-i", base, "-f", "apng"}, 96, 64, "RGBW"},
		{"late.mkv", []string{"-f", "lavfi", "-i", "sine=d=1.2", "-itsoffset", "0.7", "-i", base, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "pcm_s16le"}, 96, 64, "RGBW"},
		{"two.mkv", append(white, "-i", base, "-map", "0:v", "-map", "1:v", "-c:v", "ffv1", "-disposition:v:0", "0", "-disposition:v:1", "default"), 96, 64, "RGBW"},
		{"cover.mp4", append(white, "-i", base, "-map", "1:v", "-map", "0:v", "-c:v:0", "copy", "-frames:v:1", "1", "-c:v:1", "png", "-disposition:v:1", "attached_pic"), 96, 64, "RGBW"},
		{"clear.mov", []string{"-i", base, "-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*gt(X,48)'", "-c:v", "png"}, 96, 64, "WGWW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && !slices.Contains([]string{"wide-pixels.mp4", "interlaced.ts", "two.mkv", "clear.mov"}, c.name) {
				t.Skip("each takes some runs of ffmpeg")
			}
			t.Parallel()
			path := made(t, c.name, c.args...)
			i, err := Inspect(t.Context(), path)
			if err != nil || i.W != c.w || i.H != c.h {
				t.Errorf("it is told to be %d×%d, want %d×%d: %v", i.W, i.H, c.w, c.h, err)
			}
			f, err := LastFrame(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if f.W != c.w || f.H != c.h || cornersOf(f) != c.want {
				t.Errorf("the last picture is %s of %d×%d, want %s of %d×%d", cornersOf(f), f.W, f.H, c.want, c.w, c.h)
			}
			if !slices.Contains([]string{"wide-pixels.mp4", "odd.mkv", "few-colours.gif", "late.mkv", "two.mkv"}, c.name) {
				return
			}
			out := filepath.Join(t.TempDir(), "x.mp4")
			if err := Join(t.Context(), out, []string{path, base}, JoinOptions{}); err != nil {
				t.Fatal(err)
			}
			got, p := seen(t, out)
			if want := time.Second; c.want == "RGBW" && (p.info.Duration-want).Abs() > 120*time.Millisecond {
				t.Errorf("joined to half a second it plays %v, want %v", p.info.Duration, want)
			}
			if cornersOf(got[0]) != c.want || p.info.W != c.w&^1 || p.info.H != c.h&^1 {
				t.Errorf("joined it begins with %s of %d×%d", cornersOf(got[0]), p.info.W, p.info.H)
			}
		})
	}
}

// TestVideoCut: what an edit list leaves out is not part of the video.
func TestVideoCut(t *testing.T) {
	base := mp4Of(t, 96, 64, 48)
	path := made(t, "cut.mp4", "-ss", "1", "-i", base, "-c", "copy")
	out := filepath.Join(t.TempDir(), "x.mp4")
	if err := Join(t.Context(), out, []string{path, path}, JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	got, p := seen(t, out)
	if len(got) != 48 || p.info.Duration != 2*time.Second || psnr(got[0], scene(96, 64, 24)) < sameFrame || psnr(got[24], scene(96, 64, 24)) < sameFrame {
		t.Errorf("twice the second second of a video is %d frames and %v; the first is at %.1f dB", len(got), p.info.Duration, psnr(got[0], scene(96, 64, 24)))
	}
}

// TestJoinDamaged: a download that was cut off is no video to be joined, also
// where it is drawn anew.
func TestJoinDamaged(t *testing.T) {
	dir := t.TempDir()
	good := shot{"good.mp4", 64, 48, 5, 0, 12, Meta{}}.take(t, dir)
	long := mp4Of(t, 96, 64, 96)
	data, err := os.ReadFile(long)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.mp4")
	if err := os.WriteFile(cut, data[:len(data)*2/5], 0o600); err != nil {
		t.Fatal(err)
	}
	bad := (*BadPart)(nil)
	if err := Join(t.Context(), filepath.Join(dir, "x.mp4"), []string{good, cut}, JoinOptions{}); !errors.As(err, &bad) || bad.Path != cut || !strings.Contains(err.Error(), "is damaged: of its 4.0 s only") {
		t.Errorf("%v", err)
	}
	onlyFiles(t, dir, "cut.mp4", "good.mp4")
}

// TestCoverIsNoVideo: a song with a cover has no video, and no picture to go on
// from.
func TestCoverIsNoVideo(t *testing.T) {
	path := made(t, "song.mp4", "-f", "lavfi", "-i", "sine=d=0.2", "-f", "lavfi", "-i", "color=s=16x16:d=0.04", "-map", "0", "-map", "1",
		"-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic")
	if _, err := LastFrame(t.Context(), path); err == nil || !strings.Contains(err.Error(), "only a cover picture") {
		t.Errorf("the last picture of a song: %v", err)
	}
	if i, err := Inspect(t.Context(), path); err == nil {
		t.Errorf("a song is a video: %+v", i)
	}
}

// TestParseProbeShown reads what ffprobes of several versions say of how
// pictures are shown.
func TestParseProbeShown(t *testing.T) {
	const video = `{"streams":[{"codec_type":"video","width":100,"height":40,%s}]}`
	for _, c := range []struct {
		says string
		w, h int
	}{
		{`"side_data_list":[{"rotation":-90}]`, 40, 100},
		{`"side_data_list":[{"rotation":180}]`, 100, 40},
		{`"side_data_list":[{"side_data_type":"x"},{"rotation":270}]`, 40, 100},
		{`"tags":{"rotate":"90"}`, 40, 100},
		{`"sample_aspect_ratio":"0:1"`, 100, 40},
		{`"sample_aspect_ratio":"4:3"`, 133, 40},
		{`"sample_aspect_ratio":"1:2","side_data_list":[{"rotation":90}]`, 80, 100},
		{`"sample_aspect_ratio":"1000:1"`, 100, 40},
		{`"sample_aspect_ratio":"N/A"`, 100, 40},
	} {
		i, err := parseProbe("x", fmt.Appendf(nil, video, c.says))
		if err != nil || i.W != c.w || i.H != c.h {
			t.Errorf("%s: %d×%d, %v, want %d×%d", c.says, i.W, i.H, err, c.w, c.h)
		}
	}
	for says, want := range map[string]float64{
		`"avg_frame_rate":"30/1","r_frame_rate":"30/1"`:                                     30,
		`"avg_frame_rate":"420/13","r_frame_rate":"60/1","nb_frames":"70","duration":"2.0"`: 35,
		`"avg_frame_rate":"29/1","r_frame_rate":"90000/1"`:                                  29,
		`"avg_frame_rate":"1000/1","r_frame_rate":"1000/1"`:                                 0, // a browser's recording: its unit of time
		`"avg_frame_rate":"0/0","r_frame_rate":"25/1"`:                                      25,
	} {
		if i, err := parseProbe("x", fmt.Appendf(nil, video, says)); err != nil || i.FPS != want {
			t.Errorf("%s: %v frames a second, %v, want %v", says, i.FPS, err, want)
		}
	}
	if i, err := parseProbe("x", []byte(`{"streams":[{"codec_type":"video","width":4,"height":2,"tags":{"DURATION":"00:01:02.500000000"}}],"format":{"duration":"99"}}`)); err != nil || i.Duration != 62500*time.Millisecond {
		t.Errorf("Matroska's own length of a stream: %v, %v", i.Duration, err)
	}
	const cover = `{"codec_type":"video","width":9,"height":9,"disposition":{"attached_pic":1}}`
	if i, err := parseProbe("x", []byte(`{"streams":[`+cover+`,{"index":1,"codec_type":"video","width":4,"height":2}]}`)); err != nil || i.stream != 1 || i.W != 4 || i.alone {
		t.Errorf("a cover before the video: %+v, %v", i, err)
	}
	if _, err := parseProbe("x", fmt.Appendf(nil, video, `"side_data_list":[{"dv_profile":5}]`)); err == nil || !strings.Contains(err.Error(), "Dolby Vision") {
		t.Errorf("Dolby Vision alone: %v", err)
	}
	if i, err := parseProbe("x", fmt.Appendf(nil, video, `"color_transfer":"smpte2084","side_data_list":[{"max_luminance":"40000000/10000"},{"max_content":600}]`)); err != nil || i.colour.peak != 600 {
		t.Errorf("the brightest light is %v, %v, want 600", i.colour.peak, err)
	}
}
