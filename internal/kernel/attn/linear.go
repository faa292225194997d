package attn

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Segment says that the queries [Q0, Q1) see the keys [K0, K1). Segments tile the queries in order. A segment that
// begins at the same key as the previous one and ends no earlier, as chunks of a video do, costs only its new keys.
type Segment struct{ Q0, Q1, K0, K1 int }

// extends reports whether the sums of prev are a prefix of those of g.
func (g Segment) extends(prev Segment) bool { return g.K0 == prev.K0 && g.K1 >= prev.K1 }

func checkSegments(name string, s Shape, segs []Segment) {
	at := 0
	for _, g := range segs {
		if g.Q0 != at || g.Q1 < g.Q0 || g.K0 < 0 || g.K1 < g.K0 || g.K1 > s.K {
			panic(fmt.Sprintf("attn.%s: segment %+v does not follow query %d or leaves the %d keys", name, g, at, s.K))
		}
		at = g.Q1
	}
	if at != s.Q {
		panic(fmt.Sprintf("attn.%s: the segments end at query %d of %d", name, at, s.Q))
	}
}

// sums is the state of one head: s [D, D] = Σ kr vᵀ and z [D] = Σ k.
type sums struct{ s, z []float32 }

func takeSums(mem *scratch, d int) sums { return sums{mem.take(d * d), mem.take(d)} }

func (u sums) reset() {
	clear(u.s)
	clear(u.z)
}

// addKeys adds the keys [k0, k1) to the state.
func (t head) addKeys(u sums, k, kr, v []float32, k0, k1 int) {
	d := t.s.D
	if k0 >= k1 {
		return
	}
	at := t.row(t.s.K, k0)
	vec.MatMul(d, d, k1-k0, kr[at:], 1, t.stride, v[at:], t.stride, u.s, d, true)
	for j := k0; j < k1; j++ {
		i := t.row(t.s.K, j)
		vec.Add(u.z, u.z, k[i:i+d])
	}
}

// heads runs f for every head, with scratch memory.
func heads(s Shape, f func(t head, mem *scratch)) {
	simd.For(s.B*s.H, 1, func(first, last int) {
		for i := first; i < last; i++ {
			mem := pool.Get().(*scratch)
			f(head{s: s, b: i / s.H, h: i % s.H, stride: s.H * s.D}, mem)
			mem.release()
		}
	})
}

// Linear computes linear attention. The features (ReLU) are already applied; qr and kr are q and k rotated by
// position:
//
//	out_i = (Σ_j (qr_i·kr_j) v_j) / (Σ_j q_i·k_j + eps)
//
// over the keys that the query's segment sees. q, qr, out are [B, Q, H, D]; k, kr, v [B, K, H, D]. state, nil or
// [B, H, (D+1)*D] as LinearState makes it, is added to every segment's sums, for streaming. den [B, Q, H], unless
// nil, receives the denominators for the gradient.
func Linear(out, den, q, k, qr, kr, v, state []float32, eps float32, s Shape, segs []Segment) {
	nq, nk := s.B*s.Q*s.H*s.D, s.B*s.K*s.H*s.D
	check.Len("attn.Linear", "out", out, nq)
	check.LenOrNil("attn.Linear", "den", den, s.B*s.Q*s.H)
	check.Len("attn.Linear", "q", q, nq)
	check.Len("attn.Linear", "qr", qr, nq)
	check.Len("attn.Linear", "k", k, nk)
	check.Len("attn.Linear", "kr", kr, nk)
	check.Len("attn.Linear", "v", v, nk)
	check.LenOrNil("attn.Linear", "state", state, s.B*s.H*(s.D+1)*s.D)
	checkSegments("Linear", s, segs)
	heads(s, func(t head, mem *scratch) {
		d := s.D
		u := takeSums(mem, d)
		for n, g := range segs {
			from := g.K0
			if n > 0 && g.extends(segs[n-1]) {
				from = segs[n-1].K1
			} else {
				u.load(state, t)
			}
			t.addKeys(u, k, kr, v, from, g.K1)
			if g.Q0 == g.Q1 {
				continue
			}
			at := t.row(s.Q, g.Q0)
			vec.MatMul(g.Q1-g.Q0, d, d, qr[at:], t.stride, 1, u.s, d, out[at:], t.stride, false)
			for i := g.Q0; i < g.Q1; i++ {
				at := t.row(s.Q, i)
				w := vec.Dot(q[at:at+d], u.z) + eps
				vec.Scale(out[at:at+d], out[at:at+d], 1/w)
				if den != nil {
					den[(t.b*s.Q+i)*s.H+t.h] = w
				}
			}
		}
	})
}

// load sets u to the state of head t, or to zero if there is none.
func (u sums) load(state []float32, t head) {
	if state == nil {
		u.reset()
		return
	}
	d := t.s.D
	at := state[(t.b*t.s.H+t.h)*(d+1)*d:]
	copy(u.s, at[:d*d])
	copy(u.z, at[d*d:(d+1)*d])
}

// LinearState sets state [B, H, (D+1)*D] to the sums over the keys [k0, k1): for every head S [D, D] = Σ kr vᵀ,
// then z [D] = Σ k. Adding two states gives the state of both runs of keys.
func LinearState(state, k, kr, v []float32, s Shape, k0, k1 int) {
	nk := s.B * s.K * s.H * s.D
	check.Len("attn.LinearState", "state", state, s.B*s.H*(s.D+1)*s.D)
	check.Len("attn.LinearState", "k", k, nk)
	check.Len("attn.LinearState", "kr", kr, nk)
	check.Len("attn.LinearState", "v", v, nk)
	if k0 < 0 || k1 < k0 || k1 > s.K {
		panic(fmt.Sprintf("attn.LinearState: keys [%d, %d) of %d", k0, k1, s.K))
	}
	heads(s, func(t head, _ *scratch) {
		d := s.D
		at := state[(t.b*s.H+t.h)*(d+1)*d:][:(d+1)*d]
		u := sums{at[:d*d], at[d*d:]}
		u.reset()
		t.addKeys(u, k, kr, v, k0, k1)
	})
}

// LinearGrad adds the gradients of Linear without a state to dq, dqr [B, Q, H, D], dk, dkr and dv [B, K, H, D], from
// dout, the result out and the den that Linear kept.
func LinearGrad(dq, dk, dqr, dkr, dv, dout, out, den, q, k, qr, kr, v []float32, s Shape, segs []Segment) {
	nq, nk := s.B*s.Q*s.H*s.D, s.B*s.K*s.H*s.D
	check.LenOrNil("attn.LinearGrad", "dq", dq, nq)
	check.LenOrNil("attn.LinearGrad", "dqr", dqr, nq)
	check.LenOrNil("attn.LinearGrad", "dk", dk, nk)
	check.LenOrNil("attn.LinearGrad", "dkr", dkr, nk)
	check.LenOrNil("attn.LinearGrad", "dv", dv, nk)
	check.Len("attn.LinearGrad", "dout", dout, nq)
	check.Len("attn.LinearGrad", "out", out, nq)
	check.Len("attn.LinearGrad", "den", den, s.B*s.Q*s.H)
	check.Len("attn.LinearGrad", "q", q, nq)
	check.Len("attn.LinearGrad", "qr", qr, nq)
	check.Len("attn.LinearGrad", "k", k, nk)
	check.Len("attn.LinearGrad", "kr", kr, nk)
	check.Len("attn.LinearGrad", "v", v, nk)
	checkSegments("LinearGrad", s, segs)
	heads(s, func(t head, mem *scratch) {
		g := linearGrads{
			head: t, u: takeSums(mem, s.D), st: mem.take(s.D * s.D), du: takeSums(mem, s.D),
			dnum: mem.take(s.Q * s.D), dden: mem.take(s.Q),
		}
		for i := range s.Q {
			// out = num/den, so dnum = dout/den and dden = -(dout·out)/den.
			at := t.row(s.Q, i)
			inv := 1 / den[(t.b*s.Q+i)*s.H+t.h]
			vec.Scale(g.dnum[i*s.D:(i+1)*s.D], dout[at:at+s.D], inv)
			g.dden[i] = -inv * vec.Dot(dout[at:at+s.D], out[at:at+s.D])
		}
		if dq != nil || dqr != nil {
			g.queries(dq, dqr, k, kr, v, segs)
		}
		if dk != nil || dkr != nil || dv != nil {
			g.keys(dk, dkr, dv, q, qr, kr, v, segs)
		}
	})
}

// linearGrads holds one head's sums u with sᵀ in st, their gradients du, and the gradients of the numerators [Q, D]
// and denominators [Q].
type linearGrads struct {
	head
	u, du      sums
	st         []float32
	dnum, dden []float32
}

// queries computes dqr_i += S·dnum_i and dq_i += dden_i * z; it builds the sums again, segment by segment.
func (g *linearGrads) queries(dq, dqr, k, kr, v []float32, segs []Segment) {
	d, s := g.s.D, g.s
	for n, sg := range segs {
		from := sg.K0
		if n > 0 && sg.extends(segs[n-1]) {
			from = segs[n-1].K1
		} else {
			g.u.reset()
		}
		g.addKeys(g.u, k, kr, v, from, sg.K1)
		if sg.Q0 == sg.Q1 {
			continue
		}
		at := g.row(s.Q, sg.Q0)
		if dqr != nil {
			vec.Transpose(g.st, d, g.u.s, d, d, d)
			vec.MatMul(sg.Q1-sg.Q0, d, d, g.dnum[sg.Q0*d:], d, 1, g.st, d, dqr[at:], g.stride, true)
		}
		if dq != nil {
			for i := sg.Q0; i < sg.Q1; i++ {
				vec.AddScaled(dq[g.row(s.Q, i):][:d], g.u.z, g.dden[i])
			}
		}
	}
}

// keys goes backwards through the segments with dS = Σ qr dnumᵀ and dz = Σ dden*q over the queries that see a key:
// dkr_j += dS·v_j, dv_j += dSᵀ·kr_j and dk_j += dz. Keys that several segments share are done at the first of them.
func (g *linearGrads) keys(dk, dkr, dv, q, qr, kr, v []float32, segs []Segment) {
	d, s := g.s.D, g.s
	for n := len(segs) - 1; n >= 0; n-- {
		sg := segs[n]
		if n == len(segs)-1 || !segs[n+1].extends(sg) {
			g.du.reset()
		}
		if sg.Q0 < sg.Q1 {
			vec.MatMul(d, d, sg.Q1-sg.Q0, qr[g.row(s.Q, sg.Q0):], 1, g.stride, g.dnum[sg.Q0*d:], d, g.du.s, d, true)
			for i := sg.Q0; i < sg.Q1; i++ {
				vec.AddScaled(g.du.z, q[g.row(s.Q, i):][:d], g.dden[i])
			}
		}
		from := sg.K0
		if n > 0 && sg.extends(segs[n-1]) {
			from = segs[n-1].K1
		}
		rows := sg.K1 - from
		if rows <= 0 {
			continue
		}
		at := g.row(s.K, from)
		if dkr != nil {
			vec.Transpose(g.st, d, g.du.s, d, d, d)
			vec.MatMul(rows, d, d, v[at:], g.stride, 1, g.st, d, dkr[at:], g.stride, true)
		}
		if dv != nil {
			vec.MatMul(rows, d, d, kr[at:], g.stride, 1, g.du.s, d, dv[at:], g.stride, true)
		}
		if dk != nil {
			for j := from; j < sg.K1; j++ {
				i := g.row(s.K, j)
				vec.Add(dk[i:i+d], dk[i:i+d], g.du.z)
			}
		}
	}
}
