package kinora

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/scratch"
)

// fakeEngine is a model of 32×24 pixels at 24 fps whose frame i is of the colour
// (i, seed, steps).
type fakeEngine struct {
	jobs      []engine.Job
	sampleErr error
	decodeErr error // given after two frames
	layers    int   // that are told of: before the first step, and in each
	atStep    func(step int)
	stopped   int // frames drawn when Decode ended
	closed    bool
	change    func(*engine.Capabilities)
}

type fakeLatents struct {
	N, Steps int
	Prompt   string
	Seed     uint64
	Settings string
	saveErr  error
}

func (l *fakeLatents) Video() engine.Video {
	return engine.Video{Width: 32, Height: 24, FPS: 24, Frames: l.N}
}

func (l *fakeLatents) Origin() engine.Origin {
	return engine.Origin{Prompt: l.Prompt, Seed: l.Seed, Settings: l.Settings}
}

func (l *fakeLatents) Save(path string) error {
	if l.saveErr != nil {
		return l.saveErr
	}
	return scratch.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(l) })
}

func (e *fakeEngine) Capabilities() engine.Capabilities {
	c := engine.Capabilities{
		Name: "fake", Sizes: engine.Sizes{Native: []engine.Size{{Width: 32, Height: 24}}},
		Lengths: engine.Lengths{Default: 6, Max: 3600}, Rates: []int{24}, FirstFrame: true,
		Steps: engine.Range[int]{Default: 4, Min: 1, Max: 1000}, Guidance: engine.Range[float32]{Default: 3, Max: 100},
		Cost: engine.Cost{SamplingShare: 0.5},
	}
	if e.change != nil {
		e.change(&c)
	}
	return c
}

func (e *fakeEngine) Close() error {
	e.closed = true
	return nil
}

func (e *fakeEngine) Sample(ctx context.Context, j engine.Job, progress func(done, total int)) (engine.Latents, error) {
	e.jobs = append(e.jobs, j)
	for i := range e.layers {
		j.Reading(i+1, e.layers)
	}
	for i := range 4 {
		for l := range e.layers {
			j.Within(l+1, e.layers)
		}
		if e.atStep != nil {
			e.atStep(i)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		progress(i+1, 4)
	}
	if e.sampleErr != nil {
		return nil, e.sampleErr
	}
	return &fakeLatents{N: j.Frames, Steps: j.Steps, Prompt: j.Prompt, Seed: j.Seed, Settings: j.Settings}, nil
}

func (e *fakeEngine) Decode(ctx context.Context, l engine.Latents, yield func(rgb []byte) error) error {
	f := l.(*fakeLatents)
	rgb := make([]byte, 32*24*3)
	for i := range f.N {
		e.stopped = i
		if e.decodeErr != nil && i == 2 {
			return e.decodeErr
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for p := 0; p < len(rgb); p += 3 {
			rgb[p], rgb[p+1], rgb[p+2] = byte(i), byte(f.Seed), byte(f.Steps)
		}
		if err := yield(rgb); err != nil {
			return err
		}
	}
	return nil
}

func (e *fakeEngine) Load(path string) (engine.Latents, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l := new(fakeLatents)
	if json.Unmarshal(data, l) != nil || l.N < 1 {
		return nil, errors.New("these are not latents of the model fake")
	}
	return l, nil
}
