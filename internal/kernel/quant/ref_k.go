package quant

// The types of super-blocks: 256 numbers, in groups of 16 or 32 that have factors
// of their own.

// crumb returns the 2-bit number i of 256: a byte has the same places of four
// runs of 32, and 32 bytes have 128 numbers.
func crumb(q []byte, i int) byte { return q[i/128*32+i%32] >> (i / 32 % 4 * 2) & 3 }

// bit returns the 1-bit number i of 256: a byte has the same places of eight
// runs of 32.
func bit(q []byte, i int) byte { return q[i%32] >> (i / 32) & 1 }

// dequantizeQ2_K reads 16 bytes of factors s (low half) and t (high half), 64
// bytes q, 2 bytes d, 2 bytes m.
func dequantizeQ2_K(dst []float32, b []byte) {
	factors, q, d, m := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for g, f := range factors {
		ds, mt := d*float32(f&15), m*float32(f>>4)
		for i := 16 * g; i < 16*g+16; i++ {
			dst[i] = float32(ds*float32(crumb(q, i))) - mt
		}
	}
}

// factorQ3 returns the g-th of 16 factors in -32…31: 8 bytes have the low four
// bits of two, 4 bytes have the high two bits of four.
func factorQ3(b []byte, g int) int {
	low, high := b[g%8]>>(g/8*4)&15, b[8+g%4]>>(g/4*2)&3
	return int(low|high<<4) - 32
}

// dequantizeQ3_K reads 32 bytes with the highest bit of each number, 64 bytes
// with the others, 12 bytes of factors, 2 bytes d.
func dequantizeQ3_K(dst []float32, b []byte) {
	top, q, factors, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for g := range 16 {
		ds := d * float32(factorQ3(factors, g))
		for i := 16 * g; i < 16*g+16; i++ {
			dst[i] = ds * float32(int(crumb(q, i)|bit(top, i)<<2)-4)
		}
	}
}

// factorsQ4 returns the g-th of 8 factors s and t, 6 bits each, of 12 bytes: the
// first four bytes have s, and the next four t, of groups 0 to 3; the last four
// have the low four bits of both of groups 4 to 7, whose high two bits are above
// those of groups 0 to 3.
func factorsQ4(b []byte, g int) (s, t byte) {
	if g < 4 {
		return b[g] & 63, b[4+g] & 63
	}
	return b[4+g]&15 | b[g-4]>>6<<4, b[4+g]>>4 | b[g]>>6<<4
}

// dequantizeQ4_K reads 2 bytes d, 2 bytes m, 12 bytes of factors, 128 bytes q: 32
// bytes have one group in their low halves and the next in their high halves.
func dequantizeQ4_K(dst []float32, b []byte) {
	d, m, factors, q := half(b), half(b[2:]), b[4:16], b[16:144]
	for g := range 8 {
		s, t := factorsQ4(factors, g)
		ds, mt := d*float32(s), m*float32(t)
		for i, v := range q[g/2*32:][:32] {
			dst[32*g+i] = float32(ds*float32(v>>(g%2*4)&15)) - mt
		}
	}
}

// dequantizeQ5_K reads 2 bytes d, 2 bytes m, 12 bytes of factors, 32 bytes with
// the highest bit of each number, 128 bytes with the others as in Q4_K.
func dequantizeQ5_K(dst []float32, b []byte) {
	d, m, factors, top, q := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for g := range 8 {
		s, t := factorsQ4(factors, g)
		ds, mt := d*float32(s), m*float32(t)
		for i, v := range q[g/2*32:][:32] {
			n := v>>(g%2*4)&15 | bit(top, 32*g+i)<<4
			dst[32*g+i] = float32(ds*float32(n)) - mt
		}
	}
}

// dequantizeQ6_K reads 128 bytes with the low four bits of each number (64 bytes
// have 64 numbers in their low halves and the next 64 in their high halves), 64
// bytes with the high two bits, 16 bytes of factors, 2 bytes d.
func dequantizeQ6_K(dst []float32, b []byte) {
	low, high, factors, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for g, f := range factors {
		ds := d * float32(int8(f))
		for i := 16 * g; i < 16*g+16; i++ {
			n := low[i/128*64+i%64]>>(i/64%2*4)&15 | crumb(high, i)<<4
			dst[i] = ds * float32(int(n)-32)
		}
	}
}
