// Package tensortest has a backend for tests whose memory the program cannot
// see, like that of a GPU or of another process.
//
// It computes with another backend, which it hides. It is never part of the
// program.
package tensortest

import (
	"fmt"
	"slices"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Opaque is a backend whose tensors are mere numbers. It panics if a model does
// what works only in the program's own memory: an operation on numbers that
// were not uploaded, on a result after Reset, Free or the end of its Scope, or
// on a tensor of another backend.
type Opaque struct {
	b       tensor.Backend
	memory  map[handle]*tensor.Tensor
	last    handle
	made    []handle // since Reset
	Uploads int      // calls of Upload
}

// handle is all that a tensor knows about its elements.
type handle struct {
	of *int // whose handle it is
	n  int
}

var _ tensor.Backend = (*Opaque)(nil)

// NewOpaque returns a backend that computes with b, which nothing else may use.
func NewOpaque(b tensor.Backend) *Opaque {
	return &Opaque{b: b, memory: map[handle]*tensor.Tensor{}, last: handle{of: new(int)}}
}

// Held is the number of tensors that the backend holds.
func (o *Opaque) Held() int { return len(o.memory) }

// out wraps a tensor of b in a handle.
func (o *Opaque) out(t *tensor.Tensor, lasts bool) *tensor.Tensor {
	o.last.n++
	o.memory[o.last] = t
	if !lasts {
		o.made = append(o.made, o.last)
	}
	return tensor.Hold(o.last, lasts, slices.Clone(t.Shape)...)
}

func (o *Opaque) result(t *tensor.Tensor) *tensor.Tensor { return o.out(t, false) }

// in returns the tensor of b behind t.
func (o *Opaque) in(t *tensor.Tensor) *tensor.Tensor {
	if t == nil {
		return nil
	}
	h, ok := t.Mem().(handle)
	switch {
	case t.IsParam(): // brought over once
		v := o.values(t)
		h = t.Form(o.last.of, func() any {
			o.last.n++
			o.memory[o.last] = o.bring(t, v)
			return o.last
		}).(handle)
	case !ok:
		panic(fmt.Sprintf("tensortest: %v was not uploaded", t))
	}
	inner := o.memory[h]
	if inner == nil {
		panic(fmt.Sprintf("tensortest: %v is of another backend, or was freed", t))
	}
	return inner.Reshape(t.Shape...)
}

// bring copies a parameter with the numbers v to b: int8 as it is stored, as an
// operation takes nothing else, and the rest in f32.
func (o *Opaque) bring(t *tensor.Tensor, v []float32) *tensor.Tensor {
	s := t.Stored()
	if s.DType != tensor.I8 {
		return o.b.Keep(o.b.Upload(v, t.Shape...))
	}
	s.Bytes, s.Scale, s.Source = slices.Clone(s.Bytes), slices.Clone(s.Scale), nil
	copied := tensor.InPlace(s, t.Shape...)
	if t.Fixed() {
		copied.Fix()
	}
	return copied
}

// Upload implements tensor.Ops. It copies data, so later changes to data have
// no effect.
func (o *Opaque) Upload(data []float32, shape ...int) *tensor.Tensor {
	o.Uploads++
	return o.result(o.b.Upload(slices.Clone(data), shape...))
}

// Scope implements tensor.Ops.
func (o *Opaque) Scope(f func() *tensor.Tensor) *tensor.Tensor {
	mark := len(o.made)
	var t *tensor.Tensor
	o.b.Scope(func() *tensor.Tensor {
		t = f()
		return o.in(t)
	})
	made := slices.Clone(o.made[mark:])
	o.made = o.made[:mark]
	for _, h := range made {
		if t.Mem() == h {
			o.made = append(o.made, h)
			continue
		}
		delete(o.memory, h)
	}
	return t
}

// Precision implements tensor.Backend.
func (o *Opaque) Precision() tensor.DType { return o.b.Precision() }

// Download implements tensor.Backend.
func (o *Opaque) Download(dst []float32, t *tensor.Tensor) { o.b.Download(dst, o.in(t)) }

// Keep implements tensor.Backend.
func (o *Opaque) Keep(t *tensor.Tensor) *tensor.Tensor { return o.out(o.b.Keep(o.in(t)), true) }

// Free implements tensor.Backend.
func (o *Opaque) Free(t *tensor.Tensor) {
	o.b.Free(o.in(t))
	o.forget(t)
}

// forget makes the handle of t one that was freed.
func (o *Opaque) forget(t *tensor.Tensor) {
	h := t.Mem().(handle)
	delete(o.memory, h)
	o.made = slices.DeleteFunc(o.made, func(m handle) bool { return m == h })
}

// Reset implements tensor.Backend.
func (o *Opaque) Reset() {
	for _, h := range o.made {
		delete(o.memory, h)
	}
	o.made = o.made[:0]
	o.b.Reset()
}

// ready is the key of the values of a parameter that are about to be brought over.
type ready struct{ of *int }

// values reads a parameter, once.
func (o *Opaque) values(p *tensor.Tensor) []float32 {
	return p.Form(ready{o.last.of}, func() any { return p.Values() }).([]float32)
}

// Ready implements tensor.Backend. It only reads the parameters: they are brought over
// by their first operation, as Ready may run during another one.
func (o *Opaque) Ready(params ...*tensor.Tensor) {
	for _, p := range params {
		o.values(p)
	}
}
