package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
)

// Use says what a parameter is for, so that a backend can prepare it before its
// first use.
type Use uint8

// The uses.
const (
	// AsValues is any use that is none of the others: gains, biases, tables.
	AsValues Use = iota
	// AsMatrix is the weight of Linear or Conv.
	AsMatrix
	// AsExperts is the weight of GroupedLinear.
	AsExperts
)

// For sets what a parameter is for, and returns the parameter.
func (t *Tensor) For(u Use) *Tensor {
	t.st.use = u
	return t
}

// Use returns what For has set.
func (t *Tensor) Use() Use { return t.st.use }

// Fine declares that products with t, stored in int8 or blocks, are to lose little:
// where the other operand is rounded to int8, what that leaves over is multiplied
// too. It returns t.
func (t *Tensor) Fine() *Tensor {
	t.st.fine = true
	return t
}

// Stored describes elements in the program's own bytes or in a mapped file:
// little-endian, row-major, at any alignment. The numbers of a block type are
// whole blocks, one after another.
type Stored struct {
	DType DType
	Bytes []byte
	// Scale has the factors of an I8 tensor. Each factor applies to a run of
	// numbers, all runs equally long: the rows of a matrix, or blocks of them.
	Scale []float32
	// Turn, if set, says that the numbers lie in another order than they are
	// meant in. The DType is then F32, BF16 or F16.
	Turn Turn
	// Plus is what is added to the numbers where they are read. Turn is not set
	// then.
	Plus []LowRank
	// Source, which may be nil, keeps Bytes mapped while it is reachable.
	Source Source
}

// Turn says that numbers lie as blocks [Groups][Channels][Taps] and are meant as
// blocks [Groups][Taps][Channels], the last group first. So others store the
// weights of convolutions, one block a filter: channels before taps, and of
// frames that are joined as channels the newest first.
type Turn struct{ Groups, Channels, Taps int }

// A Source is where stored bytes come from. Its methods are advice and may do
// nothing.
type Source interface {
	// Prefetch asks for bytes to be read from the disk in advance.
	Prefetch(b []byte)
	// Release says that bytes are not needed for a while. They are read again
	// on their next use.
	Release(b []byte)
}

// InPlace returns a parameter whose elements stay as they are stored, without a
// copy. The number of bytes must fit the shape and the type.
func InPlace(s Stored, shape ...int) *Tensor {
	n := Elems(shape)
	if per, _ := s.DType.Block(); n%per != 0 || len(s.Bytes) != s.DType.Bytes(n) || s.DType == I8 && (len(s.Scale) == 0 || n%len(s.Scale) != 0) {
		panic(fmt.Sprintf("tensor: %d bytes and %d scales for shape %v of %v", len(s.Bytes), len(s.Scale), shape, s.DType))
	}
	if b := gemm.Turn(s.Turn).Block(); b != 0 && (n%b != 0 || s.DType != F32 && s.DType != BF16 && s.DType != F16) {
		panic(fmt.Sprintf("tensor: shape %v of %v in blocks %+v", shape, s.DType, s.Turn))
	}
	for _, l := range s.Plus {
		l.check(n)
	}
	return newTensor(&storage{n: n, place: InStore, dtype: s.DType, stored: s, lasts: true, param: true, needs: true}, shape)
}

// Stored describes the elements of a tensor in store.
func (t *Tensor) Stored() Stored { return t.st.stored }

// IsParam says that t is a parameter, which any backend can read.
func (t *Tensor) IsParam() bool { return t.st.param }

// Fix declares that a parameter does not change any more: it wants no gradient,
// and backends may keep forms of it.
func (t *Tensor) Fix() { t.st.needs, t.st.fixed = false, true }

// Fixed reports whether a parameter has been fixed.
func (t *Tensor) Fixed() bool { return t.st.fixed }

// Thaw copies a parameter from its store to the host, so that it can change.
func (t *Tensor) Thaw() {
	if t.st.place == InStore {
		t.st.data = t.Values()
		t.st.place, t.st.dtype, t.st.stored = Host, F32, Stored{}
	}
	t.st.fixed = false
	t.Drop()
}

// Form returns what a backend keeps with a parameter, such as its elements in
// the layout that products take. mk makes the form when its key is first asked
// for. Several goroutines may ask at once.
func (t *Tensor) Form(key any, mk func() any) any {
	t.st.mu.Lock()
	defer t.st.mu.Unlock()
	f, ok := t.st.forms[key]
	if !ok {
		f = mk()
		if t.st.forms == nil {
			t.st.forms = map[any]any{}
		}
		t.st.forms[key] = f
	}
	return f
}

// Drop forgets the forms; they are made again on their next use.
func (t *Tensor) Drop() {
	t.st.mu.Lock()
	defer t.st.mu.Unlock()
	t.st.forms = nil
}

// Formed reports whether a backend keeps a form of t.
func (t *Tensor) Formed() bool {
	t.st.mu.Lock()
	defer t.st.mu.Unlock()
	return len(t.st.forms) > 0
}

// numbers returns the numbers [lo,hi) of s as the kernels take them: whole blocks,
// or whole runs that share a scale or were turned.
func (s *Stored) numbers(lo, hi int) gemm.Numbers {
	if len(s.Plus) > 0 {
		plain := *s
		plain.Plus = nil
		return summed{plain.numbers(lo, hi), s.Plus, lo}
	}
	if t, ok := s.DType.Quant(); ok {
		return quant.Blocks{Type: t, Bytes: s.Bytes}.Part(lo, hi)
	}
	f := [...]gemm.Format{F32: gemm.StoredF32, BF16: gemm.StoredBF16, F16: gemm.StoredF16, I8: gemm.StoredI8}[s.DType]
	part := gemm.Stored{Format: f, Bytes: s.Bytes, Scale: s.Scale}.Part(lo, hi)
	if gemm.Turn(s.Turn).Block() != 0 {
		return gemm.Turned{Stored: part, Turn: gemm.Turn(s.Turn)}
	}
	return part
}

// Widen writes the len(dst) numbers from number at on, in f32, in the calling
// goroutine. A fault of mapped memory is a panic, which CatchFault catches.
func (s Stored) Widen(dst []float32, at int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	s.numbers(0, s.len()).Widen(dst, at)
	runtime.KeepAlive(s.Source)
}

// widen copies all elements to out, in f32.
func (s *Stored) widen(out []float32) {
	simd.For(len(out), 1<<16, func(lo, hi int) { s.Widen(out[lo:hi], lo) })
}

// Finite reports whether no element is infinite or NaN. What is added to them is
// not looked at.
func (s Stored) Finite() bool {
	for _, v := range s.Scale {
		if v-v != 0 {
			return false
		}
	}
	if t, ok := s.DType.Quant(); ok {
		return finiteBlocks(quant.Blocks{Type: t, Bytes: s.Bytes})
	}
	var mask uint64 // the exponent bits of the numbers in a 64-bit word
	switch s.DType {
	case I8:
		return true
	case F32:
		mask = 0x7F80_0000_7F80_0000
	case BF16:
		mask = 0x7F80_7F80_7F80_7F80
	case F16:
		mask = 0x7C00_7C00_7C00_7C00
	}
	// ones has the lowest bit of each number set, tops the highest.
	ones, tops := uint64(0x0001_0001_0001_0001), uint64(0x8000_8000_8000_8000)
	if s.DType == F32 {
		ones, tops = 0x0000_0001_0000_0001, 0x8000_0000_8000_0000
	}
	var found atomic.Bool
	simd.For(len(s.Bytes), 1<<18, func(lo, hi int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		b := s.Bytes[lo:hi]
		var bad uint64
		for len(b) >= 8 {
			// An exponent of all ones becomes zero; subtracting 1 then sets its
			// top bit.
			x := binary.LittleEndian.Uint64(b)&mask ^ mask
			bad |= (x - ones) &^ x & tops
			b = b[8:]
		}
		var tail [8]byte
		copy(tail[:], b)
		x := binary.LittleEndian.Uint64(tail[:])&mask ^ mask
		if bad|(x-ones)&^x&tops != 0 {
			found.Store(true)
		}
	})
	return !found.Load()
}

// finiteBlocks reports whether no number of b is infinite or NaN.
func finiteBlocks(b quant.Blocks) bool {
	numbers, bytes := b.Type.Block()
	var found atomic.Bool
	simd.For(len(b.Bytes)/bytes, 1<<12, func(lo, hi int) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		if !b.Part(lo*numbers, hi*numbers).Finite() {
			found.Store(true)
		}
	})
	return !found.Load()
}

// ErrNotStored is wrapped by the error for a tensor that the weights lack.
var ErrNotStored = errors.New("there is no such tensor")

// CatchFault must be deferred. It turns the memory fault that a mapped file
// causes when it has shrunk since it was opened into an error.
func CatchFault(err *error) {
	p := recover()
	if p == nil {
		return
	}
	fault, ok := p.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		panic(p)
	}
	*err = fmt.Errorf("the weights cannot be read (%w): their file changed while it was open", fault)
}
