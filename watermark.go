package kinora

import (
	"fmt"
	"image"
	"sync"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// MaxWatermarkBytes bounds the text of a watermark.
const MaxWatermarkBytes = 64

// watermark is a text on a plate in the lower right corner of a frame.
type watermark struct {
	width int             // of a frame
	plate image.Rectangle // within a frame
	text  *image.Alpha    // as large as the plate
}

var watermarkFont = sync.OnceValues(func() (*sfnt.Font, error) { return opentype.Parse(goregular.TTF) })

// newWatermark draws the text for frames of w×h pixels. Its letters are as high as
// 1/24 of the shorter side, or smaller if the text would not fit.
func newWatermark(text string, w, h int) (*watermark, error) {
	const smallest, normal, usual = 6, 9, 24 // pixels, pixels, to a side
	if len(text) > MaxWatermarkBytes || !utf8.ValidString(text) {
		return nil, invalid("watermark", fmt.Sprintf("it has %d bytes or is not valid UTF-8", len(text)), fmt.Sprintf("the limit is %d", MaxWatermarkBytes))
	}
	f, err := watermarkFont()
	if err != nil {
		return nil, wrap(Internal, "draw", "watermark", err, "")
	}
	for _, r := range text {
		if g, err := f.GlyphIndex(nil, r); err != nil || g == 0 || r < ' ' {
			return nil, invalid("watermark", fmt.Sprintf("its font has no %q", r), "Latin, Greek and Cyrillic letters, digits and marks can be drawn")
		}
	}
	for size := max(normal, min(w, h)/usual); size >= smallest; size-- {
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, wrap(Internal, "draw", "watermark", err, "")
		}
		m := face.Metrics()
		pad := max(1, size/4)
		box := image.Pt(font.MeasureString(face, text).Ceil()+2*pad, (m.Ascent+m.Descent).Ceil()+pad)
		if box.X > w-2*pad || box.Y > h-2*pad {
			continue
		}
		at := image.Pt(w-pad-box.X, h-pad-box.Y)
		mark := &watermark{width: w, plate: image.Rectangle{Min: at, Max: at.Add(box)}, text: image.NewAlpha(image.Rectangle{Max: box})}
		d := font.Drawer{
			Dst: mark.text, Src: image.Opaque, Face: face,
			Dot: fixed.Point26_6{X: fixed.I(pad), Y: fixed.I(pad/2) + m.Ascent},
		}
		d.DrawString(text)
		return mark, nil
	}
	return nil, invalid("watermark", fmt.Sprintf("%q does not fit into %d×%d pixels", text, w, h), "make it shorter")
}

// draw puts the mark on a frame of RGB, in place: the plate darkens what is
// under it, the letters are nearly white.
func (m *watermark) draw(rgb []byte) {
	const plate, letter = 120, 230 // of 255: how black and how white they are
	for y := m.plate.Min.Y; y < m.plate.Max.Y; y++ {
		row := rgb[3*(y*m.width+m.plate.Min.X) : 3*(y*m.width+m.plate.Max.X)]
		ink := m.text.Pix[(y-m.plate.Min.Y)*m.text.Stride:]
		for i, v := range row {
			under := int(v) * (255 - plate) / 255
			row[i] = byte(under + (255-under)*int(ink[i/3])*letter/(255*255))
		}
	}
}
