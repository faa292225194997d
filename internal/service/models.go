package service

import (
	"cmp"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
)

// What MiniMax's and OpenAI's models of these names do is said in this file, in
// frame.go and in camera.go: the APIs take their limits, defaults and refusals from
// here. What the local models behind the names do is said by their capabilities.

// Offer is a public model name and what stands behind it.
type Offer struct {
	Name   string  // as customers write it
	Engine string  // the local model that runs it
	API    job.API // whose rules it follows; "" for a name of our own, which all APIs take
	// Can is what the local model can do, no longer than this server lets a video be.
	Can     kinora.Capabilities
	Created time.Time
}

// Size is that of a video that asks for none, and of frames as the model draws them:
// others are scaled, and noted.
func (o Offer) Size() kinora.Size { return o.Can.Sizes.Default() }

// Bounds of what a job may ask for, whatever its model can.
const (
	MaxGuidance = 100
	MaxSeed     = 1<<53 - 1 // which every JSON parser keeps
	MaxStitched = 120       // seconds that a video may become by extensions
)

// Defaults of OpenAI's API.
const (
	OpenAIModel   = "sora-2"
	OpenAISeconds = 4
	OpenAIWidth   = 720
	OpenAIHeight  = 1280
)

// Bounds and defaults of MiniMax's APIs.
const (
	SecondsDefaultV1    = 6
	SecondsLeastV2      = 4
	SecondsMostV2       = 15
	SecondsDefaultV2    = 5
	ResolutionDefaultV2 = "768P"
	ResolutionMostV2    = "2K" // what a video is made in again
	ImageSideLeast      = 512  // pixels
	ImageSideMost       = 2048
	ImageStep           = 8 // what the sides of an image are multiples of
)

// Words of MiniMax's requests.
var (
	ResolutionsV1 = []string{"512P", "720P", "768P", "1080P"}
	ResolutionsV2 = []string{"480P", "768P", "2K"}
	RatiosV2      = []string{"21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}
	ImageRatios   = []string{"1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"}
)

// ShortSides are the pixels of a video's shorter side, by resolution.
var ShortSides = map[string]int{"480P": 480, "512P": 512, "720P": 720, "768P": 768, "1080P": 1080, "2K": 1440}

// ImageSizes are the sizes of image-01, by aspect ratio.
var ImageSizes = map[string][2]int{
	"1:1": {1024, 1024}, "16:9": {1280, 720}, "4:3": {1152, 864}, "3:2": {1248, 832},
	"2:3": {832, 1248}, "3:4": {864, 1152}, "9:16": {720, 1280}, "21:9": {1344, 576},
}

// Rules for first frames, by API.
var (
	FirstFrameV1     = PictureRules{MaxBytes: 20 << 20, MinSide: 301, MinAspect: 2.0 / 5, MaxAspect: 5.0 / 2}
	FirstFrameV2     = PictureRules{MaxBytes: 30 << 20, MinSide: 256, MinAspect: 0.4, MaxAspect: 2.5}
	FirstFrameOthers = PictureRules{}
)

// Why something that MiniMax's models do is refused: a job cannot ask for it, as no
// local model's capabilities have it, which a test sees to.
const (
	NoLastFrame = "the local models take no last frame: leave it out, or use it as the first frame"
	NoSubject   = "the local models cannot keep a subject's looks from a picture: leave it out, or use it as the first frame"
	NoReference = "the local models take no references: leave them out, or give one picture as the first frame"
	NoBaseVideo = "a video that is given cannot be made again: give the source_task_id of a task of this server"
)

// ModelRules is what MiniMax's pages say of one of its V1 models. The local model
// behind the name does no more than that, so that a program which works here
// works there.
type ModelRules struct {
	Text, First bool // makes videos from text alone, from a first frame
	Why         string
	Sizes       []SizeRules // the first is the default
	FPS         int         // 0: the engine's own
}

// SizeRules are what a model makes in a resolution.
type SizeRules struct {
	Name      string
	Seconds   []int
	FirstOnly bool // with a first frame only
}

// RulesV1 are the rules of MiniMax's V1 models. A name of our own has none.
var (
	hailuo23  = []SizeRules{{Name: "768P", Seconds: []int{6, 10}}, {Name: "1080P", Seconds: []int{6}}}
	first720P = []SizeRules{{Name: "720P", Seconds: []int{6}}}
	RulesV1   = map[string]ModelRules{
		"MiniMax-Hailuo-2.3":      {Text: true, First: true, Sizes: hailuo23},
		"MiniMax-Hailuo-2.3-Fast": {First: true, Sizes: hailuo23},
		"MiniMax-Hailuo-02":       {Text: true, First: true, Sizes: append(slices.Clone(hailuo23), SizeRules{Name: "512P", Seconds: []int{6, 10}, FirstOnly: true})},
		"video-01":                {Text: true, First: true, Sizes: first720P}, // what clients of 2024 say that name no model
		"T2V-01":                  {Text: true, Sizes: first720P},
		"T2V-01-Director":         {Text: true, Sizes: first720P},
		"I2V-01":                  {First: true, Sizes: first720P},
		"I2V-01-Director":         {First: true, Sizes: first720P},
		"I2V-01-live":             {First: true, Sizes: first720P},
		"S2V-01":                  {Why: "it makes videos of a subject_reference, and " + NoSubject},
		"abab-video-1":            {Text: true, Sizes: []SizeRules{{Name: "720P", Seconds: []int{1, 2, 3, 4, 5, 6}}}, FPS: 25},
		"image-01":                {Why: "it makes images: use POST /v1/image_generation"},
	}
)

// rulesV2 are the resolutions of MiniMax's V2 models. A name of our own has all of
// them, and the engine's own size.
var rulesV2 = map[string][]string{
	"MiniMax-H3":     {"768P", "2K"},
	"MiniMax-H3-Max": {"480P", "768P"},
}

// Pick checks a request against the model with a name: it returns the resolution
// that the video gets. asked is "" where the request names none, and first says
// whether it gives a first frame.
func (m ModelRules) Pick(name, asked string, seconds int, first bool) (resolution string, err error) {
	switch {
	case m.Why != "":
		return "", job.Errorf(job.Unsupported, "model", "model: %s is not for this: %s", name, m.Why)
	case first && !m.First:
		return "", job.Errorf(job.Invalid, "first_frame_image", "first_frame_image: %s makes videos from text alone", name)
	case !first && !m.Text:
		return "", job.Errorf(job.Invalid, "first_frame_image", "first_frame_image is missing: %s makes videos from a first frame", name)
	}
	resolution = cmp.Or(asked, m.Sizes[0].Name)
	var names []string
	for _, s := range m.Sizes {
		names = append(names, s.Name)
		if s.Name != resolution {
			continue
		}
		if s.FirstOnly && !first {
			return "", job.Errorf(job.Invalid, "resolution", "resolution: %s makes %s videos from a first frame only", name, resolution)
		}
		if !slices.Contains(s.Seconds, seconds) {
			return "", job.Errorf(job.Invalid, "duration", "duration is %d: %s makes videos of %s in %s", seconds, name, secondsText(s.Seconds), resolution)
		}
		return resolution, nil
	}
	return "", job.Errorf(job.Invalid, "resolution", "resolution is %s: %s has %s", resolution, name, strings.Join(names, " and "))
}

// secondsText is "6 or 10 seconds".
func secondsText(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " or ") + " seconds"
}

// PickV2 is the resolution that a model gives.
func PickV2(model, asked string) (string, error) {
	has, known := rulesV2[model]
	if !known {
		return asked, nil
	}
	if asked == "" {
		return ResolutionDefaultV2, nil
	}
	if slices.Contains(has, asked) {
		return asked, nil
	}
	return "", job.Errorf(job.Invalid, "resolution", "resolution is %s: %s has %s", asked, model, strings.Join(has, " and "))
}

// SizeOf is the size with a short side of so many pixels in the shape w:h, its
// sides even.
func SizeOf(short, w, h int) (width, height int) {
	long := func(a, b int) int { return 2 * int(math.Round(float64(short)*float64(a)/float64(b)/2)) }
	if w >= h {
		return long(w, h), short
	}
	return short, long(h, w)
}

// RatioOf reads "16:9".
func RatioOf(s string) (w, h int) {
	a, b, _ := strings.Cut(s, ":")
	w, _ = strconv.Atoi(a)
	h, _ = strconv.Atoi(b)
	return w, h
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,5})x([0-9]{1,5})$`)

// ParseSize reads "1280x720".
func ParseSize(s string) (w, h int, err error) {
	m := sizeForm.FindStringSubmatch(s)
	if m != nil {
		w, _ = strconv.Atoi(m[1]) // five digits at most
		h, _ = strconv.Atoi(m[2])
	}
	if m == nil || min(w, h) < kinora.MinSide || max(w, h) > kinora.MaxSide || w%2 != 0 || h%2 != 0 {
		return 0, 0, job.Errorf(job.Invalid, "size", "size is %.20q: it must be width x height, such as 1280x720, both even and %d to %d", s, kinora.MinSide, kinora.MaxSide)
	}
	return w, h, nil
}

// NewSeed is a seed that every JSON parser keeps.
func NewSeed() uint64 { return rand.Uint64N(MaxSeed + 1) }

// Offers finds models by their public names.
type Offers interface {
	Offer(name string) (Offer, error)
}

// OfferFor finds a model that an API serves.
func OfferFor(b Offers, name string, a job.API) (Offer, error) {
	o, err := b.Offer(name)
	if err != nil {
		return o, err
	}
	if o.API != "" && o.API != a {
		return o, job.Errorf(job.Unsupported, "model", "model: %s is not served here: it is a model of the API %s", name, o.API)
	}
	return o, nil
}
