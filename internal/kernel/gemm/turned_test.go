package gemm

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// TestTurned reads stored numbers in the order in which they are meant, from
// every place on.
func TestTurned(t *testing.T) {
	for _, turn := range []Turn{{1, 1, 1}, {1, 5, 3}, {1, 3, 1}, {2, 4, 9}, {3, 2, 5}} {
		const blocks = 3
		n := blocks * turn.Block()
		values, want := make([]float32, n), make([]float32, 0, n)
		for i := range values {
			values[i] = float32(i) - 20
		}
		for b := range blocks {
			for g := turn.Groups - 1; g >= 0; g-- {
				for tap := range turn.Taps {
					for c := range turn.Channels {
						want = append(want, values[((b*turn.Groups+g)*turn.Channels+c)*turn.Taps+tap])
					}
				}
			}
		}
		for format, put := range map[Format]func(out []byte, v float32) []byte{
			StoredF32: func(out []byte, v float32) []byte {
				return binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
			},
			StoredBF16: func(out []byte, v float32) []byte { return half(out, v, vec.ToBF16) },
			StoredF16:  func(out []byte, v float32) []byte { return half(out, v, vec.ToF16) },
		} {
			w := Turned{Stored: Stored{Format: format}, Turn: turn}
			for _, v := range values {
				w.Stored.Bytes = put(w.Stored.Bytes, v)
			}
			w.Check(blocks, turn.Block())
			for at := range n {
				for _, end := range []int{at, min(at+1, n), min(at+7, n), n} {
					got := make([]float32, end-at)
					w.Widen(got, at)
					for i, v := range got {
						if v != want[at+i] {
							t.Fatalf("%+v, format %d: number %d is %g, want %g", turn, format, at+i, v, want[at+i])
						}
					}
				}
			}
		}
	}
}

func half(out []byte, v float32, to func(dst []uint16, src []float32)) []byte {
	var h [1]uint16
	to(h[:], []float32{v})
	return binary.LittleEndian.AppendUint16(out, h[0])
}

func TestTurnedRefuses(t *testing.T) {
	for what, w := range map[string]Turned{
		"no whole blocks": {Stored{Format: StoredBF16, Bytes: make([]byte, 24)}, Turn{1, 5, 1}},
		"no block":        {Stored{Format: StoredBF16, Bytes: make([]byte, 24)}, Turn{}},
		"int8":            {Stored{Format: StoredI8, Bytes: make([]byte, 12), Scale: make([]float32, 3)}, Turn{1, 2, 2}},
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			w.Check(3, 4)
		})
	}
}
