package recogniser

import (
	"math/rand/v2"
	"sync"
)

// rough makes real videos look like decoded ones, so that what the recogniser
// learns holds for both: it shifts, mirrors, blurs, tints and adds noise. It
// does not use the model under test.
type rough struct {
	mirror bool
	dx, dy int
	blur   []float32 // strength of each pass
	gain   [3]float32
	offset [3]float32
	noise  float32
	block  float32 // noise of 8×8 blocks
}

func drawRough(rng *rand.Rand) rough {
	r := rough{mirror: rng.IntN(2) == 0, gain: [3]float32{1, 1, 1}}
	if rng.IntN(2) == 0 {
		r.dx, r.dy = rng.IntN(9)-4, rng.IntN(7)-3
	}
	if rng.IntN(2) == 0 {
		for range 1 + rng.IntN(2) {
			r.blur = append(r.blur, rng.Float32())
		}
	}
	if rng.IntN(3) > 0 {
		for c := range 3 {
			r.gain[c] = 1 + 0.06*(2*rng.Float32()-1)
			r.offset[c] = 0.06 * (2*rng.Float32() - 1)
		}
	}
	if rng.IntN(2) == 0 {
		r.noise, r.block = 0.06*rng.Float32(), 0.05*rng.Float32()
	}
	return r
}

// gaussians is normal noise that is drawn once: drawing it for each pixel would
// cost more than everything else.
var gaussians = sync.OnceValue(func() []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, 1<<18)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
})

// apply roughens frame j and writes it as frame j of video i of a sight.
func (r rough) apply(s sight, i, j int, src []byte, keys []int, rng *rand.Rand) {
	var frame, scratch [viewPixels]float32
	r.transform(frame[:], src)
	for _, a := range r.blur {
		soften(frame[:], scratch[:], a)
	}
	if r.noise > 0 {
		r.disturb(frame[:], rng)
	}
	s.put(i, j, frame[:], keys)
}

// transform shifts, mirrors and tints a frame.
func (r rough) transform(dst []float32, src []byte) {
	var tint [3][256]float32
	for c := range tint {
		for v := range tint[c] {
			tint[c][v] = (float32(v)/127.5-1)*r.gain[c] + r.offset[c]
		}
	}
	for i := range framePixels {
		in, out := src[r.from(i)*3:][:3], dst[i*3:][:3]
		for c := range tint {
			out[c] = tint[c][in[c]]
		}
	}
}

// from is the pixel that pixel i comes from.
func (r rough) from(i int) int {
	x := min(max(i%viewWidth+r.dx, 0), viewWidth-1)
	if r.mirror {
		x = viewWidth - 1 - x
	}
	return min(max(i/viewWidth+r.dy, 0), viewHeight-1)*viewWidth + x
}

// outline moves a mask as transform moves a frame.
func (r rough) outline(src *mask) (dst mask) {
	for i := range framePixels {
		if src.has(r.from(i)) {
			dst.set(i)
		}
	}
	return dst
}

// soften mixes x with its mean over 3×3 pixels.
func soften(x, scratch []float32, a float32) {
	const row = viewWidth * 3
	for y := range viewHeight { // along rows
		in, out := x[y*row:(y+1)*row], scratch[y*row:(y+1)*row]
		copy(out[:3], in[:3])
		copy(out[row-3:], in[row-3:])
		for i := 3; i < row-3; i++ {
			out[i] = (in[i-3] + in[i] + in[i+3]) * (1.0 / 3)
		}
	}
	for y := 1; y < viewHeight-1; y++ {
		up, mid, down, out := scratch[(y-1)*row:y*row], scratch[y*row:(y+1)*row], scratch[(y+1)*row:(y+2)*row], x[y*row:(y+1)*row]
		for i := range out {
			out[i] += a * ((up[i]+mid[i]+down[i])*(1.0/3) - out[i])
		}
	}
}

// disturb adds noise to a frame.
func (r rough) disturb(x []float32, rng *rand.Rand) {
	all := gaussians()
	noise := all[rng.IntN(len(all)-len(x)):]
	for i := range x {
		x[i] += r.noise * noise[i]
	}
	for by := 0; by < viewHeight; by += 8 {
		for bx := 0; bx < viewWidth; bx += 8 {
			d := r.block * all[rng.IntN(len(all))]
			for y := by; y < by+8; y++ {
				line := x[(y*viewWidth+bx)*3:][:24]
				for i := range line {
					line[i] += d
				}
			}
		}
	}
}
