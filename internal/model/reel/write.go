package reel

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// WriteFile writes the model with its weights in bf16, except small ones
// (gains, biases, statistics), which stay f32. notes are added to the file's
// metadata.
func (m *Model) WriteFile(path string, notes map[string]string) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	for k, v := range notes {
		if _, taken := meta[k]; taken {
			return fmt.Errorf("the note %q has the same name as a field of the format", k)
		}
		meta[k] = v
	}
	var ts []safetensors.Tensor
	for _, p := range []*nn.Params{m.CodecParams, m.FlowParams} {
		for _, name := range p.Names() {
			t, dtype := p.Get(name), safetensors.F32
			if len(t.Shape) > 1 && t.Len() >= 4096 {
				dtype = safetensors.BF16
			}
			ts = append(ts, safetensors.FromValues(name, dtype, t.CopyTo, t.Shape...))
		}
	}
	return safetensors.WriteFile(path, ts, meta)
}
