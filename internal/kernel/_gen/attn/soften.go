package main

import "fmt"

// Offsets in the Go struct softening.
const (
	softeningS      = 0
	softeningP      = 24
	softeningTop    = 48
	softeningSum    = 72
	softeningShrink = 96
	softeningRows   = 120
	softeningC      = 128
)

// powers are the coefficients of 2^x for 0 <= x < 1, lowest power first: those
// with the least relative error, 7.5e-5 for weights that become bf16 and 2e-9
// for others.
var powers = map[string][]float64{
	"BF16": {0.9999252186, 0.6958335405, 0.2260671554, 0.07802452264},
	"F32": {
		1.000000002, 0.6931469838, 0.2402298363, 0.05548334198, 0.009678840996, 0.001243968783, 0.0002170225545,
	},
}

// flash512 writes the AVX-512 kernels.
func flash512(f *file) {
	for _, kind := range []string{"F32", "BF16"} {
		for i, c := range powers[kind] {
			f.constant(fmt.Sprintf("power%d%s", i, kind), c)
		}
		for _, vecs := range []int{2, 1} {
			product(f, tile{kind, "Z", 64, 12, vecs, 8})
		}
		soften(f, kind)
	}
}

// Registers: the scores of a row lie in Z0 to Z15.
const (
	sFactor = 20
	sTop    = 21
	sPower  = 22 // and the next
	sSum    = 30 // and the next
	sShrink = 18
)

// exp2 writes x = 2^x on registers of kind reg, with Z16 and Z17.
func exp2(f *file, kind, reg string, x int) {
	n := len(powers[kind])
	f.op("VREDUCEPS $9, %s%d, %[1]s16 // x - floor(x)", reg, x)
	f.op("VMOVAPS %s%d, %[1]s17", reg, sPower+n-1)
	for i := n - 2; i >= 0; i-- {
		f.op("VFMADD213PS %s%d, %[1]s16, %[1]s17", reg, sPower+i)
	}
	f.op("VSCALEFPS %s%d, %[1]s17, %[1]s%[2]d", reg, x)
}

// fold writes the reduction of register z to the lowest lane of X16.
func fold(f *file, op string, z int) {
	f.op("VEXTRACTF64X4 $1, Z%d, Y17", z)
	f.op("%s Y17, Y%d, Y16", op, z)
	f.op("VEXTRACTF32X4 $1, Y16, X17")
	f.op("%s X17, X16, X16", op)
	f.op("VPERMILPS $0x4e, X16, X17")
	f.op("%s X17, X16, X16", op)
	f.op("VPERMILPS $0xb1, X16, X17")
	f.op("%s X17, X16, X16", op)
}

// soften writes the function that turns rows of 256 scores into weights.
func soften(f *file, kind string) {
	f.function("soften"+kind, "softening")
	f.op("MOVQ %d(R13), SI", softeningS)
	f.op("MOVQ %d(R13), DI", softeningP)
	f.op("MOVQ %d(R13), AX", softeningTop)
	f.op("MOVQ %d(R13), BX", softeningSum)
	f.op("MOVQ %d(R13), CX", softeningShrink)
	f.op("MOVQ %d(R13), DX", softeningRows)
	f.op("VBROADCASTSS %d(R13), Z%d", softeningC, sFactor)
	for i := range powers[kind] {
		f.op("VMOVUPS power%d%s<>(SB), Z%d", i, kind, sPower+i)
	}
	f.line("row:")
	for i := range 16 {
		f.op("VMOVUPS %d(SI), Z%d", 64*i, i)
	}
	f.op("VMAXPS Z1, Z0, Z16")
	f.op("VMAXPS Z3, Z2, Z17")
	for i := 4; i < 16; i += 2 {
		f.op("VMAXPS Z%d, Z16, Z16", i)
		f.op("VMAXPS Z%d, Z17, Z17", i+1)
	}
	f.op("VMAXPS Z17, Z16, Z16")
	fold(f, "VMAXPS", 16)
	f.op("VMULSS X%d, X16, X16", sFactor)
	f.op("VMOVSS (AX), X%d", sShrink)
	f.op("VMAXSS X%d, X16, X16", sShrink)
	f.op("VMOVSS X16, (AX)")
	f.op("VBROADCASTSS X16, Z%d", sTop)
	f.op("VSUBSS X16, X%d, X%[1]d", sShrink)
	exp2(f, kind, "X", sShrink)
	f.op("VMOVSS X%d, (CX)", sShrink)
	for i := range 16 {
		f.op("VFMSUB213PS Z%d, Z%d, Z%d", sTop, sFactor, i)
		exp2(f, kind, "Z", i)
		if i < 2 {
			f.op("VMOVAPS Z%d, Z%d", i, sSum+i)
		} else {
			f.op("VADDPS Z%d, Z%d, Z%[2]d", i, sSum+i%2)
		}
		switch {
		case kind == "F32":
			f.op("VMOVUPS Z%d, %d(DI)", i, 64*i)
		case i%2 == 1:
			f.cvtne2(i-1, i, i-1)
			f.op("VMOVUPS Z%d, %d(DI)", i-1, 32*(i-1))
		}
	}
	f.op("VADDPS Z%d, Z%d, Z%[2]d", sSum+1, sSum)
	fold(f, "VADDPS", sSum)
	f.op("VMOVSS (BX), X17")
	f.op("VFMADD213SS X16, X%d, X17", sShrink)
	f.op("VMOVSS X17, (BX)")
	f.op("ADDQ $1024, SI")
	f.op("ADDQ $%d, DI", map[string]int{"F32": 1024, "BF16": 512}[kind])
	for _, p := range []string{"AX", "BX", "CX"} {
		f.op("ADDQ $4, %s", p)
	}
	f.op("DECQ DX")
	f.op("JNZ row")
	f.op("VZEROUPPER")
	f.op("RET")
}
