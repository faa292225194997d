package kinora

import (
	"fmt"
	"sync"

	"github.com/kinora-video/kinora/internal/model/upscale"
)

// Upscaling says how frames are enlarged that are wanted larger than the model
// draws them.
type Upscaling string

// The ways to enlarge frames.
const (
	// UpscaleAuto is UpscaleLearned where frames become at least half as large
	// again, and UpscaleFast below. It is the default.
	UpscaleAuto Upscaling = "auto"
	// UpscaleLearned draws edges anew by a network: the model's own where there
	// is one, and otherwise a general one for drawings. What is then left of the
	// way to the size, larger or smaller, is UpscaleFast.
	UpscaleLearned Upscaling = "learned"
	// UpscaleFast interpolates (Catmull-Rom), in next to no time.
	UpscaleFast Upscaling = "fast"
)

// autoRatio is from where on UpscaleAuto takes the network.
const autoRatio = 1.5

func (u Upscaling) check() error {
	switch u {
	case "", UpscaleAuto, UpscaleLearned, UpscaleFast:
		return nil
	}
	return invalid("upscale", fmt.Sprintf("there is no %q", string(u)), "auto, learned or fast")
}

// network is what enlarges frames of the model to width×height, nil where they
// are interpolated.
func (i Info) network(how Upscaling, width, height int) (*upscale.Net, error) {
	ratio := max(float64(width)/float64(i.Width), float64(height)/float64(i.Height))
	if how == UpscaleFast || ratio <= 1 || how != UpscaleLearned && ratio < autoRatio {
		return nil, nil
	}
	if i.upscaler != nil {
		return i.upscaler(ratio)
	}
	return generalUpscaler(ratio)
}

// An upscaler is the network that enlarges frames by about a ratio, or nil for
// none.
type upscaler func(ratio float64) (*upscale.Net, error)

// generalUpscaler is for frames of any model: by 4, or by 2 where that is enough.
func generalUpscaler(ratio float64) (*upscale.Net, error) {
	by4, err := openGeneral()
	if err != nil || ratio > 2 {
		return by4, err
	}
	return by4.Reduced(2)
}

var openGeneral = sync.OnceValues(func() (*upscale.Net, error) { return upscale.Open(upscale.General()) })

// drawingFLOPs is about what drawing and writing a frame costs, counted as a
// network's work is.
const drawingFLOPs = 2e9

// share is the part of a whole run that sampling is expected to take where
// frames go through n, which may be nil.
func (i Info) share(n *upscale.Net) float64 {
	if n == nil {
		return i.samplingShare
	}
	longer := 1 + n.Config.FLOPs()*float64(i.Width*i.Height)/drawingFLOPs
	return i.samplingShare / (i.samplingShare + (1-i.samplingShare)*longer)
}
