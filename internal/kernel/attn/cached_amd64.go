package attn

import (
	"unsafe"

	"github.com/kinora-video/kinora/internal/simd"
)

// cachedProduct is a product of one row q with others, or of weights q with others.
// The assembly reads it by offset.
type cachedProduct struct {
	q, rows, out unsafe.Pointer
	stride       int // bytes from a row to the next
	steps        int // of 16 channels, at least 1
	count        int // of blocks of 16 rows, or of pairs of rows, at least 1
}

// cachedScores512 writes the products of q with 16 rows a block.
//
//go:noescape
func cachedScores512(cachedProduct *cachedProduct)

// cachedSums512 writes the sum of pairs of rows, each by its weight in q.
//
//go:noescape
func cachedSums512(cachedProduct *cachedProduct)

func scoreKeys(scores, q, keys []float32, each, n, stride, d int) {
	blocks := n / 16
	if simd.Current() < simd.AVX512 || d%16 != 0 || blocks == 0 {
		scoreKeysGo(scores, n, q, keys, each, n, stride, d)
		return
	}
	_ = keys[(n-1)*stride+d-1]
	for i := range each {
		cachedScores512(&cachedProduct{
			q: unsafe.Pointer(&q[i*d]), rows: unsafe.Pointer(&keys[0]), out: unsafe.Pointer(&scores[i*n]), stride: 4 * stride, steps: d / 16, count: blocks,
		})
	}
	if at := 16 * blocks; at < n {
		scoreKeysGo(scores[at:], n, q, keys[at*stride:], each, n-at, stride, d)
	}
}

func sumValues(out, weights, values []float32, each, n, stride, d int) {
	if simd.Current() < simd.AVX512 || d%16 != 0 || n < 2 {
		clear(out[:each*d])
		sumValuesGo(out, weights, n, values, each, n, stride, d)
		return
	}
	_ = values[(n-1)*stride+d-1]
	for i := range each {
		cachedSums512(&cachedProduct{
			q: unsafe.Pointer(&weights[i*n]), rows: unsafe.Pointer(&values[0]), out: unsafe.Pointer(&out[i*d]), stride: 4 * stride, steps: d / 16, count: n / 2,
		})
	}
	if at := n - 1; n%2 == 1 {
		sumValuesGo(out, weights[at:], n, values[at*stride:], each, 1, stride, d)
	}
}
