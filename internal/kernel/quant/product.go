package quant

import (
	"encoding/binary"
	"unsafe"
)

// What products read: a block as small whole numbers (codes) with a scale, and
// for some types a min, for each run of 16 or 32. Blocks has the methods of
// gemm.Codes.

// products says for each type how long its runs are, whether they have a min, and
// how one block is taken apart: q has its numbers, scale and min one for each run.
// scale·q + min is what Dequantize gives, to the bit.
var products = [types]struct {
	run   int
	mins  bool
	codes func(q []byte, scale, min []float32, b []byte)
}{
	Q8_0: {32, false, codesQ8_0},
	Q4_0: {32, false, codesQ4_0},
	Q4_1: {32, true, codesQ4_1},
	Q5_0: {32, false, codesQ5_0},
	Q5_1: {32, true, codesQ5_1},
	Q2_K: {16, true, codesQ2_K},
	Q3_K: {16, false, codesQ3_K},
	Q4_K: {32, true, codesQ4_K},
	Q5_K: {32, true, codesQ5_K},
	Q6_K: {16, false, codesQ6_K},
}

// Run is how many numbers along a row share a scale.
func (b Blocks) Run() int { return products[b.Type].run }

// Mins says whether runs have a min beside the scale.
func (b Blocks) Mins() bool { return products[b.Type].mins }

// Codes takes the len(q) numbers from number at on apart, which are whole runs:
// number i is scale[i/Run]·q[i] + min[i/Run]. Without Mins, min is not written to.
func (b Blocks) Codes(q []int8, scale, min []float32, at int) {
	p := &products[b.Type]
	numbers, bytes := b.Type.Block()
	runs := numbers / p.run
	for len(q) > 0 {
		first, skip := at/numbers, at%numbers
		from := b.Bytes[first*bytes:]
		n := len(q) / numbers * numbers
		if skip == 0 && n > 0 {
			codesOf(b.Type, q[:n], scale[:n/p.run], min, from[:n/numbers*bytes])
		} else {
			// A part of one block.
			var all [super]byte
			var scales, mins [super / 16]float32
			p.codes(all[:numbers], scales[:runs], mins[:runs], from[:bytes])
			n = copy(asBytes(q), all[skip:numbers])
			copy(scale[:n/p.run], scales[skip/p.run:])
			if p.mins {
				copy(min[:n/p.run], mins[skip/p.run:])
			}
		}
		q, scale, at = q[n:], scale[n/p.run:], at+n
		if p.mins {
			min = min[n/p.run:]
		}
	}
}

// codesGo is codesOf in plain Go: it takes whole blocks apart.
func codesGo(t Type, codes []int8, scale, min []float32, b []byte) {
	p, q := &products[t], asBytes(codes)
	numbers, bytes := t.Block()
	runs := numbers / p.run
	for ; len(q) > 0; q, scale, b = q[numbers:], scale[runs:], b[bytes:] {
		if !p.mins {
			p.codes(q[:numbers], scale[:runs], nil, b[:bytes])
			continue
		}
		p.codes(q[:numbers], scale[:runs], min[:runs], b[:bytes])
		min = min[runs:]
	}
}

// asBytes returns codes as the bytes that they are.
func asBytes(q []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(q))), len(q))
}

// Blocks are taken apart eight bytes at a time, as words of 64 bits.
const (
	eachByte = 0x0101010101010101
	signs    = 0x80 * eachByte
)

func word(b []byte) uint64       { return binary.LittleEndian.Uint64(b) }
func putWord(b []byte, w uint64) { binary.LittleEndian.PutUint64(b, w) }
func less(w uint64, zero int) uint64 {
	// Bytes below 128 less zero: with their top bits set nothing is borrowed.
	return (w | signs) - uint64(zero)*eachByte ^ signs
}

func codesQ8_0(q []byte, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	copy(q[:32], b[2:])
}

// nibbles writes the low halves of 16 bytes and then the high halves, less zero.
// fifth, if it is not nil, has the bits above them.
func nibbles(q, b, fifth []byte, zero int) {
	for at := 0; at < 16; at += 8 {
		w := word(b[at:])
		low, high := w&(15*eachByte), w>>4&(15*eachByte)
		if fifth != nil {
			low |= bytesOf(fifth[at/8]) << 4
			high |= bytesOf(fifth[2+at/8]) << 4
		}
		putWord(q[at:], less(low, zero))
		putWord(q[16+at:], less(high, zero))
	}
}

// bytesOf makes a byte of each bit, 0 or 1.
func bytesOf(bits byte) uint64 {
	w := uint64(bits) * eachByte & 0x8040201008040201
	// The top bit of each byte that is not 0.
	return (w&^uint64(signs) + 0x7F*eachByte | w) & signs >> 7
}

func codesQ4_0(q []byte, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	nibbles(q, b[2:], nil, 8)
}

func codesQ4_1(q []byte, scale, min []float32, b []byte) {
	scale[0], min[0] = half(b), half(b[2:])
	nibbles(q, b[4:], nil, 0)
}

func codesQ5_0(q []byte, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	nibbles(q, b[6:], b[2:6], 16)
}

func codesQ5_1(q []byte, scale, min []float32, b []byte) {
	scale[0], min[0] = half(b), half(b[2:])
	nibbles(q, b[8:], b[4:8], 0)
}

func codesQ2_K(q []byte, scale, min []float32, b []byte) {
	d, m := half(b[80:]), half(b[82:])
	for g, f := range b[:16] {
		scale[g], min[g] = d*float32(f&15), -(m * float32(f>>4))
	}
	for at := 0; at < super; at += 8 {
		putWord(q[at:], crumbs(b[16:], at))
	}
}

// crumbs returns the eight 2-bit numbers from number at of 256, see crumb.
func crumbs(q []byte, at int) uint64 {
	return word(q[at/128*32+at%32:]) >> (at / 32 % 4 * 2) & (3 * eachByte)
}

// bits returns the eight 1-bit numbers from number at of 256, see bit.
func bits(q []byte, at int) uint64 { return word(q[at%32:]) >> (at / 32) & eachByte }

func codesQ3_K(q []byte, scale, _ []float32, b []byte) {
	d := half(b[108:])
	for g := range scale[:16] {
		scale[g] = d * float32(factorQ3(b[96:108], g))
	}
	for at := 0; at < super; at += 8 {
		putWord(q[at:], less(crumbs(b[32:], at)|bits(b, at)<<2, 4))
	}
}

// factorsK writes the eight scales and mins of Q4_K and Q5_K.
func factorsK(scale, min []float32, b []byte) {
	d, m := half(b), half(b[2:])
	for g := range scale[:8] {
		s, t := factorsQ4(b[4:16], g)
		scale[g], min[g] = d*float32(s), -(m * float32(t))
	}
}

// pairs returns the eight 4-bit numbers from number at of Q4_K and Q5_K: 32 bytes
// have two runs of 32.
func pairs(q []byte, at int) uint64 {
	return word(q[at/64*32+at%32:]) >> (at / 32 % 2 * 4) & (15 * eachByte)
}

func codesQ4_K(q []byte, scale, min []float32, b []byte) {
	factorsK(scale, min, b)
	for at := 0; at < super; at += 8 {
		putWord(q[at:], pairs(b[16:], at))
	}
}

func codesQ5_K(q []byte, scale, min []float32, b []byte) {
	factorsK(scale, min, b)
	for at := 0; at < super; at += 8 {
		putWord(q[at:], pairs(b[48:], at)|bits(b[16:], at)<<4)
	}
}

func codesQ6_K(q []byte, scale, _ []float32, b []byte) {
	d := half(b[208:])
	for g, f := range b[192:208] {
		scale[g] = d * float32(int8(f))
	}
	for at := 0; at < super; at += 8 {
		low := word(b[at/128*64+at%64:]) >> (at / 64 % 2 * 4) & (15 * eachByte)
		putWord(q[at:], less(low|crumbs(b[128:], at)<<4, 32))
	}
}
