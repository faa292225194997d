package t5

import (
	"math"

	"github.com/kinora-video/kinora/internal/tensor"
)

// attend is self-attention of each prompt by itself on h [tokens of all
// prompts, Width], with a bias by distance and scores that are not scaled.
func (l *block) attend(o tensor.Backend, c Config, h *tensor.Tensor, prompts [][]int32) *tensor.Tensor {
	q, k, v := l.q.Apply(o, h, tensor.None), l.k.Apply(o, h, tensor.None), l.v.Apply(o, h, tensor.None)
	parts := make([]*tensor.Tensor, len(prompts))
	at := 0
	for i, p := range prompts {
		n := len(p)
		heads := func(x *tensor.Tensor) *tensor.Tensor {
			return o.Narrow(x, 0, at, at+n).Reshape(1, n, l.heads, l.dim)
		}
		bias := o.Embed(l.bias, distances(c, n))
		parts[i] = o.SoftmaxAttention(heads(q), heads(k), heads(v), bias, 1, tensor.Mask{}).Reshape(n, l.heads*l.dim)
		at += n
	}
	return l.o.Apply(o, o.Concat(0, parts...), tensor.None)
}

// distances has the bucket of each distance from a token to another of n: the
// last token sees the first at 1-n, the first sees the last at n-1.
func distances(c Config, n int) []int32 {
	out := make([]int32, 2*n-1)
	for i := range out {
		out[i] = bucket(c, i-(n-1))
	}
	return out
}

// bucket is the row of the bias for a distance, positive for tokens that
// follow. Half of the buckets are for these. In each half, the first half is for
// one distance each; the others cover equal ratios up to MaxDistance, and the
// last of them all that is farther. The steps are those of the original, in f32,
// as a distance on the border of two buckets has to fall on the same side.
func bucket(c Config, distance int) int32 {
	half := c.Buckets / 2
	first := 0
	if distance > 0 {
		first = half
	} else {
		distance = -distance
	}
	exact := half / 2
	if distance < exact {
		return int32(first + distance)
	}
	ratio := float32(math.Log(float64(float32(distance)/float32(exact)))) / float32(math.Log(float64(c.MaxDistance)/float64(exact)))
	return int32(first + min(exact+int(ratio*float32(half-exact)), half-1))
}
