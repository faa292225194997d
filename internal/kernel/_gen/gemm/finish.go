package main

import (
	"fmt"
	"math"
)

// Offsets in the Go struct finish.
const (
	finishC        = 0
	finishX        = 8
	finishBias     = 16
	finishResidual = 24
	finishLDC      = 32
	finishLDX      = 40
	finishRows     = 48
	finishCols     = 56
	finishRowScale = 64
	finishScale    = 72
	finishOffset   = 80
	finishSlope    = 88
)

// The exponential is 2^n·e^r with n = round(x/ln 2) and |r| <= ln 2 / 2, and
// e^r = 1 + r + r²·P(r) with P through the Chebyshev nodes: within 1.1e-8.
var expPoly = []float32{0.5, 0.1666657698969869, 0.04166655461720141, 0.008363179052728216, 0.0013926183587875884}

const (
	ln2Hi = 0.69140625 // nine bits, so that n·ln2Hi is exact
	ln2Lo = math.Ln2 - ln2Hi
	// Beyond ±100 the exponential is 0 or more than an f32 holds.
	expBound = 100
)

// constants that the activations use.
var actConstants = []struct {
	name string
	bits uint32
}{
	{"one", f32(1)},
	{"log2e", f32(math.Log2E)},
	{"ln2Hi", f32(ln2Hi)},
	{"ln2Lo", f32(ln2Lo)},
	{"low", f32(-expBound)},
	{"high", f32(expBound)},
	{"p0", f32(expPoly[0])},
	{"p1", f32(expPoly[1])},
	{"p2", f32(expPoly[2])},
	{"p3", f32(expPoly[3])},
	{"p4", f32(expPoly[4])},
	{"geluA", f32(-2 * 0.7978845608028654)},
	{"geluB", f32(-2 * 0.7978845608028654 * 0.044715)},
	{"minus", f32(-1)},
	{"bias", 127},
}

func f32(v float32) uint32 { return math.Float32bits(v) }

// vector is what differs between the widths: registers, how a constant is
// named as an operand, and how many bytes and lanes there are.
type vector struct {
	wide  bool // 512 bits
	bytes int
}

// r is register i.
func (v vector) r(i int) string {
	if v.wide {
		return fmt.Sprintf("Z%d", i)
	}
	return fmt.Sprintf("Y%d", i)
}

// constant is a constant as an operand: AVX-512 keeps them in registers from 16
// on, AVX2 reads them from memory.
func (v vector) constant(name string) string {
	for i, c := range actConstants {
		if c.name == name {
			if v.wide {
				return v.r(16 + i)
			}
			return fmt.Sprintf("act256<>+%d(SB)", 32*i)
		}
	}
	panic(name)
}

// activations have each an epilogue of their own.
var activations = []string{"None", "ReLU", "SiLU", "GELU", "PReLU"}

// finishes512 writes the epilogues, one per activation and kind of sums.
func finishes512(f *file) {
	for i, c := range actConstants {
		f.line("DATA act<>+%d(SB)/4, $0x%08x // %s", 4*i, c.bits, c.name)
	}
	f.line("GLOBL act<>(SB), RODATA|NOPTR, $%d", 4*len(actConstants))
	for _, ints := range []bool{false, true} {
		for _, act := range activations {
			finish(f, vector{true, 64}, act, ints)
		}
	}
}

// finishes256 is finishes512 for AVX2 and f32 sums.
func finishes256(f *file) {
	for i, c := range actConstants {
		for lane := range 4 {
			f.line("DATA act256<>+%d(SB)/8, $0x%08x%08[2]x // %s", 32*i+8*lane, c.bits, c.name)
		}
	}
	f.line("GLOBL act256<>(SB), RODATA|NOPTR, $%d", 32*len(actConstants))
	f.line("\n// Eight lanes from 4·(8-n) on have their first n set.")
	for i := range 8 {
		v := -1
		if i >= 4 {
			v = 0
		}
		f.line("DATA lanes<>+%d(SB)/8, $%d", 8*i, v)
	}
	f.line("GLOBL lanes<>(SB), RODATA|NOPTR, $64")
	for _, act := range activations {
		finish(f, vector{false, 32}, act, false)
	}
}

// finish writes c = act(x + bias) + residual: BX holds the bytes done of a row,
// register 0 the values. Sums of int8 products are int32; their scales make
// them f32 first.
func finish(f *file, v vector, act string, ints bool) {
	name := fmt.Sprintf("finish%d%s", 8*v.bytes, act)
	if ints {
		name = fmt.Sprintf("finishInt%d%s", 8*v.bytes, act)
	}
	f.function(name, "finish")
	f.op("MOVQ %d(R13), DI", finishC)
	f.op("MOVQ %d(R13), SI", finishX)
	f.op("MOVQ %d(R13), DX", finishBias)
	f.op("MOVQ %d(R13), R8", finishResidual)
	f.op("MOVQ %d(R13), R9", finishRows)
	f.op("MOVQ %d(R13), R10", finishCols)
	if act == "PReLU" {
		f.op("MOVQ %d(R13), R14", finishSlope)
	}
	finishSetup(f, v, ints)
	f.line("row:")
	if ints {
		f.op("VBROADCASTSS (AX), Z14")
		f.op("ADDQ $4, AX")
	}
	f.op("XORQ BX, BX")
	f.op("CMPQ BX, R10")
	f.op("JEQ tail")
	f.line("vector:")
	finishVector(f, v, act, ints, false)
	f.op("ADDQ $%d, BX", v.bytes)
	f.op("CMPQ BX, R10")
	f.op("JLT vector")
	f.line("tail:")
	f.op("TESTQ CX, CX")
	f.op("JZ next")
	finishVector(f, v, act, ints, true)
	f.line("next:")
	f.op("ADDQ %d(R13), DI", finishLDC)
	f.op("ADDQ %d(R13), SI", finishLDX)
	f.op("TESTQ R8, R8")
	f.op("JZ 2(PC)")
	f.op("ADDQ %d(R13), R8", finishLDC)
	f.op("DECQ R9")
	f.op("JNZ row")
	f.op("VZEROUPPER")
	f.op("RET")
}

// finishSetup leaves in R10 the bytes of a row's whole vectors, in CX the
// columns beyond them, in K1 or register 13 their mask, and zeros in 15.
func finishSetup(f *file, v vector, ints bool) {
	f.op("MOVQ R10, CX")
	f.op("ANDQ $%d, CX", v.bytes/4-1)
	f.op("SUBQ CX, R10")
	f.op("SHLQ $2, R10")
	if !v.wide {
		f.op("LEAQ lanes<>+32(SB), AX")
		f.op("MOVQ CX, BX")
		f.op("SHLQ $2, BX")
		f.op("SUBQ BX, AX")
		f.op("VMOVUPS (AX), Y13")
		f.op("VXORPS Y15, Y15, Y15")
		return
	}
	f.op("MOVL $1, AX")
	f.op("SHLL CX, AX")
	f.op("DECL AX")
	f.op("KMOVW AX, K1")
	for i := range actConstants {
		f.op("VBROADCASTSS act<>+%d(SB), Z%d", 4*i, 16+i)
	}
	f.op("VPXORD Z15, Z15, Z15")
	if ints {
		f.op("MOVQ %d(R13), R11", finishScale)
		f.op("MOVQ %d(R13), R12", finishOffset)
		f.op("MOVQ %d(R13), AX", finishRowScale)
	}
}

// finishVector finishes one vector of a row, or what is left of it.
func finishVector(f *file, v vector, act string, ints, part bool) {
	mask, zero := "", ""
	if part && v.wide {
		mask, zero = "K1, ", ".Z"
	}
	// add adds the vector at a pointer, if there is one, to register 0.
	add := func(pointer string) {
		f.op("TESTQ %s, %[1]s", pointer)
		if part && !v.wide {
			f.op("JZ 3(PC)")
			f.op("VMASKMOVPS (%s)(BX*1), Y13, Y1", pointer)
			f.op("VADDPS Y1, Y0, Y0")
			return
		}
		f.op("JZ 2(PC)")
		f.op("VADDPS (%s)(BX*1), %s, %s%[2]s", pointer, v.r(0), mask)
	}
	if part && !v.wide {
		f.op("VMASKMOVPS (SI)(BX*1), Y13, Y0")
	} else {
		f.op("VMOVUPS%s (SI)(BX*1), %s%s", zero, mask, v.r(0))
	}
	if ints {
		f.op("VPSUBD (R12)(BX*1), Z0, %sZ0", mask)
		f.op("VCVTDQ2PS Z0, Z0")
		f.op("VMULPS Z14, Z0, Z0")
		f.op("VMULPS (R11)(BX*1), Z0, %sZ0", mask)
	}
	add("DX")
	if act == "PReLU" {
		prelu(f, v, mask, part)
	} else {
		activate(f, v, act)
	}
	add("R8")
	if part && !v.wide {
		f.op("VMASKMOVPS Y0, Y13, (DI)(BX*1)")
	} else {
		f.op("VMOVUPS %s, %s(DI)(BX*1)", v.r(0), mask)
	}
}

// prelu makes register 0 its positive part plus the slopes at R14 times its
// negative one; it spoils 1 and 2. The second of two NaNs wins: it stays NaN.
func prelu(f *file, v vector, mask string, part bool) {
	x, low, zero := v.r(0), v.r(1), v.r(15)
	f.op("VMINPS %s, %s, %s", x, zero, low)
	f.op("VMAXPS %s, %s, %[1]s", x, zero)
	if part && !v.wide {
		f.op("VMASKMOVPS (R14)(BX*1), Y13, Y2")
		f.op("VFMADD231PS Y2, Y1, Y0")
		return
	}
	f.op("VFMADD231PS (R14)(BX*1), %s, %s%s", low, mask, x)
}

// activate applies act to register 0; it spoils 1 to 4.
func activate(f *file, v vector, act string) {
	x, e, n, s, t := v.r(0), v.r(1), v.r(2), v.r(3), v.r(4)
	switch act {
	case "ReLU":
		f.op("VMAXPS %s, %s, %[1]s", x, v.r(15)) // the second of two NaNs wins: x stays NaN
		return
	case "SiLU":
		f.op("VMULPS %s, %s, %s", v.constant("minus"), x, e)
	case "GELU":
		// -2u = x(geluA + geluB·x²)
		f.op("VMULPS %s, %[1]s, %s", x, e)
		f.op("VMOVUPS %s, %s", v.constant("geluB"), t)
		f.op("VFMADD213PS %s, %s, %s", v.constant("geluA"), t, e)
		f.op("VMULPS %s, %s, %[2]s", x, e)
	default:
		return
	}
	// x / (1 + e^register 1); NaN is the second operand, so it stays.
	f.op("VMOVUPS %s, %s", v.constant("high"), t)
	f.op("VMINPS %s, %s, %[1]s", e, t)
	f.op("VMOVUPS %s, %s", v.constant("low"), t)
	f.op("VMAXPS %s, %s, %[1]s", e, t)
	f.op("VMULPS %s, %s, %s", v.constant("log2e"), e, n)
	if v.wide {
		f.op("VRNDSCALEPS $8, %s, %[1]s", n)
	} else {
		f.op("VROUNDPS $8, %s, %[1]s", n)
	}
	f.op("VFNMADD231PS %s, %s, %s", v.constant("ln2Hi"), n, e)
	f.op("VFNMADD231PS %s, %s, %s", v.constant("ln2Lo"), n, e)
	f.op("VMOVUPS %s, %s", v.constant("p4"), s)
	for _, p := range []string{"p3", "p2", "p1", "p0"} {
		f.op("VFMADD213PS %s, %s, %s", v.constant(p), e, s)
	}
	f.op("VMULPS %s, %s, %[2]s", e, s)
	f.op("VFMADD213PS %s, %[1]s, %s", e, s)
	f.op("VADDPS %s, %s, %[2]s", v.constant("one"), s)
	if v.wide {
		f.op("VSCALEFPS %s, %s, %[2]s", n, s)
	} else {
		// 2^n in two halves, as n is up to 145.
		f.op("VCVTPS2DQ %s, %[1]s", n)
		f.op("VPSRAD $1, %s, %s", n, t)
		f.op("VPSUBD %s, %s, %[2]s", t, n)
		for _, half := range []string{t, n} {
			f.op("VPADDD %s, %s, %[2]s", v.constant("bias"), half)
			f.op("VPSLLD $23, %s, %[1]s", half)
			f.op("VMULPS %s, %s, %[2]s", half, s)
		}
	}
	f.op("VADDPS %s, %s, %[2]s", v.constant("one"), s)
	f.op("VDIVPS %s, %s, %[2]s", s, x)
}
