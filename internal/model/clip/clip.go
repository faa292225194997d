// Package clip is the image encoder of CLIP (Radford et al. 2021,
// arXiv:2103.00020), a vision transformer. Wan 2.1 attends to what it says of the
// first frame, and of the last one, of a video.
//
// It computes with released weights where they lie, layer by layer if they are
// larger than memory. It has no text encoder and never trains.
package clip

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// channels are those of an image.
const channels = 3

// An Encoder is an open model. One goroutine uses it at a time.
type Encoder struct {
	Config Config
	Params *nn.Params
	// Layers are the layers as parts of the model: all stay in memory once they
	// have run, unless Stay says otherwise.
	Layers *nn.Parts

	patch      *tensor.Tensor // [Width, Patch·Patch·3]
	class      *tensor.Tensor // [Width]
	places     *tensor.Tensor // [Rows, Width]
	gain, bias *tensor.Tensor // of the norm before the first layer
	blocks     []block
}

const patchWeight = "embeddings.patch_embedding.weight"

// layouts are the ways in which files name an encoder's parameters.
var layouts = []*nn.Layout{
	{Title: "transformers", Prefix: "vision_model."},
	{Title: "transformers 5"},
}

// weights are stored weights with the first convolution as the matrix that
// patches are multiplied by.
type weights struct {
	*nn.Renamed
	config Config
}

// Stored implements nn.Weights.
func (w weights) Stored(own string) (tensor.Stored, []int, error) {
	s, shape, err := w.Renamed.Stored(own)
	if own != patchWeight || err != nil {
		return s, shape, err
	}
	if s, shape, err = nn.ChannelsLast(s, shape, 1); err != nil {
		return s, nil, fmt.Errorf("parameter %q: %w", own, err)
	}
	if c := w.config; shape[1] != 1 || shape[2] != c.Patch || shape[3] != c.Patch || shape[4] != channels {
		return s, nil, fmt.Errorf("parameter %q has filters of %d×%d over %d channels, its configuration has patches of %d pixels: the file is damaged or of another model", own, shape[2], shape[3], shape[4], c.Patch)
	}
	return s, []int{shape[0], tensor.Elems(shape[1:])}, nil
}

// Open makes an encoder of weights as transformers names them. It refuses
// weights that lack a parameter of the configuration, have it in another shape,
// or, if they are nn.Listed, have more layers than it.
func Open(c Config, w nn.Weights) (*Encoder, error) {
	fail := func(err error) (*Encoder, error) { return nil, fmt.Errorf("the image encoder: %w", err) }
	if err := c.check(); err != nil {
		return fail(err)
	}
	r, err := nn.Rename(w, "embeddings.class_embedding", layouts)
	if err != nil {
		return fail(err)
	}
	p := nn.InPlace(weights{r, c})
	e := &Encoder{
		Config: c, Params: p,
		patch:  p.New(patchWeight, 1, c.Width, c.Patch*c.Patch*channels).For(tensor.AsMatrix),
		class:  p.New("embeddings.class_embedding", 1, c.Width),
		places: p.New("embeddings.position_embedding.weight", 1, c.Rows(), c.Width),
		gain:   p.Ones("pre_layrnorm.weight", c.Width), bias: p.New("pre_layrnorm.bias", 0, c.Width),
	}
	var names []string
	for i := range c.Layers - 1 {
		names = append(names, layer(i))
		e.blocks = append(e.blocks, newBlock(p, c, layer(i)))
	}
	if err := p.Err(); err != nil {
		return fail(err)
	}
	if all, ok := w.(nn.Listed); ok {
		if left := r.Layout.Unused(all, p, func(name string) bool { return besides(c, name) }); len(left) > 0 {
			return fail(fmt.Errorf("the weights hold %d tensors that its configuration has no use for, such as %q: they are of another model", len(left), left[0]))
		}
	}
	p.Freeze()
	e.Layers = nn.NewParts(p, names...)
	return e, nil
}

// layer is what the names of layer i begin with.
func layer(i int) string { return fmt.Sprintf("encoder.layers.%d.", i) }

// besides accepts what a file may hold beside the parameters: what comes after
// the last layer but one, whose result is used, and the numbers of the places.
func besides(c Config, name string) bool {
	for _, prefix := range []string{layer(c.Layers - 1), "post_layernorm.", "visual_projection.", "embeddings.position_ids"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// block is a layer: attention and a feed-forward layer, each on the norm of what
// it is added to.
type block struct {
	heads                      int
	eps                        float32
	gain1, bias1, gain2, bias2 *tensor.Tensor
	q, k, v, o, up, down       nn.Linear
}

func newBlock(p *nn.Params, c Config, name string) block {
	linear := func(part string, in, out int) nn.Linear { return nn.NewLinear(p, name+part, in, out, 1) }
	w := c.Width
	return block{
		heads: c.Heads, eps: c.Eps,
		gain1: p.Ones(name+"layer_norm1.weight", w), bias1: p.New(name+"layer_norm1.bias", 0, w),
		q: linear("self_attn.q_proj", w, w), k: linear("self_attn.k_proj", w, w),
		v: linear("self_attn.v_proj", w, w), o: linear("self_attn.out_proj", w, w),
		gain2: p.Ones(name+"layer_norm2.weight", w), bias2: p.New(name+"layer_norm2.bias", 0, w),
		up: linear("mlp.fc1", w, c.Hidden), down: linear("mlp.fc2", c.Hidden, w),
	}
}

// Encode returns the vectors [N·Rows, Width] of N images, one after another, as
// the last layer but one gives them: what Wan 2.1 was trained with. images are
// those that Pixels returns. The result lives until b's next Reset.
func (e *Encoder) Encode(ctx context.Context, b tensor.Backend, images ...[]float32) (x *tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	c, n := e.Config, len(images)
	var pixels []float32
	for _, image := range images {
		if len(image) != c.Size*c.Size*channels {
			return nil, fmt.Errorf("the image encoder was given %d numbers for an image, must be those of %d×%d pixels", len(image), c.Size, c.Size)
		}
		pixels = append(pixels, image...)
	}
	if n == 0 {
		return nil, fmt.Errorf("the image encoder was given no image")
	}
	x = b.Scope(func() *tensor.Tensor { return e.embed(b, b.Upload(pixels, n, 1, c.Size, c.Size, channels)) })
	err = e.Layers.Run(ctx, b, 0, len(e.blocks), func(i int) {
		y := b.Scope(func() *tensor.Tensor { return e.blocks[i].apply(b, x) })
		b.Free(x)
		x = y
	})
	if err != nil {
		return nil, fmt.Errorf("the image encoder: %w", err)
	}
	return x.Reshape(n*c.Rows(), c.Width), nil
}

// embed turns images x [N, 1, Size, Size, 3] into vectors [N, Rows, Width].
func (e *Encoder) embed(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	c, n := e.Config, x.Dim(0)
	if side := c.side() * c.Patch; side < c.Size {
		x = o.Narrow(o.Narrow(x, 2, 0, side), 3, 0, side)
	}
	patches := o.Linear(o.Unshuffle(x, 1, c.Patch, c.Patch), e.patch, nil, tensor.None).Reshape(n, c.Rows()-1, c.Width)
	// An image of n has the rows of the table in turn: its own, then its patches'.
	var whole, places []*tensor.Tensor
	for range n {
		whole = append(whole, e.class.Reshape(1, 1, c.Width))
		places = append(places, e.places.Reshape(1, c.Rows(), c.Width))
	}
	x = o.Concat(1, o.Concat(0, whole...), patches)
	return o.LayerNorm(o.Add(x, o.Concat(0, places...)), e.gain, e.bias, c.Eps)
}

// apply runs the layer on x [N, Rows, Width].
func (l *block) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	w := x.Dim(2)
	heads := func(p nn.Linear, h *tensor.Tensor) *tensor.Tensor {
		return p.Apply(o, h, tensor.None).Reshape(x.Dim(0), x.Dim(1), l.heads, w/l.heads)
	}
	x = o.Add(x, o.Scope(func() *tensor.Tensor {
		h := o.LayerNorm(x, l.gain1, l.bias1, l.eps)
		scale := float32(1 / math.Sqrt(float64(w/l.heads)))
		y := o.SoftmaxAttention(heads(l.q, h), heads(l.k, h), heads(l.v, h), nil, scale, tensor.Mask{})
		return l.o.Apply(o, y.Reshape(x.Shape...), tensor.None)
	}))
	return o.Add(x, o.Scope(func() *tensor.Tensor {
		h := l.up.Apply(o, o.LayerNorm(x, l.gain2, l.bias2, l.eps), tensor.None)
		return l.down.Apply(o, o.GELUErf(h), tensor.None)
	}))
}
