package tensor

// Act is an activation function.
type Act uint8

// The activations.
const (
	None Act = iota // the identity
	ReLU            // max(x, 0)
	SiLU            // x·σ(x) (Elfwing 2017)
	GELU            // the tanh form (Hendrycks & Gimpel 2016)
)

// A Mask says which keys a query of softmax attention may see: query i of every
// batch entry sees keys Lo[i] <= j < Hi[i] (nil: all) with j < KeyLen[b] (nil:
// all).
type Mask struct {
	Lo, Hi []int32 // [Q]
	KeyLen []int32 // [B]
}

// A Segment says that the queries [Q0, Q1) of linear attention see the keys
// [K0, K1). Segments tile the queries in order.
type Segment struct{ Q0, Q1, K0, K1 int }

// Routes say which rows go to which experts. They belong to the backend that
// made them and hold its own handle.
type Routes struct {
	Rows    int // rows that are sent
	TopK    int // experts that each row is sent to
	Experts int
	Mem     any
}

// A Cache holds the keys and values of the tokens of one sequence, for one layer.
// It belongs to the backend that made it and holds its own handle. Len may be
// lowered, which forgets the tokens from there on.
type Cache struct {
	Heads, Dim int // of keys and of values
	Len        int // tokens
	Mem        any
}

// A CacheRun says that so many rows belong to a cache.
type CacheRun struct {
	Cache *Cache
	Rows  int
}

// Eps is the epsilon of every normalisation.
const Eps = 1e-6

// Ops is the set of operations a model may use. Each has a derivative.
//
// Results are new tensors, which live until the backend's next Reset; arguments
// are never changed. A bias, gain or past that is nil is left out. Shapes that
// do not fit are programming errors and panic.
type Ops interface {
	// Upload makes numbers available to the operations. data must not change
	// until the backend's next Reset.
	Upload(data []float32, shape ...int) *Tensor
	// Scope returns what f returns. It may free everything else that f
	// computed, which must not be used afterwards.
	Scope(f func() *Tensor) *Tensor

	// Linear: y[..., N] = act(x[..., K]·wᵀ + b), w [N, K], b [N].
	Linear(x, w, b *Tensor, act Act) *Tensor

	// Route sends each row of scores [R, E] to the k experts with the highest
	// score plus bias [E], which may be nil. Ties go to the lower index. It is
	// a discrete choice and has no derivative.
	Route(scores, bias *Tensor, k int) *Routes
	// Dispatch gathers the rows of x [R, C] by routes, grouped by expert
	// [R·TopK, C].
	Dispatch(x *Tensor, r *Routes) *Tensor
	// GroupedLinear multiplies each row of x [R·TopK, K], ordered as by
	// Dispatch, by the matrix of its expert in w [E, N, K] → [R·TopK, N].
	GroupedLinear(x, w *Tensor, r *Routes) *Tensor
	// Combine brings dispatched rows x [R·TopK, C] back: y [R, C] is the sum of
	// the outputs of a row's experts, each multiplied by its weight in weights
	// [R, E].
	Combine(x, weights *Tensor, r *Routes) *Tensor

	// Add, Sub and Mul work element by element on equal shapes.
	Add(x, y *Tensor) *Tensor
	Sub(x, y *Tensor) *Tensor
	Mul(x, y *Tensor) *Tensor
	// Scale: y = s·x.
	Scale(x *Tensor, s float32) *Tensor
	// AddRows: each row of r [R, C] is added to rows(x)/R consecutive rows of
	// x.
	AddRows(x, r *Tensor) *Tensor
	// Activate: y = act(x).
	Activate(x *Tensor, act Act) *Tensor
	// SwiGLU: x [..., 2H] → silu(x[:H])·x[H:] [..., H] (Shazeer 2020).
	SwiGLU(x *Tensor) *Tensor
	// Softmax over the last axis.
	Softmax(x *Tensor) *Tensor
	// RMSNorm over the last axis with gain g [C] (Zhang & Sennrich 2019).
	RMSNorm(x, g *Tensor) *Tensor
	// Modulate: x·(1+scale)+shift, each row of scale and shift [R, C] for
	// rows(x)/R consecutive rows of x (adaptive layer norm, Peebles & Xie
	// 2022).
	Modulate(x, scale, shift *Tensor) *Tensor
	// GatedAdd: x + gate·z, gate as in Modulate.
	GatedAdd(x, z, gate *Tensor) *Tensor

	// Conv: x [N, T, H, W, C], w [O, KT, KH, KW, C] → [N, T, H, W, O]; stride
	// 1, zero padding "same" in space, causal in time. past [N, KT-1, H, W, C]
	// holds the frames before x; it is a constant.
	Conv(x, w, b, past *Tensor, act Act) *Tensor
	// ConvPReLU is Conv with PReLU after it: values of channel o below zero are
	// multiplied by slope [O] (He 2015).
	ConvPReLU(x, w, b, slope, past *Tensor) *Tensor
	// Depthwise: the same as Conv with one filter a channel, w [KT, KH, KW, C].
	Depthwise(x, w, b, past *Tensor) *Tensor
	// Unshuffle moves patches of pt×ph×pw into channels:
	// [N, T·pt, H·ph, W·pw, C] → [N, T, H, W, pt·ph·pw·C].
	Unshuffle(x *Tensor, pt, ph, pw int) *Tensor
	// Shuffle is the inverse of Unshuffle.
	Shuffle(x *Tensor, pt, ph, pw int) *Tensor
	// AvgPool2 halves H and W of [N, T, H, W, C].
	AvgPool2(x *Tensor) *Tensor

	// Attention: softmax attention of q [B, Q, H, D] on k, v [B, K, H, D],
	// scaled by 1/√D.
	Attention(q, k, v *Tensor, m Mask) *Tensor
	// LinearAttention: rotated qr, kr in the numerator, plain q, k in the
	// denominator (Katharopoulos 2020; Xie 2024 for RoPE on the numerator).
	LinearAttention(q, k, qr, kr, v *Tensor, segs []Segment) *Tensor
	// RoPE rotates pairs of channels of x [B, N, H, D]; cos, sin [N, D/2]
	// (Su 2021).
	RoPE(x, cos, sin *Tensor) *Tensor

	// Concat joins along an axis; Narrow takes [lo, hi) of an axis.
	Concat(axis int, xs ...*Tensor) *Tensor
	Narrow(x *Tensor, axis, lo, hi int) *Tensor
	// Embed: rows of table [V, C] by id → [len(ids), C].
	Embed(table *Tensor, ids []int32) *Tensor
	// PoolRows: mean of the first lens[b] rows of x [B, L, C] → [B, C].
	PoolRows(x *Tensor, lens []int32) *Tensor
}

// Carried are the operations on the state that a stream carries from one piece
// of a video to the next. They have no derivative: training computes whole
// videos.
type Carried interface {
	// LinearState: the sums over all keys of k, kr, v [B, H, (D+1)·D], the
	// state that LinearAttentionOn takes.
	LinearState(k, kr, v *Tensor) *Tensor
	// LinearAttentionOn is LinearAttention with state added to every segment's
	// sums.
	LinearAttentionOn(state, q, k, qr, kr, v *Tensor, segs []Segment) *Tensor

	// NewCache returns an empty cache, to be given to FreeCache in the end.
	NewCache(heads, dim int) *Cache
	// CachedAttention is softmax attention of new tokens on those before them. x
	// [rows, H, D] are the queries of the runs, one run after another; k and v
	// [rows, G, D] are the keys and values of the same rows, which are appended to
	// the cache of their run. G divides H, and queries h·H/G to (h+1)·H/G - 1 see
	// head h of the keys (Ainslie 2023). A row sees all that its cache held before,
	// and the rows of its run up to itself → [rows, H, D]. No two runs share a
	// cache.
	CachedAttention(x, k, v *Tensor, scale float32, runs ...CacheRun) *Tensor
	// FreeCache gives the memory of a cache back.
	FreeCache(c *Cache)

	// Operand is LengthNorm(x, g, act), or Activate(x, act) where g is nil,
	// rounded to the backend's precision, in which it takes less memory. It is
	// for ConvFrames and ConvNearest2 alone.
	Operand(x, g *Tensor, act Act) *Tensor
	// ConvFrames is the convolution Conv of the last frame, after the ones before
	// it, oldest first: act(conv + b) + add. frames are at most KT tensors
	// [1, 1, H, W, C]; where there are fewer, zeros come before. add, which may be
	// nil, has the result's shape [1, 1, H, W, O].
	ConvFrames(w, b, add *Tensor, act Act, frames ...*Tensor) *Tensor
	// ConvNearest2 is Conv(Nearest2(x), w, b) + add for a frame x [1, 1, H, W, C]
	// and w [O, 1, 3, 3, C] → [1, 1, 2H, 2W, O]. Weights whose taps meet the same
	// pixel of x are added first.
	ConvNearest2(x, w, b, add *Tensor) *Tensor
}

// Inference is Ops with the operations that only released models need. These
// are not trained here, so the operations beyond Ops have no derivative.
type Inference interface {
	Ops

	// LinearUint8 is Linear without an activation, for a fixed w that is stored in I8
	// with a scale a row. Whatever the backend's precision, x is rounded to 256 steps
	// between its least and its largest number, of which 0 is between, and sums are
	// exact: what ONNX's DynamicQuantizeLinear and MatMulInteger compute.
	LinearUint8(x, w, b *Tensor) *Tensor
	// LayerNorm over the last axis: (x-mean)/sqrt(var+eps)·g + b, with gain g
	// [C] and bias b [C] (Ba 2016).
	LayerNorm(x, g, b *Tensor, eps float32) *Tensor
	// LayerNormModulate is LayerNorm without gain and bias, and then Modulate
	// by scale and shift.
	LayerNormModulate(x, scale, shift *Tensor, eps float32) *Tensor
	// RMSNormEps is RMSNorm with another epsilon than Eps.
	RMSNormEps(x, g *Tensor, eps float32) *Tensor
	// RoPEHalves rotates the channels i and i+D/2 of every head of x [B, N, H, D],
	// for i < D/2; cos, sin [N, D/2].
	RoPEHalves(x, cos, sin *Tensor) *Tensor
	// LinearAdd: y = x·wᵀ + add, for x [..., K], w [N, K], add [..., N].
	LinearAdd(x, w, add *Tensor) *Tensor
	// Linears is Linear of x with each of the weights, without biases.
	Linears(x *Tensor, ws ...*Tensor) []*Tensor
	// GatedLinear: y = silu(x·gateᵀ) ⊙ x·upᵀ, for x [..., K], gate and up [N, K]
	// (Shazeer 2020).
	GatedLinear(x, gate, up *Tensor) *Tensor
	// LengthNorm gives the rows of the last axis the Euclidean length √C:
	// act(x/max(‖x‖, 1e-12)·√C·g), with gain g [C].
	LengthNorm(x, g *Tensor, act Act) *Tensor
	// GELUErf: x·Φ(x), the GELU by the error function.
	GELUErf(x *Tensor) *Tensor
	// Tanh: y = tanh(x).
	Tanh(x *Tensor) *Tensor
	// Exp: y = e^x, at least 0 and infinite from 89 on.
	Exp(x *Tensor) *Tensor

	// SoftmaxAttention is Attention with a scale of the scores of its own. bias
	// [Q+K-1, H] depends on the distance of a key to its query: head h adds
	// bias[j-i+Q-1, h] to the scaled score of query i and key j (Raffel 2020).
	// The operands of both products are rounded to the backend's precision, if
	// its processor multiplies in that.
	SoftmaxAttention(q, k, v, bias *Tensor, scale float32, m Mask) *Tensor

	// ConvDown is a convolution of each frame with stride 2: x [N, T, H, W, C],
	// w [O, 1, K, K, C] → [N, T, H', W', O]. A frame has before rows and columns
	// of zeros before it and one after it, so H' = (H+1+before-K)/2 + 1, rounded
	// down.
	ConvDown(x, w, b *Tensor, before int, act Act) *Tensor
	// Nearest2 repeats each pixel of x [N, T, H, W, C] in a square of 2×2.
	Nearest2(x *Tensor) *Tensor
	// AvgDown and DupUp are the shortcuts of a residual autoencoder (Chen 2025,
	// "Deep Compression Autoencoder"). AvgDown takes the numbers of each
	// pt×ph×pw pixels, ordered [C, pt, ph, pw], and averages runs of them to out
	// channels: [N, T·pt, H·ph, W·pw, C] → [N, T, H, W, out]. DupUp repeats each
	// channel to fill its run: [N, T, H, W, C] → [N, T·pt, H·ph, W·pw, out].
	AvgDown(x *Tensor, out, pt, ph, pw int) *Tensor
	DupUp(x *Tensor, out, pt, ph, pw int) *Tensor
}

// A Backend computes. One goroutine uses it at a time. Only the backend sees
// its memory; Download is the only way out.
type Backend interface {
	Inference
	Carried

	// Precision is the type that the operands of products are rounded to.
	Precision() DType
	// Download copies the elements of t to dst, which has the same length.
	Download(dst []float32, t *Tensor)
	// Keep copies t to a tensor that outlives Reset and lasts until Free.
	Keep(t *Tensor) *Tensor
	// Retain makes a result last beyond Reset, until Free, without a copy. t must
	// not be used afterwards, only what Retain returns.
	Retain(t *Tensor) *Tensor
	// Free takes back the memory of t, which must not be used afterwards. t is
	// what Keep or Retain returned, or a result before the next Reset.
	Free(t *Tensor)
	// Reset takes back all results. They must not be used afterwards.
	Reset()
	// Ready makes the forms of fixed parameters that operations will need. It
	// may run while an operation does, to prepare the next ones.
	Ready(params ...*Tensor)
}

// Losses are what training minimises. They are no part of a model.
type Losses interface {
	// MSE: Σ_r w_r·mean_c (x-y)² / rows, w [rows] or nil for ones → [1].
	MSE(x, y, w *Tensor) *Tensor
	// L1: mean |x-y| → [1].
	L1(x, y *Tensor) *Tensor
	// MeanSquare: mean x² → [1].
	MeanSquare(x *Tensor) *Tensor
}

// Values downloads the elements of t.
func Values(b Backend, t *Tensor) []float32 {
	v := make([]float32, t.Len())
	b.Download(v, t)
	return v
}
