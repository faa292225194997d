package kinora

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// reelEngine fits internal/model/reel to what the package needs of a model.
type reelEngine struct {
	model *reel.Model
	// storybook says that the weights are those inside the binary, which learned
	// from the storybook alone. Others may have been taught anything.
	storybook bool
	// turn is held by who computes: one clip at a time has the cores, and what
	// the model caches is made once.
	turn chan struct{}
}

func openReel(_ context.Context, weights string) (engine, error) {
	var m *reel.Model
	var err error
	if weights == "" {
		m, err = reel.Open(reel.Embedded())
	} else {
		m, err = reel.OpenFile(weights)
	}
	if _, unread := errors.AsType[*fs.PathError](err); unread {
		return nil, &Error{Kind: NotFound, Op: "read weights", What: weights, Err: err}
	}
	if err != nil {
		return nil, &Error{Kind: Invalid, Op: "read weights", What: weights, Err: err, Hint: "weights of reel come from kinora train"}
	}
	return &reelEngine{model: m, storybook: weights == "", turn: make(chan struct{}, 1)}, nil
}

func (e *reelEngine) info() Info {
	c := e.model.Config
	h, w := c.LatentSize()
	in := Info{
		Name: "reel", About: "Kinora's own small model, taught by the storybook",
		Width: c.Width, Height: c.Height, FPS: c.FPS,
		Steps: reel.DefaultSteps, Guidance: reel.DefaultGuidance, Image: true, samplingShare: 0.7, storybook: e.storybook,
		latentsOfFrame: 4 * c.Codec.Latent * h * w / reel.GroupFrames,
	}
	if e.storybook {
		in.upscaler = openStorybook
	}
	return in
}

// take waits for the turn.
func (e *reelEngine) take(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *reelEngine) release() { <-e.turn }

func (e *reelEngine) sample(ctx context.Context, j job, progress func(done, total int)) (latents, error) {
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	defer e.release()
	l, err := e.model.Sample(ctx, reel.Request{
		Prompt: j.prompt, Frames: j.frames, Image: j.image, Seed: j.seed, Steps: j.steps, Guidance: j.guidance, Preview: j.preview,
	}, progress)
	if err != nil {
		return nil, err
	}
	return &reelLatents{l}, nil
}

// decode gives the turn back while a frame is being used, so that who uses it
// may generate too.
func (e *reelEngine) decode(ctx context.Context, l latents, yield func(rgb []byte) error) error {
	if err := e.take(ctx); err != nil {
		return err
	}
	held := true
	defer func() {
		if held {
			e.release()
		}
	}()
	return e.model.Decode(ctx, l.(*reelLatents).l, func(rgb []byte) error {
		e.release()
		held = false
		if err := yield(rgb); err != nil {
			return err
		}
		if err := e.take(ctx); err != nil {
			return err
		}
		held = true
		return nil
	})
}

// reelLatents are latents of reel; on disk, a safetensors file of one tensor.
type reelLatents struct{ l *reel.Latents }

const (
	latentsFormat = "kinora-reel-latents-1"
	latentsTensor = "latents"
)

func (l *reelLatents) frames() int    { return l.l.Frames }
func (l *reelLatents) origin() origin { return origin{l.l.Prompt, l.l.Seed} }

func (l *reelLatents) save(path string) error {
	x := l.l
	t := safetensors.FromFloat32(latentsTensor, safetensors.F32, x.Data, x.Groups, x.H, x.W, x.C)
	return safetensors.WriteFile(path, []safetensors.Tensor{t}, map[string]string{
		"format": latentsFormat,
		"frames": strconv.Itoa(x.Frames),
		"prompt": x.Prompt,
		"seed":   strconv.FormatUint(x.Seed, 10),
	})
}

func (e *reelEngine) load(path string) (latents, error) {
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
	l := &reel.Latents{Data: data, FPS: c.FPS, Prompt: meta["prompt"]}
	h, w := c.LatentSize()
	want := []int{0, h, w, c.Codec.Latent}
	if len(shape) != 4 || shape[0] < 1 || shape[1] != want[1] || shape[2] != want[2] || shape[3] != want[3] {
		return nil, fmt.Errorf("the latents have the shape %v, this model's have [groups %d %d %d]: open it with the weights that made them", shape, want[1], want[2], want[3])
	}
	l.Groups, l.H, l.W, l.C = shape[0], shape[1], shape[2], shape[3]
	l.Frames, err = strconv.Atoi(meta["frames"])
	if err != nil || l.Frames < 1 || l.Frames > reel.Frames(l.Groups) {
		return nil, fmt.Errorf("the latents of %d groups say they hold %.20q frames: the file is damaged", l.Groups, meta["frames"])
	}
	if l.Seed, err = strconv.ParseUint(meta["seed"], 10, 64); err != nil {
		return nil, fmt.Errorf("the latents say seed %.20q, which is no number: the file is damaged", meta["seed"])
	}
	return &reelLatents{l}, nil
}
