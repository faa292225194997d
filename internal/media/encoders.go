package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNoEncoder is the cause of errors when ffmpeg is installed but none of its
// encoders can write MP4.
var ErrNoEncoder = errors.New("this ffmpeg cannot write MP4: install one that has libx264 (apt-get install ffmpeg, brew install ffmpeg), or name it in KINORA_FFMPEG")

// mp4Encoder is one of ffmpeg's encoders with its arguments.
type mp4Encoder struct {
	name string
	args func(o Options) []string // its settings for quality
	// sized says that the encoder may refuse some sizes, as those of graphics cards
	// do.
	sized bool
}

// mp4Encoders are tried in this order. Many builds of ffmpeg lack libx264: those of
// Fedora have OpenH264, and others have only the encoders of a graphics card or of
// the system. MPEG-4 Part 2 comes last, because browsers do not play it.
var mp4Encoders = []mp4Encoder{
	{"libx264", func(Options) []string { return []string{"-preset", "fast", "-crf", "16"} }, false},
	{"libopenh264", atBitRate, false},
	{"h264_videotoolbox", atBitRate, true},
	{"h264_nvenc", atBitRate, true},
	{"h264_qsv", atBitRate, true},
	{"h264_amf", atBitRate, true},
	{"h264_mf", atBitRate, true},
	{"mpeg4", func(Options) []string { return []string{"-q:v", "2"} }, false},
}

const (
	firstChoice = "libx264"
	lastChoice  = "mpeg4"
)

// atBitRate is for encoders that have no setting for quality: a quarter of a bit
// for each pixel, which is generous.
func atBitRate(o Options) []string {
	rate := min(max(float64(o.W)*float64(o.H)*o.FPS/4, 1e6), 100e6)
	return []string{"-b:v", strconv.Itoa(int(rate))}
}

// rate returns the frames a second in the form that the encoder takes: MPEG-4 Part 2
// has a fraction of 16-bit numbers.
func (e mp4Encoder) rate(fps float64) string {
	if e.name != lastChoice {
		return strconv.FormatFloat(fps, 'f', -1, 64)
	}
	const most = math.MaxUint16
	dens := []float64{1, 1001, max(1, math.Floor(most/fps))}
	best := slices.MinFunc(dens, func(a, b float64) int {
		off := func(den float64) float64 {
			if fps*den > most {
				return math.Inf(1)
			}
			return math.Abs(math.Round(fps*den)/den - fps)
		}
		return cmp.Compare(off(a), off(b))
	})
	return fmt.Sprintf("%.0f/%.0f", math.Round(fps*best), best)
}

// note returns what users should know about videos of this encoder, or "".
func (e mp4Encoder) note() string {
	switch e.name {
	case firstChoice:
		return ""
	case lastChoice:
		return "MP4 is written with mpeg4 (MPEG-4 Part 2), which browsers do not play: this ffmpeg has no encoder of H.264 that works; install one with libx264"
	}
	return "MP4 is written with " + e.name + ": this ffmpeg has no libx264 that works"
}

// MP4Encoder names the encoder of ffmpeg that writes MP4s on this machine. note is
// what users should know about it, or "". To find the encoder, a few frames are
// written, once for each ffmpeg, because one that ffmpeg lists may still not work.
// The error is ErrNoFFmpeg or ErrNoEncoder.
func MP4Encoder(ctx context.Context) (name, note string, err error) {
	tool, err := FFmpeg()
	if err != nil {
		return "", "", err
	}
	e, err := chooseEncoder(ctx, tool, Options{W: trialW, H: trialH, FPS: 24})
	return e.name, e.note(), err
}

const (
	trialW, trialH = 256, 160
	trialFrames    = 3
	trialTime      = 20 * time.Second
	// trialAgain is when an encoder that failed is tried again: what it lacked,
	// such as memory or a session of a graphics card, may be available then.
	trialAgain = time.Minute
)

// trials remembers which encoders of each ffmpeg work. turn is its lock: a channel,
// so that a context can end the wait for it.
var trials = struct {
	turn   chan struct{}
	listed map[toolKey]listing
	worked map[trialKey]trial
}{turn: make(chan struct{}, 1), listed: map[toolKey]listing{}, worked: map[trialKey]trial{}}

// toolKey identifies a program file; a new file under the same name has a new key.
type toolKey struct {
	path    string
	size    int64
	changed time.Time
}

type trialKey struct {
	tool    toolKey
	encoder string
	w, h    int
}

type listing struct {
	video, sound []string // names of encoders
	err          error
	at           time.Time
}

type trial struct {
	err error
	at  time.Time
}

// stale says that a failure is old enough for another try.
func stale(err error, at time.Time) bool { return err != nil && time.Since(at) > trialAgain }

var errStopped = errors.New("media: looking for an encoder was stopped")

// encodersOf lists the encoders of an ffmpeg. It takes the turn, which the caller
// gives back with done.
func encodersOf(ctx context.Context, tool string) (key toolKey, l listing, done func(), err error) {
	key = toolKey{path: tool}
	if info, err := os.Stat(tool); err == nil {
		key.size, key.changed = info.Size(), info.ModTime()
	}
	select {
	case trials.turn <- struct{}{}:
		done = func() { <-trials.turn }
	case <-ctx.Done():
		return key, l, func() {}, fmt.Errorf("%w: %w", errStopped, context.Cause(ctx))
	}
	l, known := trials.listed[key]
	if !known || stale(l.err, l.at) {
		l = listEncoders(ctx, tool)
		if ctx.Err() == nil {
			trials.listed[key] = l
		}
	}
	if ctx.Err() != nil {
		return key, l, done, fmt.Errorf("%w: %w", errStopped, context.Cause(ctx))
	}
	if l.err != nil {
		return key, l, done, fmt.Errorf("media: %w: %w", ErrNoEncoder, l.err)
	}
	return key, l, done, nil
}

// chooseEncoder finds the first encoder that works for a video.
func chooseEncoder(ctx context.Context, tool string, o Options) (mp4Encoder, error) {
	key, l, done, err := encodersOf(ctx, tool)
	defer done()
	if err != nil {
		return mp4Encoder{}, err
	}
	var failed []string
	for _, e := range mp4Encoders {
		if !slices.Contains(l.video, e.name) {
			continue
		}
		err := tried(ctx, key, e, o)
		if err == nil {
			return e, nil
		}
		failed = append(failed, err.Error())
	}
	if ctx.Err() != nil {
		return mp4Encoder{}, fmt.Errorf("%w: %w", errStopped, context.Cause(ctx))
	}
	if len(failed) == 0 {
		return mp4Encoder{}, fmt.Errorf("media: %w: it has none of the encoders libx264, OpenH264, those of graphics cards, and mpeg4", ErrNoEncoder)
	}
	return mp4Encoder{}, fmt.Errorf("media: %w: %s", ErrNoEncoder, strings.Join(failed, "; "))
}

// tried is the outcome of writing a few frames with an encoder.
func tried(ctx context.Context, tool toolKey, e mp4Encoder, o Options) error {
	small := Options{W: trialW, H: trialH, FPS: o.FPS}
	if e.sized {
		small.W, small.H = o.W, o.H
	}
	key := trialKey{tool, e.name, small.W, small.H}
	t, known := trials.worked[key]
	if !known || stale(t.err, t.at) {
		t = trial{tryEncoder(ctx, tool.path, e, small), time.Now()}
		if ctx.Err() == nil {
			trials.worked[key] = t
		}
	}
	return t.err
}

// listEncoders asks ffmpeg for its encoders.
func listEncoders(ctx context.Context, tool string) listing {
	l := listing{at: time.Now()}
	var out []byte
	out, l.err = newProcess(ctx, tool, "-hide_banner", "-loglevel", "error", "-encoders").output("listing the encoders of "+tool, probeBytes, trialTime)
	for line := range strings.Lines(string(out)) {
		switch f := strings.Fields(line); {
		case len(f) < 2:
		case strings.HasPrefix(f[0], "V"):
			l.video = append(l.video, f[1])
		case strings.HasPrefix(f[0], "A"):
			l.sound = append(l.sound, f[1])
		}
	}
	return l
}

// tryEncoder writes a few grey frames to nowhere.
func tryEncoder(ctx context.Context, tool string, e mp4Encoder, o Options) error {
	args := slices.Concat(videoIn(e, o), silent, mp4Out(e, o), []string{"-frames:v", strconv.Itoa(trialFrames)})
	p := newProcess(ctx, tool, append(args, streamArgs...)...)
	p.cmd.Stdin = io.LimitReader(grey{}, 3*int64(o.W)*int64(o.H)*trialFrames)
	_, err := p.output("trying the encoder "+e.name, 64<<20, trialTime)
	return err
}

// grey is a reader of grey pixels without an end.
type grey struct{}

// Read implements io.Reader.
func (grey) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 0x80
	}
	return len(b), nil
}

// streamArgs make ffmpeg write an MP4 in fragments to its output.
var streamArgs = []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1"}

// soundStreamArgs are streamArgs for a video with sound. The header waits for the
// first fragment, because only then it is known when sound and pictures begin.
var soundStreamArgs = []string{"-movflags", "+frag_keyframe+delay_moov+default_base_moof", "-f", "mp4", "pipe:1"}
