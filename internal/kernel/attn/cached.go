package attn

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// A CachedRun is the last Rows of the Len tokens of a sequence: q and out [Rows, H,
// D], keys and values [Len, G, D] of all its tokens. G divides H; the queries
// g·H/G to (g+1)·H/G - 1 see head g of the keys and values (Ainslie et al. 2023).
// Row i sees the keys up to its own, Len-Rows+i.
type CachedRun struct {
	Out, Q, Keys, Values []float32
	Rows, Len            int
}

// flashRows is how many rows of a run are worth packing its keys for.
const flashRows = 16

// cachedWork is about how many numbers of keys and values a task of few rows reads.
const cachedWork = 1 << 14

// Cached computes out = softmax(scale·q·kᵀ)·v for the rows of each run. Runs of many
// rows are computed as by Flash. Those of few read keys and values where they lie,
// in f32, a row as if it were alone. scale is positive.
func Cached(p gemm.Precision, h, g, d int, scale float32, runs ...CachedRun) {
	if g <= 0 || h%g != 0 {
		panic("attn.Cached: the heads of keys do not divide those of queries")
	}
	var tasks []cachedTask
	for i := range runs {
		r := &runs[i]
		check.Len("attn.Cached", "out", r.Out, r.Rows*h*d)
		check.Len("attn.Cached", "q", r.Q, r.Rows*h*d)
		check.Len("attn.Cached", "keys", r.Keys, r.Len*g*d)
		check.Len("attn.Cached", "values", r.Values, r.Len*g*d)
		if r.Rows > r.Len {
			panic("attn.Cached: a run has more rows than tokens")
		}
		if r.Rows >= flashRows {
			r.flash(p, h, g, d, scale)
			continue
		}
		each := min(g, max(1, cachedWork/(r.Len*d)))
		for row := range r.Rows {
			for at := 0; at < g; at += each {
				tasks = append(tasks, cachedTask{r, row, at, min(at+each, g)})
			}
		}
	}
	simd.For(len(tasks), 1, func(i, _ int) { tasks[i].run(h/g, g, d, scale) })
}

// flash computes the rows of a run. The queries that share a head of keys become
// rows of one head.
func (r *CachedRun) flash(p gemm.Precision, h, g, d int, scale float32) {
	each := h / g
	n := r.Rows * each
	q, out := lend(n*g*d), lend(n*g*d)
	defer giveBack(q)
	defer giveBack(out)
	hi := make([]int32, n)
	for i := range hi {
		hi[i] = int32(r.Len - r.Rows + i/each + 1)
	}
	r.swap(*q, r.Q, each, g, d, false)
	Flash(p, *out, *q, r.Keys, r.Values, nil, scale, Shape{B: 1, H: g, Q: n, K: r.Len, D: d}, Mask{Hi: hi})
	r.swap(r.Out, *out, each, g, d, true)
}

// swap copies [Rows, g, each, d] to [Rows, each, g, d], or back.
func (r *CachedRun) swap(dst, src []float32, each, g, d int, back bool) {
	simd.For(r.Rows, 16, func(lo, hi int) {
		for row := lo; row < hi; row++ {
			for i := range g * each {
				to, from := ((row*each+i%each)*g+i/each)*d, (row*g*each+i)*d
				if back {
					to, from = from, to
				}
				copy(dst[to:][:d], src[from:][:d])
			}
		}
	})
}

// cachedTask is the heads [g0,g1) of keys of one row.
type cachedTask struct {
	*CachedRun
	row, g0, g1 int
}

// run computes the task, for each queries a head of keys.
func (t *cachedTask) run(each, g, d int, scale float32) {
	mem := pool.Get().(*scratch)
	defer mem.release()
	n := t.Len - t.Rows + t.row + 1
	scores := mem.take(each * n)
	for head := t.g0; head < t.g1; head++ {
		at := (t.row*g + head) * each * d
		q, out := t.Q[at:][:each*d], t.Out[at:][:each*d]
		scoreKeys(scores, q, t.Keys[head*d:], each, n, g*d, d)
		for i := range each {
			s := scores[i*n:][:n]
			vec.Scale(s, s, 1/vec.ExpSum(s, s, scale, scale*vec.Max(s)))
		}
		sumValues(out, scores, t.Values[head*d:], each, n, g*d, d)
	}
}

// scoreKeysGo writes the products of each of the queries q [each, d] with n keys,
// stride apart: scores [each, n], rows ld apart.
func scoreKeysGo(scores []float32, ld int, q, keys []float32, each, n, stride, d int) {
	for j := range n {
		k := keys[j*stride:][:d]
		for i := range each {
			scores[i*ld+j] = vec.Dot(q[i*d:][:d], k)
		}
	}
}

// sumValuesGo adds n values, stride apart, by weights [each, n], rows ld apart, to out
// [each, d].
func sumValuesGo(out, weights []float32, ld int, values []float32, each, n, stride, d int) {
	for j := range n {
		v := values[j*stride:][:d]
		for i := range each {
			vec.AddScaled(out[i*d:][:d], v, weights[i*ld+j])
		}
	}
}
