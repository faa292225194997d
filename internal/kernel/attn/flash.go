package attn

import (
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

const (
	// blockKeys is the number of keys whose scores are held at once: those of a
	// query fill half of the AVX-512 registers.
	blockKeys = 256
	// taskTiles is the number of tiles of queries in a task, which share a block
	// of keys and values in the second-level cache. It is fewer, down to
	// leastTiles, where there would be less than leastTasks tasks.
	taskTiles  = 16
	leastTiles = 2
	leastTasks = 128
	// packedCells bounds the keys and values that are packed at a time, 32 MiB,
	// unless those of one head are more.
	packedCells = 8 << 20
)

// Flash computes out = softmax(scale * q·kᵀ + bias)·v for every head over the
// keys that the mask lets each query see, without a way back. bias [Q+K-1, H],
// unless nil, is by distance: head h adds bias[j-i+Q-1, h] to the score of query
// i and key j (Raffel et al. 2020). With gemm.BF16 the operands of both products
// are rounded to bf16 on a CPU that multiplies it. A query that sees no key
// gives zeros.
//
// The products run on packed panels, tile by tile, with the running maxima and
// sums of Dao et al. (2022) between them.
func Flash(p gemm.Precision, out, q, k, v, bias []float32, scale float32, s Shape, m Mask) {
	check.Len("attn.Flash", "out", out, s.B*s.Q*s.H*s.D)
	check.Len("attn.Flash", "q", q, s.B*s.Q*s.H*s.D)
	check.Len("attn.Flash", "k", k, s.B*s.K*s.H*s.D)
	check.Len("attn.Flash", "v", v, s.B*s.K*s.H*s.D)
	check.LenOrNil("attn.Flash", "bias", bias, max(0, s.Q+s.K-1)*s.H)
	m.check("Flash", s)
	if s.B*s.H*s.Q*s.D == 0 {
		return
	}
	c := newCall(pick(p), q, k, v, bias, scale, s, m)
	c.run(out, max(1, packedCells/max(c.keyCells+c.valueCells, 1)))
}

// run computes so many heads at a time.
func (c *call) run(out []float32, heads int) {
	all := c.s.B * c.s.H
	heads = min(heads, all)
	packs := lend(heads * (c.keyCells + c.valueCells))
	defer giveBack(packs)
	c.keys, c.values = (*packs)[:heads*c.keyCells], (*packs)[heads*c.keyCells:]
	tiles := (c.s.Q + c.rows - 1) / c.rows
	rows := c.rows * min(max(heads*tiles/leastTasks, leastTiles), taskTiles)
	tasks := (c.s.Q + rows - 1) / rows
	for first := 0; first < all; first += heads {
		n := min(heads, all-first)
		simd.For(n*c.blocks, 1, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				c.pack(first+i/c.blocks, i/c.blocks, i%c.blocks)
			}
		})
		simd.For(n*tasks, 1, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				at := i % tasks * rows
				c.task(out, first+i/tasks, i/tasks, at, min(at+rows, c.s.Q))
			}
		})
	}
}

// A call is what all tasks of Flash share.
type call struct {
	*kit
	s             Shape
	m             Mask
	q, k, v, bias []float32
	scale         float32 // of the scores, for powers of two
	blocks        int     // of keys
	steps         int     // of the product of a query and a key, in cells
	width         int     // of a row of values, padded

	// Packed, of some heads: of each, block after block.
	keys, values         []float32
	keyCells, valueCells int // of a head
}

func newCall(k *kit, q, keys, values, bias []float32, scale float32, s Shape, m Mask) *call {
	c := &call{kit: k, s: s, m: m, q: q, k: keys, v: values, bias: bias, scale: scale * math.Log2E}
	c.blocks = (s.K + blockKeys - 1) / blockKeys
	c.steps = (s.D + k.cell - 1) / k.cell
	c.width = padded(s.D)
	c.keyCells = c.blocks * blockKeys * c.steps
	c.valueCells = c.blocks * (blockKeys / k.cell) * c.width
	return c
}

// span is the range of keys of block i.
func (c *call) span(i int) (lo, hi int) { return i * blockKeys, min((i+1)*blockKeys, c.s.K) }

// blockKeysOf is the packed block i of the keys of the slot-th head, and
// blockValues that of the values.
func (c *call) blockKeysOf(slot, i int) []float32 {
	n := blockKeys * c.steps
	return c.keys[slot*c.keyCells+i*n:][:n]
}

func (c *call) blockValues(slot, i int) []float32 {
	n := blockKeys / c.cell * c.width
	return c.values[slot*c.valueCells+i*n:][:n]
}

// pack packs block i of head bh.
func (c *call) pack(bh, slot, i int) {
	lo, hi := c.span(i)
	t := head{s: c.s, b: bh / c.s.H, h: bh % c.s.H, stride: c.s.H * c.s.D}
	at := t.row(c.s.K, lo)
	mem := pool.Get().(*scratch)
	defer mem.release()
	c.packKeys(mem, c.blockKeysOf(slot, i), c.k[at:], hi-lo, t.stride, c.s.D, c.panel)
	c.packValues(mem, c.blockValues(slot, i), c.v[at:], hi-lo, t.stride, c.s.D, c.panel)
}

// lowest is where the maxima of scores begin: finite, so that a row that sees
// nothing gives weights of zero.
const lowest = -math.MaxFloat32 / 2

// A work is the memory of a task, tile after tile of queries where it says so.
type work struct {
	queries          []float32 // tiles [rows, steps]
	sums             []float32 // tiles [rows, width]
	top, sum, shrink []float32 // tiles [rows]
	near             []float32 // the bias of the head by distance
	scores, weights  []float32 // of one tile [rows, blockKeys], and the same in cells
	prod             product
	soft             softening
}

// task computes the queries [i0, i1) of head bh, whose keys are in slot.
func (c *call) task(out []float32, bh, slot, i0, i1 int) {
	t := head{s: c.s, m: c.m, b: bh / c.s.H, h: bh % c.s.H, stride: c.s.H * c.s.D}
	mem := pool.Get().(*scratch)
	defer mem.release()
	tiles := (i1 - i0 + c.rows - 1) / c.rows
	n := tiles * c.rows
	w := &work{
		queries: mem.take(n * c.steps), sums: mem.take(n * c.width), top: mem.take(n), sum: mem.take(n), shrink: mem.take(n),
		scores: mem.take(c.rows * blockKeys), weights: mem.take(c.rows * blockKeys / c.cell),
	}
	clear(w.sums)
	clear(w.sum)
	for i := range w.top {
		w.top[i] = lowest
	}
	c.packRows(w.queries, c.q[t.row(c.s.Q, i0):], i1-i0, t.stride, c.s.D, c.steps)
	clear(w.queries[(i1-i0)*c.steps:])
	if c.bias != nil {
		w.near = mem.take(c.s.Q + c.s.K - 1)
		for i := range w.near {
			w.near[i] = c.bias[i*c.s.H+t.h] * math.Log2E
		}
	}
	for block := range c.blocks {
		for tile := range tiles {
			at := i0 + tile*c.rows
			c.attend(w, t, slot, block, tile, at, min(at+c.rows, i1))
		}
	}
	for r := range i1 - i0 {
		y := out[t.row(c.s.Q, i0+r):][:c.s.D]
		if w.sum[r] == 0 {
			clear(y)
			continue
		}
		vec.Scale(y, w.sums[r*c.width:][:c.s.D], 1/w.sum[r])
	}
}

// attend adds what one tile, the queries [q0, q1), sees in one block of keys.
func (c *call) attend(w *work, t head, slot, block, tile, q0, q1 int) {
	k0, k1 := c.span(block)
	lo, hi := t.m.span(c.s, t.b, q0, q1)
	if lo = max(lo, k0); lo >= min(hi, k1) {
		return
	}
	first := tile * c.rows
	p := &w.prod
	*p = product{
		a: w.queries[first*c.steps:], row: c.steps, b: c.blockKeysOf(slot, block), steps: c.steps,
		c: w.scores, ldc: blockKeys, panels: (k1 - k0 + c.panel - 1) / c.panel,
	}
	c.mul(p)
	w.soft = softening{
		s: w.scores, p: w.weights, top: w.top[first:], sum: w.sum[first:], shrink: w.shrink[first:],
		rows: c.rows, c: c.edit(w, t, q0, q1, k0, k1),
	}
	c.soften(&w.soft)
	c.accumulate(w, first, slot, block, (k1-k0+c.cell-1)/c.cell)
}

// accumulate adds weights times values to the sums.
func (c *call) accumulate(w *work, first, slot, block, steps int) {
	p, b := &w.prod, c.blockValues(slot, block)
	*p = product{
		a: w.weights, row: blockKeys / c.cell, b: b, steps: steps,
		c: w.sums[first*c.width:], ldc: c.width, panels: c.width / c.panel, shrink: w.shrink[first:],
	}
	if p.panels > 0 {
		c.mul(p)
	}
	if at := p.panels * c.panel; at < c.width {
		p.b, p.c, p.panels = b[at*steps:], p.c[at:], 1
		c.half(p)
	}
}

// edit makes the scores of a tile ready for the softmax and returns the factor
// that they still need. Where a query does not see all of the block, the others
// become -Inf.
func (c *call) edit(w *work, t head, q0, q1, k0, k1 int) float32 {
	factor := c.scale
	early := w.near != nil || !(factor > 0) // then a row is scaled here
	for i := q0; i < q1; i++ {
		row := w.scores[(i-q0)*blockKeys:][:blockKeys]
		if early {
			vec.Scale(row[:k1-k0], row[:k1-k0], factor)
		}
		if w.near != nil {
			vec.Add(row[:k1-k0], row[:k1-k0], w.near[k0-i+c.s.Q-1:][:k1-k0])
		}
		a, b := t.m.keys(c.s, t.b, i)
		a, b = min(max(a-k0, 0), blockKeys), min(max(b-k0, 0), k1-k0)
		hide(row[:min(a, b)])
		hide(row[b:])
	}
	if early {
		return 1
	}
	return factor
}

func hide(x []float32) {
	for i := range x {
		x[i] = negInf
	}
}

// lent holds packed keys and values between calls.
var lent sync.Pool

func lend(n int) *[]float32 {
	b, ok := lent.Get().(*[]float32)
	if !ok || cap(*b) < n {
		v := make([]float32, n)
		b = &v
	}
	*b = (*b)[:n]
	return b
}

func giveBack(b *[]float32) { lent.Put(b) }
