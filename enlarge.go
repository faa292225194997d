package kinora

import (
	"fmt"
	"sync"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/upscale"
)

// Upscaling says how frames are enlarged that are wanted larger than the model
// draws them.
type Upscaling = engine.Upscaling

// The ways to enlarge frames.
const (
	// UpscaleAuto is UpscaleLearned where frames become at least half as large
	// again, and UpscaleFast below, or always for a model that says so. It is the
	// default.
	UpscaleAuto = engine.UpscaleAuto
	// UpscaleLearned draws edges anew by a network that was taught on drawings of
	// all kinds. It takes several times as long as reel takes to make the video.
	UpscaleLearned = engine.UpscaleLearned
	// UpscaleSmall sharpens frames by a network that is the model's own, in little
	// time. Of a model that brings none along it is UpscaleFast.
	UpscaleSmall = engine.UpscaleSmall
	// UpscaleFast interpolates (Catmull-Rom), in next to no time. It also does what
	// a network, which doubles or quadruples, leaves to do.
	UpscaleFast = engine.UpscaleFast
)

func checkUpscaling(u Upscaling) error {
	switch u {
	case "", UpscaleAuto, UpscaleLearned, UpscaleSmall, UpscaleFast:
		return nil
	}
	return invalid("upscale", fmt.Sprintf("there is no %q", string(u)), "auto, learned, small or fast")
}

// An enlarging makes what enlarges frames of a size; nil interpolates them.
type enlarging func(width, height int) (engine.Enlarger, error)

// enlarging is how the frames of a plan become larger.
func (m *Model) enlarging(p *plan) enlarging {
	from, to := Size{Width: p.job.Width, Height: p.job.Height}, Size{Width: p.width, Height: p.height}
	switch m.caps.Enlarge.Upscaling(p.upscale, from, to) {
	case UpscaleLearned:
		return generalUpscaler(from.Ratio(to))
	case UpscaleSmall:
		if own, ok := m.engine.(engine.Upscaler); ok {
			return own.Upscaler
		}
	}
	return nil
}

// generalUpscaler is for frames of any model: by 4, or by 2 where that is enough.
func generalUpscaler(ratio float64) enlarging {
	open := generalBy4
	if ratio <= 2 {
		open = generalBy2
	}
	return func(width, height int) (engine.Enlarger, error) {
		n, err := open()
		if err != nil {
			return nil, err
		}
		return n.NewRunner(width, height)
	}
}

// The networks inside the program, which are opened, and packed, once.
var (
	generalBy4 = sync.OnceValues(func() (*upscale.Net, error) { return upscale.Open(upscale.General()) })
	generalBy2 = sync.OnceValues(func() (*upscale.Net, error) {
		n, err := generalBy4()
		if err != nil {
			return nil, err
		}
		return n.Reduced(2)
	})
)

// drawingFLOPs is about what drawing and writing a frame costs, counted as a
// network's work is.
const drawingFLOPs = 2e9

// share is the part of a whole run that sampling is expected to take for a plan:
// less of it where its frames go through a network.
func (m *Model) share(p *plan, e enlarging) (float64, error) {
	sampling := m.caps.Cost.SamplingShare
	if e == nil {
		return sampling, nil
	}
	n, err := e(p.job.Width, p.job.Height)
	if err != nil {
		return 0, wrap(Internal, "open", "the upscaler inside the program", err, "")
	}
	return sampling / (sampling + (1-sampling)*(1+n.FLOPs()/drawingFLOPs)), nil
}
