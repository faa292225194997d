package wan

import (
	"errors"
	"fmt"
	"path/filepath"

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
	merged, closeAll, err := m.adapt(w, expertNames[i])
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
	if err = errors.Join(err, closeAll()); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(m.dir, part), err)
	}
	return t, nil
}

// adapt lays the adapters that are for an expert over its weights. It returns nil
// where there are none.
func (m *model) adapt(w stored, expert string) (merged *lora.Merged, closeAll func() error, err error) {
	var uses []lora.Use
	closeAll = func() (err error) {
		for _, u := range uses {
			err = errors.Join(err, u.Close())
		}
		return err
	}
	for _, l := range m.opts.LoRAs {
		if l.Expert != "" && l.Expert != expert || l.Strength == 0 {
			continue
		}
		a, err := lora.Open(l.Path)
		if err != nil {
			return nil, nil, errors.Join(refuseLoRA(err), closeAll())
		}
		uses = append(uses, lora.Use{Adapter: a, Strength: l.Strength})
	}
	if len(uses) == 0 {
		return nil, closeAll, nil
	}
	names, err := TransformerAliases(w)
	if err == nil {
		merged, err = lora.Over(w, names, uses...)
	}
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return merged, closeAll, nil
}

// checkAdapters says what of the adapters does not fit.
func (m *model) checkAdapters(merged *lora.Merged, expert int) error {
	notes, err := merged.Check()
	if err != nil {
		return refuseLoRA(err)
	}
	for _, line := range notes {
		m.note("%s", line)
	}
	to := "the transformer"
	if len(m.transformers) > 1 {
		to = "the expert for " + expertNames[expert] + " noise"
	}
	m.note("LoRAs were added to %s: they keep %s of its weights in memory", to, inBytes(merged.Bytes()))
	return nil
}

// refuseLoRA makes an error about an adapter the user's to mend.
func refuseLoRA(err error) error {
	return &engine.Refusal{Field: "LoRA", Why: err.Error()}
}
