package wan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/clip"
	"github.com/kinora-video/kinora/internal/model/t5"
	"github.com/kinora-video/kinora/internal/model/tae"
	"github.com/kinora-video/kinora/internal/model/wanvae"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Spec is a model in a folder as diffusers has them: model_index.json, and the
// folders transformer, text_encoder, tokenizer, vae and scheduler; transformer_2
// where there are two experts, and tiny_decoder where there is one. A folder may
// hold a GGUF file, or weights under other names, instead. Only configurations are
// read before Open.
func Spec(name, dir string) (engine.Spec, error) {
	f, err := readFolder(name, dir)
	if err != nil {
		return engine.Spec{}, err
	}
	return engine.Spec{Capabilities: f.capabilities, Open: f.open}, nil
}

// folder is what the configurations in a model's folder say.
type folder struct {
	name, dir    string
	transformers []TransformerConfig // of one, or of two experts, the one for high noise first
	encoder      t5.Config
	image        clip.Config // of a model that looks at pictures by it
	codec        wanvae.Config
	recipe       recipe
	hasTiny      bool  // there is a tiny decoder
	bytes        int64 // of the weights of transformers and autoencoder
}

func readFolder(name, dir string) (f *folder, err error) {
	f = &folder{name: name, dir: dir, hasTiny: there(dir, tinyDir)}
	for _, part := range []string{transformerDir, secondDir} {
		if part == secondDir && !there(dir, part) {
			continue
		}
		c, err := partConfig(filepath.Join(dir, part), ParseTransformerConfig, InferTransformer)
		if err != nil {
			return nil, err
		}
		f.transformers = append(f.transformers, c)
	}
	if f.encoder, err = partConfig(filepath.Join(dir, encoderDir), t5.ParseConfig, t5.Infer); err != nil {
		return nil, err
	}
	if f.codec, err = partConfig(filepath.Join(dir, vaeDir), wanvae.ParseConfig, wanvae.Guess); err != nil {
		return nil, err
	}
	first := f.transformers[0]
	if first.ImageDim > 0 {
		if f.image, err = readImage(dir); err != nil {
			return nil, err
		}
	}
	if f.recipe, err = readRecipe(dir, first, f.codec.ZDim, len(f.transformers) > 1); err != nil {
		return nil, err
	}
	for _, part := range []string{transformerDir, secondDir, vaeDir} {
		f.bytes += sizeOf(filepath.Join(dir, part))
	}
	return f, f.check()
}

// check finds parts that do not belong together.
func (f *folder) check() error {
	first := f.transformers[0]
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: "+format, append([]any{f.dir}, args...)...)
	}
	for _, c := range f.transformers {
		switch {
		case c.ImageDim != f.image.Width:
			return fail("the image encoder gives vectors of %d numbers, the transformer takes %d", f.image.Width, c.ImageDim)
		case c.ImageRows > 0 && c.ImageRows != 2*f.image.Rows():
			return fail("the transformer has places for %d vectors of pictures, the image encoder gives %d for each of two", c.ImageRows, f.image.Rows())
		case c.TextDim != f.encoder.Width:
			return fail("the text encoder gives vectors of %d numbers, the transformer takes %d", f.encoder.Width, c.TextDim)
		case c.Out != f.codec.ZDim:
			return fail("the transformer makes latents of %d channels, the autoencoder has %d", c.Out, f.codec.ZDim)
		case c.In != first.In || c.Patch != first.Patch:
			return fail("the two transformers take other inputs")
		case c.Patch[0] != 1:
			return fail("a token is %d frames of latents, must be 1", c.Patch[0])
		}
	}
	if extra := first.In - f.codec.ZDim; extra != 0 && (extra != f.codec.ZDim+f.codec.Temporal() || f.recipe.tokens) {
		return fail("the transformer takes %d channels: with latents of %d that is no way in which a picture can be given", first.In, f.codec.ZDim)
	}
	return nil
}

// readImage reads the configuration of the image encoder.
func readImage(dir string) (clip.Config, error) {
	c, err := partConfig(filepath.Join(dir, imageDir), clip.ParseConfig, viTH)
	if err != nil {
		err = fmt.Errorf("the transformer looks at pictures by an image encoder (CLIP), which cannot be read: %w", err)
	}
	return c, err
}

// viTH is the image encoder of every Wan 2.1 that has one, for weights without a
// configuration: ViT-H/14.
func viTH(nn.Weights) (clip.Config, error) {
	return clip.Config{Width: 1280, Hidden: 5120, Layers: 32, Heads: 16, Size: 224, Patch: 14, Eps: 1e-5}, nil
}

// bothFrames says that the transformer has places for two pictures, and needs them.
func (f *folder) bothFrames() bool { return f.transformers[0].ImageRows > 0 }

// channels says whether a first frame is given as more channels of the latents.
func (f *folder) channels() bool { return f.transformers[0].In != f.codec.ZDim }

// model is an open model.
type model struct {
	*folder
	caps       engine.Capabilities
	opts       engine.Options
	newBackend func() tensor.Backend

	experts []*Transformer
	text    *textEncoder
	looks   *clip.Encoder // nil for a model that does not look at pictures
	vae     *wanvae.VAE
	tiny    *tae.TAE // nil without one
	files   []io.Closer
	added   int64 // bytes of weights that adapters keep in memory
}

// decoder draws the frames of latents.
type decoder interface {
	Decode(ctx context.Context, z []float32, t, h, w int, yield func(rgb []byte) error) error
}

// open implements engine.Spec.
func (f *folder) open(ctx context.Context, o engine.Options) (engine.Engine, error) {
	m, err := f.openOn(ctx, o, backend.New)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openOn opens the model on backends of a kind.
func (f *folder) openOn(ctx context.Context, o engine.Options, newBackend func() tensor.Backend) (m *model, err error) {
	m = &model{folder: f, caps: f.capabilities(), opts: o, newBackend: newBackend}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
			m = nil
		}
	}()
	for i, c := range f.transformers {
		t, err := m.openExpert(i, c)
		if err != nil {
			return m, err
		}
		m.experts = append(m.experts, t)
		if err := ctx.Err(); err != nil {
			return m, err
		}
	}
	w, err := m.weights(vaeDir)
	if err != nil {
		return m, err
	}
	if m.vae, err = wanvae.Open(f.codec, w); err != nil {
		return m, fmt.Errorf("%s: %w", filepath.Join(f.dir, vaeDir), err)
	}
	m.vae.NewBackend = newBackend
	m.letGoCodec() // its weights were all read, to be checked
	if err := m.openTiny(); err != nil {
		return m, err
	}
	if m.text, err = m.openText(); err != nil || f.image.Width == 0 {
		return m, err
	}
	if w, err = m.weights(imageDir); err != nil {
		return m, err
	}
	if m.looks, err = clip.Open(f.image, w); err != nil {
		err = fmt.Errorf("%s: %w", m.part(imageDir), err)
	}
	return m, err
}

// openTiny opens the tiny decoder, if there is one.
func (m *model) openTiny() error {
	if !m.hasTiny {
		return nil
	}
	w, err := m.weights(tinyDir)
	if err == nil {
		m.tiny, err = tae.Open(w)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.part(tinyDir), err)
	}
	m.tiny.NewBackend = m.newBackend
	if c := m.tiny.Config; c.Latent != m.codec.ZDim || c.Spatial() != m.codec.Spatial() || c.Temporal() != m.codec.Temporal() {
		return fmt.Errorf("%s: it draws from latents of %d channels for %d×%d pixels, the model has %d for %d×%d: it is of another one",
			m.part(tinyDir), c.Latent, c.Spatial(), c.Spatial(), m.codec.ZDim, m.codec.Spatial(), m.codec.Spatial())
	}
	return nil
}

// weights opens the weights of a part, which Close closes.
func (m *model) weights(part string) (stored, error) {
	w, err := openWeights(filepath.Join(m.dir, part))
	if err == nil {
		m.files = append(m.files, w)
	}
	return w, err
}

// note tells the user something.
func (m *model) note(format string, args ...any) {
	if m.opts.Note != nil {
		m.opts.Note(fmt.Sprintf(format, args...))
	}
}

// Capabilities implements engine.Engine.
func (m *model) Capabilities() engine.Capabilities { return m.caps }

// Close implements engine.Engine.
func (m *model) Close() error {
	var err error
	for _, f := range m.files {
		err = errors.Join(err, f.Close())
	}
	m.files = nil
	return err
}

// Decode implements engine.Engine.
func (m *model) Decode(ctx context.Context, l engine.Latents, yield func(rgb []byte) error) error {
	x := l.(*Latents)
	var d decoder = m.vae
	if cmp.Or(m.opts.Decoder, engine.FullDecoder) == engine.TinyDecoder {
		d = m.tiny
	}
	back, err := m.planDecode(x)
	if err != nil {
		return err
	}
	defer back()
	left := x.video.Frames
	defer m.letGoCodec()
	err = d.Decode(ctx, x.Data, x.T, x.H, x.W, func(rgb []byte) error {
		if left == x.video.Frames && m.opts.Memory > 0 {
			m.vae.Params.ReleaseFormed("")
		}
		if err := yield(rgb); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends decoding: frames beyond the length of the video are not drawn.
var errEnough = errors.New("all frames are drawn")
