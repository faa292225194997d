package attn

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// A kit is what Flash needs of an instruction set. Operands lie in cells of four
// bytes: a float32, or two bf16.
type kit struct {
	rows  int // of a tile of queries
	panel int // columns of a panel
	cell  int // numbers in a cell
	// mul computes a product, and half one with panels of 16 columns, if panel
	// is more.
	mul, half func(p *product)
	soften    func(s *softening)

	// packRows packs rows of d numbers, stride apart, in steps cells each.
	packRows func(dst, src []float32, rows, stride, d, steps int)
	// packKeys packs n keys in panels of width keys, [steps, width] cells: a cell
	// holds numbers of one key.
	packKeys func(mem *scratch, dst, src []float32, n, stride, d, width int)
	// packValues packs n values in panels of width columns, the last of 16 if that
	// does, [⌈n/cell⌉, width] cells: a cell holds numbers of one column.
	packValues func(mem *scratch, dst, src []float32, n, stride, d, width int)
}

// A product is c = a·b, or c = shrink·c + a·b, of the rows of a tile and some
// panels of b. The assembly reads it by offset.
type product struct {
	a      []float32 // rows of cells
	b      []float32 // panels [steps, width] of cells
	c      []float32 // rows of numbers, columns of all panels side by side
	shrink []float32 // [rows] or nil
	row    int       // cells from a row of a to the next
	steps  int       // cells of a row that are multiplied
	panels int
	ldc    int // numbers from a row of c to the next
}

// A softening turns a tile of scores s [rows, blockKeys] into weights p, the
// same in cells. For each row, top becomes the greatest c·s so far, weights are
// 2^(c·s-top), shrink is what earlier weights are worth now, and sum the sum of
// all weights. c is positive. The assembly reads it by offset.
type softening struct {
	s, p             []float32
	top, sum, shrink []float32
	rows             int
	c                float32
}

// goKit is plain Go.
var goKit = kit{
	rows: 4, panel: 16, cell: 1, mul: productGo(4, 16), soften: softenVec,
	packRows: packRowsF32, packKeys: packKeysF32, packValues: packValuesF32,
}

// productGo is the specification of products, in f32.
func productGo(rows, width int) func(p *product) {
	return func(p *product) {
		for panel := range p.panels {
			b := p.b[panel*p.steps*width:]
			for r := range rows {
				c := p.c[r*p.ldc+panel*width:][:width]
				factor := float32(0)
				if p.shrink != nil {
					factor = p.shrink[r]
				} else {
					clear(c)
				}
				for j := range c {
					c[j] *= factor
				}
				for i, x := range p.a[r*p.row:][:p.steps] {
					for j, y := range b[i*width:][:width] {
						c[j] += x * y
					}
				}
			}
		}
	}
}

// softenVec is the specification of softenings, in f32.
func softenVec(s *softening) {
	for r := range s.rows {
		x, p := s.s[r*blockKeys:][:blockKeys], s.p[r*blockKeys:][:blockKeys]
		top := max(s.top[r], s.c*vec.Max(x))
		s.shrink[r] = float32(math.Exp2(float64(s.top[r] - top)))
		s.top[r] = top
		s.sum[r] = s.sum[r]*s.shrink[r] + vec.ExpSum(p, x, s.c*math.Ln2, top*math.Ln2)
	}
}

func packRowsF32(dst, src []float32, rows, stride, d, _ int) { gather(dst, src, rows, stride, d) }

func packKeysF32(_ *scratch, dst, src []float32, n, stride, d, width int) {
	for at := 0; at < n; at += width {
		panel, rows := dst[at*d:][:d*width], min(width, n-at)
		if rows < width {
			clear(panel)
		}
		vec.Transpose(panel, width, src[at*stride:], stride, rows, d)
	}
}

func packValuesF32(_ *scratch, dst, src []float32, n, stride, d, width int) {
	for at := 0; at < padded(d); at += width {
		w := min(width, padded(d)-at)
		have := min(w, d-at)
		for i := range n {
			row := dst[at*n+i*w:][:w]
			copy(row, src[i*stride+at:][:have])
			clear(row[have:])
		}
	}
}
