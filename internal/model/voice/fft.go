package voice

import "math"

// transform is the discrete Fourier transform of a fixed length, on numbers in two
// slices, real and imaginary parts. It sorts as it goes (Stockham), pass by pass.
// Any number of goroutines may use one.
type transform struct {
	n      int
	passes []pass
}

// A pass of radix r splits transforms of length r·m into r of length m. There are
// stride of them, interleaved: number q+stride·(p+i·m) is number p+i·m of transform
// q. Butterfly p takes the numbers p+i·m for 0 <= i < r; its result k is multiplied
// by e^{-2πi·kp/(r·m)} and becomes the number p of the transform that is k-th of r.
type pass struct {
	radix, m, stride int
	re, im           []float32 // the factors, [m][radix-1]
}

// newTransform returns the transform of length n, which has no factors but 3, 4 and
// 5.
func newTransform(n int) *transform {
	t := &transform{n: n}
	stride := 1
	for _, r := range []int{5, 3, 4} {
		for n%r == 0 {
			p := pass{radix: r, m: n / r, stride: stride}
			for j := range p.m {
				for k := 1; k < r; k++ {
					s, c := math.Sincos(-2 * math.Pi * float64(j*k) / float64(n))
					p.re, p.im = append(p.re, float32(c)), append(p.im, float32(s))
				}
			}
			t.passes = append(t.passes, p)
			n, stride = n/r, stride*r
		}
	}
	if n != 1 {
		panic("voice: a transform's length has a factor other than 3, 4 and 5")
	}
	return t
}

// apply transforms re and im in place, with as much room in re2 and im2.
func (t *transform) apply(re, im, re2, im2 []float32) {
	xr, xi, yr, yi := re[:t.n], im[:t.n], re2[:t.n], im2[:t.n]
	for i := range t.passes {
		p := &t.passes[i]
		switch p.radix {
		case 3:
			p.three(yr, yi, xr, xi)
		case 4:
			p.four(yr, yi, xr, xi)
		case 5:
			p.five(yr, yi, xr, xi)
		}
		xr, xi, yr, yi = yr, yi, xr, xi
	}
	if len(t.passes)%2 == 1 {
		copy(re, xr)
		copy(im, xi)
	}
}

// in is number p+i·m of every transform, out is number p of the k-th after it.
func (p *pass) in(x []float32, j, i int) []float32 {
	return x[p.stride*(j+i*p.m):][:p.stride]
}

func (p *pass) out(y []float32, j, k int) []float32 {
	return y[p.stride*(p.radix*j+k):][:p.stride]
}

func (p *pass) three(yr, yi, xr, xi []float32) {
	const h = 0.86602540378443865 // sin(2π/3)
	for j := range p.m {
		w1r, w1i, w2r, w2i := p.re[2*j], p.im[2*j], p.re[2*j+1], p.im[2*j+1]
		ar, ai := p.in(xr, j, 0), p.in(xi, j, 0)
		br, bi := p.in(xr, j, 1), p.in(xi, j, 1)
		cr, ci := p.in(xr, j, 2), p.in(xi, j, 2)
		y0r, y0i := p.out(yr, j, 0), p.out(yi, j, 0)
		y1r, y1i := p.out(yr, j, 1), p.out(yi, j, 1)
		y2r, y2i := p.out(yr, j, 2), p.out(yi, j, 2)
		for q := range ar {
			sr, si := br[q]+cr[q], bi[q]+ci[q]
			dr, di := h*(br[q]-cr[q]), h*(bi[q]-ci[q])
			mr, mi := ar[q]-0.5*sr, ai[q]-0.5*si
			y0r[q], y0i[q] = ar[q]+sr, ai[q]+si
			ur, ui := mr+di, mi-dr
			vr, vi := mr-di, mi+dr
			y1r[q], y1i[q] = ur*w1r-ui*w1i, ur*w1i+ui*w1r
			y2r[q], y2i[q] = vr*w2r-vi*w2i, vr*w2i+vi*w2r
		}
	}
}

func (p *pass) four(yr, yi, xr, xi []float32) {
	for j := range p.m {
		w := 3 * j
		w1r, w1i, w2r, w2i, w3r, w3i := p.re[w], p.im[w], p.re[w+1], p.im[w+1], p.re[w+2], p.im[w+2]
		ar, ai := p.in(xr, j, 0), p.in(xi, j, 0)
		br, bi := p.in(xr, j, 1), p.in(xi, j, 1)
		cr, ci := p.in(xr, j, 2), p.in(xi, j, 2)
		dr, di := p.in(xr, j, 3), p.in(xi, j, 3)
		y0r, y0i := p.out(yr, j, 0), p.out(yi, j, 0)
		y1r, y1i := p.out(yr, j, 1), p.out(yi, j, 1)
		y2r, y2i := p.out(yr, j, 2), p.out(yi, j, 2)
		y3r, y3i := p.out(yr, j, 3), p.out(yi, j, 3)
		for q := range ar {
			er, ei := ar[q]+cr[q], ai[q]+ci[q]
			fr, fi := ar[q]-cr[q], ai[q]-ci[q]
			gr, gi := br[q]+dr[q], bi[q]+di[q]
			hr, hi := br[q]-dr[q], bi[q]-di[q]
			y0r[q], y0i[q] = er+gr, ei+gi
			ur, ui := fr+hi, fi-hr
			vr, vi := er-gr, ei-gi
			zr, zi := fr-hi, fi+hr
			y1r[q], y1i[q] = ur*w1r-ui*w1i, ur*w1i+ui*w1r
			y2r[q], y2i[q] = vr*w2r-vi*w2i, vr*w2i+vi*w2r
			y3r[q], y3i[q] = zr*w3r-zi*w3i, zr*w3i+zi*w3r
		}
	}
}

func (p *pass) five(yr, yi, xr, xi []float32) {
	const ( // cosines and sines of 2π/5 and 4π/5
		c1, c2 = 0.30901699437494742, -0.80901699437494742
		s1, s2 = 0.95105651629515357, 0.58778525229247313
	)
	for j := range p.m {
		wr, wi := p.re[4*j:][:4], p.im[4*j:][:4]
		ar, ai := p.in(xr, j, 0), p.in(xi, j, 0)
		br, bi := p.in(xr, j, 1), p.in(xi, j, 1)
		cr, ci := p.in(xr, j, 2), p.in(xi, j, 2)
		dr, di := p.in(xr, j, 3), p.in(xi, j, 3)
		er, ei := p.in(xr, j, 4), p.in(xi, j, 4)
		y0r, y0i := p.out(yr, j, 0), p.out(yi, j, 0)
		y1r, y1i := p.out(yr, j, 1), p.out(yi, j, 1)
		y2r, y2i := p.out(yr, j, 2), p.out(yi, j, 2)
		y3r, y3i := p.out(yr, j, 3), p.out(yi, j, 3)
		y4r, y4i := p.out(yr, j, 4), p.out(yi, j, 4)
		for q := range ar {
			t1r, t1i, t4r, t4i := br[q]+er[q], bi[q]+ei[q], br[q]-er[q], bi[q]-ei[q]
			t2r, t2i, t3r, t3i := cr[q]+dr[q], ci[q]+di[q], cr[q]-dr[q], ci[q]-di[q]
			y0r[q], y0i[q] = ar[q]+t1r+t2r, ai[q]+t1i+t2i
			pr, pi := ar[q]+c1*t1r+c2*t2r, ai[q]+c1*t1i+c2*t2i
			qr, qi := ar[q]+c2*t1r+c1*t2r, ai[q]+c2*t1i+c1*t2i
			rr, ri := s1*t4r+s2*t3r, s1*t4i+s2*t3i
			sr, si := s2*t4r-s1*t3r, s2*t4i-s1*t3i
			u1r, u1i, u4r, u4i := pr+ri, pi-rr, pr-ri, pi+rr
			u2r, u2i, u3r, u3i := qr+si, qi-sr, qr-si, qi+sr
			y1r[q], y1i[q] = u1r*wr[0]-u1i*wi[0], u1r*wi[0]+u1i*wr[0]
			y2r[q], y2i[q] = u2r*wr[1]-u2i*wi[1], u2r*wi[1]+u2i*wr[1]
			y3r[q], y3i[q] = u3r*wr[2]-u3i*wi[2], u3r*wi[2]+u3i*wr[2]
			y4r[q], y4i[q] = u4r*wr[3]-u4i*wi[3], u4r*wi[3]+u4i*wr[3]
		}
	}
}
