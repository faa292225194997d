package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/train"
)

// tiny is a model that runs quickly.
func tiny(t testing.TB) *reel.Model {
	t.Helper()
	bpe := token.Train(func(yield func(string) bool) { yield("a red cat") }, 259)
	m, err := reel.New(tinyConfig(), bpe, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tinyConfig() reel.Config {
	return reel.Config{
		Width: 256, Height: 160, FPS: 24,
		Codec: reel.CodecConfig{Latent: 8, EncWidth: 8, DecWidth: 8, DeepWidth: 8, EncDeep: 1, DecDeep: 1},
		Text:  reel.TextConfig{Vocab: 259, Width: 16, Blocks: 1, Heads: 2, Max: 16},
		Flow:  reel.FlowConfig{Width: 24, Blocks: 2, Heads: 2, Hidden: 16, Softmax: 2, Experts: 4, TopK: 2, Groups: 6},
	}
}

// TestCounter counts by hand what the tape is told to do.
func TestCounter(t *testing.T) {
	x, w := tensor.Zeros(6, 4), tensor.Param(8, 4)
	c := &counter{Tape: autograd.NewLocalTape(backend.Exact())}
	check := func(what string, want float64) {
		t.Helper()
		if c.flops != want {
			t.Errorf("%s: %g, want %g", what, c.flops, want)
		}
		c.flops = 0
	}
	y := c.Linear(x, w, nil, tensor.None)
	check("a layer on an input: forward and the weight's gradient", 2*2*6*4*8)
	c.Linear(y, tensor.Param(2, 8), nil, tensor.None)
	check("a layer on a layer", 3*2*6*8*2)
	c.GroupedLinear(x, tensor.Param(3, 8, 4), c.Route(tensor.Zeros(6, 3), nil, 1))
	check("experts: each row meets one", 2*2*6*4*8)
	c.Conv(tensor.Zeros(1, 2, 3, 4, 5), tensor.Param(7, 1, 3, 3, 5), nil, nil, tensor.None)
	check("a convolution", 2*2*24*9*5*7)
	q := tensor.Zeros(2, 3, 2, 8)
	c.Attention(q, q, q, tensor.Mask{KeyLen: []int32{3, 1}})
	check("attention on keys in sight", 3*4*(3*3+3*1)*16)
	c.Attention(q, q, q, tensor.Mask{Lo: []int32{0, 1, 2}, Hi: []int32{1, 3, 3}})
	check("attention through a window", 3*4*2*4*16)
	c.LinearAttention(q, q, q, q, q, []tensor.Segment{{Q0: 0, Q1: 3, K0: 0, K1: 3}})
	check("linear attention", 3*2*2*6*2*64)
}

func TestMeasureTraining(t *testing.T) {
	b := New(Stopwatch{})
	ctx := context.Background()
	if err := b.MeasureTraining(ctx, Stopwatch{}, tinyConfig(), 1, nil); err == nil {
		t.Error("training is measured against no peak")
	}
	b.Peak = 100
	if err := b.MeasureTraining(ctx, Stopwatch{}, tinyConfig(), 1, nil); err != nil {
		t.Fatal(err)
	}
	// At the least what every token costs in every block's square layers (four
	// of attention on the video, two on the text), three times.
	tokens := float64(b.Training.Batch * 7 * 5 * 8)
	if least := 3 * 2 * tokens * 2 * 6 * 24 * 24; b.Training.FLOPs < least || b.Training.FLOPs > 20*least {
		t.Errorf("%g operations are counted, want at least %g, and not many times as many", b.Training.FLOPs, least)
	}
	if g := b.Training.FLOPs / b.Training.Seconds / 1e9; math.Abs(g-b.Training.GFLOPS) > 1e-9 || b.Training.Share != g/100 {
		t.Errorf("%+v", b.Training)
	}
}

func TestMeasureLinear(t *testing.T) {
	b := New(Stopwatch{})
	b.Peak = 50
	ctx, layers := context.Background(), []Layer{{"up", 3, 64, 32, tensor.GELU, 2}}
	if err := b.MeasureLinear(ctx, Stopwatch{}, layers, []string{"bf16", "q4_9"}, nil); err == nil || len(b.Linear) > 0 {
		t.Errorf("weights of no type are measured: %v, %v", err, b.Linear)
	}
	steps, only := 0, []string{"int8", "q4_0"}
	if err := b.MeasureLinear(ctx, Stopwatch{}, layers, only, func(done, total int) {
		if steps++; done != steps || total != 2 {
			t.Errorf("%d of %d are done at step %d", done, total, steps)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(b.Linear) != 2 {
		t.Fatalf("%d figures, want 2", len(b.Linear))
	}
	for i, s := range b.Linear {
		if s.Kernel != only[i] || s.Size != "up, 3×64→32" || s.FLOPs != 2*3*64*32 {
			t.Errorf("%d: %+v", i, s)
		}
		if g := s.FLOPs / s.Seconds / 1e9; g != s.GFLOPS || s.Share != g/50 {
			t.Errorf("%d: %+v, at %g", i, s, g)
		}
	}
}

// TestStores: every form that is measured can be made, and stands for the weights.
func TestStores(t *testing.T) {
	wide := randoms(64 * 6)
	for _, name := range Stores {
		w := stored(name, wide, 64, 6)
		for i, v := range w.Values() {
			if d := math.Abs(float64(v - wide[i])); d > 0.3 {
				t.Errorf("%s: weight %d is %g, want %g", name, i, v, wide[i])
			}
		}
	}
}

func TestBenchForPeople(t *testing.T) {
	b := &Report{
		Level: "avx2", Go: "go1", Threads: 2, Peak: 200,
		Kernels:  []Speed{{Kernel: "gemm bf16", Size: "2×3×4", GFLOPS: 300, Share: 1.5}},
		Linear:   []Speed{{Kernel: "q4_0", Size: "up, 2×3→4", GFLOPS: 500, Share: 2.5}},
		Training: &TrainSpeed{Batch: 16, Frames: 49, FLOPs: 2e11, Seconds: 2, GFLOPS: 100, Share: 0.5, Windows: 8},
		Pipeline: &PipelineTime{Seconds: 6, Frames: 144, Steps: 8, Format: "mp4", Phases: []Phase{{"text", 0.01}, {"sampling", 2}}, Total: 2.01},
	}
	var s strings.Builder
	if err := b.Write(&s); err != nil {
		t.Fatal(err)
	}
	const want = `avx2, go1, 2 threads
peak: 200.0 GFLOP/s, the fastest f32 product of those below

kernel             size                          GFLOP/s   of peak
gemm bf16          2×3×4                           300.0   150.0 %

weights            linear layer                  GFLOP/s   of peak
q4_0               up, 2×3→4                       500.0   250.0 %

a training step of the transformer: 16 windows of 49 frames, 200.0 GFLOP counted, 2.00 s: 100.0 GFLOP/s, 50.0 % of peak, 8.00 windows/s
a video of 6 s, 144 frames, 8 steps, as mp4: text 0.01 s, sampling 2.00 s, in all 2.01 s
`
	if s.String() != want {
		t.Errorf("got\n%s\nwant\n%s", s.String(), want)
	}
	data, err := json.Marshal(b)
	if err != nil || !strings.Contains(string(data), `"peak_gflops":200`) {
		t.Errorf("%s, %v", data, err)
	}
}

func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still but for Sleep
		if s := (Stopwatch{}).of(func() { time.Sleep(30 * time.Millisecond) }); math.Abs(s-0.03) > 1e-6 {
			t.Errorf("30 ms took %g s", s)
		}
		if s := (Stopwatch{}).best(func() { time.Sleep(time.Millisecond) }); math.Abs(s-1e-3) > 1e-6 {
			t.Errorf("a millisecond is measured as %g s", s)
		}
	})
	if s := (Stopwatch{Busy: true}).of(func() {}); s < 0 {
		t.Errorf("nothing took %g s of the processor", s)
	}
}

func TestMeasurePipeline(t *testing.T) {
	b := New(Stopwatch{})
	if err := b.MeasurePipeline(context.Background(), Stopwatch{}, tiny(t), 0.5, 2, nil); err != nil {
		t.Fatal(err)
	}
	p := b.Pipeline
	if p.Frames != 12 || p.Steps != 2 || len(p.Phases) != 4 {
		t.Errorf("%+v", p)
	}
	for _, ph := range p.Phases {
		if ph.Seconds < 0 || ph.Seconds > p.Total {
			t.Errorf("%s takes %g s of %g", ph.Name, ph.Seconds, p.Total)
		}
	}
}

func TestTwins(t *testing.T) {
	synctest.Test(t, twins)
}

// twins goes by a clock that stands still but for Sleep, so that each twin gets
// as many steps as fit between its sleeps.
func twins(t *testing.T) {
	o := TwinOptions{Time: 250 * time.Millisecond, Windows: 2, LR: 1e-3, Seed: 1, Flow: train.DefaultFlow()}
	o.Flow.Batch, o.Flow.Micro, o.Flow.Fresh, o.Flow.Keep = 2, 1, 1, 1
	o.Progress = func(string, time.Duration, train.Progress) { time.Sleep(100 * time.Millisecond) }
	got, err := CompareTwins(t.Context(), tiny(t), train.Storybook{Seed: 1, Simple: true}, o)
	if err != nil {
		t.Fatal(err)
	}
	a, b := got.Twins[0], got.Twins[1]
	if a.Steps != 3 || b.Steps != 3 || a.Windows <= 0 || !(a.Loss > 0) || !(b.Loss > 0) || !(a.Before > 0) {
		t.Errorf("%+v", got)
	}
	if a.Active >= a.Parameters || b.Active != b.Parameters {
		t.Errorf("parameters %d and %d, active %d and %d", a.Parameters, b.Parameters, a.Active, b.Active)
	}
	// Equal in size but for the router and the second depthwise filter's part.
	if ratio := float64(a.Active) / float64(b.Active); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("%d parameters are active of experts, %d of the dense twin", a.Active, b.Active)
	}
	var s strings.Builder
	if err := got.Write(&s); err != nil || strings.Count(s.String(), "\n") != 5 {
		t.Errorf("%v\n%s", err, s.String())
	}
}

func TestTwinsRefuse(t *testing.T) {
	ctx := context.Background()
	good := TwinOptions{Time: time.Second, Windows: 1, LR: 1e-3, Flow: train.DefaultFlow()}
	bad := good
	bad.Time = 0
	if _, err := CompareTwins(ctx, tiny(t), train.Storybook{}, bad); err == nil {
		t.Error("no time is taken")
	}
	m := tiny(t)
	m.Config = denseTwin(m.Config)
	if _, err := CompareTwins(ctx, m, train.Storybook{}, good); err == nil {
		t.Error("a dense model is compared with itself")
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := CompareTwins(stopped, tiny(t), train.Storybook{}, good); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
