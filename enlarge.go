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
	// UpscaleLearned draws edges anew by a network that was taught on drawings of
	// all kinds. It takes several times as long as reel takes to make the video.
	UpscaleLearned Upscaling = "learned"
	// UpscaleSmall sharpens frames by a network that is the model's own, in little
	// time. Of a model that brings none along it is UpscaleFast.
	UpscaleSmall Upscaling = "small"
	// UpscaleFast interpolates (Catmull-Rom), in next to no time. It also does what
	// a network, which doubles or quadruples, leaves to do.
	UpscaleFast Upscaling = "fast"
)

// autoRatio is from where on UpscaleAuto takes the network.
const autoRatio = 1.5

func (u Upscaling) check() error {
	switch u {
	case "", UpscaleAuto, UpscaleLearned, UpscaleSmall, UpscaleFast:
		return nil
	}
	return invalid("upscale", fmt.Sprintf("there is no %q", string(u)), "auto, learned, small or fast")
}

// Upscaling is how frames of the model become such of width×height where a
// request says how: UpscaleLearned, UpscaleSmall or UpscaleFast, or "" where they
// are not enlarged. A size of 0×0 is the model's own.
func (i Info) Upscaling(how Upscaling, width, height int) Upscaling {
	ratio := i.ratio(width, height)
	switch {
	case ratio <= 1:
		return ""
	case how == UpscaleLearned, how == UpscaleSmall && i.upscaler != nil:
		return how
	case how == UpscaleFast, how == UpscaleSmall, ratio < autoRatio, i.plain:
		return UpscaleFast
	}
	return UpscaleLearned
}

// ratio is how many times larger frames become.
func (i Info) ratio(width, height int) float64 {
	return max(float64(width)/float64(i.Width), float64(height)/float64(i.Height))
}

// network is what enlarges frames of the model to width×height, nil where they
// are interpolated.
func (i Info) network(how Upscaling, width, height int) (*upscale.Net, error) {
	switch i.Upscaling(how, width, height) {
	case UpscaleLearned:
		return generalUpscaler(i.ratio(width, height))
	case UpscaleSmall:
		return i.upscaler()
	}
	return nil, nil
}

// generalUpscaler is for frames of any model: by 4, or by 2 where that is enough.
func generalUpscaler(ratio float64) (*upscale.Net, error) {
	by4, err := openGeneral()
	if err != nil || ratio > 2 {
		return by4, err
	}
	return by4.Reduced(2)
}

var openGeneral = sync.OnceValues(func() (*upscale.Net, error) { return upscale.Open(upscale.General()) })

// openStorybook gives the small network of what reel draws, by 2.
var openStorybook = sync.OnceValues(func() (*upscale.Net, error) { return upscale.Open(upscale.Storybook()) })

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
