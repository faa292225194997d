// Package testcard is a model without a neural network. It draws a test pattern
// with a beep, and so checks in no time everything else that stands between a
// request and a file.
package testcard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/tensor"
)

// The pattern: colour bars turned by prompt and seed, a ramp of greys that slides
// one step a frame, and a white marker that crosses the picture once a second.
// When it sets out, there is a beep of 1 kHz.
const (
	width, height = 256, 160 // pixels
	fps           = 24
	maxSeconds    = 3600

	sampleRate = 48000
	beepHertz  = 1000
	beepLength = sampleRate / 10 // samples
	beepPeak   = 0.25
)

// Spec is the test card in the registry.
func Spec() engine.Spec {
	return engine.Spec{
		Capabilities: card{}.Capabilities,
		Open:         func(context.Context, engine.Options) (engine.Engine, error) { return card{}, nil },
	}
}

// card is the model.
type card struct{}

// Capabilities implements engine.Engine.
func (card) Capabilities() engine.Capabilities {
	return engine.Capabilities{
		Name: "testcard", About: "a test pattern with a beep that checks an installation, no neural network",
		Sizes:      engine.Sizes{Native: []engine.Size{{Width: width, Height: height}}},
		Enlarge:    engine.Enlarging{Plain: true}, // it checks an installation in no time
		Lengths:    engine.Lengths{Default: 6, Max: maxSeconds},
		Rates:      []int{fps},
		FirstFrame: true,
		Sound:      &engine.Track{Rate: sampleRate, Channels: 1},
		Steps:      engine.Range[int]{Default: 4, Min: 1, Max: 1000},
		Guidance:   engine.Range[float32]{Default: 1, Max: 100},
		Cost:       engine.Cost{Memory: 1 << 20, CoreSeconds: 0.02, SamplingShare: 0.02},
	}
}

// latents are all that a test card needs, and its form on disk.
type latents struct {
	Format string `json:"format"`
	Prompt string `json:"prompt"`
	Seed   uint64 `json:"seed"`
	Count  int    `json:"frames"`
	Image  []byte `json:"image,omitempty"` // [height, width, 3], the first frame
}

const format = "kinora-testcard-1"

// Video implements engine.Latents.
func (l *latents) Video() engine.Video {
	return engine.Video{Width: width, Height: height, FPS: fps, Frames: l.Count}
}

// Origin implements engine.Latents.
func (l *latents) Origin() engine.Origin { return engine.Origin{Prompt: l.Prompt, Seed: l.Seed} }

// Save implements engine.Latents.
func (l *latents) Save(path string) error {
	return scratch.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(l) })
}

// Sample implements engine.Engine.
func (card) Sample(ctx context.Context, j engine.Job, progress func(done, total int)) (engine.Latents, error) {
	l := &latents{Format: format, Prompt: j.Prompt, Seed: j.Seed, Count: j.Frames}
	if j.First != nil {
		l.Image = make([]byte, len(j.First))
		tensor.ToPixels(l.Image, j.First)
	}
	for i := range j.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if j.Preview != nil && i == j.Steps/2 {
			j.Preview(l.frame(nil, 0))
		}
		progress(i+1, j.Steps)
	}
	return l, nil
}

// frame draws frame i into rgb, which it makes when that is nil.
func (l *latents) frame(rgb []byte, i int) []byte {
	if rgb == nil {
		rgb = make([]byte, width*height*3)
	}
	if i == 0 && l.Image != nil {
		copy(rgb, l.Image)
		return rgb
	}
	h := fnv.New64a()
	h.Write([]byte(l.Prompt))
	draw(rgb, int((h.Sum64()+l.Seed)%8), i)
	return rgb
}

// Load implements engine.Engine.
func (card) Load(path string) (engine.Latents, error) {
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
	l := new(latents)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(l); {
	case err != nil || len(data) > limit || l.Format != format:
		return nil, errors.New("these are not latents of the model testcard")
	case l.Count < 1 || l.Count > maxSeconds*fps:
		return nil, fmt.Errorf("the latents say %d frames", l.Count)
	case len(l.Image) != 0 && len(l.Image) != width*height*3:
		return nil, fmt.Errorf("the latents' image has %d bytes", len(l.Image))
	}
	return l, nil
}

// Decode implements engine.Engine.
func (card) Decode(ctx context.Context, l engine.Latents, yield func(rgb []byte) error) error {
	t := l.(*latents)
	var rgb []byte
	for i := range t.Count {
		if err := ctx.Err(); err != nil {
			return err
		}
		rgb = t.frame(rgb, i)
		if err := yield(rgb); err != nil {
			return err
		}
	}
	return nil
}

// Sound implements engine.Sounder: a beep as each second begins.
func (card) Sound(ctx context.Context, l engine.Latents, yield func(samples []float32) error) error {
	second := make([]float32, sampleRate)
	for i := range beepLength {
		fade := min(1, float64(min(i, beepLength-i))/(sampleRate/200)) // no clicks
		second[i] = float32(beepPeak * fade * math.Sin(2*math.Pi*beepHertz*float64(i)/sampleRate))
	}
	for left := l.Video().Frames * sampleRate / fps; left > 0; left -= sampleRate {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(second[:min(left, sampleRate)]); err != nil {
			return err
		}
	}
	return nil
}

// Close implements engine.Engine.
func (card) Close() error { return nil }

// draw draws a frame of the pattern whose bars are turned by some.
func draw(rgb []byte, turn, frame int) {
	marker := frame % fps * (width - 16) / (fps - 1)
	for y := range height {
		row := rgb[y*width*3 : (y+1)*width*3]
		for x := range width {
			var r, g, b byte
			switch bar := byte(x*8/width + turn); {
			case y >= height-16 && x >= marker && x < marker+16:
				r, g, b = 255, 255, 255
			case y >= height*3/4:
				v := byte(x + frame)
				r, g, b = v, v, v
			default:
				r, g, b = 191*(bar>>1&1), 191*(bar>>2&1), 191*(bar&1)
			}
			row[3*x], row[3*x+1], row[3*x+2] = r, g, b
		}
	}
}
