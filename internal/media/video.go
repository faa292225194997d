package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// VideoInfo is what ffprobe tells of a video.
type VideoInfo struct {
	// W and H are the sizes of the stored pictures.
	W, H     int
	FPS      float64       // average frames a second, 0 where unknown
	Duration time.Duration // 0 where unknown
	Frames   int           // as the file counts them, or by rate and duration; 0 where unknown
	Audio    bool          // there is sound beside the pictures
	Codec    string
	PixFmt   string
	// Tags are those of the container, names in lower case.
	Tags map[string]string

	// What has to be equal too where one film goes on in another: ffprobe's
	// names of the container, the unit of times, and a hash of the settings
	// that a decoder starts from.
	container, timeBase, settings string
}

// containers are the demuxers that may open a file. Playlists and the like,
// which make ffmpeg open other files, are not among them.
const containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,h264,hevc,ivf,yuv4mpegpipe"

const (
	probeTime  = 30 * time.Second
	probeBytes = 1 << 20
)

// input is the arguments that name a file, whatever its name looks like.
func input(path string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("media: finding %s: %w", path, err)
	}
	return []string{"-protocol_whitelist", "file,pipe", "-format_whitelist", containers, "-i", "file:" + abs}, nil
}

// Probe asks ffprobe about the first video stream of a file, which may come
// from anywhere. Animated WebP is not among what ffprobe knows: see Inspect.
func Probe(ctx context.Context, path string) (VideoInfo, error) {
	tool, err := ffprobe()
	if err != nil {
		return VideoInfo{}, err
	}
	in, err := input(path)
	if err != nil {
		return VideoInfo{}, err
	}
	args := append([]string{
		"-hide_banner", "-loglevel", "error", "-of", "json", "-show_data_hash", "sha256", "-show_entries",
		"stream=codec_type,width,height,avg_frame_rate,duration,nb_frames,codec_name,pix_fmt,time_base,extradata_hash:format=duration,format_name:format_tags",
	}, in...)
	out, err := newProcess(ctx, tool, args...).output("probing "+path, probeBytes, probeTime)
	if err != nil {
		return VideoInfo{}, err
	}
	return parseProbe(path, out)
}

// probedStream is what ffprobe writes of a stream.
type probedStream struct {
	Type          string `json:"codec_type"`
	Width, Height int
	Rate          string `json:"avg_frame_rate"`
	Duration      string
	Frames        string `json:"nb_frames"`
	Codec         string `json:"codec_name"`
	PixFmt        string `json:"pix_fmt"`
	TimeBase      string `json:"time_base"`
	Settings      string `json:"extradata_hash"`
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
	video := slices.IndexFunc(found.Streams, func(s probedStream) bool { return s.Type == "video" })
	if video < 0 {
		return VideoInfo{}, fmt.Errorf("media: %s has no video in it", path)
	}
	s := found.Streams[video]
	info := VideoInfo{
		W: s.Width, H: s.Height, FPS: ratio(s.Rate), Codec: s.Codec, PixFmt: s.PixFmt, Tags: map[string]string{},
		Audio:     slices.ContainsFunc(found.Streams, func(s probedStream) bool { return s.Type == "audio" }),
		container: found.Format.Name, timeBase: s.TimeBase, settings: s.Settings,
	}
	for _, d := range []string{s.Duration, found.Format.Duration} {
		if v, err := strconv.ParseFloat(d, 64); err == nil && v > 0 && v < 1e9 && info.Duration == 0 {
			info.Duration = time.Duration(v * float64(time.Second))
		}
	}
	if n, err := strconv.Atoi(s.Frames); err == nil && n > 0 {
		info.Frames = n
	} else if n := math.Round(info.FPS * info.Duration.Seconds()); n < math.MaxInt32 {
		info.Frames = int(n)
	}
	for k, v := range found.Format.Tags {
		info.Tags[strings.ToLower(k)] = v
	}
	if err := checkVideoSize(path, info.W, info.H); err != nil {
		return VideoInfo{}, err
	}
	return info, nil
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

// ratio reads "30000/1001"; anything odd is 0.
func ratio(s string) float64 {
	a, b, ok := strings.Cut(s, "/")
	x, err := strconv.ParseFloat(a, 64)
	if err != nil {
		return 0
	}
	if !ok {
		return x
	}
	y, err := strconv.ParseFloat(b, 64)
	if err != nil || y <= 0 {
		return 0
	}
	return x / y
}

// VideoOptions says how a video is to be seen.
type VideoOptions struct {
	// W and H are the sizes of the frames: the video is scaled until it covers
	// them and the centre cropped.
	W, H int
	// FPS is the number of frames a second, made by dropping and doubling; 0
	// keeps the video's own.
	FPS float64
	// Start is where to begin.
	Start time.Duration
	// MaxFrames ends the reading early; 0 means no limit.
	MaxFrames int
	// Stall is how long a frame may take before ffmpeg counts as hung; 0 means
	// a minute.
	Stall time.Duration
	// Threads is the number of threads ffmpeg decodes with; 0 is its choice.
	Threads int
}

// VideoReader reads frames one after another. It is not for several goroutines
// at once.
type VideoReader struct {
	Info VideoInfo
	o    VideoOptions
	path string
	p    *process
	out  io.ReadCloser
	err  error
	read int
}

// OpenVideo begins to read a video file, which may come from anywhere. Close
// must be called; the end of ctx ends the reading too.
func OpenVideo(ctx context.Context, path string, o VideoOptions) (*VideoReader, error) {
	info, err := Probe(ctx, path)
	if err != nil {
		return nil, err
	}
	return openProbed(ctx, path, info, o)
}

// openProbed is OpenVideo for a file of which all is known already.
func openProbed(ctx context.Context, path string, info VideoInfo, o VideoOptions) (*VideoReader, error) {
	if o.W < 1 || o.H < 1 || o.W > MaxSide || o.H > MaxSide || !(o.FPS >= 0 && o.FPS <= 1000) || o.MaxFrames < 0 || o.Start < 0 || o.Threads < 0 {
		return nil, fmt.Errorf("media: reading %s: options %+v are out of range", path, o)
	}
	tool, err := FFmpeg()
	if err != nil {
		return nil, err
	}
	args, err := readArgs(path, o)
	if err != nil {
		return nil, err
	}
	r := &VideoReader{Info: info, o: o, path: path, p: newProcess(ctx, tool, args...)}
	if r.out, err = r.p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("media: opening a pipe from ffmpeg: %w", err)
	}
	r.p.pipe = r.out
	if err := r.p.start(); err != nil {
		return nil, err
	}
	return r, nil
}

func readArgs(path string, o VideoOptions) ([]string, error) {
	in, err := input(path)
	if err != nil {
		return nil, err
	}
	args := []string{"-hide_banner", "-nostdin", "-loglevel", "error"}
	if o.Threads > 0 {
		args = append(args, "-threads", strconv.Itoa(o.Threads))
	}
	if o.Start > 0 {
		args = append(args, "-ss", strconv.FormatFloat(o.Start.Seconds(), 'f', 6, 64))
	}
	args = append(args, in...)
	var filter string
	if o.FPS > 0 {
		filter = "fps=" + strconv.FormatFloat(o.FPS, 'f', -1, 64) + ","
	}
	// Pixels that are not square are made so first.
	filter += fmt.Sprintf("scale='min(trunc(iw*sar+0.5),%d)':ih,setsar=1,scale=%d:%d:force_original_aspect_ratio=increase:flags=area,crop=%d:%d",
		MaxSide, o.W, o.H, o.W, o.H)
	args = append(args, "-map", "0:v:0", "-an", "-sn", "-dn", "-vf", filter)
	if o.MaxFrames > 0 {
		args = append(args, "-frames:v", strconv.Itoa(o.MaxFrames))
	}
	return append(args, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"), nil
}

// Next reads the next frame into f, which must have the size of the options. At
// the end it returns io.EOF. Of a video that is broken somewhere it gives what
// ffmpeg can make of it, and an error at the end where ffmpeg gave up.
func (r *VideoReader) Next(f Frame) error {
	if r.err != nil {
		return r.err
	}
	if f.W != r.o.W || f.H != r.o.H || len(f.Pix) != 3*f.W*f.H {
		return fmt.Errorf("media: reading %s: the frame must be %d×%d", r.path, r.o.W, r.o.H)
	}
	stall := r.o.Stall
	if stall <= 0 {
		stall = time.Minute
	}
	err := r.p.within(stall, "a frame", func() error {
		_, err := io.ReadFull(r.out, f.Pix)
		return err
	})
	if err == nil {
		r.read++
		return nil
	}
	r.err = r.finish(err)
	return r.err
}

// finish tells the end of the video from a failure.
func (r *VideoReader) finish(err error) error {
	doing := "reading " + r.path
	if errors.Is(err, io.EOF) {
		if e := r.p.within(30*time.Second, "the end", r.p.wait); e == nil && r.p.ctx.Err() == nil {
			if r.read == 0 {
				return fmt.Errorf("media: %s has no pictures: %s", r.path, r.p.stderr.String())
			}
			return io.EOF
		}
	}
	return r.p.explain(doing, err)
}

// Frames is how many frames Next has given.
func (r *VideoReader) Frames() int { return r.read }

// Close ends the reading. It is no error to close before the end.
func (r *VideoReader) Close() error {
	r.p.kill(errClosed)
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}
