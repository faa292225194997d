package kinora

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/scratch"
)

// testCard draws a test pattern: colour bars turned by prompt and seed, a ramp
// of greys that slides one step a frame, and a white marker that crosses the
// picture once a second. It makes no use of a neural network, and checks in no
// time everything else that stands between a request and a file.
type testCard struct{}

func openTestCard(_ context.Context, weights string) (engine, error) {
	if weights != "" {
		return nil, &Error{Kind: Invalid, Op: "open model", What: "testcard", Err: errors.New("it has no weights"), Hint: "leave the weights out"}
	}
	return testCard{}, nil
}

func (testCard) info() Info {
	return Info{
		Name: "testcard", About: "a test pattern that checks an installation, no neural network",
		Width: 256, Height: 160, FPS: 24, Steps: 4, Guidance: 1, Image: true, samplingShare: 0.02,
		plain: true, // it checks an installation in no time
	}
}

// cardLatents is all that a test card needs, and its form on disk.
type cardLatents struct {
	Format string `json:"format"`
	Prompt string `json:"prompt"`
	Seed   uint64 `json:"seed"`
	Count  int    `json:"frames"`
	Image  []byte `json:"image,omitempty"` // [h, w, 3], the first frame
}

const cardFormat = "kinora-testcard-1"

func (l *cardLatents) frames() int    { return l.Count }
func (l *cardLatents) origin() origin { return origin{l.Prompt, l.Seed} }

func (l *cardLatents) save(path string) error {
	return scratch.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(l) })
}

func (c testCard) sample(ctx context.Context, j job, progress func(done, total int)) (latents, error) {
	steps := j.steps
	if steps == 0 {
		steps = c.info().Steps
	}
	l := &cardLatents{Format: cardFormat, Prompt: j.prompt, Seed: j.seed, Count: j.frames}
	if j.image != nil {
		l.Image = make([]byte, len(j.image))
		elem.ToBytes(l.Image, j.image)
	}
	for i := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if j.preview != nil && i == steps/2 {
			j.preview(l.frame(nil, c.info(), 0))
		}
		progress(i+1, steps)
	}
	return l, nil
}

// frame draws frame i into rgb, which it makes when that is nil.
func (l *cardLatents) frame(rgb []byte, in Info, i int) []byte {
	if rgb == nil {
		rgb = make([]byte, in.Width*in.Height*3)
	}
	if i == 0 && l.Image != nil {
		copy(rgb, l.Image)
		return rgb
	}
	h := fnv.New64a()
	h.Write([]byte(l.Prompt))
	drawCard(rgb, in, int((h.Sum64()+l.Seed)%8), i)
	return rgb
}

func (c testCard) load(path string) (latents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const limit = 8 << 20
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	l := new(cardLatents)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	in := c.info()
	switch err := dec.Decode(l); {
	case err != nil || len(data) > limit || l.Format != cardFormat:
		return nil, errors.New("these are not latents of the model testcard")
	case l.Count < 1 || l.Count > MaxSeconds*in.FPS:
		return nil, fmt.Errorf("the latents say %d frames", l.Count)
	case len(l.Image) != 0 && len(l.Image) != in.Width*in.Height*3:
		return nil, fmt.Errorf("the latents' image has %d bytes", len(l.Image))
	}
	return l, nil
}

func (c testCard) decode(ctx context.Context, l latents, yield func(rgb []byte) error) error {
	card := l.(*cardLatents)
	var rgb []byte
	for i := range card.Count {
		if err := ctx.Err(); err != nil {
			return err
		}
		rgb = card.frame(rgb, c.info(), i)
		if err := yield(rgb); err != nil {
			return err
		}
	}
	return nil
}

func drawCard(rgb []byte, in Info, turn, frame int) {
	marker := frame % in.FPS * (in.Width - 16) / (in.FPS - 1)
	for y := range in.Height {
		row := rgb[y*in.Width*3 : (y+1)*in.Width*3]
		for x := range in.Width {
			var r, g, b byte
			switch bar := byte(x*8/in.Width + turn); {
			case y >= in.Height-16 && x >= marker && x < marker+16:
				r, g, b = 255, 255, 255
			case y >= in.Height*3/4:
				v := byte(x + frame)
				r, g, b = v, v, v
			default:
				r, g, b = 191*(bar>>1&1), 191*(bar>>2&1), 191*(bar&1)
			}
			row[3*x], row[3*x+1], row[3*x+2] = r, g, b
		}
	}
}
