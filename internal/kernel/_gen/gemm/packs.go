package main

import "fmt"

// Offsets in the Go struct lines.
const (
	linesDst    = 0
	linesSrc    = 8
	linesSrc2   = 16
	linesStride = 24
	linesSteps  = 32
	linesPanels = 40
	linesPanel  = 48
	linesMask   = 56
)

// packs512 writes the AVX-512 packing.
func packs512(f *file) {
	f.line(`
// Where the words of a VCVTNE2PS2BF16 go so that its two halves interleave.
DATA interleave<>+0(SB)/8, $0x0011000100100000`)
	for i := 1; i < 8; i++ {
		var v uint64
		for j := 3; j >= 0; j-- {
			word := 4*i + j
			v = v<<16 | uint64(word/2+word%2*16)
		}
		f.line("DATA interleave<>+%d(SB)/8, $0x%016x", 8*i, v)
	}
	f.line("GLOBL interleave<>(SB), RODATA|NOPTR, $64")
	for _, bf16 := range []bool{false, true} {
		for _, width := range []int{12, 32} {
			lines512(f, bf16, width)
		}
		transpose512(f, bf16)
	}
	rows512(f)
}

// lines512 packs values that are contiguous across a panel: dst[p][step][i] is
// src[step][p*width+i].
func lines512(f *file, bf16 bool, width int) {
	kind := "F32"
	if bf16 {
		kind = "BF16"
	}
	vecs := (width + 15) / 16
	f.function(fmt.Sprintf("lines%d%s", width, kind), "lines")
	f.op("MOVQ %d(R13), DI", linesDst)
	f.op("MOVQ %d(R13), SI", linesSrc)
	if bf16 {
		f.op("MOVQ %d(R13), DX", linesSrc2)
		f.op("VMOVDQU64 interleave<>(SB), Z31")
	}
	f.op("MOVQ %d(R13), R8", linesStride)
	f.op("MOVQ %d(R13), R9", linesSteps)
	f.op("MOVQ %d(R13), R10", linesPanel)
	f.op("MOVL $0x%x, AX", 1<<min(16, width)-1)
	f.op("KMOVW AX, K3")
	f.op("MOVL %d(R13), AX", linesMask)
	f.op("KMOVW AX, K1")
	f.op("SHRL $16, AX")
	f.op("KMOVW AX, K2")
	f.line("step:")
	f.op("MOVQ %d(R13), R11", linesPanels)
	f.op("MOVQ SI, AX")
	if bf16 {
		f.op("MOVQ DX, BX")
	}
	f.op("MOVQ DI, CX")
	f.op("DECQ R11")
	f.op("JZ last")
	panel := func(full bool) {
		for v := range vecs {
			mask := fmt.Sprintf("K%d", 1+v)
			if full {
				mask = "K3"
			}
			f.op("VMOVUPS.Z %d(AX), %s, Z%d", 64*v, mask, 2*v)
			if bf16 {
				f.op("VMOVUPS.Z %d(BX), %s, Z%d", 64*v, mask, 2*v+1)
				f.cvtne2(2*v, 2*v+1, 2*v)
				f.op("VPERMW Z%d, Z31, Z%[1]d", 2*v)
			}
			f.op("VMOVUPS Z%d, %d(CX)", 2*v, 64*v)
		}
	}
	f.line("panel:")
	panel(true)
	f.op("ADDQ $%d, AX", 4*width)
	if bf16 {
		f.op("ADDQ $%d, BX", 4*width)
	}
	f.op("ADDQ R10, CX")
	f.op("DECQ R11")
	f.op("JNZ panel")
	f.line("last:")
	panel(false)
	f.op("ADDQ R8, SI")
	if bf16 {
		f.op("ADDQ R8, DX")
	}
	f.op("ADDQ $%d, DI", 4*width)
	f.op("DECQ R9")
	f.op("JNZ step")
	f.op("VZEROUPPER")
	f.op("RET")
}

// transpose512 packs 16 columns of a panel whose values are contiguous along k:
// it transposes blocks of 16 lines of 16 cells.
func transpose512(f *file, bf16 bool) {
	kind, size := "F32", 64
	if bf16 {
		kind, size = "BF16", 128
	}
	f.function("turn16"+kind, "turn")
	f.op("MOVQ 0(R13), DI  // dst")
	f.op("MOVQ 8(R13), SI  // src")
	f.op("MOVQ 16(R13), R8 // bytes between lines of src")
	f.op("MOVQ 24(R13), R9 // blocks of 16 cells")
	f.op("MOVQ 32(R13), R11 // bytes between lines of dst")
	f.op("LEAQ (R8)(R8*2), R10")
	f.op("LEAQ (R11)(R11*2), R12")
	f.line("block:")
	f.op("MOVQ SI, AX")
	for i := range 16 {
		at := []string{"(AX)", "(AX)(R8*1)", "(AX)(R8*2)", "(AX)(R10*1)"}[i%4]
		f.op("VMOVUPS %s, Z%d", at, i)
		if bf16 {
			f.op("VMOVUPS 64%s, Z16", at)
			f.cvtne2(i, 16, i)
		}
		if i%4 == 3 && i < 15 {
			f.op("LEAQ (AX)(R8*4), AX")
		}
	}
	// Four rounds of pairing, as in sorting: after them register i holds
	// column i.
	round := func(src, dst int, lo, hi string, pairs func(i int) (a, b, x, y int)) {
		for i := range 8 {
			a, b, x, y := pairs(i)
			f.op("%s Z%d, Z%d, Z%d", lo, src+b, src+a, dst+x)
			f.op("%s Z%d, Z%d, Z%d", hi, src+b, src+a, dst+y)
		}
	}
	// Lanes of 128 bits: 2 lines side by side, then 4.
	round(0, 16, "VUNPCKLPS", "VUNPCKHPS", func(i int) (int, int, int, int) { return 2 * i, 2*i + 1, 2 * i, 2*i + 1 })
	round(16, 0, "VUNPCKLPD", "VUNPCKHPD", func(i int) (int, int, int, int) {
		a := i/2*4 + i%2
		return a, a + 2, i/2*4 + i%2*2, i/2*4 + i%2*2 + 1
	})
	// Register 4g+c now holds, in lane l, column 4l+c of lines 4g to 4g+3.
	round(0, 16, "VSHUFF32X4 $0x88,", "VSHUFF32X4 $0xdd,", func(i int) (int, int, int, int) {
		a := i/4*8 + i%4
		return a, a + 4, a, a + 4
	})
	// 8h+c: lanes 0 and 2 of two groups, 8h+4+c: lanes 1 and 3.
	round(16, 0, "VSHUFF32X4 $0x88,", "VSHUFF32X4 $0xdd,", func(i int) (int, int, int, int) {
		// Lanes 0,2 give columns c and 8+c; lanes 1,3 give 4+c and 12+c.
		return i, i + 8, i, i + 8
	})
	for i := range 16 {
		f.op("VMOVUPS Z%d, %s", i, []string{"(DI)", "(DI)(R11*1)", "(DI)(R11*2)", "(DI)(R12*1)"}[i%4])
		if i%4 == 3 {
			f.op("LEAQ (DI)(R11*4), DI")
		}
	}
	f.op("ADDQ $%d, SI", size)
	f.op("DECQ R9")
	f.op("JNZ block")
	f.op("VZEROUPPER")
	f.op("RET")
}

// rows512 rounds rows to bf16 that are already contiguous along k.
func rows512(f *file) {
	f.function("rowsBF16", "rows")
	f.op("MOVQ 0(R13), DI   // dst")
	f.op("MOVQ 8(R13), SI   // src")
	f.op("MOVQ 16(R13), R8  // bytes between rows of dst")
	f.op("MOVQ 24(R13), R9  // bytes between rows of src")
	f.op("MOVQ 32(R13), R10 // rows")
	f.op("MOVQ 40(R13), R11 // whole vectors of 32 values in a row")
	f.op("MOVL 48(R13), AX  // which of the next 32 there are")
	f.op("KMOVW AX, K1")
	f.op("SHRL $16, AX")
	f.op("KMOVW AX, K2")
	f.line("row:")
	f.op("MOVQ DI, AX")
	f.op("MOVQ SI, BX")
	f.op("MOVQ R11, CX")
	f.op("TESTQ CX, CX")
	f.op("JZ tail")
	f.line("vector:")
	f.op("VMOVUPS (BX), Z0")
	f.op("VMOVUPS 64(BX), Z1")
	f.cvtne2(0, 1, 0)
	f.op("VMOVUPS Z0, (AX)")
	f.op("ADDQ $128, BX")
	f.op("ADDQ $64, AX")
	f.op("DECQ CX")
	f.op("JNZ vector")
	f.line("tail:")
	f.op("KTESTW K1, K1")
	f.op("JZ next")
	f.op("VMOVUPS.Z (BX), K1, Z0")
	f.op("VMOVUPS.Z 64(BX), K2, Z1")
	f.cvtne2(0, 1, 0)
	f.op("VMOVUPS Z0, (AX)")
	f.line("next:")
	f.op("ADDQ R8, DI")
	f.op("ADDQ R9, SI")
	f.op("DECQ R10")
	f.op("JNZ row")
	f.op("VZEROUPPER")
	f.op("RET")
}
