package train

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"sort"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/kinora-video/kinora/internal/scratch"
)

// The plot's size and margins, in pixels; a panel for each series.
const (
	plotWidth, panelHeight = 900, 220
	plotLeft, plotMargin   = 70, 28
)

// writePlot draws every series of the log as a panel of one PNG, which is
// replaced atomically.
func (l *lossLog) writePlot(path string) error {
	names := make([]string, 0, len(l.Points))
	for name := range l.Points {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { // the loss first
		return names[i] == "loss" || names[j] != "loss" && names[i] < names[j]
	})
	if len(names) == 0 {
		return nil
	}
	img := image.NewRGBA(image.Rect(0, 0, plotWidth, panelHeight*len(names)))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, name := range names {
		drawPanel(img, i*panelHeight, name, l.Points[name], l.Every)
	}
	if err := scratch.WriteFile(path, func(w io.Writer) error { return png.Encode(w, img) }); err != nil {
		return fmt.Errorf("writing the loss plot: %w", err)
	}
	return nil
}

// drawPanel draws one series below y, with its range and the step axis. The
// range ignores the first twentieth, which is often far off.
func drawPanel(img *image.RGBA, y int, name string, v []float64, every int) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, x := range v[len(v)/20:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	if !(hi > lo) {
		lo, hi = lo-0.5, lo+0.5
	}
	top, bottom := y+plotMargin, y+panelHeight-plotMargin
	grey, ink := color.RGBA{200, 200, 200, 255}, color.RGBA{30, 80, 160, 255}
	for k := range 5 {
		at := top + k*(bottom-top)/4
		for x := plotLeft; x < plotWidth-plotMargin; x++ {
			img.Set(x, at, grey)
		}
		label(img, 4, at+4, fmt.Sprintf("%.4g", hi-(hi-lo)*float64(k)/4))
	}
	label(img, plotLeft, top-8, name)
	label(img, plotWidth-120, bottom+16, fmt.Sprintf("step %d", len(v)*every))
	span := plotWidth - plotMargin - plotLeft
	last := 0
	for x := range span {
		i := x * len(v) / span
		f := (v[i] - lo) / (hi - lo)
		at := bottom - int(math.Round(max(0, min(1, f))*float64(bottom-top)))
		if x == 0 {
			last = at
		}
		for p := min(at, last); p <= max(at, last); p++ {
			img.Set(plotLeft+x, p, ink)
		}
		last = at
	}
}

func label(img *image.RGBA, x, y int, text string) {
	d := font.Drawer{Dst: img, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
