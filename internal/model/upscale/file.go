package upscale

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// The weights inside the program: weights/README.md says where they come from
// and under which licence.
//
//go:embed weights/realesr-animevideov3.safetensors.gz
var packed []byte

var general = sync.OnceValue(func() []byte {
	data, err := safetensors.Unpack(packed)
	if err != nil {
		panic(err) // the file inside the program is damaged
	}
	return data
})

//go:embed weights/storybook.safetensors
var storybook []byte

// General is the file of a network by 4 for any frames: realesr-animevideov3 of
// Real-ESRGAN.
func General() []byte { return general() }

//go:embed weights/LICENSE.realesrgan
var license string

// License is the licence of what General gives, with its notice: whoever is given
// the weights in a program is to be shown it.
func License() string { return license }

// Storybook is the file of a small network by 2 for what reel draws, which
// learned from the storybook: docs/lab-book.md tells how it was made, docs/reel.md
// how good it is.
func Storybook() []byte { return storybook }

// The keys of a weights file's metadata.
const (
	metaFormat = "format"
	metaConfig = "config"
	format     = "kinora-upscaler-1"
)

// Open makes a network of the bytes of a weights file, for use only. The weights
// stay in data, which must not change. Everything in the file is checked.
func Open(data []byte) (*Net, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	n, err := describe(f)
	if err != nil {
		return nil, err
	}
	n.Params.Freeze()
	return n, nil
}

// Read makes the network that a weights file describes, with copies of its
// weights, to be trained. Everything in the file is checked.
func Read(f *safetensors.File) (*Net, error) {
	n, err := describe(f)
	if err != nil {
		return nil, err
	}
	return n, n.Params.Thaw()
}

// describe makes the network of a file's metadata, its weights where they lie, and
// checks everything.
func describe(f *safetensors.File) (*Net, error) {
	meta := f.Metadata()
	if meta[metaFormat] != format {
		return nil, fmt.Errorf("the file says it is %.40q, not %q: it does not hold an upscaler", meta[metaFormat], format)
	}
	var c Config
	if err := json.Unmarshal([]byte(meta[metaConfig]), &c); err != nil {
		return nil, fmt.Errorf("upscaler configuration: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := build(c, nn.InPlace(f))
	if err := n.Params.Err(); err != nil {
		return nil, err
	}
	return n, n.Params.Check()
}

// WriteFile writes the network: kernels in f16, biases and slopes in f32. notes
// are added to the file's metadata.
func (n *Net) WriteFile(path string, notes map[string]string) error {
	cfg, err := json.Marshal(n.Config)
	if err != nil {
		return err
	}
	meta := map[string]string{metaFormat: format, metaConfig: string(cfg)}
	for k, v := range notes {
		if _, taken := meta[k]; taken {
			return fmt.Errorf("the note %q has the name of a field of the format", k)
		}
		meta[k] = v
	}
	var ts []safetensors.Tensor
	for _, name := range n.Params.Names() {
		t, dtype := n.Params.Get(name), safetensors.F32
		if len(t.Shape) > 1 {
			dtype = safetensors.F16
		}
		ts = append(ts, safetensors.FromFloat32(name, dtype, t.Values(), t.Shape...))
	}
	return safetensors.WriteFile(path, ts, meta)
}
