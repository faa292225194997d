// Package lora adds adapters to stored weights when a model is opened: low-rank
// ones (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021),
// whose product is added to a matrix, and plain differences, which are added as
// they are.
//
// It reads safetensors in the layouts that are in use: of diffusers and PEFT
// (lora_A, lora_B), of kohya's trainers (lora_unet_..., lora_down, lora_up,
// alpha), and of the original implementations and ComfyUI (diffusion_model...,
// lora_down, lora_up, diff, diff_b, diff_m). The names of layers are matched with
// all names that the model's weights have in any layout.
//
// It trusts no file: shapes, types and values are checked before they are added,
// and what does not fit is named. It never changes a file.
package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Limits of an adapter.
const (
	MaxStrength = 100  // of either sign
	maxRank     = 8192 // of a low-rank pair: as wide as the widest layer
	maxListed   = 4    // keys that an error or a note names
)

// Adapter is an open file of adapters to the layers of a model. It may be used
// once, and is to be closed when the model is.
type Adapter struct {
	path  string
	f     *safetensors.File
	parts map[string]*part // by the name of their layer, as layerKey gives it
	alpha map[string]float64
	// usual is the alpha of layers that have none of their own, or 0 where it is
	// the rank.
	usual float64
	rs    bool // factors are divided by the root of the rank, not the rank
}

// part is what a file has for one layer: the keys of its tensors, "" for none.
type part struct {
	slots [slots]string
	used  [slots]bool
}

// slot is what a tensor does to its layer.
type slot int

const (
	down      slot = iota // A [rank, in]
	up                    // B [out, rank]
	alpha                 // a number: the product counts alpha/rank times
	upBias                // added to the bias alpha/rank times
	diff                  // added to the weight
	diffBias              // added to the bias
	diffTable             // added to the layer's modulation
	slots
)

// suffixes say by the end of a key which slot it fills.
var suffixes = []struct {
	end string
	slot
}{
	{".lora_A.weight", down},
	{".lora_B.weight", up},
	{".lora_B.bias", upBias},
	{".lora_A.default.weight", down},
	{".lora_B.default.weight", up},
	{".lora_B.default.bias", upBias},
	{".lora_down.weight", down},
	{".lora_up.weight", up},
	{".lora_up.bias", upBias},
	{".lora.down.weight", down},
	{".lora.up.weight", up},
	{"_lora.down.weight", down},
	{"_lora.up.weight", up},
	{".lora_linear_layer.down.weight", down},
	{".lora_linear_layer.up.weight", up},
	{".alpha", alpha},
	{".diff", diff},
	{".diff_b", diffBias},
	{".diff_m", diffTable},
}

// prefixes stand before the names of layers in one layout or another.
var prefixes = []string{
	"base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "lora_unet_", "lora_transformer_",
}

// others are kinds of adapters that this package does not add, by a part of their
// keys.
var others = []struct{ part, name string }{
	{"dora_scale", "DoRA"},
	{"lora_magnitude_vector", "DoRA"},
	{"hada_w", "LoHa"},
	{"lokr_w", "LoKr"},
	{"lora_mid", "a LoRA of convolutions in three parts"},
	{"oft_blocks", "OFT"},
	{"boft", "BOFT"},
	{"reshape_weight", "an adapter that changes shapes"},
	{"set_weight", "an adapter that replaces weights"},
}

// Open reads which layers a file adapts. It reads none of the tensors.
func Open(path string) (*Adapter, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	a := &Adapter{path: path, f: f, parts: map[string]*part{}}
	if err := a.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("lora: %s: %w", path, err), f.Close())
	}
	return a, nil
}

// Close closes the file.
func (a *Adapter) Close() error { return a.f.Close() }

// Path is where the file is.
func (a *Adapter) Path() string { return a.path }

// read sorts the file's keys.
func (a *Adapter) read() error {
	names := a.f.Names()
	for _, key := range names {
		for _, o := range others {
			if strings.Contains(key, o.part) {
				return fmt.Errorf("tensor %q makes this %s: only low-rank pairs and plain differences can be added", key, o.name)
			}
		}
		layer, s, ok := split(key)
		if !ok {
			continue // Left names it
		}
		p := a.parts[layer]
		if p == nil {
			p = &part{}
			a.parts[layer] = p
		}
		if p.slots[s] != "" {
			return fmt.Errorf("tensors %q and %q are for the same layer: the file mixes two adapters", p.slots[s], key)
		}
		p.slots[s] = key
	}
	if len(a.parts) == 0 {
		return fmt.Errorf("none of its %d tensors is of a LoRA (such as %s): is it a whole model?", len(names), listed(names))
	}
	for _, p := range a.parts {
		if err := p.whole(); err != nil {
			return err
		}
	}
	return a.readMetadata()
}

// split takes a key apart.
func split(key string) (layer string, s slot, ok bool) {
	for _, suffix := range suffixes {
		if layer, ok := strings.CutSuffix(key, suffix.end); ok {
			return layerKey(layer), suffix.slot, true
		}
	}
	return "", 0, false
}

// layerKey makes the names that a layer has in different layouts one, as far as
// prefixes and separators go: kohya's trainers write _ for each dot.
func layerKey(layer string) string {
	for again := true; again; {
		again = false
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(layer, p); ok {
				layer, again = rest, true
			}
		}
	}
	return strings.ReplaceAll(layer, ".", "_")
}

// whole returns an error if half of a pair is missing.
func (p *part) whole() error {
	for _, half := range [][2]slot{{down, up}, {up, down}, {upBias, down}} {
		if p.slots[half[0]] != "" && p.slots[half[1]] == "" {
			return fmt.Errorf("tensor %q has no other half: the file is damaged or of another kind", p.slots[half[0]])
		}
	}
	return nil
}

// metadataKey is where diffusers keeps the configuration of PEFT.
const metadataKey = "lora_adapter_metadata"

// readMetadata takes the factors that diffusers keeps beside the tensors.
func (a *Adapter) readMetadata() error {
	text, ok := a.f.Metadata()[metadataKey]
	if !ok {
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return fmt.Errorf("its metadata %s are not a JSON object: %w", metadataKey, err)
	}
	for _, e := range []struct {
		key string
		to  any
	}{{"lora_alpha", &a.usual}, {"alpha_pattern", &a.alpha}, {"use_rslora", &a.rs}} {
		raw, ok := all["transformer."+e.key]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, e.to); err != nil {
			return fmt.Errorf("its metadata %s, transformer.%s: %w", metadataKey, e.key, err)
		}
	}
	byLayer := map[string]float64{}
	for layer, x := range a.alpha {
		byLayer[layerKey(layer)] = x
	}
	a.alpha = byLayer
	return nil
}

// factor is what the product of a pair of a rank is multiplied by.
func (a *Adapter) factor(layer string, p *part, rank int) (float64, error) {
	x := float64(rank)
	switch {
	case p.slots[alpha] != "":
		v, err := a.values(p, alpha)
		if err != nil {
			return 0, err
		}
		if len(v) != 1 {
			return 0, fmt.Errorf("lora: %s: tensor %q holds %d numbers, not one", a.path, p.slots[alpha], len(v))
		}
		x = float64(v[0])
	case a.alpha[layer] != 0:
		x = a.alpha[layer]
	case a.usual != 0:
		x = a.usual
	}
	if a.rs {
		return x / math.Sqrt(float64(rank)), nil
	}
	return x / float64(rank), nil
}

// values reads the tensor in a slot, and marks it as used.
func (a *Adapter) values(p *part, s slot) ([]float32, error) {
	x, _, err := a.f.Float32(p.slots[s])
	if err != nil {
		return nil, err
	}
	for _, v := range x {
		if v-v != 0 {
			return nil, fmt.Errorf("lora: %s: tensor %q holds a value that is not finite", a.path, p.slots[s])
		}
	}
	p.used[s] = true
	return x, nil
}

// Left returns the keys of the file that no layer of the model has taken, sorted.
func (a *Adapter) Left() []string {
	var left []string
	for _, key := range a.f.Names() {
		layer, s, ok := split(key)
		if !ok || !a.parts[layer].used[s] {
			left = append(left, key)
		}
	}
	return left
}

// listed names some of the keys.
func listed(keys []string) string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	more := ""
	if n := len(keys) - maxListed; n > 0 {
		keys, more = keys[:maxListed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(keys, ", ") + more
}
