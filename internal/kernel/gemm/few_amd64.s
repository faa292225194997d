#include "textflag.h"

// Offsets in fewDots.
#define W 0
#define X 8
#define OUT 16
#define PAIRS 24
#define COLS 32

// Offsets in a finePair, and its size.
#define HIGH 0
#define LOW 64
#define SCALE 128
#define LESS 192
#define SUM 256
#define PAIR 320

// Bytes of the code of two blocks, doubled: the first 16 for low halves, then the
// same for high halves.
DATA fewCodes41<>+0(SB)/8, $0x0b0a090807060504
DATA fewCodes41<>+8(SB)/8, $0x131211100f0e0d0c
DATA fewCodes41<>+16(SB)/8, $0x0b0a090807060504
DATA fewCodes41<>+24(SB)/8, $0x131211100f0e0d0c
DATA fewCodes41<>+32(SB)/8, $0x1f1e1d1c1b1a1918
DATA fewCodes41<>+40(SB)/8, $0x2726252423222120
DATA fewCodes41<>+48(SB)/8, $0x1f1e1d1c1b1a1918
DATA fewCodes41<>+56(SB)/8, $0x2726252423222120
GLOBL fewCodes41<>(SB), RODATA|NOPTR, $64

DATA fewCodes40<>+0(SB)/8, $0x0908070605040302
DATA fewCodes40<>+8(SB)/8, $0x11100f0e0d0c0b0a
DATA fewCodes40<>+16(SB)/8, $0x0908070605040302
DATA fewCodes40<>+24(SB)/8, $0x11100f0e0d0c0b0a
DATA fewCodes40<>+32(SB)/8, $0x1b1a191817161514
DATA fewCodes40<>+40(SB)/8, $0x232221201f1e1d1c
DATA fewCodes40<>+48(SB)/8, $0x1b1a191817161514
DATA fewCodes40<>+56(SB)/8, $0x232221201f1e1d1c
GLOBL fewCodes40<>(SB), RODATA|NOPTR, $64

// How far the codes are shifted.
DATA fewShift<>+0(SB)/8, $0
DATA fewShift<>+8(SB)/8, $0
DATA fewShift<>+16(SB)/8, $0x0000000400000004
DATA fewShift<>+24(SB)/8, $0x0000000400000004
DATA fewShift<>+32(SB)/8, $0
DATA fewShift<>+40(SB)/8, $0
DATA fewShift<>+48(SB)/8, $0x0000000400000004
DATA fewShift<>+56(SB)/8, $0x0000000400000004
GLOBL fewShift<>(SB), RODATA|NOPTR, $64

// The factors of two blocks, each eight times: at 0 and 20, at 2 and 22, at 0 and 18.
DATA fewD41<>+0(SB)/8, $0x0100010001000100
DATA fewD41<>+8(SB)/8, $0x0100010001000100
DATA fewD41<>+16(SB)/8, $0x1514151415141514
DATA fewD41<>+24(SB)/8, $0x1514151415141514
GLOBL fewD41<>(SB), RODATA|NOPTR, $32

DATA fewM41<>+0(SB)/8, $0x0302030203020302
DATA fewM41<>+8(SB)/8, $0x0302030203020302
DATA fewM41<>+16(SB)/8, $0x1716171617161716
DATA fewM41<>+24(SB)/8, $0x1716171617161716
GLOBL fewM41<>(SB), RODATA|NOPTR, $32

DATA fewD40<>+0(SB)/8, $0x0100010001000100
DATA fewD40<>+8(SB)/8, $0x0100010001000100
DATA fewD40<>+16(SB)/8, $0x1312131213121312
DATA fewD40<>+24(SB)/8, $0x1312131213121312
GLOBL fewD40<>(SB), RODATA|NOPTR, $32

DATA fewOnes<>+0(SB)/4, $0x0f0f0f0f
DATA fewOnes<>+4(SB)/4, $0x80808080
DATA fewOnes<>+8(SB)/4, $0x01010101
DATA fewOnes<>+12(SB)/4, $0x7fffffff
GLOBL fewOnes<>(SB), RODATA|NOPTR, $16

#define START \
	MOVQ fewDots+0(FP), DI; \
	MOVQ W(DI), SI; \
	MOVQ OUT(DI), R8; \
	MOVQ PAIRS(DI), R9; \
	MOVQ COLS(DI), R10

// COLUMN begins a column.
#define COLUMN \
	MOVQ   X(DI), BX; \
	MOVQ   R9, CX; \
	VPXORD Z10, Z10, Z10; \
	VPXORD Z11, Z11, Z11

// STORE adds the parts of the column's sum and stores it.
#define STORE \
	VADDPS        Z11, Z10, Z10; \
	VEXTRACTF32X8 $1, Z10, Y11; \
	VADDPS        Y11, Y10, Y10; \
	VEXTRACTF128  $1, Y10, X11; \
	VADDPS        X11, X10, X10; \
	VMOVHLPS      X10, X10, X11; \
	VADDPS        X11, X10, X10; \
	VMOVSHDUP     X10, X11; \
	VADDSS        X11, X10, X10; \
	VMOVSS        X10, (R8); \
	ADDQ          $4, R8; \
	DECQ          R10

// DOT multiplies the unsigned codes Z1 by both halves of the activations.
#define DOT \
	VPXORD   Z2, Z2, Z2; \
	VPDPBUSD HIGH(BX), Z1, Z2; \
	VPSLLD   $8, Z2, Z2; \
	VPDPBUSD LOW(BX), Z1, Z2

// func fewQ4_1(fewDots *fewDots)
TEXT ·fewQ4_1(SB), NOSPLIT, $0-8
	START
	VMOVDQU64    fewCodes41<>(SB), Z30
	VMOVDQU64    fewShift<>(SB), Z29
	VPBROADCASTD fewOnes<>(SB), Z28
	VMOVDQU      fewD41<>(SB), Y6
	VMOVDQU      fewM41<>(SB), Y7
	MOVQ         $0xffffffffff, AX
	KMOVQ        AX, K1

column:
	COLUMN

pair:
	VMOVDQU8.Z  (SI), K1, Z0
	PREFETCHT0  2048(SI)
	VPERMB      Z0, Z30, Z1
	VPSRLVD     Z29, Z1, Z1
	VPANDD      Z28, Z1, Z1
	DOT
	VCVTDQ2PS   Z2, Z2
	VPERMB      Y0, Y6, Y3
	VPERMB      Y0, Y7, Y4
	VCVTPH2PS   Y3, Z3
	VCVTPH2PS   Y4, Z4
	VMULPS      SCALE(BX), Z3, Z3
	VFMADD231PS Z2, Z3, Z10
	VFMADD231PS SUM(BX), Z4, Z11
	ADDQ        $40, SI
	ADDQ        $PAIR, BX
	DECQ        CX
	JNZ         pair
	STORE
	JNZ         column
	VZEROUPPER
	RET

// func fewQ4_0(fewDots *fewDots)
TEXT ·fewQ4_0(SB), NOSPLIT, $0-8
	START
	VMOVDQU64    fewCodes40<>(SB), Z30
	VMOVDQU64    fewShift<>(SB), Z29
	VPBROADCASTD fewOnes<>(SB), Z28
	VMOVDQU      fewD40<>(SB), Y6
	MOVQ         $0xfffffffff, AX
	KMOVQ        AX, K1

column:
	COLUMN

pair:
	VMOVDQU8.Z  (SI), K1, Z0
	PREFETCHT0  2048(SI)
	VPERMB      Z0, Z30, Z1
	VPSRLVD     Z29, Z1, Z1
	VPANDD      Z28, Z1, Z1
	DOT
	VPADDD      LESS(BX), Z2, Z2
	VCVTDQ2PS   Z2, Z2
	VPERMB      Y0, Y6, Y3
	VCVTPH2PS   Y3, Z3
	VMULPS      SCALE(BX), Z3, Z3
	VFMADD231PS Z2, Z3, Z10
	ADDQ        $36, SI
	ADDQ        $PAIR, BX
	DECQ        CX
	JNZ         pair
	STORE
	JNZ         column
	VZEROUPPER
	RET

// func fewQ8_0(fewDots *fewDots)
TEXT ·fewQ8_0(SB), NOSPLIT, $0-8
	START
	VPBROADCASTD fewOnes<>+4(SB), Z28

column:
	COLUMN

pair:
	VMOVDQU      2(SI), Y1
	PREFETCHT0   2048(SI)
	VPBROADCASTW (SI), X3
	VPBROADCASTW 34(SI), X4
	VINSERTI64X4 $1, 36(SI), Z1, Z1
	VINSERTI128  $1, X4, Y3, Y3
	VPXORD       Z28, Z1, Z1
	DOT
	VPSLLD       $4, LESS(BX), Z5
	VPADDD       Z5, Z2, Z2
	VCVTDQ2PS    Z2, Z2
	VCVTPH2PS    Y3, Z3
	VMULPS       SCALE(BX), Z3, Z3
	VFMADD231PS  Z2, Z3, Z10
	ADDQ         $68, SI
	ADDQ         $PAIR, BX
	DECQ         CX
	JNZ          pair
	STORE
	JNZ          column
	VZEROUPPER
	RET

// PEAK leaves the greatest absolute value of the run Z0, Z1 in X4.
#define PEAK \
	VPANDD        Z20, Z0, Z2; \
	VPANDD        Z20, Z1, Z3; \
	VMAXPS        Z3, Z2, Z4; \
	VEXTRACTF32X8 $1, Z4, Y5; \
	VMAXPS        Y5, Y4, Y4; \
	VEXTRACTF128  $1, Y4, X5; \
	VMAXPS        X5, X4, X4; \
	VMOVHLPS      X4, X4, X5; \
	VMAXPS        X5, X4, X4; \
	VMOVSHDUP     X4, X5; \
	VMAXSS        X5, X4, X4

// func finePairs(x *float32, to *byte, pairs int, least float32)
TEXT ·finePairs(SB), NOSPLIT, $0-28
	MOVQ         x+0(FP), SI
	MOVQ         to+8(FP), DI
	MOVQ         pairs+16(FP), CX
	VMOVSS       least+24(FP), X21
	VPBROADCASTD fewOnes<>+12(SB), Z20
	VPBROADCASTD fewOnes<>+8(SB), Z22
	MOVL         $32639, AX
	VCVTSI2SSL   AX, X23, X23

pair:
	XORQ R8, R8

run:
	VMOVUPS      (SI), Z0
	VMOVUPS      64(SI), Z1
	PEAK
	VXORPS       X6, X6, X6
	VXORPS       X7, X7, X7
	VUCOMISS     X21, X4
	JB           tiny
	VDIVSS       X4, X23, X6  // 32639/top
	VDIVSS       X23, X4, X7  // top/32639

tiny:
	VBROADCASTSS X6, Z6
	VBROADCASTSS X7, Y7
	VMOVUPS      Y7, SCALE(DI)(R8*1)
	VMULPS       Z6, Z0, Z0
	VMULPS       Z6, Z1, Z1
	VCVTPS2DQ    Z0, Z0
	VCVTPS2DQ    Z1, Z1
	VPSLLD       $24, Z0, Z2
	VPSLLD       $24, Z1, Z3
	VPSRAD       $24, Z2, Z2
	VPSRAD       $24, Z3, Z3
	VPMOVDB      Z2, LOW(DI)(R8*1)
	VPMOVDB      Z3, LOW+16(DI)(R8*1)
	VPSUBD       Z2, Z0, Z0
	VPSUBD       Z3, Z1, Z1
	VPSRAD       $8, Z0, Z0
	VPSRAD       $8, Z1, Z1
	VPMOVDB      Z0, HIGH(DI)(R8*1)
	VPMOVDB      Z1, HIGH+16(DI)(R8*1)
	ADDQ         $128, SI
	ADDQ         $32, R8
	CMPQ         R8, $64
	JNE          run

	// The sums of four codes each, times -8, and times their scale.
	VPXORD    Z2, Z2, Z2
	VPDPBUSD  HIGH(DI), Z22, Z2
	VPSLLD    $8, Z2, Z2
	VPDPBUSD  LOW(DI), Z22, Z2
	VPSLLD    $3, Z2, Z3
	VPXORD    Z4, Z4, Z4
	VPSUBD    Z3, Z4, Z4
	VMOVDQU64 Z4, LESS(DI)
	VCVTDQ2PS Z2, Z2
	VMULPS    SCALE(DI), Z2, Z2
	VMOVUPS   Z2, SUM(DI)
	ADDQ      $PAIR, DI
	DECQ      CX
	JNZ       pair
	VZEROUPPER
	RET
