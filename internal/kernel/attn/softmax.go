package attn

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

const (
	queryTile = 32  // queries whose scores are held at once
	keyTile   = 256 // keys whose scores are held at once
	// queryBlock is the number of queries in a task if there are few heads. Packing the keys costs each task as
	// much as a few queries.
	queryBlock = 256
)

var negInf = float32(math.Inf(-1))

// head is what one task needs of its batch entry and head.
type head struct {
	s      Shape
	m      Mask
	b, h   int
	stride int // between rows of one head: H*D
}

// row returns the offset of row i of a tensor [B, n, H, D].
func (t head) row(n, i int) int { return ((t.b*n+i)*t.s.H + t.h) * t.s.D }

// Softmax computes out = softmax(scale * q·kᵀ)·v for every head over the keys that the mask lets each query see.
// lse [B, H, Q], unless nil, receives the logarithms of the sums of exponentials, for the gradient. A query that
// sees no key gives zeros and an lse of -Inf.
func Softmax(out, lse, q, k, v []float32, scale float32, s Shape, m Mask) {
	check.Len("attn.Softmax", "out", out, s.B*s.Q*s.H*s.D)
	check.Len("attn.Softmax", "q", q, s.B*s.Q*s.H*s.D)
	check.Len("attn.Softmax", "k", k, s.B*s.K*s.H*s.D)
	check.Len("attn.Softmax", "v", v, s.B*s.K*s.H*s.D)
	check.LenOrNil("attn.Softmax", "lse", lse, s.B*s.H*s.Q)
	m.check("Softmax", s)
	block := queryBlock
	if s.B*s.H >= 64 {
		block = max(s.Q, 1)
	}
	blocks := (s.Q + block - 1) / block
	simd.For(s.B*s.H*blocks, 1, func(first, last int) {
		for i := first; i < last; i++ {
			bh, i0 := i/blocks, i%blocks*block
			t := head{s: s, m: m, b: bh / s.H, h: bh % s.H, stride: s.H * s.D}
			var l []float32
			if lse != nil {
				l = lse[bh*s.Q : (bh+1)*s.Q]
			}
			t.forward(out, l, q, k, v, scale, i0, min(i0+block, s.Q))
		}
	})
}

// forward computes the queries [i0, i1) of one head.
func (t head) forward(out, lse, q, k, v []float32, scale float32, i0, i1 int) {
	s, d := t.s, t.s.D
	lo, hi := t.m.span(s, t.b, i0, i1)
	n := hi - lo
	mem := pool.Get().(*scratch)
	defer mem.release()
	np := padded(n)
	kt, vs := mem.take(d*np), mem.take(n*d)
	if n > 0 {
		vec.Transpose(kt, np, k[t.row(s.K, lo):], t.stride, n, d)
		gather(vs, v[t.row(s.K, lo):], n, t.stride, d)
	}
	f := flash{
		d: d, scores: mem.take(queryTile * keyTile), acc: mem.take(queryTile * d),
		top: mem.take(queryTile), sum: mem.take(queryTile),
	}
	qs := mem.take(queryTile * d)
	for at := i0; at < i1; at += queryTile {
		rows := min(queryTile, i1-at)
		for r := range rows {
			vec.Scale(qs[r*d:(r+1)*d], q[t.row(s.Q, at+r):][:d], scale)
		}
		f.reset(rows)
		tl, th := t.m.span(s, t.b, at, at+rows)
		for j := tl; j < th; j += keyTile {
			cols := min(keyTile, th-j)
			vec.MatMul(rows, cols, d, qs, d, 1, kt[j-lo:], np, f.scores, keyTile, false)
			for r := range rows {
				a, b := t.m.keys(s, t.b, at+r)
				f.row(r, min(max(a-j, 0), cols), min(max(b-j, 0), cols), cols)
			}
			vec.MatMul(rows, d, cols, f.scores, keyTile, 1, vs[(j-lo)*d:], d, f.acc, d, true)
		}
		for r := range rows {
			f.finish(r, out[t.row(s.Q, at+r):][:d], lse, at+r)
		}
	}
}

// padded rounds up to whole cache lines, so that vectors of transposed rows do not cross a line.
func padded(n int) int { return (n + 15) &^ 15 }

// flash is the running softmax of a tile of queries: for each query the largest score so far, the sum of the
// exponentials relative to it, and the weighted sum of the values.
type flash struct {
	d                     int
	scores, acc, top, sum []float32
}

func (f *flash) reset(rows int) {
	clear(f.acc[:rows*f.d])
	for r := range rows {
		f.top[r], f.sum[r] = negInf, 0
	}
}

// row turns the scores of query r into weights; only [a, b) of cols are seen.
func (f *flash) row(r, a, b, cols int) {
	x := f.scores[r*keyTile : r*keyTile+cols]
	if a >= b {
		clear(x)
		return
	}
	clear(x[:a])
	clear(x[b:])
	x = x[a:b]
	top := max(f.top[r], vec.Max(x))
	if top == negInf { // every score is -Inf: no weight yet
		clear(x)
		return
	}
	if f.top[r] == negInf {
		f.top[r] = top
	} else if top > f.top[r] {
		shrink := float32(math.Exp(float64(f.top[r] - top)))
		f.sum[r] *= shrink
		vec.Scale(f.acc[r*f.d:(r+1)*f.d], f.acc[r*f.d:(r+1)*f.d], shrink)
		f.top[r] = top
	}
	f.sum[r] += vec.ExpSum(x, x, 1, top)
}

func (f *flash) finish(r int, out, lse []float32, i int) {
	if f.sum[r] == 0 {
		clear(out)
		if lse != nil {
			lse[i] = negInf
		}
		return
	}
	vec.Scale(out, f.acc[r*f.d:(r+1)*f.d], 1/f.sum[r])
	if lse != nil {
		lse[i] = f.top[r] + float32(math.Log(float64(f.sum[r])))
	}
}

// SoftmaxGrad adds the gradients of Softmax to dq [B, Q, H, D], dk and dv [B, K, H, D], from dout, the result out
// and the lse that Softmax returned. It computes the scores again, tile by tile.
func SoftmaxGrad(dq, dk, dv, dout, out, lse, q, k, v []float32, scale float32, s Shape, m Mask) {
	nq, nk := s.B*s.Q*s.H*s.D, s.B*s.K*s.H*s.D
	check.LenOrNil("attn.SoftmaxGrad", "dq", dq, nq)
	check.LenOrNil("attn.SoftmaxGrad", "dk", dk, nk)
	check.LenOrNil("attn.SoftmaxGrad", "dv", dv, nk)
	check.Len("attn.SoftmaxGrad", "dout", dout, nq)
	check.Len("attn.SoftmaxGrad", "out", out, nq)
	check.Len("attn.SoftmaxGrad", "lse", lse, s.B*s.H*s.Q)
	check.Len("attn.SoftmaxGrad", "q", q, nq)
	check.Len("attn.SoftmaxGrad", "k", k, nk)
	check.Len("attn.SoftmaxGrad", "v", v, nk)
	m.check("SoftmaxGrad", s)
	simd.For(s.B*s.H, 1, func(first, last int) {
		for i := first; i < last; i++ {
			t := head{s: s, m: m, b: i / s.H, h: i % s.H, stride: s.H * s.D}
			t.backward(dq, dk, dv, dout, out, lse[i*s.Q:(i+1)*s.Q], q, k, v, scale)
		}
	})
}

// backward computes all gradients of one head.
func (t head) backward(dq, dk, dv, dout, out, lse, q, k, v []float32, scale float32) {
	s, d := t.s, t.s.D
	lo, hi := t.m.span(s, t.b, 0, s.Q)
	n := hi - lo
	if n <= 0 {
		return
	}
	mem := pool.Get().(*scratch)
	defer mem.release()
	g := grads{
		head: t, lo: lo, n: padded(n),
		ks: mem.take(n * d), kt: mem.take(d * padded(n)), vt: mem.take(d * padded(n)),
		dks: mem.take(n * d), dvs: mem.take(n * d),
		p: mem.take(queryTile * keyTile), dp: mem.take(queryTile * keyTile),
		qs: mem.take(queryTile * d), dos: mem.take(queryTile * d), dqs: mem.take(queryTile * d),
		delta: mem.take(queryTile),
	}
	gather(g.ks, k[t.row(s.K, lo):], n, t.stride, d)
	vec.Transpose(g.kt, g.n, g.ks, d, n, d)
	vec.Transpose(g.vt, g.n, v[t.row(s.K, lo):], t.stride, n, d)
	clear(g.dks)
	clear(g.dvs)
	for at := 0; at < s.Q; at += queryTile {
		rows := min(queryTile, s.Q-at)
		for r := range rows {
			i := t.row(s.Q, at+r)
			vec.Scale(g.qs[r*d:(r+1)*d], q[i:i+d], scale)
			copy(g.dos[r*d:(r+1)*d], dout[i:i+d])
			g.delta[r] = vec.Dot(dout[i:i+d], out[i:i+d])
		}
		clear(g.dqs[:rows*d])
		g.tiles(lse, at, rows)
		if dq != nil {
			for r := range rows {
				vec.AddScaled(dq[t.row(s.Q, at+r):][:d], g.dqs[r*d:(r+1)*d], scale)
			}
		}
	}
	for j := range n {
		i := t.row(s.K, lo+j)
		if dk != nil {
			vec.AddScaled(dk[i:i+d], g.dks[j*d:(j+1)*d], 1)
		}
		if dv != nil {
			vec.AddScaled(dv[i:i+d], g.dvs[j*d:(j+1)*d], 1)
		}
	}
}

// grads holds one head's operands while its gradients are summed: the keys from lo on, both as consecutive rows and
// transposed in rows of n elements.
type grads struct {
	head
	lo, n        int
	ks, kt, vt   []float32
	dks, dvs     []float32
	p, dp        []float32
	qs, dos, dqs []float32
	delta        []float32
}

// tiles adds the contribution of the queries [at, at+rows).
func (g *grads) tiles(lse []float32, at, rows int) {
	d := g.s.D
	tl, th := g.m.span(g.s, g.b, at, at+rows)
	for j := tl; j < th; j += keyTile {
		cols, jn := min(keyTile, th-j), j-g.lo
		vec.MatMul(rows, cols, d, g.qs, d, 1, g.kt[jn:], g.n, g.p, keyTile, false)
		vec.MatMul(rows, cols, d, g.dos, d, 1, g.vt[jn:], g.n, g.dp, keyTile, false)
		for r := range rows {
			a, b := g.m.keys(g.s, g.b, at+r)
			g.row(r, min(max(a-j, 0), cols), min(max(b-j, 0), cols), cols, lse[at+r])
		}
		vec.MatMul(cols, d, rows, g.p, 1, keyTile, g.dos, d, g.dvs[jn*d:], d, true)
		vec.MatMul(rows, d, cols, g.dp, keyTile, 1, g.ks[jn*d:], d, g.dqs, d, true)
		vec.MatMul(cols, d, rows, g.dp, 1, keyTile, g.qs, d, g.dks[jn*d:], d, true)
	}
}

// row turns the scores of query r into probabilities p, and dp, the gradient of p, into that of the scores.
func (g *grads) row(r, a, b, cols int, lse float32) {
	p, dp := g.p[r*keyTile:r*keyTile+cols], g.dp[r*keyTile:r*keyTile+cols]
	if a >= b || lse == negInf {
		clear(p)
		clear(dp)
		return
	}
	clear(p[:a])
	clear(p[b:])
	clear(dp[:a])
	clear(dp[b:])
	p, dp = p[a:b], dp[a:b]
	vec.ExpSub(p, p, 1, lse)
	vec.SoftmaxBack(dp, p, dp, g.delta[r], 1)
}
