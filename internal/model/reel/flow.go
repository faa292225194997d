package reel

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Flow is the transformer: given noisy latents, their noise levels and a
// text, it predicts the clean latents. One token stands for 32×32×8 pixels.
//
// Time is cut into chunks. A token sees its own chunk in both directions, and
// the previous chunk: the model is causal between chunks, and its memory is
// constant, however long the video is.
type Flow struct {
	cfg    FlowConfig
	text   *textEncoder
	in     nn.Linear
	first  *tensor.Tensor // added to the condition of the single first frame
	t1, t2 nn.Linear      // noise level → condition
	stride *nn.Linear     // size of the sampler's step → condition; nil in a model that was not distilled
	clock  nn.Linear      // position in the video and its length → condition
	pooled nn.Linear      // prompt → condition
	mod    nn.Linear      // condition → 6 vectors, shared by all blocks
	blocks []block
	fine   *fine // nil if the model has none
	gain   *tensor.Tensor
	outMod nn.Linear
	out    nn.Linear
}

// timeWaves, clockWaves and placeWaves are the sizes of the sinusoidal codes of
// noise level, position in the video, and position in the frame. The tops are
// their highest frequencies, high enough to tell apart steps, groups and
// tokens.
const (
	timeWaves, timeTop   = 64, 64
	clockWaves, clockTop = 32, 16
	placeWaves, placeTop = 16, 8
)

// NewFlow adds the parameters of the transformer and its text encoder to p.
func NewFlow(p *nn.Params, c Config) *Flow {
	f, w := c.Flow, c.Flow.Width
	token := 4 * c.Codec.Latent
	m := &Flow{
		cfg:    f,
		text:   newTextEncoder(p, c.Text),
		in:     nn.NewLinear(p, "flow.in", token+2*placeWaves, w, 1),
		first:  p.New("flow.first", 0.02, 1, w),
		t1:     nn.NewLinear(p, "flow.t1", timeWaves, w, 1),
		t2:     nn.NewLinear(p, "flow.t2", w, w, 1),
		clock:  nn.NewLinear(p, "flow.clock", 2*clockWaves, w, 0.5),
		pooled: nn.NewLinear(p, "flow.pooled", c.Text.Width, w, 1),
		mod:    nn.NewLinear(p, "flow.mod", w, 6*w, 0.1),
		gain:   p.Ones("flow.gain", w),
		outMod: nn.NewLinear(p, "flow.out_mod", w, 2*w, 0.1),
		out:    nn.NewLinear(p, "flow.out", w, token, 0.1),
	}
	for i := range f.Blocks {
		m.blocks = append(m.blocks, newBlock(p, i, c))
	}
	m.fine = newFine(p, c)
	if f.Steps > 0 {
		// The stride adds nothing until it is trained.
		stride := nn.NewLinear(p, "flow.stride", timeWaves, w, 0)
		m.stride = &stride
	}
	return m
}

// A Batch is the input of the transformer besides the text.
type Batch struct {
	Z *tensor.Tensor // [B, G, H, W, Latent], standardised, noisy
	// T is the noise level of each group [B·G]: 0 is noise, 1 is clean.
	T []float32
	// Stride is the size of the sampler's step that starts at T, as a
	// difference of noise levels [B·G]; 0 is no step. nil is no step in any
	// group. Only a model that was distilled to few steps uses it.
	Stride []float32
	// Place is the position in its video where each group begins, 0 to 1,
	// [B·G]. Seconds is the length of each video [B].
	Place, Seconds []float32
	// Start is the index of the first group; group 0 is the single frame.
	Start int
	// Chunks is the number of groups of each chunk; their sum is G.
	Chunks []int
}

// layout is what all blocks of one pass share.
type layout struct {
	b, g, h, w int
	chunks     []int
	segs       []tensor.Segment
	mask       tensor.Mask
	cos, sin   *tensor.Tensor
	text       Text
	textMask   tensor.Mask
	stream     *Stream
}

// layoutOf plans the attention of a batch: which keys each chunk sees.
func (m *Flow) layoutOf(o tensor.Ops, x Batch, text Text, s *Stream) *layout {
	b, g, h, w := x.Z.Dim(0), x.Z.Dim(1), x.Z.Dim(2)/2, x.Z.Dim(3)/2
	l := &layout{b: b, g: g, h: h, w: w, chunks: x.Chunks, text: text, textMask: tensor.Mask{KeyLen: text.Lens}, stream: s}
	l.cos, l.sin = gridTable(o, x.Start, g, h, w, m.cfg.Width/m.cfg.Heads)
	n := g * h * w
	l.mask = tensor.Mask{Lo: make([]int32, n), Hi: make([]int32, n)}
	before, at := 0, 0
	for _, c := range x.Chunks {
		end := at + c*h*w
		l.segs = append(l.segs, tensor.Segment{Q0: at, Q1: end, K0: before, K1: end})
		for i := at; i < end; i++ {
			l.mask.Lo[i], l.mask.Hi[i] = int32(before), int32(end)
		}
		before, at = at, end
	}
	if at != n {
		panic(fmt.Sprintf("reel: chunks %v do not make up %d groups", x.Chunks, g))
	}
	return l
}

// Encode runs the text encoder on token ids.
func (m *Flow) Encode(o tensor.Ops, prompts [][]int32) Text { return m.text.encode(o, prompts) }

// Forward predicts the clean latents [B, G, H, W, Latent]. aux, which may be
// nil, receives what training needs to know about the experts.
func (m *Flow) Forward(o tensor.Ops, x Batch, text Text, s *Stream, aux *Routing) *tensor.Tensor {
	l := m.layoutOf(o, x, text, s)
	c := m.cfg.Width
	tokens := o.Unshuffle(x.Z, 1, 2, 2)
	places := placeCodes(o, l)
	h := m.in.Apply(o, o.Concat(4, tokens, places), tensor.None).Reshape(l.b, l.g*l.h*l.w, c)

	cond := m.condition(o, x, l)
	var cells, cellMods *tensor.Tensor
	if m.fine != nil {
		var seen *tensor.Tensor
		cellMods = m.fine.mod.Apply(o, cond, tensor.None)
		cells, seen = m.fine.enter(o, x.Z, cellMods, l)
		h = o.Add(h, seen)
	}
	mods := m.mod.Apply(o, cond, tensor.None)
	for i := range m.blocks {
		h = o.Scope(func() *tensor.Tensor { return m.blocks[i].apply(o, h, mods, l, aux) })
	}
	om := m.outMod.Apply(o, cond, tensor.None)
	h = o.Modulate(o.RMSNorm(h, m.gain), o.Narrow(om, 1, 0, c), o.Narrow(om, 1, c, 2*c))
	y := m.out.Apply(o, h, tensor.None)
	y = o.Shuffle(y.Reshape(l.b, l.g, l.h, l.w, y.Dim(-1)), 1, 2, 2)
	if m.fine != nil {
		y = o.Add(y, m.fine.leave(o, h, cells, cellMods, l))
	}
	return y
}

// placeCodes are the codes of each token's position in the frame [B, G, h, w,
// codes].
func placeCodes(o tensor.Ops, l *layout) *tensor.Tensor {
	d := make([]float32, l.b*l.g*l.h*l.w*2*placeWaves)
	frame := l.h * l.w * 2 * placeWaves
	for y := range l.h {
		for x := range l.w {
			at := (y*l.w + x) * 2 * placeWaves
			waves(d[at:at+placeWaves], (float64(y)+0.5)/float64(l.h), placeTop)
			waves(d[at+placeWaves:at+2*placeWaves], (float64(x)+0.5)/float64(l.w), placeTop)
		}
	}
	for i := 1; i < l.b*l.g; i++ {
		copy(d[i*frame:(i+1)*frame], d[:frame])
	}
	return o.Upload(d, l.b, l.g, l.h, l.w, 2*placeWaves)
}

// condition returns one vector per group [B·G, width]: of noise level, position
// in the video, length of the video, and the prompt as a whole, through SiLU.
func (m *Flow) condition(o tensor.Ops, x Batch, l *layout) *tensor.Tensor {
	rows := l.b * l.g
	tw, cw := make([]float32, rows*timeWaves), make([]float32, rows*2*clockWaves)
	isFirst := make([]float32, rows)
	for r := range rows {
		// The code is offset by a half: at 0 all cosines are 1, so pure noise
		// would be far from every other level.
		waves(tw[r*timeWaves:(r+1)*timeWaves], 0.5+float64(x.T[r]), timeTop)
		clock := cw[r*2*clockWaves : (r+1)*2*clockWaves]
		waves(clock[:clockWaves], float64(x.Place[r])/2, clockTop)
		waves(clock[clockWaves:], math.Log2(float64(x.Seconds[r/l.g]))/8, clockTop)
		if x.Start+r%l.g == 0 {
			isFirst[r] = 1
		}
	}
	cond := m.t2.Apply(o, m.t1.Apply(o, o.Upload(tw, rows, timeWaves), tensor.SiLU), tensor.None)
	if m.stride != nil {
		cond = o.Add(cond, m.stride.Apply(o, o.Upload(strideCodes(x.Stride, rows), rows, timeWaves), tensor.None))
	}
	cond = o.Add(cond, m.clock.Apply(o, o.Upload(cw, rows, 2*clockWaves), tensor.None))
	cond = o.AddRows(cond, m.pooled.Apply(o, l.text.Pooled, tensor.None))
	// first is added by a product with an indicator: [rows, 1]·[1, width].
	cond = o.Add(cond, o.Linear(o.Upload(isFirst, rows, 1), m.first.Reshape(m.cfg.Width, 1), nil, tensor.None))
	return o.Activate(cond, tensor.SiLU)
}

// strideCodes are the codes of the size of each group's step [rows, timeWaves].
func strideCodes(strides []float32, rows int) []float32 {
	out := make([]float32, rows*timeWaves)
	for r := range rows {
		var stride float64
		if strides != nil {
			stride = float64(strides[r])
		}
		waves(out[r*timeWaves:(r+1)*timeWaves], 0.5+stride, timeTop)
	}
	return out
}
