package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// CanQuantize reports whether Quantize can make blocks of a type.
func (t Type) CanQuantize() bool { return quantizers[t] != nil }

var quantizers = [types]func(b []byte, x []float32){
	Q8_0: quantizeQ8_0, Q4_0: quantizeQ4_0, Q4_1: quantizeQ4_1, Q5_0: quantizeQ5_0, Q5_1: quantizeQ5_1,
}

// Quantize writes blocks of the numbers x, which fill them, to b. It writes the
// bytes that the Python package gguf writes. Numbers too large for a binary16
// factor give a block that is not Finite.
func Quantize(t Type, b []byte, x []float32) {
	l := &layouts[t]
	if len(x)%l.numbers != 0 || len(b) != len(x)/l.numbers*l.bytes || quantizers[t] == nil {
		panic(fmt.Sprintf("quant: %d numbers cannot be quantised to %d bytes of %v", len(x), len(b), t))
	}
	for len(x) > 0 {
		quantizers[t](b[:l.bytes], x[:l.numbers])
		x, b = x[l.numbers:], b[l.bytes:]
	}
}

// put writes f to b as binary16.
func put(b []byte, f float32) { binary.LittleEndian.PutUint16(b, vec.F16Bits(f)) }

// inverse is 1/d, and 0 for 0.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// furthest returns the first of the numbers that are furthest from zero.
func furthest(x []float32) (most float32) {
	for _, v := range x {
		if abs(v) > abs(most) {
			most = v
		}
	}
	return most
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// cut is the whole part of x, within 0…most; what is no number gives 0.
func cut(x, most float32) byte {
	switch {
	case x >= most:
		return byte(most)
	case x >= 0:
		return byte(x)
	}
	return 0
}

func quantizeQ8_0(b []byte, x []float32) {
	d := abs(furthest(x)) / 127
	put(b, d)
	id := inverse(d)
	for i, v := range x {
		// Half a step rounds away from zero.
		q := math.Round(float64(v * id))
		b[2+i] = byte(int8(max(-128, min(127, q))))
	}
}

// steps quantises x to whole numbers of steps above zero, at most most of them:
// (x-zero)/d, rounded by adding half and cutting.
func steps(q *[small]byte, x []float32, zero, id, half, most float32) {
	for i, v := range x {
		q[i] = cut(float32((v-zero)*id)+half, most)
	}
}

// halves writes the low four bits of q to 16 bytes.
func halves(b []byte, q *[small]byte) {
	for i := range small / 2 {
		b[i] = q[i]&15 | q[small/2+i]<<4
	}
}

// tops writes the fifth bits of q to 4 bytes.
func tops(b []byte, q *[small]byte) {
	var bits uint32
	for i, v := range q {
		bits |= uint32(v>>4) << i
	}
	binary.LittleEndian.PutUint32(b, bits)
}

func quantizeQ4_0(b []byte, x []float32) {
	var q [small]byte
	d := furthest(x) / -8
	steps(&q, x, 0, inverse(d), 8.5, 15)
	put(b, d)
	halves(b[2:], &q)
}

func quantizeQ5_0(b []byte, x []float32) {
	var q [small]byte
	d := furthest(x) / -16
	steps(&q, x, 0, inverse(d), 16.5, 31)
	put(b, d)
	tops(b[2:], &q)
	halves(b[6:], &q)
}

// spread returns the least of x, and the step that cuts its range into n.
func spread(x []float32, n float32) (least, d float32) {
	least, most := x[0], x[0]
	for _, v := range x {
		least, most = min(least, v), max(most, v)
	}
	return least, (most - least) / n
}

func quantizeQ4_1(b []byte, x []float32) {
	var q [small]byte
	least, d := spread(x, 15)
	steps(&q, x, least, inverse(d), 0.5, 15)
	put(b, d)
	put(b[2:], least)
	halves(b[4:], &q)
}

func quantizeQ5_1(b []byte, x []float32) {
	var q [small]byte
	least, d := spread(x, 31)
	steps(&q, x, least, inverse(d), 0.5, 31)
	put(b, d)
	put(b[2:], least)
	tops(b[4:], &q)
	halves(b[8:], &q)
}
