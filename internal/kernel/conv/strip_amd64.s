#include "textflag.h"

// func stripAVX512(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int)
//
// For each vector of channels, strips of eight, four and one positions are held
// in registers while the taps go by: one load of a weight serves the strip.
TEXT ·stripAVX512(SB), NOSPLIT, $0-152
	MOVQ dst_base+0(FP), DI
	MOVQ dstStride+24(FP), R8
	MOVQ init_base+32(FP), SI
	MOVQ initStride+56(FP), R9
	MOVQ src_base+64(FP), BX
	MOVQ w_base+88(FP), DX
	SHLQ $2, R8
	SHLQ $2, R9
vector:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12
	MOVQ positions+136(FP), R13

eight:
	CMPQ R13, $8
	JLT  four
	MOVQ R11, AX
	VMOVUPS (AX), Z0
	ADDQ R9, AX
	VMOVUPS (AX), Z1
	ADDQ R9, AX
	VMOVUPS (AX), Z2
	ADDQ R9, AX
	VMOVUPS (AX), Z3
	ADDQ R9, AX
	VMOVUPS (AX), Z4
	ADDQ R9, AX
	VMOVUPS (AX), Z5
	ADDQ R9, AX
	VMOVUPS (AX), Z6
	ADDQ R9, AX
	VMOVUPS (AX), Z7
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

eightTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Z8
	VFMADD231PS 0(AX), Z8, Z0
	VFMADD231PS 256(AX), Z8, Z1
	VFMADD231PS 512(AX), Z8, Z2
	VFMADD231PS 768(AX), Z8, Z3
	VFMADD231PS 1024(AX), Z8, Z4
	VFMADD231PS 1280(AX), Z8, Z5
	VFMADD231PS 1536(AX), Z8, Z6
	VFMADD231PS 1792(AX), Z8, Z7
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  eightTaps

	MOVQ R10, AX
	VMOVUPS Z0, (AX)
	ADDQ R8, AX
	VMOVUPS Z1, (AX)
	ADDQ R8, AX
	VMOVUPS Z2, (AX)
	ADDQ R8, AX
	VMOVUPS Z3, (AX)
	ADDQ R8, AX
	VMOVUPS Z4, (AX)
	ADDQ R8, AX
	VMOVUPS Z5, (AX)
	ADDQ R8, AX
	VMOVUPS Z6, (AX)
	ADDQ R8, AX
	VMOVUPS Z7, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*8), R11
	ADDQ $2048, R12
	SUBQ $8, R13
	JMP  eight

four:
	CMPQ R13, $4
	JLT  one
	MOVQ R11, AX
	VMOVUPS (AX), Z0
	ADDQ R9, AX
	VMOVUPS (AX), Z1
	ADDQ R9, AX
	VMOVUPS (AX), Z2
	ADDQ R9, AX
	VMOVUPS (AX), Z3
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

fourTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Z8
	VFMADD231PS 0(AX), Z8, Z0
	VFMADD231PS 256(AX), Z8, Z1
	VFMADD231PS 512(AX), Z8, Z2
	VFMADD231PS 768(AX), Z8, Z3
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  fourTaps

	MOVQ R10, AX
	VMOVUPS Z0, (AX)
	ADDQ R8, AX
	VMOVUPS Z1, (AX)
	ADDQ R8, AX
	VMOVUPS Z2, (AX)
	ADDQ R8, AX
	VMOVUPS Z3, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*4), R11
	ADDQ $1024, R12
	SUBQ $4, R13
	JMP  four

one:
	CMPQ R13, $1
	JLT  next
	MOVQ R11, AX
	VMOVUPS (AX), Z0
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

oneTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Z8
	VFMADD231PS 0(AX), Z8, Z0
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  oneTaps

	MOVQ R10, AX
	VMOVUPS Z0, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*1), R11
	ADDQ $256, R12
	SUBQ $1, R13
	JMP  one

next:
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, BX
	ADDQ $64, DX
	DECQ vectors+144(FP)
	JNZ  vector
	VZEROUPPER
	RET

// func stripAVX2(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int)
//
// For each vector of channels, strips of eight, four and one positions are held
// in registers while the taps go by: one load of a weight serves the strip.
TEXT ·stripAVX2(SB), NOSPLIT, $0-152
	MOVQ dst_base+0(FP), DI
	MOVQ dstStride+24(FP), R8
	MOVQ init_base+32(FP), SI
	MOVQ initStride+56(FP), R9
	MOVQ src_base+64(FP), BX
	MOVQ w_base+88(FP), DX
	SHLQ $2, R8
	SHLQ $2, R9
	SHLQ $1, vectors+144(FP)
vector:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12
	MOVQ positions+136(FP), R13

eight:
	CMPQ R13, $8
	JLT  four
	MOVQ R11, AX
	VMOVUPS (AX), Y0
	ADDQ R9, AX
	VMOVUPS (AX), Y1
	ADDQ R9, AX
	VMOVUPS (AX), Y2
	ADDQ R9, AX
	VMOVUPS (AX), Y3
	ADDQ R9, AX
	VMOVUPS (AX), Y4
	ADDQ R9, AX
	VMOVUPS (AX), Y5
	ADDQ R9, AX
	VMOVUPS (AX), Y6
	ADDQ R9, AX
	VMOVUPS (AX), Y7
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

eightTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Y8
	VFMADD231PS 0(AX), Y8, Y0
	VFMADD231PS 256(AX), Y8, Y1
	VFMADD231PS 512(AX), Y8, Y2
	VFMADD231PS 768(AX), Y8, Y3
	VFMADD231PS 1024(AX), Y8, Y4
	VFMADD231PS 1280(AX), Y8, Y5
	VFMADD231PS 1536(AX), Y8, Y6
	VFMADD231PS 1792(AX), Y8, Y7
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  eightTaps

	MOVQ R10, AX
	VMOVUPS Y0, (AX)
	ADDQ R8, AX
	VMOVUPS Y1, (AX)
	ADDQ R8, AX
	VMOVUPS Y2, (AX)
	ADDQ R8, AX
	VMOVUPS Y3, (AX)
	ADDQ R8, AX
	VMOVUPS Y4, (AX)
	ADDQ R8, AX
	VMOVUPS Y5, (AX)
	ADDQ R8, AX
	VMOVUPS Y6, (AX)
	ADDQ R8, AX
	VMOVUPS Y7, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*8), R11
	ADDQ $2048, R12
	SUBQ $8, R13
	JMP  eight

four:
	CMPQ R13, $4
	JLT  one
	MOVQ R11, AX
	VMOVUPS (AX), Y0
	ADDQ R9, AX
	VMOVUPS (AX), Y1
	ADDQ R9, AX
	VMOVUPS (AX), Y2
	ADDQ R9, AX
	VMOVUPS (AX), Y3
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

fourTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Y8
	VFMADD231PS 0(AX), Y8, Y0
	VFMADD231PS 256(AX), Y8, Y1
	VFMADD231PS 512(AX), Y8, Y2
	VFMADD231PS 768(AX), Y8, Y3
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  fourTaps

	MOVQ R10, AX
	VMOVUPS Y0, (AX)
	ADDQ R8, AX
	VMOVUPS Y1, (AX)
	ADDQ R8, AX
	VMOVUPS Y2, (AX)
	ADDQ R8, AX
	VMOVUPS Y3, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*4), R11
	ADDQ $1024, R12
	SUBQ $4, R13
	JMP  four

one:
	CMPQ R13, $1
	JLT  next
	MOVQ R11, AX
	VMOVUPS (AX), Y0
	MOVQ off_base+112(FP), R14
	MOVQ off_len+120(FP), CX
	MOVQ DX, R15

oneTaps:
	MOVQ (R14), AX
	ADDQ R12, AX
	VMOVUPS (R15), Y8
	VFMADD231PS 0(AX), Y8, Y0
	ADDQ $8, R14
	ADDQ $256, R15
	DECQ CX
	JNZ  oneTaps

	MOVQ R10, AX
	VMOVUPS Y0, (AX)
	LEAQ (AX)(R8*1), R10
	LEAQ (R11)(R9*1), R11
	ADDQ $256, R12
	SUBQ $1, R13
	JMP  one

next:
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, BX
	ADDQ $32, DX
	DECQ vectors+144(FP)
	JNZ  vector
	VZEROUPPER
	RET

// func correlateAVX512(sum, g, src []float32, off []int, rows, width, skip, vectors int)
//
// For each vector of channels, the sums of nine taps stay in registers over all
// positions: one load of g serves nine products.
TEXT ·correlateAVX512(SB), NOSPLIT, $0-128
	MOVQ off_base+72(FP), DI
	MOVQ 0(DI), R8
	MOVQ 8(DI), R9
	MOVQ 16(DI), R10
	MOVQ 24(DI), R11
	MOVQ 32(DI), R12
	MOVQ 40(DI), R13
	MOVQ 48(DI), R14
	MOVQ 56(DI), R15
	MOVQ 64(DI), AX

vector:
	MOVQ sum_base+0(FP), DI
	VMOVUPS 0(DI), Z0
	VMOVUPS 256(DI), Z1
	VMOVUPS 512(DI), Z2
	VMOVUPS 768(DI), Z3
	VMOVUPS 1024(DI), Z4
	VMOVUPS 1280(DI), Z5
	VMOVUPS 1536(DI), Z6
	VMOVUPS 1792(DI), Z7
	VMOVUPS 2048(DI), Z8
	MOVQ g_base+24(FP), SI
	MOVQ src_base+48(FP), BX
	MOVQ rows+96(FP), DX

row:
	MOVQ width+104(FP), CX

position:
	VMOVUPS (SI), Z9
	VFMADD231PS (BX)(R8*1), Z9, Z0
	VFMADD231PS (BX)(R9*1), Z9, Z1
	VFMADD231PS (BX)(R10*1), Z9, Z2
	VFMADD231PS (BX)(R11*1), Z9, Z3
	VFMADD231PS (BX)(R12*1), Z9, Z4
	VFMADD231PS (BX)(R13*1), Z9, Z5
	VFMADD231PS (BX)(R14*1), Z9, Z6
	VFMADD231PS (BX)(R15*1), Z9, Z7
	VFMADD231PS (BX)(AX*1), Z9, Z8
	ADDQ $256, SI
	ADDQ $256, BX
	DECQ CX
	JNZ  position
	ADDQ skip+112(FP), BX
	DECQ DX
	JNZ  row

	VMOVUPS Z0, 0(DI)
	VMOVUPS Z1, 256(DI)
	VMOVUPS Z2, 512(DI)
	VMOVUPS Z3, 768(DI)
	VMOVUPS Z4, 1024(DI)
	VMOVUPS Z5, 1280(DI)
	VMOVUPS Z6, 1536(DI)
	VMOVUPS Z7, 1792(DI)
	VMOVUPS Z8, 2048(DI)
	ADDQ $64, sum_base+0(FP)
	ADDQ $64, g_base+24(FP)
	ADDQ $64, src_base+48(FP)
	DECQ vectors+120(FP)
	JNZ  vector
	VZEROUPPER
	RET

// func correlateAVX2(sum, g, src []float32, off []int, rows, width, skip, vectors int)
//
// For each vector of channels, the sums of nine taps stay in registers over all
// positions: one load of g serves nine products.
TEXT ·correlateAVX2(SB), NOSPLIT, $0-128
	SHLQ $1, vectors+120(FP)
	MOVQ off_base+72(FP), DI
	MOVQ 0(DI), R8
	MOVQ 8(DI), R9
	MOVQ 16(DI), R10
	MOVQ 24(DI), R11
	MOVQ 32(DI), R12
	MOVQ 40(DI), R13
	MOVQ 48(DI), R14
	MOVQ 56(DI), R15
	MOVQ 64(DI), AX

vector:
	MOVQ sum_base+0(FP), DI
	VMOVUPS 0(DI), Y0
	VMOVUPS 256(DI), Y1
	VMOVUPS 512(DI), Y2
	VMOVUPS 768(DI), Y3
	VMOVUPS 1024(DI), Y4
	VMOVUPS 1280(DI), Y5
	VMOVUPS 1536(DI), Y6
	VMOVUPS 1792(DI), Y7
	VMOVUPS 2048(DI), Y8
	MOVQ g_base+24(FP), SI
	MOVQ src_base+48(FP), BX
	MOVQ rows+96(FP), DX

row:
	MOVQ width+104(FP), CX

position:
	VMOVUPS (SI), Y9
	VFMADD231PS (BX)(R8*1), Y9, Y0
	VFMADD231PS (BX)(R9*1), Y9, Y1
	VFMADD231PS (BX)(R10*1), Y9, Y2
	VFMADD231PS (BX)(R11*1), Y9, Y3
	VFMADD231PS (BX)(R12*1), Y9, Y4
	VFMADD231PS (BX)(R13*1), Y9, Y5
	VFMADD231PS (BX)(R14*1), Y9, Y6
	VFMADD231PS (BX)(R15*1), Y9, Y7
	VFMADD231PS (BX)(AX*1), Y9, Y8
	ADDQ $256, SI
	ADDQ $256, BX
	DECQ CX
	JNZ  position
	ADDQ skip+112(FP), BX
	DECQ DX
	JNZ  row

	VMOVUPS Y0, 0(DI)
	VMOVUPS Y1, 256(DI)
	VMOVUPS Y2, 512(DI)
	VMOVUPS Y3, 768(DI)
	VMOVUPS Y4, 1024(DI)
	VMOVUPS Y5, 1280(DI)
	VMOVUPS Y6, 1536(DI)
	VMOVUPS Y7, 1792(DI)
	VMOVUPS Y8, 2048(DI)
	ADDQ $32, sum_base+0(FP)
	ADDQ $32, g_base+24(FP)
	ADDQ $32, src_base+48(FP)
	DECQ vectors+120(FP)
	JNZ  vector
	VZEROUPPER
	RET

// func addRowsAVX2(dst, x []float32, stride, rows, vectors int)
//
// Four vectors of columns at a time stay in registers over all rows, then one.
TEXT ·addRowsAVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ stride+48(FP), R8
	MOVQ vectors+64(FP), DX
	SHLQ $2, R8

four:
	CMPQ    DX, $4
	JLT     one
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	MOVQ    SI, AX
	MOVQ    rows+56(FP), CX

fourRows:
	VADDPS  (AX), Y0, Y0
	VADDPS  32(AX), Y1, Y1
	VADDPS  64(AX), Y2, Y2
	VADDPS  96(AX), Y3, Y3
	ADDQ    R8, AX
	DECQ    CX
	JNZ     fourRows
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	ADDQ    $128, DI
	ADDQ    $128, SI
	SUBQ    $4, DX
	JMP     four

one:
	TESTQ   DX, DX
	JZ      done
	VMOVUPS (DI), Y0
	MOVQ    SI, AX
	MOVQ    rows+56(FP), CX

oneRows:
	VADDPS  (AX), Y0, Y0
	ADDQ    R8, AX
	DECQ    CX
	JNZ     oneRows
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	DECQ    DX
	JMP     one

done:
	VZEROUPPER
	RET
