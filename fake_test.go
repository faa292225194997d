package kinora

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/kinora-video/kinora/internal/scratch"
)

// fakeEngine is a model of 32×24 pixels at 24 fps whose frame i is of the colour
// (i, seed, steps).
type fakeEngine struct {
	jobs      []job
	sampleErr error
	decodeErr error // given after two frames
	atStep    func(step int)
	stopped   int // frames drawn when decode ended
}

type fakeLatents struct {
	N, Steps int
	Prompt   string
	Seed     uint64
	saveErr  error
}

func (l *fakeLatents) frames() int    { return l.N }
func (l *fakeLatents) origin() origin { return origin{l.Prompt, l.Seed} }

func (l *fakeLatents) save(path string) error {
	if l.saveErr != nil {
		return l.saveErr
	}
	return scratch.WriteFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(l) })
}

func (e *fakeEngine) info() Info {
	return Info{Name: "fake", Width: 32, Height: 24, FPS: 24, Steps: 4, Guidance: 3, Image: true, samplingShare: 0.5}
}

func (e *fakeEngine) sample(ctx context.Context, j job, progress func(done, total int)) (latents, error) {
	e.jobs = append(e.jobs, j)
	for i := range 4 {
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
	return &fakeLatents{N: j.frames, Steps: j.steps, Prompt: j.prompt, Seed: j.seed}, nil
}

func (e *fakeEngine) decode(ctx context.Context, l latents, yield func(rgb []byte) error) error {
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

func (e *fakeEngine) load(path string) (latents, error) {
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
