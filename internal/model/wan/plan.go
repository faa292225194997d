package wan

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/clip"
	"github.com/kinora-video/kinora/internal/model/t5"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// plan is how one video is made within a limit on memory.
type plan struct {
	encoderLayers int  // of the text encoder that stay in memory while it works
	imageLayers   int  // of the image encoder
	stay          int  // parts of a transformer that stay
	together      bool // the prompt and the negative one pass side by side
	told          []string
}

// baseBytes is the program itself, with garbage that is not collected yet. Tests
// leave it out.
var baseBytes int64 = 160 << 20

// What memory goes into beside weights, measured by TestFullSize: numbers per token
// of a pass, in widths of a token and of the layer inside a block, and of decoders,
// per pixel of a frame.
const (
	tokenWidths   = 13
	tokenFFNs     = 1.3
	decodeNumbers = 520
	tinyNumbers   = 400
)

// activations are about how many bytes a pass takes over so many tokens of a batch
// of entries, beside the weights.
func (f *folder) activations(tokens, batch int) int64 {
	var most int64
	for _, c := range f.transformers {
		perToken := tokenWidths*float64(c.Width()) + tokenFFNs*float64(c.FFN)
		most = max(most, int64(4*perToken*float64(tokens*batch)))
	}
	return most + baseBytes
}

// planRun finds how a run keeps within the limit on memory, tells it, and refuses
// what cannot be.
func (m *model) planRun(r *run) (plan, error) {
	limit := m.opts.Memory
	if limit == 0 {
		p := plan{encoderLayers: m.text.encoder.Layers.Len(), stay: m.experts[0].Parts.Len()}
		if m.looks != nil {
			p.imageLayers = m.looks.Layers.Len()
		}
		return p, nil
	}
	p, need := m.planFor(r, limit)
	if need > limit {
		return p, m.tooLittle(need)
	}
	m.note("memory, at most %s: %s", inBytes(limit), strings.Join(p.told, "; "))
	return p, nil
}

// planFor is the plan of a run within a limit, and what it needs at least.
func (m *model) planFor(r *run, limit int64) (p plan, need int64) {
	layers, parts := m.text.encoder.Layers.Len(), m.experts[0].Parts.Len()
	var encoding int64
	p.encoderLayers, encoding = m.fit(m.text.encoder.Params, layerNames(m.encoder), limit, m.encoding())
	if p.encoderLayers < layers {
		p.tell("%d of %d layers of the text encoder are read from the disk when a prompt is new (%s at most)", layers-p.encoderLayers, layers, inBytes(encoding))
	}
	if m.looks != nil {
		var looking int64
		p.imageLayers, looking = m.fit(m.looks.Params, imageNames(m.image), limit, baseBytes+2*4*int64(m.image.Rows()*(10*m.image.Width+2*m.image.Hidden)))
		if n := m.looks.Layers.Len(); p.imageLayers < n {
			p.tell("%d of %d layers of the image encoder are read from the disk (%s at most)", n-p.imageLayers, n, inBytes(looking))
		}
		encoding = max(encoding, looking)
	}
	stay, sampling := m.fitExperts(r, limit, 1)
	p.stay = stay
	if stay < parts && r.guided {
		// Parts that do not stay are read once a step for both prompts, if there is room
		// for them side by side.
		if stay, need := m.fitExperts(r, limit, 2); need <= limit {
			p.stay, p.together, sampling = stay, true, need
		}
	}
	if p.stay < parts {
		p.tell("%d of %d parts of the transformer are read from the disk at every step (%s at most)", parts-p.stay, parts, inBytes(sampling))
	} else {
		p.tell("the transformer stays in memory (%s at most)", inBytes(sampling))
	}
	drawing := m.drawing(r.j.Width, r.j.Height)
	p.tell("drawing takes %s", inBytes(drawing))
	return p, max(encoding, sampling, drawing)
}

// tell adds a part of what the user is told.
func (p *plan) tell(format string, args ...any) {
	p.told = append(p.told, fmt.Sprintf(format, args...))
}

// fitExperts is fit for the transformers, of which one is in memory at a time, with
// passes over so many prompts.
func (m *model) fitExperts(r *run, limit int64, prompts int) (stay int, need int64) {
	patch := m.transformers[0].Patch
	tokens := r.t * (r.h / patch[1]) * (r.w / patch[2])
	stay = m.experts[0].Parts.Len()
	for _, t := range m.experts {
		s, n := m.fit(t.Params, partNames(t), limit, m.activations(tokens, prompts)+m.kept(r, tokens))
		stay, need = min(stay, s), max(need, n)
	}
	return stay, need
}

// tooLittle refuses what does not fit.
func (m *model) tooLittle(need int64) error {
	const mib = 1 << 20
	return &engine.Refusal{
		Field: "memory", Why: fmt.Sprintf("a video of this size and length takes at least %s, the limit is %s", inBytes(need), inBytes(m.opts.Memory)),
		Hint: fmt.Sprintf("--memory %dMiB, or a smaller or shorter video", (need+mib-1)/mib),
	}
}

// fit is how many of the parts of p, named by how their parameters begin, may stay
// in memory within a limit beside so many other bytes, and how many bytes all that
// takes.
func (m *model) fit(p *nn.Params, parts []string, limit, others int64) (stay int, need int64) {
	// Two parts are in memory while they are read: as they compute, and as they are
	// stored.
	var rest, two int64
	formed := make([]int64, len(parts))
	streamed := make([]int64, len(parts))
	for _, name := range p.Names() {
		t := p.Get(name)
		part := -1
		for i, prefix := range parts {
			if strings.HasPrefix(name, prefix) {
				part = i
				break
			}
		}
		stays, comes := m.memoryOf(t)
		if part < 0 {
			rest += stays
			continue
		}
		formed[part] += stays
		streamed[part] += comes
	}
	for i, n := range streamed {
		if i+1 < len(parts) {
			n += streamed[i+1]
		}
		two = max(two, n)
	}
	all := others + rest
	for _, n := range formed {
		all += n
	}
	if all <= limit {
		return len(parts), all
	}
	need = others + rest + two
	for stay < len(parts) && need+formed[stay] <= limit {
		need += formed[stay]
		stay++
	}
	return stay, need
}

// memoryOf is how many bytes a parameter takes as products take it, and while it is
// read from the disk. Products read weights in few bits where they are stored, and
// so is a table whose rows are looked up.
func (m *model) memoryOf(t *tensor.Tensor) (stays, comes int64) {
	bytes := int64(len(t.Stored().Bytes))
	switch _, small := t.DType().Quant(); {
	case t.Use() != tensor.AsMatrix && t.Len() > 1<<24:
		return 0, 0
	case t.Use() == tensor.AsMatrix && (small || t.DType() == tensor.I8):
		return bytes, bytes
	case t.Use() == tensor.AsMatrix && m.newBackend().Precision() == tensor.BF16:
		stays = int64(2 * t.Len())
	default:
		stays = int64(4 * t.Len())
	}
	return stays, stays + bytes
}

// partNames are the beginnings of the names of a transformer's parts.
func partNames(t *Transformer) []string {
	names := []string{embedder}
	for i := range t.Config.Layers {
		names = append(names, blockName(i))
	}
	return names
}

// layerNames are the beginnings of the names of the text encoder's layers.
func layerNames(c t5.Config) []string {
	var names []string
	for i := range c.Layers {
		names = append(names, fmt.Sprintf("encoder.block.%d.", i))
	}
	return names
}

// imageNames are the beginnings of the names of the image encoder's layers that run.
func imageNames(c clip.Config) []string {
	var names []string
	for i := range c.Layers - 1 {
		names = append(names, fmt.Sprintf("encoder.layers.%d.", i))
	}
	return names
}

// encoding is about what the text encoder takes beside its weights, for two prompts
// of as many tokens as the transformer reads.
func (m *model) encoding() int64 {
	c := m.encoder
	return baseBytes + 4*2*TextTokens*int64(8*c.Width+3*c.Hidden+4*c.Heads*c.HeadDim)
}

// kept is what a run keeps from step to step: latents and what the sampler
// remembers of them, prompts, and what a step cache has.
func (m *model) kept(r *run, tokens int) int64 {
	width := int64(m.transformers[0].Width())
	n := 10*int64(r.t*r.h*r.w)*int64(m.transformers[0].In) + 2*TextTokens*width
	if r.j.StepCache > 0 {
		n += 4 * int64(tokens) * width
	}
	return 4*n + m.added
}

// drawing is about what a decoder takes.
func (m *model) drawing(width, height int) int64 {
	per := decodeNumbers
	if m.opts.Decoder == engine.TinyDecoder {
		per = tinyNumbers
	}
	n := baseBytes + int64(per)*int64(width)*int64(height)
	if m.opts.Decoder != engine.TinyDecoder {
		for _, name := range m.vae.Params.Names() {
			stays, _ := m.memoryOf(m.vae.Params.Get(name))
			n += stays
		}
	}
	return n
}

// planDecode refuses to draw what does not fit, and lets go of what drawing does
// not need.
func (m *model) planDecode(l *Latents, d decoder) error {
	if m.opts.Memory == 0 {
		return nil
	}
	for _, t := range m.experts {
		t.Parts.Stay(0)
	}
	m.giveBack()
	if need := m.drawing(l.video.Width, l.video.Height); need > m.opts.Memory {
		return m.tooLittle(need)
	}
	return nil
}

// giveBack gives memory that was let go of back to the system, where there is a
// limit: what comes next would be added to it.
func (m *model) giveBack() {
	if m.opts.Memory > 0 {
		debug.FreeOSMemory()
	}
}

// letGoCodec drops what the autoencoder has in memory, where there is a limit.
func (m *model) letGoCodec() {
	if m.opts.Memory > 0 {
		m.vae.Params.LetGo("")
		m.giveBack()
	}
}
