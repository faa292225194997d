package elem

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:] // unaligned
	for i := range x {
		x[i] = r.Float32()*4 - 2
	}
	return x
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		if e := math.Abs(float64(got[i]) - float64(want[i])); !(e <= tol*(1+math.Abs(float64(want[i])))) {
			t.Errorf("%s[%d] = %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

func paths(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v is listed but cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// each computes the expected elements one by one.
func each(n int, f func(i int) float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(f(i))
	}
	return out
}

func f64(x []float32, i int) float64 { return float64(x[i]) }

func TestArithmetic(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 16, 63, 1000, 2*grain + 5} {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			a, b, d := random(r, n), random(r, n), random(r, n)
			check := func(name string, f func(dst []float32), want func(i int) float64) {
				t.Helper()
				dst := append(slices.Clone(d), 7)[:n]
				f(dst)
				near(t, name, dst, each(n, want), 1e-6)
				if dst[:n+1][n] != 7 {
					t.Errorf("%s: written past the end", name)
				}
			}
			check("Add", func(y []float32) { Add(y, a, b) }, func(i int) float64 { return f64(a, i) + f64(b, i) })
			check("Sub", func(y []float32) { Sub(y, a, b) }, func(i int) float64 { return f64(a, i) - f64(b, i) })
			check("Mul", func(y []float32) { Mul(y, a, b) }, func(i int) float64 { return f64(a, i) * f64(b, i) })
			check("MulAdd", func(y []float32) { MulAdd(y, a, b) }, func(i int) float64 { return f64(d, i) + f64(a, i)*f64(b, i) })
			check("Scale", func(y []float32) { Scale(y, a, 3) }, func(i int) float64 { return 3 * f64(a, i) })
			check("AddScaled", func(y []float32) { AddScaled(y, a, 3) }, func(i int) float64 { return f64(d, i) + 3*f64(a, i) })
			check("EMA", func(y []float32) { EMA(y, a, 0.75) }, func(i int) float64 { return 0.75*f64(d, i) + 0.25*f64(a, i) })
			check("SignDiff", func(y []float32) { SignDiff(y, a, b, 0.5) }, func(i int) float64 {
				return f64(d, i) + math.Copysign(0.5, f64(a, i)-f64(b, i))
			})
			sums := [3]float64{}
			for i := range a {
				e := f64(a, i) - f64(b, i)
				sums[0] += f64(a, i) * f64(a, i)
				sums[1] += e * e
				sums[2] += math.Abs(e)
			}
			for i, got := range []float64{SumSquares(a), SquaredError(a, b), AbsError(a, b)} {
				if math.Abs(got-sums[i]) > 1e-6*(sums[2]+1) {
					t.Errorf("sum %d of %d elements is %v, want %v", i, n, got, sums[i])
				}
			}
		}
	})
}

// TestBytes: every byte survives the conversion to a number and back, and numbers outside of [-1, 1] become the
// nearest byte.
func TestBytes(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	x := make([]float32, 256)
	FromBytes(x, all)
	for i, v := range x {
		if want := float32(i)/127.5 - 1; v != want {
			t.Fatalf("byte %d becomes %v, want %v", i, v, want)
		}
	}
	back := make([]byte, 256)
	ToBytes(back, x)
	if !slices.Equal(back, all) {
		t.Errorf("bytes come back as %v", back)
	}
	ToBytes(back[:4], []float32{-1.5, 1.5, 0.4 / 127.5, -0.6 / 127.5})
	if want := []byte{0, 255, 128, 127}; !slices.Equal(back[:4], want) {
		t.Errorf("got %v, want %v", back[:4], want)
	}
}

func TestActivations(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	forms := map[gemm.Act]func(x float64) float64{
		gemm.None: func(x float64) float64 { return x },
		gemm.ReLU: func(x float64) float64 { return math.Max(x, 0) },
		gemm.SiLU: func(x float64) float64 { return x * sigmoid(x) },
		gemm.GELU: func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		},
	}
	paths(t, func(t *testing.T) {
		const n = 4003
		for kind, f := range forms {
			r := rand.New(rand.NewPCG(2, 2))
			x, dy, dx := random(r, n), random(r, n), random(r, n)
			for i := range x {
				x[i] = x[i]*6 + 1e-3
			}
			y := make([]float32, n)
			Act(kind, y, x)
			near(t, "Act", y, each(n, func(i int) float64 { return f(f64(x, i)) }), 1e-6)
			want := each(n, func(i int) float64 {
				const h = 1e-5
				return f64(dx, i) + f64(dy, i)*(f(f64(x, i)+h)-f(f64(x, i)-h))/(2*h)
			})
			ActGrad(kind, dx, dy, x)
			near(t, "ActGrad", dx, want, 2e-6)
		}
		const rows, h = 37, 61
		r := rand.New(rand.NewPCG(3, 3))
		x, dy, dx := random(r, rows*h*2), random(r, rows*h), random(r, rows*h*2)
		y := make([]float32, rows*h)
		silu := forms[gemm.SiLU]
		SwiGLU(y, x, rows, h)
		near(t, "SwiGLU", y, each(rows*h, func(i int) float64 {
			at := i/h*2*h + i%h
			return silu(f64(x, at)) * f64(x, at+h)
		}), 1e-6)
		want := each(2*rows*h, func(i int) float64 {
			row, j := i/(2*h), i%(2*h)
			if j >= h {
				return f64(dx, i) + f64(dy, row*h+j-h)*silu(f64(x, i-h))
			}
			s := sigmoid(f64(x, i))
			return f64(dx, i) + f64(dy, row*h+j)*f64(x, i+h)*(s+f64(x, i)*s*(1-s))
		})
		SwiGLUGrad(dx, dy, x, rows, h)
		near(t, "SwiGLUGrad", dx, want, 1e-6)
	})
}

func TestConditioning(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, z := range [][3]int{{6, 5, 3}, {40, 300, 40}, {64, 33, 2}, {900, 70, 300}} {
			rows, c, group := z[0], z[1], z[2]
			n, m := rows*c, rows/group*c
			r := rand.New(rand.NewPCG(4, uint64(c)))
			x, z, dy, s, b := random(r, n), random(r, n), random(r, n), random(r, m), random(r, m)
			cond := func(i int) int { return i/(group*c)*c + i%c }
			y := make([]float32, n)
			Modulate(y, x, s, b, rows, c, group)
			near(t, "Modulate", y, each(n, func(i int) float64 { return f64(x, i)*(1+f64(s, cond(i))) + f64(b, cond(i)) }), 1e-6)
			GatedAdd(y, x, z, s, rows, c, group)
			near(t, "GatedAdd", y, each(n, func(i int) float64 { return f64(x, i) + f64(z, i)*f64(s, cond(i)) }), 1e-6)
			AddRows(y, x, s, rows, c, group)
			near(t, "AddRows", y, each(n, func(i int) float64 { return f64(x, i) + f64(s, cond(i)) }), 1e-6)

			sum := func(f func(i int) float64, start []float32) []float32 {
				acc := make([]float64, m)
				for i := range n {
					acc[cond(i)] += f(i)
				}
				return each(m, func(i int) float64 { return f64(start, i) + acc[i] })
			}
			dx, ds, db := random(r, n), random(r, m), random(r, m)
			wx := each(n, func(i int) float64 { return f64(dx, i) + f64(dy, i)*(1+f64(s, cond(i))) })
			ws := sum(func(i int) float64 { return f64(dy, i) * f64(x, i) }, ds)
			wb := sum(func(i int) float64 { return f64(dy, i) }, db)
			ModulateGrad(dx, ds, db, dy, x, s, rows, c, group)
			near(t, "ModulateGrad dx", dx, wx, 1e-6)
			near(t, "ModulateGrad dscale", ds, ws, 2e-5)
			near(t, "ModulateGrad dshift", db, wb, 2e-5)
			ModulateGrad(nil, nil, nil, dy, nil, nil, rows, c, group)

			wx = each(n, func(i int) float64 { return f64(dx, i) + f64(dy, i)*f64(s, cond(i)) })
			ws = sum(func(i int) float64 { return f64(dy, i) * f64(z, i) }, ds)
			GatedAddGrad(dx, ds, dy, z, s, rows, c, group)
			near(t, "GatedAddGrad dz", dx, wx, 1e-6)
			near(t, "GatedAddGrad dgate", ds, ws, 2e-5)
			GatedAddGrad(nil, nil, dy, nil, nil, rows, c, group)

			wb = sum(func(i int) float64 { return f64(dy, i) }, db)
			SumRows(db, dy, rows, c, group)
			near(t, "SumRows", db, wb, 2e-5)
		}
	})
}

func TestRoPE(t *testing.T) {
	paths(t, func(t *testing.T) {
		for _, dim := range []int{2, 6, 32, 50, 64} {
			const rows, heads, positions = 13, 3, 5
			r := rand.New(rand.NewPCG(5, uint64(dim)))
			n := rows * heads * dim
			x, angle := random(r, n), random(r, positions*dim/2)
			cos := each(len(angle), func(i int) float64 { return math.Cos(f64(angle, i)) })
			sin := each(len(angle), func(i int) float64 { return math.Sin(f64(angle, i)) })
			y := append(make([]float32, n), 7)[:n]
			RoPE(y, x, cos, sin, rows, heads, dim, positions, false)
			near(t, "RoPE", y, each(n, func(i int) float64 {
				p := i/(heads*dim)%positions*(dim/2) + i%dim/2
				if i%2 == 0 {
					return f64(x, i)*f64(cos, p) - f64(x, i+1)*f64(sin, p)
				}
				return f64(x, i)*f64(cos, p) + f64(x, i-1)*f64(sin, p)
			}), 1e-6)
			if y[:n+1][n] != 7 {
				t.Error("RoPE: written past the end")
			}
			RoPE(y, y, cos, sin, rows, heads, dim, positions, true)
			near(t, "RoPE and back", y, x, 1e-6)
		}
	})
}

func TestPixels(t *testing.T) {
	const n, ti, h, w, c, pt, ph, pw = 2, 3, 2, 5, 3, 2, 3, 4
	r := rand.New(rand.NewPCG(6, 6))
	size := n * ti * h * w * c * pt * ph * pw
	x := random(r, size)
	want := make([]float32, 0, size)
	for i := range n * ti * h * w { // output pixel, then channels in order
		in, it, ih, iw := i/(ti*h*w), i/(h*w)%ti, i/w%h, i%w
		for j := range pt * ph * pw * c {
			jt, jh, jw, jc := j/(ph*pw*c), j/(pw*c)%ph, j/c%pw, j%c
			want = append(want, x[(((in*ti*pt+it*pt+jt)*h*ph+ih*ph+jh)*w*pw+iw*pw+jw)*c+jc])
		}
	}
	y := make([]float32, size)
	Unshuffle(y, x, n, ti, h, w, c, pt, ph, pw)
	if !slices.Equal(y, want) {
		t.Error("Unshuffle moves pixels elsewhere")
	}
	back := make([]float32, size)
	Shuffle(back, y, n, ti, h, w, c, pt, ph, pw)
	if !slices.Equal(back, x) {
		t.Error("Shuffle does not undo Unshuffle")
	}
	UnshuffleAdd(y, x, n, ti, h, w, c, pt, ph, pw)
	ShuffleAdd(back, want, n, ti, h, w, c, pt, ph, pw)
	for i := range y {
		if y[i] != 2*want[i] || back[i] != 2*x[i] {
			t.Fatal("the adding variants do not add")
		}
	}
}

func TestResize(t *testing.T) {
	const n, h, w, c = 2, 3, 5, 7
	r := rand.New(rand.NewPCG(7, 7))
	small, large := random(r, n*h*w*c), random(r, 4*n*h*w*c)
	up, down := random(r, len(large)), make([]float32, len(small))
	AvgPool2(down, large, n, h, w, c)
	toSmall := func(i int) int {
		in, y, x, j := i/(4*h*w*c), i/(2*w*c)%(2*h), i/c%(2*w), i%c
		return ((in*h+y/2)*w+x/2)*c + j
	}
	sums := make([]float64, len(small))
	for i := range large {
		sums[toSmall(i)] += f64(large, i)
	}
	near(t, "AvgPool2", down, each(len(small), func(i int) float64 { return sums[i] / 4 }), 1e-6)
	wu := each(len(large), func(i int) float64 { return f64(up, i) + f64(small, toSmall(i))/4 })
	AvgPool2Grad(up, small, n, h, w, c)
	near(t, "AvgPool2Grad", up, wu, 1e-6)
}

// TestAdamW compares the optimizer with the textbook formulas in float64, over several steps.
func TestAdamW(t *testing.T) {
	paths(t, func(t *testing.T) {
		const n = 1003
		r := rand.New(rand.NewPCG(8, 8))
		p := random(r, n)
		m, v := make([]float32, n), make([]float32, n)
		wp := make([]float64, n)
		wm, wv := make([]float64, n), make([]float64, n)
		for i := range p {
			wp[i] = f64(p, i)
		}
		for step := 1; step <= 5; step++ {
			g := random(r, n)
			AdamW{LR: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, Step: step, GradScale: 0.5}.Update(p, m, v, g)
			for i := range wp {
				gi := 0.5 * f64(g, i)
				wm[i] = 0.9*wm[i] + 0.1*gi
				wv[i] = 0.99*wv[i] + 0.01*gi*gi
				mh, vh := wm[i]/(1-math.Pow(0.9, float64(step))), wv[i]/(1-math.Pow(0.99, float64(step)))
				wp[i] -= 1e-2 * (mh/(math.Sqrt(vh)+1e-8) + 0.1*wp[i])
			}
			near(t, "p", p, each(n, func(i int) float64 { return wp[i] }), 1e-5)
		}
	})
}

func TestThreadsAgree(t *testing.T) {
	const rows, c, group = 1200, 130, 300
	r := rand.New(rand.NewPCG(9, 9))
	n := rows * c
	x, dy, s := random(r, n), random(r, n), random(r, rows/group*c)
	all := func() []float32 {
		dx, ds, db, y := make([]float32, n), make([]float32, len(s)), make([]float32, len(s)), make([]float32, n)
		ModulateGrad(dx, ds, db, dy, x, s, rows, c, group)
		GatedAddGrad(dx, ds, dy, x, s, rows, c, group)
		SumRows(db, dy, rows, c, group)
		Act(gemm.GELU, y, x)
		return slices.Concat(dx, ds, db, y, []float32{float32(SumSquares(x)), float32(AbsError(x, dy))})
	}
	before := simd.Threads()
	defer simd.SetThreads(before)
	simd.SetThreads(1)
	want := all()
	for _, k := range []int{2, 3} {
		simd.SetThreads(k)
		if !slices.Equal(all(), want) {
			t.Errorf("%d threads give other bytes than 1", k)
		}
	}
}

func TestShortSlicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a short slice went unnoticed")
		}
	}()
	Add(make([]float32, 8), make([]float32, 8), make([]float32, 7))
}
