package gemm

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Format is the format of a stored number; all are little-endian.
type Format uint8

// The formats that weights can be packed from.
const (
	StoredF32 Format = iota
	StoredBF16
	StoredF16
	// StoredI8 is an int8 that is multiplied by a scale.
	StoredI8
)

// Size returns the bytes of one number.
func (f Format) Size() int {
	switch f {
	case StoredF32:
		return 4
	case StoredI8:
		return 1
	}
	return 2
}

// Numbers is a matrix [rows, cols], row-major, in the form in which it is
// stored: Stored here, and the blocks of package quant.
type Numbers interface {
	// Check panics unless it holds rows×cols numbers.
	Check(rows, cols int)
	// Widen writes the len(dst) numbers from number at on as f32.
	Widen(dst []float32, at int)
}

// Stored is a matrix [rows, cols], row-major, as it is stored in a file or in
// the program: bytes that need not be aligned.
type Stored struct {
	Format Format
	Bytes  []byte
	// Scale of StoredI8 has a factor for each run of numbers, all runs equally
	// long: the rows, or parts of them. For other formats it is nil.
	Scale []float32
}

// Check implements Numbers.
func (w Stored) Check(rows, cols int) {
	if n := rows * cols; len(w.Bytes) != n*w.Format.Size() || w.Format == StoredI8 && n > 0 && (len(w.Scale) == 0 || n%len(w.Scale) != 0) {
		panic(fmt.Sprintf("gemm: %d bytes and %d scales stored for %d×%d numbers of %d bytes", len(w.Bytes), len(w.Scale), rows, cols, w.Format.Size()))
	}
}

// run returns how many numbers share a scale.
func (w Stored) run() int { return len(w.Bytes) / len(w.Scale) }

// Part returns the numbers [lo,hi), which must be whole runs.
func (w Stored) Part(lo, hi int) Stored {
	if w.Scale != nil {
		run := w.run()
		if lo%run != 0 || hi%run != 0 {
			panic(fmt.Sprintf("gemm: numbers %d to %d are not whole runs of %d that share a scale", lo, hi, run))
		}
		w.Scale = w.Scale[lo/run : hi/run]
	}
	w.Bytes = w.Bytes[lo*w.Format.Size() : hi*w.Format.Size()]
	return w
}

// Widen implements Numbers.
func (w Stored) Widen(dst []float32, at int) {
	b := w.Bytes[at*w.Format.Size():][:len(dst)*w.Format.Size()]
	switch w.Format {
	case StoredF32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case StoredBF16, StoredF16:
		widen := vec.FromBF16
		if w.Format == StoredF16 {
			widen = vec.FromF16
		}
		var piece [1024]uint16
		for at := 0; at < len(dst); at += len(piece) {
			p := piece[:min(len(piece), len(dst)-at)]
			for i := range p {
				p[i] = binary.LittleEndian.Uint16(b[2*(at+i):])
			}
			widen(dst[at:at+len(p)], p)
		}
	case StoredI8:
		run := w.run()
		for i := 0; i < len(dst); {
			scale, end := w.Scale[(at+i)/run], min(len(dst), i+run-(at+i)%run)
			for ; i < end; i++ {
				dst[i] = scale * float32(int8(b[i]))
			}
		}
	}
}

// Codes returns weights of StoredI8 as codes; ok is false where they do not divide
// into the runs of codes.
func (w Stored) Codes() (c Codes, ok bool) {
	if w.Format != StoredI8 || len(w.Scale) == 0 || w.run()%(CodeRun/2) != 0 {
		return nil, false
	}
	c = storedCodes{w}
	return c, true
}

// storedCodes are int8 whose scale lasts for whole runs.
type storedCodes struct{ w Stored }

// Run implements Codes.
func (c storedCodes) Run() int {
	if c.w.run()%CodeRun == 0 {
		return CodeRun
	}
	return CodeRun / 2
}

// Mins implements Codes.
func (c storedCodes) Mins() bool { return false }

// Codes implements Codes.
func (c storedCodes) Codes(q []int8, scale, _ []float32, at int) {
	copy(asBytes(q), c.w.Bytes[at:])
	run, each := c.Run(), c.w.run()
	for i := range len(q) / run {
		scale[i] = c.w.Scale[(at+i*run)/each]
	}
}

// asBytes returns codes as the bytes that they are.
func asBytes(q []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(q))), len(q))
}

// PackStored lays out wᵀ for MulPacked, where w is [n,k]. It widens only a few
// panels at a time. If a mapped file has shrunk, the memory fault is a panic
// and not a crash.
func PackStored(p Precision, k, n int, w Numbers) *Packed {
	w.Check(n, k)
	pk := &Packed{plan: newPlan(pathFor(p), n, k)}
	pl := &pk.plan
	pk.cells = alignedCells(pl.cells())
	simd.For(pl.packTasks(pl.blocks), 1, func(task, _ int) { pl.packStored(pk.cells, w, 0, task) })
	return pk
}

// maxStrip is how many cells of weights MulStored packs at a time: 32 MiB. Tests
// make it smaller.
var maxStrip = 8 << 20

// MulStored is MulPacked of PackStored, to the bit, for weights that are not to be
// kept packed: it packs some columns of wᵀ, multiplies, and forgets them.
func MulStored(p Precision, m, n, k int, a Matrix, w Numbers, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, c: c, ldc: ldc, ep: ep}
	pr.check(n, k)
	w.Check(n, k)
	if m == 0 || n == 0 {
		return
	}
	whole := newPlan(pathFor(p), n, k)
	panels := max(1, maxStrip*whole.panels/max(1, whole.cells()))
	for n0 := 0; n0 < n; n0 += panels * whole.path.nr {
		pl := newPlan(whole.path, min(panels*whole.path.nr, n-n0), k)
		cells := getCells(pl.cells())
		simd.For(pl.packTasks(pl.blocks), 1, func(task, _ int) { pl.packStored(cells.cells, w, n0, task) })
		strip := pr.columns(n0)
		x := pl.newWork(&strip, pl.blocks)
		x.b = cells.cells
		pl.multiply([]work{x}, 0, pl.blocks)
		putCells(cells)
	}
}

// columns is the product of the columns from n0 on.
func (p *product) columns(n0 int) product {
	out := *p
	out.c = p.c[n0:]
	if p.ep.Bias != nil {
		out.ep.Bias = p.ep.Bias[n0:]
	}
	if p.ep.Slope != nil {
		out.ep.Slope = p.ep.Slope[n0:]
	}
	if p.ep.Residual != nil {
		out.ep.Residual = p.ep.Residual[n0:]
	}
	return out
}

// packStored does one task of packing a stored matrix from row n0 on.
func (pl *plan) packStored(dst []float32, w Numbers, n0, task int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	nr := pl.path.nr
	kb, j0 := task%pl.blocks, task/pl.blocks*packPanels
	j1 := min(j0+packPanels, pl.panels)
	first, depth := kb*pl.depth, pl.depthOf(kb)
	cols := min(j1*nr, pl.n) - j0*nr
	wide := getCells(cols * depth)
	defer putCells(wide)
	for j := range cols {
		w.Widen(wide.cells[j*depth:][:depth], (n0+j0*nr+j)*pl.k+first)
	}
	from, to := pl.panelAt(0, kb, j0), pl.panelAt(0, kb, j1)
	pl.path.packB(dst[from:to], Matrix{Data: wide.cells, Stride: depth, Trans: true}, 0, depth, 0, cols)
}

// Bytes returns the memory used by a packed matrix.
func (w *Packed) Bytes() int { return 4 * len(w.cells) }

// GroupPacked is one product of GroupedPacked: A [M,k], C [M,n] with rows LDC
// apart.
type GroupPacked struct {
	M   int
	A   Matrix
	B   *Packed
	C   []float32
	LDC int
}

// GroupedPacked is Grouped with every B already packed, all by the same
// Precision and of one shape.
func GroupedPacked(groups []GroupPacked, act Act) {
	prs := make([]product, 0, len(groups))
	var bs []*Packed
	for _, g := range groups {
		pr := product{m: g.M, a: g.A, c: g.C, ldc: g.LDC, ep: Epilogue{Act: act}}
		pr.check(g.B.plan.n, g.B.plan.k)
		if g.B.plan.n != groups[0].B.plan.n || g.B.plan.k != groups[0].B.plan.k || g.B.plan.path != groups[0].B.plan.path {
			panic("gemm: the packed matrices of a group differ in shape or precision")
		}
		if g.M > 0 && g.B.plan.n > 0 {
			prs, bs = append(prs, pr), append(bs, g.B)
		}
	}
	if len(prs) == 0 {
		return
	}
	pl := &bs[0].plan
	ws := make([]work, len(prs))
	for i := range ws {
		ws[i] = pl.newWork(&prs[i], pl.blocks)
		ws[i].b = bs[i].cells
	}
	pl.multiply(ws, 0, pl.blocks)
}
