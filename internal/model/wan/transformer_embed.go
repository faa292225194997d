package wan

import (
	"errors"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Prompts are the prompts of a batch as the blocks attend to them. They outlive
// the backend's Reset and last until Free.
type Prompts struct {
	text  *tensor.Tensor // [B, TextTokens, Width]
	image *tensor.Tensor // [B, rows, Width], nil without an image
}

// Free gives back what the prompts hold of b's memory.
func (p *Prompts) Free(b tensor.Backend) {
	b.Free(p.text)
	if p.image != nil {
		b.Free(p.image)
	}
}

// Embed prepares a batch of prompts, each what the text encoder gave for it,
// [tokens, TextDim]; tokens beyond TextTokens are left out. image are CLIP's
// vectors [rows, ImageDim] of the image that the whole batch is about: of the
// first frame and, where the transformer has places for them, of the last one.
// It is nil for a transformer without images.
func (t *Transformer) Embed(b tensor.Backend, text []*tensor.Tensor, image *tensor.Tensor) (p *Prompts, err error) {
	defer tensor.CatchFault(&err)
	if err := t.checkPrompts(text, image); err != nil {
		return nil, err
	}
	p = &Prompts{text: b.Keep(b.Scope(func() *tensor.Tensor {
		rows := make([]*tensor.Tensor, 0, 2*len(text))
		for _, x := range text {
			n := min(x.Dim(0), TextTokens)
			rows = append(rows, b.Narrow(x, 0, 0, n))
			if n < TextTokens {
				rows = append(rows, b.Upload(make([]float32, (TextTokens-n)*t.Config.TextDim), TextTokens-n, t.Config.TextDim))
			}
		}
		x := t.text1.Apply(b, b.Concat(0, rows...), tensor.GELU)
		return t.text2.Apply(b, x, tensor.None)
	}).Reshape(len(text), TextTokens, t.Config.Width()))}
	if image != nil {
		p.image = b.Keep(b.Scope(func() *tensor.Tensor {
			same := make([]*tensor.Tensor, len(text))
			for i := range same {
				same[i] = t.image.apply(b, image)
			}
			return b.Concat(0, same...)
		}).Reshape(len(text), image.Dim(0), t.Config.Width()))
	}
	return p, nil
}

func (t *Transformer) checkPrompts(text []*tensor.Tensor, image *tensor.Tensor) error {
	c := t.Config
	if len(text) == 0 {
		return errors.New("the transformer was given no prompt")
	}
	for _, x := range text {
		if len(x.Shape) != 2 || x.Dim(1) != c.TextDim || x.Dim(0) == 0 {
			return fmt.Errorf("a prompt of shape %v, the transformer takes [tokens, %d]: the text encoder is of another model", x.Shape, c.TextDim)
		}
	}
	switch {
	case c.ImageDim == 0 && image != nil:
		return errors.New("an image was given to a transformer that takes none")
	case c.ImageDim > 0 && image == nil:
		return errors.New("the transformer needs an image")
	case image != nil && (len(image.Shape) != 2 || image.Dim(1) != c.ImageDim || image.Dim(0) == 0):
		return fmt.Errorf("an image of shape %v, the transformer takes [rows, %d]: the image encoder is of another model", image.Shape, c.ImageDim)
	case c.ImageRows > 0 && image.Dim(0) != c.ImageRows:
		return fmt.Errorf("an image of %d rows, the transformer takes %d: those of the first frame and of the last one", image.Dim(0), c.ImageRows)
	}
	return nil
}

// imageEmbedding turns CLIP's vectors of an image into some that blocks attend
// to.
type imageEmbedding struct {
	place        *tensor.Tensor // [1, ImageRows, ImageDim], or nil
	gain1, bias1 *tensor.Tensor
	up, down     nn.Linear
	gain2, bias2 *tensor.Tensor
}

// imageEps is the epsilon of its norms.
const imageEps = 1e-5

func newImageEmbedding(p *nn.Params, c TransformerConfig) *imageEmbedding {
	const n = imageEmbedder
	e := &imageEmbedding{
		gain1: p.Ones(n+"norm1.weight", c.ImageDim), bias1: p.New(n+"norm1.bias", 0, c.ImageDim),
		up:    nn.NewLinear(p, n+"ff.net.0.proj", c.ImageDim, c.ImageDim, 1),
		down:  nn.NewLinear(p, n+"ff.net.2", c.ImageDim, c.Width(), 1),
		gain2: p.Ones(n+"norm2.weight", c.Width()), bias2: p.New(n+"norm2.bias", 0, c.Width()),
	}
	if c.ImageRows > 0 {
		e.place = p.New(n+"pos_embed", 1, 1, c.ImageRows, c.ImageDim)
	}
	return e
}

// apply runs it on x [rows, ImageDim].
func (e *imageEmbedding) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	if e.place != nil {
		x = o.Add(x, e.place.Reshape(x.Shape...))
	}
	x = e.up.Apply(o, o.LayerNorm(x, e.gain1, e.bias1, imageEps), tensor.None)
	return o.LayerNorm(e.down.Apply(o, o.GELUErf(x), tensor.None), e.gain2, e.bias2, imageEps)
}

// embedTime embeds the timesteps of a pass: each one that occurs once, and then
// for as long runs of tokens as have the same.
func (p *Pass) embedTime(timesteps []float32) {
	b, t := p.b, p.t
	distinct, ids := runsOf(timesteps)
	if len(ids) > 1 {
		one := ids
		for range p.batch - 1 {
			ids = append(ids[:len(ids):len(ids)], one...)
		}
	}
	codes := make([]float32, len(distinct)*t.Config.FreqDim)
	for i, s := range distinct {
		timeCode(codes[i*t.Config.FreqDim:][:t.Config.FreqDim], s)
	}
	x := t.time1.Apply(b, b.Upload(codes, len(distinct), t.Config.FreqDim), tensor.SiLU)
	time := t.time2.Apply(b, x, tensor.None)
	mods := t.proj.Apply(b, b.Activate(time, tensor.SiLU), tensor.None)
	p.time, p.mods = b.Embed(time, ids), b.Embed(mods, ids)
}

// runsOf cuts timesteps into the longest equal runs, all of one length, and
// returns the values that occur and, for each run, which of them it has.
func runsOf(timesteps []float32) (distinct []float32, ids []int32) {
	run := len(timesteps)
	for i := 1; i < len(timesteps); i++ {
		if timesteps[i] != timesteps[i-1] {
			run = gcd(run, i)
		}
	}
	index := map[float32]int32{}
	for i := 0; i < len(timesteps); i += run {
		id, ok := index[timesteps[i]]
		if !ok {
			id = int32(len(distinct))
			index[timesteps[i]] = id
			distinct = append(distinct, timesteps[i])
		}
		ids = append(ids, id)
	}
	return distinct, ids
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// timePeriod is the ratio between the fastest and the slowest wave of a code.
const timePeriod = 10000

// timeCode writes the cosines, then the sines, of a timestep times frequencies
// in equal ratios (Vaswani 2017; Ho 2020). The steps are those of diffusers, in
// f32: a rounded frequency is off by more than the rest of the pass.
func timeCode(dst []float32, timestep float32) {
	half := len(dst) / 2
	for i := range half {
		exponent := float32(-math.Log(timePeriod)) * float32(i) / float32(half)
		a := float64(timestep * float32(math.Exp(float64(exponent))))
		dst[i], dst[half+i] = float32(math.Cos(a)), float32(math.Sin(a))
	}
}

// rotaryBase is the ratio between the fastest and the slowest rotation of an
// axis.
const rotaryBase = 10000

// rotations has the rotary positions [tokens, dim/2] of a grid of tokens (Su
// 2021). A third of the pairs of channels, rounded down, turn with the row and
// as many with the column; the others, which come first, turn with the frame.
func rotations(o tensor.Ops, dim int, grid [3]int) (cos, sin *tensor.Tensor) {
	side := dim / 6
	pairs := [3]int{dim/2 - 2*side, side, side}
	n, half := grid[0]*grid[1]*grid[2], dim/2
	cs, sn := make([]float32, n*half), make([]float32, n*half)
	at := 0
	for axis, count := range pairs {
		for i := range count {
			f := math.Pow(rotaryBase, -float64(i)/float64(count))
			c, s := make([]float32, grid[axis]), make([]float32, grid[axis])
			for p := range c {
				c[p], s[p] = float32(math.Cos(float64(p)*f)), float32(math.Sin(float64(p)*f))
			}
			for token := range n {
				place := [3]int{token / (grid[1] * grid[2]), token / grid[2] % grid[1], token % grid[2]}[axis]
				cs[token*half+at], sn[token*half+at] = c[place], s[place]
			}
			at++
		}
	}
	return o.Upload(cs, n, half), o.Upload(sn, n, half)
}
