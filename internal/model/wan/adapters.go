package wan

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/lora"
)

// The names of the two experts, by the noise that they are for.
var expertNames = []string{"high", "low"}

// openExpert opens transformer i, with the adapters that are for it.
func (m *model) openExpert(i int, c TransformerConfig) (*Transformer, error) {
	part := []string{transformerDir, secondDir}[i]
	w, err := m.weights(part)
	if err != nil {
		return nil, err
	}
	merged, err := m.adapt(w, expertNames[i])
	if err != nil {
		return nil, err
	}
	var from nn.Weights = w
	if merged != nil {
		from = merged
	}
	t, err := OpenTransformer(c, from)
	if err == nil && merged != nil {
		err = m.checkAdapters(merged, i)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.part(part), err)
	}
	return t, nil
}

// adapt lays the adapters that are for an expert over its weights. It returns nil
// where there are none.
func (m *model) adapt(w stored, expert string) (*lora.Merged, error) {
	var uses []lora.Use
	for _, l := range m.opts.LoRAs {
		if l.Expert != "" && l.Expert != expert || l.Strength == 0 {
			continue
		}
		a, err := lora.Open(l.Path)
		if err != nil {
			return nil, refuseLoRA(err)
		}
		m.files = append(m.files, a)
		uses = append(uses, lora.Use{Adapter: a, Strength: l.Strength})
	}
	if len(uses) == 0 {
		return nil, nil
	}
	names, err := TransformerAliases(w)
	if err != nil {
		return nil, err
	}
	merged, err := lora.Over(w, names, uses...)
	if err != nil {
		return nil, refuseLoRA(err)
	}
	return merged, nil
}

// checkAdapters says what of the adapters does not fit.
func (m *model) checkAdapters(merged *lora.Merged, expert int) error {
	notes, err := merged.Check()
	if err != nil {
		return refuseLoRA(err)
	}
	of := ""
	if len(m.transformers) > 1 {
		of = " (the expert for " + expertNames[expert] + " noise)"
	}
	for _, line := range notes {
		m.note("%s%s", line, of)
	}
	m.added = max(m.added, merged.Bytes())
	return nil
}

// refuseLoRA makes an error about an adapter the user's to mend.
func refuseLoRA(err error) error {
	return &engine.Refusal{Field: "LoRA", Why: err.Error()}
}
