package conv

// correlateTaps is how many taps correlateFunc takes at a time.
const correlateTaps = 9

// stripFunc computes, for p < positions and c < 16*vectors,
//
//	dst[p*dstStride+c] = init[p*initStride+c] + Σ_i w[i*lanes+c] * src[off[i]/4+p*lanes+c]
//
// in the order of the taps i. init may be dst. Strides are in values, offsets
// in bytes.
type stripFunc func(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int)

// correlateFunc computes, for the nine offsets and c < 16*vectors,
//
//	sum[i*lanes+c] += Σ_p g[p*lanes+c] * src[off[i]/4+q(p)*lanes+c]
//
// over the positions p of rows × width, where q skips the given number of bytes
// at the end of each row.
type correlateFunc func(sum, g, src []float32, off []int, rows, width, skip, vectors int)

// stripGo is the specification of stripFunc.
func stripGo(dst []float32, dstStride int, init []float32, initStride int, src, w []float32, off []int, positions, vectors int) {
	n := 16 * vectors
	for p := range positions {
		d := dst[p*dstStride:][:n]
		copy(d, init[p*initStride:][:n])
		for i, o := range off {
			x, wt := src[o/4+p*lanes:][:n], w[i*lanes:][:n]
			for c, v := range x {
				d[c] += wt[c] * v
			}
		}
	}
}

// correlateGo is the specification of correlateFunc.
func correlateGo(sum, g, src []float32, off []int, rows, width, skip, vectors int) {
	n := 16 * vectors
	q := 0
	for range rows {
		for range width {
			dy := g[:n]
			for i, o := range off {
				s, x := sum[i*lanes:][:n], src[o/4+q:][:n]
				for c, v := range dy {
					s[c] += v * x[c]
				}
			}
			g = g[lanes:]
			q += lanes
		}
		q += skip / 4
	}
}
