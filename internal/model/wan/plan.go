package wan

import (
	"fmt"
	"runtime/debug"
	"slices"
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

	encoding, looking, giving, sampling demand
}

// baseBytes is the program itself, with garbage that is not collected yet. Tests
// leave it out.
var baseBytes int64 = 160 << 20

// What memory goes into beside weights, measured by TestFullSize: numbers per token
// of a pass, in widths of a token and of the layer inside a block, and bytes per
// pixel of a frame of the autoencoder and of the tiny decoder.
const (
	tokenWidths = 13
	tokenFFNs   = 1.3
	codecBytes  = 7000
	tinyBytes   = 800
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

// planFor is the plan of a run within a limit, and how many bytes it needs at least.
func (m *model) planFor(r *run, limit int64) (p plan, need int64) {
	layers, parts := m.text.encoder.Layers.Len(), m.experts[0].Parts.Len()
	p.encoderLayers, p.encoding = m.fit(m.text.encoder.Params, layerNames(m.encoder), limit, m.encoding())
	if p.encoderLayers < layers {
		p.tell("%d of %d layers of the text encoder are read from the disk when a prompt is new (%s at most)", layers-p.encoderLayers, layers, inBytes(p.encoding.total()))
	}
	if m.looks != nil {
		p.imageLayers, p.looking = m.fit(m.looks.Params, imageNames(m.image), limit, m.looking())
		if n := m.looks.Layers.Len(); p.imageLayers < n {
			p.tell("%d of %d layers of the image encoder are read from the disk (%s at most)", n-p.imageLayers, n, inBytes(p.looking.total()))
		}
	}
	p.stay, p.sampling = m.fitExperts(r, limit, 1)
	if p.stay < parts && r.guided {
		// Parts that do not stay are read once a step for both prompts, if there is room
		// for them side by side.
		if stay, d := m.fitExperts(r, limit, 2); d.total() <= limit {
			p.stay, p.together, p.sampling = stay, true, d
		}
	}
	if p.stay < parts {
		p.tell("%d of %d parts of the transformer are read from the disk at every step (%s at most)", parts-p.stay, parts, inBytes(p.sampling.total()))
	} else {
		p.tell("the transformer stays in memory (%s at most)", inBytes(p.sampling.total()))
	}
	drawing := m.drawing(r.j.Width, r.j.Height)
	p.tell("drawing takes %s", inBytes(drawing.total()))
	if r.j.First != nil {
		p.giving = m.coding(codecBytes, m.vae.Params, r.j.Width, r.j.Height)
	}
	return p, max(p.encoding.total(), p.looking.total(), p.giving.total(), p.sampling.total(), drawing.total())
}

// tell adds a part of what the user is told.
func (p *plan) tell(format string, args ...any) {
	p.told = append(p.told, fmt.Sprintf(format, args...))
}

// fitExperts is fit for the transformers, of which one is in memory at a time, with
// passes over so many prompts.
func (m *model) fitExperts(r *run, limit int64, prompts int) (stay int, d demand) {
	patch := m.transformers[0].Patch
	tokens := r.t * (r.h / patch[1]) * (r.w / patch[2])
	stay = m.experts[0].Parts.Len()
	for _, t := range m.experts {
		s, one := m.fit(t.Params, partNames(t), limit, m.activations(tokens, prompts)+m.kept(r, tokens))
		stay = min(stay, s)
		if one.total() > d.total() {
			d = one
		}
	}
	return stay, d
}

// tooLittle refuses what does not fit.
func (m *model) tooLittle(need int64) error {
	const mib = 1 << 20
	return &engine.Refusal{
		Field: "memory", Why: fmt.Sprintf("a video of this size and length takes at least %s, the limit is %s", inBytes(need), inBytes(m.opts.Memory)),
		Hint: fmt.Sprintf("--memory %dMiB, or a smaller or shorter video", (need+mib-1)/mib),
	}
}

// demand is what memory is needed for: what the program allocates, and pages of
// files that are in use at a time.
type demand struct{ heap, files int64 }

// total is the sum, with room for the collector of garbage to work in.
func (d demand) total() int64 { return d.heap + d.heap/20 + d.files }

func (d demand) plus(other demand) demand {
	return demand{d.heap + other.heap, d.files + other.files}
}

// within sets the limit of Go's collector, which does not count pages of files, for
// a part of the work, and returns what sets it back.
func (m *model) within(d demand) (back func()) {
	if m.opts.Memory == 0 {
		return func() {}
	}
	before := debug.SetMemoryLimit(m.opts.Memory - d.files)
	return func() {
		debug.SetMemoryLimit(before)
		m.giveBack()
	}
}

// fit is how many of the parts of p, named by how their parameters begin, may stay
// in memory within a limit beside so many other bytes, and what all that takes.
func (m *model) fit(p *nn.Params, parts []string, limit, others int64) (stay int, d demand) {
	base := demand{heap: others}
	lasting, read := make([]demand, len(parts)), make([]int64, len(parts))
	for _, name := range p.Names() {
		t := p.Get(name)
		lasts, file := m.memoryOf(t)
		part := slices.IndexFunc(parts, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if part < 0 {
			base = base.plus(lasts)
			continue
		}
		lasting[part] = lasting[part].plus(lasts)
		read[part] += file
	}
	// While a part runs the next one is read, and one before may not have been
	// collected yet.
	all, come, files, most := base, base, int64(0), demand{}
	for i, l := range lasting {
		all = all.plus(l)
		n := read[i]
		if i+1 < len(parts) {
			n += read[i+1]
		}
		files = max(files, n)
		most = demand{max(most.heap, l.heap), max(most.files, l.files)}
	}
	all.files += slices.Max(read)
	come.heap += 3 * most.heap
	come.files += files + 2*most.files
	if all.total() <= limit {
		return len(parts), all
	}
	for stay < len(parts) && come.plus(lasting[stay]).total() <= limit {
		come = come.plus(lasting[stay])
		stay++
	}
	return stay, come
}

// memoryOf is how much memory a parameter takes as products take it, and how many
// bytes of its file are read for that. Weights in few bits are multiplied from their
// file, and rows of a large table are looked up there.
func (m *model) memoryOf(t *tensor.Tensor) (lasts demand, read int64) {
	bytes := int64(len(t.Stored().Bytes))
	switch _, small := t.DType().Quant(); {
	case t.Use() != tensor.AsMatrix && t.Len() > 1<<24:
		return demand{}, 0
	case t.Use() == tensor.AsMatrix && (small || t.DType() == tensor.I8):
		return demand{files: bytes}, 0
	case t.Use() == tensor.AsMatrix && m.newBackend().Precision() == tensor.BF16:
		return demand{heap: int64(2 * t.Len())}, bytes
	}
	return demand{heap: int64(4 * t.Len())}, bytes
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

// looking is about what the image encoder takes beside its weights.
func (m *model) looking() int64 {
	return baseBytes + 2*4*int64(m.image.Rows()*(10*m.image.Width+2*m.image.Hidden))
}

// drawing is about what the decoder takes, with its weights.
func (m *model) drawing(width, height int) demand {
	if m.opts.Decoder == engine.TinyDecoder {
		return m.coding(tinyBytes, m.tiny.Params, width, height)
	}
	return m.coding(codecBytes, m.vae.Params, width, height)
}

// coding is about what is taken by an autoencoder of so many bytes per pixel.
func (m *model) coding(per int, params *nn.Params, width, height int) demand {
	d := demand{heap: baseBytes + int64(per)*int64(width)*int64(height)}
	for _, name := range params.Names() {
		lasts, read := m.memoryOf(params.Get(name))
		d = d.plus(lasts)
		d.files += read
	}
	return d
}

// planDecode refuses to draw what does not fit, and lets go of what drawing does
// not need. It returns what is to be done afterwards.
func (m *model) planDecode(l *Latents) (back func(), err error) {
	if m.opts.Memory == 0 {
		return func() {}, nil
	}
	for _, t := range m.experts {
		t.Parts.Stay(0)
	}
	m.giveBack()
	d := m.drawing(l.video.Width, l.video.Height)
	if need := d.total(); need > m.opts.Memory {
		return nil, m.tooLittle(need)
	}
	return m.within(d), nil
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
