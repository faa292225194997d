package lm

import (
	"context"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// decoder is the network: tokens to logits.
type decoder struct {
	Config
	params *nn.Params
	table  *tensor.Tensor // [Vocabulary, Width]
	blocks []block
	gain   *tensor.Tensor // of the last norm
	out    *tensor.Tensor // [Vocabulary, Width]

	frequencies []float32 // [HeadDim/2]
	attention   float32   // factor of cosines and sines
}

// newDecoder makes a decoder of weights in any of the layouts that are known. It
// refuses weights that lack a parameter of the configuration, have it in another
// shape, or have some that it has no use for.
func newDecoder(c Config, w nn.Listed) (*decoder, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r, err := nn.Rename(w, embedding, layouts)
	if err != nil {
		return nil, err
	}
	p := nn.InPlace(r)
	matrix := func(name string, rows, cols int) *tensor.Tensor {
		return p.New(name, 1, rows, cols).For(tensor.AsMatrix)
	}
	d := &decoder{Config: c, params: p, table: matrix(embedding, c.Vocabulary, c.Width)}
	for i := range c.Layers {
		d.blocks = append(d.blocks, newBlock(p, c, layer(i), matrix))
		if err := p.Err(); err != nil {
			return nil, err
		}
	}
	d.gain, d.out = p.Ones(lastNorm, c.Width), d.table
	if !c.Tied {
		d.out = matrix(head, c.Vocabulary, c.Width)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if left := r.Layout.Unused(w, p, func(name string) bool { return besides(r.Layout.Own(name)) }); len(left) > 0 {
		return nil, fmt.Errorf("the weights hold %d tensors that their configuration has no use for, such as %q: they are of another model", len(left), left[0])
	}
	p.Freeze()
	d.frequencies, d.attention = c.RoPE.frequencies(c.HeadDim), 1
	if c.RoPE.Scaling == "yarn" {
		d.attention = float32(c.RoPE.Attention)
	}
	return d, d.divide(w)
}

// divide divides the frequencies by the tensor in which llama.cpp keeps the scaling
// of llama3, if there is one.
func (d *decoder) divide(w nn.Listed) error {
	s, shape, err := w.Stored(divisorsName)
	if err != nil {
		return nil //nolint:nilerr // most files have none
	}
	if len(shape) != 1 || shape[0] != len(d.frequencies) {
		return fmt.Errorf("tensor %q has shape %v, must be [%d]", divisorsName, shape, len(d.frequencies))
	}
	by := make([]float32, shape[0])
	s.Widen(by, 0)
	for i, v := range by {
		if !(v > 0) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("tensor %q holds %g, must hold positive numbers", divisorsName, v)
		}
		d.frequencies[i] /= v
	}
	return nil
}

// block is a layer: attention and a gated feed-forward layer, each on the norm of
// what it is added to. Its matrices have no biases.
type block struct {
	attnGain, ffnGain *tensor.Tensor
	q, k, v, o        *tensor.Tensor
	qGain, kGain      *tensor.Tensor // nil without QKNorm
	gate, up, down    *tensor.Tensor
}

func newBlock(p *nn.Params, c Config, name string, matrix func(string, int, int) *tensor.Tensor) block {
	queries, keys := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	const attn, ffn = "self_attn.", "mlp."
	b := block{
		attnGain: p.Ones(name+"input_layernorm.weight", c.Width),
		q:        matrix(name+attn+"q_proj.weight", queries, c.Width),
		k:        matrix(name+attn+"k_proj.weight", keys, c.Width),
		v:        matrix(name+attn+"v_proj.weight", keys, c.Width),
		o:        matrix(name+attn+"o_proj.weight", c.Width, queries),
		ffnGain:  p.Ones(name+"post_attention_layernorm.weight", c.Width),
		gate:     matrix(name+ffn+"gate_proj.weight", c.Hidden, c.Width),
		up:       matrix(name+ffn+"up_proj.weight", c.Hidden, c.Width),
		down:     matrix(name+ffn+"down_proj.weight", c.Width, c.Hidden),
	}
	if c.QKNorm {
		b.qGain = p.Ones(name+attn+"q_norm.weight", c.HeadDim)
		b.kGain = p.Ones(name+attn+"k_norm.weight", c.HeadDim)
	}
	return b
}

// A run is tokens of one sequence, which follow those that its caches hold.
type run struct {
	caches []*tensor.Cache // one a layer
	ids    []int32
	// logits, if it is not nil, gets the logits after the last of the tokens, or
	// after each of them if it is that long.
	logits []float32
}

// newCaches returns what a sequence carries along.
func (d *decoder) newCaches(b tensor.Backend) []*tensor.Cache {
	out := make([]*tensor.Cache, d.Layers)
	for i := range out {
		out[i] = b.NewCache(d.KVHeads, d.HeadDim)
	}
	return out
}

// pass runs the tokens of all runs through the network together; a sequence does
// not see the others. After an error, caches may hold some of the tokens.
func (d *decoder) pass(ctx context.Context, b tensor.Backend, runs []run) (err error) {
	defer tensor.CatchFault(&err)
	defer b.Reset()
	var ids []int32
	var last []int32 // rows whose logits are wanted
	members := make([]tensor.CacheRun, len(runs))
	for i, r := range runs {
		members[i].Rows = len(r.ids)
		ids = append(ids, r.ids...)
		for n := len(r.logits) / d.Vocabulary; n > 0; n-- {
			last = append(last, int32(len(ids)-n))
		}
	}
	cos, sin := d.rotation(b, runs, len(ids))
	x := b.Embed(d.table, ids)
	for i := range d.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		for j, r := range runs {
			members[j].Cache = r.caches[i]
		}
		y := b.Scope(func() *tensor.Tensor { return d.blocks[i].apply(b, d.Config, x, cos, sin, members) })
		b.Free(x)
		x = y
	}
	if len(last) == 0 {
		return nil
	}
	if len(last) < len(ids) {
		x = b.Embed(x, last)
	}
	all := b.Linear(b.RMSNormEps(x, d.gain, float32(d.Eps)), d.out, nil, tensor.None)
	return d.deliver(b, all, runs)
}

// deliver gives each run its logits.
func (d *decoder) deliver(b tensor.Backend, all *tensor.Tensor, runs []run) error {
	at := 0
	for _, r := range runs {
		if n := len(r.logits) / d.Vocabulary; n == all.Dim(0) {
			b.Download(r.logits, all)
		} else if n > 0 {
			b.Download(r.logits, b.Narrow(all, 0, at, at+n))
			at += n
		}
	}
	return nil
}

// rotation has the cosines and sines of each row's position.
func (d *decoder) rotation(b tensor.Backend, runs []run, rows int) (cos, sin *tensor.Tensor) {
	half := d.HeadDim / 2
	c, s := make([]float32, rows*half), make([]float32, rows*half)
	at := 0
	for _, r := range runs {
		first := r.caches[0].Len
		for i := range r.ids {
			d.angles(c[at:at+half], s[at:at+half], first+i)
			at += half
		}
	}
	return b.Upload(c, rows, half), b.Upload(s, rows, half)
}

// apply runs the layer on x [rows, Width].
func (l *block) apply(b tensor.Backend, c Config, x, cos, sin *tensor.Tensor, runs []tensor.CacheRun) *tensor.Tensor {
	n, eps := x.Dim(0), float32(c.Eps)
	qkv := b.Linears(b.RMSNormEps(x, l.attnGain, eps), l.q, l.k, l.v)
	turned := func(x, gain *tensor.Tensor, heads int) *tensor.Tensor {
		x = x.Reshape(1, n, heads, c.HeadDim)
		if gain != nil {
			x = b.RMSNormEps(x, gain, eps)
		}
		if c.RoPE.Interleaved {
			x = b.RoPE(x, cos, sin)
		} else {
			x = b.RoPEHalves(x, cos, sin)
		}
		return x.Reshape(n, heads, c.HeadDim)
	}
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	q, k, v := turned(qkv[0], l.qGain, c.Heads), turned(qkv[1], l.kGain, c.KVHeads), qkv[2].Reshape(n, c.KVHeads, c.HeadDim)
	seen := b.CachedAttention(q, k, v, scale, runs...)
	x = b.LinearAdd(seen.Reshape(n, c.Heads*c.HeadDim), l.o, x)
	h := b.GatedLinear(b.RMSNormEps(x, l.ffnGain, eps), l.gate, l.up)
	return b.LinearAdd(h, l.down, x)
}
