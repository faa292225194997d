package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"
)

// containers are the demuxers that ffmpeg may use. Formats that make ffmpeg open other
// files, such as playlists, are not among them.
const containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,apng,h264,hevc,ivf,yuv4mpegpipe"

// input returns the arguments that name an input file, whatever its name looks like.
func input(path string) ([]string, error) { return inputOf(path, containers) }

// inputOf is input for a file that must be in one of some containers.
func inputOf(path, containers string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("media: finding %s: %w", path, err)
	}
	return []string{"-protocol_whitelist", "file,pipe", "-format_whitelist", containers, "-i", "file:" + abs}, nil
}

// VideoOptions says how a video is to be read. Its frames are as players show them:
// upright, with square pixels, deinterlaced, HDR mapped to sRGB, and transparency
// laid over white.
type VideoOptions struct {
	// W and H are the sizes of the frames: the video is scaled until it covers
	// them and the centre cropped.
	W, H int
	// FPS is the number of frames a second: pictures are dropped or repeated by their
	// times. 0 gives every picture once, whatever its time.
	FPS float64
	// Start is where to begin.
	Start time.Duration
	// MaxFrames ends the reading early; 0 means no limit.
	MaxFrames int
	// Stall bounds how long a frame may take before ffmpeg counts as hung; 0 means a
	// minute.
	Stall time.Duration
	// Threads is the number of threads ffmpeg decodes with; 0 is its choice.
	Threads int
}

// VideoReader reads frames one after another. Only one goroutine may use it at a
// time.
type VideoReader struct {
	Info VideoInfo
	o    VideoOptions
	path string
	p    *process
	out  io.ReadCloser
	err  error
	read int

	raw     []byte // a frame as ffmpeg gives it
	convert func(dst, src []byte)
}

// OpenVideo begins to read an untrusted video file. The caller must call Close; the
// end of ctx ends the reading too.
func OpenVideo(ctx context.Context, path string, o VideoOptions) (*VideoReader, error) {
	info, err := Probe(ctx, path)
	if err != nil {
		return nil, err
	}
	return openProbed(ctx, path, info, o)
}

// openProbed is OpenVideo for a file that has been probed already.
func openProbed(ctx context.Context, path string, info VideoInfo, o VideoOptions) (*VideoReader, error) {
	if o.W < 1 || o.H < 1 || o.W > MaxSide || o.H > MaxSide || !(o.FPS >= 0 && o.FPS <= 1000) || o.MaxFrames < 0 || o.Start < 0 || o.Threads < 0 {
		return nil, fmt.Errorf("media: reading %s: options %+v are out of range", path, o)
	}
	tool, err := FFmpeg()
	if err != nil {
		return nil, err
	}
	args, err := readArgs(path, info, o)
	if err != nil {
		return nil, err
	}
	_, size := info.colour.raw()
	r := &VideoReader{
		Info: info, o: o, path: path, p: newProcess(ctx, tool, args...),
		raw: make([]byte, size*o.W*o.H), convert: info.colour.converter(),
	}
	if r.out, err = r.p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("media: opening a pipe from ffmpeg: %w", err)
	}
	r.p.pipe = r.out
	if err := r.p.start(); err != nil {
		return nil, err
	}
	return r, nil
}

func readArgs(path string, info VideoInfo, o VideoOptions) ([]string, error) {
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
	args = append(args, "-map", "0:"+strconv.Itoa(info.stream), "-an", "-sn", "-dn", "-vf", readFilter(info, o))
	if o.MaxFrames > 0 {
		args = append(args, "-frames:v", strconv.Itoa(o.MaxFrames))
	}
	format, _ := info.colour.raw()
	return append(args, "-f", "rawvideo", "-pix_fmt", format, "pipe:1"), nil
}

// readFilter returns ffmpeg's filters from stored pictures, which ffmpeg has already
// turned upright, to frames.
func readFilter(info VideoInfo, o VideoOptions) string {
	filter := ""
	if m := info.colour.matrix; m != "" {
		filter = "setparams=colorspace=" + m + ","
	}
	if info.fields {
		filter += "yadif=deint=interlaced,"
	}
	// ffmpeg repeats and drops pictures until their rate is even. If the pictures
	// are only numbered, their rate is even already.
	if o.FPS > 0 {
		filter += "setpts=PTS-STARTPTS,fps=" + strconv.FormatFloat(o.FPS, 'f', -1, 64)
	} else {
		filter += "settb=1/25,setpts=N,fps=25"
	}
	if info.colour.alpha && !info.colour.wide {
		filter += ",format=gbrap,premultiply=inplace=1"
	}
	// First make the pixels square.
	sar := fmt.Sprintf("if(between(sar,1/%g,%g),sar,1)", maxAspect, maxAspect)
	filter += fmt.Sprintf(",scale='min(trunc(iw*max(1,%s)+0.5),%d)':'min(trunc(ih/min(1,%s)+0.5),%d)'", sar, MaxSide, sar, MaxSide)
	return filter + fmt.Sprintf(",setsar=1,scale=%d:%d:force_original_aspect_ratio=increase:flags=area,crop=%d:%d", o.W, o.H, o.W, o.H)
}

// Next reads the next frame into f, which must have the size of the options. At the
// end it returns io.EOF. Of a damaged video it gives the frames that ffmpeg can
// decode, and an error if ffmpeg gave up before the end.
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
		_, err := io.ReadFull(r.out, r.raw)
		return err
	})
	if err == nil {
		r.convert(f.Pix, r.raw)
		r.read++
		return nil
	}
	r.err = r.finish(err)
	return r.err
}

// finish decides whether the video has ended or ffmpeg has failed.
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

// Frames returns how many frames Next has read.
func (r *VideoReader) Frames() int { return r.read }

// Close ends the reading. To close before the end is not an error.
func (r *VideoReader) Close() error {
	r.p.kill(errClosed)
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}
