package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// mp4 writes frames to an ffmpeg that makes an MP4 of them.
type mp4 struct {
	o      Options
	ctx    context.Context // the caller's; the context of p ends with it, in no fixed order
	p      *process
	stdin  io.WriteCloser
	target *target // nil for a stream
	sound  *target // the temporary file of samples; nil for a silent video
	meta   *target // the temporary file of settings that are too long for an argument, or nil
	stop   func() bool

	mu     sync.Mutex
	frames int
	err    error // set when the video is finished or has failed
}

// newMP4 starts ffmpeg, writing to t or, when that is nil, in fragments to w.
func newMP4(ctx context.Context, t *target, w io.Writer, o Options) (Encoder, error) {
	path, err := FFmpeg()
	if err != nil {
		return nil, err
	}
	encoder, err := chooseEncoder(ctx, path, o)
	if err != nil {
		return nil, err
	}
	e := &mp4{o: o, ctx: ctx, target: t}
	args, err := e.inputs(path, encoder)
	if err == nil {
		err = e.begin(path, append(args, mp4Out(encoder, o)...), w)
	}
	if err != nil {
		e.dropInputs()
		return nil, err
	}
	e.stop = context.AfterFunc(ctx, e.Abort)
	return e, nil
}

// inputs returns the arguments about what ffmpeg reads, and about sound.
func (e *mp4) inputs(tool string, encoder mp4Encoder) ([]string, error) {
	settings, err := e.longSettings()
	if err != nil {
		return nil, err
	}
	args, meta := append(videoIn(encoder, e.o), settings...), []string(nil)
	if e.meta != nil {
		meta = []string{"-map_metadata", "1"}
	}
	if e.o.Sound == nil {
		return slices.Concat(args, meta, silent), nil
	}
	if e.sound, err = e.o.Sound.write(e.ctx); err != nil {
		return nil, err
	}
	if args, err = e.withSound(e.ctx, tool, args); err != nil {
		return nil, err
	}
	return append(args, meta...), nil
}

// begin starts ffmpeg. args are all arguments but those about the output.
func (e *mp4) begin(tool string, args []string, w io.Writer) error {
	switch {
	case e.target != nil:
		abs, err := filepath.Abs(e.target.temp.Name())
		if err != nil {
			return fmt.Errorf("media: finding the place of a video: %w", err)
		}
		args = append(args, "-movflags", "+faststart", "-f", "mp4", "-y", "file:"+abs)
	case e.sound != nil:
		args = append(args, soundStreamArgs...)
	default:
		args = append(args, streamArgs...)
	}
	e.p = newProcess(e.ctx, tool, args...)
	e.p.cmd.Stdout = w
	var err error
	if e.stdin, err = e.p.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("media: opening a pipe to ffmpeg: %w", err)
	}
	e.p.pipe = e.stdin
	return e.p.start()
}

// withSound adds the samples, as a second input, to the arguments.
func (e *mp4) withSound(ctx context.Context, tool string, args []string) ([]string, error) {
	codec, err := chooseSoundEncoder(ctx, tool)
	if err != nil {
		return nil, err
	}
	in, err := e.o.Sound.in(e.sound)
	if err != nil {
		return nil, err
	}
	return slices.Concat(args, in, []string{"-map", "0:v:0"}, e.o.Sound.out(e.soundInput(), codec)), nil
}

// soundInput is the number of the input with the samples.
func (e *mp4) soundInput() int {
	if e.meta != nil {
		return 2
	}
	return 1
}

// dropInputs removes the temporary files that ffmpeg reads.
func (e *mp4) dropInputs() {
	for _, f := range []**target{&e.sound, &e.meta} {
		if *f != nil {
			(*f).discard()
		}
		*f = nil
	}
}

// videoIn makes ffmpeg read raw frames from its input.
func videoIn(e mp4Encoder, o Options) []string {
	return []string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,pipe",
		"-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", fmt.Sprintf("%dx%d", o.W, o.H), "-framerate", e.rate(o.FPS),
		"-i", "pipe:0",
	}
}

// silent says that there is no sound.
var silent = []string{"-an"}

// mp4Out returns the arguments between the inputs and the file: BT.709 and the
// metadata.
func mp4Out(e mp4Encoder, o Options) []string {
	args := []string{
		"-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p",
		"-c:v", e.name, "-pix_fmt", "yuv420p",
		"-g", strconv.Itoa(max(1, int(math.Round(2*o.FPS)))),
		"-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv",
	}
	args = append(args, e.args(o)...)
	if m := o.Meta; !m.empty() {
		for _, kv := range [][2]string{
			{"title", clean(m.Prompt, 250)},
			{"description", clean(m.Prompt, 8000)},
			{"comment", m.comment()},
			{"artist", clean(m.Model, 200)},
			{"keywords", "AI-generated,trainedAlgorithmicMedia"},
		} {
			args = append(args, "-metadata", kv[0]+"="+kv[1])
		}
		if n := len(m.Settings); n > 0 && n <= maxArgument {
			args = append(args, "-metadata", settingsTag+"="+m.Settings)
		}
	}
	return args
}

func (e *mp4) doing() string {
	if e.target == nil {
		return "streaming an MP4"
	}
	return "writing " + e.target.path
}

// stall returns the time limit for a frame; a stream has none, because its reader
// may be slow.
func (e *mp4) stall() time.Duration {
	if e.target == nil {
		return 0
	}
	return e.o.stall()
}

// WriteFrame implements Encoder.
func (e *mp4) WriteFrame(rgb []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	if err := e.o.checkFrame(rgb); err != nil {
		return err
	}
	err := e.p.within(e.stall(), "a frame", func() error {
		_, err := e.stdin.Write(rgb)
		return err
	})
	if err != nil {
		e.lose(e.p.explain(e.doing(), err))
		return e.err
	}
	e.frames++
	return nil
}

// lose ends the process, removes the file, and keeps err for later calls.
func (e *mp4) lose(err error) {
	e.err = err
	e.p.kill(err)
	e.dropInputs()
	if e.target != nil {
		e.target.discard()
	}
}

// Close implements Encoder.
func (e *mp4) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.stop()
	if e.err != nil {
		if errors.Is(e.err, errClosed) {
			return nil
		}
		return e.err
	}
	if e.frames == 0 {
		e.lose(errNoFrames)
		return e.err
	}
	err := e.p.within(e.stall(), "finishing the file", func() error {
		e.stdin.Close()
		return e.p.wait()
	})
	if err == nil && e.p.ctx.Err() != nil {
		err = context.Cause(e.p.ctx)
	}
	if err != nil {
		e.lose(e.p.explain(e.doing(), err))
		return e.err
	}
	e.p.cancel(nil)
	e.dropInputs()
	e.err = errClosed
	if e.target != nil {
		if err := e.target.commit(); err != nil {
			e.err = err
			return err
		}
	}
	return nil
}

// Abort implements Encoder.
func (e *mp4) Abort() {
	why := context.Cause(e.ctx)
	if why == nil {
		why = errAborted
	}
	e.p.cancel(why) // makes a running WriteFrame fail
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		cause := context.Cause(e.p.ctx)
		if errors.Is(cause, errAborted) {
			e.lose(errAborted)
		} else {
			e.lose(fmt.Errorf("media: %s was stopped: %w", e.doing(), cause))
		}
	}
}
