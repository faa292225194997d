package tensor

import "math/bits"

// An Arena hands out activations and takes them back. Buffers are kept in
// free lists by size class, so that what was used last, and is still in the
// cache, is used next. It is not safe for concurrent use.
type Arena struct {
	free  [48][][]float32
	inUse [][]float32
	held  int
	peak  int
}

// class is the free list for n elements: sizes are rounded up to a quarter of
// a power of two, which wastes a fifth at most.
func class(n int) (list, size int) {
	if n < 64 {
		n = 64
	}
	shift := bits.Len(uint(n-1)) - 3
	size = (n + 1<<shift - 1) >> shift << shift
	return bits.Len(uint(size - 1)), size
}

// Get returns n elements of undefined content.
func (a *Arena) Get(n int) []float32 {
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
	a.peak = max(a.peak, a.held)
	return make([]float32, size)[:n]
}

// GetZero returns n zeros.
func (a *Arena) GetZero(n int) []float32 {
	b := a.Get(n)
	clear(b)
	return b
}

// Put takes back a buffer that Get returned.
func (a *Arena) Put(b []float32) {
	if cap(b) == 0 {
		return
	}
	list, _ := class(cap(b))
	a.free[list] = append(a.free[list], b[:cap(b)])
}

// Tensor returns a tensor of undefined content which Reset takes back.
func (a *Arena) Tensor(shape ...int) *Tensor {
	b := a.Get(Elems(shape))
	a.inUse = append(a.inUse, b)
	t := &Tensor{Shape: shape, st: &storage{data: b}}
	t.st.root = t
	return t
}

// Recycle takes back the data of t before the next Reset. The caller
// guarantees that nothing reads t or a view of it any more.
func (a *Arena) Recycle(t *Tensor) {
	if t.Owned() && t.st.data != nil {
		b := t.TakeData()
		for i := len(a.inUse) - 1; i >= 0; i-- {
			if &a.inUse[i][0] == &b[0] {
				a.inUse[i] = a.inUse[len(a.inUse)-1]
				a.inUse = a.inUse[:len(a.inUse)-1]
				a.Put(b)
				return
			}
		}
	}
}

// Reset takes back every tensor of the arena. Tensors made before it must not
// be used again.
func (a *Arena) Reset() {
	for _, b := range a.inUse {
		a.Put(b)
	}
	a.inUse = a.inUse[:0]
}

// Bytes is the memory the arena holds, used or free.
func (a *Arena) Bytes() int { return 4 * a.held }
