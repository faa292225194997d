package kinora

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/model/upscale"
)

var errNoModel = errors.New("there is no such model")

// Limits of a request.
const (
	MaxSeconds     = 3600
	MaxSteps       = 1000
	MaxSide        = 4096 // pixels
	MaxFPS         = 120
	MaxPromptBytes = 16 << 10
)

// Request says what to make. The zero value of every field but Prompt is a
// sensible default.
type Request struct {
	// Prompt is what happens in the clip. It may be empty when Image is set.
	Prompt string
	// Seconds is the length of the clip, met to the frame: 0 means 6. (reel makes
	// 1+8k frames; what is beyond is dropped.)
	Seconds float64
	// Image is the first frame: cut, centred, to the model's shape and scaled to
	// its size.
	Image image.Image
	// Seed picks one of the clips that the prompt may give. The same seed and
	// request give the same clip.
	Seed uint64
	// Steps of sampling: 0 means the model's default. More are slower, and
	// finer up to a point.
	Steps int
	// Guidance is how closely the prompt is followed: 0 means the model's
	// default, 1 is none.
	Guidance float32
	// Width and Height of the clip in pixels, both even; 0 means native, or in
	// the native shape where only the other is set. Frames are drawn in the
	// native size and scaled to cover this one, larger ones as Upscale says;
	// what juts out is cut, centred.
	Width, Height int
	// Upscale is how frames are enlarged: "" means UpscaleAuto.
	Upscale Upscaling
	// FPS is the frames a second: 0 means native. At another rate each frame is
	// the native one on the screen at its time: frames are repeated or dropped,
	// never blended, and the clip plays at the same speed.
	FPS int
	// Latents is the file that keeps the latents until the clip is saved: a new
	// file. "" means one of a fresh name in the model's latents folder. Where the
	// file's disk is too full, or its name too long, that folder is taken too:
	// Clip.LatentsPath says where they are.
	Latents string
	// Output, if not nil, is where the clip will be saved. Generate sees that there
	// is room for it before any time is spent.
	Output *Place
	// Progress, if not nil, is told how far the clip is: from Generate while it
	// samples, from Save, Write and Frames while frames are drawn. It is called
	// from one goroutine at a time and should return at once.
	Progress func(Progress)
	// Preview, if not nil, is given pictures of the clip while it is sampled: the
	// first frame of the part that is being made (reel makes two seconds at a
	// time), as the model sees it so far, in the native size. It is called from
	// the sampling goroutine, which waits for it: every two seconds at most, and
	// less often where drawing one takes long. The image is the callee's to keep.
	// The clip is the same with it and without.
	Preview func(image.Image)
	// Watermark, if not "", is a short text, such as "AI", drawn small on a
	// translucent plate in the lower right corner of every frame, and of
	// previews: letters that Go's own font has (Latin, Greek, Cyrillic). The
	// latents do not hold it: give it to Load again.
	Watermark string
}

// plan is a request made definite.
type plan struct {
	seconds       float64
	width, height int
	fps           int
	frames        int // of the clip, at fps
	native        int // frames drawn, at the native rate
	mark          *watermark
	network       *upscale.Net // what enlarges frames, or nil
}

// plan checks a request against a model.
func (r *Request) plan(in Info) (plan, error) {
	p := plan{seconds: r.Seconds}
	if p.seconds == 0 {
		p.seconds = 6
	}
	switch {
	case strings.TrimSpace(r.Prompt) == "" && r.Image == nil:
		return p, invalid("prompt", "it is empty", "say what should happen in the clip")
	case len(r.Prompt) > MaxPromptBytes:
		return p, invalid("prompt", fmt.Sprintf("it has %d bytes", len(r.Prompt)), fmt.Sprintf("the limit is %d", MaxPromptBytes))
	case !utf8.ValidString(r.Prompt):
		return p, invalid("prompt", "it is not valid UTF-8", "")
	case r.Image != nil && !in.Image:
		return p, &Error{Kind: Unsupported, Op: "request", What: "image", Err: fmt.Errorf("the model %s takes no first frame", in.Name)}
	case r.Image != nil && r.Image.Bounds().Empty():
		return p, invalid("image", "it has no pixels", "")
	case r.Steps < 0 || r.Steps > MaxSteps:
		return p, invalid("steps", fmt.Sprintf("%d is out of range", r.Steps), fmt.Sprintf("1 to %d, or 0 for the default", MaxSteps))
	case !(r.Guidance >= 0 && r.Guidance <= 100):
		return p, invalid("guidance", fmt.Sprintf("%v is out of range", r.Guidance), "0 to 100, where 0 is the model's default and 1 is none")
	case !(p.seconds > 0 && p.seconds <= MaxSeconds):
		return p, invalid("seconds", fmt.Sprintf("%v is out of range", p.seconds), fmt.Sprintf("more than 0, at most %d", MaxSeconds))
	}
	return p, p.fit(r, in)
}

// fit sets the size, the rate, the numbers of frames and the watermark.
func (p *plan) fit(r *Request, in Info) error {
	width, height, fps := r.Width, r.Height, r.FPS
	if width == 0 && height == 0 {
		width, height = in.Width, in.Height
	} else if width == 0 {
		width = even(float64(height) * float64(in.Width) / float64(in.Height))
	} else if height == 0 {
		height = even(float64(width) * float64(in.Height) / float64(in.Width))
	}
	if fps == 0 {
		fps = in.FPS
	}
	switch {
	case width < 16 || height < 16 || width > MaxSide || height > MaxSide:
		return invalid("size", fmt.Sprintf("%d×%d is out of range", width, height), fmt.Sprintf("each side 16 to %d pixels", MaxSide))
	case width%2 != 0 || height%2 != 0:
		return invalid("size", fmt.Sprintf("%d×%d has an odd side", width, height), "video stores colour for 2×2 pixels together: use even sides")
	case fps < 1 || fps > MaxFPS:
		return invalid("fps", fmt.Sprintf("%d is out of range", fps), fmt.Sprintf("1 to %d", MaxFPS))
	}
	if err := r.Upscale.check(); err != nil {
		return err
	}
	var err error
	if p.network, err = in.network(r.Upscale, width, height); err != nil {
		return wrap(Internal, "open", "the upscaler inside the program", err, "")
	}
	p.width, p.height, p.fps = width, height, fps
	p.frames = max(1, int(math.Round(p.seconds*float64(fps))))
	p.native = max(nativeIndex(p.frames-1, fps, in.FPS)+1, int(math.Round(p.seconds*float64(in.FPS))))
	if r.Watermark == "" {
		return nil
	}
	p.mark, err = newWatermark(r.Watermark, width, height)
	return err
}

func even(x float64) int { return 2 * int(math.Round(x/2)) }

// nativeIndex returns which native frame is on the screen when frame i of a
// clip at fps begins.
func nativeIndex(i, fps, native int) int { return i * native / fps }
