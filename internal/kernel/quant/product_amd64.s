#include "textflag.h"

DATA nibble<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibble<>+8(SB)/8, $0x0808080808080808
GLOBL nibble<>(SB), RODATA|NOPTR, $16

// func codesQ8_0AVX2(q *int8, scale *float32, b *byte, n int)
//
// A block is a binary16 scale and 32 codes.
TEXT ·codesQ8_0AVX2(SB), NOSPLIT, $0-32
	MOVQ q+0(FP), DI
	MOVQ scale+8(FP), DX
	MOVQ b+16(FP), SI
	MOVQ n+24(FP), CX
block:
	MOVWLZX (SI), AX
	VMOVD AX, X1
	VCVTPH2PS X1, X1
	VMOVSS X1, (DX)
	VMOVDQU 2(SI), Y0
	VMOVDQU Y0, (DI)
	ADDQ $34, SI
	ADDQ $32, DI
	ADDQ $4, DX
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// func codesQ4_0AVX2(q *int8, scale *float32, b *byte, n int)
//
// A block is a binary16 scale and 16 bytes: the low halves are the first 16
// codes, the high halves the others, all with 8 added.
TEXT ·codesQ4_0AVX2(SB), NOSPLIT, $0-32
	MOVQ q+0(FP), DI
	MOVQ scale+8(FP), DX
	MOVQ b+16(FP), SI
	MOVQ n+24(FP), CX
	VPBROADCASTQ nibble<>+0(SB), Y3
	VPBROADCASTQ nibble<>+8(SB), Y4
block:
	MOVWLZX (SI), AX
	VMOVD AX, X1
	VCVTPH2PS X1, X1
	VMOVSS X1, (DX)
	VMOVDQU 2(SI), X0
	VPSRLW $4, X0, X2
	VINSERTI128 $1, X2, Y0, Y0
	VPAND Y3, Y0, Y0
	VPSUBB Y4, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ $18, SI
	ADDQ $32, DI
	ADDQ $4, DX
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// func codesQ4_1AVX2(q *int8, scale, min *float32, b *byte, n int)
//
// A block is a binary16 scale and min, and 16 bytes as those of Q4_0, without the 8.
TEXT ·codesQ4_1AVX2(SB), NOSPLIT, $0-40
	MOVQ q+0(FP), DI
	MOVQ scale+8(FP), DX
	MOVQ min+16(FP), BX
	MOVQ b+24(FP), SI
	MOVQ n+32(FP), CX
	VPBROADCASTQ nibble<>+0(SB), Y3
block:
	VMOVD (SI), X1
	VCVTPH2PS X1, X1
	VMOVSS X1, (DX)
	VEXTRACTPS $1, X1, (BX)
	VMOVDQU 4(SI), X0
	VPSRLW $4, X0, X2
	VINSERTI128 $1, X2, Y0, Y0
	VPAND Y3, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ $20, SI
	ADDQ $32, DI
	ADDQ $4, DX
	ADDQ $4, BX
	DECQ CX
	JNZ block
	VZEROUPPER
	RET
