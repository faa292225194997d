package eval

import (
	"context"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/world"
)

// UpscalingScore says how near a way to enlarge frames comes to what the
// storybook draws in the larger size.
type UpscalingScore struct {
	Way string `json:"way"`
	// Decoded is the mean of the videos' peak signal to noise ratio in decibels
	// where the frames come from the codec, as those of a generated video do, and
	// Drawn where they are the storybook's own of the small size.
	Decoded float64 `json:"decoded"`
	Drawn   float64 `json:"drawn"`
	// Frame is how long a frame took, in milliseconds.
	Frame float64 `json:"frameMilliseconds"`
}

// upscalingFactor is how many times longer the sides become.
const upscalingFactor = 2

// enlarger makes a frame larger.
type enlarger struct {
	name  string
	frame func(dst, rgb []byte) error
	spent time.Duration
}

// MeasureUpscaling enlarges frames of n unseen storybook videos by 2, one a
// second of each, by interpolation and by the networks, in the order of names.
// progress may be nil.
func MeasureUpscaling(ctx context.Context, m *reel.Model, networks map[string]*upscale.Net, names []string, n int, seed uint64, seconds float64, progress func(done, total int)) ([]UpscalingScore, error) {
	c := m.Config
	if n < 1 || n > 100_000 || !(seconds >= 1 && seconds <= 60) {
		return nil, fmt.Errorf("measuring upscaling by %d videos of %g seconds: choose 1 to 100000 videos of 1 to 60 seconds", n, seconds)
	}
	ways, err := waysToEnlarge(c.Width, c.Height, networks, names)
	if err != nil {
		return nil, err
	}
	out := make([]UpscalingScore, len(ways))
	for i := range n {
		s := world.Sample(world.Unseen+seed<<24+1<<21+uint64(i), world.SampleOptions{Split: world.Split(i % 2), Simple: true, Seconds: max(6, seconds)})
		decoded, drawn := make([]float64, len(ways)), make([]float64, len(ways))
		frames := 0
		small, large := world.NewRenderer(s, c.Width, c.Height), world.NewRenderer(s, upscalingFactor*c.Width, upscalingFactor*c.Height)
		rgb, want := make([]byte, 3*c.Width*c.Height), make([]byte, 3*c.Width*c.Height*upscalingFactor*upscalingFactor)
		got := make([]byte, len(want))
		at := 0
		var failed error
		_, err := throughCodec(ctx, m, s, reel.Frames(1+int(seconds*float64(c.FPS))/reel.GroupFrames), func(seen []byte) {
			if at++; (at-1)%c.FPS != 0 || failed != nil {
				return
			}
			frames++
			when := float64(at-1) / float64(c.FPS)
			small.Frame(rgb, when)
			large.Frame(want, when)
			for k := range ways {
				for _, from := range []struct {
					rgb []byte
					sum *float64
				}{{seen, &decoded[k]}, {rgb, &drawn[k]}} {
					if failed = ways[k].enlarge(got, from.rgb); failed != nil {
						return
					}
					*from.sum += squares(got, want)
				}
			}
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return nil, fmt.Errorf("enlarging video %d: %w", i+1, err)
		}
		for k := range ways {
			pixels := float64(frames * len(want))
			out[k].Decoded += psnr(decoded[k]/pixels) / float64(n)
			out[k].Drawn += psnr(drawn[k]/pixels) / float64(n)
			out[k].Way, out[k].Frame = ways[k].name, out[k].Frame+float64(2*frames)
		}
		if progress != nil {
			progress(i+1, n)
		}
	}
	for k := range out {
		out[k].Frame = float64(ways[k].spent) / float64(time.Millisecond) / out[k].Frame
	}
	return out, nil
}

// waysToEnlarge are interpolation and the networks for frames of w×h; one with a
// larger factor has its frames scaled down.
func waysToEnlarge(w, h int, networks map[string]*upscale.Net, names []string) ([]enlarger, error) {
	lw, lh := upscalingFactor*w, upscalingFactor*h
	plain, err := media.NewResizer(media.Bicubic, w, h, lw, lh)
	if err != nil {
		return nil, err
	}
	ways := []enlarger{{name: "interpolated (Catmull-Rom)", frame: func(dst, rgb []byte) error {
		return plain.ResizeInto(media.Frame{W: lw, H: lh, Pix: dst}, media.Frame{W: w, H: h, Pix: rgb})
	}}}
	for _, name := range names {
		r, err := networks[name].NewRunner(w, h)
		if err != nil {
			return nil, err
		}
		rw, rh := r.Size()
		if rw == lw && rh == lh {
			ways = append(ways, enlarger{name: name, frame: r.Frame})
			continue
		}
		down, err := media.NewResizer(media.Bicubic, rw, rh, lw, lh)
		if err != nil {
			return nil, err
		}
		big := media.NewFrame(rw, rh)
		ways = append(ways, enlarger{name: name, frame: func(dst, rgb []byte) error {
			if err := r.Frame(big.Pix, rgb); err != nil {
				return err
			}
			return down.ResizeInto(media.Frame{W: lw, H: lh, Pix: dst}, big)
		}})
	}
	return ways, nil
}

func (e *enlarger) enlarge(dst, rgb []byte) error {
	start := time.Now()
	err := e.frame(dst, rgb)
	e.spent += time.Since(start)
	return err
}

// squares is the sum of the squared differences of bytes.
func squares(a, b []byte) float64 {
	var sum float64
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}

// WriteUpscaling prints the scores as a table.
func WriteUpscaling(w io.Writer, scores []UpscalingScore) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tthrough the codec\tdrawn\ta frame\t")
	for _, s := range scores {
		fmt.Fprintf(t, "%s\t%.2f dB\t%.2f dB\t%s ms\t\n", s.Way, s.Decoded, s.Drawn, significant(s.Frame))
	}
	return t.Flush()
}

// significant gives a number two digits.
func significant(x float64) string {
	if x >= 10 || x == 0 || math.IsNaN(x) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}
