package attn

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// Flash computes out = softmax(scale * q·kᵀ + bias)·v for every head over the keys that the mask lets each query see,
// without a way back. bias [Q+K-1, H], unless nil, is by distance: head h adds bias[j-i+Q-1, h] to the score of query i
// and key j (Raffel et al. 2020). The operands of products are rounded to p. A query that sees no key gives zeros.
func Flash(p gemm.Precision, out, q, k, v, bias []float32, scale float32, s Shape, m Mask) {
	check.LenOrNil("attn.Flash", "bias", bias, max(0, s.Q+s.K-1)*s.H)
	softmax("Flash", out, nil, q, k, v, bias, scale, s, m)
}
