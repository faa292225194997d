package clip

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/media"
)

// The means and standard deviations of the colours in CLIP's training images.
var (
	colourMean = [channels]float32{0.48145466, 0.4578275, 0.40821073}
	colourStd  = [channels]float32{0.26862954, 0.26130258, 0.27577711}
)

// Pixels prepares a frame: its shorter side becomes Size long, its middle is cut out,
// [Size, Size, 3], with colours as the encoder knows them. It does what transformers'
// CLIPImageProcessor does with Pillow: cubic convolution over as many pixels as
// become one, rounded to bytes after the rows and after the columns. (Pillow 13
// takes columns first for some sizes, which rounds a little otherwise.)
func (c Config) Pixels(f media.Frame) ([]float32, error) {
	if f.W < 1 || f.H < 1 || len(f.Pix) != f.W*f.H*channels {
		return nil, fmt.Errorf("the image encoder: a frame of %d×%d with %d bytes", f.W, f.H, len(f.Pix))
	}
	short := min(f.W, f.H)
	w, h := c.Size*f.W/short, c.Size*f.H/short
	rgb := resize(f.Pix, f.W, f.H, w, h)
	left, top := (w-c.Size)/2, (h-c.Size)/2
	out := make([]float32, 0, c.Size*c.Size*channels)
	for y := range c.Size {
		for i, v := range rgb[((top+y)*w+left)*channels:][:c.Size*channels] {
			out = append(out, (float32(v)/255-colourMean[i%channels])/colourStd[i%channels])
		}
	}
	return out, nil
}

// resize scales the pixels of a picture, first along rows, then along columns.
func resize(rgb []byte, width, height, w, h int) []byte {
	if w != width {
		out := make([]byte, w*height*3)
		for x, t := range taps(width, w) {
			for y := range height {
				t.sum(out[(y*w+x)*3:], rgb[y*width*3:], 3)
			}
		}
		rgb = out
	}
	if h != height {
		out := make([]byte, w*h*3)
		for y, t := range taps(height, h) {
			for x := range w {
				t.sum(out[(y*w+x)*3:], rgb[x*3:], w*3)
			}
		}
		rgb = out
	}
	return rgb
}

// tap says of which pixels, from first on, one becomes, with which weights.
type tap struct {
	first   int
	weights []float64
}

// taps are those of a line of n pixels that becomes one of m.
func taps(n, m int) []tap {
	scale := float64(n) / float64(m)
	wide := max(scale, 1)
	out := make([]tap, m)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		lo := max(0, int(centre-2*wide+0.5))
		hi := min(n, int(centre+2*wide+0.5))
		t := tap{first: lo, weights: make([]float64, hi-lo)}
		var sum float64
		for k := range t.weights {
			t.weights[k] = cubic((float64(lo+k) - centre + 0.5) / wide)
			sum += t.weights[k]
		}
		for k := range t.weights {
			t.weights[k] /= sum
		}
		out[i] = t
	}
	return out
}

// cubic is Keys' kernel of cubic convolution with a = -½.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// sum writes a pixel made of others, which lie stride bytes apart.
func (t tap) sum(dst, line []byte, stride int) {
	for colour := range 3 {
		var v float64
		for k, w := range t.weights {
			v += w * float64(line[(t.first+k)*stride+colour])
		}
		dst[colour] = byte(max(0, min(255, math.Floor(v+0.5))))
	}
}
