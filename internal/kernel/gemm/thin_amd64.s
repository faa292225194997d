#include "textflag.h"

// Offsets in thinDot.
#define Q 0
#define W 8
#define SCALE 16
#define WSCALE 24
#define RUNS 32
#define SUM 40

// START loads a thinDot. Two sums take turns, so that one addition need not wait
// for the one before.
#define START \
	MOVQ thinDot+0(FP), DI; \
	MOVQ Q(DI), BX; \
	MOVQ W(DI), SI; \
	MOVQ SCALE(DI), R8; \
	MOVQ WSCALE(DI), DX; \
	MOVQ RUNS(DI), CX; \
	VXORPS Y0, Y0, Y0; \
	VXORPS Y1, Y1, Y1

// ADD adds eight whole numbers in y, times the scales of run at, to sum.
#define ADD(at, y, x, s, sum) \
	VMOVSS (4*at)(DX), x; \
	VMULSS (4*at)(R8), x, x; \
	VBROADCASTSS x, s; \
	VCVTDQ2PS y, y; \
	VFMADD231PS s, y, sum

// RUN32 sums the products of run at of 32 in eight parts.
#define RUN32(at, y, z) \
	VPMOVSXBW (32*at)(SI), y; \
	VPMOVSXBW (32*at+16)(SI), z; \
	VPMADDWD (64*at)(BX), y, y; \
	VPMADDWD (64*at+32)(BX), z, z; \
	VPADDD z, y, y

// RUN16 sums the products of run at of 16 in eight parts.
#define RUN16(at, y) \
	VPMOVSXBW (16*at)(SI), y; \
	VPMADDWD (32*at)(BX), y, y

// FINISH adds all parts and stores the sum.
#define FINISH \
	VADDPS Y1, Y0, Y0; \
	VEXTRACTF128 $1, Y0, X1; \
	VADDPS X1, X0, X0; \
	VMOVHLPS X0, X0, X1; \
	VADDPS X1, X0, X0; \
	VMOVSHDUP X0, X1; \
	VADDSS X1, X0, X0; \
	VMOVSS X0, SUM(DI); \
	VZEROUPPER

// func thinDot32256(thinDot *thinDot)
TEXT ·thinDot32256(SB), NOSPLIT, $0-8
	START
	SUBQ $2, CX
	JLT  last
pair:
	RUN32(0, Y2, Y3)
	RUN32(1, Y4, Y5)
	ADD(0, Y2, X6, Y6, Y0)
	ADD(1, Y4, X7, Y7, Y1)
	ADDQ $64, SI
	ADDQ $128, BX
	ADDQ $8, DX
	ADDQ $8, R8
	SUBQ $2, CX
	JGE  pair
last:
	TESTQ $1, CX
	JZ   done
	RUN32(0, Y2, Y3)
	ADD(0, Y2, X6, Y6, Y0)
done:
	FINISH
	RET

// func thinDot16256(thinDot *thinDot)
TEXT ·thinDot16256(SB), NOSPLIT, $0-8
	START
	SUBQ $2, CX
	JLT  last
pair:
	RUN16(0, Y2)
	RUN16(1, Y4)
	ADD(0, Y2, X6, Y6, Y0)
	ADD(1, Y4, X7, Y7, Y1)
	ADDQ $32, SI
	ADDQ $64, BX
	ADDQ $8, DX
	ADDQ $8, R8
	SUBQ $2, CX
	JGE  pair
last:
	TESTQ $1, CX
	JZ   done
	RUN16(0, Y2)
	ADD(0, Y2, X6, Y6, Y0)
done:
	FINISH
	RET
