package main

import "fmt"

const tileSignature = "(k int, a *float32, rowA, colA int, b *float32, ldb int, c *float32, ldc int, accumulate bool, lanes int)"

// tile emits a block of a product: rows × (vectors registers); in the last register only lanes elements count. The
// accumulators are registers 0 to rows*vectors-1. Strides are in elements.
func (e *em) tile(rows, vectors int) string {
	name := fmt.Sprintf("tile%dx%d%s", rows, vectors, e.suffix)
	fmt.Fprintf(&e.out, "\n// func %s%s\nTEXT ·%s(SB), NOSPLIT, $0-80\n", name, tileSignature, name)
	for i, arg := range []string{"k", "a", "rowA", "colA", "b", "ldb", "c", "ldc"} {
		e.line("MOVQ %s+%d(FP), %s", arg, 8*i, []string{"CX", "SI", "R8", "R9", "DI", "R10", "DX", "R11"}[i])
	}
	e.line("MOVQ lanes+72(FP), BX")
	if e.wide {
		e.line("MOVQ $-1, AX")
		e.line("BZHIQ BX, AX, AX")
		e.line("KMOVW AX, K1")
	} else {
		e.line("LEAQ lanes<>+32(SB), AX")
		e.line("SHLQ $2, BX")
		e.line("SUBQ BX, AX")
		e.line("VMOVUPS (AX), Y%d", tailMask)
	}
	for _, r := range []string{"R8", "R9", "R10", "R11"} {
		e.line("SHLQ $2, %s", r)
	}
	e.line("LEAQ (R8)(R8*2), R12") // three rows
	e.line("LEAQ (SI)(R8*4), R13") // row 4
	acc := func(i, v int) string { return e.r(i*vectors + v) }
	for i := range rows {
		for v := range vectors {
			e.line("VXORPS %s, %s, %s", acc(i, v), acc(i, v), acc(i, v))
		}
	}
	bcast := rows*vectors + vectors
	fmt.Fprint(&e.out, "\nloop:\n")
	for v := range vectors {
		e.tileMove("load", v, vectors, rows*vectors+v, "DI")
	}
	for i := range rows {
		base := "SI"
		if i >= 4 {
			base = "R13"
		}
		e.line("VBROADCASTSS (%s)%s, %s", base, []string{"", "(R8*1)", "(R8*2)", "(R12*1)"}[i%4], e.r(bcast))
		for v := range vectors {
			e.line("VFMADD231PS %s, %s, %s", e.r(bcast), e.r(rows*vectors+v), acc(i, v))
		}
	}
	e.line("ADDQ R9, SI")
	if rows > 4 {
		e.line("ADDQ R9, R13")
	}
	e.line("ADDQ R10, DI")
	e.line("DECQ CX")
	e.line("JNZ loop")
	e.line("CMPB accumulate+64(FP), $0")
	e.line("JEQ put")
	e.line("MOVQ DX, AX")
	for i := range rows {
		for v := range vectors {
			e.tileMove("load", v, vectors, bcast, "AX")
			e.line("VADDPS %s, %s, %s", e.r(bcast), acc(i, v), acc(i, v))
		}
		e.line("ADDQ R11, AX")
	}
	fmt.Fprint(&e.out, "\nput:\n")
	for i := range rows {
		for v := range vectors {
			e.tileMove("store", v, vectors, i*vectors+v, "DX")
		}
		e.line("ADDQ R11, DX")
	}
	e.line("VZEROUPPER")
	e.line("RET")
	return name
}

// tileMove loads or stores vector number v of vectors at base; the last one is masked.
func (e *em) tileMove(what string, v, vectors, reg int, base string) {
	at := fmt.Sprintf("%d(%s)", 4*e.width*v, base)
	last := v == vectors-1
	switch {
	case what == "load" && !last:
		e.line("VMOVUPS %s, %s", at, e.r(reg))
	case what == "load" && e.wide:
		e.line("VMOVUPS.Z %s, K1, %s", at, e.r(reg))
	case what == "load":
		e.line("VMASKMOVPS %s, %s, %s", at, e.r(tailMask), e.r(reg))
	case !last:
		e.line("VMOVUPS %s, %s", e.r(reg), at)
	case e.wide:
		e.line("VMOVUPS %s, K1, %s", e.r(reg), at)
	default:
		e.line("VMASKMOVPS %s, %s, %s", e.r(reg), e.r(tailMask), at)
	}
}
