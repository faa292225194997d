package media

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"
)

// fixed is a number as profiles have it.
func fixed(v float64) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(int32(math.Round(v*65536))))
}

// iccOf makes a profile: colourants of red, green and blue by the white of D50,
// and one curve.
func iccOf(space string, xyz [9]float64, curve []byte) []byte {
	names := []string{"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "kTRC"}
	head := make([]byte, 128)
	copy(head[16:], space)
	copy(head[20:], "XYZ ")
	copy(head[36:], "acsp")
	head = binary.BigEndian.AppendUint32(head, uint32(len(names)))
	var body []byte
	start := len(head) + 12*len(names)
	for i, name := range names {
		tag := curve
		if i < 3 {
			tag = append([]byte("XYZ "), 0, 0, 0, 0)
			for k := range 3 {
				tag = append(tag, fixed(xyz[3*i+k])...)
			}
		}
		head = append(head, name...)
		head = binary.BigEndian.AppendUint32(head, uint32(start+len(body)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(tag)))
		body = append(body, tag...)
	}
	return append(head, body...)
}

// srgbCurve is that of sRGB, as a formula.
func srgbCurve() []byte {
	tag := append([]byte("para"), 0, 0, 0, 0, 0, 3, 0, 0)
	for _, v := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
		tag = append(tag, fixed(v)...)
	}
	return tag
}

var (
	gamma22 = append([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), 0x02, 0x33) // 563/256
	// Colourants of sRGB, Display P3 and Adobe RGB, as their profiles have them.
	ofSRGB  = [9]float64{0.43607, 0.22249, 0.01392, 0.38515, 0.71687, 0.09708, 0.14307, 0.06061, 0.71410}
	ofP3    = [9]float64{0.51512, 0.24120, -0.00105, 0.29198, 0.69225, 0.04189, 0.15710, 0.06657, 0.78407}
	ofAdobe = [9]float64{0.60974, 0.31111, 0.01947, 0.20528, 0.62567, 0.06087, 0.14919, 0.06322, 0.74457}
)

// withProfile puts a profile into a file of each format that has them.
func withProfile(t *testing.T, img *image.NRGBA, icc []byte) map[string][]byte {
	t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(icc); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	jpeg := encoded(t, "JPEG", img)
	out := jpeg[:2:2]
	half := len(icc) / 2
	for i, part := range [][]byte{icc[:half], icc[half:]} {
		out = append(out, 0xff, 0xe2)
		out = binary.BigEndian.AppendUint16(out, uint16(2+14+len(part)))
		out = append(append(append(out, "ICC_PROFILE\x00"...), byte(i+1), 2), part...)
	}
	return map[string][]byte{
		"JPEG": append(out, jpeg[2:]...),
		"PNG":  withPNGChunk(encoded(t, "PNG", img), "iCCP", "name\x00\x00"+packed.String()),
		"WebP": webpFile(extended(1<<5, img.Rect.Dx(), img.Rect.Dy()), [2]string{"ICCP", string(icc)}, stillChunk(t, img)),
	}
}

// TestImageProfile: the colours of phones and cameras come out as sRGB has
// them. What is wanted was computed with Little CMS.
func TestImageProfile(t *testing.T) {
	for _, c := range []struct {
		name       string
		icc        []byte
		from, want color.NRGBA
	}{
		{"Display P3", iccOf("RGB ", ofP3, srgbCurve()), color.NRGBA{200, 100, 50, 255}, color.NRGBA{215, 93, 31, 255}},
		{"Display P3, white", iccOf("RGB ", ofP3, srgbCurve()), color.NRGBA{255, 255, 255, 255}, color.NRGBA{255, 255, 255, 255}},
		{"Adobe RGB", iccOf("RGB ", ofAdobe, gamma22), color.NRGBA{150, 120, 60, 255}, color.NRGBA{162, 121, 53, 255}},
		{"linear light", iccOf("RGB ", ofSRGB, []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00")), color.NRGBA{55, 55, 55, 255}, color.NRGBA{128, 128, 128, 255}},
		{"greys", iccOf("GRAY", ofSRGB, []byte("curv\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xff")), color.NRGBA{55, 55, 55, 255}, color.NRGBA{128, 128, 128, 255}},
		{"sRGB", iccOf("RGB ", ofSRGB, srgbCurve()), color.NRGBA{200, 100, 50, 255}, color.NRGBA{200, 100, 50, 255}},
		{"a space that is not read", iccOf("CMYK", ofP3, srgbCurve()), color.NRGBA{200, 100, 50, 255}, color.NRGBA{200, 100, 50, 255}},
		{"a broken one", iccOf("RGB ", ofP3, []byte("para")), color.NRGBA{200, 100, 50, 255}, color.NRGBA{200, 100, 50, 255}},
	} {
		img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		draw.Draw(img, img.Rect, image.NewUniform(c.from), image.Point{}, draw.Src)
		for format, data := range withProfile(t, img, c.icc) {
			f, err := DecodeImage(bytes.NewReader(data))
			if err != nil {
				t.Errorf("%s in %s: %v", c.name, format, err)
				continue
			}
			if p := pixelOf(f, 8, 8); !near(p[0], c.want.R, 2) || !near(p[1], c.want.G, 2) || !near(p[2], c.want.B, 2) {
				t.Errorf("%s in %s: %v became %v, want %v", c.name, format, c.from, p, c.want)
			}
		}
	}
}

// TestLargeProfile: a WebP may hold a profile of megabytes, of which nothing is
// read.
func TestLargeProfile(t *testing.T) {
	if newColourMap(append(iccOf("RGB ", ofP3, srgbCurve()), make([]byte, maxProfile)...)) != nil {
		t.Errorf("a profile of more than %d bytes is read", maxProfile)
	}
}

func FuzzColourMap(f *testing.F) {
	f.Add(iccOf("RGB ", ofP3, srgbCurve()))
	f.Add(iccOf("GRAY", ofAdobe, gamma22))
	f.Fuzz(func(_ *testing.T, icc []byte) {
		if m := newColourMap(icc); m != nil {
			m.apply([]byte{0, 1, 2, 253, 254, 255})
		}
	})
}
