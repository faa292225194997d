package tensor

import (
	"github.com/kinora-video/kinora/internal/kernel/attn"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// Act is an activation function.
type Act = gemm.Act

// The activations.
const (
	None = gemm.None
	ReLU = gemm.ReLU
	SiLU = gemm.SiLU
	GELU = gemm.GELU
)

// Mask says which keys a query of softmax attention may see.
type Mask = attn.Mask

// Segment is a run of queries of linear attention and the keys it may see.
type Segment = attn.Segment

// Eps is the epsilon of every normalisation.
const Eps = 1e-6

// Ops is the set of operations a model may use. Results are new tensors;
// arguments are never changed. A nil bias, gain or past is left out. Shapes
// that do not fit are programming errors and panic.
type Ops interface {
	// Linear: y[..., N] = act(x[..., K]·wᵀ + b), w [N, K], b [N].
	Linear(x, w, b *Tensor, act Act) *Tensor
	// GroupedLinear: rows offsets[e] ≤ r < offsets[e+1] of x [R, K] are
	// multiplied by expert e of w [E, N, K]; y [R, N].
	GroupedLinear(x, w *Tensor, offsets []int) *Tensor
	// GatherRows: y[i] = x[rows[i]], x [R, C].
	GatherRows(x *Tensor, rows []int32) *Tensor
	// Combine: y[rows[i]] += weights[rows[i], cols[i]] · x[i] into n rows of
	// zeros; x [len(rows), C], weights [n, E].
	Combine(x, weights *Tensor, rows, cols []int32, n int) *Tensor

	// Add, Sub and Mul work element by element on equal shapes.
	Add(x, y *Tensor) *Tensor
	Sub(x, y *Tensor) *Tensor
	Mul(x, y *Tensor) *Tensor
	// Scale: y = s·x.
	Scale(x *Tensor, s float32) *Tensor
	// AddRows: each row of r [R, C] is added to the next rows(x)/R rows of x.
	AddRows(x, r *Tensor) *Tensor
	// Activate: y = act(x).
	Activate(x *Tensor, act Act) *Tensor
	// SwiGLU: x [..., 2H] → silu(x[:H])·x[H:] [..., H] (Shazeer 2020).
	SwiGLU(x *Tensor) *Tensor
	// Softmax over the last axis.
	Softmax(x *Tensor) *Tensor
	// RMSNorm over the last axis with gain g [C] (Zhang & Sennrich 2019).
	RMSNorm(x, g *Tensor) *Tensor
	// Modulate: x·(1+scale)+shift, each row of scale and shift [R, C] for the
	// next rows(x)/R rows of x (adaptive layer norm, Peebles & Xie 2022).
	Modulate(x, scale, shift *Tensor) *Tensor
	// GatedAdd: x + gate·z, gate as in Modulate.
	GatedAdd(x, z, gate *Tensor) *Tensor

	// Conv: x [N, T, H, W, C], w [O, KT, KH, KW, C] → [N, T, H, W, O]; stride 1,
	// zero padding "same" in space, causal in time. past [N, KT-1, H, W, C]
	// are the frames before x.
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
	// state [B, H, (D+1)·D] is added to every segment's sums.
	LinearAttention(q, k, qr, kr, v, state *Tensor, segs []Segment) *Tensor
	// LinearState: the sums over all keys of k, kr, v that LinearAttention
	// takes as its state.
	LinearState(k, kr, v *Tensor) *Tensor
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

	// MSE: Σ_r w_r·mean_c (x-y)² / rows, w [rows] or nil for ones → [1].
	MSE(x, y, w *Tensor) *Tensor
	// L1: mean |x-y| → [1].
	L1(x, y *Tensor) *Tensor
	// MeanSquare: mean x² → [1].
	MeanSquare(x *Tensor) *Tensor
}
