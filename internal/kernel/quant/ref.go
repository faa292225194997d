package quant

// Every product is converted to float32 before it is added to something: that
// keeps the compiler from fusing the two, which would round once instead of
// twice and give other bits on some machines.

// dequantizeQ8_0 reads 2 bytes d, 32 bytes q.
func dequantizeQ8_0(dst []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// dequantizeQ4_0 reads 2 bytes d, 16 bytes q: the low halves of the bytes are
// the first 16 numbers, the high halves the others.
func dequantizeQ4_0(dst []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[16+i] = d * float32(int(q>>4)-8)
	}
}

// dequantizeQ4_1 reads 2 bytes d, 2 bytes m, 16 bytes q as in Q4_0.
func dequantizeQ4_1(dst []float32, b []byte) {
	d, m := half(b), half(b[2:])
	for i, q := range b[4:20] {
		dst[i] = float32(d*float32(q&15)) + m
		dst[16+i] = float32(d*float32(q>>4)) + m
	}
}

// fifth returns bit i of the 32 that are the highest bits of 5-bit numbers, in
// its place above the other four.
func fifth(b []byte, i int) byte { return b[i/8] >> (i % 8) & 1 << 4 }

// dequantizeQ5_0 reads 2 bytes d, 4 bytes with the highest bit of each number,
// 16 bytes with the others as in Q4_0.
func dequantizeQ5_0(dst []float32, b []byte) {
	d, top := half(b), b[2:6]
	for i, q := range b[6:22] {
		dst[i] = d * float32(int(q&15|fifth(top, i))-16)
		dst[16+i] = d * float32(int(q>>4|fifth(top, 16+i))-16)
	}
}

// dequantizeQ5_1 reads 2 bytes d, 2 bytes m, and 20 bytes as in Q5_0.
func dequantizeQ5_1(dst []float32, b []byte) {
	d, m, top := half(b), half(b[2:]), b[4:8]
	for i, q := range b[8:24] {
		dst[i] = float32(d*float32(q&15|fifth(top, i))) + m
		dst[16+i] = float32(d*float32(q>>4|fifth(top, 16+i))) + m
	}
}
