package wan

import (
	"context"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/tensor"
)

// given is what a request says of its frames. In a model with timesteps of tokens
// it is the latents of the first frame, which stay as they are; in others it comes
// as more channels of all latents: which frames are given, and the latents of a
// video that has only these.
type given struct {
	first    []float32 // [h, w, C], nil for a model with more channels
	channels []float32 // [t, h, w, extra], nil for a model with timesteps of tokens
	c, extra int
	buffer   []float32 // what the transformer is given, made anew at each step
}

// encodeGiven encodes the frames that a job gives; nil for none.
func (m *model) encodeGiven(ctx context.Context, r *run) (*given, error) {
	if r.j.First == nil {
		return nil, nil
	}
	g := &given{c: m.codec.ZDim}
	defer m.within(r.plan.giving)()
	defer m.letGoCodec()
	height, width := r.j.Height, r.j.Width
	if !m.channels() {
		z, err := m.vae.Encode(ctx, 1, height, width, func(_ int, dst []float32) error {
			copy(dst, r.j.First)
			return nil
		})
		g.first = z
		return g, err
	}
	n := m.codec.Frames(r.t)
	z, err := m.vae.Encode(ctx, n, height, width, func(i int, dst []float32) error {
		switch {
		case i == 0:
			copy(dst, r.j.First)
		case i == n-1 && r.j.Last != nil:
			copy(dst, r.j.Last)
		default:
			clear(dst)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The mask has a channel for each frame that a latent stands for. The first
	// latent stands for one frame, which all of its channels speak of.
	group := m.codec.Temporal()
	g.extra = group + g.c
	places := r.t * r.h * r.w
	g.channels = make([]float32, places*g.extra)
	for i := range places {
		row := g.channels[i*g.extra:][:g.extra]
		t := i / (r.h * r.w)
		for k := range group {
			if t == 0 || r.j.Last != nil && t == r.t-1 && k == group-1 {
				row[k] = 1
			}
		}
		copy(row[group:], z[i*g.c:(i+1)*g.c])
	}
	return g, nil
}

// look encodes the given frames by the image encoder; nothing for a model without
// one.
func (m *model) look(ctx context.Context, r *run) (rows, error) {
	if m.looks == nil {
		return rows{}, nil
	}
	frames := [][]float32{r.j.First}
	if m.bothFrames() {
		frames = append(frames, r.j.Last)
	}
	var pictures [][]float32
	for _, f := range frames {
		frame := media.NewFrame(r.j.Width, r.j.Height)
		tensor.ToPixels(frame.Pix, f)
		picture, err := m.image.Pixels(frame)
		if err != nil {
			return rows{}, err
		}
		pictures = append(pictures, picture)
	}
	b := m.newBackend()
	m.looks.Layers.Stay(r.plan.imageLayers)
	defer m.within(r.plan.looking)()
	// Nothing needs the encoder until the next video.
	defer m.looks.Layers.Stay(0)
	y, err := m.looks.Encode(ctx, b, pictures...)
	if err != nil {
		return rows{}, err
	}
	return rows{tensor.Values(b, y), m.image.Width}, nil
}

// input is what the transformer is given for latents z.
func (g *given) input(z []float32) []float32 {
	if g == nil {
		return z
	}
	if g.buffer == nil {
		g.buffer = make([]float32, len(z)/g.c*(g.c+g.extra))
	}
	if g.channels == nil {
		copy(g.buffer, z)
		g.replace(g.buffer)
		return g.buffer
	}
	n := g.c + g.extra
	for i := range len(z) / g.c {
		copy(g.buffer[i*n:], z[i*g.c:(i+1)*g.c])
		copy(g.buffer[i*n+g.c:], g.channels[i*g.extra:(i+1)*g.extra])
	}
	return g.buffer
}

// timesteps are those of a pass: one for all tokens or, where the first frame is
// clean, one for each.
func (g *given) timesteps(timestep float64, r *run) []float32 {
	if g == nil || g.first == nil {
		return []float32{float32(timestep)}
	}
	patch := r.m.transformers[0].Patch
	frame := r.h / patch[1] * (r.w / patch[2])
	out := make([]float32, r.t*frame)
	for i := range out[frame:] {
		out[frame+i] = float32(timestep)
	}
	return out
}

// replace puts the given first frame into latents.
func (g *given) replace(z []float32) {
	if g != nil {
		copy(z, g.first)
	}
}
