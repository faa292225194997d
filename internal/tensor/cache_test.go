package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/quant"
)

// TestCachedAttention gives a sequence whole, in parts, beside another one, and again
// after a part of it was forgotten: the results are those of softmax attention.
func TestCachedAttention(t *testing.T) {
	const h, g, d, n = 4, 2, 32, 200
	rng := rand.New(rand.NewPCG(3, 4))
	q, k, v := normals(rng, n*h*d), normals(rng, n*g*d), normals(rng, n*g*d)
	c := NewCPU(F32)
	// Every head of keys twice, as Attention has as many as queries.
	twice := func(x []float32) *Tensor {
		out := make([]float32, 0, n*h*d)
		for i := range n * g {
			out = append(append(out, x[i*d:][:d]...), x[i*d:][:d]...)
		}
		return New(out, 1, n, h, d)
	}
	hi := make([]int32, n)
	for i := range hi {
		hi[i] = int32(i + 1)
	}
	want := Values(c, c.Attention(New(q, 1, n, h, d), twice(k), twice(v), Mask{Hi: hi}))
	part := func(x []float32, heads, lo, hi int) *Tensor {
		return New(x[lo*heads*d:hi*heads*d], hi-lo, heads, d)
	}
	scale := float32(1 / math.Sqrt(d))
	for _, parts := range [][]int{{200}, {64, 1, 1, 70, 64}, {3, 5, 1, 191}} {
		cache, other := c.NewCache(g, d), c.NewCache(g, d)
		var got []float32
		at := 0
		for _, rows := range parts {
			y := c.CachedAttention(part(q, h, at, at+rows), part(k, g, at, at+rows), part(v, g, at, at+rows), scale, CacheRun{cache, rows})
			got = append(got, Values(c, y)...)
			at += rows
		}
		if d := off(got, want); !(d < 1e-6) || cache.Len != n {
			t.Errorf("in parts of %v: off by %g, %d tokens", parts, d, cache.Len)
		}
		// Forget all but 50, and go on beside a sequence that begins.
		cache.Len = 50
		join := func(x []float32, heads int) *Tensor {
			return c.Concat(0, part(x, heads, 50, 53), part(x, heads, 0, 2))
		}
		y := Values(c, c.CachedAttention(join(q, h), join(k, g), join(v, g), scale, CacheRun{cache, 3}, CacheRun{other, 2}))
		if d := off(y, append(slices.Clone(want[50*h*d:53*h*d]), want[:2*h*d]...)); !(d < 1e-6) || cache.Len != 53 || other.Len != 2 {
			t.Errorf("after %v, beside another: off by %g", parts, d)
		}
		if room := len(cache.Mem.(*cpuCache).keys) / (g * d); room > CacheRoom(n) {
			t.Errorf("%d tokens have room for %d, CacheRoom says %d", n, room, CacheRoom(n))
		}
		c.FreeCache(cache)
		if cache.Mem != nil || cache.Len != 0 {
			t.Error("a cache that was freed holds something")
		}
	}
}

// TestRoPEHalves compares with the formula.
func TestRoPEHalves(t *testing.T) {
	const b, n, h, d = 2, 3, 2, 10
	rng := rand.New(rand.NewPCG(5, 6))
	x, angle := normals(rng, b*n*h*d), normals(rng, n*d/2)
	cos, sin := make([]float32, len(angle)), make([]float32, len(angle))
	for i, a := range angle {
		s, c := math.Sincos(float64(a))
		cos[i], sin[i] = float32(c), float32(s)
	}
	c := NewCPU(F32)
	got := Values(c, c.RoPEHalves(New(x, b, n, h, d), New(cos, n, d/2), New(sin, n, d/2)))
	for i := range got {
		at, j := i/d*d, i%d
		p := i/(h*d)%n*(d/2) + j%(d/2)
		want := x[i]*cos[p] - x[at+(j+d/2)%d]*sin[p]
		if j >= d/2 {
			want = x[i]*cos[p] + x[at+j-d/2]*sin[p]
		}
		if math.Abs(float64(got[i]-want)) > 1e-6 {
			t.Fatalf("number %d is %g, want %g", i, got[i], want)
		}
	}
}

// TestJoinedProducts: what joins products, or adds to one, gives what they give apart,
// in each precision, for few rows and many.
func TestJoinedProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const k, n = 64, 48
	matrix := func(kind DType) *Tensor {
		x := normals(rng, n*k)
		w := New(x, n, k)
		if q, ok := kind.Quant(); ok {
			b := make([]byte, kind.Bytes(n*k))
			quant.Quantize(q, b, x)
			w = InPlace(Stored{DType: kind, Bytes: b}, n, k)
		}
		w.Fix()
		return w
	}
	for _, kind := range []DType{F32, Q8_0, Q4_1} {
		for _, p := range []DType{F32, BF16, I16} {
			for _, rows := range []int{1, 3, 40} {
				name := fmt.Sprintf("%v by %v, %d rows", kind, p, rows)
				c := NewCPU(p)
				x, add := New(normals(rng, rows*k), rows, k), New(normals(rng, rows*n), rows, n)
				a, b := matrix(kind), matrix(kind)
				ya, yb := Values(c, c.Linear(x, a, nil, None)), Values(c, c.Linear(x, b, nil, None))
				both := c.Linears(x, a, b)
				if !slices.Equal(Values(c, both[0]), ya) || !slices.Equal(Values(c, both[1]), yb) {
					t.Errorf("%s: Linears gives others than Linear", name)
				}
				sum, gated := make([]float32, len(ya)), make([]float32, len(ya))
				for i, v := range ya {
					sum[i] = v + add.Data()[i]
					gated[i] = float32(float64(v)/(1+math.Exp(-float64(v)))) * yb[i]
				}
				if d := off(Values(c, c.LinearAdd(x, a, add)), sum); !(d < 1e-6) {
					t.Errorf("%s: LinearAdd is off by %g", name, d)
				}
				if d := off(Values(c, c.GatedLinear(x, a, b)), gated); !(d < 1e-5) {
					t.Errorf("%s: GatedLinear is off by %g", name, d)
				}
			}
		}
	}
}
