package engine

// Upscaling says how frames are enlarged that are wanted larger than a model draws
// them.
type Upscaling string

// The ways to enlarge frames.
const (
	// UpscaleAuto is UpscaleLearned where frames become at least half as large
	// again, and UpscaleFast below, or always for a model that says so. It is the
	// default.
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

// Enlarging says how frames of a model become larger ones.
type Enlarging struct {
	// Own says that the model brings a small network of its own along: its Engine
	// is an Upscaler.
	Own bool
	// Plain says that UpscaleAuto takes no network.
	Plain bool
}

// Upscaling is how frames of one size become such of another where a request says
// how: UpscaleLearned, UpscaleSmall or UpscaleFast, or "" where they are not
// enlarged.
func (e Enlarging) Upscaling(how Upscaling, from, to Size) Upscaling {
	ratio := from.Ratio(to)
	switch {
	case ratio <= 1:
		return ""
	case how == UpscaleLearned, how == UpscaleSmall && e.Own:
		return how
	case how == UpscaleFast, how == UpscaleSmall, ratio < autoRatio, e.Plain:
		return UpscaleFast
	}
	return UpscaleLearned
}

// Ratio is how many times larger frames of this size become to cover another one.
func (s Size) Ratio(to Size) float64 {
	return max(float64(to.Width)/float64(s.Width), float64(to.Height)/float64(s.Height))
}

// String says in words how larger sizes are drawn.
func (e Enlarging) String() string {
	text := "from 1.5 times its own on, edges are drawn anew by a network (learned); below, frames are interpolated (fast)"
	if e.Plain {
		text = "frames are interpolated (fast); on request, edges are drawn anew by a network (learned)"
	}
	if e.Own {
		text += "; on request, a small network of its own sharpens them (small)"
	}
	return text
}

// Upscaler is an Engine whose Capabilities say that it has a network of its own.
type Upscaler interface {
	// Upscaler enlarges frames of width×height pixels. The call may be made beside
	// another one.
	Upscaler(width, height int) (Enlarger, error)
}

// Enlarger enlarges the frames of a video, one at a time. Frame has all of the
// machine's cores.
type Enlarger interface {
	// Size is that of the frames that come out.
	Size() (width, height int)
	// Frame enlarges RGB, 3 bytes a pixel, into dst, which has room for such of
	// Size.
	Frame(dst, rgb []byte) error
	// FLOPs counts the multiplications and additions of a frame.
	FLOPs() float64
}
