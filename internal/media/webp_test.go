package media

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/webp"
)

// playWebP reads an animated WebP by its specification and draws its frames;
// it also returns the sum of their durations and the XMP part.
func playWebP(t *testing.T, data []byte, w, h int) (frames []Frame, duration int, xmp string) {
	t.Helper()
	le := binary.LittleEndian
	u24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	if string(data[:4]) != "RIFF" || string(data[8:12]) != "WEBP" || int(le.Uint32(data[4:])) != len(data)-8 {
		t.Fatalf("bad RIFF header % x for %d bytes", data[:12], len(data))
	}
	canvas := NewFrame(w, h)
	var order []string
	for data = data[12:]; len(data) > 0; {
		id, size := string(data[:4]), int(le.Uint32(data[4:]))
		body := data[8 : 8+size]
		data = data[8+size+size%2:]
		if len(order) == 0 || order[len(order)-1] != id {
			order = append(order, id)
		}
		switch id {
		case "VP8X":
			if u24(body[4:])+1 != w || u24(body[7:])+1 != h || body[0]&2 == 0 {
				t.Errorf("VP8X % x", body)
			}
			if hasXMP := body[0]&4 != 0; hasXMP != bytes.Contains(data, []byte("XMP ")) {
				t.Errorf("the XMP flag is %v", hasXMP)
			}
		case "ANMF":
			x, y, fw, fh := 2*u24(body), 2*u24(body[3:]), u24(body[6:])+1, u24(body[9:])+1
			duration += u24(body[12:])
			still := append(le.AppendUint32([]byte("RIFF"), uint32(4+len(body)-16)), "WEBP"...)
			img, err := webp.Decode(bytes.NewReader(append(still, body[16:]...)))
			if err != nil {
				t.Fatalf("frame %d: %v", len(frames), err)
			}
			if img.Bounds().Dx() != fw || img.Bounds().Dy() != fh || x+fw > w || y+fh > h {
				t.Fatalf("frame %d is %v, stated as %d×%d at %d,%d", len(frames), img.Bounds(), fw, fh, x, y)
			}
			for j := range fh {
				for i := range fw {
					r, g, b, _ := img.At(i, j).RGBA()
					copy(canvas.Pix[3*((y+j)*w+x+i):], []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
				}
			}
			frames = append(frames, Frame{w, h, bytes.Clone(canvas.Pix)})
		case "XMP ":
			xmp = string(body)
		}
	}
	if got := strings.Join(order, " "); !strings.HasPrefix(got, "VP8X ANIM ANMF") {
		t.Errorf("the chunks are %s", got)
	}
	return frames, duration, xmp
}

func TestWebPRoundTrip(t *testing.T) {
	const w, h, frames = 67, 45, 31
	dir := t.TempDir()
	path := filepath.Join(dir, "a.webp")
	e, err := Create(t.Context(), path, Options{W: w, H: h, FPS: 24, Meta: Meta{Prompt: `a <cat> & "dog" 猫`, Model: "reel", Seed: 9}})
	if err != nil {
		t.Fatal(err)
	}
	var want []Frame
	for i := range frames {
		f := scene(w, h, i)
		if i%5 == 4 { // a frame that only differs in a few pixels, and one not at all
			f = Frame{w, h, bytes.Clone(want[i-1].Pix)}
			if i%10 == 4 {
				f.Pix[3*(7*w+13)] ^= 0xff
				f.Pix[3*(9*w+21)+2] ^= 0xff
			}
		}
		want = append(want, f)
		if err := e.WriteFrame(f.Pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	onlyFiles(t, dir, "a.webp")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, duration, xmp := playWebP(t, data, w, h)
	if len(got) != frames || duration != 1292 {
		t.Fatalf("%d frames of %d ms in all, want %d of 1292", len(got), duration, frames)
	}
	for i := range got {
		if !bytes.Equal(got[i].Pix, want[i].Pix) {
			t.Fatalf("frame %d came back different", i)
		}
	}
	for _, s := range []string{`kinora:seed="9"`, "a &lt;cat&gt; &amp;", "猫", "trainedAlgorithmicMedia", "AI-generated"} {
		if !strings.Contains(xmp, s) {
			t.Errorf("the XMP lacks %q: %s", s, xmp)
		}
	}
}

func TestWebPStream(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var b bytes.Buffer
	e, err := Stream(t.Context(), &b, WebP, Options{W: 20, H: 10, FPS: 10})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, 20, 10, 4)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	frames, duration, xmp := playWebP(t, b.Bytes(), 20, 10)
	if len(frames) != 4 || duration != 400 || xmp != "" {
		t.Errorf("%d frames, %d ms, XMP %q", len(frames), duration, xmp)
	}
	onlyFiles(t, os.Getenv("TMPDIR"))

	e, err = Stream(t.Context(), &failingWriter{50}, WebP, Options{W: 20, H: 10, FPS: 10})
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, 20, 10, 4)
	if err := e.Close(); err == nil {
		t.Error("a stream that nobody took succeeded")
	}
	onlyFiles(t, os.Getenv("TMPDIR"))
}

func BenchmarkWebP(b *testing.B) {
	e, err := Create(b.Context(), filepath.Join(b.TempDir(), "a.webp"), Options{W: 256, H: 160, FPS: 24})
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		if err := e.WriteFrame(scene(256, 160, i).Pix); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
