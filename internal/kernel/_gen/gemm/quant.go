package main

// quantize512 writes the quantisation of rows of A: it finds the largest
// magnitude of a row, multiplies the row by 127 over it, rounds, adds 128 and
// stores bytes.
func quantize512(f *file) {
	f.line("DATA sign<>+0(SB)/4, $0x7fffffff")
	f.line("DATA sign<>+4(SB)/4, $128")
	f.line("GLOBL sign<>(SB), RODATA|NOPTR, $8")
	for i := range 8 {
		// Output dword 2i and 2i+1: vector i/2's lanes 2(i%2) and the next.
		low := i/2 + 8*(i%2)
		f.line("DATA unlane<>+%d(SB)/8, $0x%08x%08x", 8*i, low+4, low)
	}
	f.line("GLOBL unlane<>(SB), RODATA|NOPTR, $64")
	f.function("peak512", "span")
	span512(f)
	f.op("VPBROADCASTD sign<>+0(SB), Z31")
	f.op("VPXORD Z0, Z0, Z0")
	for i := 1; i < 4; i++ {
		f.op("VPXORD Z%d, Z%[1]d, Z%[1]d", i)
	}
	f.line("four:")
	f.op("CMPQ R10, $4")
	f.op("JLT ones")
	for i := range 4 {
		f.op("VPANDD %d(SI), Z31, Z%d", 64*i, 4+i)
		f.op("VMAXPS Z%d, Z%d, Z%[2]d", 4+i, i)
	}
	f.op("ADDQ $256, SI")
	f.op("SUBQ $4, R10")
	f.op("JMP four")
	f.line("ones:")
	f.op("VMAXPS Z1, Z0, Z0")
	f.op("VMAXPS Z3, Z2, Z2")
	f.op("VMAXPS Z2, Z0, Z0")
	loop512(f, func(mask string) {
		if mask != "" {
			f.op("VMOVUPS.Z (SI), %sZ2", mask)
			f.op("VPANDD Z31, Z2, Z2")
		} else {
			f.op("VPANDD (SI), Z31, Z2")
		}
		f.op("VMAXPS Z2, Z0, Z0")
	})
	f.op("VEXTRACTF64X4 $1, Z0, Y1")
	f.op("VMAXPS Y1, Y0, Y0")
	f.op("VEXTRACTF128 $1, Y0, X1")
	f.op("VMAXPS X1, X0, X0")
	f.op("VPERMILPS $0x4e, X0, X1")
	f.op("VMAXPS X1, X0, X0")
	f.op("VPERMILPS $0xb1, X0, X1")
	f.op("VMAXPS X1, X0, X0")
	f.op("VMOVSS X0, 24(R13)")
	f.op("VZEROUPPER")
	f.op("RET")

	f.function("quantizeRow512", "span")
	span512(f)
	f.op("VBROADCASTSS 24(R13), Z31")
	f.op("VPBROADCASTD sign<>+4(SB), Z30")
	f.op("VMOVDQU64 unlane<>(SB), Z29")
	f.op("VPSLLD $24, Z30, Z28 // 128 in every byte")
	for _, shift := range []int{8, 16} {
		f.op("VPSRLD $%d, Z28, Z27", shift)
		f.op("VPORD Z27, Z28, Z28")
	}
	f.op("MOVQ 32(R13), R11 // the row that follows, moved on")
	// Four vectors at a time.
	f.line("four:")
	f.op("CMPQ R10, $4")
	f.op("JLT ones")
	for i := range 4 {
		f.op("PREFETCHT0 %d(R11)", 64*i)
		f.op("VMULPS %d(SI), Z31, Z%d", 64*i, i)
		f.op("VCVTPS2DQ Z%d, Z%[1]d", i)
	}
	f.op("VPACKSSDW Z1, Z0, Z0")
	f.op("VPACKSSDW Z3, Z2, Z2")
	f.op("VPACKSSWB Z2, Z0, Z0")
	f.op("VPERMD Z0, Z29, Z0 // packing works within lanes of 128 bits")
	f.op("VPXORD Z28, Z0, Z0")
	f.op("VMOVDQU64 Z0, (DI)")
	f.op("ADDQ $256, SI")
	f.op("ADDQ $256, R11")
	f.op("ADDQ $64, DI")
	f.op("SUBQ $4, R10")
	f.op("JMP four")
	f.line("ones:")
	loop512(f, func(mask string) {
		zero := ""
		if mask != "" {
			zero = ".Z"
		}
		f.op("VMULPS%s (SI), Z31, %sZ2", zero, mask)
		f.op("VCVTPS2DQ Z2, Z2")
		f.op("VPADDD Z30, Z2, Z2")
		f.op("VPMOVDB Z2, %s(DI)", mask)
		f.op("ADDQ $16, DI")
	})
	f.op("VZEROUPPER")
	f.op("RET")
}

// span512 loads the struct span: R10 whole vectors, K1 the rest.
func span512(f *file) {
	f.op("MOVQ 0(R13), DI  // dst")
	f.op("MOVQ 8(R13), SI  // src")
	f.op("MOVQ 16(R13), CX // values")
	f.op("MOVQ CX, R10")
	f.op("SHRQ $4, R10")
	f.op("ANDQ $15, CX")
	f.op("MOVL $1, AX")
	f.op("SHLL CX, AX")
	f.op("DECL AX")
	f.op("KMOVW AX, K1")
}

// loop512 runs the body over whole vectors and the rest.
func loop512(f *file, body func(mask string)) {
	f.op("TESTQ R10, R10")
	f.op("JZ tail")
	f.line("vector:")
	body("")
	f.op("ADDQ $64, SI")
	f.op("DECQ R10")
	f.op("JNZ vector")
	f.line("tail:")
	f.op("KTESTW K1, K1")
	f.op("JZ done")
	body("K1, ")
	f.line("done:")
}
