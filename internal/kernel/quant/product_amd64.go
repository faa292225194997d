package quant

import "github.com/kinora-video/kinora/internal/simd"

// codesQ8_0AVX2, codesQ4_0AVX2 and codesQ4_1AVX2 are codesGo for n blocks, at least one.
//
//go:noescape
func codesQ8_0AVX2(q *int8, scale *float32, b *byte, n int)

//go:noescape
func codesQ4_0AVX2(q *int8, scale *float32, b *byte, n int)

//go:noescape
func codesQ4_1AVX2(q *int8, scale, min *float32, b *byte, n int)

// codesOf takes whole blocks apart, at least one.
func codesOf(t Type, q []int8, scale, min []float32, b []byte) {
	if simd.Current() >= simd.AVX2 {
		switch t {
		case Q8_0:
			codesQ8_0AVX2(&q[0], &scale[0], &b[0], len(scale))
			return
		case Q4_0:
			codesQ4_0AVX2(&q[0], &scale[0], &b[0], len(scale))
			return
		case Q4_1:
			codesQ4_1AVX2(&q[0], &scale[0], &min[0], &b[0], len(scale))
			return
		}
	}
	codesGo(t, q, scale, min, b)
}
