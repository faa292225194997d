package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// VideoInfo is what ffprobe tells of a video.
type VideoInfo struct {
	// W and H are the size of the pictures as a player shows them: upright, with
	// square pixels.
	W, H     int
	FPS      float64       // average frames a second, 0 where unknown
	Duration time.Duration // 0 where unknown
	Frames   int           // as the file counts them, or by rate and duration; 0 where unknown
	Audio    bool          // there is sound beside the pictures
	Codec    string
	PixFmt   string
	// Tags are those of the container, names in lower case.
	Tags map[string]string

	stream int    // the number of the video's stream in the file
	alone  bool   // the file has no other stream of pictures
	even   bool   // all pictures are shown equally long, as far as the file says
	turned bool   // it is rotated or mirrored when shown
	fields bool   // its pictures are interlaced
	colour colour // how its pixels become sRGB

	// What else has to be equal if two videos are joined by copying: ffprobe's name
	// of the container, the unit of times, a hash of the settings that a decoder
	// starts from, and how the stored pictures are to be shown.
	container, timeBase, settings, shown string
}

const (
	probeTime  = 30 * time.Second
	probeBytes = 1 << 20
)

// probed is what ffprobe is asked for.
const probed = "stream=index,codec_type,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,duration,nb_frames," +
	"codec_name,pix_fmt,field_order,color_range,color_space,color_transfer,color_primaries,time_base,extradata_hash" +
	":stream_disposition=default,attached_pic,timed_thumbnails:stream_tags=rotate,DURATION:stream_side_data" +
	":format=duration,format_name:format_tags"

// Probe asks ffprobe about the video in an untrusted file. If the file has several
// streams of pictures, it takes the one that players show. Covers of albums and
// thumbnails do not count. ffprobe cannot read animated WebP: see Inspect.
func Probe(ctx context.Context, path string) (VideoInfo, error) {
	tool, err := ffprobe()
	if err != nil {
		return VideoInfo{}, err
	}
	in, err := input(path)
	if err != nil {
		return VideoInfo{}, err
	}
	args := append([]string{"-hide_banner", "-loglevel", "error", "-of", "json", "-show_data_hash", "sha256", "-show_entries", probed}, in...)
	out, err := newProcess(ctx, tool, args...).output("probing "+path, probeBytes, probeTime)
	if err != nil {
		return VideoInfo{}, err
	}
	return parseProbe(path, out)
}

// probedStream is what ffprobe writes of a stream.
type probedStream struct {
	Index         int
	Type          string `json:"codec_type"`
	Width, Height int
	Aspect        string `json:"sample_aspect_ratio"`
	Rate          string `json:"avg_frame_rate"`
	BaseRate      string `json:"r_frame_rate"`
	Duration      string
	Frames        string `json:"nb_frames"`
	Codec         string `json:"codec_name"`
	PixFmt        string `json:"pix_fmt"`
	FieldOrder    string `json:"field_order"`
	Range         string `json:"color_range"`
	Matrix        string `json:"color_space"`
	Transfer      string `json:"color_transfer"`
	Primaries     string `json:"color_primaries"`
	TimeBase      string `json:"time_base"`
	Settings      string `json:"extradata_hash"`
	Disposition   struct {
		Default   int
		Cover     int `json:"attached_pic"`
		Thumbnail int `json:"timed_thumbnails"`
	}
	Tags     map[string]string
	SideData []probedSideData `json:"side_data_list"`
}

// probedSideData is what ffprobe writes of how a stream is to be shown.
type probedSideData struct {
	Rotation  *float64
	Profile   int    `json:"dv_profile"`    // of Dolby Vision
	Brightest string `json:"max_luminance"` // of the screen that it was made on, in nits
	Highest   int    `json:"max_content"`   // luminance of a pixel, in nits
}

func parseProbe(path string, out []byte) (VideoInfo, error) {
	var found struct {
		Streams []probedStream
		Format  struct {
			Duration string
			Name     string `json:"format_name"`
			Tags     map[string]string
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return VideoInfo{}, fmt.Errorf("media: probing %s: ffprobe's answer: %w", path, err)
	}
	s, alone, err := theVideo(found.Streams)
	if err != nil {
		return VideoInfo{}, fmt.Errorf("media: %s %w", path, err)
	}
	info := VideoInfo{
		Codec: s.Codec, PixFmt: s.PixFmt, Tags: map[string]string{},
		Audio:  slices.ContainsFunc(found.Streams, func(s probedStream) bool { return s.Type == "audio" }),
		stream: s.Index, alone: alone, fields: s.interlaced(),
		container: found.Format.Name, timeBase: s.TimeBase, settings: s.Settings,
		shown: strings.Join([]string{s.Aspect, s.FieldOrder, s.Range, s.Matrix, s.Transfer, s.Primaries}, " "),
	}
	if err := checkVideoSize(path, s.Width, s.Height); err != nil {
		return VideoInfo{}, err
	}
	info.W, info.H, info.turned = s.shownSize()
	if err := checkVideoSize(path, info.W, info.H); err != nil {
		return VideoInfo{}, err
	}
	if info.colour, err = s.colour(); err != nil {
		return VideoInfo{}, fmt.Errorf("media: %s %w", path, err)
	}
	s.times(found.Format.Duration, &info)
	for k, v := range found.Format.Tags {
		info.Tags[strings.ToLower(k)] = v
	}
	return info, nil
}

// theVideo chooses the stream that players show: the one that the file marks as
// default, or else the first. alone says that there is no other stream of pictures.
func theVideo(all []probedStream) (s probedStream, alone bool, err error) {
	var videos []probedStream
	pictures := 0
	for _, s := range all {
		if s.Type != "video" {
			continue
		}
		pictures++
		if s.Disposition.Cover == 0 && s.Disposition.Thumbnail == 0 {
			videos = append(videos, s)
		}
	}
	switch {
	case pictures == 0:
		return s, false, errors.New("has no video in it")
	case len(videos) == 0:
		return s, false, errors.New("has no video in it, only a cover picture")
	}
	marked := max(0, slices.IndexFunc(videos, func(s probedStream) bool { return s.Disposition.Default != 0 }))
	return videos[marked], pictures == 1, nil
}

// shownSize returns the size of the pictures as players show them, and whether they
// are turned or mirrored. Pixels that are not square are made so by stretching the
// picture along one axis, as browsers do.
func (s probedStream) shownSize() (w, h int, turned bool) {
	w, h = s.Width, s.Height
	switch aspect := ratio(strings.Replace(s.Aspect, ":", "/", 1)); {
	case aspect > maxAspect || aspect < 1/maxAspect: // unknown, or nonsense
	case aspect > 1:
		w = int(math.Round(float64(w) * aspect))
	case aspect < 1:
		h = int(math.Round(float64(h) / aspect))
	}
	angle, _ := strconv.ParseFloat(s.Tags["rotate"], 64) // of ffmpeg before 5
	for _, d := range s.SideData {
		if d.Rotation != nil {
			angle, turned = *d.Rotation, true
		}
	}
	turned = turned || angle != 0
	if quarter := math.Abs(math.Mod(angle, 180)); math.Abs(quarter-90) < 1 {
		w, h = h, w
	}
	return w, h, turned
}

// maxAspect bounds the shape of a pixel, its width over its height or the reverse. A
// file that states more is not believed.
const maxAspect = 16.0

func (s probedStream) interlaced() bool {
	return slices.Contains([]string{"tt", "bb", "tb", "bt"}, s.FieldOrder)
}

// maxRate bounds the frames a second. A file that states more is not believed: some
// that do not know their rate state the unit of their times instead.
const maxRate = 240

// times fills in the duration of the video and the number of its pictures.
func (s probedStream) times(whole string, info *VideoInfo) {
	own := seconds(s.Duration)
	if own == 0 {
		own = clock(s.Tags["DURATION"])
	}
	info.Duration = own
	if own == 0 {
		info.Duration = seconds(whole)
	}
	counted, err := strconv.Atoi(s.Frames)
	if err != nil || counted < 0 {
		counted = 0
	}
	average, base := ratio(s.Rate), ratio(s.BaseRate)
	info.even = average > 0 && average == base && average <= maxRate
	switch {
	case info.even || average > 0 && average <= maxRate && base == 0:
		info.FPS = average
	case counted > 0 && own > 0 && float64(counted)/own.Seconds() <= maxRate:
		info.FPS = float64(counted) / own.Seconds()
	case average > 0 && average <= maxRate:
		info.FPS = average
	case average == 0 && base <= maxRate:
		info.FPS = base
	}
	info.Frames = counted
	if n := math.Round(info.FPS * info.Duration.Seconds()); counted == 0 && n < math.MaxInt32 {
		info.Frames = int(n)
	}
}

// seconds reads a duration in ffprobe's form; 0 if it is unknown.
func seconds(s string) time.Duration {
	if v, err := strconv.ParseFloat(s, 64); err == nil && v > 0 && v < 1e9 {
		return time.Duration(v * float64(time.Second))
	}
	return 0
}

// clock reads "00:00:02.500000000", as Matroska notes how long a stream is.
func clock(s string) time.Duration {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0
	}
	h, errH := strconv.ParseUint(parts[0], 10, 16)
	m, errM := strconv.ParseUint(parts[1], 10, 8)
	if errH != nil || errM != nil {
		return 0
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + seconds(parts[2])
}

// maxVideoPixels bounds a picture of a video that is read: 8K and a little.
const maxVideoPixels = 40 << 20

func checkVideoSize(path string, w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("media: %s states a size of %d×%d", path, w, h)
	}
	if w > MaxSide || h > MaxSide || int64(w)*int64(h) > maxVideoPixels {
		return fmt.Errorf("media: %s is %d×%d, allowed are %d a side and %d megapixels in all: %w",
			path, w, h, MaxSide, maxVideoPixels>>20, ErrTooLarge)
	}
	return nil
}

// ratio reads a fraction such as "30000/1001"; it returns 0 for anything else.
func ratio(s string) float64 {
	a, b, ok := strings.Cut(s, "/")
	x, err := strconv.ParseFloat(a, 64)
	if err != nil || math.IsNaN(x) {
		return 0
	}
	if !ok {
		return x
	}
	y, err := strconv.ParseFloat(b, 64)
	if err != nil || !(y > 0) {
		return 0
	}
	return x / y
}
