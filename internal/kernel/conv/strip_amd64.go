package conv

import "github.com/kinora-video/kinora/internal/simd"

// stripAVX512 is stripGo.
//
//go:noescape
func stripAVX512(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int)

// stripAVX2 is stripGo.
//
//go:noescape
func stripAVX2(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int)

// correlateAVX512 is correlateGo.
//
//go:noescape
func correlateAVX512(sum, g, src []float32, off []int, rows, width, skip, vectors int)

// correlateAVX2 is correlateGo.
//
//go:noescape
func correlateAVX2(sum, g, src []float32, off []int, rows, width, skip, vectors int)

// addRowsAVX2 is addRowsGo for the first 8*vectors values of each row; stride
// is the distance of the rows of x in values.
//
//go:noescape
func addRowsAVX2(dst, x []float32, stride, rows, vectors int)

func stripFor() stripFunc {
	switch simd.Current() {
	case simd.AMX, simd.AVX512:
		return stripAVX512
	case simd.AVX2:
		return stripAVX2
	}
	return stripGo
}

func correlateFor() correlateFunc {
	switch simd.Current() {
	case simd.AMX, simd.AVX512:
		return correlateAVX512
	case simd.AVX2:
		return correlateAVX2
	}
	return correlateGo
}

// addRows is addRowsGo. It is limited by memory, so eight lanes serve every
// level above plain Go.
func addRows(dst, x []float32, stride, rows int) {
	done := 0
	if vectors := len(dst) / 8; vectors > 0 && rows > 0 && simd.Current() >= simd.AVX2 {
		addRowsAVX2(dst, x, stride, rows, vectors)
		done = vectors * 8
	}
	if done < len(dst) && rows > 0 {
		addRowsGo(dst[done:], x[done:], stride, rows)
	}
}
