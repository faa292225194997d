package main

import "fmt"

// Offsets in the Go struct codeTile.
const (
	codeA      = 0
	codeB      = 8
	codeScales = 16
	codeC      = 24
	codeRow    = 32
	codeRuns   = 40
	codeNext   = 48
)

// codeCols is how many f32 lie between the rows of a tile's sums: the columns of
// a group of panels.
const codeCols = 128

// codeNextStep is how many bytes of the A of the tile that follows are
// prefetched by a run of a tile: the four panels of a group have the rows of a
// tile in common, and together prefetch the next ones.
const codeNextStep = 128

// codes512 writes the tiles of products of codes for VNNI, and what prepares
// their operands.
func codes512(f *file) {
	for _, run := range []int{32, 16} {
		for _, mins := range []bool{false, true} {
			for _, rows := range []int{12, 4} {
				codes512Tile(f, run, mins, rows)
			}
		}
		codes512Offsets(f, run)
		codes512Quantize(f, run)
	}
	f.line("\nDATA codes<>+0(SB)/4, $0x7fffffff // all but the sign")
	f.line("DATA codes<>+4(SB)/4, $0x42fe0000 // 127")
	f.line("DATA codes<>+8(SB)/4, $0x80808080 // 128 in every byte")
	f.line("DATA codes<>+12(SB)/4, $0x%08x // the least magnitude that counts", f32(1e-36))
	f.line("DATA codes<>+16(SB)/4, $0x01010101 // 1 in every byte")
	f.line("GLOBL codes<>(SB), RODATA|NOPTR, $20")
}

func codesName(run int, mins bool) string {
	if mins {
		return fmt.Sprintf("%dMins", run)
	}
	return fmt.Sprint(run)
}

// codes512Tile writes a tile of so many rows and 32 columns. Sums of a run are
// int32 in Z8 and up, row by row; they begin with the offsets, which make up for
// the 128 that is added to each byte of A. At the end of a run they become f32,
// are scaled, and are added to the sums in memory.
func codes512Tile(f *file, run int, mins bool, rows int) {
	f.function(fmt.Sprintf("codes%dx32Run%s", rows, codesName(run, mins)), "codeTile")
	codesSetup(f, rows)
	f.op("MOVQ %d(R13), R15", codeNext)
	sum := func(r, v int) int { return 8 + 2*r + v }
	f.line("loop:")
	for v := range 2 {
		f.op("VMOVDQU32 %d(R14), Z%d", 64*v, v)
	}
	for r := range rows {
		for v := range 2 {
			f.op("VMOVDQA32 Z%d, Z%d", v, sum(r, v))
		}
	}
	for s := range run / 4 {
		for v := range 2 {
			f.op("VMOVDQU32 %d(DI), Z%d", 128*s+64*v, v)
		}
		for r := range rows {
			a := 2 + r%6
			f.op("VPBROADCASTD %d%s, Z%d", 4*s, rowOf(r), a)
			for v := range 2 {
				f.op("VPDPBUSD Z%d, Z%d, Z%d", v, a, sum(r, v))
			}
		}
	}
	for v := range 2 {
		f.op("VMOVUPS %d(R14), Z%d", 128+64*v, v)
		if mins {
			f.op("VMOVUPS %d(R14), Z%d", 256+64*v, 6+v)
		}
	}
	for r := range rows {
		a := 2 + 2*(r%2)
		f.op("VBROADCASTSS %d%s, Z%d", run, rowOf(r), a)
		if mins {
			f.op("VBROADCASTSS %d%s, Z%d", run+4, rowOf(r), a+1)
		}
		for v := range 2 {
			at := 4*codeCols*r + 64*v
			f.op("VCVTDQ2PS Z%d, Z%[1]d", sum(r, v))
			f.op("VMULPS Z%d, Z%d, Z%[2]d", v, sum(r, v))
			f.op("VFMADD213PS %d(BX), Z%d, Z%d", at, a, sum(r, v))
			if mins {
				f.op("VFMADD231PS Z%d, Z%d, Z%d", 6+v, a+1, sum(r, v))
			}
			f.op("VMOVUPS Z%d, %d(BX)", sum(r, v), at)
		}
	}
	for i := range codeNextStep / 64 {
		f.op("PREFETCHT1 %d(R15)", 64*i)
	}
	f.op("ADDQ $%d, R15", codeNextStep)
	codesNext(f, rows, run+8, 32*run, scalesOf(mins, 32, true))
	f.op("VZEROUPPER")
	f.op("RET")
}

// scalesOf is how many bytes the factors of a run of so many columns take.
func scalesOf(mins bool, cols int, offsets bool) int {
	return 4 * cols * (1 + btoi(mins) + btoi(offsets))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// codesSetup loads a tile: rows 0, 3, 6 and 9 of A in the bases, R8 bytes apart;
// B in DI, its factors in R14, the sums in BX, and the number of runs in R10.
func codesSetup(f *file, rows int) {
	f.op("MOVQ %d(R13), AX", codeA)
	f.op("MOVQ %d(R13), DI", codeB)
	f.op("MOVQ %d(R13), R14", codeScales)
	f.op("MOVQ %d(R13), BX", codeC)
	f.op("MOVQ %d(R13), R8", codeRow)
	f.op("MOVQ %d(R13), R10", codeRuns)
	f.op("LEAQ (R8)(R8*2), R12")
	used := bases[:(rows+2)/3]
	for i := range used[1:] {
		f.op("LEAQ (%s)(R12*1), %s", used[i], used[i+1])
	}
}

// codesNext moves on to the next run, and ends the loop.
func codesNext(f *file, rows, a, b, scales int) {
	for _, base := range bases[:(rows+2)/3] {
		f.op("ADDQ $%d, %s", a, base)
	}
	f.op("ADDQ $%d, DI", b)
	f.op("ADDQ $%d, R14", scales)
	f.op("DECQ R10")
	f.op("JNZ loop")
}

// codes512Offsets writes -128·Σq of the runs of a panel.
func codes512Offsets(f *file, run int) {
	f.function(fmt.Sprintf("codesOffsets512Run%d", run), "codeOffsets")
	f.op("MOVQ 0(R13), DI  // to")
	f.op("MOVQ 8(R13), SI  // cells")
	f.op("MOVQ 16(R13), R9 // bytes between the factors of two runs")
	f.op("MOVQ 24(R13), R10 // runs")
	f.op("VPBROADCASTD codes<>+8(SB), Z31")
	f.op("VPXORD Z30, Z30, Z30")
	f.line("loop:")
	for v := range 2 {
		f.op("VPXORD Z%d, Z%[1]d, Z%[1]d", v)
	}
	for s := range run / 4 {
		for v := range 2 {
			f.op("VPDPBUSD %d(SI), Z31, Z%d", 128*s+64*v, v)
		}
	}
	for v := range 2 {
		f.op("VPSUBD Z%d, Z30, Z%[1]d", v)
		f.op("VMOVDQU32 Z%d, %d(DI)", v, 64*v)
	}
	f.op("ADDQ $%d, SI", 32*run)
	f.op("ADDQ R9, DI")
	f.op("DECQ R10")
	f.op("JNZ loop")
	f.op("VZEROUPPER")
	f.op("RET")
}

// codes512Quantize writes runs of a row of A: each value times 127 over the
// greatest magnitude of its run, rounded, plus 128, as a byte; then the scale,
// and the scale times the sum of the run's codes, as f32.
func codes512Quantize(f *file, run int) {
	f.function(fmt.Sprintf("codesQuantize512Run%d", run), "codeRow")
	f.op("MOVQ 0(R13), DI  // dst")
	f.op("MOVQ 8(R13), SI  // src")
	f.op("MOVQ 16(R13), R10 // runs")
	f.op("VPBROADCASTD codes<>+0(SB), Z31")
	f.op("VBROADCASTSS codes<>+4(SB), X30")
	f.op("VPBROADCASTD codes<>+8(SB), Z29")
	f.op("VBROADCASTSS codes<>+12(SB), X28")
	f.op("VPBROADCASTD codes<>+16(SB), Z27")
	vecs := run / 16
	f.line("loop:")
	for v := range vecs {
		f.op("VMOVUPS %d(SI), Z%d", 64*v, v)
		f.op("VPANDD Z%d, Z31, Z%d", v, 2+v)
	}
	if vecs == 2 {
		f.op("VMAXPS Z3, Z2, Z2")
	}
	f.op("VEXTRACTF64X4 $1, Z2, Y3")
	f.op("VMAXPS Y3, Y2, Y2")
	f.op("VEXTRACTF128 $1, Y2, X3")
	f.op("VMAXPS X3, X2, X2")
	f.op("VPERMILPS $0x4e, X2, X3")
	f.op("VMAXPS X3, X2, X2")
	f.op("VPERMILPS $0xb1, X2, X3")
	f.op("VMAXPS X3, X2, X2")
	f.op("VCMPPS $1, X28, X2, K1 // tiny")
	f.op("VDIVSS X30, X2, X3     // the scale")
	f.op("VDIVSS X2, X30, X2")
	f.op("KNOTW K1, K1")
	f.op("VMOVAPS.Z X2, K1, X2")
	f.op("VMOVAPS.Z X3, K1, X3")
	f.op("VBROADCASTSS X2, Z2")
	for v := range vecs {
		f.op("VMULPS Z%d, Z2, Z%[1]d", v)
		f.op("VCVTPS2DQ Z%d, Z%[1]d", v)
		f.op("VPMOVSDB Z%d, X%[1]d", v)
		f.op("VPXORD X%d, X29, X%[1]d", v)
		f.op("VMOVDQU32 X%d, %d(DI)", v, 16*v)
		// The sum of the bytes less 128: bytes with 128 added, times 1.
	}
	f.op("VPXORD X4, X4, X4")
	for v := range vecs {
		f.op("VPDPBUSD X27, X%d, X4", v)
	}
	f.op("VPSHUFD $0x4e, X4, X5")
	f.op("VPADDD X5, X4, X4")
	f.op("VPSHUFD $0xb1, X4, X5")
	f.op("VPADDD X5, X4, X4")
	f.op("MOVL $%d, AX", 128*run)
	f.op("VMOVD AX, X5")
	f.op("VPSUBD X5, X4, X4")
	f.op("VCVTDQ2PS X4, X4")
	f.op("VMULSS X3, X4, X4")
	f.op("VMOVSS X3, %d(DI)", run)
	f.op("VMOVSS X4, %d(DI)", run+4)
	f.op("ADDQ $%d, DI", run+8)
	f.op("ADDQ $%d, SI", 4*run)
	f.op("DECQ R10")
	f.op("JNZ loop")
	f.op("VZEROUPPER")
	f.op("RET")
}

// codes256 writes the tiles for AVX2: 4 rows and 16 columns of int16 codes.
func codes256(f *file) {
	for _, run := range []int{32, 16} {
		for _, mins := range []bool{false, true} {
			codes256Tile(f, run, mins)
		}
	}
}

// codes256Tile writes a tile. A cell is a pair of int16; sums of a run are int32
// in Y8 and up, row by row.
func codes256Tile(f *file, run int, mins bool) {
	const rows = 4
	f.function(fmt.Sprintf("codes%dx16Run%s", rows, codesName(run, mins)), "codeTile")
	codesSetup(f, rows)
	sum := func(r, v int) int { return 8 + 2*r + v }
	f.line("loop:")
	for i := range 2 * rows {
		f.op("VPXOR Y%d, Y%[1]d, Y%[1]d", 8+i)
	}
	for s := range run / 2 {
		for v := range 2 {
			f.op("VMOVDQU %d(DI), Y%d", 64*s+32*v, v)
		}
		for r := range rows {
			a := 2 + r%2
			f.op("VPBROADCASTD %d%s, Y%d", 4*s, rowOf(r), a)
			for v := range 2 {
				t := 4 + 2*(r%2) + v
				f.op("VPMADDWD Y%d, Y%d, Y%d", v, a, t)
				f.op("VPADDD Y%d, Y%d, Y%[2]d", t, sum(r, v))
			}
		}
	}
	for v := range 2 {
		f.op("VMOVUPS %d(R14), Y%d", 32*v, v)
		if mins {
			f.op("VMOVUPS %d(R14), Y%d", 64+32*v, 6+v)
		}
	}
	for r := range rows {
		a := 2 + 2*(r%2)
		f.op("VBROADCASTSS %d%s, Y%d", 2*run, rowOf(r), a)
		if mins {
			f.op("VBROADCASTSS %d%s, Y%d", 2*run+4, rowOf(r), a+1)
		}
		for v := range 2 {
			at := 4*codeCols*r + 32*v
			f.op("VCVTDQ2PS Y%d, Y%[1]d", sum(r, v))
			f.op("VMULPS Y%d, Y%d, Y%[2]d", v, sum(r, v))
			f.op("VFMADD213PS %d(BX), Y%d, Y%d", at, a, sum(r, v))
			if mins {
				f.op("VFMADD231PS Y%d, Y%d, Y%d", 6+v, a+1, sum(r, v))
			}
			f.op("VMOVUPS Y%d, %d(BX)", sum(r, v), at)
		}
	}
	codesNext(f, rows, 2*run+8, 32*run, scalesOf(mins, 16, false))
	f.op("VZEROUPPER")
	f.op("RET")
}
