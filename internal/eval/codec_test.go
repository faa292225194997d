package eval

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/token"
)

// novice is an untrained recogniser, for tests that do not depend on what it
// reads.
var novice = sync.OnceValue(func() *recogniser.Network {
	r := recogniser.New(1)
	r.Params.Freeze()
	return r
})

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

func TestMeasureCodec(t *testing.T) {
	ctx := context.Background()
	c, err := MeasureCodec(ctx, tiny(t), novice(), 2, 1, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Films != 2 || c.Ratio != 768 || c.Read.Films != 2 || !(c.Worst > 3 && c.Worst <= c.PSNR && c.PSNR < 25) {
		t.Errorf("a codec that has learned nothing: %+v", c)
	}
	for _, tt := range []struct {
		n       int
		seconds float64
	}{{0, 6}, {1, 1}, {1, math.NaN()}, {1, 61}} {
		if _, err := MeasureCodec(ctx, tiny(t), novice(), tt.n, 1, tt.seconds, nil); err == nil {
			t.Errorf("%d videos of %g s are taken", tt.n, tt.seconds)
		}
	}
}
