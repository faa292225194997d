package reel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// The bars are the largest relative L2 differences from the oracle: one for the
// results of a forward pass, one for gradients.
const (
	forwardBar  = 1e-5
	gradientBar = 1e-4
)

// makeGoldens tells how to make a missing golden.
const makeGoldens = "make the goldens with: /usr/bin/python3 tools/reference/reel.py golden --out internal/model/reel/testdata"

// golden is a file of inputs, "in/NAME", and of the PyTorch oracle's results
// for them, "want/NAME".
type golden struct {
	f     *safetensors.File
	used  map[string]bool
	worst map[string]float64 // by kind of tensor
}

func openGolden(t *testing.T) *golden {
	t.Helper()
	f, err := safetensors.Open("testdata/golden.safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	t.Cleanup(func() { f.Close() })
	return &golden{f: f, used: map[string]bool{}, worst: map[string]float64{}}
}

func (g *golden) read(t *testing.T, name string) *tensor.Tensor {
	t.Helper()
	v, shape, err := g.f.Float32(name)
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	g.used[name] = true
	return tensor.New(v, shape...)
}

func (g *golden) in(t *testing.T, name string) *tensor.Tensor {
	t.Helper()
	return g.read(t, "in/"+name)
}

// same compares got with the oracle's tensor of that name.
func (g *golden) same(t *testing.T, name string, got []float32, bar float64) {
	t.Helper()
	want := values(g.read(t, "want/"+name))
	if len(got) != len(want) {
		t.Errorf("%s: %d elements, the oracle has %d", name, len(got), len(want))
		return
	}
	d := goldentest.RelativeL2(got, want)
	if kind, _, _ := strings.Cut(name, "/"); !(d <= g.worst[kind]) {
		g.worst[kind] = d
	}
	if !(d <= bar) {
		t.Errorf("%s: relative L2 %.3g from the oracle, must be at most %g", name, d, bar)
	}
}

// finish fails if there are goldens among mine that no test has read.
func (g *golden) finish(t *testing.T, mine func(name string) bool) {
	t.Helper()
	for _, name := range g.f.Names() {
		if mine(name) && !g.used[name] {
			t.Errorf("golden %q is compared with nothing", name)
		}
	}
	var kinds []string
	for kind, d := range g.worst {
		kinds = append(kinds, fmt.Sprintf("%s %.1e", kind, d))
	}
	slices.Sort(kinds)
	t.Logf("worst relative L2: %s", strings.Join(kinds, ", "))
}

func isOp(name string) bool {
	return strings.HasPrefix(name, "in/op/") || strings.HasPrefix(name, "want/op/")
}

// tiny is the model of the goldens, which the oracle wrote as a weights file.
func tiny(t *testing.T) *Model {
	t.Helper()
	f, err := safetensors.Open("testdata/tiny.safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	defer f.Close()
	m, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// everyLevel runs a test on each instruction set of this CPU.
func everyLevel(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v is listed and cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// TestGolden compares every layer, the forward pass and every gradient with the
// PyTorch oracle.
func TestGolden(t *testing.T) {
	everyLevel(t, func(t *testing.T) {
		g, m := openGolden(t), tiny(t)
		g.codec(t, m)
		g.codecGradients(t, m)
		g.layers(t, m)
		g.flow(t, m)
		g.finish(t, func(name string) bool { return !isOp(name) })
	})
}

func f32() tensor.Trainer { return backend.Exact() }

// values are the elements of a tensor, wherever they are.
func values(t *tensor.Tensor) []float32 { return tensor.Values(f32(), t) }

func (g *golden) codec(t *testing.T, m *Model) {
	c, o := m.Codec, f32()
	check := func(name string, y *tensor.Tensor) { g.same(t, name, values(y), forwardBar) }
	check("spatial", c.encBlocks[0].apply(o, g.in(t, "spatial")))
	check("deep", c.encDeep[0].apply(o, g.in(t, "deep"), nil))
	x, z := g.in(t, "video"), g.in(t, "latents")
	check("encode", c.Encode(o, x, true, nil))
	check("encode_frame", c.Encode(o, o.Narrow(x, 1, 0, 1), true, nil))
	check("encode_closely", c.NewEncoder(o).Next(x))
	check("encode_rest", c.Encode(o, o.Narrow(x, 1, 1, x.Dim(1)), false, nil))
	check("decode", c.Decode(o, z, true, nil))
	check("decode_frame", c.Decode(o, o.Narrow(z, 1, 0, 1), true, nil))
	check("decode_rest", c.Decode(o, o.Narrow(o.Narrow(z, 0, 0, 1), 1, 1, 2), false, nil))
}

// codecGradients compares the loss that package train uses for the codec.
func (g *golden) codecGradients(t *testing.T, m *Model) {
	o := autograd.NewTape(f32())
	moves := func(x *tensor.Tensor) *tensor.Tensor {
		n := x.Dim(1)
		return o.Sub(o.Narrow(x, 1, 1, n), o.Narrow(x, 1, 0, n-1))
	}
	x := g.in(t, "video")
	z := m.Codec.Encode(o, x, true, nil)
	y := m.Codec.Decode(o, o.Add(z, o.Scale(g.in(t, "noise"), 0.25)), true, nil)
	l1, kl, motion := o.L1(y, x), o.MeanSquare(z), o.L1(moves(y), moves(x))
	scale := o.L1(m.Codec.Decode(o, o.AvgPool2(z), true, nil), o.AvgPool2(x))
	square := o.MeanSquare(o.Sub(y, x))
	total := o.Add(o.Add(o.Add(l1, o.Scale(kl, 1e-3)), motion), o.Scale(scale, 0.25))
	var each []float32 // one over a video's mean square, for each of its pixels
	for i := range x.Dim(0) {
		s := values(o.MeanSquare(o.Sub(o.Narrow(y, 0, i, i+1), o.Narrow(x, 0, i, i+1))))[0]
		each = append(each, slices.Repeat([]float32{1 / max(s, 1e-3)}, x.Len()/x.Dim(0)/3)...)
	}
	total = o.Add(total, o.Scale(o.MSE(y, x, tensor.New(each, len(each))), 0.2))
	for name, v := range map[string]*tensor.Tensor{"l1": l1, "square": square, "kl": kl, "motion": motion, "scale": scale, "total": total} {
		g.same(t, "codec_loss/"+name, values(v), forwardBar)
	}
	o.Backward(total, 1)
	g.gradients(t, "codec_grad/", m.CodecParams)
}

// gradients compares the gradients of all learned parameters.
func (g *golden) gradients(t *testing.T, prefix string, p *nn.Params) {
	t.Helper()
	for _, name := range p.Names() {
		v := p.Get(name)
		switch {
		case v.Needs() && v.Grad() == nil:
			t.Errorf("%s: there is no gradient", name)
		case v.Needs():
			g.same(t, prefix+name, values(v.Grad()), gradientBar)
		case v.Grad() != nil:
			t.Errorf("%s: a constant has a gradient", name)
		}
	}
}

// prompts are the token ids of two of the sentences that the oracle encoded.
// The two tokenizers must agree on all of them.
func (g *golden) prompts(t *testing.T, m *Model) [][]int32 {
	t.Helper()
	var sentences []string
	var ids [][]int32
	for key, to := range map[string]any{"sentences": &sentences, "ids": &ids} {
		if err := json.Unmarshal([]byte(g.f.Metadata()[key]), to); err != nil {
			t.Fatalf("metadata %q: %v; %s", key, err, makeGoldens)
		}
	}
	for i, s := range sentences {
		if got := m.Tokens(s); !slices.Equal(got, ids[i]) {
			t.Errorf("the oracle cuts %q into %v, the tokenizer into %v", s, ids[i], got)
		}
	}
	return [][]int32{ids[1], ids[0]}
}

// batch is the oracle's pair of windows; late is its first two groups, placed
// late in a video.
func (g *golden) batch(t *testing.T) (full, late Batch) {
	z, o := g.in(t, "z"), f32()
	level, place, seconds := g.in(t, "levels"), g.in(t, "place"), values(g.in(t, "seconds"))
	full = Batch{Z: z, T: values(level), Stride: values(g.in(t, "strides")), Place: values(place), Seconds: seconds, Chunks: []int{3, 2}}
	late = Batch{
		Z: o.Narrow(z, 1, 0, 2), T: values(o.Narrow(level, 1, 0, 2)), Place: values(o.Narrow(place, 1, 0, 2)),
		Seconds: seconds, Start: 7, Chunks: []int{2},
	}
	return full, late
}

func (g *golden) layers(t *testing.T, m *Model) {
	f, o := m.Flow, f32()
	check := func(name string, y *tensor.Tensor) { g.same(t, name, values(y), forwardBar) }
	cos, sin := axisTable(o, 7, 16)
	check("axis_angles", o.Concat(0, cos, sin))
	cos, sin = gridTable(o, 3, 2, 2, 3, 16)
	check("grid_angles", o.Concat(0, cos, sin))

	text := f.Encode(o, g.prompts(t, m))
	check("text/tokens", text.Tokens)
	check("text/pooled", text.Pooled)
	full, late := g.batch(t)
	l := f.layoutOf(o, full, text, nil)
	check("places", tensor.New(values(placeCodes(o, l))[:2*3*2*placeWaves], 2, 3, 2*placeWaves))
	check("condition", f.condition(o, full, l))

	x, mods := g.in(t, "tokens"), g.in(t, "mods")
	check("attend_linear", f.blocks[0].attend(o, x, l))
	check("attend_softmax", f.blocks[3].attend(o, x, l))
	check("attend_text", f.blocks[0].attendText(o, x, l))
	check("ffn_dense", f.blocks[0].ffn.apply(o, x, l, nil))
	check("ffn_mixture", f.blocks[1].ffn.apply(o, x, l, nil))
	for i := range f.blocks {
		check(fmt.Sprintf("block/%d", i), f.blocks[i].apply(o, x, mods.Reshape(10, 6*32), l, nil))
	}
	fineMods := g.in(t, "fine_mods").Reshape(10, 3*12)
	cells, seen := f.fine.enter(o, g.in(t, "fine_z"), fineMods, l)
	check("fine_cells", cells)
	check("fine_seen", seen)
	check("fine_leave", f.fine.leave(o, x, cells, fineMods, l))
	check("forward", f.Forward(o, full, text, nil, nil))
	check("forward_late", f.Forward(o, late, text, nil, nil))
}

// flow compares the velocity-weighted loss of the transformer and its
// gradients.
func (g *golden) flow(t *testing.T, m *Model) {
	o := autograd.NewTape(f32())
	full, _ := g.batch(t)
	groups := values(g.read(t, "want/velocity_weight"))
	weight := tensor.Zeros(len(groups) * 4 * 6)
	for i := range weight.Data() {
		weight.Data()[i] = groups[i/(4*6)]
	}
	y := m.Flow.Forward(o, full, m.Flow.Encode(o, g.prompts(t, m)), nil, new(Routing))
	loss := o.MSE(y, g.in(t, "clean"), weight)
	g.same(t, "flow_loss", values(loss), forwardBar)
	o.Backward(loss, 1)
	g.gradients(t, "flow_grad/", m.FlowParams)
}
