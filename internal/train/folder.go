package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/text"
)

// MaxCaptions is the size in bytes that a file of captions may have.
const MaxCaptions = 64 << 10

// Folder is a source of one's own films: each NAME.mp4 beside a NAME.txt with
// captions, one a line, of which training takes one at random.
type Folder struct {
	films []film
	seed  uint64
}

type film struct {
	path     string
	seconds  float64
	captions []string
}

// OpenFolder checks every film of dir, at once rather than hours into a run,
// and reports all that is wrong with them together. A film shorter than
// seconds is an error.
func OpenFolder(ctx context.Context, dir string, seconds float64, seed uint64) (*Folder, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mp4"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no .mp4 files: training wants NAME.mp4 with its captions in NAME.txt", dir)
	}
	f := &Folder{seed: seed}
	var broken []error
	for _, path := range paths {
		one, err := openFilm(ctx, path, seconds)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		f.films = append(f.films, one)
	}
	if len(broken) > 0 {
		return nil, fmt.Errorf("%d of %d films cannot be used: mend them or move them away\n%w", len(broken), len(paths), errors.Join(broken...))
	}
	return f, nil
}

func openFilm(ctx context.Context, path string, seconds float64) (film, error) {
	info, err := media.Probe(ctx, path)
	if err != nil {
		return film{}, err
	}
	length := info.Duration.Seconds()
	if length < seconds {
		return film{}, fmt.Errorf("%s is %.1f s long, shorter than the %.1f s of a training window", path, length, seconds)
	}
	captions, err := readCaptions(strings.TrimSuffix(path, ".mp4") + ".txt")
	return film{path, length, captions}, err
}

func readCaptions(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("captions, one a line: %w", err)
	}
	defer f.Close()
	words, err := text.Read(f, MaxCaptions)
	if err != nil {
		return nil, fmt.Errorf("captions %s: %w", path, err)
	}
	out := slices.Collect(text.Lines(words))
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no caption", path)
	}
	return out, nil
}

// Captions visits every caption of the folder, for training a tokenizer.
func (f *Folder) Captions(yield func(string) bool) {
	for _, film := range f.films {
		for _, c := range film.captions {
			if !yield(c) {
				return
			}
		}
	}
}

// Window implements Source.
func (f *Folder) Window(ctx context.Context, id uint64, frames, w, h, fps int) (Window, error) {
	rng := rand.New(rand.NewPCG(f.seed, id))
	one := f.films[rng.IntN(len(f.films))]
	need := float64(frames) / float64(fps)
	start := rng.Float64() * max(0, one.seconds-need)
	r, err := media.OpenVideo(ctx, one.path, media.VideoOptions{
		W: w, H: h, FPS: float64(fps), Start: time.Duration(start * float64(time.Second)), MaxFrames: frames, Threads: 1,
	})
	if err != nil {
		return Window{}, err
	}
	defer r.Close()
	win := Window{Frames: make([]byte, frames*w*h*3), T: frames, H: h, W: w, Start: start, Seconds: one.seconds, Caption: func(v uint64) string {
		return one.captions[v%uint64(len(one.captions))]
	}}
	for i := range frames {
		at := win.Frames[i*w*h*3 : (i+1)*w*h*3]
		err := r.Next(media.Frame{W: w, H: h, Pix: at})
		if errors.Is(err, io.EOF) && i > 0 {
			// A film may end a frame or two before its container says.
			copy(at, win.Frames[(i-1)*w*h*3:i*w*h*3])
			continue
		}
		if err != nil {
			return Window{}, fmt.Errorf("%s at %.1f s: %w", one.path, start, err)
		}
	}
	return win, nil
}
