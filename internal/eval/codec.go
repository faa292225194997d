package eval

import (
	"context"
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/world"
)

// CodecScore says how much a codec loses on unseen videos.
type CodecScore struct {
	Films   int     `json:"films"`
	Seconds float64 `json:"seconds"`
	// Ratio is the compression ratio: values of a video (three per pixel) per
	// value of its latents.
	Ratio float64 `json:"ratio"`
	// PSNR is the mean over the videos of the peak signal-to-noise ratio in
	// decibels, each computed from the video's mean square error. Worst is that
	// of the worst video.
	PSNR  float64 `json:"psnr"`
	Worst float64 `json:"worst"`
	// Read is what the recogniser reads from the decoded videos.
	Read Set `json:"read"`
}

// MeasureCodec sends n storybook videos that no model was trained on, half of
// them with held-out combinations, through the model's codec and back, just as
// generation does: group by group, rounded to bytes. progress may be nil.
func MeasureCodec(ctx context.Context, m *reel.Model, read *recogniser.Network, n int, seed uint64, seconds float64, progress func(done, total int)) (*CodecScore, error) {
	c := m.Config
	if n < 1 || n > 100_000 || !(seconds >= 2 && seconds <= 60) {
		return nil, fmt.Errorf("measuring the codec by %d videos of %g seconds: choose 1 to 100000 videos of 2 to 60 seconds", n, seconds)
	}
	frames := reel.Frames(1 + int(seconds*float64(c.FPS))/reel.GroupFrames)
	out := &CodecScore{Films: n, Seconds: seconds, Ratio: c.Ratio(), Worst: math.Inf(1)}
	var t recogniser.Tally
	for i := range n {
		s := world.Sample(world.Unseen+seed<<24+1<<20+uint64(i), world.SampleOptions{Split: world.Split(i % 2), Simple: true, Seconds: max(6, seconds)})
		v, err := recogniser.NewViewer(c.Width, c.Height, c.FPS)
		if err != nil {
			return nil, err
		}
		db, err := throughCodec(ctx, m, s, frames, v.Add)
		if err != nil {
			return nil, fmt.Errorf("video %d through the codec: %w", i+1, err)
		}
		got, err := read.Read(v.View())
		if err != nil {
			return nil, err
		}
		t.Add(recogniser.One, got.Labels, recogniser.Truth(s))
		out.PSNR += db / float64(n)
		out.Worst = min(out.Worst, db)
		if progress != nil {
			progress(i+1, n)
		}
	}
	out.Read = NewSet("through the codec", recogniser.One, t)
	return out, nil
}

// throughCodec encodes and decodes the first frames of a video and returns its
// PSNR; show is called with the decoded frames.
func throughCodec(ctx context.Context, m *reel.Model, s world.Scene, frames int, show func(rgb []byte)) (float64, error) {
	c := m.Config
	r := world.NewRenderer(s, c.Width, c.Height)
	size := c.Width * c.Height * 3
	video := make([]byte, frames*size)
	for i := range frames {
		r.Frame(video[i*size:(i+1)*size], float64(i)/float64(c.FPS))
	}
	h, w := c.LatentSize()
	l := &reel.Latents{H: h, W: w, C: c.Codec.Latent, Frames: frames, FPS: c.FPS}
	b := backend.New()
	encoder := m.Codec.NewEncoder(b)
	defer encoder.Close()
	for at := 0; at < frames; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := reel.GroupFrames
		if at == 0 {
			n = 1
		}
		x := make([]float32, n*size)
		tensor.FromPixels(x, video[at*size:(at+n)*size])
		b.Reset()
		l.Data = append(l.Data, tensor.Values(b, encoder.Next(b.Upload(x, 1, n, c.Height, c.Width, 3)))...)
		l.Groups++
		at += n
	}
	var sum float64
	at := 0
	err := m.Decode(ctx, l, func(rgb []byte) error {
		want := video[at*size:]
		for i, v := range rgb {
			d := float64(v) - float64(want[i])
			sum += d * d
		}
		at++
		show(rgb)
		return nil
	})
	return psnr(sum / float64(len(video))), err
}

// psnr returns decibels for a mean square error of bytes.
func psnr(mse float64) float64 { return 10 * math.Log10(255*255/max(mse, 1e-9)) }
