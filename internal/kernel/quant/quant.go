// Package quant computes with weights that are quantised in blocks: a block is a
// few small whole numbers with the factors that make them real numbers again.
// Its types are those of GGUF files, and their layouts are those of ggml
// (github.com/ggml-org/ggml, ggml-common.h); all are little-endian.
//
// Dequantize (ref.go, ref_k.go) is the specification: plain Go, with each
// operation rounded to float32 on its own, so that it gives the same bits as the
// Python package gguf on every machine. Quantize is its opposite for the types
// that the Python package can make. The package never opens a file.
package quant

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// Type is a type of blocks, named as in GGUF. The digit is the number of bits
// of a quantised number. In the text below d is the factor of a block and m its
// offset, both of them binary16.
type Type uint8

// The types of blocks.
const (
	Q8_0 Type = iota // d·q, q in -128…127
	Q4_0             // d·(q-8)
	Q4_1             // d·q + m
	Q5_0             // d·(q-16)
	Q5_1             // d·q + m
	Q2_K             // d·s·q - m·t, with 4-bit factors s and t for every 16 numbers
	Q3_K             // d·s·(q-4), with a 6-bit factor s for every 16 numbers
	Q4_K             // d·s·q - m·t, with 6-bit factors s and t for every 32 numbers
	Q5_K             // d·s·q - m·t, with 6-bit factors s and t for every 32 numbers
	Q6_K             // d·s·(q-32), with an 8-bit factor s for every 16 numbers
	types
)

// Types returns all types of blocks.
func Types() []Type {
	all := make([]Type, types)
	for i := range all {
		all[i] = Type(i)
	}
	return all
}

// The numbers of a block: of the simple types, and of the types of super-blocks
// (K), in which groups of numbers have factors of their own.
const (
	small = 32
	super = 256
)

// layouts says for each type how many numbers and how many bytes a block has,
// where in it the binary16 factors are, and what it is called.
var layouts = [types]struct {
	name           string
	numbers, bytes int
	factors        []int
	dequantize     func(dst []float32, b []byte)
}{
	Q8_0: {"q8_0", small, 34, []int{0}, dequantizeQ8_0},
	Q4_0: {"q4_0", small, 18, []int{0}, dequantizeQ4_0},
	Q4_1: {"q4_1", small, 20, []int{0, 2}, dequantizeQ4_1},
	Q5_0: {"q5_0", small, 22, []int{0}, dequantizeQ5_0},
	Q5_1: {"q5_1", small, 24, []int{0, 2}, dequantizeQ5_1},
	Q2_K: {"q2_k", super, 84, []int{80, 82}, dequantizeQ2_K},
	Q3_K: {"q3_k", super, 110, []int{108}, dequantizeQ3_K},
	Q4_K: {"q4_k", super, 144, []int{0, 2}, dequantizeQ4_K},
	Q5_K: {"q5_k", super, 176, []int{0, 2}, dequantizeQ5_K},
	Q6_K: {"q6_k", super, 210, []int{208}, dequantizeQ6_K},
}

// String is the type's name in small letters.
func (t Type) String() string { return layouts[t].name }

// Block returns how many numbers a block holds, and how many bytes it takes.
func (t Type) Block() (numbers, bytes int) { return layouts[t].numbers, layouts[t].bytes }

// Dequantize writes the numbers of whole blocks: len(dst) is a multiple of the
// block's numbers, and b has the bytes of as many blocks.
func Dequantize(t Type, dst []float32, b []byte) {
	l := &layouts[t]
	if len(dst)%l.numbers != 0 || len(b) != len(dst)/l.numbers*l.bytes {
		panic(fmt.Sprintf("quant: %d bytes for %d numbers of %v", len(b), len(dst), t))
	}
	for len(dst) > 0 {
		l.dequantize(dst[:l.numbers], b[:l.bytes])
		dst, b = dst[l.numbers:], b[l.bytes:]
	}
}

// Blocks is a row-major matrix of quantised numbers. Its blocks lie one after
// another, wherever its rows end.
type Blocks struct {
	Type  Type
	Bytes []byte
}

// Check panics unless b holds rows×cols numbers.
func (b Blocks) Check(rows, cols int) {
	numbers, bytes := b.Type.Block()
	if n := rows * cols; n%numbers != 0 || len(b.Bytes) != n/numbers*bytes {
		panic(fmt.Sprintf("quant: %d bytes stored for %d×%d numbers of %v", len(b.Bytes), rows, cols, b.Type))
	}
}

// Raw returns the name of the type and the bytes.
func (b Blocks) Raw() (name string, bytes []byte) { return b.Type.String(), b.Bytes }

// RowBytes is about how many bytes k numbers take.
func (b Blocks) RowBytes(k int) int {
	numbers, bytes := b.Type.Block()
	return k * bytes / numbers
}

// Part returns the numbers [lo,hi), which must be whole blocks.
func (b Blocks) Part(lo, hi int) Blocks {
	numbers, bytes := b.Type.Block()
	if lo%numbers != 0 || hi%numbers != 0 {
		panic(fmt.Sprintf("quant: numbers %d to %d are not whole blocks of %d", lo, hi, numbers))
	}
	return Blocks{b.Type, b.Bytes[lo/numbers*bytes : hi/numbers*bytes]}
}

// Widen writes the len(dst) numbers from number at on as f32. It dequantises
// whole blocks in place, and through a buffer those that dst has a part of.
func (b Blocks) Widen(dst []float32, at int) {
	numbers, bytes := b.Type.Block()
	var buffer [super]float32
	for len(dst) > 0 {
		first, skip := at/numbers, at%numbers
		n := len(dst) / numbers
		if skip == 0 && n > 0 {
			Dequantize(b.Type, dst[:n*numbers], b.Bytes[first*bytes:(first+n)*bytes])
			dst, at = dst[n*numbers:], at+n*numbers
			continue
		}
		Dequantize(b.Type, buffer[:numbers], b.Bytes[first*bytes:(first+1)*bytes])
		n = copy(dst, buffer[skip:numbers])
		dst, at = dst[n:], at+n
	}
}

// Finite reports whether no number is infinite or NaN, which only the factors of
// a block can make it.
func (b Blocks) Finite() bool {
	l := &layouts[b.Type]
	for at := 0; at < len(b.Bytes); at += l.bytes {
		for _, f := range l.factors {
			if b.Bytes[at+f+1]&0x7C == 0x7C { // all bits of the exponent
				return false
			}
		}
	}
	return true
}

// half reads the binary16 at the start of b.
func half(b []byte) float32 { return vec.F16(uint16(b[0]) | uint16(b[1])<<8) }
