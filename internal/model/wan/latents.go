package wan

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Latents are a video as the transformer made it. They implement engine.Latents.
type Latents struct {
	Data       []float32 // [T, H, W, C], standardised
	T, H, W, C int
	video      engine.Video
	origin     engine.Origin
}

// The form of a file of latents: one tensor, [T, H, W, C], and metadata.
const (
	latentsFormat = "kinora-wan-latents-1"
	latentsTensor = "latents"
	formatKey     = "format"
	videoKey      = "video"
	originKey     = "origin"
	maxFrames     = 1 << 16
)

// Video implements engine.Latents.
func (l *Latents) Video() engine.Video { return l.video }

// Origin implements engine.Latents.
func (l *Latents) Origin() engine.Origin { return l.origin }

// Save implements engine.Latents.
func (l *Latents) Save(path string) error {
	video, err := json.Marshal(l.video)
	if err != nil {
		return err
	}
	origin, err := json.Marshal(l.origin)
	if err != nil {
		return err
	}
	t := safetensors.FromFloat32(latentsTensor, safetensors.F32, l.Data, l.T, l.H, l.W, l.C)
	return safetensors.WriteFile(path, []safetensors.Tensor{t}, map[string]string{
		formatKey: latentsFormat, videoKey: string(video), originKey: string(origin),
	})
}

// Load implements engine.Engine.
func (m *model) Load(path string) (engine.Latents, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	l, err := m.read(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return l, nil
}

// read checks everything in a file of latents.
func (m *model) read(f *safetensors.File) (*Latents, error) {
	meta := f.Metadata()
	if meta[formatKey] != latentsFormat {
		return nil, errors.New("these are not latents of a Wan model")
	}
	l := &Latents{}
	if err := errors.Join(json.Unmarshal([]byte(meta[videoKey]), &l.video), json.Unmarshal([]byte(meta[originKey]), &l.origin)); err != nil {
		return nil, fmt.Errorf("what the latents say of their video is damaged: %w", err)
	}
	x, shape, err := f.Float32(latentsTensor)
	if err != nil {
		return nil, err
	}
	v := l.video
	if len(shape) != 4 || v.Frames < 1 || v.Frames > maxFrames || v.FPS < 1 || v.FPS > maxRate || v.Width < 1 || v.Height < 1 {
		return nil, fmt.Errorf("latents of shape %v for a video of %d frames of %d×%d: the file is damaged", shape, v.Frames, v.Width, v.Height)
	}
	l.Data, l.T, l.H, l.W, l.C = x, shape[0], shape[1], shape[2], shape[3]
	if l.C != m.codec.ZDim {
		return nil, fmt.Errorf("they have %d channels, those of %s have %d: they are of another model", l.C, m.name, m.codec.ZDim)
	}
	if t, h, w := m.latents(v); t != l.T || h != l.H || w != l.W || h*m.codec.Spatial() != v.Height || w*m.codec.Spatial() != v.Width {
		return nil, fmt.Errorf("latents of shape %v for a video of %d frames of %d×%d: they are of another model, or damaged", shape, v.Frames, v.Width, v.Height)
	}
	if !finite(x) {
		return nil, errors.New("they hold a value that is not finite: the file is damaged")
	}
	return l, nil
}

// maxRate is the largest number of frames a second that a file may claim.
const maxRate = 1000
