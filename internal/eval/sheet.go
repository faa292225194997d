package eval

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/scratch"
)

// The form of a contact sheet: videos in columns, of each a few moments in a row and
// its prompt below.
const (
	sheetColumns = 2
	sheetMoments = 4
	sheetMargin  = 10
	sheetLines   = 3
	letterWidth  = 7
	lineHeight   = 15
	maxSheet     = 400 // videos: a sheet is no longer than 200 rows
)

// sheet is a picture of videos that a person can judge at a glance.
type sheet struct {
	rows  []*image.RGBA
	names []string
}

// add takes a video, unless the sheet is full.
func (s *sheet) add(name string, v recogniser.View) {
	if len(s.rows) == maxSheet || v.T == 0 {
		return
	}
	var strip *image.RGBA
	for i := range sheetMoments {
		frame := v.Image((2*i + 1) * v.T / (2 * sheetMoments))
		size := frame.Bounds().Size()
		if strip == nil {
			strip = image.NewRGBA(image.Rect(0, 0, sheetMoments*size.X, size.Y))
		}
		draw.Draw(strip, frame.Bounds().Add(image.Pt(i*size.X, 0)), frame, image.Point{}, draw.Src)
	}
	s.rows, s.names = append(s.rows, strip), append(s.names, name)
}

// image lays the videos out.
func (s *sheet) image() *image.RGBA {
	cell := s.rows[0].Bounds().Size()
	height := cell.Y + sheetLines*lineHeight + sheetMargin
	rows := (len(s.rows) + sheetColumns - 1) / sheetColumns
	img := image.NewRGBA(image.Rect(0, 0, sheetColumns*(cell.X+sheetMargin)+sheetMargin, rows*height+sheetMargin))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, strip := range s.rows {
		at := image.Pt(sheetMargin+i%sheetColumns*(cell.X+sheetMargin), sheetMargin+i/sheetColumns*height)
		draw.Draw(img, strip.Bounds().Add(at), strip, image.Point{}, draw.Src)
		for l, line := range wrap(s.names[i], cell.X/letterWidth, sheetLines) {
			d := font.Drawer{Dst: img, Src: image.NewUniform(color.Gray{40}), Face: basicfont.Face7x13, Dot: fixed.P(at.X, at.Y+cell.Y+(l+1)*lineHeight-2)}
			d.DrawString(line)
		}
	}
	return img
}

// wrap breaks a text into lines of at most width letters, and cuts what is beyond the
// last line.
func wrap(text string, width, lines int) (out []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	out = append(out, line)
	return out[:min(len(out), lines)]
}

// write writes the sheet to a file; "" is none.
func (s *sheet) write(path string) error {
	if path == "" || len(s.rows) == 0 {
		return nil
	}
	var b bytes.Buffer
	err := png.Encode(&b, s.image())
	if err == nil {
		err = scratch.WriteBytes(path, b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write the contact sheet: %w", err)
	}
	return nil
}
