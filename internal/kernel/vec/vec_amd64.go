package vec

//go:generate sh -c "cd ../_gen/vec && go run . ../../vec"

// tables holds the implementations by simd.Level. A primitive without assembly keeps the plain Go function. AMX has
// the functions of AVX-512, as its tiles only multiply.
var tables = [4]table{goTable, avx2Table(), avx512Table(), avx512Table()}

func avx2Table() table {
	t := goTable
	t.add, t.sub, t.mul, t.mulAdd = addAVX2, subAVX2, mulAVX2, mulAddAVX2
	t.scale, t.addScaled, t.blend = scaleAVX2, addScaledAVX2, blendAVX2
	t.mulScaled, t.mulAddScaled = mulScaledAVX2, mulAddScaledAVX2
	t.modulate, t.gatedAdd = modulateAVX2, gatedAddAVX2
	t.addMul1p, t.rmsBack, t.softmaxBack = addMul1pAVX2, rmsBackAVX2, softmaxBackAVX2
	t.signDiff, t.adamw = signDiffAVX2, adamwAVX2
	t.dot, t.dot3, t.maximum = dotAVX2, dot3AVX2, maxAVX2
	t.sqDiff, t.absDiff = sqDiffAVX2, absDiffAVX2
	t.expSub, t.expSum = expSubAVX2, expSumAVX2
	t.relu, t.reluGrad = reluAVX2, reluGradAVX2
	t.silu, t.siluGrad, t.gelu, t.geluGrad = siluAVX2, siluGradAVX2, geluAVX2, geluGradAVX2
	t.geluErf = geluErfAVX2
	t.sum, t.sqDev = sumAVX2, sqDevAVX2
	t.center, t.centerAffine, t.centerModulate = centerAVX2, centerAffineAVX2, centerModulateAVX2
	t.swiGLU, t.swiGLUGrad = swiGLUAVX2, swiGLUGradAVX2
	t.toBF16, t.toF16 = narrow(toBF16AVX2, toBF16Go), narrow(toF16AVX2, toF16Go)
	t.fromBF16, t.fromF16 = widen(fromBF16AVX2, fromBF16Go), widen(fromF16AVX2, fromF16Go)
	t.rope, t.ropeInv = heads(8, ropeAVX2, ropeGo), heads(8, ropeInvAVX2, ropeInvGo)
	t.matMul = avx2Tiles.matMul
	return t
}

func avx512Table() table {
	t := goTable
	t.add, t.sub, t.mul, t.mulAdd = addAVX512, subAVX512, mulAVX512, mulAddAVX512
	t.scale, t.addScaled, t.blend = scaleAVX512, addScaledAVX512, blendAVX512
	t.mulScaled, t.mulAddScaled = mulScaledAVX512, mulAddScaledAVX512
	t.modulate, t.gatedAdd = modulateAVX512, gatedAddAVX512
	t.addMul1p, t.rmsBack, t.softmaxBack = addMul1pAVX512, rmsBackAVX512, softmaxBackAVX512
	t.signDiff, t.adamw = signDiffAVX512, adamwAVX512
	t.dot, t.dot3, t.maximum = dotAVX512, dot3AVX512, maxAVX512
	t.sqDiff, t.absDiff = sqDiffAVX512, absDiffAVX512
	t.expSub, t.expSum = expSubAVX512, expSumAVX512
	t.relu, t.reluGrad = reluAVX512, reluGradAVX512
	t.silu, t.siluGrad, t.gelu, t.geluGrad = siluAVX512, siluGradAVX512, geluAVX512, geluGradAVX512
	t.geluErf = geluErfAVX512
	t.sum, t.sqDev = sumAVX512, sqDevAVX512
	t.center, t.centerAffine, t.centerModulate = centerAVX512, centerAffineAVX512, centerModulateAVX512
	t.swiGLU, t.swiGLUGrad = swiGLUAVX512, swiGLUGradAVX512
	t.toBF16, t.toF16 = narrow(toBF16AVX512, toBF16Go), narrow(toF16AVX512, toF16Go)
	t.fromBF16, t.fromF16 = widen(fromBF16AVX512, fromBF16Go), widen(fromF16AVX512, fromF16Go)
	t.rope, t.ropeInv = heads(16, ropeAVX512, ropeGo), heads(16, ropeInvAVX512, ropeInvGo)
	t.matMul = avx512Tiles.matMul
	return t
}

// narrow adds the tail to a conversion to 16 bits that handles whole registers.
func narrow(whole, rest func(dst []uint16, src []float32)) func(dst []uint16, src []float32) {
	return func(dst []uint16, src []float32) {
		n := len(dst) &^ 15
		whole(dst[:n], src[:n])
		rest(dst[n:], src[n:])
	}
}

// widen is narrow for conversions from 16 bits.
func widen(whole, rest func(dst []float32, src []uint16)) func(dst []float32, src []uint16) {
	return func(dst []float32, src []uint16) {
		n := len(dst) &^ 15
		whole(dst[:n], src[:n])
		rest(dst[n:], src[n:])
	}
}

// heads returns a function that uses whole if a head is a whole number of registers, and rest otherwise.
func heads(width int, whole, rest func(y, x, cos, sin []float32)) func(y, x, cos, sin []float32) {
	return func(y, x, cos, sin []float32) {
		if 2*len(cos)%width == 0 {
			whole(y, x, cos, sin)
			return
		}
		rest(y, x, cos, sin)
	}
}

// tileFunc computes a few rows and up to two registers of columns of a product: c = Σ_p a[·,p]*b[p,·], added to c
// if accumulate is set. Strides are in elements; of the last register only the first lanes columns exist.
type tileFunc func(k int, a *float32, rowA, colA int, b *float32, ldb int, c *float32, ldc int, accumulate bool, lanes int)

// tileSet is the tiles of one instruction set.
type tileSet struct {
	width int // columns of a register
	tiles []tileSize
}

// tileSize holds the tiles of one height: with one and with two registers of columns.
type tileSize struct {
	rows int
	f    [2]tileFunc
}

var avx512Tiles = tileSet{16, []tileSize{
	{8, [2]tileFunc{tile8x1AVX512, tile8x2AVX512}},
	{4, [2]tileFunc{tile4x1AVX512, tile4x2AVX512}},
	{2, [2]tileFunc{tile2x1AVX512, tile2x2AVX512}},
	{1, [2]tileFunc{tile1x1AVX512, tile1x2AVX512}},
}}

var avx2Tiles = tileSet{8, []tileSize{
	{4, [2]tileFunc{tile4x1AVX2, tile4x2AVX2}},
	{2, [2]tileFunc{tile2x1AVX2, tile2x2AVX2}},
	{1, [2]tileFunc{tile1x1AVX2, tile1x2AVX2}},
}}

// matMul is matMulGo with tiles. MatMul has checked that all operands are long enough.
func (s *tileSet) matMul(m, n, k int, a []float32, rowA, colA int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	for j := 0; j < n; {
		wide := 0
		if n-j > s.width {
			wide = 1
		}
		lanes := min(n-j-wide*s.width, s.width)
		i := 0
		for _, t := range s.tiles {
			for ; i+t.rows <= m; i += t.rows {
				t.f[wide](k, &a[i*rowA], rowA, colA, &b[j], ldb, &c[i*ldc+j], ldc, accumulate, lanes)
			}
		}
		j += wide*s.width + lanes
	}
}
