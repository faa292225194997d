package recogniser

import (
	"errors"
	"fmt"
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

// A Viewer makes a view of a video from frames that come one by one.
type Viewer struct {
	w, h, fps int
	seen      int
	view      View
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

// View returns the view of the frames so far.
func (v *Viewer) View() View { return v.view }

// Add takes the next RGB frame.
func (v *Viewer) Add(rgb []byte) {
	if v.seen%(v.fps/viewFPS) == 0 && v.view.T < maxFrames {
		v.view.Frames = append(v.view.Frames, make([]byte, viewPixels)...)
		v.view.T++
		shrink(v.view.frame(v.view.T-1), rgb, v.w/viewWidth)
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
