package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const howGolden = "run: python3 tools/reference/quant.py golden --out internal/kernel/quant/testdata"

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatalf("%v: %s", err, howGolden)
	}
	return b
}

func floats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// same compares bits, so that -0 is not 0.
func same(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestGoldenDequantize gives the bits that the Python package gives.
func TestGoldenDequantize(t *testing.T) {
	for _, kind := range Types() {
		b, want := golden(t, kind.String()+".blocks"), floats(golden(t, kind.String()+".values"))
		numbers, size := kind.Block()
		if len(b) < 4*size || len(want) != len(b)/size*numbers {
			t.Fatalf("%v: the golden has %d bytes and %d numbers; %s", kind, len(b), len(want), howGolden)
		}
		got := make([]float32, len(want))
		Dequantize(kind, got, b)
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%v: number %d of block %d is %g, want %g", kind, i%numbers, i/numbers, got[i], want[i])
				break
			}
		}
	}
}

// TestGoldenQuantize gives the bytes that the Python package gives.
func TestGoldenQuantize(t *testing.T) {
	x := floats(golden(t, "source.values"))
	written := 0
	for _, kind := range Types() {
		if !kind.CanQuantize() {
			continue
		}
		written++
		want := golden(t, kind.String()+".written")
		got := make([]byte, len(want))
		Quantize(kind, got, x)
		_, size := kind.Block()
		for i := 0; i < len(got); i += size {
			if !bytes.Equal(got[i:i+size], want[i:i+size]) {
				t.Errorf("%v: block %d is % x, want % x", kind, i/size, got[i:i+size], want[i:i+size])
				break
			}
		}
	}
	if written != 5 {
		t.Errorf("%d types can be written", written)
	}
}

// TestWidenParts reads any part of a matrix, also one that begins and ends inside
// blocks, into a slice between guards.
func TestWidenParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, kind := range Types() {
		m := Blocks{kind, golden(t, kind.String()+".blocks")}
		all := floats(golden(t, kind.String()+".values"))
		n := len(all)
		for range 200 {
			lo := rng.IntN(n)
			hi := lo + rng.IntN(n-lo+1)
			got := make([]float32, hi-lo+2)
			got[0], got[len(got)-1] = 77, 78
			m.Widen(got[1:len(got)-1], lo)
			if !same(got[1:len(got)-1], all[lo:hi]) || got[0] != 77 || got[len(got)-1] != 78 {
				t.Fatalf("%v: numbers %d to %d differ", kind, lo, hi)
			}
		}
		numbers, _ := kind.Block()
		got := make([]float32, 2*numbers)
		m.Part(numbers, 3*numbers).Widen(got, 0)
		if !same(got, all[numbers:3*numbers]) {
			t.Errorf("%v: a part has other numbers", kind)
		}
	}
}

// TestFinite spoils each factor of each block.
func TestFinite(t *testing.T) {
	for _, kind := range Types() {
		b := golden(t, kind.String()+".blocks")
		if !(Blocks{kind, b}).Finite() {
			t.Fatalf("%v: the golden is not finite", kind)
		}
		numbers, size := kind.Block()
		for at := 0; at < len(b); at += size {
			for _, f := range layouts[kind].factors {
				for _, bad := range []uint16{0x7C00, 0xFC00, 0x7E01} {
					spoiled := bytes.Clone(b)
					binary.LittleEndian.PutUint16(spoiled[at+f:], bad)
					if (Blocks{kind, spoiled}).Finite() {
						t.Errorf("%v: %#x at byte %d is finite", kind, bad, at+f)
					}
					got := make([]float32, numbers)
					Dequantize(kind, got, spoiled[at:at+size])
					if !slices.ContainsFunc(got, func(v float32) bool { return v-v != 0 }) {
						t.Errorf("%v: byte %d is no factor", kind, at+f)
					}
				}
			}
		}
	}
}

// TestQuantizeWhatIsNoNumber: nothing that a damaged file may hold is a panic.
func TestQuantizeWhatIsNoNumber(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, v := range []float32{nan, inf, -inf, math.MaxFloat32, math.SmallestNonzeroFloat32} {
		for _, kind := range Types() {
			if kind.CanQuantize() {
				x := make([]float32, small)
				x[5], x[6] = v, 1
				_, size := kind.Block()
				Quantize(kind, make([]byte, size), x)
			}
		}
	}
	b := make([]byte, 34)
	Quantize(Q8_0, b, slices.Repeat([]float32{1e30}, small))
	if (Blocks{Q8_0, b}).Finite() {
		t.Error("numbers too large for a factor give finite blocks")
	}
}

func TestOtherSizesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"no whole block":        func() { Dequantize(Q8_0, make([]float32, 31), make([]byte, 34)) },
		"bytes missing":         func() { Dequantize(Q4_K, make([]float32, 256), make([]byte, 143)) },
		"a matrix of more rows": func() { Blocks{Q4_0, make([]byte, 18)}.Check(2, 32) },
		"a part of a block":     func() { Blocks{Q4_0, make([]byte, 36)}.Part(16, 32) },
		"a type that is read":   func() { Quantize(Q6_K, make([]byte, 210), make([]float32, 256)) },
		"bytes to spare":        func() { Quantize(Q8_0, make([]byte, 35), make([]float32, 32)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
