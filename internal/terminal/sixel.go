package terminal

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"slices"
)

// sixelColours is how many colours a sixel picture has: what most terminals allow.
const sixelColours = 256

// encodeSixel writes a picture as sixels (DEC STD 070): bands of six rows, in each of
// them a row of sixels for every colour that it has. The palette is the picture's own,
// and what it lacks is spread by dithering (Floyd and Steinberg), as skies and faces
// show steps otherwise.
func encodeSixel(w io.Writer, img *image.RGBA) error {
	size := img.Rect.Size()
	palette := medianCut(img, sixelColours)
	p := image.NewPaletted(img.Rect, palette)
	draw.FloydSteinberg.Draw(p, p.Rect, img, img.Rect.Min)
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "\x1bP0;1q\"1;1;%d;%d", size.X, size.Y)
	for i, c := range palette {
		v := c.(color.RGBA)
		percent := func(x byte) int { return (int(x)*100 + 127) / 255 }
		fmt.Fprintf(b, "#%d;2;%d;%d;%d", i, percent(v.R), percent(v.G), percent(v.B))
	}
	bits := make([]byte, sixelColours*size.X)
	for top := 0; top < size.Y; top += 6 {
		if top > 0 {
			b.WriteByte('-')
		}
		writeBand(b, p, top, bits)
	}
	b.WriteString("\x1b\\")
	_, err := w.Write(b.Bytes())
	return err
}

// writeBand writes six rows. bits has room for a row of sixels of each colour.
func writeBand(b *bytes.Buffer, p *image.Paletted, top int, bits []byte) {
	w := p.Rect.Dx()
	clear(bits)
	var used [sixelColours]bool
	for row := range min(6, p.Rect.Dy()-top) {
		for x, c := range p.Pix[(top+row)*p.Stride:][:w] {
			bits[int(c)*w+x] |= 1 << row
			used[c] = true
		}
	}
	first := true
	for c, is := range used {
		if !is {
			continue
		}
		if !first {
			b.WriteByte('$')
		}
		first = false
		fmt.Fprintf(b, "#%d", c)
		line := bits[c*w:][:w]
		for len(line) > 0 {
			n := 1
			for n < len(line) && line[n] == line[0] {
				n++
			}
			if line[0] == 0 && n == len(line) {
				break
			}
			if n > 3 {
				fmt.Fprintf(b, "!%d%c", n, line[0]+'?')
			} else {
				for range n {
					b.WriteByte(line[0] + '?')
				}
			}
			line = line[n:]
		}
	}
}

// medianCut chooses at most n colours for a picture (Heckbert, Color Image Quantization
// for Frame Buffer Display, 1982): the box of colours with the largest spread, counted by
// its pixels, is cut at its median. Only some 16,000 pixels are looked at.
func medianCut(img *image.RGBA, n int) color.Palette {
	const most = 1 << 14
	count := len(img.Pix) / 4
	var pixels [][3]byte
	for i := 0; i < count; i += 1 + count/most {
		pixels = append(pixels, [3]byte(img.Pix[4*i:4*i+3]))
	}
	boxes := []colourBox{newColourBox(pixels)}
	for len(boxes) < n {
		best := 0
		for i := range boxes {
			if boxes[i].weight() > boxes[best].weight() {
				best = i
			}
		}
		box := boxes[best]
		if box.spread == 0 {
			break
		}
		slices.SortFunc(box.pixels, func(a, b [3]byte) int { return int(a[box.axis]) - int(b[box.axis]) })
		half := box.cut()
		boxes[best] = newColourBox(box.pixels[:half])
		boxes = append(boxes, newColourBox(box.pixels[half:]))
	}
	var out color.Palette
	for _, b := range boxes {
		out = append(out, b.mean())
	}
	return out
}

// colourBox is some pixels, and the axis along which they differ most.
type colourBox struct {
	pixels       [][3]byte
	axis, spread int
}

func newColourBox(pixels [][3]byte) colourBox {
	b := colourBox{pixels: pixels}
	for axis := range 3 {
		least, most := 255, 0
		for _, p := range pixels {
			least, most = min(least, int(p[axis])), max(most, int(p[axis]))
		}
		if most-least > b.spread {
			b.axis, b.spread = axis, most-least
		}
	}
	return b
}

func (b colourBox) weight() int { return b.spread * b.spread * len(b.pixels) }

// cut is where the sorted pixels are cut: at the median, or beside it so that equal
// values stay together.
func (b colourBox) cut() int {
	half := len(b.pixels) / 2
	value := func(i int) byte { return b.pixels[i][b.axis] }
	for half < len(b.pixels) && value(half) == value(half-1) {
		half++
	}
	if half == len(b.pixels) {
		for half = len(b.pixels) / 2; value(half) == value(half-1); half-- {
		}
	}
	return half
}

func (b colourBox) mean() color.RGBA {
	var sum [3]int
	for _, p := range b.pixels {
		for i, v := range p {
			sum[i] += int(v)
		}
	}
	n := max(1, len(b.pixels))
	return color.RGBA{byte((sum[0] + n/2) / n), byte((sum[1] + n/2) / n), byte((sum[2] + n/2) / n), 255}
}
