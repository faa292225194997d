package terminal

import (
	"bytes"
	"fmt"
	"image"
	"io"
)

// Colours says which colours a terminal has.
type Colours uint8

// The colours.
const (
	Colours256 Colours = iota // xterm's cube of 6×6×6 and 24 greys
	TrueColour                // 24 bits
)

// encodeBlocks writes two pixels a cell, the upper one in the colour of ▀. Between rows
// the cursor goes down and back by movements, which never scroll.
func encodeBlocks(w io.Writer, img *image.RGBA, c Colours) error {
	b := new(bytes.Buffer)
	size := img.Rect.Size()
	for y := 0; y+1 < size.Y; y += 2 {
		var before string
		for x := range size.X {
			now := c.code(3, img, x, y) + ";" + c.code(4, img, x, y+1)
			if now != before {
				fmt.Fprintf(b, "\x1b[%sm", now)
				before = now
			}
			b.WriteString("▀")
		}
		b.WriteString("\x1b[0m\r")
		if y+3 < size.Y {
			b.WriteString("\x1b[1B")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// code is the parameter of SGR for a pixel: of letters (3) or of what is behind them (4).
func (c Colours) code(what int, img *image.RGBA, x, y int) string {
	p := img.Pix[img.PixOffset(x, y):]
	if c == TrueColour {
		return fmt.Sprintf("%d8;2;%d;%d;%d", what, p[0], p[1], p[2])
	}
	return fmt.Sprintf("%d8;5;%d", what, nearest256(p[0], p[1], p[2]))
}

// level is the value of a step of the cube.
func level(i int) int {
	if i == 0 {
		return 0
	}
	return 55 + 40*i
}

// nearest256 is the colour of xterm's 256 that comes nearest.
func nearest256(r, g, b byte) int {
	step := func(v byte) int {
		switch {
		case v < 48:
			return 0
		case v < 115:
			return 1
		}
		return (int(v) - 35) / 40
	}
	distance := func(x, y, z int) int {
		dr, dg, db := x-int(r), y-int(g), z-int(b)
		return dr*dr + dg*dg + db*db
	}
	i, j, k := step(r), step(g), step(b)
	grey := min(23, max(0, ((int(r)+int(g)+int(b))/3-3)/10))
	if v := 8 + 10*grey; distance(v, v, v) < distance(level(i), level(j), level(k)) {
		return 232 + grey
	}
	return 16 + 36*i + 6*j + k
}
