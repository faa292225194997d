package tensor

import (
	"github.com/kinora-video/kinora/internal/kernel/attn"
)

// cpuCache has the keys and the values of a Cache [capacity, Heads, Dim].
type cpuCache struct{ keys, values []float32 }

// cacheStep is how many tokens a cache grows by at least.
const cacheStep = 64

// NewCache implements Carried.
func (c *CPU) NewCache(heads, dim int) *Cache {
	want(heads > 0 && dim > 0, "NewCache")
	return &Cache{Heads: heads, Dim: dim, Mem: &cpuCache{}}
}

// FreeCache implements Carried.
func (c *CPU) FreeCache(k *Cache) { k.Mem, k.Len = nil, 0 }

// CacheRoom is the most tokens that a cache of the CPU has room for once it has held n.
func CacheRoom(n int) int { return roomFor(n, n) + cacheStep }

// roomFor is the room of a cache that has some and needs more: a quarter is added, so
// that what is copied is about four times what is held at most.
func roomFor(have, need int) int {
	return max(have+have/4, need+cacheStep-1) / cacheStep * cacheStep
}

// grow makes room for rows more tokens.
func (k *Cache) grow(rows int) *cpuCache {
	m := k.Mem.(*cpuCache)
	row := k.Heads * k.Dim
	if need := (k.Len + rows) * row; need > len(m.keys) {
		room := roomFor(len(m.keys)/row, k.Len+rows) * row
		for _, x := range []*[]float32{&m.keys, &m.values} {
			y := make([]float32, room)
			copy(y, (*x)[:k.Len*row])
			*x = y
		}
	}
	return m
}

// CachedAttention implements Carried.
func (c *CPU) CachedAttention(x, k, v *Tensor, scale float32, runs ...CacheRun) *Tensor {
	const op = "CachedAttention"
	want(len(x.Shape) == 3 && len(k.Shape) == 3 && v.Len() == k.Len() && x.Dim(0) == k.Dim(0) && x.Dim(2) == k.Dim(2) && x.Dim(1)%k.Dim(1) == 0, op, x, k, v)
	y := c.like(x)
	heads, groups, dim := x.Dim(1), k.Dim(1), x.Dim(2)
	all := make([]attn.CachedRun, len(runs))
	at := 0
	for i, r := range runs {
		want(r.Cache.Heads == groups && r.Cache.Dim == dim && at+r.Rows <= x.Dim(0), op, x, k, v)
		m := r.Cache.grow(r.Rows)
		to, from := r.Cache.Len*groups*dim, at*groups*dim
		copy(m.keys[to:], data(k)[from:from+r.Rows*groups*dim])
		copy(m.values[to:], data(v)[from:from+r.Rows*groups*dim])
		r.Cache.Len += r.Rows
		all[i] = attn.CachedRun{
			Out: data(y)[at*heads*dim:][:r.Rows*heads*dim], Q: data(x)[at*heads*dim:][:r.Rows*heads*dim],
			Keys: m.keys[:r.Cache.Len*groups*dim], Values: m.values[:r.Cache.Len*groups*dim],
			Rows: r.Rows, Len: r.Cache.Len,
		}
		at += r.Rows
	}
	want(at == x.Dim(0), op, x, k, v)
	attn.Cached(c.kernelPrecision(), heads, groups, dim, scale, all...)
	return y
}
