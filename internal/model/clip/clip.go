// Package clip is the picture half of CLIP (Radford et al. 2021, arXiv:2103.00020),
// a vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929): it tells Wan 2.1
// what the picture shows that a video begins with.
//
// It computes with released weights where they lie, layer by layer if they are
// larger than memory. It never trains, and has no text half.
package clip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Config is the shape of an encoder, named as in transformers' config.json.
type Config struct {
	Width  int     `json:"hidden_size"`
	Hidden int     `json:"intermediate_size"`
	Layers int     `json:"num_hidden_layers"`
	Heads  int     `json:"num_attention_heads"`
	Side   int     `json:"image_size"` // of the picture, in pixels
	Patch  int     `json:"patch_size"`
	Eps    float32 `json:"layer_norm_eps"`
	Act    string  `json:"hidden_act"`
}

// maxConfig is the largest config.json that is read, in bytes.
const maxConfig = 1 << 20

// ViTH is the encoder of every Wan 2.1 that takes one, ViT-H/14.
func ViTH() Config {
	return Config{Width: 1280, Hidden: 5120, Layers: 32, Heads: 16, Side: 224, Patch: 14, Eps: 1e-5, Act: "gelu"}
}

// ParseConfig reads the config.json of a CLIPVisionModel, and refuses what the
// encoder cannot compute.
func ParseConfig(data []byte) (Config, error) {
	fail := func(err error) (Config, error) {
		return Config{}, fmt.Errorf("the image encoder's configuration: %w", err)
	}
	if len(data) > maxConfig {
		return fail(fmt.Errorf("%d bytes are too many, at most %d are read", len(data), maxConfig))
	}
	var c Config
	var more struct {
		Type string `json:"model_type"`
	}
	if err := errors.Join(json.Unmarshal(data, &c), json.Unmarshal(data, &more)); err != nil {
		return fail(fmt.Errorf("it is not a config.json of a model: %w", err))
	}
	if more.Type != "clip_vision_model" {
		return fail(fmt.Errorf("model_type is %.40q, must be clip_vision_model", more.Type))
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	return c, nil
}

// Limits of a configuration, well above those of the largest model there is.
const (
	maxWidth  = 1 << 13
	maxHidden = 1 << 16
	maxLayers = 128
	maxHeads  = 128
	maxSide   = 1024
)

func (c Config) check() error {
	for _, l := range []struct {
		name      string
		v, lo, hi int
	}{
		{"hidden_size", c.Width, 1, maxWidth}, {"intermediate_size", c.Hidden, 1, maxHidden},
		{"num_hidden_layers", c.Layers, 2, maxLayers}, {"num_attention_heads", c.Heads, 1, maxHeads},
		{"image_size", c.Side, 1, maxSide}, {"patch_size", c.Patch, 1, maxSide},
	} {
		if l.v < l.lo || l.v > l.hi {
			return fmt.Errorf("%s is %d, must be %d to %d", l.name, l.v, l.lo, l.hi)
		}
	}
	switch {
	case c.Width%c.Heads != 0 || c.Side%c.Patch != 0:
		return fmt.Errorf("hidden_size %d and image_size %d must be multiples of %d heads and of patches of %d", c.Width, c.Side, c.Heads, c.Patch)
	case c.Act != "gelu":
		return fmt.Errorf("hidden_act is %.40q, must be gelu", c.Act)
	case !(c.Eps > 0 && c.Eps < 1):
		return fmt.Errorf("layer_norm_eps is %g, must be between 0 and 1", c.Eps)
	}
	return nil
}

// Rows is how many vectors a picture becomes: one for each patch, and one before
// them for all.
func (c Config) Rows() int { return 1 + (c.Side/c.Patch)*(c.Side/c.Patch) }

// An Encoder is an open model. One goroutine uses it at a time.
type Encoder struct {
	Config Config
	Params *nn.Params
	// Layers are the layers as parts of the model, but for the last one, which is not
	// used. All stay in memory once they have run, unless Stay says otherwise.
	Layers *nn.Parts

	patch        *tensor.Tensor // [Width, 3·Patch·Patch]
	class, place *tensor.Tensor // [Width], [Rows, Width]
	gain, bias   *tensor.Tensor // of the first norm
	blocks       []block
}

// layouts are the ways in which files name an encoder's parameters.
var layouts = []*nn.Layout{
	{Title: "transformers"},
	{Title: "transformers before version 5", Prefix: "vision_model."},
}

// layer is what the names of layer i begin with.
func layer(i int) string { return fmt.Sprintf("encoder.layers.%d.", i) }

// Open makes an encoder of weights under transformers' names. It refuses weights
// that lack a parameter of the configuration, or have it in another shape.
func Open(c Config, w nn.Weights) (*Encoder, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("the image encoder's configuration: %w", err)
	}
	r, err := nn.Rename(w, className, layouts)
	if err != nil {
		return nil, fmt.Errorf("the image encoder: %w", err)
	}
	p := nn.InPlace(flat{r, c})
	e := &Encoder{
		Config: c, Params: p,
		patch: p.New(patchName, 1, c.Width, 3*c.Patch*c.Patch).For(tensor.AsMatrix),
		class: p.New(className, 1, c.Width),
		place: p.New("embeddings.position_embedding.weight", 1, c.Rows(), c.Width),
		gain:  p.Ones("pre_layrnorm.weight", c.Width), bias: p.New("pre_layrnorm.bias", 0, c.Width),
	}
	var names []string
	for i := range c.Layers - 1 {
		e.blocks = append(e.blocks, newBlock(p, c, layer(i)))
		names = append(names, layer(i))
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("the image encoder: %w", err)
	}
	p.Freeze()
	e.Layers = nn.NewParts(p, names...)
	return e, nil
}

const (
	className = "embeddings.class_embedding"
	patchName = "embeddings.patch_embedding.weight"
)

// flat are weights with the filters of patches as a matrix.
type flat struct {
	nn.Weights
	c Config
}

// Stored implements nn.Weights.
func (w flat) Stored(name string) (tensor.Stored, []int, error) {
	s, shape, err := w.Weights.Stored(name)
	if n := 3 * w.c.Patch * w.c.Patch; err == nil && name == patchName && len(shape) == 4 && tensor.Elems(shape) == w.c.Width*n {
		shape = []int{w.c.Width, n}
	}
	return s, shape, err
}

// block is a layer: attention and a feed-forward layer, each on the norm of what it
// is added to.
type block struct {
	heads                      int
	eps                        float32
	gain1, bias1, gain2, bias2 *tensor.Tensor
	q, k, v, o, up, down       nn.Linear
}

func newBlock(p *nn.Params, c Config, name string) block {
	linear := func(part string, in, out int) nn.Linear { return nn.NewLinear(p, name+part, in, out, 1) }
	return block{
		heads: c.Heads, eps: c.Eps,
		gain1: p.Ones(name+"layer_norm1.weight", c.Width), bias1: p.New(name+"layer_norm1.bias", 0, c.Width),
		q: linear("self_attn.q_proj", c.Width, c.Width), k: linear("self_attn.k_proj", c.Width, c.Width),
		v: linear("self_attn.v_proj", c.Width, c.Width), o: linear("self_attn.out_proj", c.Width, c.Width),
		gain2: p.Ones(name+"layer_norm2.weight", c.Width), bias2: p.New(name+"layer_norm2.bias", 0, c.Width),
		up: linear("mlp.fc1", c.Width, c.Hidden), down: linear("mlp.fc2", c.Hidden, c.Width),
	}
}

// apply runs the layer on x [pictures, rows, Width].
func (l *block) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	x = o.Add(x, o.Scope(func() *tensor.Tensor {
		h := o.LayerNorm(x, l.gain1, l.bias1, l.eps)
		split := func(y *tensor.Tensor) *tensor.Tensor {
			return y.Reshape(x.Dim(0), x.Dim(1), l.heads, x.Dim(2)/l.heads)
		}
		scale := float32(1 / math.Sqrt(float64(x.Dim(2)/l.heads)))
		y := o.SoftmaxAttention(split(l.q.Apply(o, h, tensor.None)), split(l.k.Apply(o, h, tensor.None)), split(l.v.Apply(o, h, tensor.None)), nil, scale, tensor.Mask{})
		return l.o.Apply(o, y.Reshape(x.Shape...), tensor.None)
	}))
	return o.Add(x, o.Scope(func() *tensor.Tensor {
		h := l.up.Apply(o, o.LayerNorm(x, l.gain2, l.bias2, l.eps), tensor.None)
		return l.down.Apply(o, o.GELUErf(h), tensor.None)
	}))
}

// Encode returns the vectors of pictures, [pictures·Rows, Width], as the last layer
// but one gives them; they live until b's next Reset. Each picture is what Prepare
// makes of it.
func (e *Encoder) Encode(ctx context.Context, b tensor.Backend, pictures ...[]float32) (y *tensor.Tensor, err error) {
	defer tensor.CatchFault(&err)
	c := e.Config
	patches := c.Rows() - 1
	var x *tensor.Tensor
	for i, p := range pictures {
		if len(p) != 3*c.Side*c.Side {
			return nil, fmt.Errorf("the image encoder: picture %d has %d numbers, must have 3·%d·%d", i+1, len(p), c.Side, c.Side)
		}
		one := b.Scope(func() *tensor.Tensor {
			rows := b.Linear(b.Upload(c.patches(p), patches, 3*c.Patch*c.Patch), e.patch, nil, tensor.None)
			rows = b.Concat(0, b.Upload(e.class.Values(), 1, c.Width), rows)
			rows = b.Add(rows, b.Upload(e.place.Values(), c.Rows(), c.Width))
			return b.LayerNorm(rows, e.gain, e.bias, c.Eps)
		}).Reshape(1, c.Rows(), c.Width)
		if x == nil {
			x = one
		} else {
			x = b.Concat(0, x, one)
		}
	}
	if x == nil {
		return nil, errors.New("the image encoder was given no picture")
	}
	err = e.Layers.Run(ctx, b, 0, len(e.blocks), func(i int) {
		y := b.Scope(func() *tensor.Tensor { return e.blocks[i].apply(b, x) })
		b.Free(x)
		x = y
	})
	if err != nil {
		return nil, fmt.Errorf("the image encoder: %w", err)
	}
	return x.Reshape(len(pictures)*c.Rows(), c.Width), nil
}

// patches cuts a picture [3, Side, Side] into patches [n, 3·Patch·Patch], colours
// first, as the filters are.
func (c Config) patches(picture []float32) []float32 {
	n := c.Side / c.Patch
	out := make([]float32, 0, len(picture))
	for y := range n {
		for x := range n {
			for colour := range 3 {
				for row := range c.Patch {
					at := (colour*c.Side+y*c.Patch+row)*c.Side + x*c.Patch
					out = append(out, picture[at:at+c.Patch]...)
				}
			}
		}
	}
	return out
}
