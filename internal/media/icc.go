package media

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math"
)

// maxProfile bounds the size of an image's colour profile. Usual ones have a few
// kilobytes.
const maxProfile = 1 << 20

// profile returns the ICC profile that an image carries, or nil.
func (i imageFormat) profile(data []byte) []byte {
	switch i.name {
	case "JPEG":
		return jpegProfile(data)
	case "PNG":
		for name, body := range pngChunks(data) {
			switch name {
			case "iCCP":
				_, packed, _ := bytes.Cut(body, []byte{0})
				if len(packed) < 1 { // its first byte says how it is packed, for which there is one way
					return nil
				}
				r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
				if err != nil {
					return nil
				}
				p, err := io.ReadAll(io.LimitReader(r, maxProfile))
				if err != nil {
					return nil
				}
				return p
			case "IDAT":
				return nil
			}
		}
	case "WebP":
		for name, body := range webpChunks(data) {
			if name == "ICCP" {
				return body
			}
		}
	}
	return nil
}

// jpegProfile puts a profile together from the segments of a JPEG that hold its
// parts, numbered from 1.
func jpegProfile(data []byte) (whole []byte) {
	parts, count := map[byte][]byte{}, 0
	for marker, body := range jpegSegments(data) {
		if part, ok := bytes.CutPrefix(body, []byte("ICC_PROFILE\x00")); ok && marker == 0xe2 && len(part) > 2 {
			parts[part[0]], count = part[2:], int(part[1])
		}
	}
	for n := 1; n <= count; n++ {
		part, ok := parts[byte(n)]
		if !ok || len(whole)+len(part) > maxProfile {
			return nil
		}
		whole = append(whole, part...)
	}
	return whole
}

// colourMap turns the colours of an image's profile into sRGB's.
type colourMap struct {
	light  [3][256]float32
	matrix [9]float32
}

// newColourMap reads an ICC profile (ISO 15076-1) of the kind that cameras and
// screens have: three curves and a matrix, or one curve for greys. It returns nil
// for any other kind, for a broken profile, and for one that is sRGB or nearly so.
func newColourMap(icc []byte) *colourMap {
	const head, entry = 132, 12
	if len(icc) < head || len(icc) > maxProfile || string(icc[36:40]) != "acsp" || string(icc[20:24]) != "XYZ " {
		return nil
	}
	tags := map[string][]byte{}
	be := binary.BigEndian
	for n, at := be.Uint32(icc[128:]), head; n > 0 && at+entry <= len(icc); n, at = n-1, at+entry {
		from, size := int64(be.Uint32(icc[at+4:])), int64(be.Uint32(icc[at+8:]))
		if from+size <= int64(len(icc)) {
			tags[string(icc[at:at+4])] = icc[from : from+size]
		}
	}
	m := &colourMap{matrix: [9]float32{1, 0, 0, 0, 1, 0, 0, 0, 1}}
	names := []string{"rTRC", "gTRC", "bTRC"}
	switch string(icc[16:20]) {
	case "RGB ":
		if !m.primaries(tags["rXYZ"], tags["gXYZ"], tags["bXYZ"]) {
			return nil
		}
	case "GRAY":
		names = []string{"kTRC", "kTRC", "kTRC"}
	default:
		return nil
	}
	for i, name := range names {
		curve := iccCurve(tags[name])
		if curve == nil {
			return nil
		}
		for v := range m.light[i] {
			m.light[i][v] = float32(min(max(curve(float64(v)/255), 0), 1))
		}
	}
	if m.changesNothing() {
		return nil
	}
	return m
}

// primaries makes the matrix from linear red, green and blue, relative to the white
// D50, to linear sRGB.
func (m *colourMap) primaries(red, green, blue []byte) bool {
	var xyz [9]float64
	for i, tag := range [][]byte{red, green, blue} {
		if len(tag) < 20 || string(tag[:4]) != "XYZ " {
			return false
		}
		for k := range 3 {
			xyz[3*k+i] = float64(int32(binary.BigEndian.Uint32(tag[8+4*k:]))) / (1 << 16)
		}
	}
	// From light relative to D50 to sRGB, with Bradford's adaptation to D65.
	toSRGB := [9]float64{3.1338561, -1.6168667, -0.4906146, -0.9787684, 1.9161415, 0.0334540, 0.0719453, -0.2289914, 1.4052427}
	for row := range 3 {
		var sums [3]float64
		for col := range 3 {
			for k := range 3 {
				sums[col] += toSRGB[3*row+k] * xyz[3*k+col]
			}
		}
		white := sums[0] + sums[1] + sums[2]
		if !(white > 0.9 && white < 1.1) {
			return false
		}
		for col := range 3 { // white stays white, whatever was rounded
			m.matrix[3*row+col] = float32(sums[col] / white)
		}
	}
	return true
}

// iccCurve returns a curve of a profile, from a value to light, both from 0 to 1, or
// nil if it cannot be read.
func iccCurve(tag []byte) func(float64) float64 {
	be := binary.BigEndian
	if len(tag) < 12 {
		return nil
	}
	switch string(tag[:4]) {
	case "curv":
		n := int(min(be.Uint32(tag[8:]), 1<<16))
		switch {
		case len(tag) < 12+2*n:
			return nil
		case n == 0:
			return func(v float64) float64 { return v }
		case n == 1:
			gamma := float64(be.Uint16(tag[12:])) / 256
			return func(v float64) float64 { return math.Pow(v, gamma) }
		}
		return func(v float64) float64 {
			at := v * float64(n-1)
			i := min(int(at), n-2)
			a, b := float64(be.Uint16(tag[12+2*i:])), float64(be.Uint16(tag[14+2*i:]))
			return (a + (at-float64(i))*(b-a)) / math.MaxUint16
		}
	case "para":
		return iccFormula(be.Uint16(tag[8:]), tag[12:])
	}
	return nil
}

// iccFormula is a parametric curve: (ax+b)^g + e from d on, and cx+f before.
func iccFormula(kind uint16, numbers []byte) func(float64) float64 {
	counts := []int{1, 3, 4, 5, 7}
	if int(kind) >= len(counts) || len(numbers) < 4*counts[kind] {
		return nil
	}
	p := make([]float64, 7)
	for i := range counts[kind] {
		p[i] = float64(int32(binary.BigEndian.Uint32(numbers[4*i:]))) / (1 << 16)
	}
	g, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		a, d = 1, math.Inf(-1)
	case 1, 2:
		// Before -b/a there is c alone, which is there everywhere.
		if a == 0 {
			return nil
		}
		c, d, e, f = 0, -b/a, p[3], p[3]
	}
	return func(v float64) float64 {
		if v < d {
			return c*v + f
		}
		return math.Pow(max(a*v+b, 0), g) + e
	}
}

// changesNothing says that the map changes no colour visibly.
func (m *colourMap) changesNothing() bool {
	for n := range 6 * 6 * 6 {
		from := [3]byte{byte(n / 36 * 51), byte(n / 6 % 6 * 51), byte(n % 6 * 51)}
		to := from
		m.apply(to[:])
		for i := range to {
			if d := int(to[i]) - int(from[i]); d > 2 || d < -2 {
				return false
			}
		}
	}
	return true
}

// apply converts pixels [n, 3] in place.
func (m *colourMap) apply(pix []byte) {
	code := srgbCodes().of
	k := &m.matrix
	for ; len(pix) >= 3; pix = pix[3:] {
		r, g, b := m.light[0][pix[0]], m.light[1][pix[1]], m.light[2][pix[2]]
		pix[0] = code(k[0]*r + k[1]*g + k[2]*b)
		pix[1] = code(k[3]*r + k[4]*g + k[5]*b)
		pix[2] = code(k[6]*r + k[7]*g + k[8]*b)
	}
}
