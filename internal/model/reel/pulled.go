package reel

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// WeightsName is the file of weights in the folder of a reel that was pulled.
const WeightsName = "reel.safetensors"

// SpecIn is a reel whose weights lie in a folder, as WeightsName. It reads their
// header alone. The model is called name.
func SpecIn(name, dir string) (engine.Spec, error) {
	path := filepath.Join(dir, WeightsName)
	f, err := safetensors.Open(path)
	if err != nil {
		return engine.Spec{}, err
	}
	cfg, _, err := about(f.Metadata())
	if err = errors.Join(err, f.Close()); err != nil {
		return engine.Spec{}, fmt.Errorf("%s: %w", path, err)
	}
	can := renamed(capabilities(cfg, world.NoEdition), name)
	return engine.Spec{
		Capabilities: func() engine.Capabilities { return can },
		Open: func(ctx context.Context, o engine.Options) (engine.Engine, error) {
			if o.Weights == "" {
				o.Weights = path
			}
			e, err := openEngine(ctx, o)
			if err != nil {
				return nil, err
			}
			return &namedEngine{e.(*modelEngine), name}, nil
		},
		Weights: Spec().Weights,
	}, nil
}

func renamed(c engine.Capabilities, name string) engine.Capabilities {
	c.Name, c.About = name, "a reel with weights of its own"
	return c
}

// namedEngine is a reel with another name.
type namedEngine struct {
	*modelEngine
	name string
}

// Capabilities implements engine.Engine.
func (e *namedEngine) Capabilities() engine.Capabilities {
	return renamed(e.modelEngine.Capabilities(), e.name)
}
