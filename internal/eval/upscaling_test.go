package eval

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/upscale"
)

func TestMeasureUpscaling(t *testing.T) {
	// Without weights a network repeats each pixel.
	n, err := upscale.New(upscale.Config{Factor: 2, Patch: 1, Width: 4, Depth: 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range n.Params.Names() {
		clear(n.Params.Get(name).Data())
	}
	scores, err := MeasureUpscaling(context.Background(), tiny(t), map[string]*upscale.Net{"repeated": n}, []string{"repeated"}, 2, 1, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(scores) != 2 || scores[1].Way != "repeated" {
		t.Fatalf("%+v", scores)
	}
	for _, s := range scores {
		// A codec that has learned nothing loses nearly all, interpolation little.
		if !(s.Decoded < 25 && s.Drawn > 28 && s.Drawn < 60 && s.Frame > 0) {
			t.Errorf("%+v", s)
		}
	}
	if !(scores[1].Drawn < scores[0].Drawn-0.3) {
		t.Errorf("pixels repeated are as near as interpolated ones: %+v", scores)
	}
	var out bytes.Buffer
	if err := WriteUpscaling(&out, scores); err != nil || !strings.Contains(out.String(), "repeated") {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, tt := range []struct {
		n       int
		seconds float64
	}{{0, 6}, {1, 0.5}, {1, 61}} {
		if _, err := MeasureUpscaling(context.Background(), tiny(t), nil, nil, tt.n, 1, tt.seconds, nil); err == nil {
			t.Errorf("%d videos of %g s are taken", tt.n, tt.seconds)
		}
	}
}
