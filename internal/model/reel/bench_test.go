package reel

import (
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

func noisy(shape ...int) *tensor.Tensor {
	t := tensor.Zeros(shape...)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range t.Data() {
		t.Data()[i] = float32(rng.NormFloat64())
	}
	return t
}

// BenchmarkCodecStep is forward and backward on four crops.
func BenchmarkCodecStep(b *testing.B) {
	p := nn.NewParams(1)
	c := NewCodec(p, Default().Codec)
	x := noisy(4, Frames(3), 96, 96, 3)
	tape := autograd.NewTape(backend.Training())
	for b.Loop() {
		z := c.Encode(tape, x, true, nil)
		tape.Backward(tape.L1(c.Decode(tape, z, true, nil), x), 1)
		tape.Reset()
	}
	b.ReportMetric(4*float64(b.N)/b.Elapsed().Seconds(), "crops/s")
}

// BenchmarkFlowStep is forward and backward on four windows of one chunk.
func BenchmarkFlowStep(b *testing.B) {
	cfg := Default()
	p := nn.NewParams(1)
	f := NewFlow(p, cfg)
	const n = 4
	g := cfg.Flow.Groups + 1
	x := Batch{Z: noisy(n, g, 10, 16, cfg.Codec.Latent), T: make([]float32, n*g), Place: make([]float32, n*g), Seconds: []float32{6, 6, 6, 6}, Chunks: []int{g}}
	var prompts [][]int32
	for range n {
		prompts = append(prompts, make([]int32, 40))
	}
	tape := autograd.NewTape(backend.Training())
	b.Logf("%d parameters", p.Len())
	for b.Loop() {
		y := f.Forward(tape, x, f.Encode(tape, prompts), nil, nil)
		tape.Backward(tape.MSE(y, x.Z, nil), 1)
		tape.Reset()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "windows/s")
}
