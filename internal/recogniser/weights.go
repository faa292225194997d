package recogniser

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// format is the format that the metadata of a weights file names.
const format = "kinora-recogniser-1"

// WriteFile writes the weights: matrices in int8 with a scale for each row, other
// large tensors in bf16. notes are added to the file's metadata.
func (r *Network) WriteFile(path string, notes map[string]string) error {
	meta := map[string]string{"format": format}
	for k, v := range notes {
		meta[k] = v
	}
	var ts []safetensors.Tensor
	for _, name := range r.Params.Names() {
		t, dtype := r.Params.Get(name), safetensors.F32
		if len(t.Shape) > 1 && t.Len() >= 512 && strings.HasSuffix(name, ".weight") {
			x := make([]float32, t.Len())
			t.CopyTo(x)
			q, scale := inRows(x, t.Shape[0])
			ts = append(ts, safetensors.FromInt8(name, q, t.Shape...), safetensors.FromFloat32(name+".scale", safetensors.F32, scale, t.Shape[0]))
			continue
		}
		if len(t.Shape) > 1 && t.Len() >= 4096 {
			dtype = safetensors.BF16
		}
		ts = append(ts, safetensors.FromValues(name, dtype, t.CopyTo, t.Shape...))
	}
	return safetensors.WriteFile(path, ts, meta)
}

// inRows rounds x, in so many rows, to int8 times a scale for each row.
func inRows(x []float32, rows int) (q []int8, scale []float32) {
	q, scale = make([]int8, len(x)), make([]float32, rows)
	n := len(x) / rows
	for i := range rows {
		row, most := x[i*n:][:n], float32(0)
		for _, v := range row {
			most = max(most, v, -v)
		}
		if most == 0 {
			continue
		}
		scale[i] = most / 127
		for j, v := range row {
			q[i*n+j] = int8(math.RoundToEven(float64(v / scale[i])))
		}
	}
	return q, scale
}

// Open makes a recogniser from the bytes of a weights file, which stay in data.
func Open(data []byte) (*Network, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	if got := f.Metadata()["format"]; got != format {
		return nil, fmt.Errorf("the file says it is %q, not %q: it does not hold a recogniser", got, format)
	}
	classes, err := classesIn(f)
	if err != nil {
		return nil, err
	}
	r := build(nn.InPlace(f), classes)
	if err := r.Params.Err(); err != nil {
		return nil, err
	}
	if err := r.Params.Check(); err != nil {
		return nil, err
	}
	r.Params.Freeze()
	return r, nil
}

// classesIn returns how many values of each attribute a file's weights can
// name. The storybook may have gained values since they were trained: new ones
// come last.
func classesIn(f *safetensors.File) (classes [NumAttributes]int, err error) {
	for a := range NumAttributes {
		name := "head." + a.String() + ".weight"
		_, shape, err := f.Stored(name)
		if err != nil {
			return classes, err
		}
		if len(shape) != 2 || shape[0] < 1 || shape[0] > len(a.Values()) {
			return classes, fmt.Errorf("%s has shape %v: the storybook has %d values of %s", name, shape, len(a.Values()), a)
		}
		classes[a] = shape[0]
	}
	return classes, nil
}

// visit calls f for every tensor of a checkpoint.
func (r *learning) visit(f func(name string, t *tensor.Tensor) error) error {
	for _, name := range r.model.Params.Names() {
		if err := f(name, r.model.Params.Get(name)); err != nil {
			return err
		}
	}
	return r.opt.State(f)
}

// save writes the checkpoint.
func (r *learning) save() error {
	if r.o.Checkpoint == "" {
		return nil
	}
	var ts []safetensors.Tensor
	err := r.visit(func(name string, t *tensor.Tensor) error {
		ts = append(ts, safetensors.FromValues(name, safetensors.F32, func(dst []float32) { r.opt.Backend().Download(dst, t) }, t.Shape...))
		return nil
	})
	if err != nil {
		return err
	}
	meta := map[string]string{"format": format + "-run", "step": strconv.Itoa(r.opt.Step)}
	if err := safetensors.WriteFile(r.o.Checkpoint, ts, meta); err != nil {
		return fmt.Errorf("writing a checkpoint (the previous one is untouched): %w", err)
	}
	return nil
}

// resume reads the checkpoint, if there is one.
func (r *learning) resume() error {
	if r.o.Checkpoint == "" {
		return nil
	}
	f, err := safetensors.Open(r.o.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Metadata()["format"] != format+"-run" {
		return fmt.Errorf("%s does not hold the training of a recogniser", r.o.Checkpoint)
	}
	if r.opt.Step, err = strconv.Atoi(f.Metadata()["step"]); err != nil || r.opt.Step < 0 {
		return fmt.Errorf("%s: its step is %.20q", r.o.Checkpoint, f.Metadata()["step"])
	}
	return r.visit(func(name string, t *tensor.Tensor) error {
		v, shape, err := f.Float32(name)
		if err != nil {
			return err
		}
		if fmt.Sprint(shape) != fmt.Sprint(t.Shape) {
			return fmt.Errorf("%s: %s has shape %v, the recogniser needs %v", r.o.Checkpoint, name, shape, t.Shape)
		}
		r.opt.Backend().Store(t, v)
		return nil
	})
}

// The weights of the recogniser; docs/eval.md tells how it is trained.
//
//go:embed recogniser.safetensors.gz
var embedded []byte

// Embedded is the recogniser inside the program.
var Embedded = sync.OnceValues(func() (*Network, error) {
	data, err := safetensors.Unpack(embedded)
	if err != nil {
		return nil, err
	}
	return Open(data)
})
