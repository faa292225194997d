package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Options say how a model is opened. The zero value opens it as it is.
type Options struct {
	// Weights is a file of weights; "" means the model's own.
	Weights string
	// Memory is how many bytes the model may take at most: what does not fit stays
	// on disk and is read when it is needed. 0 means no limit.
	Memory int64
	// LoRAs are adapters that are added to the weights, in this order.
	LoRAs []LoRA
	// Decoder is what draws the frames; "" means the model's default.
	Decoder Decoder
	// Cache is a folder for what can be made again but takes long, such as encoded
	// prompts; "" keeps nothing. It may be missing.
	Cache string
	// Note, if not nil, is told what a user should know, a line at a time: from
	// Open, Sample and Decode.
	Note func(line string)
}

// LoRA is a file of adapters.
type LoRA struct {
	Path string
	// Strength is 1 for adapters as they were trained, and less or more for a weaker
	// or stronger effect; 0 means that they have none.
	Strength float64
	// Expert is which of the model's experts they are for; "" means all.
	Expert string
}

// Decoder names what draws frames from latents.
type Decoder string

// The decoders.
const (
	FullDecoder Decoder = "full" // the one that the latents were made for
	TinyDecoder Decoder = "tiny" // many times as fast, less fine
)

// Extras are the options that a model takes. The zero value is a model that takes
// none.
type Extras struct {
	Memory    bool      // Options.Memory
	LoRA      bool      // Options.LoRAs
	Experts   []string  // that a LoRA may be for alone
	Decoders  []Decoder // that Options.Decoder chooses from, the default first
	StepCache bool      // Job.StepCache
}

// String lists the options in words.
func (x Extras) String() string {
	var out []string
	if x.Memory {
		out = append(out, "a limit on its memory")
	}
	if x.LoRA {
		out = append(out, "LoRAs")
	}
	if len(x.Decoders) > 1 {
		names := make([]string, len(x.Decoders))
		for i, d := range x.Decoders {
			names[i] = string(d)
		}
		out = append(out, "decoders: "+strings.Join(names, ", "))
	}
	if x.StepCache {
		out = append(out, "a step cache")
	}
	return cmp.Or(strings.Join(out, "; "), "none")
}

// Limits of options.
const (
	MaxLoRAs        = 16
	MaxLoRAStrength = 100 // of either sign
)

// Check returns a *Refusal of the first option that a model does not take, or nil.
func (o Options) Check(c Capabilities) error {
	x := c.Extras
	switch {
	case o.Memory != 0 && !x.Memory:
		return &Refusal{Field: "memory", Why: "the model " + c.Name + " keeps within no limit", Hint: fmt.Sprintf("it takes about %s: leave the limit out", bytesInWords(c.Cost.Memory))}
	case o.Memory < 0:
		return &Refusal{Field: "memory", Why: fmt.Sprintf("%d bytes are less than none", o.Memory)}
	case len(o.LoRAs) > 0 && !x.LoRA:
		return &Refusal{Field: "LoRA", Why: "the model " + c.Name + " takes none"}
	case len(o.LoRAs) > MaxLoRAs:
		return &Refusal{Field: "LoRA", Why: fmt.Sprintf("there are %d", len(o.LoRAs)), Hint: fmt.Sprintf("at most %d", MaxLoRAs)}
	case o.Decoder != "" && len(x.Decoders) == 0:
		return &Refusal{Field: "decoder", Why: "the model " + c.Name + " has only one", Hint: "leave it out"}
	case o.Decoder != "" && !slices.Contains(x.Decoders, o.Decoder):
		return &Refusal{Field: "decoder", Why: fmt.Sprintf("%s has none of the name %q", c.Name, o.Decoder), Hint: x.String()}
	}
	for _, l := range o.LoRAs {
		if err := l.check(c); err != nil {
			return err
		}
	}
	return nil
}

func (l LoRA) check(c Capabilities) error {
	switch {
	case !(math.Abs(l.Strength) <= MaxLoRAStrength):
		return &Refusal{Field: "LoRA", Why: fmt.Sprintf("%s: the strength %v is out of range", l.Path, l.Strength), Hint: fmt.Sprintf("at most %d, of either sign", MaxLoRAStrength)}
	case l.Expert != "" && len(c.Extras.Experts) == 0:
		return &Refusal{Field: "LoRA", Why: fmt.Sprintf("%s is for the expert %q, and %s has no experts", l.Path, l.Expert, c.Name)}
	case l.Expert != "" && !slices.Contains(c.Extras.Experts, l.Expert):
		return &Refusal{Field: "LoRA", Why: fmt.Sprintf("%s is for the expert %q", l.Path, l.Expert), Hint: "the experts are " + strings.Join(c.Extras.Experts, ", ")}
	}
	return nil
}
