#include "textflag.h"

// Offsets in cachedProduct.
#define Q 0
#define ROWS 8
#define OUT 16
#define STRIDE 24
#define STEPS 32
#define COUNT 40

// FOUR adds the products of 16 channels Z16 with those of four rows from base on.
#define FOUR(base, a, b, c, d) \
	VFMADD231PS (base), Z16, a; \
	VFMADD231PS (base)(R8*1), Z16, b; \
	VFMADD231PS (base)(R8*2), Z16, c; \
	VFMADD231PS (base)(R9*1), Z16, d; \
	ADDQ        $64, base

// PAIR adds halves of a and b: a0+a2 b0+b2 a1+a3 b1+b3 of each four.
#define PAIR(a, b, to) \
	VUNPCKLPS b, a, Z16; \
	VUNPCKHPS b, a, Z17; \
	VADDPS    Z16, Z17, to

// QUAD adds what PAIR left: the sums of each four of a, b, c, d.
#define QUAD(ab, cd, to) \
	VUNPCKLPD cd, ab, Z16; \
	VUNPCKHPD cd, ab, Z17; \
	VADDPS    Z16, Z17, to

// LANES adds lanes: a0+a1 a2+a3 b0+b1 b2+b3.
#define LANES(a, b, to) \
	VSHUFF32X4 $0x88, b, a, Z16; \
	VSHUFF32X4 $0xdd, b, a, Z17; \
	VADDPS     Z16, Z17, to

// func cachedScores512(cachedProduct *cachedProduct)
TEXT ·cachedScores512(SB), NOSPLIT, $0-8
	MOVQ cachedProduct+0(FP), DI
	MOVQ ROWS(DI), DX
	MOVQ OUT(DI), R13
	MOVQ STRIDE(DI), R8
	LEAQ (R8)(R8*2), R9
	MOVQ COUNT(DI), AX

block:
	MOVQ   DX, SI
	LEAQ   (SI)(R8*4), R10
	LEAQ   (R10)(R8*4), R11
	LEAQ   (R11)(R8*4), R12
	MOVQ   Q(DI), BX
	MOVQ   STEPS(DI), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15

step:
	VMOVUPS (BX), Z16
	FOUR(SI, Z0, Z1, Z2, Z3)
	FOUR(R10, Z4, Z5, Z6, Z7)
	FOUR(R11, Z8, Z9, Z10, Z11)
	FOUR(R12, Z12, Z13, Z14, Z15)
	ADDQ    $64, BX
	DECQ    CX
	JNZ     step

	PAIR(Z0, Z1, Z0)
	PAIR(Z2, Z3, Z2)
	PAIR(Z4, Z5, Z4)
	PAIR(Z6, Z7, Z6)
	PAIR(Z8, Z9, Z8)
	PAIR(Z10, Z11, Z10)
	PAIR(Z12, Z13, Z12)
	PAIR(Z14, Z15, Z14)
	QUAD(Z0, Z2, Z0)
	QUAD(Z4, Z6, Z4)
	QUAD(Z8, Z10, Z8)
	QUAD(Z12, Z14, Z12)
	LANES(Z0, Z4, Z0)
	LANES(Z8, Z12, Z8)
	LANES(Z0, Z8, Z0)
	VMOVUPS Z0, (R13)
	ADDQ    $64, R13
	MOVQ    R8, R15
	SHLQ    $4, R15
	ADDQ    R15, DX
	DECQ    AX
	JNZ     block
	VZEROUPPER
	RET

// func cachedSums512(cachedProduct *cachedProduct)
TEXT ·cachedSums512(SB), NOSPLIT, $0-8
	MOVQ cachedProduct+0(FP), DI
	MOVQ ROWS(DI), DX
	MOVQ OUT(DI), R13
	MOVQ STRIDE(DI), R8
	LEAQ (R8)(R8*1), R9
	MOVQ STEPS(DI), AX

wide: // 64 channels at a time
	SUBQ   $4, AX
	JLT    rest
	MOVQ   DX, SI
	MOVQ   Q(DI), BX
	MOVQ   COUNT(DI), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7

two:
	VBROADCASTSS (BX), Z8
	VBROADCASTSS 4(BX), Z9
	LEAQ         (SI)(R8*1), R10
	VFMADD231PS  (SI), Z8, Z0
	VFMADD231PS  64(SI), Z8, Z1
	VFMADD231PS  128(SI), Z8, Z2
	VFMADD231PS  192(SI), Z8, Z3
	VFMADD231PS  (R10), Z9, Z4
	VFMADD231PS  64(R10), Z9, Z5
	VFMADD231PS  128(R10), Z9, Z6
	VFMADD231PS  192(R10), Z9, Z7
	ADDQ         $8, BX
	ADDQ         R9, SI
	DECQ         CX
	JNZ          two
	VADDPS       Z4, Z0, Z0
	VADDPS       Z5, Z1, Z1
	VADDPS       Z6, Z2, Z2
	VADDPS       Z7, Z3, Z3
	VMOVUPS      Z0, (R13)
	VMOVUPS      Z1, 64(R13)
	VMOVUPS      Z2, 128(R13)
	VMOVUPS      Z3, 192(R13)
	ADDQ         $256, DX
	ADDQ         $256, R13
	JMP          wide

rest: // 16 channels at a time
	ADDQ $4, AX
	JZ   done

narrow:
	MOVQ   DX, SI
	MOVQ   Q(DI), BX
	MOVQ   COUNT(DI), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z4, Z4, Z4

pair:
	VBROADCASTSS (BX), Z8
	VBROADCASTSS 4(BX), Z9
	VFMADD231PS  (SI), Z8, Z0
	VFMADD231PS  (SI)(R8*1), Z9, Z4
	ADDQ         $8, BX
	ADDQ         R9, SI
	DECQ         CX
	JNZ          pair
	VADDPS       Z4, Z0, Z0
	VMOVUPS      Z0, (R13)
	ADDQ         $64, DX
	ADDQ         $64, R13
	DECQ         AX
	JNZ          narrow

done:
	VZEROUPPER
	RET
