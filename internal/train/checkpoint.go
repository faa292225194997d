package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// A checkpoint is a run's state: parameters, optimizer, step and log, in one
// safetensors file that is replaced atomically.
type checkpoint struct {
	path   string
	kind   string
	params *nn.Params
	opt    *nn.AdamW
	log    *lossLog
	meta   map[string]string
	// taught is the edition of the storybook whose words the weights know, and
	// teaches the one that a step teaches.
	taught, teaches world.Edition
}

// metaModel is the metadata key under which a checkpoint names its model.
const metaModel = "model"

// metaStorybook is the key of the edition of the storybook that the run's weights
// were taught. There is none where that is no edition, and in older checkpoints.
const metaStorybook = "storybook"

// teach says that the run's model knows the words of one edition of the storybook
// and that its steps teach those of another.
func (c *checkpoint) teach(knows, teaches world.Edition) {
	c.taught, c.teaches = max(c.taught, knows), teaches
}

// openCheckpoint loads the run's state from dir when there is one.
func openCheckpoint(o Options, kind string, p *nn.Params, meta map[string]string) (*checkpoint, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("training folder: %w", err)
	}
	c := &checkpoint{path: filepath.Join(o.Dir, kind+".checkpoint.safetensors"), kind: kind, params: p, opt: newOptimizer(p, o), meta: meta, log: &lossLog{}}
	f, err := safetensors.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return c, c.load(f)
}

// plot is the path of the plot of the run's loss.
func (c *checkpoint) plot() string { return filepath.Join(filepath.Dir(c.path), c.kind+"-loss.png") }

// state lists everything in a checkpoint by name; loading fills it.
func (c *checkpoint) state(visit func(name string, t *tensor.Tensor) error) error {
	for _, name := range c.params.Names() {
		if err := visit(name, c.params.Get(name)); err != nil {
			return err
		}
	}
	return c.opt.State(visit)
}

func (c *checkpoint) load(f *safetensors.File) error {
	meta := f.Metadata()
	if meta["kind"] != c.kind {
		return fmt.Errorf("%s holds a run of %q, not of %q", c.path, meta["kind"], c.kind)
	}
	// Older checkpoints lack this key. The shapes of their tensors are compared
	// below, as those of every checkpoint are.
	if was := meta[metaModel]; was != "" && was != c.meta[metaModel] {
		return fmt.Errorf("%s is of a model of another shape; move it away or choose another folder", c.path)
	}
	if was, ok := meta[metaStorybook]; ok {
		n, err := strconv.Atoi(was)
		if err != nil || n < 0 {
			return fmt.Errorf("%s: it was taught edition %.20q of the storybook, which is not a whole number from 0 on", c.path, was)
		}
		c.taught = world.Edition(n)
	}
	err := c.state(func(name string, t *tensor.Tensor) error {
		v, shape, err := f.Float32(name)
		if err != nil {
			return err
		}
		if fmt.Sprint(shape) != fmt.Sprint(t.Shape) {
			return fmt.Errorf("%s: %s has shape %v, the model wants %v", c.path, name, shape, t.Shape)
		}
		c.opt.Backend().Store(t, v)
		return nil
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(meta["log"]), c.log); err != nil {
		return fmt.Errorf("%s: the log of the run: %w", c.path, err)
	}
	c.opt.Step = c.log.Step
	return nil
}

// keep writes the checkpoint, and the plot of its log.
func (c *checkpoint) keep() error {
	if err := c.save(); err != nil {
		return err
	}
	return c.log.writePlot(c.plot())
}

func (c *checkpoint) save() error {
	c.log.Step = c.opt.Step
	log, err := json.Marshal(c.log)
	if err != nil {
		return err
	}
	meta := map[string]string{"kind": c.kind, "log": string(log)}
	for k, v := range c.meta {
		meta[k] = v
	}
	if c.taught != world.NoEdition {
		meta[metaStorybook] = strconv.Itoa(int(c.taught))
	}
	var ts []safetensors.Tensor
	err = c.state(func(name string, t *tensor.Tensor) error {
		ts = append(ts, safetensors.FromValues(name, safetensors.F32, func(dst []float32) { c.opt.Backend().Download(dst, t) }, t.Shape...))
		return nil
	})
	if err != nil {
		return err
	}
	if err := safetensors.WriteFile(c.path, ts, meta); err != nil {
		return fmt.Errorf("writing a checkpoint (the previous one is untouched, and the run can continue from it): %w", err)
	}
	return nil
}

// lossLog is the history of a run, thinned as it grows: at most logPoints
// points, each the mean of Every steps.
type lossLog struct {
	Step   int                  `json:"step"`
	Every  int                  `json:"every"`
	Points map[string][]float64 `json:"points"`
	Sum    map[string]float64   `json:"sum"`
	Count  int                  `json:"count"`
}

const logPoints = 1024

func (l *lossLog) add(p Progress) {
	if l.Points == nil {
		*l = lossLog{Every: 1, Points: map[string][]float64{}, Sum: map[string]float64{}}
	}
	l.Sum["loss"] += p.Loss
	for k, v := range p.Parts {
		l.Sum[k] += v
	}
	if l.Count++; l.Count < l.Every {
		return
	}
	longest := 0
	for k, v := range l.Sum {
		l.Points[k] = append(l.Points[k], v/float64(l.Count))
		longest = max(longest, len(l.Points[k]))
	}
	clear(l.Sum)
	l.Count = 0
	if longest >= logPoints {
		l.thin()
	}
}

// thin halves the number of points.
func (l *lossLog) thin() {
	l.Every *= 2
	for k, v := range l.Points {
		half := v[:len(v)/2]
		for i := range half {
			half[i] = (v[2*i] + v[2*i+1]) / 2
		}
		l.Points[k] = half
	}
}
