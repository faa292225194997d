package tensortest

import "github.com/kinora-video/kinora/internal/tensor"

// NewCache implements tensor.Carried.
func (o *Opaque) NewCache(heads, dim int) *tensor.Cache {
	return &tensor.Cache{Heads: heads, Dim: dim, Mem: cache{o.b.NewCache(heads, dim)}}
}

// cache hides a cache of b.
type cache struct{ c *tensor.Cache }

// CachedAttention implements tensor.Carried.
func (o *Opaque) CachedAttention(x, k, v *tensor.Tensor, scale float32, runs ...tensor.CacheRun) *tensor.Tensor {
	inner := make([]tensor.CacheRun, len(runs))
	for i, r := range runs {
		c := r.Cache.Mem.(cache).c
		c.Len = r.Cache.Len
		inner[i] = tensor.CacheRun{Cache: c, Rows: r.Rows}
	}
	y := o.result(o.b.CachedAttention(o.in(x), o.in(k), o.in(v), scale, inner...))
	for i, r := range runs {
		r.Cache.Len = inner[i].Cache.Len
	}
	return y
}

// FreeCache implements tensor.Carried.
func (o *Opaque) FreeCache(c *tensor.Cache) {
	o.b.FreeCache(c.Mem.(cache).c)
	c.Mem, c.Len = nil, 0
}
