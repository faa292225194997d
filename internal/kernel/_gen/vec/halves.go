package main

import "fmt"

// special is a kernel with its own loop: 16 elements at a time, without a tail. Its callers handle the rest.
type special struct {
	name, signature, frame string
	body                   func(e *em)
}

var halves = []special{
	{"toBF16", "(dst []uint16, src []float32)", "$0-48", func(e *em) { e.sixteen(toBF16) }},
	{"fromBF16", "(dst []float32, src []uint16)", "$0-48", func(e *em) {
		e.sixteen(func(e *em, i int) {
			e.line("VPMOVZXWD %d(SI)(AX*2), %s", 2*e.width*i, e.r(i))
			e.line("VPSLLD $16, %s, %s", e.r(i), e.r(i))
			e.line("VMOVUPS %s, %d(DI)(AX*4)", e.r(i), 4*e.width*i)
		})
	}},
	{"toF16", "(dst []uint16, src []float32)", "$0-48", func(e *em) {
		e.sixteen(func(e *em, i int) {
			e.line("VMOVUPS %d(SI)(AX*4), %s", 4*e.width*i, e.r(i))
			e.line("VCVTPS2PH $0, %s, %d(DI)(AX*2)", e.r(i), 2*e.width*i)
		})
	}},
	{"fromF16", "(dst []float32, src []uint16)", "$0-48", func(e *em) {
		e.sixteen(func(e *em, i int) {
			e.line("VCVTPH2PS %d(SI)(AX*2), %s", 2*e.width*i, e.r(i))
			e.line("VMOVUPS %s, %d(DI)(AX*4)", e.r(i), 4*e.width*i)
		})
	}},
	{"rope", ropeSignature, "$0-96", func(e *em) { e.rope("VFMADDSUB213PS") }},
	{"ropeInv", ropeSignature, "$0-96", func(e *em) { e.rope("VFMSUBADD213PS") }},
}

const ropeSignature = "(y, x, cos, sin []float32)"

func (e *em) special(s special) {
	fmt.Fprintf(&e.out, "\n// func %s%s%s\nTEXT ·%s%s(SB), NOSPLIT, %s\n", s.name, e.suffix, s.signature, s.name, e.suffix, s.frame)
	s.body(e)
	e.line("VZEROUPPER")
	e.line("RET")
}

// sixteen runs f for both halves (AVX2) or all (AVX-512) of every 16 elements of src (SI) and dst (DI).
func (e *em) sixteen(f func(e *em, i int)) {
	e.line("MOVQ dst_base+0(FP), DI")
	e.line("MOVQ dst_len+8(FP), BX")
	e.line("MOVQ src_base+24(FP), SI")
	e.line("SHRQ $4, BX")
	e.line("JZ end")
	e.line("XORQ AX, AX")
	fmt.Fprint(&e.out, "\nloop:\n")
	for i := range 16 / e.width {
		f(e, i)
	}
	e.line("ADDQ $16, AX")
	e.line("DECQ BX")
	e.line("JNZ loop")
	fmt.Fprint(&e.out, "\nend:\n")
}

// toBF16 adds 0x7fff plus the lowest bit that is kept, so that the carry rounds ties to even; a NaN becomes quiet.
func toBF16(e *em, i int) {
	x, y, m := i, 2+i, 4
	e.line("VMOVUPS %d(SI)(AX*4), %s", 4*e.width*i, e.r(x))
	e.line("VPSRLD $16, %s, %s", e.r(x), e.r(y))
	if e.wide {
		e.line("VPANDD %s, %s, %s", e.konst("bit 0"), e.r(y), e.r(y))
		e.op("PADDD", y, y, e.konst("0x7fff"))
		e.op("PADDD", y, y, e.r(x))
		e.line("VCMPPS $3, %s, %s, K2", e.r(x), e.r(x))
		e.line("VPORD %s, %s, K2, %s", e.konst("quiet"), e.r(x), e.r(y))
		e.line("VPSRLD $16, %s, %s", e.r(y), e.r(y))
		e.line("VPMOVDW %s, (DI)(AX*2)", e.r(y))
		return
	}
	e.op("PAND", y, y, e.konst("bit 0"))
	e.op("PADDD", y, y, e.konst("0x7fff"))
	e.op("PADDD", y, y, e.r(x))
	e.line("VCMPPS $3, %s, %s, %s", e.r(x), e.r(x), e.r(m))
	e.op("POR", x, x, e.konst("quiet"))
	e.line("VBLENDVPS %s, %s, %s, %s", e.r(m), e.r(x), e.r(y), e.r(y))
	e.line("VPSRLD $16, %s, %s", e.r(y), e.r(y))
	if i == 1 {
		e.line("VPACKUSDW Y3, Y2, Y2")
		e.line("VPERMQ $0xd8, Y2, Y2")
		e.line("VMOVDQU Y2, (DI)(AX*2)")
	}
}

// rope rotates consecutive heads, len(y) elements in all, each head of 2*len(cos) elements, a multiple of a
// register: BX counts elements, and R10 goes through cos and sin and restarts for every head.
func (e *em) rope(last string) {
	for i, s := range []string{"y", "x", "cos", "sin"} {
		e.line("MOVQ %s_base+%d(FP), %s", s, 24*i, pointers[i])
	}
	e.line("MOVQ y_len+8(FP), BX")
	e.line("MOVQ cos_len+56(FP), R11")
	e.line("XORQ AX, AX")
	fmt.Fprint(&e.out, "\nhead:\n")
	e.line("CMPQ AX, BX")
	e.line("JGE end")
	e.line("XORQ R10, R10")
	fmt.Fprint(&e.out, "\nloop:\n")
	e.line("VMOVUPS (SI)(AX*4), %s", e.r(0))
	e.line("VPMOVZXDQ (DX)(R10*4), %s", e.r(1)) // every cosine twice
	e.line("VMOVSLDUP %s, %s", e.r(1), e.r(1))
	e.line("VPMOVZXDQ (CX)(R10*4), %s", e.r(2))
	e.line("VMOVSLDUP %s, %s", e.r(2), e.r(2))
	e.line("VPERMILPS $0xb1, %s, %s", e.r(0), e.r(3)) // pairs swapped
	e.mul(3, 3, 2)
	e.line("%s %s, %s, %s", last, e.r(3), e.r(1), e.r(0)) // x*cos ∓ swapped*sin
	e.line("VMOVUPS %s, (DI)(AX*4)", e.r(0))
	e.line("ADDQ $%d, AX", e.width)
	e.line("ADDQ $%d, R10", e.width/2)
	e.line("CMPQ R10, R11")
	e.line("JLT loop")
	e.line("JMP head")
	fmt.Fprint(&e.out, "\nend:\n")
}
