package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/train"
	"github.com/kinora-video/kinora/internal/world"
)

// Twin is one of two transformers that are trained for the same time.
type Twin struct {
	Name       string `json:"name"`
	Parameters int    `json:"parameters"`
	Active     int    `json:"active"` // parameters that run for a token
	Steps      int    `json:"steps"`
	// Windows is how many windows a second were learned from. Training is the
	// mean loss of the last tenth of the steps. Loss is the loss of the
	// averaged weights on windows that training does not see.
	Windows  float64 `json:"windows_per_second"`
	Training float64 `json:"training_loss"`
	Loss     float64 `json:"loss"`
	Before   float64 `json:"loss_before"` // of the untrained weights
}

// Twins is the comparison of a mixture of experts with linear attention and a
// dense transformer with softmax attention of the same active size.
type Twins struct {
	Minutes float64 `json:"minutes"` // of training, each
	Windows int     `json:"windows"` // that Loss is measured on
	Twins   []Twin  `json:"twins"`
}

// TwinOptions are the options of a comparison.
type TwinOptions struct {
	Time time.Duration // of training, each
	// Windows is how many windows of storybook videos the loss is measured on.
	Windows int
	LR      float64
	Seed    uint64
	Flow    train.FlowOptions
	// Progress, which may be nil, is called after every step.
	Progress func(name string, spent time.Duration, p train.Progress)
}

func (o TwinOptions) check() error {
	if o.Time <= 0 || o.Windows < 1 || !(o.LR > 0) {
		return fmt.Errorf("comparing twins: %v of training each, %d windows and a rate of %g must be above 0", o.Time, o.Windows, o.LR)
	}
	return nil
}

// denseTwin is cfg with softmax attention everywhere and no experts. Its gated
// layers are as large as what runs for a token of the mixture.
func denseTwin(cfg reel.Config) reel.Config {
	cfg.Flow.Softmax, cfg.Flow.Experts, cfg.Flow.TopK = 1, 0, 0
	return cfg
}

// CompareTwins trains two transformers on the latents of base's codec: one with
// base's configuration, and its dense twin. Both see the same videos in the
// same order, for the same wall-clock time, one after the other, at a constant
// learning rate. The machine should do nothing else meanwhile. base is not
// changed.
func CompareTwins(ctx context.Context, base *reel.Model, src train.Source, o TwinOptions) (*Twins, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if base.Config.Flow.Experts == 0 {
		return nil, errors.New("comparing twins: the model is already dense")
	}
	exam, err := newExam(ctx, base, o)
	if err != nil {
		return nil, err
	}
	out := &Twins{Minutes: o.Time.Minutes(), Windows: o.Windows}
	for _, c := range []struct {
		name string
		cfg  reel.Config
	}{{"experts, linear attention", base.Config}, {"dense, softmax attention", denseTwin(base.Config)}} {
		t, err := trainTwin(ctx, base, c.name, c.cfg, src, o, exam)
		if err != nil {
			return nil, fmt.Errorf("training the twin %q: %w", c.name, err)
		}
		out.Twins = append(out.Twins, *t)
	}
	return out, nil
}

func trainTwin(ctx context.Context, base *reel.Model, name string, cfg reel.Config, src train.Source, o TwinOptions, exam *exam) (*Twin, error) {
	m, err := reel.New(cfg, base.BPE, o.Seed)
	if err != nil {
		return nil, err
	}
	if err := m.CodecParams.Copy(base.CodecParams); err != nil {
		return nil, err
	}
	m.CodecParams.Freeze()
	t := &Twin{Name: name, Parameters: m.FlowParams.Len(), Active: active(m), Before: exam.loss(m)}
	dir, remove, err := scratch.Folder("")
	if err != nil {
		return nil, err
	}
	defer remove()
	limited, cancel := context.WithTimeout(ctx, o.Time)
	defer cancel()
	start := time.Now()
	var losses []float64
	err = train.TextVideo(limited, m, src, train.Options{
		Dir: filepath.Join(dir, "run"), Steps: math.MaxInt32, LR: o.LR, Warmup: 40, Seed: o.Seed, Save: 2 * o.Time,
		Progress: func(p train.Progress) {
			losses = append(losses, p.Loss)
			if o.Progress != nil {
				o.Progress(name, time.Since(start), p)
			}
		},
	}, o.Flow, nil)
	spent := time.Since(start)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	if len(losses) == 0 {
		return nil, fmt.Errorf("no step finished in %v: train for longer", o.Time)
	}
	t.Steps, t.Windows = len(losses), float64(len(losses)*o.Flow.Batch)/spent.Seconds()
	tail := losses[len(losses)-max(1, len(losses)/10):]
	for _, l := range tail {
		t.Training += l / float64(len(tail))
	}
	t.Loss = exam.loss(m)
	return t, nil
}

// active returns how many parameters of the transformer run for a token; of
// experts, only the chosen ones.
func active(m *reel.Model) int {
	n := m.FlowParams.Len()
	c := m.Config.Flow
	if c.Experts == 0 {
		return n
	}
	for _, name := range m.FlowParams.Names() {
		if strings.HasSuffix(name, "experts1.weight") || strings.HasSuffix(name, "experts2.weight") {
			size := m.FlowParams.Get(name).Len()
			n -= size - size*c.TopK/c.Experts
		}
	}
	return n
}

// exam is a set of windows that training does not see, each with its own noise
// level. It is the same for both twins.
type exam struct {
	batches        []reel.Batch // without their latents, which are noisy
	noisy, targets [][]float32
	shape          []int // of the latents of each
	prompts        [][][]int32
}

// newExam draws and encodes the windows: one chunk each, from the beginning of
// a video.
func newExam(ctx context.Context, m *reel.Model, o TwinOptions) (*exam, error) {
	c := m.Config
	groups := 1 + c.Flow.Groups
	e := &exam{}
	src := train.Storybook{Seed: o.Seed ^ world.Unseen, Split: world.Test}
	for i := range o.Windows {
		w, err := src.Window(ctx, uint64(i), reel.Frames(groups), c.Width, c.Height, c.FPS)
		if err != nil {
			return nil, err
		}
		x, be := make([]float32, len(w.Frames)), backend.New()
		tensor.FromPixels(x, w.Frames)
		z := m.Codec.Encode(be, be.Upload(x, 1, w.T, w.H, w.W, 3), true, nil)
		target, noisy := tensor.Values(be, z), make([]float32, z.Len())
		m.Codec.Standardise(target)
		level := (float32(i%10) + 0.5) / 10
		rng := rand.New(rand.NewPCG(o.Seed, uint64(i)))
		b := reel.Batch{Chunks: []int{groups}, Seconds: []float32{float32(w.Seconds)}}
		for j, v := range target {
			noisy[j] = level*v + (1-level)*float32(rng.NormFloat64())
		}
		for g := range groups {
			b.T = append(b.T, level)
			b.Place = append(b.Place, reel.PlaceOf(g, w.Start, w.Seconds, c.FPS))
		}
		e.batches, e.targets, e.noisy, e.shape = append(e.batches, b), append(e.targets, target), append(e.noisy, noisy), z.Shape
		e.prompts = append(e.prompts, [][]int32{m.Tokens(w.Caption(uint64(i)))})
	}
	return e, nil
}

// loss is the mean square error of the predicted clean latents, of deviation 1,
// over noise levels 0.05, 0.15 … 0.95.
func (e *exam) loss(m *reel.Model) float64 {
	be := backend.Training()
	var sum float64
	for i, b := range e.batches {
		be.Reset()
		b.Z = be.Upload(e.noisy[i], e.shape...)
		y := m.Flow.Forward(be, b, m.Flow.Encode(be, e.prompts[i]), nil, nil)
		sum += float64(tensor.Values(be, be.MSE(y, be.Upload(e.targets[i], e.shape...), nil))[0])
	}
	return sum / float64(len(e.batches))
}

// Write writes the comparison as a table.
func (t *Twins) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%g minutes of training each; loss on %d windows of videos with held-out combinations\n\n", t.Minutes, t.Windows)
	fmt.Fprintf(&b, "%-26s %10s %10s %7s %10s %9s %9s %9s\n", "transformer", "parameters", "active", "steps", "windows/s", "training", "loss", "untrained")
	for _, x := range t.Twins {
		fmt.Fprintf(&b, "%-26s %9.2fM %9.2fM %7d %10.2f %9.4f %9.4f %9.4f\n", x.Name, float64(x.Parameters)/1e6, float64(x.Active)/1e6, x.Steps, x.Windows, x.Training, x.Loss, x.Before)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
