package server

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
)

// mmModel is what MiniMax's pages say of one of its V1 models. The local model
// behind the name does no more than that, so that a program which works here
// works there.
type mmModel struct {
	text, first bool // makes clips from text alone, from a first frame
	why         string
	sizes       []mmSize // the first is the default
	fps         int      // 0: the engine's own
}

type mmSize struct {
	name      string
	seconds   []int
	firstOnly bool // with a first frame only
}

var (
	hailuo23   = []mmSize{{name: "768P", seconds: []int{6, 10}}, {name: "1080P", seconds: []int{6}}}
	first720P  = []mmSize{{name: "720P", seconds: []int{6}}}
	mmModelsV1 = map[string]mmModel{
		"MiniMax-Hailuo-2.3":      {text: true, first: true, sizes: hailuo23},
		"MiniMax-Hailuo-2.3-Fast": {first: true, sizes: hailuo23},
		"MiniMax-Hailuo-02":       {text: true, first: true, sizes: append(slices.Clone(hailuo23), mmSize{name: "512P", seconds: []int{6, 10}, firstOnly: true})},
		"video-01":                {text: true, first: true, sizes: first720P}, // what clients of 2024 say that name no model
		"T2V-01":                  {text: true, sizes: first720P},
		"T2V-01-Director":         {text: true, sizes: first720P},
		"I2V-01":                  {first: true, sizes: first720P},
		"I2V-01-Director":         {first: true, sizes: first720P},
		"I2V-01-live":             {first: true, sizes: first720P},
		"S2V-01":                  {why: "it makes clips of a subject_reference, and " + noSubject},
		"abab-video-1":            {text: true, sizes: []mmSize{{name: "720P", seconds: []int{1, 2, 3, 4, 5, 6}}}, fps: 25},
		"image-01":                {why: "it makes images: use POST /v1/image_generation"},
	}
)

// defaultSeconds is the length of a V1 clip that names none.
const defaultSeconds = 6

// shortSides are the pixels of a clip's shorter side, by resolution.
var shortSides = map[string]int{"480P": 480, "512P": 512, "720P": 720, "768P": 768, "1080P": 1080, "2K": 1440}

// pick checks a request against the model: the resolution it gets, and its
// seconds.
func (m mmModel) pick(name string, v mmValues) (resolution string, seconds int, err error) {
	first, seconds := v.has("first_frame_image"), int(v.whole("duration", defaultSeconds))
	switch {
	case m.why != "":
		return "", 0, job.Errorf(job.Unsupported, "model", "model: %s is not for this: %s", name, m.why)
	case first && !m.first:
		return "", 0, job.Errorf(job.Invalid, "first_frame_image", "first_frame_image: %s makes clips from text alone", name)
	case !first && !m.text:
		return "", 0, job.Errorf(job.Invalid, "first_frame_image", "first_frame_image is missing: %s makes clips from a first frame", name)
	}
	resolution = v.text("resolution")
	if resolution == "" {
		resolution = m.sizes[0].name
	}
	var names []string
	for _, s := range m.sizes {
		names = append(names, s.name)
		if s.name != resolution {
			continue
		}
		if s.firstOnly && !first {
			return "", 0, job.Errorf(job.Invalid, "resolution", "resolution: %s makes %s clips from a first frame only", name, resolution)
		}
		if !slices.Contains(s.seconds, seconds) {
			return "", 0, job.Errorf(job.Invalid, "duration", "duration is %d: %s makes clips of %s in %s", seconds, name, secondsText(s.seconds), resolution)
		}
		return resolution, seconds, nil
	}
	return "", 0, job.Errorf(job.Invalid, "resolution", "resolution is %s: %s has %s", resolution, name, strings.Join(names, " and "))
}

// secondsText is "6 or 10 seconds".
func secondsText(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " or ") + " seconds"
}

// sizeOf is the size with a short side of so many pixels in the shape w:h, its
// sides even.
func sizeOf(short, w, h int) (width, height int) {
	long := func(a, b int) int { return 2 * int(math.Round(float64(short)*float64(a)/float64(b)/2)) }
	if w >= h {
		return long(w, h), short
	}
	return short, long(h, w)
}

// ratioOf reads "16:9".
func ratioOf(s string) (w, h int) {
	a, b, _ := strings.Cut(s, ":")
	w, _ = strconv.Atoi(a)
	h, _ = strconv.Atoi(b)
	return w, h
}

// offerFor finds a model that an API serves.
func offerFor(b Backend, name string, a job.API) (Offer, error) {
	o, err := b.Offer(name)
	if err != nil {
		return o, err
	}
	if o.API != "" && o.API != a {
		return o, job.Errorf(job.Unsupported, "model", "model: %s is not served here: it is a model of the API %s", name, o.API)
	}
	return o, nil
}
