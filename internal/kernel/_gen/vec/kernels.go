package main

import (
	"fmt"
	"math"
)

// bits returns the bits of a constant: a number, or one of a few names.
func bits(name string) uint32 {
	switch name {
	case "-inf":
		return math.Float32bits(float32(math.Inf(-1)))
	case "magnitude":
		return 0x7fffffff
	case "magic bits": // of 1.5*2^23
		return 0x4b400000
	case "bias": // of an exponent
		return 127
	case "bit 0":
		return 1
	case "0x7fff":
		return 0x7fff
	case "quiet": // of a NaN
		return 0x400000
	}
	var f float64
	if _, err := fmt.Sscan(name, &f); err != nil {
		panic(err)
	}
	return math.Float32bits(float32(f))
}

func (e *em) op(name string, dst, a int, b string) {
	e.line("V%s %s, %s, %s", name, b, e.r(a), e.r(dst))
}

func (e *em) add(dst, a, b int) { e.op("ADDPS", dst, a, e.r(b)) }
func (e *em) sub(dst, a, b int) { e.op("SUBPS", dst, a, e.r(b)) }
func (e *em) mul(dst, a, b int) { e.op("MULPS", dst, a, e.r(b)) }
func (e *em) div(dst, a, b int) { e.op("DIVPS", dst, a, e.r(b)) }

// fma: dst += a*b.
func (e *em) fma(dst, a, b int) { e.op("FMADD231PS", dst, a, e.r(b)) }

// set loads a constant.
func (e *em) set(dst int, constant string) { e.line("VMOVUPS %s, %s", e.konst(constant), e.r(dst)) }

// exp: register x = e^x with the temporaries n, p, t, as exp1 of ref_act.go does it. A NaN passes through: VMINPS
// and VMAXPS return the operand that Go writes first.
func (e *em) exp(x, n, p, t int) {
	e.set(t, "89")
	e.op("MINPS", x, t, e.r(x))
	e.set(t, "-104.5")
	e.op("MAXPS", x, t, e.r(x))
	e.set(t, "12582912")
	e.op("FMADD231PS", t, x, e.konst("1.44269504088896341"))
	e.op("SUBPS", n, t, e.konst("12582912"))
	e.op("FNMADD231PS", x, n, e.konst("0.693359375"))
	e.op("FNMADD231PS", x, n, e.konst("-2.12194440e-4"))
	e.set(p, "1.9875691500e-4")
	for _, c := range []string{"1.3981999507e-3", "8.3334519073e-3", "4.1665795894e-2", "1.6666665459e-1", "5.0000001201e-1"} {
		e.op("FMADD213PS", p, x, e.konst(c))
	}
	if e.wide {
		e.mul(t, x, x)
		e.op("FMADD213PS", p, t, e.r(x))
		e.op("ADDPS", p, p, e.konst("1"))
		e.op("SCALEFPS", x, p, e.r(n))
		return
	}
	// The integer n is in the low bits of t.
	e.op("PSUBD", n, t, e.konst("magic bits"))
	e.mul(t, x, x)
	e.op("FMADD213PS", p, t, e.r(x))
	e.op("ADDPS", p, p, e.konst("1"))
	e.line("VPSRAD $1, %s, %s", e.r(n), e.r(t))
	e.op("PSUBD", n, n, e.r(t))
	for _, i := range []int{t, n} {
		e.op("PADDD", i, i, e.konst("bias"))
		e.line("VPSLLD $23, %s, %s", e.r(i), e.r(i))
		e.mul(p, p, i)
	}
	e.line("VMOVAPS %s, %s", e.r(p), e.r(x))
}

// sigmoid: register x = 1/(1+e^-x).
func (e *em) sigmoid(x, n, p, t int) {
	e.op("XORPS", x, x, e.konst("-0"))
	e.exp(x, n, p, t)
	e.op("ADDPS", x, x, e.konst("1"))
	e.set(t, "1")
	e.div(x, t, x)
}

// sigmoids: register x = sigmoid(x) and rest = 1-sigmoid(x).
func (e *em) sigmoids(x, rest, n, p, t int) {
	e.set(t, "-87")
	e.op("MAXPS", x, t, e.r(x))
	e.op("XORPS", rest, x, e.konst("-0"))
	e.exp(rest, n, p, t)
	e.op("ADDPS", n, rest, e.konst("1"))
	e.set(t, "1")
	e.div(x, t, n)
	e.mul(rest, rest, x)
}

// geluArg: u = v*(geluA + geluB*v²); with slope, register d = geluA + 3*geluB*v².
func (e *em) geluArg(u, v, t, d int) {
	e.mul(t, v, v)
	e.set(u, "1.5957691216057308")
	if d >= 0 {
		e.line("VMOVAPS %s, %s", e.r(u), e.r(d))
		e.op("FMADD231PS", d, t, e.konst("0.21406444881780073"))
	}
	e.op("FMADD231PS", u, t, e.konst("0.07135481627260025"))
	e.mul(u, u, v)
}

// two is a kernel of dst and two operands.
func two(name, dst, a, b string, scalars []string, body func(e *em)) kernel {
	return kernel{group: "arith", name: name, slices: []string{dst, a, b}, scalars: scalars, unroll: 4, body: body}
}

func one(name, dst, a string, scalars []string, body func(e *em)) kernel {
	return kernel{group: "arith", name: name, slices: []string{dst, a}, scalars: scalars, unroll: 4, body: body}
}

// bin is dst = a op b.
func bin(name, op string) kernel {
	return two(name, "dst", "a", "b", nil, func(e *em) {
		e.load(0, "a")
		e.load(1, "b")
		e.op(op, 0, 0, e.r(1))
		e.store(0, "dst")
	})
}

var s, t = scalarBase, scalarBase - 1

var kernels = []kernel{
	bin("add", "ADDPS"), bin("sub", "SUBPS"), bin("mul", "MULPS"),
	two("mulAdd", "dst", "a", "b", nil, func(e *em) {
		e.load(0, "dst")
		e.load(1, "a")
		e.load(2, "b")
		e.fma(0, 1, 2)
		e.store(0, "dst")
	}),
	one("scale", "dst", "a", []string{"s"}, func(e *em) {
		e.load(0, "a")
		e.mul(0, 0, s)
		e.store(0, "dst")
	}),
	one("addScaled", "dst", "a", []string{"s"}, func(e *em) {
		e.load(0, "dst")
		e.load(1, "a")
		e.fma(0, 1, s)
		e.store(0, "dst")
	}),
	one("blend", "dst", "a", []string{"s", "t"}, func(e *em) { // dst = s*dst + t*a
		e.load(0, "dst")
		e.load(1, "a")
		e.mul(1, 1, t)
		e.op("FMADD213PS", 0, s, e.r(1))
		e.store(0, "dst")
	}),
	two("mulScaled", "dst", "a", "b", []string{"s"}, func(e *em) {
		e.load(0, "a")
		e.load(1, "b")
		e.mul(0, 0, 1)
		e.mul(0, 0, s)
		e.store(0, "dst")
	}),
	two("mulAddScaled", "dst", "a", "b", []string{"s"}, func(e *em) {
		e.load(0, "dst")
		e.load(1, "a")
		e.load(2, "b")
		e.mul(1, 1, s)
		e.fma(0, 1, 2)
		e.store(0, "dst")
	}),
	{group: "arith", name: "modulate", slices: []string{"y", "x", "scale", "shift"}, unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "scale")
		e.load(2, "shift")
		e.op("ADDPS", 1, 1, e.konst("1"))
		e.op("FMADD213PS", 0, 1, e.r(2))
		e.store(0, "y")
	}},
	{group: "arith", name: "gatedAdd", slices: []string{"y", "x", "z", "gate"}, unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "z")
		e.load(2, "gate")
		e.fma(0, 1, 2)
		e.store(0, "y")
	}},
	two("addMul1p", "dst", "a", "b", nil, func(e *em) {
		e.load(0, "dst")
		e.load(1, "a")
		e.load(2, "b")
		e.op("ADDPS", 2, 2, e.konst("1"))
		e.fma(0, 1, 2)
		e.store(0, "dst")
	}),
	one("center", "y", "x", []string{"m", "k"}, func(e *em) {
		e.load(0, "x")
		e.sub(0, 0, s)
		e.mul(0, 0, t)
		e.store(0, "y")
	}),
	{group: "arith", name: "centerAffine", slices: []string{"y", "x", "g", "b"}, scalars: []string{"m", "k"}, unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "g")
		e.load(2, "b")
		e.sub(0, 0, s)
		e.mul(0, 0, t)
		e.op("FMADD213PS", 0, 1, e.r(2))
		e.store(0, "y")
	}},
	{group: "arith", name: "centerModulate", slices: []string{"y", "x", "scale", "shift"}, scalars: []string{"m", "k"}, unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "scale")
		e.load(2, "shift")
		e.op("ADDPS", 1, 1, e.konst("1"))
		e.sub(0, 0, s)
		e.mul(0, 0, t)
		e.op("FMADD213PS", 0, 1, e.r(2))
		e.store(0, "y")
	}},
	{group: "arith", name: "rmsBack", slices: []string{"dx", "dy", "g", "x"}, scalars: []string{"a", "b"}, unroll: 4, body: func(e *em) {
		e.load(0, "dx")
		e.load(1, "dy")
		e.load(2, "g")
		e.load(3, "x")
		e.mul(1, 1, s)
		e.fma(0, 1, 2)
		e.fma(0, 3, t)
		e.store(0, "dx")
	}},
	{group: "arith", name: "softmaxBack", slices: []string{"ds", "p", "dp"}, scalars: []string{"delta", "scale"}, unroll: 4, body: func(e *em) {
		e.load(0, "dp")
		e.load(1, "p")
		e.sub(0, 0, s)
		e.mul(0, 0, 1)
		e.mul(0, 0, t)
		e.store(0, "ds")
	}},
	two("signDiff", "dx", "x", "y", []string{"s"}, func(e *em) {
		e.load(0, "dx")
		e.load(1, "x")
		e.load(2, "y")
		if e.wide {
			e.line("VCMPPS $30, Z2, Z1, K2")
			e.line("VCMPPS $17, Z2, Z1, K3")
			e.line("VADDPS Z%d, Z0, K2, Z0", s)
			e.line("VSUBPS Z%d, Z0, K3, Z0", s)
		} else {
			e.line("VCMPPS $30, Y2, Y1, Y3")
			e.line("VCMPPS $17, Y2, Y1, Y4")
			e.op("ANDPS", 3, 3, e.r(s))
			e.op("ANDPS", 4, 4, e.r(s))
			e.add(0, 0, 3)
			e.sub(0, 0, 4)
		}
		e.store(0, "dx")
	}),
	{group: "arith", name: "adamw", slices: []string{"p", "m", "v", "g"}, pointer: "o *adam", unroll: 1, body: func(e *em) {
		// m = beta1*m + oneMinusBeta1*g, v = beta2*v + oneMinusBeta2*g², p = keep*p - step*m/(sqrt(v)*rootBias+eps)
		k := func(dst, i int) { e.line("VBROADCASTSS %d(R10), %s", 4*i, e.r(dst)) }
		e.load(0, "g")
		k(4, 4)
		e.mul(0, 0, 4)
		e.load(1, "m")
		k(4, 0)
		e.mul(1, 1, 4)
		k(4, 1)
		e.fma(1, 0, 4)
		e.store(1, "m")
		e.mul(0, 0, 0)
		e.load(2, "v")
		k(4, 2)
		e.mul(2, 2, 4)
		k(4, 3)
		e.fma(2, 0, 4)
		e.store(2, "v")
		e.line("VSQRTPS %s, %s", e.r(2), e.r(2))
		k(4, 6)
		k(5, 7)
		e.op("FMADD213PS", 2, 4, e.r(5))
		k(4, 5)
		e.mul(1, 1, 4)
		e.div(1, 1, 2)
		e.load(3, "p")
		k(4, 8)
		e.op("FMSUB213PS", 3, 4, e.r(1))
		e.store(3, "p")
	}},
	{group: "reduce", name: "dot", slices: []string{"a", "b"}, reduce: "fma", unroll: 4, body: func(e *em) {
		e.load(0, "a")
		e.load(1, "b")
	}},
	{group: "reduce", name: "dot3", slices: []string{"a", "b", "c"}, reduce: "fma", unroll: 4, body: func(e *em) {
		e.load(0, "a")
		e.load(1, "b")
		e.load(2, "c")
		e.mul(0, 0, 2)
	}},
	{group: "reduce", name: "max", slices: []string{"x"}, reduce: "max", unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.fillTail(0, 1, "-inf")
	}},
	{group: "reduce", name: "sqDiff", slices: []string{"x", "y"}, reduce: "fma", unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "y")
		e.sub(0, 0, 1)
		e.line("VMOVAPS %s, %s", e.r(0), e.r(1))
	}},
	{group: "reduce", name: "absDiff", slices: []string{"x", "y"}, reduce: "sum", unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.load(1, "y")
		e.sub(0, 0, 1)
		e.op("ANDPS", 0, 0, e.konst("magnitude"))
	}},
	{group: "reduce", name: "sum", slices: []string{"x"}, reduce: "sum", unroll: 4, body: func(e *em) {
		e.load(0, "x")
	}},
	{group: "reduce", name: "sqDev", slices: []string{"x"}, scalars: []string{"m"}, reduce: "fma", unroll: 4, body: func(e *em) {
		e.load(0, "x")
		e.sub(0, 0, s)
		e.clearTail(0)
		e.line("VMOVAPS %s, %s", e.r(0), e.r(1))
	}},
	{group: "act", name: "expSub", slices: []string{"dst", "x"}, scalars: []string{"scale", "shift"}, unroll: 2, body: func(e *em) {
		e.load(0, "x")
		e.op("FMSUB213PS", 0, s, e.r(t))
		e.exp(0, 1, 2, 3)
		e.store(0, "dst")
	}},
	{group: "act", name: "expSum", slices: []string{"dst", "x"}, scalars: []string{"scale", "shift"}, reduce: "sum", unroll: 2, body: func(e *em) {
		e.load(0, "x")
		e.op("FMSUB213PS", 0, s, e.r(t))
		e.exp(0, 1, 2, 3)
		e.store(0, "dst")
		e.clearTail(0)
	}},
	{group: "act", name: "relu", slices: []string{"dst", "x"}, unroll: 4, prepare: zero, body: func(e *em) {
		e.load(0, "x")
		e.op("MAXPS", 0, 9, e.r(0))
		e.store(0, "dst")
	}},
	{group: "act", name: "reluGrad", slices: []string{"dx", "dy", "x"}, unroll: 4, prepare: zero, body: func(e *em) {
		e.load(0, "dx")
		e.load(1, "dy")
		e.load(2, "x")
		if e.wide {
			e.line("VCMPPS $30, Z9, Z2, K2")
			e.line("VADDPS Z1, Z0, K2, Z0")
		} else {
			e.line("VCMPPS $30, Y9, Y2, Y2")
			e.op("ANDPS", 1, 1, e.r(2))
			e.add(0, 0, 1)
		}
		e.store(0, "dx")
	}},
	{group: "act", name: "silu", slices: []string{"dst", "x"}, unroll: 1, body: func(e *em) {
		e.load(4, "x")
		e.line("VMOVAPS %s, %s", e.r(4), e.r(0))
		e.sigmoid(0, 1, 2, 3)
		e.mul(0, 0, 4)
		e.store(0, "dst")
	}},
	{group: "act", name: "siluGrad", slices: []string{"dx", "dy", "x"}, unroll: 1, body: func(e *em) {
		e.load(0, "x")
		e.line("VMOVAPS %s, %s", e.r(0), e.r(5))
		e.sigmoids(0, 4, 1, 2, 3)
		e.set(3, "1")
		e.fma(3, 5, 4) // 1 + x*(1-s)
		e.mul(0, 0, 3)
		e.load(1, "dy")
		e.load(2, "dx")
		e.fma(2, 0, 1)
		e.store(2, "dx")
	}},
	{group: "act", name: "gelu", slices: []string{"dst", "x"}, unroll: 1, body: func(e *em) {
		e.load(4, "x")
		e.geluArg(0, 4, 1, -1)
		e.sigmoid(0, 1, 2, 3)
		e.mul(0, 0, 4)
		e.store(0, "dst")
	}},
	{group: "act", name: "geluErf", slices: []string{"dst", "x"}, unroll: 1, prepare: zero, body: func(e *em) {
		// max(x, 0) - |x|·Φ(-|x|), Φ(-|x|) = e^(-x²/2)·P(t), t = 1/(1+p·|x|)
		e.load(4, "x")
		e.op("ANDPS", 5, 4, e.konst("magnitude"))
		e.mul(0, 4, 4)
		e.op("MULPS", 0, 0, e.konst("-0.5"))
		e.exp(0, 1, 2, 3)
		e.set(2, "1")
		e.set(1, "1")
		e.op("FMADD231PS", 1, 5, e.konst("0.231641888"))
		e.div(1, 2, 1)
		e.set(2, "0.5307027145")
		for _, c := range []string{"-0.7265760135", "0.7107068705", "-0.142248368", "0.127414796"} {
			e.op("FMADD213PS", 2, 1, e.konst(c))
		}
		e.mul(2, 2, 1)
		e.mul(2, 2, 0)
		e.mul(2, 2, 5)
		e.op("MAXPS", 4, 9, e.r(4))
		e.sub(4, 4, 2)
		e.store(4, "dst")
	}},
	{group: "act", name: "geluGrad", slices: []string{"dx", "dy", "x"}, unroll: 1, body: func(e *em) {
		e.load(5, "x")
		e.geluArg(0, 5, 1, 6)
		e.sigmoids(0, 4, 1, 2, 3)
		e.mul(4, 4, 5)
		e.set(3, "1")
		e.fma(3, 4, 6)
		e.mul(0, 0, 3)
		e.load(1, "dy")
		e.load(2, "dx")
		e.fma(2, 0, 1)
		e.store(2, "dx")
	}},
	{group: "act", name: "swiGLU", slices: []string{"y", "a", "b"}, unroll: 1, body: func(e *em) {
		e.load(4, "a")
		e.load(5, "b")
		e.line("VMOVAPS %s, %s", e.r(4), e.r(0))
		e.sigmoid(0, 1, 2, 3)
		e.mul(0, 0, 4)
		e.mul(0, 0, 5)
		e.store(0, "y")
	}},
	{group: "act", name: "swiGLUGrad", slices: []string{"da", "db", "dy", "a", "b"}, unroll: 1, body: func(e *em) {
		e.load(0, "a")
		e.line("VMOVAPS %s, %s", e.r(0), e.r(5))
		e.sigmoids(0, 4, 1, 2, 3)
		e.load(6, "dy")
		e.mul(0, 0, 6) // dy*s
		e.load(1, "db")
		e.fma(1, 0, 5)
		e.store(1, "db")
		e.set(3, "1")
		e.fma(3, 5, 4)
		e.mul(0, 0, 3)
		e.load(1, "b")
		e.load(2, "da")
		e.fma(2, 0, 1)
		e.store(2, "da")
	}},
}

// zero keeps zeros in register 9.
func zero(e *em) { e.op("XORPS", 9, 9, e.r(9)) }
