// Package terminal draws pictures in terminals: by kitty's graphics protocol, by
// iTerm2's inline images, as sixels, or with half blocks of text. It finds out which of
// them a terminal knows.
//
// It knows pictures, writers and what a terminal says of itself, and nothing of videos
// or models. It never hides the cursor, so a program that is killed leaves none hidden.
package terminal

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"

	"github.com/kinora-video/kinora/internal/media"
)

// Protocol is a way to draw pictures.
type Protocol string

// The protocols.
const (
	Kitty  Protocol = "kitty"  // https://sw.kovidgoyal.net/kitty/graphics-protocol
	ITerm  Protocol = "iterm"  // https://iterm2.com/documentation-images.html
	Sixel  Protocol = "sixel"  // of DEC's VT340
	Blocks Protocol = "blocks" // ▀ in two colours
	None   Protocol = ""
)

// Size is that of a terminal.
type Size struct {
	Columns, Rows         int
	CellWidth, CellHeight int // pixels; 0 where unknown
}

// unknownCell is smaller than cells are, so that a picture of pixels that takes too
// little room is the worst that a wrong guess does.
var unknownCell = image.Pt(6, 12)

func (s Size) cell() image.Point {
	if s.CellWidth > 0 && s.CellHeight > 0 {
		return image.Pt(s.CellWidth, s.CellHeight)
	}
	return unknownCell
}

// Box is how many columns and rows a picture takes: as many as fit into the width and
// half of the height, in its shape.
func (s Size) Box(picture image.Point) (columns, rows int) {
	cell := s.cell()
	columns, rows = max(1, s.Columns-1), max(1, s.Rows/2)
	if w := rows * cell.Y * picture.X / (max(1, picture.Y) * cell.X); w < columns {
		return max(1, w), rows
	}
	return columns, max(1, min(rows, (columns*cell.X*picture.Y/max(1, picture.X)+cell.Y/2)/cell.Y))
}

// kittyID is the number of the picture, which replaces an earlier one of the number.
const kittyID = 0x6b696e

// Encode writes a picture into a box of cells, whose upper left one has the cursor. Where
// the cursor is then is not said. colours says how half blocks are coloured.
func Encode(w io.Writer, p Protocol, img image.Image, s Size, columns, rows int, colours Colours) error {
	cell := s.cell()
	pixels := image.Pt(columns*cell.X, rows*cell.Y)
	switch p {
	case Kitty:
		return encodeKitty(w, smaller(img, pixels), columns, rows)
	case ITerm:
		return encodeITerm(w, smaller(img, pixels), columns, rows)
	case Sixel:
		return encodeSixel(w, scale(img, pixels))
	case Blocks:
		return encodeBlocks(w, scale(img, image.Pt(columns, 2*rows)), colours)
	}
	return nil
}

// smaller shrinks a picture that has more pixels than the screen shows of it.
func smaller(img image.Image, to image.Point) *image.RGBA {
	const least = 320 // in case that cells are larger than known
	size := img.Bounds().Size()
	to.X = max(to.X, least)
	to.Y = max(1, to.X*size.Y/max(1, size.X))
	if size.X <= to.X {
		to = size
	}
	return scale(img, to)
}

// scale brings a picture to a size, within what media can make.
func scale(img image.Image, to image.Point) *image.RGBA {
	to.X, to.Y = min(max(to.X, 1), media.MaxSide), min(max(to.Y, 1), media.MaxSide)
	f := media.FromImage(img)
	if r, err := media.NewResizer(media.Bicubic, f.W, f.H, to.X, to.Y); err == nil {
		if g, err := r.Resize(f); err == nil {
			f = g
		}
	}
	out := image.NewRGBA(image.Rect(0, 0, f.W, f.H))
	draw.Draw(out, out.Rect, f.Image(), image.Point{}, draw.Src)
	return out
}

func pngOf(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img)
	return b.Bytes(), err
}

// encodeKitty sends a PNG in pieces of at most 4096 characters. The terminal scales it
// to the box, leaves the cursor where it is (C=1), and answers nothing (q=2).
func encodeKitty(w io.Writer, img image.Image, columns, rows int) error {
	const piece = 4096
	data, err := pngOf(img)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(data)
	keys := fmt.Sprintf("a=T,f=100,i=%d,p=1,c=%d,r=%d,C=1,q=2,", kittyID, columns, rows)
	for len(text) > 0 {
		n, more := min(piece, len(text)), 1
		if n == len(text) {
			more = 0
		}
		if _, err := fmt.Fprintf(w, "\x1b_G%sm=%d;%s\x1b\\", keys, more, text[:n]); err != nil {
			return err
		}
		keys, text = "q=2,", text[n:]
	}
	return nil
}

// forget removes the picture of encodeKitty.
func forget(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\x1b_Ga=d,d=I,i=%d,q=2\x1b\\", kittyID)
	return err
}

// encodeITerm sends a PNG as an inline image.
func encodeITerm(w io.Writer, img image.Image, columns, rows int) error {
	data, err := pngOf(img)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\x1b]1337;File=inline=1;size=%d;width=%d;height=%d;preserveAspectRatio=0;doNotMoveCursor=1:%s\a",
		len(data), columns, rows, base64.StdEncoding.EncodeToString(data))
	return err
}
