package attn

import (
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

//go:generate sh -c "cd ../_gen/attn && go run . -out ../../attn"

//go:noescape
func mul6x16F32(product *product)

//go:noescape
func mul12x32F32(product *product)

//go:noescape
func mul12x16F32(product *product)

//go:noescape
func mul12x32BF16(product *product)

//go:noescape
func mul12x16BF16(product *product)

//go:noescape
func softenF32(softening *softening)

//go:noescape
func softenBF16(softening *softening)

var (
	avx2Kit = kit{
		rows: 6, panel: 16, cell: 1, mul: mul6x16F32, soften: softenVec,
		packRows: packRowsF32, packKeys: packKeysF32, packValues: packValuesF32,
	}
	avx512Kit = kit{
		rows: 12, panel: 32, cell: 1, mul: mul12x32F32, half: mul12x16F32, soften: softenF32,
		packRows: packRowsF32, packKeys: packKeysF32, packValues: packValuesF32,
	}
	bf16Kit = kit{
		rows: 12, panel: 32, cell: 2, mul: mul12x32BF16, half: mul12x16BF16, soften: softenBF16,
		packRows: packRowsBF16, packKeys: packKeysBF16, packValues: packValuesBF16,
	}
)

// pick returns the kit for a precision at the current level.
func pick(p gemm.Precision) *kit {
	switch l := simd.Current(); {
	case l >= simd.AVX512 && p == gemm.BF16 && simd.BF16():
		return &bf16Kit
	case l >= simd.AVX512:
		return &avx512Kit
	case l == simd.AVX2:
		return &avx2Kit
	}
	return &goKit
}

// halves are the bf16 in cells, the first of each in the lower half; cells are
// their bits.
func halves(x []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

func cells(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

func packRowsBF16(dst, src []float32, rows, stride, d, steps int) {
	to := halves(dst)
	for i := range rows {
		row := to[2*i*steps:][:2*steps]
		row[2*steps-1] = 0 // if d is odd
		vec.ToBF16(row[:d], src[i*stride:][:d])
	}
}

func packKeysBF16(mem *scratch, dst, src []float32, n, stride, d, width int) {
	steps := (d + 1) / 2
	lines := mem.take(width * steps)
	from, to := cells(lines), cells(dst)
	for at := 0; at < n; at += width {
		rows := min(width, n-at)
		packRowsBF16(lines, src[at*stride:], rows, stride, d, steps)
		clear(from[rows*steps:])
		panel := to[at*steps:][:steps*width]
		for i := range width {
			for s, v := range from[i*steps:][:steps] {
				panel[s*width+i] = v
			}
		}
	}
}

func packValuesBF16(mem *scratch, dst, src []float32, n, stride, d, width int) {
	wide := padded(d)
	lines := mem.take(wide) // two rows of bf16
	upper, lower := halves(lines)[:wide], halves(lines)[wide:]
	clear(lower)
	clear(upper)
	to, steps := cells(dst), (n+1)/2
	for i := range steps {
		vec.ToBF16(lower[:d], src[2*i*stride:][:d])
		if 2*i+1 < n {
			vec.ToBF16(upper[:d], src[(2*i+1)*stride:][:d])
		} else {
			clear(upper)
		}
		for at := 0; at < wide; at += width {
			w := min(width, wide-at)
			row := to[at*steps+i*w:][:w]
			a, b := lower[at:][:w], upper[at:][:w]
			for j := range row {
				row[j] = uint32(a[j]) | uint32(b[j])<<16
			}
		}
	}
}
