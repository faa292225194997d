package main

import "fmt"

// Offsets in the Go struct tile.
const (
	tileA     = 0
	tileB     = 8
	tileC     = 16
	tileRow   = 24
	tileStep  = 32
	tileSteps = 40
	tileLDC   = 48
	tileRows  = 56
	tileMask  = 64
	tileFlags = 72

	tileRowScale = 80
	tileScale    = 88
	tileOffset   = 96

	tileNext = 104
)

// nextStep is how many bytes of the next panel of B are prefetched by a step of
// a tile. A block of A has eight tiles, which together prefetch the whole
// panel.
const nextStep = 16

// kinds of cells: an f32, a pair of bf16, or four int8 (those of A with 128
// added).
var kinds = []string{"F32", "BF16", "Int8"}

// tiles512 writes the AVX-512 tiles: 12, 8 and 4 rows of 32 and 16 columns.
func tiles512(f *file) {
	for _, kind := range kinds {
		for _, rows := range []int{12, 8, 4} {
			for _, vecs := range []int{2, 1} {
				tile512(f, kind, rows, vecs)
			}
		}
	}
}

// bases are the registers that point at rows 0, 3, 6 and 9 of A.
var bases = []string{"AX", "CX", "DX", "SI"}

// rowOf is the operand of row r of A; R8 holds the distance between rows.
func rowOf(r int) string {
	return "(" + bases[r/3] + ")" + []string{"", "(R8*1)", "(R8*2)"}[r%3]
}

// tile512 writes a tile: sums in Z8 and up, row by row; B in Z0 and Z1; values
// of A in Z2 to Z7 in turn.
func tile512(f *file, kind string, rows, vecs int) {
	f.function(fmt.Sprintf("tile%dx%d%s", rows, 16*vecs, kind), "tile")
	f.op("MOVQ %d(R13), AX", tileA)
	f.op("MOVQ %d(R13), DI", tileB)
	f.op("MOVQ %d(R13), BX", tileC)
	f.op("MOVQ %d(R13), R8", tileRow)
	f.op("MOVQ %d(R13), R9", tileStep)
	f.op("MOVQ %d(R13), R10", tileSteps)
	f.op("MOVQ %d(R13), R11", tileLDC)
	f.op("MOVQ %d(R13), R15", tileNext)
	f.op("LEAQ (R8)(R8*2), R12")
	used := bases[:(rows+2)/3]
	for i := range used[1:] {
		f.op("LEAQ (%s)(R12*1), %s", used[i], used[i+1])
	}
	sum := func(r, v int) int { return 8 + r*vecs + v }
	// C is prefetched while the sums are computed.
	f.op("MOVQ BX, R12")
	for r := range rows {
		for v := range vecs {
			f.op("PREFETCHT0 %d(R12)", 64*v)
		}
		if r < rows-1 {
			f.op("ADDQ R11, R12")
		}
	}
	for i := range rows * vecs {
		f.op("VPXORD Z%d, Z%[1]d, Z%[1]d", 8+i)
	}
	f.line("loop:")
	for v := range vecs {
		f.op("VMOVUPS %d(DI), Z%d", 64*v, v)
	}
	for r := range rows {
		a := 2 + r%6
		f.op("VBROADCASTSS %s, Z%d", rowOf(r), a)
		for v := range vecs {
			switch kind {
			case "F32":
				f.op("VFMADD231PS Z%d, Z%d, Z%d", v, a, sum(r, v))
			case "BF16":
				f.dpbf16(v, a, sum(r, v))
			case "Int8":
				f.op("VPDPBUSD Z%d, Z%d, Z%d", v, a, sum(r, v))
			}
		}
	}
	for _, b := range used {
		f.op("ADDQ R9, %s", b)
	}
	f.op("PREFETCHT1 (R15)")
	f.op("ADDQ $%d, R15", nextStep)
	f.op("ADDQ $128, DI")
	f.op("DECQ R10")
	f.op("JNZ loop")
	if kind == "Int8" {
		scaled512(f, rows, vecs, sum)
	}
	f.op("MOVQ %d(R13), R12", tileRows)
	f.op("MOVL %d(R13), AX", tileMask)
	f.op("KMOVW AX, K1")
	f.op("SHRL $16, AX")
	f.op("KMOVW AX, K2")
	f.op("MOVQ %d(R13), AX", tileFlags)
	f.op("CMPQ AX, $1")
	f.op("JEQ add")
	f.op("JLT store")
	f.op("CMPQ AX, $3")
	f.op("JEQ addMasked")
	plus := "VADDPS"
	if kind == "Int8" {
		plus = "VPADDD"
	}
	store := func(label string, add, masked bool) {
		f.line("%s:", label)
		for r := range rows {
			for v := range vecs {
				mask := ""
				if masked {
					mask = fmt.Sprintf("K%d, ", 1+v)
				}
				if add {
					f.op("%s %d(BX), Z%d, %sZ%[3]d", plus, 64*v, sum(r, v), mask)
				}
				f.op("VMOVUPS Z%d, %s%d(BX)", sum(r, v), mask, 64*v)
			}
			if r < rows-1 {
				f.op("DECQ R12")
				f.op("JZ done")
				f.op("ADDQ R11, BX")
			}
		}
		f.op("JMP done")
	}
	store("storeMasked", false, true)
	store("addMasked", true, true)
	store("add", true, false)
	store("store", false, false)
	f.line("done:")
	f.op("VZEROUPPER")
	f.op("RET")
}

// scaled512 turns int32 sums into f32, (sum-offset)·rowScale·scale, if the tile
// asks for it.
func scaled512(f *file, rows, vecs int, sum func(r, v int) int) {
	f.op("MOVQ %d(R13), AX", tileRowScale)
	f.op("TESTQ AX, AX")
	f.op("JZ write")
	f.op("MOVQ %d(R13), CX", tileScale)
	f.op("MOVQ %d(R13), DX", tileOffset)
	for v := range vecs {
		f.op("VMOVUPS %d(DX), Z%d", 64*v, v)
		f.op("VMOVUPS %d(CX), Z%d", 64*v, 2+v)
	}
	for r := range rows {
		f.op("VBROADCASTSS %d(AX), Z4", 4*r)
		for v := range vecs {
			f.op("VPSUBD Z%d, Z%d, Z%[2]d", v, sum(r, v))
			f.op("VCVTDQ2PS Z%d, Z%[1]d", sum(r, v))
			f.op("VMULPS Z4, Z%d, Z%[1]d", sum(r, v))
			f.op("VMULPS Z%d, Z%d, Z%[2]d", 2+v, sum(r, v))
		}
	}
	f.line("write:")
}
