package tensor

import (
	"encoding/binary"
	"math"
	"testing"
)

// TestFinite puts one value that is not finite at every position of a tensor of
// each type, and the largest finite value everywhere else.
func TestFinite(t *testing.T) {
	type format struct {
		d         DType
		put       func(b []byte, i int, bits uint32)
		most      uint32
		forbidden []uint32
	}
	put16 := func(b []byte, i int, v uint32) { binary.LittleEndian.PutUint16(b[2*i:], uint16(v)) }
	for _, f := range []format{
		{BF16, put16, 0x7F7F, []uint32{0x7F80, 0xFF80, 0x7FC0, 0xFF81}},
		{F16, put16, 0x7BFF, []uint32{0x7C00, 0xFC00, 0x7E00, 0xFC01}},
		{F32, func(b []byte, i int, v uint32) { binary.LittleEndian.PutUint32(b[4*i:], v) }, 0x7F7FFFFF, []uint32{0x7F800000, 0xFF800000, 0x7FC00000, 0xFF800001}},
	} {
		const n = 13
		for _, sign := range []uint32{0, 1} {
			for i := range n {
				s := Stored{DType: f.d, Bytes: make([]byte, f.d.Bytes(n))}
				for j := range n {
					f.put(s.Bytes, j, f.most|sign<<(8*f.d.Bytes(1)-1))
				}
				if !s.Finite() {
					t.Fatalf("%v: the largest numbers are not finite", f.d)
				}
				for _, bad := range f.forbidden {
					f.put(s.Bytes, i, bad)
					if s.Finite() {
						t.Errorf("%v: %#x at %d of %d is finite", f.d, bad, i, n)
					}
				}
			}
		}
	}
	if !(Stored{DType: I8, Bytes: []byte{127, 0x80}, Scale: []float32{1}}).Finite() {
		t.Error("int8 is not finite")
	}
	if (Stored{DType: I8, Bytes: []byte{1, 2}, Scale: []float32{float32(math.Inf(1))}}).Finite() {
		t.Error("int8 with an infinite scale is finite")
	}
}

// TestFixedParameters checks that the forms a backend keeps give the
// parameter's own numbers, and go when it changes.
func TestFixedParameters(t *testing.T) {
	for _, p := range []DType{F32, BF16} {
		c := NewCPU(p)
		x := c.Upload([]float32{1, 2, 3, 4}, 2, 2)
		w, conv := Param(3, 2), Param(3, 1, 1, 1, 2)
		experts := Param(2, 3, 2)
		for i, t := range []*Tensor{w, conv, experts} {
			for j := range t.Data() {
				t.Data()[j] = float32((i+1)*j - 2)
			}
			t.For([]Use{AsMatrix, AsMatrix, AsExperts}[i])
		}
		to := c.Route(c.Upload([]float32{0, 1, 1, 0}, 2, 2), nil, 1)
		all := func() (out []float32) {
			for _, y := range []*Tensor{
				c.Linear(x, w, nil, SiLU), c.Conv(x.Reshape(1, 1, 1, 2, 2), conv, nil, nil, GELU), c.GroupedLinear(c.Dispatch(x, to), experts, to),
			} {
				out = append(out, Values(c, y)...)
			}
			return out
		}
		same := func(what string, a, b []float32, want bool) {
			t.Helper()
			equal := true
			for i := range a {
				equal = equal && a[i] == b[i]
			}
			if equal != want {
				t.Errorf("%v, %s: %v and %v", p, what, a, b)
			}
		}
		before := all()
		for _, t := range []*Tensor{w, conv, experts} {
			t.Fix()
		}
		c.Ready(w, conv, experts)
		if !w.Formed() || !conv.Formed() || !experts.Formed() {
			t.Errorf("%v: ready parameters have no form", p)
		}
		same("fixed", all(), before, true)
		v := w.Values()
		v[0]++
		w.Set(v)
		same("changed", all(), before, false)
		v[0]--
		w.Set(v)
		same("changed back", all(), before, true)
	}
}

// TestScope checks that what a scope computed is freed, and that what it
// returns and what existed before is not.
func TestScope(t *testing.T) {
	c := NewCPU(F32)
	x := c.Scale(c.Upload([]float32{1, 2, 3}, 3), 1)
	var inner *Tensor
	pass := func() *Tensor {
		y := x
		for range 50 {
			y = c.Scope(func() *Tensor {
				inner = c.Scale(y, 2)
				return c.Scope(func() *Tensor { return c.Add(c.Scale(inner, 0.5), c.Scale(inner, 0)) })
			})
		}
		return y
	}
	y := pass()
	if got := Values(c, y); got[2] != 3 || Values(c, x)[2] != 3 {
		t.Errorf("after 50 scopes 3 is %g", got[2])
	}
	if inner.st.data != nil {
		t.Error("what a scope computed is still there")
	}
	// A scope holds four results at a time at the most, and leaves one.
	if most := 4 * 64 * (50 + 1 + 4); c.arena.Bytes() > most {
		t.Errorf("the arena took %d bytes, at most %d are in use at a time", c.arena.Bytes(), most)
	}
	kept := c.Keep(y)
	c.Reset()
	if Values(c, kept)[2] != 3 {
		t.Error("what was kept is gone")
	}
	held := c.arena.Bytes()
	c.Free(kept)
	for range 3 {
		pass2 := c.Scale(c.Upload([]float32{1}, 1), 1)
		c.Free(c.Keep(pass2))
		c.Reset()
	}
	if c.arena.Bytes() != held {
		t.Errorf("the arena grew from %d to %d bytes though everything was given back", held, c.arena.Bytes())
	}
}

// TestRoute sends rows to the best experts; ties go to the lower index.
func TestRoute(t *testing.T) {
	c := NewCPU(F32)
	scores := c.Upload([]float32{
		0.1, 0.5, 0.4,
		0.3, 0.3, 0.3,
		0.9, 0.0, 0.1,
	}, 3, 3)
	check := func(bias *Tensor, k int, rows, cols []int32, counts []int) {
		t.Helper()
		r := c.Route(scores, bias, k)
		got := r.Mem.(*cpuRoutes)
		for i := range rows {
			if len(got.Rows) != len(rows) || got.Rows[i] != rows[i] || got.Cols[i] != cols[i] {
				t.Fatalf("rows %v go to %v, want %v to %v", got.Rows, got.Cols, rows, cols)
			}
		}
		for e, n := range c.RouteCounts(r) {
			if n != counts[e] {
				t.Errorf("expert %d gets %d rows, want %d", e, n, counts[e])
			}
		}
	}
	check(nil, 1, []int32{1, 2, 0}, []int32{0, 0, 1}, []int{2, 1, 0})
	check(nil, 2, []int32{1, 2, 0, 1, 0, 2}, []int32{0, 0, 1, 1, 2, 2}, []int{2, 2, 2})
	// A bias moves the choice alone.
	check(c.Upload([]float32{0, 0, 1}, 3), 1, []int32{0, 1, 2}, []int32{2, 2, 2}, []int{0, 0, 3})
}
