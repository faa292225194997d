package vec

import "math"

// This file is the specification: plain Go, one loop per primitive. It is also the implementation on machines
// without assembly. The assembly may fuse multiplications with additions and sum in another order, but must not
// differ otherwise.

func addGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func subGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mulGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func mulAddGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] += a[i] * b[i]
	}
}

func scaleGo(dst, a []float32, s float32) {
	for i := range dst {
		dst[i] = s * a[i]
	}
}

func addScaledGo(dst, a []float32, s float32) {
	for i := range dst {
		dst[i] += s * a[i]
	}
}

func mulScaledGo(dst, a, b []float32, s float32) {
	for i := range dst {
		dst[i] = a[i] * b[i] * s
	}
}

func mulAddScaledGo(dst, a, b []float32, s float32) {
	for i := range dst {
		dst[i] += a[i] * s * b[i]
	}
}

func modulateGo(y, x, scale, shift []float32) {
	for i := range y {
		y[i] = x[i]*(1+scale[i]) + shift[i]
	}
}

func addMul1pGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] += a[i] * (1 + b[i])
	}
}

func gatedAddGo(y, x, z, gate []float32) {
	for i := range y {
		y[i] = x[i] + gate[i]*z[i]
	}
}

func rmsBackGo(dx, dy, g, x []float32, a, b float32) {
	for i := range dx {
		dx[i] += a*dy[i]*g[i] + b*x[i]
	}
}

func dotGo(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func dot3Go(a, b, c []float32) float32 {
	var s0, s1 float32
	i := 0
	for ; i+2 <= len(a); i += 2 {
		s0 += a[i] * b[i] * c[i]
		s1 += a[i+1] * b[i+1] * c[i+1]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i] * c[i]
	}
	return s0 + s1
}

func maxGo(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

func sqDiffGo(x, y []float32) float32 {
	var s float32
	for i := range x {
		d := x[i] - y[i]
		s += d * d
	}
	return s
}

func absDiffGo(x, y []float32) float32 {
	var s float32
	for i := range x {
		s += abs(x[i] - y[i])
	}
	return s
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func signDiffGo(dx, x, y []float32, s float32) {
	for i := range dx {
		if x[i] > y[i] {
			dx[i] += s
		} else if x[i] < y[i] {
			dx[i] -= s
		}
	}
}

func blendGo(dst, a []float32, s, t float32) {
	for i := range dst {
		dst[i] = s*dst[i] + t*a[i]
	}
}

func adamwGo(p, m, v, g []float32, o *adam) {
	for i := range p {
		gi := o.gradScale * g[i]
		m[i] = o.beta1*m[i] + o.oneMinusBeta1*gi
		v[i] = o.beta2*v[i] + o.oneMinusBeta2*gi*gi
		root := float32(math.Sqrt(float64(v[i])))
		p[i] = o.keep*p[i] - o.step*m[i]/(root*o.rootBias+o.eps)
	}
}

func ropeGo(y, x, cos, sin []float32) {
	for ; len(y) > 0; y, x = y[2*len(cos):], x[2*len(cos):] {
		for i := range cos {
			a, b := x[2*i], x[2*i+1]
			y[2*i] = a*cos[i] - b*sin[i]
			y[2*i+1] = b*cos[i] + a*sin[i]
		}
	}
}

func ropeInvGo(y, x, cos, sin []float32) {
	for ; len(y) > 0; y, x = y[2*len(cos):], x[2*len(cos):] {
		for i := range cos {
			a, b := x[2*i], x[2*i+1]
			y[2*i] = a*cos[i] + b*sin[i]
			y[2*i+1] = b*cos[i] - a*sin[i]
		}
	}
}

func sumGo(x []float32) float32 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += x[i]
		s1 += x[i+1]
		s2 += x[i+2]
		s3 += x[i+3]
	}
	for ; i < len(x); i++ {
		s0 += x[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func sqDevGo(x []float32, m float32) float32 {
	var s0, s1 float32
	i := 0
	for ; i+2 <= len(x); i += 2 {
		a, b := x[i]-m, x[i+1]-m
		s0 += a * a
		s1 += b * b
	}
	for ; i < len(x); i++ {
		s0 += (x[i] - m) * (x[i] - m)
	}
	return s0 + s1
}

func centerGo(y, x []float32, m, k float32) {
	for i := range y {
		y[i] = (x[i] - m) * k
	}
}

func centerAffineGo(y, x, g, b []float32, m, k float32) {
	for i := range y {
		y[i] = (x[i]-m)*k*g[i] + b[i]
	}
}

func centerModulateGo(y, x, scale, shift []float32, m, k float32) {
	for i := range y {
		y[i] = (x[i]-m)*k*(1+scale[i]) + shift[i]
	}
}

func softmaxBackGo(ds, p, dp []float32, delta, scale float32) {
	for i := range ds {
		ds[i] = p[i] * (dp[i] - delta) * scale
	}
}

var goTable = table{
	add: addGo, sub: subGo, mul: mulGo, mulAdd: mulAddGo,
	scale: scaleGo, addScaled: addScaledGo,
	mulScaled: mulScaledGo, mulAddScaled: mulAddScaledGo,
	modulate: modulateGo, gatedAdd: gatedAddGo, addMul1p: addMul1pGo, rmsBack: rmsBackGo,
	dot: dotGo, dot3: dot3Go, maximum: maxGo, sqDiff: sqDiffGo, absDiff: absDiffGo,
	sum: sumGo, sqDev: sqDevGo, center: centerGo, centerAffine: centerAffineGo, centerModulate: centerModulateGo,
	relu: reluGo, silu: siluGo, gelu: geluGo, geluErf: geluErfGo,
	reluGrad: reluGradGo, siluGrad: siluGradGo, geluGrad: geluGradGo,
	expSum: expSumGo, expSub: expSubGo, swiGLU: swiGLUGo, swiGLUGrad: swiGLUGradGo,
	signDiff: signDiffGo, blend: blendGo, adamw: adamwGo,
	toBF16: toBF16Go, fromBF16: fromBF16Go, toF16: toF16Go, fromF16: fromF16Go,
	rope: ropeGo, ropeInv: ropeInvGo, softmaxBack: softmaxBackGo, matMul: matMulGo,
}
