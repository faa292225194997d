package main

// tiles256 writes the AVX2 tile of 6×16 and its helpers.
func tiles256(f *file) {
	f.function("tile6x16F32", "tile")
	f.op("MOVQ %d(R13), AX", tileA)
	f.op("MOVQ %d(R13), DI", tileB)
	f.op("MOVQ %d(R13), BX", tileC)
	f.op("MOVQ %d(R13), R8", tileRow)
	f.op("MOVQ %d(R13), R9", tileStep)
	f.op("MOVQ %d(R13), R10", tileSteps)
	f.op("MOVQ %d(R13), R11", tileLDC)
	f.op("LEAQ (R8)(R8*2), R12")
	f.op("LEAQ (AX)(R12*1), CX")
	sum := func(r, v int) int { return 4 + 2*r + v }
	for i := range 12 {
		f.op("VXORPS Y%d, Y%[1]d, Y%[1]d", 4+i)
	}
	f.line("loop:")
	f.op("VMOVUPS (DI), Y0")
	f.op("VMOVUPS 32(DI), Y1")
	for r := range 6 {
		f.op("VBROADCASTSS %s, Y%d", rowOf(r), 2+r%2)
		for v := range 2 {
			f.op("VFMADD231PS Y%d, Y%d, Y%d", v, 2+r%2, sum(r, v))
		}
	}
	f.op("ADDQ R9, AX")
	f.op("ADDQ R9, CX")
	f.op("ADDQ $64, DI")
	f.op("DECQ R10")
	f.op("JNZ loop")
	f.op("MOVQ %d(R13), R12", tileRows)
	f.op("CMPQ %d(R13), $0", tileFlags)
	f.op("JEQ store")
	for _, label := range []string{"add", "store"} {
		f.line("%s:", label)
		for r := range 6 {
			for v := range 2 {
				if label == "add" {
					f.op("VADDPS %d(BX), Y%d, Y%[2]d", 32*v, sum(r, v))
				}
				f.op("VMOVUPS Y%d, %d(BX)", sum(r, v), 32*v)
			}
			if r < 5 {
				f.op("DECQ R12")
				f.op("JZ done")
				f.op("ADDQ R11, BX")
			}
		}
		f.op("JMP done")
	}
	f.line("done:")
	f.op("VZEROUPPER")
	f.op("RET")
	round256(f)
	dots256(f)
}

// round256 writes the in-place rounding of f32 to values that bf16 holds. A
// number with exponent 0 becomes a zero; a NaN only needs its quiet bit, which
// is in the upper half.
func round256(f *file) {
	for i, c := range []uint32{0x7fff, 1, 0xffff0000, 0x7f800000, 0x80000000, 0x00400000, 0x7fffffff} {
		for lane := range 4 {
			f.line("DATA round<>+%d(SB)/8, $0x%08x%08[2]x", 32*i+8*lane, c)
		}
	}
	f.line("GLOBL round<>(SB), RODATA|NOPTR, $224")
	f.line("\n// func roundBF16AVX2(cells *float32, vectors int)")
	f.line("TEXT ·roundBF16AVX2(SB), NOSPLIT, $0-16")
	f.op("MOVQ cells+0(FP), DI")
	f.op("MOVQ vectors+8(FP), CX")
	for i := range 7 {
		f.op("VMOVDQU round<>+%d(SB), Y%d", 32*i, 9+i)
	}
	f.op("VPXOR Y8, Y8, Y8")
	f.line("loop:")
	f.op("VMOVDQU (DI), Y0")
	f.op("VPSRLD $16, Y0, Y1")
	f.op("VPAND Y10, Y1, Y1")
	f.op("VPADDD Y9, Y1, Y1")
	f.op("VPADDD Y0, Y1, Y1 // rounded, but for the low half")
	f.op("VPAND Y15, Y0, Y2 // the magnitude")
	f.op("VPCMPGTD Y12, Y2, Y3 // NaN")
	f.op("VPOR Y14, Y0, Y4")
	f.op("VPBLENDVB Y3, Y4, Y1, Y1")
	f.op("VPAND Y12, Y0, Y2")
	f.op("VPCMPEQD Y8, Y2, Y3 // zero or subnormal")
	f.op("VPAND Y13, Y0, Y4")
	f.op("VPBLENDVB Y3, Y4, Y1, Y1")
	f.op("VPAND Y11, Y1, Y1")
	f.op("VMOVDQU Y1, (DI)")
	f.op("ADDQ $32, DI")
	f.op("DECQ CX")
	f.op("JNZ loop")
	f.op("VZEROUPPER")
	f.op("RET")
}

// dots256 writes the dot products of a row of int8 with four columns at a time:
// bytes widen to 16 bits, of which VPMADDWD sums the products of pairs.
func dots256(f *file) {
	f.function("dotsAVX2", "dots")
	f.op("MOVQ 0(R13), DI   // sums")
	f.op("MOVQ 8(R13), SI   // a")
	f.op("MOVQ 16(R13), DX  // b")
	f.op("MOVQ 24(R13), R8  // bytes between columns of b")
	f.op("MOVQ 32(R13), R9  // groups of four columns")
	f.op("LEAQ (R8)(R8*2), R10")
	f.line("columns:")
	for i := range 4 {
		f.op("VPXOR Y%d, Y%[1]d, Y%[1]d", i)
	}
	f.op("MOVQ DX, BX")
	f.op("XORQ AX, AX")
	f.line("loop:")
	f.op("VPMOVSXBW (SI)(AX*1), Y4")
	for i, at := range []string{"(BX)", "(BX)(R8*1)", "(BX)(R8*2)", "(BX)(R10*1)"} {
		f.op("VPMOVSXBW %s, Y%d", at, 5+i)
		f.op("VPMADDWD Y4, Y%d, Y%[1]d", 5+i)
		f.op("VPADDD Y%d, Y%d, Y%[2]d", 5+i, i)
	}
	f.op("ADDQ $16, BX")
	f.op("ADDQ $16, AX")
	f.op("CMPQ AX, R8")
	f.op("JLT loop")
	// Four registers of eight lanes to four sums.
	f.op("VPHADDD Y1, Y0, Y0")
	f.op("VPHADDD Y3, Y2, Y2")
	f.op("VPHADDD Y2, Y0, Y0")
	f.op("VEXTRACTI128 $1, Y0, X1")
	f.op("VPADDD X1, X0, X0")
	f.op("VMOVDQU X0, (DI)")
	f.op("ADDQ $16, DI")
	f.op("LEAQ (DX)(R8*4), DX")
	f.op("DECQ R9")
	f.op("JNZ columns")
	f.op("VZEROUPPER")
	f.op("RET")
}
