package recogniser

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/kinora-video/kinora/internal/world"
)

// A View is a video as the recogniser reads it: RGB frames of 128×80, four a
// second, [T, 80, 128, 3].
type View struct {
	Frames []byte
	T      int
}

func (v View) frame(i int) []byte { return v.Frames[i*viewPixels : (i+1)*viewPixels] }

// Image returns frame i.
func (v View) Image(i int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, viewWidth, viewHeight))
	for p := range framePixels {
		copy(img.Pix[4*p:], v.frame(i)[3*p:][:3])
		img.Pix[4*p+3] = 255
	}
	return img
}

// Draw returns n frames of a view of a storybook video, from the given second
// on.
func Draw(s world.Scene, start float64, n int) View {
	r := world.NewRenderer(s, viewWidth, viewHeight)
	v := View{Frames: make([]byte, n*viewPixels), T: n}
	for i := range n {
		r.Frame(v.frame(i), start+float64(i)/viewFPS)
	}
	return v
}

// drawMasks returns the masks of the frames that Draw draws.
func drawMasks(s world.Scene, start float64, n int) []mask {
	r := world.NewRenderer(s, viewWidth, viewHeight)
	seen := make([]byte, framePixels)
	out := make([]mask, n)
	for i := range out {
		r.Mask(seen, start+float64(i)/viewFPS)
		for p, v := range seen {
			if v >= 128 {
				out[i].set(p)
			}
		}
	}
	return out
}

// A Viewer makes a view of a video from frames that come one by one.
type Viewer struct {
	w, h, fps int
	seen      int
	view      View
	tail      [][]byte // the last frames, up to maxFrames
}

// NewViewer takes frames of w×h, an even multiple of the view's size in each
// direction.
func NewViewer(w, h, fps int) (*Viewer, error) {
	switch {
	case w <= 0 || h <= 0 || w%viewWidth != 0 || h%viewHeight != 0 || w/viewWidth != h/viewHeight:
		return nil, fmt.Errorf("videos of %d×%d cannot be read: the size must be a multiple of %d×%d", w, h, viewWidth, viewHeight)
	case fps <= 0 || fps%viewFPS != 0:
		return nil, fmt.Errorf("videos of %d frames a second cannot be read: the rate must be a multiple of %d", fps, viewFPS)
	}
	return &Viewer{w: w, h: h, fps: fps}, nil
}

// View returns the view of the first six seconds.
func (v *Viewer) View() View { return v.view }

// End returns the view of the last seconds, of the last six at most.
func (v *Viewer) End(seconds int) View {
	n := min(seconds*viewFPS, len(v.tail))
	return View{Frames: bytes.Join(v.tail[len(v.tail)-n:], nil), T: n}
}

// Add takes the next RGB frame.
func (v *Viewer) Add(rgb []byte) {
	if v.seen%(v.fps/viewFPS) == 0 {
		frame := make([]byte, viewPixels)
		shrink(frame, rgb, v.w/viewWidth)
		if v.view.T < maxFrames {
			v.view.Frames = append(v.view.Frames, frame...)
			v.view.T++
		}
		if len(v.tail) == maxFrames {
			v.tail = v.tail[1:]
		}
		v.tail = append(v.tail, frame)
	}
	v.seen++
}

// shrink averages squares of n×n pixels of src into dst.
func shrink(dst, src []byte, n int) {
	row := viewWidth * n * 3
	for y := range viewHeight {
		for x := range viewWidth {
			for c := range 3 {
				sum := n * n / 2
				for j := range n {
					at := (y*n+j)*row + x*n*3 + c
					for i := range n {
						sum += int(src[at+3*i])
					}
				}
				dst[(y*viewWidth+x)*3+c] = byte(sum / (n * n))
			}
		}
	}
}

// Frozen returns the view of a video that repeats the first frame of v.
func (v View) Frozen() View {
	out := View{Frames: make([]byte, len(v.Frames)), T: v.T}
	for i := range v.T {
		copy(out.frame(i), v.frame(0))
	}
	return out
}

// ErrShort is the error for a video that is too short to be read.
var ErrShort = errors.New("the video is shorter than two seconds")

// readable returns an even number of frames of v to read.
func (v View) readable() (int, error) {
	if v.T < minFrames {
		return 0, ErrShort
	}
	return min(v.T, maxFrames) &^ 1, nil
}

// Distance is the root mean square of the difference of two views, 1 being that
// of black and white. The end of the longer one is ignored.
func Distance(a, b View) float64 {
	n := min(a.T, b.T) * viewPixels
	var sum float64
	for i, v := range a.Frames[:n] {
		d := float64(v) - float64(b.Frames[i])
		sum += d * d
	}
	return math.Sqrt(sum/float64(n)) / 255
}
