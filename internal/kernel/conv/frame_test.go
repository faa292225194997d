package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

var frameShapes = []Shape{
	{N: 1, T: 1, H: 1, W: 1, C: 1, O: 1, KT: 1, KH: 3, KW: 3},
	{N: 1, T: 1, H: 5, W: 7, C: 6, O: 5, KT: 3, KH: 3, KW: 3},
	{N: 1, T: 1, H: 4, W: 3, C: 3, O: 34, KT: 2, KH: 3, KW: 3},
	{N: 1, T: 1, H: 3, W: 130, C: 10, O: 33, KT: 3, KH: 1, KW: 1},
	{N: 1, T: 1, H: 19, W: 100, C: 8, O: 7, KT: 3, KH: 3, KW: 3},
	{N: 1, T: 1, H: 2, W: 5, C: 384, O: 40, KT: 3, KH: 3, KW: 3},
}

// frames returns KT random frames of the shape s as one run of values and as
// frames; with bf16 both hold what a bf16 holds.
func randomClip(t *testing.T, r *rand.Rand, s Shape, half bool) ([]float32, []Frame) {
	size := s.H * s.W * s.C
	all := buffer(t, r, s.KT*size)
	clip := make([]Frame, s.KT)
	for i := range clip {
		x := all[i*size : (i+1)*size]
		if half {
			clip[i].BF16 = make([]uint16, size)
			vec.ToBF16(clip[i].BF16, x)
			vec.FromBF16(x, clip[i].BF16)
		} else {
			clip[i].F32 = x
		}
	}
	return all, clip
}

// TestCausal holds the convolution of frames to the specification: in f32 and
// bf16, at the beginning of a video and later, with and without a residual.
func TestCausal(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range frameShapes {
			for p, half := range map[gemm.Precision]bool{gemm.F32: false, gemm.BF16: true} {
				r := rand.New(rand.NewPCG(31, 32))
				all, clip := randomClip(t, r, s, half)
				w, bias, residual := buffer(t, r, s.wLen()), buffer(t, r, s.O), buffer(t, r, s.yLen())
				past := all[:s.pastLen()]
				if s.KT > 1 { // a video that has just begun
					clip[0] = Frame{}
					clear(past[:s.H*s.W*s.C])
				}
				want := make([]float32, s.yLen())
				refForward(want, all[s.pastLen():], past, w, bias, gemm.SiLU, s)
				got := buffer(t, r, s.yLen())
				f := NewFilter(p, w, s)
				what := fmt.Sprintf("%s, precision %d", s.name(), p)
				Causal(got, clip, f, gemm.Epilogue{Bias: bias, Act: gemm.SiLU}, s)
				near(t, what, got, want, limit(p))
				for i, v := range residual {
					want[i] += v
				}
				Causal(got, clip, f, gemm.Epilogue{Bias: bias, Act: gemm.SiLU, Residual: residual}, s)
				near(t, what+", with a residual", got, want, limit(p))
			}
		}
	})
}

// TestEnlarged holds the convolution of an enlarged frame to the specification
// on the frame written out.
func TestEnlarged(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range frameShapes {
			s.KT, s.KH, s.KW = 1, 3, 3
			for p, half := range map[gemm.Precision]bool{gemm.F32: false, gemm.BF16: true} {
				r := rand.New(rand.NewPCG(33, 34))
				x, clip := randomClip(t, r, s, half)
				big := s
				big.H, big.W = 2*s.H, 2*s.W
				large := make([]float32, big.xLen())
				for i := range big.H * big.W {
					copy(large[i*s.C:][:s.C], x[(i/big.W/2*s.W+i%big.W/2)*s.C:])
				}
				w, bias, residual := buffer(t, r, s.wLen()), buffer(t, r, s.O), buffer(t, r, big.yLen())
				want := make([]float32, big.yLen())
				refForward(want, large, nil, w, bias, gemm.None, big)
				got := buffer(t, r, big.yLen())
				e := NewEnlarging(p, w, s.C, s.O)
				what := fmt.Sprintf("%s, precision %d", s.name(), p)
				Enlarged(got, clip[0], e, gemm.Epilogue{Bias: bias}, s)
				near(t, what, got, want, limit(p))
				for i, v := range residual {
					want[i] += v
				}
				Enlarged(got, clip[0], e, gemm.Epilogue{Bias: bias, Residual: residual}, s)
				near(t, what+", with a residual", got, want, limit(p))
			}
		}
	})
}

// TestFilterStored: weights that are laid out from where they lie give the same
// bytes as weights in memory.
func TestFilterStored(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range frameShapes {
			r := rand.New(rand.NewPCG(35, 36))
			_, clip := randomClip(t, r, s, false)
			w := buffer(t, r, s.wLen())
			bits := make([]uint16, len(w))
			vec.ToBF16(bits, w)
			vec.FromBF16(w, bits)
			var stored []byte
			for _, b := range bits {
				stored = append(stored, byte(b), byte(b>>8))
			}
			a, b := make([]float32, s.yLen()), make([]float32, s.yLen())
			Causal(a, clip, NewFilter(gemm.BF16, w, s), gemm.Epilogue{}, s)
			Causal(b, clip, NewFilterStored(gemm.BF16, gemm.Stored{Format: gemm.StoredBF16, Bytes: stored}, s), gemm.Epilogue{}, s)
			if !slices.Equal(a, b) {
				t.Errorf("%s: other bytes", s.name())
			}
		}
	})
}

// TestFramesThreads: one thread and several give the same bytes.
func TestFramesThreads(t *testing.T) {
	s := Shape{N: 1, T: 1, H: 19, W: 100, C: 8, O: 7, KT: 3, KH: 3, KW: 3}
	r := rand.New(rand.NewPCG(37, 38))
	_, clip := randomClip(t, r, s, true)
	w := buffer(t, r, s.wLen())
	run := func(threads int) []float32 {
		defer simd.SetThreads(simd.Threads())
		simd.SetThreads(threads)
		y := make([]float32, s.yLen()*5)
		Causal(y, clip, NewFilter(gemm.BF16, w, s), gemm.Epilogue{}, s)
		Enlarged(y[s.yLen():], clip[0], NewEnlarging(gemm.BF16, w[:9*s.C*s.O], s.C, s.O), gemm.Epilogue{}, Shape{N: 1, T: 1, H: 19, W: 100, C: 8, O: 7, KT: 1, KH: 3, KW: 3})
		return y
	}
	want := run(1)
	for _, n := range []int{2, 5} {
		if !slices.Equal(run(n), want) {
			t.Errorf("%d threads give other bytes than one", n)
		}
	}
}

func TestFramesRefuse(t *testing.T) {
	s := Shape{N: 1, T: 1, H: 2, W: 2, C: 2, O: 2, KT: 2, KH: 3, KW: 3}
	f := NewFilter(gemm.F32, make([]float32, s.wLen()), s)
	x := Frame{F32: make([]float32, 8)}
	for what, do := range map[string]func(){
		"too few frames": func() { Causal(make([]float32, 8), []Frame{x}, f, gemm.Epilogue{}, s) },
		"a short frame":  func() { Causal(make([]float32, 8), []Frame{x, {F32: x.F32[:7]}}, f, gemm.Epilogue{}, s) },
		"a short result": func() { Causal(make([]float32, 7), []Frame{x, x}, f, gemm.Epilogue{}, s) },
		"another filter": func() {
			s.KH, s.KW = 1, 1
			Causal(make([]float32, 8), []Frame{x, x}, f, gemm.Epilogue{}, s)
		},
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			do()
		})
	}
}
