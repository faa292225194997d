package quant

// What products read: a block as small whole numbers (codes) with a scale, and
// for some types a min, for each run of 16 or 32. Blocks has the methods of
// gemm.Codes.

// products says for each type how long its runs are, whether they have a min, and
// how one block is taken apart: q has its numbers, scale and min one for each run.
// scale·q + min is what Dequantize gives, to the bit.
var products = [types]struct {
	run   int
	mins  bool
	codes func(q []int8, scale, min []float32, b []byte)
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
		n := len(q) / numbers
		if skip == 0 && n > 0 {
			codesOf(b.Type, q[:n*numbers], scale[:n*runs], min, from[:n*bytes])
		} else {
			// A part of one block.
			var all [super]int8
			var scales, mins [super / 16]float32
			p.codes(all[:numbers], scales[:runs], mins[:runs], from[:bytes])
			n = 1
			end := copy(q, all[skip:numbers])
			copy(scale[:end/p.run], scales[skip/p.run:])
			if p.mins {
				copy(min[:end/p.run], mins[skip/p.run:])
				min = min[end/p.run:]
			}
			q, scale, at = q[end:], scale[end/p.run:], at+end
			continue
		}
		q, scale, at = q[n*numbers:], scale[n*runs:], at+n*numbers
		if p.mins {
			min = min[n*runs:]
		}
	}
}

// codesGo is codesOf in plain Go: it takes whole blocks apart.
func codesGo(t Type, q []int8, scale, min []float32, b []byte) {
	p := &products[t]
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

func codesQ8_0(q []int8, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	for i, v := range b[2:34] {
		q[i] = int8(v)
	}
}

// nibbles writes the low halves of 16 bytes and then the high halves, less zero.
func nibbles(q []int8, b []byte, zero int8) {
	low, high := q[:16], q[16:32]
	for i, v := range b[:16] {
		low[i], high[i] = int8(v&15)-zero, int8(v>>4)-zero
	}
}

// fifths adds the 32 bits of b to 32 numbers, each as its fifth bit.
func fifths(q []int8, b []byte) {
	bits := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	for i := range q[:32] {
		q[i] += int8(bits >> i & 1 << 4)
	}
}

func codesQ4_0(q []int8, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	nibbles(q, b[2:], 8)
}

func codesQ4_1(q []int8, scale, min []float32, b []byte) {
	scale[0], min[0] = half(b), half(b[2:])
	nibbles(q, b[4:], 0)
}

func codesQ5_0(q []int8, scale, _ []float32, b []byte) {
	scale[0] = half(b)
	nibbles(q, b[6:], 16)
	fifths(q, b[2:])
}

func codesQ5_1(q []int8, scale, min []float32, b []byte) {
	scale[0], min[0] = half(b), half(b[2:])
	nibbles(q, b[8:], 0)
	fifths(q, b[4:])
}

// crumbs writes 2-bit numbers, shifted left and less zero: 32 bytes have four runs
// of 32, and 64 bytes have all 256.
func crumbs(q []int8, b []byte, left int, zero int8) {
	for h := range 2 {
		from := b[32*h:][:32]
		for part := range 4 {
			to := q[128*h+32*part:][:32]
			for i, v := range from {
				to[i] = int8(v>>(2*part)&3<<left) - zero
			}
		}
	}
}

func codesQ2_K(q []int8, scale, min []float32, b []byte) {
	d, m := half(b[80:]), half(b[82:])
	for g, f := range b[:16] {
		scale[g], min[g] = d*float32(f&15), -(m * float32(f>>4))
	}
	crumbs(q, b[16:], 0, 0)
}

func codesQ3_K(q []int8, scale, _ []float32, b []byte) {
	d := half(b[108:])
	for g := range scale[:16] {
		scale[g] = d * float32(factorQ3(b[96:108], g))
	}
	crumbs(q, b[32:], 0, 4)
	for g := range 8 {
		to := q[32*g:][:32]
		for i, v := range b[:32] {
			to[i] += int8(v >> g & 1 << 2)
		}
	}
}

// pairs writes the 256 numbers of Q4_K and Q5_K without their fifth bits: 32
// bytes have two runs of 32.
func pairs(q []int8, b []byte) {
	for h := range 4 {
		low, high := q[64*h:][:32], q[64*h+32:][:32]
		for i, v := range b[32*h:][:32] {
			low[i], high[i] = int8(v&15), int8(v>>4)
		}
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

func codesQ4_K(q []int8, scale, min []float32, b []byte) {
	factorsK(scale, min, b)
	pairs(q, b[16:])
}

func codesQ5_K(q []int8, scale, min []float32, b []byte) {
	factorsK(scale, min, b)
	pairs(q, b[48:])
	for g := range 8 {
		to := q[32*g:][:32]
		for i, v := range b[16:48] {
			to[i] += int8(v >> g & 1 << 4)
		}
	}
}

func codesQ6_K(q []int8, scale, _ []float32, b []byte) {
	d := half(b[208:])
	for g, f := range b[192:208] {
		scale[g] = d * float32(int8(f))
	}
	crumbs(q, b[128:], 4, 32)
	for h := range 2 {
		low, high := q[128*h:][:64], q[128*h+64:][:64]
		for i, v := range b[64*h:][:64] {
			low[i] += int8(v & 15)
			high[i] += int8(v >> 4)
		}
	}
}
