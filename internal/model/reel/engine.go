package reel

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/upscale"
	"github.com/kinora-video/kinora/internal/prompt"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// Spec is reel in the registry.
func Spec() engine.Spec {
	return engine.Spec{
		Capabilities: embeddedCapabilities,
		Open:         openEngine,
		Weights:      "weights of reel come from kinora train",
		Digest:       embeddedDigest,
	}
}

// capabilities are those of weights with a configuration. The ones inside the binary
// learned from the storybook alone, and taught is its edition: others may have been
// taught any words, which is no edition.
func capabilities(c Config, taught world.Edition) engine.Capabilities {
	h, w := c.LatentSize()
	steps, scale := c.Sampling()
	guidance := engine.Range[float32]{Default: scale, Max: MaxGuidance}
	if c.Flow.Steps > 0 { // guidance is part of the weights
		guidance.Min, guidance.Max = scale, scale
	}
	out := engine.Capabilities{
		Name: "reel", About: "Kinora's own small model, taught by the storybook",
		Sizes:      engine.Sizes{Native: []engine.Size{{Width: c.Width, Height: c.Height}}},
		Enlarge:    engine.Enlarging{Own: taught != world.NoEdition},
		Lengths:    engine.Lengths{Default: 6, Max: MaxFrames / 24, Group: groupSize},
		Rates:      []int{c.FPS},
		FirstFrame: true,
		Steps:      engine.Range[int]{Default: steps, Min: 1, Max: MaxSteps},
		Guidance:   guidance,
		Cost: engine.Cost{
			Memory: engineMemory, CoreSeconds: engineCoreSeconds, SamplingShare: 0.7,
			LatentBytes: 4 * c.Codec.Latent * h * w / groupSize,
		},
	}
	for lang := range world.Lang(world.NumLangs) {
		out.Prompt.Languages = append(out.Prompt.Languages, lang.String())
	}
	for camera := range world.Camera(world.NumCameras) {
		out.Prompt.Camera = append(out.Prompt.Camera, "["+camera.Command()+"]")
	}
	if taught != world.NoEdition {
		out.Prompt.Words = &engine.Vocabulary{Topics: topics(taught), Unknown: taught.UnknownWords, Nearest: taught.Nearest, Draft: func(words string) engine.Draft {
			d := prompt.Make(words, taught)
			return engine.Draft{Sentence: d.Sentence, Complete: d.Complete, Choices: d.Choices, Better: d.Better, Examples: d.Examples}
		}}
	}
	return out
}

// About what a video takes: measured with /usr/bin/time kinora generate --seconds 12
// on AVX-512, with ffmpeg.
const (
	engineMemory      = 300e6 // bytes
	engineCoreSeconds = 1     // for a second of video
)

// topicNames are the names of the kinds of words that are listed.
var topicNames = map[string]string{
	"subjects": "", "colors": "", "places": "places", "times": "times", "weather": "weather", "motions": "moving", "camera": "camera",
}

// topics are what an edition of the storybook shows, a kind of thing after the other.
func topics(e world.Edition) []engine.Topic {
	var all []engine.Topic
	for _, kind := range e.Vocabulary() {
		name, listed := topicNames[kind.Name]
		if !listed {
			continue
		}
		t := engine.Topic{Name: name, Said: map[string][]string{}}
		for _, v := range kind.Values {
			t.Words = append(t.Words, v.Name)
			for lang, words := range v.Words {
				t.Said[lang] = append(t.Said[lang], usual(words, v.Name))
			}
		}
		all = append(all, t)
	}
	return all
}

// usual is the first of the words for something, or its name where there is none.
func usual(words []string, name string) string {
	if len(words) == 0 {
		return name
	}
	return words[0]
}

// modelEngine is a Model as the root package uses it.
type modelEngine struct {
	model  *Model
	taught world.Edition // no edition of weights that may know any words
}

func openEngine(_ context.Context, o engine.Options) (engine.Engine, error) {
	if o.Weights == "" {
		m, err := Open(Embedded())
		if err != nil {
			return nil, err
		}
		return &modelEngine{m, m.Storybook}, nil
	}
	m, err := OpenFile(o.Weights)
	return &modelEngine{m, world.NoEdition}, err
}

// Capabilities implements engine.Engine.
func (e *modelEngine) Capabilities() engine.Capabilities {
	return capabilities(e.model.Config, e.taught)
}

// Sample implements engine.Engine.
func (e *modelEngine) Sample(ctx context.Context, j engine.Job, progress func(done, total int)) (engine.Latents, error) {
	l, err := e.model.Sample(ctx, Request{
		Prompt: j.Prompt, Frames: j.Frames, Image: j.First, Seed: j.Seed, Steps: j.Steps, Guidance: j.Guidance, Preview: j.Preview,
	}, progress)
	if err != nil {
		return nil, err
	}
	l.Settings = j.Settings
	return l, nil
}

// Decode implements engine.Engine.
func (e *modelEngine) Decode(ctx context.Context, l engine.Latents, yield func(rgb []byte) error) error {
	return e.model.Decode(ctx, l.(*Latents), yield)
}

// ownUpscaler is the small network by 2 that learned on what the model draws.
var ownUpscaler = sync.OnceValues(func() (*upscale.Net, error) { return upscale.Open(upscale.Storybook()) })

// Upscaler implements engine.Upscaler.
func (e *modelEngine) Upscaler(width, height int) (engine.Enlarger, error) {
	n, err := ownUpscaler()
	if err != nil {
		return nil, err
	}
	return n.NewRunner(width, height)
}

// Close implements engine.Engine.
func (e *modelEngine) Close() error {
	e.model = nil
	return nil
}

// Video implements engine.Latents.
func (l *Latents) Video() engine.Video {
	return engine.Video{Width: l.W * latentPix, Height: l.H * latentPix, FPS: l.FPS, Frames: l.Frames}
}

// Origin implements engine.Latents.
func (l *Latents) Origin() engine.Origin {
	return engine.Origin{Prompt: l.Prompt, Seed: l.Seed, Settings: l.Settings}
}

// Latents on disk are a safetensors file of one tensor.
const (
	latentsFormat = "kinora-reel-latents-1"
	latentsTensor = "latents"
)

// Save implements engine.Latents.
func (l *Latents) Save(path string) error {
	t := safetensors.FromFloat32(latentsTensor, safetensors.F32, l.Data, l.Groups, l.H, l.W, l.C)
	meta := map[string]string{
		"format": latentsFormat,
		"frames": strconv.Itoa(l.Frames),
		"prompt": l.Prompt,
		"seed":   strconv.FormatUint(l.Seed, 10),
	}
	if l.Settings != "" {
		meta["settings"] = l.Settings
	}
	return safetensors.WriteFile(path, []safetensors.Tensor{t}, meta)
}

// Load implements engine.Engine.
func (e *modelEngine) Load(path string) (engine.Latents, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	meta := f.Metadata()
	if meta["format"] != latentsFormat {
		return nil, errors.New("these are not latents of the model reel")
	}
	data, shape, err := f.Float32(latentsTensor)
	if err != nil {
		return nil, err
	}
	c := e.model.Config
	l := &Latents{Data: data, FPS: c.FPS, Prompt: meta["prompt"], Settings: meta["settings"]}
	h, w := c.LatentSize()
	want := []int{0, h, w, c.Codec.Latent}
	if len(shape) != 4 || shape[0] < 1 || shape[1] != want[1] || shape[2] != want[2] || shape[3] != want[3] {
		return nil, fmt.Errorf("the latents have the shape %v, this model's have [groups %d %d %d]: open it with the weights that made them", shape, want[1], want[2], want[3])
	}
	l.Groups, l.H, l.W, l.C = shape[0], shape[1], shape[2], shape[3]
	l.Frames, err = strconv.Atoi(meta["frames"])
	if err != nil || l.Frames < 1 || l.Frames > Frames(l.Groups) {
		return nil, fmt.Errorf("the latents of %d groups say they hold %.20q frames: the file is damaged", l.Groups, meta["frames"])
	}
	if l.Seed, err = strconv.ParseUint(meta["seed"], 10, 64); err != nil {
		return nil, fmt.Errorf("the latents say seed %.20q, which is no number: the file is damaged", meta["seed"])
	}
	return l, nil
}
