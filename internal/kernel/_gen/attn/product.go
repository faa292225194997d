package main

import "fmt"

// Offsets in the Go struct product.
const (
	productA      = 0
	productB      = 24
	productC      = 48
	productShrink = 72
	productRow    = 96
	productSteps  = 104
	productPanels = 112
	productLDC    = 120
)

// bases are the registers that point at rows 0, 3, 6 and 9 of a.
var bases = []string{"AX", "CX", "DX", "SI"}

// rowOf is the operand of row r of a; R8 holds the distance between rows.
func rowOf(r int) string {
	return "(" + bases[r/3] + ")" + []string{"", "(R8*1)", "(R8*2)"}[r%3]
}

// A tile is the shape of a product in registers.
type tile struct {
	kind       string // of cells: F32, or BF16 for pairs
	reg        string // Z or Y
	bytes      int    // of a register
	rows, vecs int
	free       int // the first register of the sums; before it, those of b and then of a
}

func (t tile) name() string { return fmt.Sprintf("mul%dx%d%s", t.rows, t.vecs*t.bytes/4, t.kind) }

// product writes a function that computes all panels of a product, one after
// another: sums row by row in the registers from free on.
func product(f *file, t tile) {
	f.function(t.name(), "product")
	f.op("MOVQ %d(R13), DI", productB)
	f.op("MOVQ %d(R13), BX", productC)
	f.op("MOVQ %d(R13), R8", productRow)
	f.op("SHLQ $2, R8")
	f.op("MOVQ %d(R13), R11", productLDC)
	f.op("SHLQ $2, R11")
	f.op("MOVQ %d(R13), R15", productPanels)
	f.op("LEAQ (R8)(R8*2), R12")
	used := bases[:(t.rows+2)/3]
	sum := func(r, v int) int { return t.free + r*t.vecs + v }
	f.line("panel:")
	f.op("MOVQ %d(R13), AX", productA)
	for i := range used[1:] {
		f.op("LEAQ (%s)(R12*1), %s", used[i], used[i+1])
	}
	f.op("MOVQ %d(R13), R10", productSteps)
	for i := range t.rows * t.vecs {
		f.op("VXORPS %s%d, %[1]s%[2]d, %[1]s%[2]d", t.reg, t.free+i)
	}
	f.line("loop:")
	for v := range t.vecs {
		f.op("VMOVUPS %d(DI), %s%d", t.bytes*v, t.reg, v)
	}
	for r := range t.rows {
		a := t.vecs + r%(t.free-t.vecs)
		f.op("VBROADCASTSS %s, %s%d", rowOf(r), t.reg, a)
		for v := range t.vecs {
			if t.kind == "BF16" {
				f.dpbf16(v, a, sum(r, v))
			} else {
				f.op("VFMADD231PS %s%d, %[1]s%[3]d, %[1]s%[4]d", t.reg, v, a, sum(r, v))
			}
		}
	}
	for _, b := range used {
		f.op("ADDQ $4, %s", b)
	}
	f.op("ADDQ $%d, DI", t.bytes*t.vecs)
	f.op("DECQ R10")
	f.op("JNZ loop")
	f.op("MOVQ BX, R10")
	f.op("MOVQ %d(R13), R9", productShrink)
	f.op("TESTQ R9, R9")
	f.op("JZ set")
	store := func(add bool) {
		for r := range t.rows {
			if add {
				f.op("VBROADCASTSS %d(R9), %s0", 4*r, t.reg)
			}
			for v := range t.vecs {
				if add {
					f.op("VFMADD231PS %d(R10), %s0, %[2]s%[3]d", t.bytes*v, t.reg, sum(r, v))
				}
				f.op("VMOVUPS %s%d, %d(R10)", t.reg, sum(r, v), t.bytes*v)
			}
			f.op("ADDQ R11, R10")
		}
	}
	store(true)
	f.op("JMP next")
	f.line("set:")
	store(false)
	f.line("next:")
	f.op("ADDQ $%d, BX", t.bytes*t.vecs)
	f.op("DECQ R15")
	f.op("JNZ panel")
	f.op("VZEROUPPER")
	f.op("RET")
}

// flash256 writes what AVX2 has of its own.
func flash256(f *file) { product(f, tile{"F32", "Y", 32, 6, 2, 4}) }
