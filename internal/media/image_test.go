package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/HugoSmits86/nativewebp"
)

// picture is a 7×5 image with a colour of its own in each corner.
func picture() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 7, 5))
	for y := range 5 {
		for x := range 7 {
			m.SetNRGBA(x, y, color.NRGBA{uint8(30 * x), uint8(50 * y), 128, 255})
		}
	}
	return m
}

func encoded(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "PNG":
		err = png.Encode(&b, m)
	case "JPEG":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 100})
	case "WebP":
		err = nativewebp.Encode(&b, m, nil)
	case "GIF":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeImageFormats(t *testing.T) {
	want := Frame{7, 5, nil}
	for i, p := 0, picture().Pix; i < len(p); i += 4 {
		want.Pix = append(want.Pix, p[i:i+3]...)
	}
	for format, least := range map[string]float64{"PNG": 90, "WebP": 90, "JPEG": 25, "GIF": 20} {
		got, err := DecodeImage(bytes.NewReader(encoded(t, format, picture())))
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got.W != 7 || got.H != 5 || psnr(want, got) < least {
			t.Errorf("%s: %d×%d at %.1f dB", format, got.W, got.H, psnr(want, got))
		}
	}
	path := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(path, encoded(t, "PNG", picture()), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _, err := ReadImage(path); err != nil || !bytes.Equal(got.Pix, want.Pix) {
		t.Errorf("ReadImage: %v", err)
	}
	var b bytes.Buffer
	if err := want.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeImage(&b); err != nil || !bytes.Equal(got.Pix, want.Pix) {
		t.Errorf("WritePNG: %v", err)
	}
}

func TestDecodeImageOtherColours(t *testing.T) {
	grey := image.NewGray16(image.Rect(0, 0, 100, 130))
	half := image.NewNRGBA64(image.Rect(0, 0, 3, 3))
	for i := range 9 {
		half.SetNRGBA64(i%3, i/3, color.NRGBA64{0, 0, 0, 0x8000})
	}
	grey.SetGray16(99, 129, color.Gray16{0xffff})
	for _, c := range []struct {
		img  image.Image
		x, y int
		want byte
	}{{grey, 0, 0, 0}, {grey, 99, 129, 255}, {half, 1, 1, 127}, {image.NewNRGBA(image.Rect(0, 0, 2, 2)), 1, 1, 255}} {
		f, err := DecodeImage(bytes.NewReader(encoded(t, "PNG", c.img)))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Pix[3*(c.y*f.W+c.x)]; got != c.want {
			t.Errorf("%T: pixel %d,%d is %d, want %d", c.img, c.x, c.y, got, c.want)
		}
	}
}

// TestDecodeGIFPart has a first picture that covers a part of the canvas only.
func TestDecodeGIFPart(t *testing.T) {
	p := image.NewPaletted(image.Rect(2, 1, 4, 3), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{p, p}, Delay: []int{1, 1},
		Config: image.Config{Width: 6, Height: 4, ColorModel: p.Palette},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := DecodeImage(&b)
	if err != nil || f.W != 6 || f.H != 4 {
		t.Fatalf("%d×%d, %v", f.W, f.H, err)
	}
	for i := range 24 {
		x, y := i%6, i/6
		want := byte(255)
		if image.Pt(x, y).In(p.Rect) {
			want = 0
		}
		if f.Pix[3*i] != want {
			t.Errorf("pixel %d,%d is %d, want %d", x, y, f.Pix[3*i], want)
		}
	}
}

// withExif puts an orientation into a JPEG.
func withExif(jpeg []byte, orientation byte, order binary.AppendByteOrder, mark string) []byte {
	tiff := order.AppendUint32([]byte(mark), 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, e := range [][2]uint16{{0x0100, 3}, {0x0112, uint16(orientation)}} {
		tiff = order.AppendUint16(tiff, e[0])
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, e[1])
		tiff = append(tiff, 0, 0)
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, byte((len(body)+2)>>8), byte(len(body)+2))
	return append(append(out, body...), jpeg[2:]...)
}

// TestExifOrientation follows the eight cases of CIPA DC-008: which corner of
// the upright picture the first stored pixel is, and along which side the first
// stored row runs.
func TestExifOrientation(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 32, 16))
	for i := range 32 * 16 {
		c := color.NRGBA{0, 0, 0, 255}
		if x, y := i%32, i/32; x < 8 && y < 8 {
			c.R = 255 // the first pixels
		} else if x >= 24 && y < 8 {
			c.G = 255 // the end of the first row
		}
		m.SetNRGBA(i%32, i/32, c)
	}
	file := encoded(t, "JPEG", m)
	type corner struct{ right, bottom bool }
	for o, want := range map[byte][2]corner{ // where red and green must be
		1: {{false, false}, {true, false}},
		2: {{true, false}, {false, false}},
		3: {{true, true}, {false, true}},
		4: {{false, true}, {true, true}},
		5: {{false, false}, {false, true}},
		6: {{true, false}, {true, true}},
		7: {{true, true}, {true, false}},
		8: {{false, true}, {false, false}},
	} {
		data := withExif(file, o, binary.BigEndian, "MM\x00*")
		if o%2 == 0 {
			data = withExif(file, o, binary.LittleEndian, "II*\x00")
		}
		f, err := DecodeImage(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if swapped := f.W == 16; swapped != (o >= 5) {
			t.Errorf("orientation %d: %d×%d", o, f.W, f.H)
		}
		for channel, c := range want {
			x, y := 3, 3
			if c.right {
				x = f.W - 4
			}
			if c.bottom {
				y = f.H - 4
			}
			if p := f.Pix[3*(y*f.W+x):][:3]; p[channel] < 200 {
				t.Errorf("orientation %d: %v at %d,%d, channel %d should be full", o, p, x, y, channel)
			}
		}
	}
	for n := range len(file) { // a cut file must not upset the parser
		formatJPEG.orientation(withExif(file, 6, binary.BigEndian, "MM\x00*")[:n])
	}
}

// hugePNG states a size that its few bytes do not hold.
func hugePNG(w, h uint32, depth, colour byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	head = append(binary.BigEndian.AppendUint32(head, h), depth, colour, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func hugeGIF() []byte { return []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00") }

// hugeWebP is a lossless WebP that states 16384×16384 pixels.
func hugeWebP() []byte {
	return []byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00")
}

func manyScans(t testing.TB) []byte {
	j := encoded(t, "JPEG", picture())
	return append(j[:len(j)-2:len(j)-2], bytes.Repeat([]byte{0xff, 0xda, 0, 2}, maxScans+1)...)
}

func TestDecodeImageRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":        {nil, ErrNotAnImage},
		"text":           {[]byte("GIF for president"), ErrNotAnImage},
		"a long side":    {hugePNG(20000, 10, 8, 2), ErrTooLarge},
		"many pixels":    {hugePNG(16000, 16000, 8, 2), ErrTooLarge},
		"16-bit pixels":  {hugePNG(8000, 8000, 16, 2), ErrTooLarge},
		"more than int":  {hugePNG(0x7fffffff, 0x7fffffff, 8, 2), nil},
		"a large GIF":    {hugeGIF(), ErrTooLarge},
		"a large WebP":   {hugeWebP(), ErrTooLarge},
		"many scans":     {manyScans(t), ErrTooLarge},
		"a cut PNG":      {encoded(t, "PNG", picture())[:60], nil},
		"a cut JPEG":     {encoded(t, "JPEG", picture())[:300], nil},
		"a cut WebP":     {encoded(t, "WebP", picture())[:40], nil},
		"a cut GIF":      {encoded(t, "GIF", picture())[:30], nil},
		"a large file":   {append([]byte("GIF89a"), make([]byte, MaxImageBytes)...), ErrTooLarge},
		"a long WebP":    {append(encoded(t, "WebP", picture()), make([]byte, MaxWebPBytes)...), ErrTooLarge},
		"no pixels wide": {hugePNG(0, 5, 8, 2), nil},
	} {
		f, err := DecodeImage(bytes.NewReader(c.data))
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %d×%d, error %v, want %v", name, f.W, f.H, err, c.want)
		}
	}
}

// TestDecodeImageWithin: each limit says its own name, and none is widened.
func TestDecodeImageWithin(t *testing.T) {
	var b bytes.Buffer
	if err := scene(60, 20, 0).WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	size := int64(b.Len())
	for _, c := range []struct {
		l    ImageLimits
		want string // "" for a picture
	}{
		{ImageLimits{}, ""},
		{ImageLimits{Bytes: size, Side: 60, Pixels: 1200}, ""},
		{ImageLimits{Bytes: 1 << 40, Side: 1 << 30, Pixels: 1 << 50}, ""},
		{ImageLimits{Bytes: size - 1}, fmt.Sprintf("more than %d bytes", size-1)},
		{ImageLimits{Side: 59}, "59 a side"},
		{ImageLimits{Pixels: 1199}, "1199 pixels in all"},
	} {
		f, kind, err := DecodeImageWithin(bytes.NewReader(b.Bytes()), c.l)
		switch {
		case c.want == "" && (err != nil || kind != ImageKind{"PNG", false} || f.W != 60 || f.H != 20):
			t.Errorf("%+v: %s of %d×%d, %v", c.l, kind.Format, f.W, f.H, err)
		case c.want != "" && (!errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v, want one that says %q", c.l, err, c.want)
		}
	}
}

// TestDecodeImageTellsTheReader: an error of the reader is told from one of the image.
func TestDecodeImageTellsTheReader(t *testing.T) {
	cut := errors.New("the line is cut")
	_, _, err := DecodeImageWithin(iotest.ErrReader(cut), ImageLimits{})
	if _, unread := errors.AsType[*ReadError](err); !unread || !errors.Is(err, cut) {
		t.Errorf("a reader that fails: %v", err)
	}
	if plain := Plain(err); !errors.Is(plain, cut) || plain.Error() != "reading an image: the line is cut" {
		t.Errorf("in plain words: %v", plain)
	}
	for _, format := range []string{"PNG", "JPEG", "WebP", "GIF"} {
		data := encoded(t, format, picture())
		_, _, err := DecodeImageWithin(bytes.NewReader(data[:len(data)/2]), ImageLimits{})
		if _, unread := errors.AsType[*ReadError](err); err == nil || unread {
			t.Errorf("half a %s: %v", format, err)
		}
	}
}

func FuzzDecodeImageWithin(f *testing.F) {
	f.Add(encoded(f, "PNG", picture()), int64(1000), 9, int64(63))
	f.Fuzz(func(t *testing.T, data []byte, size int64, side int, pixels int64) {
		l := ImageLimits{Bytes: size, Side: side, Pixels: pixels}
		if pixels <= 0 || pixels > 1<<20 {
			l.Pixels = 1 << 20 // more is allowed, and slow
		}
		p, _, err := DecodeImageWithin(bytes.NewReader(data), l)
		if err != nil {
			return
		}
		if side > 0 && max(p.W, p.H) > side || int64(p.W)*int64(p.H) > l.Pixels || size > 0 && int64(len(data)) > size || len(p.Pix) != 3*p.W*p.H {
			t.Errorf("%d bytes of %d×%d got through %+v", len(data), p.W, p.H, l)
		}
	})
}

func FuzzDecodeImage(f *testing.F) {
	for _, format := range []string{"PNG", "JPEG", "WebP", "GIF"} {
		f.Add(encoded(f, format, picture()))
	}
	f.Add(withExif(encoded(f, "JPEG", picture()), 6, binary.BigEndian, "MM\x00*"))
	f.Add(hugePNG(16000, 16000, 8, 2))
	f.Add(hugeGIF())
	f.Add(hugeWebP())
	f.Add(manyScans(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Sizes within the limits are fine but slow to fuzz.
		if format, ok := sniff(data); ok {
			if cfg, err := format.config(bytes.NewReader(data)); err == nil && cfg.Width*cfg.Height > 1<<20 {
				if err := format.admit(data, ImageLimits{}.narrowed()); err == nil && cfg.Width*cfg.Height > MaxImageMemory/4 {
					t.Errorf("%d×%d pixels were admitted", cfg.Width, cfg.Height)
				}
				return
			}
		}
		frame, err := DecodeImage(bytes.NewReader(data))
		if err != nil {
			return
		}
		if err := frame.valid(); err != nil {
			t.Error(err)
		}
		if _, err := Fit(frame, 32, 20); err != nil {
			t.Error(err)
		}
	})
}
