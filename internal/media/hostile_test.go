package media

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"runtime"
	"strings"
	"testing"
)

// webpFile puts chunks, each a name and its data, into a WebP file.
func webpFile(chunks ...[2]string) []byte {
	body := []byte("WEBP")
	for _, c := range chunks {
		body = append(body, c[0]...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(c[1])))
		body = append(body, c[1]...)
		body = append(body, make([]byte, len(c[1])%2)...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// canvas is a VP8X chunk: 16×16 pixels, with an alpha plane or without.
func canvas(alpha byte) [2]string {
	return [2]string{"VP8X", string([]byte{alpha << 4, 0, 0, 0, 15, 0, 0, 15, 0, 0})}
}

// manyGroups is a lossless WebP of 16×16 pixels which says that it has 65,536
// groups of prefix codes, whose tables would take hundreds of MiB.
func manyGroups() []byte {
	var out []byte
	n := 0
	put := func(v, bits int) { // the lowest bit first
		for i := range bits {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	put(0x2f, 8)
	put(15, 14)
	put(15, 14)
	put(0, 1+3)   // alpha, version
	put(0, 1)     // no transform
	put(0, 1)     // no colour cache
	put(1, 1)     // several groups,
	put(0, 3)     // one for each 4×4 pixels, told by an image of
	put(0, 1)     // no colour cache
	for range 2 { // and one value of green and red: 255
		put(0b101, 3)
		put(255, 8)
	}
	for range 3 {
		put(0b0001, 4) // other values are 0
	}
	return webpFile([2]string{"VP8L", string(append(out, make([]byte, 64)...))})
}

// TestDecodeImageMemory decodes files of a few bytes that ask for much memory
// only after their headers were found harmless.
func TestDecodeImageMemory(t *testing.T) {
	huge := "\x2f\xff\xff\xff\x0f\x00\x00\x00"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"tables":                     {manyGroups(), "too many"},
		"a canvas around a large":    {webpFile(canvas(0), [2]string{"VP8L", huge}), "invalid"},
		"a canvas around large α":    {webpFile(canvas(1), [2]string{"VP8L", huge}), "invalid"},
		"a canvas around a keyframe": {webpFile(canvas(0), [2]string{"VP8 ", "\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f"}), "invalid"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeImage(bytes.NewReader(c.data))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
			t.Errorf("%s: %d bytes made the decoder take %d MiB", name, len(c.data), took>>20)
		}
	}
}

// TestImageMemory: a pixel counts by what its decoder holds for it.
func TestImageMemory(t *testing.T) {
	progressive := []byte{0xff, 0xc2}
	for _, c := range []struct {
		format imageFormat
		model  color.Model
		data   []byte
		want   int64
	}{
		{formatPNG, color.RGBAModel, progressive, 4},
		{formatPNG, color.NRGBA64Model, nil, 8},
		{formatGIF, color.Palette{}, nil, 4},
		{formatWebP, color.NRGBAModel, nil, 8},
		{formatWebP, color.NYCbCrAModel, nil, 8},
		{formatJPEG, color.YCbCrModel, nil, 4},
		{formatJPEG, color.CMYKModel, nil, 8},
		{formatJPEG, color.YCbCrModel, progressive, 16},
		{formatJPEG, color.CMYKModel, progressive, 24},
	} {
		if got := c.format.bytesPerPixel(image.Config{ColorModel: c.model}, c.data); got != c.want {
			t.Errorf("%s: %d bytes a pixel, want %d", c.format.name, got, c.want)
		}
	}
}
