package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/text"
	"github.com/kinora-video/kinora/internal/world"
)

const (
	// MaxCaptions is the largest size in bytes of a file of captions.
	MaxCaptions = 64 << 10
	// MinSide is the smallest side of a video in pixels. A smaller one is an
	// icon or a cover, which scaling does not turn into a picture.
	MinSide = 32
	// maxMissing is how many seconds before the stated end of a video its
	// pictures may end: the sound often lasts a moment longer.
	maxMissing = 0.5
)

// Folder is a source of the user's own videos: each NAME.mp4 (or another of
// Extensions) has a NAME.txt beside it with captions, one per line. Training
// takes one of them at random. Folders inside the folder are read too.
type Folder struct {
	// Failed, which may be nil, is called once for each video that OpenFolder
	// accepted and that cannot be read later. Calls do not overlap.
	Failed func(LeftOut)

	videos []video
	left   []LeftOut
	seed   uint64

	mu     sync.Mutex
	failed map[string]bool // names that Failed has been called with
}

type video struct {
	name     string // path within the folder
	path     string
	seconds  float64
	captions []string
}

// OpenFolder checks every video of dir, including its end, at the start rather
// than hours into a run. A video that cannot be used, or is shorter than
// seconds, is left out: LeftOut lists it. If no video is left, that is an
// error.
func OpenFolder(ctx context.Context, dir string, seconds float64, seed uint64) (*Folder, error) {
	l, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of videos: %w", err)
	}
	if len(l.videos) == 0 && len(l.left) == 0 {
		return nil, fmt.Errorf("%s holds no videos (%s): training needs NAME.mp4 with its captions in NAME.txt", dir, strings.Join(Extensions, ", "))
	}
	if _, err := media.FFmpeg(); err != nil {
		return nil, fmt.Errorf("videos cannot be read: %w", err)
	}
	f := &Folder{left: l.left, seed: seed, failed: map[string]bool{}}
	found, why := make([]video, len(l.videos)), make([]error, len(l.videos))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, v := range l.videos {
		g.Go(func() error {
			found[i], why[i] = openVideo(ctx, dir, v, seconds)
			if errors.Is(why[i], media.ErrNoFFmpeg) {
				return why[i]
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, v := range found {
		if why[i] != nil {
			f.left = append(f.left, LeftOut{l.videos[i].name, reason(why[i])})
			continue
		}
		f.videos = append(f.videos, v)
	}
	slices.SortFunc(f.left, func(a, b LeftOut) int { return strings.Compare(a.Name, b.Name) })
	if len(f.videos) == 0 {
		return nil, fmt.Errorf("none of the %d videos of %s can be used:%s", len(f.left), dir, lines(f.left))
	}
	return f, nil
}

// Videos is the number of usable videos in the folder.
func (f *Folder) Videos() int { return len(f.videos) }

// LeftOut lists the videos that OpenFolder found and cannot use, by name.
func (f *Folder) LeftOut() []LeftOut { return f.left }

// lines lists videos, each on a line of its own.
func lines(left []LeftOut) string {
	var b strings.Builder
	for _, l := range left {
		b.WriteString("\n  " + l.String())
	}
	return b.String()
}

// reason formats an error for the line that names the video.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "media: ") }

// openVideo checks a video of the folder and its captions.
func openVideo(ctx context.Context, dir string, l listed, seconds float64) (video, error) {
	v := video{name: l.name, path: filepath.Join(dir, l.name)}
	stem := strings.TrimSuffix(filepath.Base(l.name), filepath.Ext(l.name))
	if l.captions == "" {
		return v, fmt.Errorf("it has no captions: write them into %s.txt beside it, one a line", shown(stem))
	}
	var err error
	if v.captions, err = readCaptions(filepath.Join(dir, l.captions)); err != nil {
		return v, fmt.Errorf("its captions: %w", err)
	}
	info, err := media.Probe(ctx, v.path)
	if err != nil {
		return v, err
	}
	if info.W < MinSide || info.H < MinSide {
		return v, fmt.Errorf("it is %d×%d pixels: a side needs %d", info.W, info.H, MinSide)
	}
	if v.seconds, err = readableLength(ctx, v.path, info, seconds); err != nil {
		return v, err
	}
	if v.seconds < seconds {
		return v, fmt.Errorf("it is %.2f s long, shorter than the %.2f s of a training window", v.seconds, seconds)
	}
	return v, nil
}

// checkFPS is the frame rate at which the check counts pictures.
const checkFPS = 24

// readableLength returns how many seconds of a video can be read. It reads the
// last window, which a truncated file lacks, or the whole video if the file
// does not state its length.
func readableLength(ctx context.Context, path string, info media.VideoInfo, window float64) (float64, error) {
	length := info.Duration.Seconds()
	if length > 0 && length < window {
		return length, nil
	}
	start := max(0, length-window)
	r, err := media.OpenVideo(ctx, path, media.VideoOptions{
		W: 16, H: 16, FPS: checkFPS, Start: time.Duration(start * float64(time.Second)), Threads: 1,
	})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	frame := media.NewFrame(16, 16)
	for err == nil {
		err = r.Next(frame)
	}
	end := start + float64(r.Frames())/checkFPS
	switch {
	case length == 0 && errors.Is(err, io.EOF):
		return end, nil
	case errors.Is(err, io.EOF) && end >= length-maxMissing:
		return min(end, length), nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case length == 0:
		return 0, err
	case r.Frames() == 0 || errors.Is(err, io.EOF):
		return 0, fmt.Errorf("it claims a length of %.1f s, but its pictures end earlier: it was cut off, is damaged, or has only sound at its end", length)
	}
	return 0, fmt.Errorf("its end cannot be read: %s", reason(err))
}

func readCaptions(path string) ([]string, error) {
	name := filepath.Base(path)
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() { // opening a pipe would block
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	words, err := text.Read(f, MaxCaptions)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := slices.Collect(text.Lines(words))
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no caption", name)
	}
	return out, nil
}

// Captions visits every caption of the folder, for training a tokenizer.
func (f *Folder) Captions(yield func(string) bool) {
	for _, v := range f.videos {
		for _, c := range v.captions {
			if !yield(c) {
				return
			}
		}
	}
}

// Edition implements Source: the captions are the user's own.
func (f *Folder) Edition() world.Edition { return world.NoEdition }

// Window implements Source. If a video fails, another one takes its place;
// which one is a function of the id too.
func (f *Folder) Window(ctx context.Context, id uint64, frames, w, h, fps int) (Window, error) {
	rng := rand.New(rand.NewPCG(f.seed, id))
	left := f.videos
	for {
		i := rng.IntN(len(left))
		win, err := left[i].window(ctx, rng, frames, w, h, fps)
		switch {
		case err == nil:
			return win, nil
		case ctx.Err() != nil:
			return Window{}, ctx.Err()
		case errors.Is(err, media.ErrNoFFmpeg):
			return Window{}, err
		}
		f.tell(left[i].name, err)
		if left = slices.Delete(slices.Clone(left), i, i+1); len(left) == 0 {
			return Window{}, fmt.Errorf("none of the %d videos can be read any more; the last one tried: %w", len(f.videos), err)
		}
	}
}

// tell reports a failed video, once.
func (f *Folder) tell(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Failed != nil && !f.failed[name] {
		f.Failed(LeftOut{name, reason(err)})
	}
	f.failed[name] = true
}

// window reads consecutive frames from a random start that rng chooses.
func (v video) window(ctx context.Context, rng *rand.Rand, frames, w, h, fps int) (Window, error) {
	need := float64(frames) / float64(fps)
	start := rng.Float64() * max(0, v.seconds-need)
	if _, err := os.Stat(v.path); err != nil { // a missing file costs no ffprobe
		return Window{}, fmt.Errorf("it is gone: %w", cause(err))
	}
	r, err := media.OpenVideo(ctx, v.path, media.VideoOptions{
		W: w, H: h, FPS: float64(fps), Start: time.Duration(start * float64(time.Second)), MaxFrames: frames, Threads: 1,
	})
	if err != nil {
		return Window{}, err
	}
	defer r.Close()
	win := Window{Frames: make([]byte, frames*w*h*3), T: frames, H: h, W: w, Start: start, Seconds: v.seconds, Caption: func(n uint64) string {
		return v.captions[n%uint64(len(v.captions))]
	}}
	for i := range frames {
		at := win.Frames[i*w*h*3 : (i+1)*w*h*3]
		err := r.Next(media.Frame{W: w, H: h, Pix: at})
		if errors.Is(err, io.EOF) && i > 0 && float64(frames-i) <= maxMissing*float64(fps) {
			// A video may end a moment before its container says.
			copy(at, win.Frames[(i-1)*w*h*3:i*w*h*3])
			continue
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("its pictures end there")
		}
		if err != nil {
			return Window{}, fmt.Errorf("at %.1f s: %w", start+float64(i)/float64(fps), err)
		}
	}
	return win, nil
}
