package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiffOf is an Exif part that states an orientation.
func tiffOf(orientation byte) string {
	whole := withExif([]byte{0xff, 0xd8}, orientation, binary.LittleEndian, "II*\x00")
	return string(whole[bytes.Index(whole, []byte("II*")):])
}

// withPNGChunk puts a chunk after the header of a PNG.
func withPNGChunk(png []byte, name, body string) []byte {
	const head = 8 + 12 + 13
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	chunk = append(append(chunk, name...), body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return bytes.Join([][]byte{png[:head], chunk, png[head:]}, nil)
}

// stillChunk is the chunk of a lossless WebP that has no other.
func stillChunk(t testing.TB, img *image.NRGBA) [2]string {
	p := compress(img, img.Rect)
	if p.err != nil {
		t.Fatal(p.err)
	}
	size := binary.LittleEndian.Uint32(p.chunk[4:])
	return [2]string{string(p.chunk[:4]), string(p.chunk[8 : 8+size])}
}

// extended is a VP8X chunk.
func extended(flags byte, w, h int) [2]string {
	return [2]string{"VP8X", string(append24(append24([]byte{flags, 0, 0, 0}, w-1), h-1))}
}

// TestImageUpright: each format that keeps Exif is turned as it says, as the
// corners of the upright picture tell.
func TestImageUpright(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 32, 16))
	draw.Draw(img, img.Rect, corners(32, 16).Image(), image.Point{}, draw.Src)
	png, jpeg := encoded(t, "PNG", img), encoded(t, "JPEG", img)
	for o, want := range []string{"RGBW", "RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"} {
		if o == 0 {
			continue
		}
		exif := tiffOf(byte(o))
		for name, data := range map[string][]byte{
			"PNG":                        withPNGChunk(png, "eXIf", exif),
			"JPEG":                       withExif(jpeg, byte(o), binary.BigEndian, "MM\x00*"),
			"WebP":                       webpFile(extended(1<<3, 32, 16), stillChunk(t, img), [2]string{"EXIF", exif}),
			"WebP with the head of JPEG": webpFile(extended(1<<3, 32, 16), stillChunk(t, img), [2]string{"EXIF", "Exif\x00\x00" + exif}),
		} {
			f, err := DecodeImage(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got := cornersOf(f); got != want || (f.W == 16) != (o >= 5) {
				t.Errorf("%s of orientation %d: %s of %d×%d, want %s", name, o, got, f.W, f.H, want)
			}
		}
	}
}

// moving is an animated WebP: a canvas, and frames with their places and flags
// (1 goes, 2 replaces).
func moving(t testing.TB, w, h int, frames ...movingFrame) []byte {
	chunks := [][2]string{extended(1<<1|1<<4, w, h), {"ANIM", "\xff\xff\xff\xff\x00\x00"}}
	for _, f := range frames {
		img := image.NewNRGBA(image.Rect(0, 0, f.box.Dx(), f.box.Dy()))
		draw.Draw(img, img.Rect, image.NewUniform(f.colour), image.Point{}, draw.Src)
		body := append24(append24(nil, f.box.Min.X/2), f.box.Min.Y/2)
		body = append24(append24(append24(body, f.box.Dx()-1), f.box.Dy()-1), 100)
		chunk := stillChunk(t, img)
		chunks = append(chunks, [2]string{"ANMF", string(append(body, f.flags)) + string(appendChunk(nil, chunk[0], []byte(chunk[1])))})
	}
	return webpFile(chunks...)
}

type movingFrame struct {
	box    image.Rectangle
	flags  byte
	colour color.NRGBA
}

// pixelOf is one pixel of a frame.
func pixelOf(f Frame, x, y int) [3]byte { return [3]byte(f.Pix[3*(y*f.W+x):]) }

// TestImageAnimated: of an animation the first picture is read, whole, and that
// there are more is told.
func TestImageAnimated(t *testing.T) {
	red, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}
	theirs, err := os.ReadFile("testdata/animated.webp")
	if err != nil {
		t.Fatal(err)
	}
	lossy, err := os.ReadFile("testdata/lossy-alpha.webp")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(webpOf(t, 40, 24, 3))
	if err != nil {
		t.Fatal(err)
	}
	part := moving(t, 16, 8, movingFrame{image.Rect(4, 2, 8, 6), 0, red}, movingFrame{image.Rect(0, 0, 16, 8), 2, blue})
	p := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.White, red})
	var two bytes.Buffer
	if err := gif.EncodeAll(&two, &gif.GIF{Image: []*image.Paletted{p, p}, Delay: []int{1, 1}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		data     []byte
		w, h     int
		animated bool
		x, y     int // of a pixel, and its colour
		want     [3]byte
	}{
		{"another program's", theirs, 320, 200, true, 5, 5, [3]byte{255, 0, 0}},
		{"our own video", own, 40, 24, true, 30, 20, pixelOf(scene(40, 24, 0), 30, 20)},
		{"a cut video", own[:len(own)-9], 40, 24, true, 30, 20, pixelOf(scene(40, 24, 0), 30, 20)},
		{"around a first picture that is a part", part, 16, 8, true, 3, 2, [3]byte{255, 255, 255}},
		{"in a first picture that is a part", part, 16, 8, true, 4, 2, [3]byte{255, 0, 0}},
		{"lossy", lossy, 16, 16, true, 1, 1, [3]byte{255, 0, 0}},
		{"lossy, where it is transparent", lossy, 16, 16, true, 8, 8, [3]byte{255, 255, 255}},
		{"an animated GIF", two.Bytes(), 4, 4, true, 0, 0, [3]byte{255, 255, 255}},
		{"a GIF", encoded(t, "GIF", p), 4, 4, false, 0, 0, [3]byte{255, 255, 255}},
		{"an animated PNG", withPNGChunk(encoded(t, "PNG", p), "acTL", "\x00\x00\x00\x02\x00\x00\x00\x00"), 4, 4, true, 0, 0, [3]byte{255, 255, 255}},
		{"a PNG of one picture", withPNGChunk(encoded(t, "PNG", p), "acTL", "\x00\x00\x00\x01\x00\x00\x00\x00"), 4, 4, false, 0, 0, [3]byte{255, 255, 255}},
		{ // whose size is the one that is held against the limits
			"a WebP with a header after its picture",
			webpFile(stillChunk(t, image.NewNRGBA(image.Rect(0, 0, 8, 8))), extended(0, 64, 64), stillChunk(t, image.NewNRGBA(image.Rect(0, 0, 64, 64)))),
			8, 8, false, 0, 0,
			[3]byte{255, 255, 255},
		},
		{"a WebP that announces no transparency but may", webpFile(extended(1<<4, 8, 8), stillChunk(t, image.NewNRGBA(image.Rect(0, 0, 8, 8)))), 8, 8, false, 0, 0, [3]byte{255, 255, 255}},
		{"a WebP that announces transparency and has none", lossyStill(t, lossy), 16, 16, false, 8, 8, [3]byte{0, 0, 255}},
	} {
		f, kind, err := DecodeImageWithin(bytes.NewReader(c.data), ImageLimits{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if f.W != c.w || f.H != c.h || kind.Animated != c.animated {
			t.Errorf("%s: %d×%d, animated: %v; want %d×%d, %v", c.name, f.W, f.H, kind.Animated, c.w, c.h, c.animated)
			continue
		}
		got := pixelOf(f, c.x, c.y)
		for i := range got {
			if !near(got[i], c.want[i], 6) {
				t.Errorf("%s: pixel %d,%d is %v, want %v", c.name, c.x, c.y, got, c.want)
				break
			}
		}
	}
	for name, data := range map[string][]byte{
		"no picture":           webpFile(extended(1<<1, 8, 8)),
		"cut in the first":     theirs[:80],
		"outside":              moving(t, 8, 8, movingFrame{image.Rect(4, 4, 12, 12), 2, red}),
		"a header twice":       webpFile(extended(1<<1, 8, 8), extended(1<<1, 8, 8)),
		"a head of four bytes": webpFile(extended(1<<1, 8, 8), [2]string{"ANMF", "1234"}),
	} {
		if f, err := DecodeImage(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: %d×%d", name, f.W, f.H)
		}
	}
}

// lossyStill takes the second frame of the fixture, which is opaque, into a
// file that announces alpha.
func lossyStill(t *testing.T, video []byte) []byte {
	t.Helper()
	at := bytes.LastIndex(video, []byte("VP8 "))
	size := int(binary.LittleEndian.Uint32(video[at+4:]))
	return webpFile(extended(1<<4, 16, 16), [2]string{"VP8 ", string(video[at+8 : at+8+size])})
}

// TestWebPMixes draws animations whose frames are laid over each other and go
// away again.
func TestWebPMixes(t *testing.T) {
	whole := image.Rect(0, 0, 8, 8)
	red, clear := color.NRGBA{255, 0, 0, 255}, color.NRGBA{}
	half := color.NRGBA{0, 0, 255, 128}
	for _, c := range []struct {
		name   string
		frames []movingFrame
		want   [3]byte // at 4,4
		corner [3]byte
	}{
		{"laid over", []movingFrame{{whole, 2, red}, {image.Rect(4, 4, 8, 8), 0, half}}, [3]byte{127, 0, 128}, [3]byte{255, 0, 0}},
		{"replaced", []movingFrame{{whole, 2, red}, {image.Rect(4, 4, 8, 8), 2, half}}, [3]byte{127, 127, 255}, [3]byte{255, 0, 0}},
		{"with nothing", []movingFrame{{whole, 2, red}, {image.Rect(4, 4, 8, 8), 0, clear}}, [3]byte{255, 0, 0}, [3]byte{255, 0, 0}},
		{"gone", []movingFrame{{whole, 3, red}, {image.Rect(0, 0, 4, 4), 0, half}}, [3]byte{255, 255, 255}, [3]byte{127, 127, 255}},
	} {
		path := filepath.Join(t.TempDir(), "a.webp")
		if err := os.WriteFile(path, moving(t, 8, 8, c.frames...), 0o600); err != nil {
			t.Fatal(err)
		}
		last, err := LastFrame(t.Context(), path)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		out := filepath.Join(t.TempDir(), "joined.webp")
		if err := Join(t.Context(), out, []string{path, path}, JoinOptions{}); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		frames, _ := seen(t, out)
		for name, f := range map[string]Frame{"alone": last, "joined": frames[len(frames)-1]} {
			for at, want := range map[image.Point][3]byte{{X: 4, Y: 4}: c.want, {X: 1, Y: 1}: c.corner} {
				got := pixelOf(f, at.X, at.Y)
				if !near(got[0], want[0], 1) || !near(got[1], want[1], 1) || !near(got[2], want[2], 1) {
					t.Errorf("%s, %s: %v at %v, want %v", c.name, name, got, at, want)
				}
			}
		}
	}
}

// TestOtherFilesAreNamed: who sends what is not read is told what it is.
func TestOtherFilesAreNamed(t *testing.T) {
	for begins, want := range map[string]string{
		"BM6\x00\x00\x00\x00\x00\x00\x00":         "a BMP image",
		"II*\x00\x08\x00\x00\x00":                 "a TIFF image",
		"MM\x00*\x00\x00\x00\x08":                 "a TIFF image",
		"\x00\x00\x00\x1cftypavif\x00\x00\x00":    "an AVIF image",
		"\x00\x00\x00\x18ftypheic\x00\x00\x00":    "a HEIC image",
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00":    "a HEIC image",
		"\x00\x00\x00\x20ftypisom\x00\x00\x02":    "a video",
		"\x1a\x45\xdf\xa3\x9f\x42\x86\x81":        "a video",
		"\xff\x0a\x00\x00":                        "a JPEG XL image",
		"\xef\xbb\xbf<?xml version='1.0'?>\n<svg": "an SVG drawing",
		"\n<!DOCTYPE HTML><html>":                 "a web page",
		"%PDF-1.7":                                "a PDF document",
		"hello":                                   "not a PNG, JPEG, WebP or GIF",
	} {
		_, err := DecodeImage(strings.NewReader(begins))
		if !errors.Is(err, ErrNotAnImage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one that says %q", begins, err, want)
		}
	}
}
