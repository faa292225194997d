package gemm

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// Turn says that numbers lie as blocks [Groups][Channels][Taps] and are meant as
// blocks [Groups][Taps][Channels], the last group first. So others store the
// weights of convolutions, one block a filter: channels before taps, and of
// frames that are joined as channels the newest first.
type Turn struct{ Groups, Channels, Taps int }

// Block is the numbers of a block.
func (t Turn) Block() int { return t.Groups * t.Channels * t.Taps }

// Turned is a stored matrix whose numbers lie in another order than they are
// meant in. It is not of int8.
type Turned struct {
	Stored Stored
	Turn   Turn
}

// Check implements Numbers.
func (w Turned) Check(rows, cols int) {
	w.Stored.Check(rows, cols)
	if b := w.Turn.Block(); b < 1 || rows*cols%b != 0 || w.Stored.Format == StoredI8 {
		panic(fmt.Sprintf("gemm: %d×%d numbers of format %d in blocks %+v", rows, cols, w.Stored.Format, w.Turn))
	}
}

// Widen implements Numbers.
func (w Turned) Widen(dst []float32, at int) {
	t := w.Turn
	group := t.Channels * t.Taps
	for len(dst) > 0 {
		block, in := at/t.Block()*t.Block(), at%t.Block()
		g, tap, c := in/group, in%group/t.Channels, in%t.Channels
		n := min(t.Channels-c, len(dst))
		w.Stored.widenEvery(dst[:n], block+(t.Groups-1-g)*group+c*t.Taps+tap, t.Taps)
		dst, at = dst[n:], at+n
	}
}

// widenEvery writes every step-th number from number at on as f32.
func (w Stored) widenEvery(dst []float32, at, step int) {
	if step == 1 {
		w.Widen(dst, at)
		return
	}
	size := w.Format.Size()
	b, step := w.Bytes[at*size:], step*size
	if w.Format == StoredF32 {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[i*step:]))
		}
		return
	}
	widen := vec.FromBF16
	if w.Format == StoredF16 {
		widen = vec.FromF16
	}
	var piece [256]uint16
	for at := 0; at < len(dst); at += len(piece) {
		p := piece[:min(len(piece), len(dst)-at)]
		for i := range p {
			p[i] = binary.LittleEndian.Uint16(b[(at+i)*step:])
		}
		widen(dst[at:at+len(p)], p)
	}
}
