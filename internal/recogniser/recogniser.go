package recogniser

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Network reads frames of 128×80 pixels, four a second.
const (
	viewWidth   = 128
	viewHeight  = 80
	viewFPS     = 4
	viewPixels  = framePixels * 3 // values of a frame
	framePixels = viewWidth * viewHeight
	// minFrames is the length of the shortest video that is read, two seconds.
	// maxFrames is how much of a longer one is read, its first six seconds.
	minFrames = 8
	maxFrames = 24
)

// A Network reads the attributes of videos. It has two columns: one reads a few
// frames for appearance, the other reads all frames in pairs, at half the size,
// for motion. Learned queries, two per attribute, gather what they need from
// the positions of both (attention pooling, Lee 2019).
type Network struct {
	Params *nn.Params

	in32          nn.Linear // 4×4 pixels → 32, at 20×32
	look32        spatial
	in64, in128   nn.Linear // 2×2 positions → one
	look64        [2]spatial
	look128       [2]spatial
	lookPlace     *tensor.Tensor // [40, 128]
	lookK, lookV  nn.Linear
	pair          nn.Linear // two frames of 4×4 pixels → 48, at 10×16
	move48        spatial
	step48        temporal
	in96          nn.Linear
	move96        [2]spatial
	step96        [2]temporal
	movePlace     *tensor.Tensor // [40, 96]
	moveK, moveV  nn.Linear
	lookGain      *tensor.Tensor
	moveGain      *tensor.Tensor
	query         *tensor.Tensor // [2·NumAttributes, pool]
	mixIn, mixOut nn.Linear
	heads         [NumAttributes]nn.Linear
	outline       outliner
	classes       [NumAttributes]int // how many values of each attribute it knows: the first ones
}

const (
	pool      = 128 // width of queries, keys and values
	poolHeads = 4
	places    = 40 // of the coarsest grid, 5×8
)

// New returns an untrained network that can name all values.
func New(seed uint64) *Network {
	var all [NumAttributes]int
	for a := range NumAttributes {
		all[a] = len(a.Values())
	}
	return build(nn.NewParams(seed), all)
}

// build makes a network from the parameters of p, an empty set. The network can
// name the first classes[a] values of each attribute.
func build(p *nn.Params, classes [NumAttributes]int) *Network {
	r := &Network{
		Params:    p,
		classes:   classes,
		in32:      nn.NewLinear(p, "look.in32", 4*4*3, 32, 1),
		look32:    newSpatial(p, "look.32", 32),
		in64:      nn.NewLinear(p, "look.in64", 4*32, 64, 1),
		in128:     nn.NewLinear(p, "look.in128", 4*64, 128, 1),
		lookPlace: p.New("look.place", 0.3, places, 128),
		lookGain:  p.Ones("look.gain", 128),
		lookK:     nn.NewLinear(p, "look.k", 128, pool, 1),
		lookV:     nn.NewLinear(p, "look.v", 128, pool, 1),
		pair:      nn.NewLinear(p, "move.pair", 2*4*4*3, 48, 1),
		move48:    newSpatial(p, "move.48", 48),
		step48:    newTemporal(p, "move.48", 48),
		in96:      nn.NewLinear(p, "move.in96", 4*48, 96, 1),
		movePlace: p.New("move.place", 0.3, places, 96),
		moveGain:  p.Ones("move.gain", 96),
		moveK:     nn.NewLinear(p, "move.k", 96, pool, 1),
		moveV:     nn.NewLinear(p, "move.v", 96, pool, 1),
		query:     p.New("query", 1, 2*int(NumAttributes), pool),
		mixIn:     nn.NewLinear(p, "mix.in", 2*pool, 2*pool, 1),
		mixOut:    nn.NewLinear(p, "mix.out", pool, 2*pool, 1),
	}
	for i := range 2 {
		r.look64[i] = newSpatial(p, fmt.Sprintf("look.64.%d", i), 64)
		r.look128[i] = newSpatial(p, fmt.Sprintf("look.128.%d", i), 128)
		r.move96[i] = newSpatial(p, fmt.Sprintf("move.96.%d", i), 96)
		r.step96[i] = newTemporal(p, fmt.Sprintf("move.96.%d", i), 96)
	}
	for a := range NumAttributes {
		r.heads[a] = nn.NewLinear(p, "head."+a.String(), 2*pool, classes[a], 0.1)
	}
	r.outline = newOutliner(p)
	return r
}

// spatial is a residual block: norm, 3×3 convolution, pointwise layer.
type spatial struct {
	gain *tensor.Tensor
	conv nn.Conv
	out  nn.Linear
}

func newSpatial(p *nn.Params, name string, c int) spatial {
	return spatial{p.Ones(name+".gain", c), nn.NewConv(p, name+".conv", c, c, 1, 3, 3, 1.4), nn.NewLinear(p, name+".out", c, c, 0.5)}
}

func (b spatial) apply(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	return o.Add(x, b.out.Apply(o, b.conv.Apply(o, o.RMSNorm(x, b.gain), nil, tensor.SiLU), tensor.None))
}

// temporal is a residual block over three moments at one position.
type temporal struct {
	gain *tensor.Tensor
	conv nn.Conv
	out  nn.Linear
}

func newTemporal(p *nn.Params, name string, c int) temporal {
	name += ".time"
	return temporal{p.Ones(name+".gain", c), nn.NewConv(p, name+".conv", c, c, 3, 1, 1, 1.4), nn.NewLinear(p, name+".out", c, c, 0.5)}
}

func (b temporal) apply(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	return o.Add(x, b.out.Apply(o, b.conv.Apply(o, o.RMSNorm(x, b.gain), nil, tensor.SiLU), tensor.None))
}

// sights are the features of frames at three scales: [B, K, 20, 32, 32], [B, K, 10,
// 16, 64] and [B, K, 5, 8, 128].
type sights struct{ fine, middle, coarse *tensor.Tensor }

// look reads the appearance in frames x [B, K, 80, 128, 3].
func (r *Network) look(o tensor.Ops, x *tensor.Tensor) sights {
	fine := r.look32.apply(o, r.in32.Apply(o, o.Unshuffle(x, 1, 4, 4), tensor.None))
	middle := r.in64.Apply(o, o.Unshuffle(fine, 1, 2, 2), tensor.None)
	for _, b := range r.look64 {
		middle = b.apply(o, middle)
	}
	coarse := r.in128.Apply(o, o.Unshuffle(middle, 1, 2, 2), tensor.None)
	for _, b := range r.look128 {
		coarse = b.apply(o, coarse)
	}
	return sights{fine, middle, coarse}
}

// move reads the motion in frames x [B, T, 40, 64, 3], T even: [B, T/2·40, 96].
func (r *Network) move(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	h := r.pair.Apply(o, o.Unshuffle(x, 2, 4, 4), tensor.None)
	h = r.step48.apply(o, r.move48.apply(o, h))
	h = r.in96.Apply(o, o.Unshuffle(h, 1, 2, 2), tensor.None)
	for i := range r.move96 {
		h = r.step96[i].apply(o, r.move96[i].apply(o, h))
	}
	return atPlaces(o, h, r.moveGain, r.movePlace)
}

// atPlaces normalises x [B, T, 5, 8, C] and adds the code of each position: [B,
// T·40, C].
func atPlaces(o tensor.Ops, x, gain, place *tensor.Tensor) *tensor.Tensor {
	b, t, c := x.Dim(0), x.Dim(1), x.Dim(4)
	rows := make([]int32, b*t*places)
	for i := range rows {
		rows[i] = int32(i % places)
	}
	h := o.Add(o.RMSNorm(x, gain).Reshape(b*t*places, c), o.Embed(place, rows))
	return h.Reshape(b, t*places, c)
}

// sight is a batch of videos as the network takes them, in [-1, 1]: some frames
// at full size [B, K, 80, 128, 3], and all of them at half the size [B, T, 40,
// 64, 3], T even.
type sight struct {
	videos, frames, keys int // B, T, K
	full, half           []float32
}

// newSight has room for b videos of t frames, k of them at full size.
func newSight(b, t, k int) sight {
	return sight{b, t, k, make([]float32, b*k*viewPixels), make([]float32, b*t*viewPixels/4)}
}

// put writes frame j of video i, x [80, 128, 3]; if j is one of keys, also at
// full size.
func (s sight) put(i, j int, x []float32, keys []int) {
	halve(s.half[(i*s.frames+j)*viewPixels/4:][:viewPixels/4], x)
	for k, key := range keys {
		if key == j {
			copy(s.full[(i*len(keys)+k)*viewPixels:][:viewPixels], x)
		}
	}
}

// halve averages squares of 2×2 pixels of x [80, 128, 3].
func halve(dst, x []float32) {
	const row = viewWidth * 3
	for y := range viewHeight / 2 {
		a, b, out := x[2*y*row:][:row], x[(2*y+1)*row:][:row], dst[y*row/2:][:row/2]
		for i := range viewWidth / 2 {
			for c := range 3 {
				out[3*i+c] = (a[6*i+c] + a[6*i+3+c] + b[6*i+c] + b[6*i+3+c]) / 4
			}
		}
	}
}

// forward returns the logits of videos: of all attributes side by side, and then of
// the pixels of the frames at full size, positive where an actor is seen [B, sum of
// classes + K·80·128].
func (r *Network) forward(o tensor.Ops, s sight) *tensor.Tensor {
	b := s.videos
	seen := r.look(o, o.Upload(s.full, b, s.keys, viewHeight, viewWidth, 3))
	look := atPlaces(o, seen.coarse, r.lookGain, r.lookPlace)
	move := r.move(o, o.Upload(s.half, b, s.frames, viewHeight/2, viewWidth/2, 3))
	k := o.Concat(1, r.lookK.Apply(o, look, tensor.None), r.moveK.Apply(o, move, tensor.None))
	v := o.Concat(1, r.lookV.Apply(o, look, tensor.None), r.moveV.Apply(o, move, tensor.None))

	const n = 2 * int(NumAttributes)
	ids := make([]int32, b*n)
	for i := range ids {
		ids[i] = int32(i % n)
	}
	heads := func(x *tensor.Tensor, n int) *tensor.Tensor { return x.Reshape(b, n, poolHeads, pool/poolHeads) }
	q := o.Embed(r.query, ids)
	h := o.Attention(heads(q, n), heads(k, k.Dim(1)), heads(v, v.Dim(1)), tensor.Mask{}).Reshape(b, int(NumAttributes), 2*pool)
	h = o.RMSNorm(h, nil)
	h = o.Add(h, r.mixOut.Apply(o, o.SwiGLU(r.mixIn.Apply(o, h, tensor.None)), tensor.None))
	logits := make([]*tensor.Tensor, NumAttributes+1)
	for a := range NumAttributes {
		logits[a] = r.heads[a].Apply(o, o.Narrow(h, 1, int(a), int(a)+1).Reshape(b, 2*pool), tensor.None)
	}
	logits[NumAttributes] = r.outline.forward(o, seen).Reshape(b, s.keys*framePixels)
	return o.Concat(1, logits...)
}

// spread returns the indices of k frames out of t, evenly spaced.
func spread(t, k int) []int {
	k = min(k, t)
	out := make([]int, k)
	for i := range out {
		out[i] = (2*i + 1) * t / (2 * k)
	}
	return out
}
