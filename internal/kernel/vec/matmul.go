package vec

import "fmt"

// MatMul computes c[i*ldc+j] = Σ_p a[i*rowA+p*colA] * b[p*ldb+j] for i < m, j < n and p < k, or adds it to c if
// accumulate is set: a small product of operands in cache, for blocks of attention. The sum over p is in order. A
// transposed A costs nothing extra: swap rowA and colA. c must not overlap a or b.
func MatMul(m, n, k int, a []float32, rowA, colA int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	if m <= 0 || n <= 0 {
		return
	}
	if (m-1)*ldc+n > len(c) || n > ldc && m > 1 {
		panic(fmt.Sprintf("vec.MatMul: c holds %d elements, %d×%d with stride %d do not fit", len(c), m, n, ldc))
	}
	if k <= 0 {
		if !accumulate {
			for i := range m {
				clear(c[i*ldc : i*ldc+n])
			}
		}
		return
	}
	if (m-1)*rowA+(k-1)*colA >= len(a) || (k-1)*ldb+n > len(b) {
		panic(fmt.Sprintf("vec.MatMul: a (%d elements) or b (%d) is too short for %d×%d×%d", len(a), len(b), m, n, k))
	}
	use().matMul(m, n, k, a, rowA, colA, b, ldb, c, ldc, accumulate)
}

// Transpose sets dst[j*ldd+i] = src[i*lds+j] for i < rows and j < cols.
func Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	i := 0
	for ; i+8 <= rows; i += 8 { // eight rows at a time fill half a cache line of dst
		s0, s1, s2, s3 := src[i*lds:][:cols], src[(i+1)*lds:][:cols], src[(i+2)*lds:][:cols], src[(i+3)*lds:][:cols]
		s4, s5, s6, s7 := src[(i+4)*lds:][:cols], src[(i+5)*lds:][:cols], src[(i+6)*lds:][:cols], src[(i+7)*lds:][:cols]
		for j := range cols {
			d := (*[8]float32)(dst[j*ldd+i:])
			d[0], d[1], d[2], d[3] = s0[j], s1[j], s2[j], s3[j]
			d[4], d[5], d[6], d[7] = s4[j], s5[j], s6[j], s7[j]
		}
	}
	for ; i < rows; i++ {
		for j := range cols {
			dst[j*ldd+i] = src[i*lds+j]
		}
	}
}

func matMulGo(m, n, k int, a []float32, rowA, colA int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if !accumulate {
			clear(row)
		}
		for p := range k {
			s := a[i*rowA+p*colA]
			for j, v := range b[p*ldb : p*ldb+n] {
				row[j] += s * v
			}
		}
	}
}
