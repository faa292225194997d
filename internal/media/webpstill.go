package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"iter"
	"math"

	"golang.org/x/image/webp"
)

// webpChunks yields the name and content of each chunk of a WebP file in memory. It
// ends where the file is cut off.
func webpChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for at := 12; at+8 <= len(data); {
			size := int64(binary.LittleEndian.Uint32(data[at+4:]))
			name, body := string(data[at:at+4]), data[at+8:]
			if size > int64(len(body)) || !yield(name, body[:size]) {
				return
			}
			at += 8 + int(size+size&1)
		}
	}
}

// webpPicture locates the picture of a WebP file: the only one of a still, or the first
// of an animation.
type webpPicture struct {
	canvas   image.Point
	box      image.Rectangle // on the canvas
	chunks   []byte          // ALPH, VP8 and VP8L, with their headers
	animated bool
}

// findPicture looks for the picture of a WebP file that has a VP8X chunk. For a file
// without one, which is a plain still, ok is false.
func findPicture(data []byte) (p webpPicture, ok bool, err error) {
	for name, body := range webpChunks(data) {
		switch name {
		case "VP8X":
			if len(body) < 10 || ok {
				return p, true, errors.New("its header is damaged")
			}
			const animation = 1 << 1
			p.animated, ok = body[0]&animation != 0, true
			p.canvas = image.Pt(1+uint24(body[4:]), 1+uint24(body[7:]))
			p.box.Max = p.canvas
		case "ANMF":
			if !ok || !p.animated {
				continue
			}
			if len(body) < 16 {
				return p, true, errors.New("its first picture is damaged")
			}
			p.box = boxOf(body)
			if !p.box.In(image.Rectangle{Max: p.canvas}) {
				return p, true, errors.New("its first picture lies outside of the canvas")
			}
			p.chunks = body[16:]
			return p, true, nil
		case "ALPH", "VP8 ", "VP8L":
			if !ok { // this is the picture; admit has not seen the canvas that a later VP8X states
				return p, false, nil
			}
			if !p.animated {
				p.chunks = appendChunk(p.chunks, name, body)
			}
		}
	}
	if ok && len(p.chunks) == 0 {
		return p, true, errors.New("it has no whole picture: it is cut off")
	}
	return p, ok, nil
}

func appendChunk(b []byte, name string, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, name...), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)&1)...)
}

// boxOf reads the place of a frame from the head of an ANMF chunk.
func boxOf(head []byte) image.Rectangle {
	x, y := 2*uint24(head[0:]), 2*uint24(head[3:])
	return image.Rect(x, y, x+1+uint24(head[6:]), y+1+uint24(head[9:]))
}

// decodeChunks decodes ALPH, VP8 and VP8L chunks as a picture of a given size. It
// writes a new header for the decoder: that of a real file may be wrong about alpha,
// and frames of animations have none.
func decodeChunks(chunks []byte, size image.Point) (image.Image, error) {
	const alpha = 1 << 4
	var head [10]byte
	if bytes.HasPrefix(chunks, []byte("ALPH")) {
		head[0] = alpha
	}
	w, h := size.X-1, size.Y-1
	copy(head[4:], []byte{byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
	data := append(make([]byte, 0, 30+len(chunks)), "RIFF\x00\x00\x00\x00WEBP"...)
	data = append(appendChunk(data, "VP8X", head[:]), chunks...)
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
	return decodeStill(data)
}

// decodeStill decodes a WebP file that has only one picture.
func decodeStill(data []byte) (image.Image, error) {
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := img.(type) {
	case *image.YCbCr:
		widen(m)
	case *image.NYCbCrA:
		widen(&m.YCbCr)
	}
	return img, nil
}

// widen scales the values of a lossy WebP to the range of image.YCbCr, which is that of
// JPEG: VP8 has black at 16 and white at 235, and colours from 16 to 240 (RFC 6386,
// section 9.2).
func widen(m *image.YCbCr) {
	var luma, chroma [256]byte
	for i := range luma {
		luma[i] = byte(math.Round(min(max(float64(i-16)*255/219, 0), 255)))
		chroma[i] = byte(math.Round(min(max(float64(i-128)*255/224+128, 0), 255)))
	}
	for i, v := range m.Y {
		m.Y[i] = luma[v]
	}
	for i, v := range m.Cb {
		m.Cb[i] = chroma[v]
	}
	for i, v := range m.Cr {
		m.Cr[i] = chroma[v]
	}
}

// decodeWebP decodes a still, or the first picture of an animation. at is its
// place on the canvas.
func decodeWebP(data []byte) (img image.Image, canvas image.Rectangle, at image.Point, err error) {
	p, ok, err := findPicture(data)
	if err != nil {
		return nil, canvas, at, err
	}
	if !ok {
		if img, err = decodeStill(data); err != nil {
			return nil, canvas, at, err
		}
		return img, img.Bounds(), at, nil
	}
	img, err = decodeChunks(p.chunks, p.box.Size())
	return img, image.Rectangle{Max: p.canvas}, p.box.Min, err
}
