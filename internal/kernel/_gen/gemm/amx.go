package main

import "fmt"

// Offsets in the Go struct amxTiles.
const (
	amxA     = 0
	amxB     = 8
	amxC     = 16
	amxRow   = 24
	amxLDC   = 32
	amxSteps = 40
	amxRows  = 48
	amxAdd   = 56
	amxNext  = 64
)

// nextLines is how many cache lines of the next panel of B are prefetched by a
// step of two panels of A. A step has 32 lines, so eight such pairs prefetch a
// panel. Fewer lines leave more to the CPU, which does better than many
// prefetches at once: those use the buffers that loads of A need.
const nextLines = 4

// Tiles: four of sums, 16×16, two of A, of 16 rows, and two of B, of 16
// columns.
const (
	tileA0, tileA1 = 4, 5
	tileB0, tileB1 = 6, 7
)

// sib is an address: (base)(index*1) with a displacement, of the registers AX
// to DI by their numbers.
type sib struct{ base, index, disp int }

const (
	ax, cx, dx, bx, si, di = 0, 1, 2, 3, 6, 7
)

// vexTile emits an instruction on tiles (Intel SDM volume 2, chapter 3.3, AMX)
// as bytes: VEX.128.prefix.0F38.W0.
func (f *file) vexTile(comment string, prefix, opcode, vvvv int, tail ...int) {
	f.line("\t// %s", comment)
	code := append([]int{0xc4, 0xe2, (^vvvv&15)<<3 | prefix, opcode}, tail...)
	out := "\t"
	for i, b := range code {
		if i > 0 {
			out += "; "
		}
		out += fmt.Sprintf("BYTE $0x%02x", b)
	}
	f.line("%s", out)
}

func modSIB(reg int, m sib) []int {
	s := m.index<<3 | m.base
	if m.disp == 0 {
		return []int{reg<<3 | 4, s}
	}
	return []int{1<<6 | reg<<3 | 4, s, m.disp & 0xff}
}

func (f *file) tileLoad(t int, m sib) {
	f.vexTile(fmt.Sprintf("TILELOADD %v, TMM%d", m, t), 3, 0x4b, 0, modSIB(t, m)...)
}

// tileStream is tileLoad for data that is not used again soon: it does not
// displace the contents of L1.
func (f *file) tileStream(t int, m sib) {
	f.vexTile(fmt.Sprintf("TILELOADDT1 %v, TMM%d", m, t), 1, 0x4b, 0, modSIB(t, m)...)
}

func (f *file) tileStore(t int, m sib) {
	f.vexTile(fmt.Sprintf("TILESTORED TMM%d, %v", t, m), 2, 0x4b, 0, modSIB(t, m)...)
}

func (f *file) tileZero(t int) {
	f.vexTile(fmt.Sprintf("TILEZERO TMM%d", t), 3, 0x49, 0, 0xc0|t<<3)
}

// amx writes the tile kernels: prefix and opcode are those of the product.
func amx(f *file) {
	// Palette 1, eight tiles of 16 rows of 64 bytes.
	f.line(`
DATA tileConfig<>+0(SB)/8, $1
DATA tileConfig<>+8(SB)/8, $0
DATA tileConfig<>+16(SB)/8, $0x0040004000400040
DATA tileConfig<>+24(SB)/8, $0x0040004000400040
DATA tileConfig<>+32(SB)/8, $0
DATA tileConfig<>+40(SB)/8, $0
DATA tileConfig<>+48(SB)/8, $0x1010101010101010
DATA tileConfig<>+56(SB)/8, $0
GLOBL tileConfig<>(SB), RODATA|NOPTR, $64`)
	amxColumn(f, "amxColumnBF16", "TDPBF16PS", 2, 0x5c)
	amxColumn(f, "amxColumnInt8", "TDPBUSD", 1, 0x5e)
}

// amxColumn writes the product of 16-row panels of A and one panel of B of 32
// columns. It takes panels of A in pairs, so that a tile of B is used twice.
// The panel of B stays in L1 from pair to pair, and A streams past it from L2.
func amxColumn(f *file, name, product string, prefix, opcode int) {
	dp := func(a, b, sum int) {
		f.vexTile(fmt.Sprintf("%s TMM%d, TMM%d, TMM%d", product, b, a, sum), prefix, opcode, b, 0xc0|sum<<3|a)
	}
	f.function(name, "amxTiles")
	f.op("LEAQ tileConfig<>(SB), AX")
	f.vexTile("LDTILECFG (AX)", 0, 0x49, 0, 0x00)
	f.op("MOVQ %d(R13), R8      // panels of A that are left", amxRows)
	f.op("MOVQ %d(R13), R9      // a panel of A, moved on", amxA)
	f.op("MOVQ %d(R13), R10     // rows of C, moved on", amxC)
	f.op("MOVQ %d(R13), CX    // bytes between rows of A", amxRow)
	f.op("MOVQ %d(R13), DX    // bytes between rows of C", amxLDC)
	f.op("MOVQ CX, R11")
	f.op("SHLQ $4, R11       // bytes between panels of A")
	f.op("MOVQ DX, R12")
	f.op("SHLQ $4, R12       // bytes between 16 rows of C")
	f.op("MOVQ %d(R13), R14     // what to bring to L2, moved on", amxNext)
	f.line("next:")
	f.op("CMPQ R8, $2")
	f.op("JL one")
	for _, two := range []bool{true, false} {
		panels, label := 1, "one"
		if two {
			panels, label = 2, "two"
		}
		if !two {
			f.line("one:")
			f.op("TESTQ R8, R8")
			f.op("JZ done")
		}
		sums := func(each func(t int, m sib)) {
			f.op("MOVQ R10, DI")
			each(0, sib{di, dx, 0})
			each(1, sib{di, dx, 64})
			if two {
				f.op("ADDQ R12, DI")
				each(2, sib{di, dx, 0})
				each(3, sib{di, dx, 64})
			}
		}
		f.op("CMPQ %d(R13), $0", amxAdd)
		f.op("JNE %sAdd", label)
		for t := range 2 * panels {
			f.tileZero(t)
		}
		f.op("JMP %sBegin", label)
		f.line("%sAdd:", label)
		sums(f.tileLoad)
		f.line("%sBegin:", label)
		f.op("MOVQ R9, SI")
		if two {
			f.op("LEAQ (R9)(R11*1), DI")
		}
		f.op("MOVQ %d(R13), BX", amxB)
		f.op("MOVQ $128, AX")
		f.op("MOVQ %d(R13), R15", amxSteps)
		f.line("%sStep:", label)
		f.tileLoad(tileB0, sib{bx, ax, 0})
		f.tileStream(tileA0, sib{si, cx, 0})
		dp(tileA0, tileB0, 0)
		f.tileLoad(tileB1, sib{bx, ax, 64})
		dp(tileA0, tileB1, 1)
		if two {
			f.tileStream(tileA1, sib{di, cx, 0})
			dp(tileA1, tileB0, 2)
			dp(tileA1, tileB1, 3)
			for i := range nextLines {
				f.op("PREFETCHT1 %d(R14)", 64*i)
			}
			f.op("ADDQ $%d, R14", 64*nextLines)
			f.op("ADDQ $64, DI")
		}
		f.op("ADDQ $64, SI")
		f.op("ADDQ $2048, BX")
		f.op("DECQ R15")
		f.op("JNZ %sStep", label)
		sums(f.tileStore)
		if two {
			f.op("LEAQ (R9)(R11*2), R9")
			f.op("LEAQ (R10)(R12*2), R10")
			f.op("SUBQ $2, R8")
			f.op("JMP next")
		}
	}
	f.line("done:")
	f.vexTile("TILERELEASE", 0, 0x49, 0, 0xc0)
	f.op("RET")
}
