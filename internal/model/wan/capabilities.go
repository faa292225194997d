package wan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kinora-video/kinora/internal/engine"
)

// What Wan's models were trained for.
const (
	rate21, rate22 = 16, 24 // frames a second: of Wan 2.1 and of the 14B of Wan 2.2, and of the 5B
	usualSeconds   = 5
	maxSeconds     = 10
	maxSteps       = 1000
	maxGuidance    = 20
)

// A small model draws best in sizes of about 480 lines.
const smallWidth = 1536

// capabilities implement engine.Spec.
func (f *folder) capabilities() engine.Capabilities {
	first := f.transformers[0]
	c := engine.Capabilities{
		Name:    f.name,
		About:   f.about(),
		Sizes:   f.sizes(),
		Lengths: engine.Lengths{Default: usualSeconds, Max: maxSeconds, Group: f.codec.Temporal()},
		Rates:   []int{rate21},
		Prompt:  engine.Prompt{Languages: []string{"en", "zh"}},
		Extras:  engine.Extras{Memory: true, LoRA: true, StepCache: true},
	}
	if f.codec.Spatial() > 8 {
		c.Rates = []int{rate22}
	}
	c.FirstFrame = f.channels() || f.recipe.tokens
	c.LastFrame = f.channels() && (first.ImageDim == 0 || f.bothFrames())
	if len(f.transformers) > 1 {
		c.Extras.Experts = expertNames
	}
	if f.hasTiny {
		c.Extras.Decoders = []engine.Decoder{engine.FullDecoder, engine.TinyDecoder}
	}
	c.Steps, c.Guidance, c.Negative = f.sampling()
	size := c.Sizes.Default()
	frames := int(c.Lengths.Default * float64(c.Rates[0]))
	t, h, w := f.latents(engine.Video{Width: size.Width, Height: size.Height, Frames: frames})
	passes := float64(c.Steps.Default)
	if c.Guidance.Default > 1 {
		passes *= 2
	}
	tokens := t * h * w / (first.Patch[1] * first.Patch[2])
	c.Cost = engine.Cost{
		Memory:        f.bytes + f.activations(tokens, 1),
		CoreSeconds:   passes * first.FLOPs(tokens) / coreFLOPs / c.Lengths.Default,
		SamplingShare: samplingShare(int(passes)),
		LatentBytes:   4*f.codec.ZDim*h*w/f.codec.Temporal() + 1,
	}
	return c
}

// coreFLOPs is about what a core with AVX-512 and BF16 computes in a second.
const coreFLOPs = 2e11

// samplingShare is about what part of the time goes into passes of the
// transformer: drawing takes about as long as four.
func samplingShare(passes int) float64 { return float64(passes) / float64(passes+4) }

// about says in a line what the model is.
func (f *folder) about() string {
	kind := "Wan 2.1"
	switch {
	case f.codec.Spatial() > 8 || len(f.transformers) > 1:
		kind = "Wan 2.2"
	}
	var more []string
	if len(f.transformers) > 1 {
		more = append(more, "two experts")
	}
	switch {
	case f.bothFrames():
		more = append(more, "begins and ends with a picture")
	case f.channels():
		more = append(more, "begins with a picture")
	}
	if f.recipe.renoise != nil {
		more = append(more, fmt.Sprintf("distilled to %d steps", len(f.recipe.renoise)))
	}
	if len(more) > 0 {
		kind += ", " + strings.Join(more, ", ")
	}
	return kind + ", released weights"
}

// sizes are those that the model was trained for, and all others of whole tokens.
func (f *folder) sizes() engine.Sizes {
	first := f.transformers[0]
	s := engine.Sizes{Multiple: f.codec.Spatial() * max(first.Patch[1], first.Patch[2]), Max: 1280, Pixels: 1280 * 720}
	s.Min = max(s.Multiple, 128/s.Multiple*s.Multiple)
	wide := []engine.Size{{Width: 832, Height: 480}, {Width: 1280, Height: 720}}
	if s.Multiple == 32 {
		wide = []engine.Size{{Width: 1280, Height: 704}}
	} else if first.Width() <= smallWidth {
		wide = wide[:1]
	}
	for _, size := range wide {
		s.Native = append(s.Native, size, engine.Size{Width: size.Height, Height: size.Width})
	}
	return s
}

// sampling are the steps and guidance that the model takes.
func (f *folder) sampling() (steps engine.Range[int], guidance engine.Range[float32], negative bool) {
	if n := len(f.recipe.renoise); n > 0 {
		return engine.Range[int]{Default: n, Min: n, Max: n}, engine.Range[float32]{Default: 1, Min: 1, Max: 1}, false
	}
	steps = engine.Range[int]{Default: 50, Min: 1, Max: maxSteps}
	guidance = engine.Range[float32]{Default: 5, Min: 1, Max: maxGuidance}
	if len(f.transformers) > 1 {
		steps.Default, guidance.Default = 40, 4
		if f.channels() {
			guidance.Default = 3.5
		}
	}
	return steps, guidance, true
}

// lowGuidance is the guidance of the second expert of a model, where the request
// leaves guidance to the model.
func (f *folder) lowGuidance() float32 {
	if f.channels() {
		return 3.5
	}
	return 3
}

// latents is the form of the latents of a video.
func (f *folder) latents(v engine.Video) (t, h, w int) {
	n := f.codec.Temporal()
	return 1 + (v.Frames-1+n-1)/n, v.Height / f.codec.Spatial(), v.Width / f.codec.Spatial()
}

// sizeOf is how many bytes the weights in a folder have; what cannot be read has
// none, and Open says why.
func sizeOf(dir string) (n int64) {
	paths, err := weightFiles(dir)
	if err != nil {
		return 0
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			n += info.Size()
		}
	}
	return n
}

// inBytes says a number of bytes in words.
func inBytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// part is the folder of a part of the model.
func (f *folder) part(name string) string { return filepath.Join(f.dir, name) }
