package tensor

import "math/bits"

// An arena allocates the CPU's activations and takes them back. It keeps free
// buffers in one list per size class and hands out the last freed first,
// because that one is still in the cache. It is not safe for concurrent use.
type arena struct {
	free  [48][][]float32
	inUse []*storage // nil where a buffer was taken back
	held  int
}

// floats is how many f32 take the memory of n numbers of type d.
func (d DType) floats(n int) int { return (d.Bytes(n) + 3) / 4 }

// large is how many elements are rounded up less: they are few, and what a video
// needs of them is most of its memory.
const large = 1 << 18

// class is the free list for n elements: sizes are rounded up to a quarter of
// a power of two, which wastes a fifth at most; large ones to a 32nd.
func class(n int) (list, size int) {
	if n < 64 {
		n = 64
	}
	shift := bits.Len(uint(n-1)) - 3
	if n >= large {
		shift -= 3
	}
	size = (n + 1<<shift - 1) >> shift << shift
	return bits.Len(uint(size - 1)), size
}

// Get returns n elements of undefined content.
func (a *arena) Get(n int) []float32 {
	list, size := class(n)
	fl := a.free[list]
	for i := len(fl) - 1; i >= 0; i-- {
		if cap(fl[i]) >= size {
			b := fl[i]
			a.free[list] = append(fl[:i], fl[i+1:]...)
			return b[:n]
		}
	}
	a.held += size
	return make([]float32, size)[:n]
}

// Put takes back a buffer that Get returned.
func (a *arena) Put(b []float32) {
	if cap(b) == 0 {
		return
	}
	list, _ := class(cap(b))
	a.free[list] = append(a.free[list], b[:cap(b)])
}

// Tensor returns a tensor of undefined content that Reset takes back.
func (a *arena) Tensor(shape ...int) *Tensor { return a.of(F32, shape) }

// of is Tensor with elements of f32 or bf16.
func (a *arena) of(d DType, shape []int) *Tensor {
	n := Elems(shape)
	st := &storage{n: n, place: Held, dtype: d, data: a.Get(d.floats(n)), slot: len(a.inUse)}
	a.inUse = append(a.inUse, st)
	return newTensor(st, shape)
}

// Recycle takes back the data of t before the next Reset. The caller guarantees
// that nothing reads t or a view of it afterwards.
func (a *arena) Recycle(t *Tensor) {
	if a.detach(t.st) {
		a.take(t.st)
	}
}

// Retain makes t last until it is given to take. It reports whether t was a
// result since the last Reset.
func (a *arena) Retain(t *Tensor) bool {
	if !a.detach(t.st) {
		return false
	}
	t.st.lasts, t.st.pooled = true, true
	return true
}

// detach keeps Reset from taking st back. It reports whether Reset would have.
func (a *arena) detach(st *storage) bool {
	if st.lasts || st.data == nil || st.slot >= len(a.inUse) || a.inUse[st.slot] != st {
		return false
	}
	a.inUse[st.slot] = nil
	return true
}

func (a *arena) take(st *storage) {
	a.Put(st.data)
	st.data = nil
}

// since takes back what was handed out after mark, except the storage of t.
func (a *arena) since(mark int, t *Tensor) {
	at := mark
	for _, st := range a.inUse[mark:] {
		switch {
		case st == nil:
		case st == t.st:
			st.slot, a.inUse[at] = at, st
			at++
		default:
			a.take(st)
		}
	}
	clear(a.inUse[at:])
	a.inUse = a.inUse[:at]
}

// Reset takes back every tensor of the arena. Tensors made before it must not
// be used again.
func (a *arena) Reset() {
	for _, st := range a.inUse {
		if st != nil {
			a.take(st)
		}
	}
	clear(a.inUse)
	a.inUse = a.inUse[:0]
}

// Bytes is the memory the arena holds, used or free.
func (a *arena) Bytes() int { return 4 * a.held }
