package reel

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/kinora-video/kinora/internal/sampler"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Request describes the video to make.
type Request struct {
	Prompt string
	Frames int // at the native rate, at least 1
	// Image is the first frame, [Height, Width, 3] in [-1, 1] at the native
	// size, or nil.
	Image    []float32
	Seed     uint64
	Steps    int     // 0 for the model's own (Config.Sampling)
	Guidance float32 // 0 for the model's own; 1 for none. A distilled model accepts only its own
	Solver   string  // "" for the model's own
	// Preview, if not nil, is called now and then from the sampling goroutine
	// with the predicted first frame of the current chunk, in RGB of the native
	// size. The callee owns the slice.
	Preview func(rgb []byte)
}

// The defaults of a request to a model that was not distilled.
const (
	DefaultSteps    = 16
	DefaultGuidance = 3
)

// The largest values of a request.
const (
	MaxSteps    = 1000
	MaxGuidance = 100
)

// Sampling returns the default steps and guidance of a request.
func (c Config) Sampling() (steps int, guidance float32) {
	if c.Flow.Steps > 0 {
		return c.Flow.Steps, c.Flow.Guidance
	}
	return DefaultSteps, DefaultGuidance
}

// MaxFrames is the longest video: an hour at 24 frames a second. Memory does
// not depend on the length, but the file of latents does.
const MaxFrames = 24 * 3600

// check fills in the defaults and refuses requests that cannot be run.
func (r *Request) check(c Config) (sampler.Solver, error) {
	steps, guidance := c.Sampling()
	r.Steps, r.Guidance = cmp.Or(r.Steps, steps), cmp.Or(r.Guidance, guidance)
	if c.Flow.Steps > 0 && r.Solver == "" {
		r.Solver = sampler.Euler.String() // what it was distilled for
	}
	switch {
	case r.Frames < 1 || r.Frames > MaxFrames:
		return 0, fmt.Errorf("a video has 1 to %d frames, not %d", MaxFrames, r.Frames)
	case r.Steps < 1 || r.Steps > MaxSteps:
		return 0, fmt.Errorf("a video takes 1 to %d steps, not %d", MaxSteps, r.Steps)
	case !(r.Guidance >= 0 && r.Guidance <= MaxGuidance):
		return 0, fmt.Errorf("guidance is 0 to %d, not %g", MaxGuidance, r.Guidance)
	case c.Flow.Steps > 0 && r.Guidance != guidance:
		return 0, fmt.Errorf("guidance of %g is part of these weights: do not ask for %g, leave it out", guidance, r.Guidance)
	case r.Image != nil && len(r.Image) != c.Width*c.Height*3:
		return 0, fmt.Errorf("the first frame has %d values, must be %d×%d×3", len(r.Image), c.Height, c.Width)
	}
	return sampler.ParseSolver(r.Solver)
}

// Latents are a video as the codec has it.
type Latents struct {
	Data    []float32 // [Groups, H, W, C], as the decoder takes them
	Groups  int
	H, W, C int
	Frames  int // of the video: the last group may hold more
	FPS     int
	Prompt  string
	Seed    uint64
	// Settings are those of engine.Origin.
	Settings string
}

// chunkPlan cuts groups into chunks of at most n; the first chunk also holds
// the single frame. Except for a video of one frame, all chunks are whole, as
// in training; groups beyond the end of the video are dropped.
func chunkPlan(groups, n int) []int {
	if groups == 1 {
		return []int{1}
	}
	plan := []int{1 + n}
	for at := 1 + n; at < groups; at += n {
		plan = append(plan, n)
	}
	return plan
}

// Sample makes the latents of a video chunk by chunk. Each chunk starts from
// its own noise and has the previous chunk as its past. The same request gives
// the same bytes for any number of threads. progress, which may be nil, is
// called with the steps done.
func (m *Model) Sample(ctx context.Context, r Request, progress func(done, total int)) (l *Latents, err error) {
	defer tensor.CatchFault(&err)
	solver, err := r.check(m.Config)
	if err != nil {
		return nil, err
	}
	c := m.Config
	groups := 1 + (r.Frames-1+groupSize-1)/groupSize
	plan := chunkPlan(groups, c.Flow.Groups)
	l = &Latents{
		H: c.Height / latentPix, W: c.Width / latentPix, C: c.Codec.Latent, Groups: groups,
		Frames: r.Frames, FPS: c.FPS, Prompt: r.Prompt, Seed: r.Seed,
	}
	// The last chunk may extend past the end of the video.
	l.Data = make([]float32, 0, (groups+c.Flow.Groups)*l.H*l.W*l.C)
	s := m.newSampling(r)
	defer s.close()
	start := 0
	for i, n := range plan {
		z, err := s.chunk(ctx, solver, i, start, n, func(done, steps int) {
			if progress != nil {
				progress(i*steps+done, len(plan)*steps)
			}
		})
		if err != nil {
			return nil, err
		}
		l.Data = append(l.Data, z...)
		start += n
	}
	l.Data = l.Data[:groups*l.H*l.W*l.C]
	m.Codec.Restore(l.Data)
	return l, nil
}

// shortest and longest are the range of video lengths in training, in seconds.
// The length that the model is told is clamped to it: a shorter video is made
// as the beginning of a video of the shortest length, a longer one as a
// slowed-down video of the longest length.
const shortest, longest = 4, 10

// sampling is one video being made. With guidance the prompt and the empty
// prompt run together, as a batch of two.
type sampling struct {
	m       *Model
	r       Request
	b       tensor.Backend
	stream  *Stream
	text    Text
	copies  int       // 2 with guidance, 1 without or where the weights hold it
	seconds float64   // of the video
	first   []float32 // the latent of the given first frame, standardised
	out     []float32 // the last prediction of forward
	preview *previewer
}

func (m *Model) newSampling(r Request) *sampling {
	b := m.NewBackend()
	s := &sampling{
		m: m, r: r, b: b, stream: NewStream(b), copies: 2,
		seconds: max(shortest, float64(r.Frames)/float64(m.Config.FPS)), preview: newPreviewer(m, r.Preview),
	}
	prompts := [][]int32{m.Tokens(r.Prompt), m.Tokens("")}
	if r.Guidance == 1 || m.Config.Flow.Steps > 0 {
		s.copies, prompts = 1, prompts[:1]
	}
	text := m.Flow.Encode(b, prompts)
	s.text = Text{Tokens: b.Keep(text.Tokens), Pooled: b.Keep(text.Pooled), Lens: text.Lens}
	if r.Image != nil {
		x := b.Upload(r.Image, 1, 1, m.Config.Height, m.Config.Width, 3)
		e := m.Codec.NewEncoder(b)
		defer e.Close()
		s.first = tensor.Values(b, e.Next(x))
		m.Codec.Standardise(s.first)
	}
	return s
}

// close frees what outlived the passes.
func (s *sampling) close() {
	s.b.Free(s.text.Tokens)
	s.b.Free(s.text.Pooled)
	s.stream.Close()
}

// chunk samples n groups from start on and stores the state for the next chunk.
func (s *sampling) chunk(ctx context.Context, solver sampler.Solver, index, start, n int, progress func(done, total int)) ([]float32, error) {
	c := s.m.Config
	frame := c.Height / latentPix * c.Width / latentPix * c.Codec.Latent
	z := make([]float32, n*frame)
	sampler.Noise(z, s.r.Seed, uint64(index))
	given := 0
	if start == 0 && s.first != nil {
		given = copy(z, s.first)
	}
	guide := sampler.Guidance{Scale: s.r.Guidance}
	grid := sampler.Schedule(s.r.Steps, 1)
	denoise := func(ctx context.Context, z []float32, t float64) ([]float32, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x := s.forward(z, start, n, given > 0, float32(t), stride(grid, t))
		if s.copies == 2 {
			guide.Combine(x[:len(z)], x[:len(z)], x[len(z):])
			x = x[:len(z)]
		}
		copy(x[:given], s.first)
		s.preview.offer(x, start == 0)
		return x, nil
	}
	if err := sampler.Sample(ctx, solver, grid, z, denoise, progress); err != nil {
		return nil, err
	}
	copy(z[:given], s.first)
	s.stream.Record()
	s.forward(z, start, n, given > 0, 1, 0)
	s.stream.Advance()
	s.preview.finished(z)
	return z, nil
}

// stride is the size of the step that begins at time t of a grid.
func stride(grid []float64, t float64) float32 {
	i, _ := slices.BinarySearch(grid, t)
	if i+1 >= len(grid) {
		return 0
	}
	return float32(grid[i+1] - grid[i])
}

// forward predicts the clean latents of a chunk at noise level t, [copies·n]
// groups, valid until its next call. stride is the size of the sampler's next
// step. A given first frame is clean.
func (s *sampling) forward(z []float32, start, n int, given bool, t, stride float32) []float32 {
	c := s.m.Config
	h, w := c.Height/latentPix, c.Width/latentPix
	s.b.Reset()
	all := slices.Repeat(z, s.copies)
	b := Batch{Z: s.b.Upload(all, s.copies, n, h, w, c.Codec.Latent), Start: start, Chunks: []int{n}}
	for range s.copies {
		b.Seconds = append(b.Seconds, float32(min(s.seconds, longest)))
		for g := range n {
			level, step := t, stride
			if given && g == 0 {
				level, step = 1, 0
			}
			b.T, b.Stride = append(b.T, level), append(b.Stride, step)
			b.Place = append(b.Place, PlaceOf(start+g, 0, s.seconds, c.FPS))
		}
	}
	if len(s.out) != len(all) {
		s.out = make([]float32, len(all))
	}
	s.b.Download(s.out, s.m.Flow.Forward(s.b, b, s.text, s.stream, nil))
	return s.out
}

// PlaceOf returns the position, 0 to 1, of group g of a window in a video of
// the given length in seconds, when the window begins at the given second.
func PlaceOf(g int, start, seconds float64, fps int) float32 {
	if g > 0 {
		start += float64(Frames(g)) / float64(fps)
	}
	return float32(min(1, start/seconds))
}

// Decode draws the frames of l in order, each as RGB of the native size, valid
// until yield returns. It works group by group in constant memory.
func (m *Model) Decode(ctx context.Context, l *Latents, yield func(frame []byte) error) (err error) {
	defer tensor.CatchFault(&err)
	if l.C != m.Config.Codec.Latent || l.Groups < 1 || len(l.Data) != l.Groups*l.H*l.W*l.C || l.Frames > Frames(l.Groups) {
		return fmt.Errorf("the latents are %d groups of %d×%d×%d, which is not what this model decodes", l.Groups, l.H, l.W, l.C)
	}
	b := m.NewBackend()
	stream := NewStream(b)
	defer stream.Close()
	size := l.H * l.W * latentPix * latentPix * 3
	rgb, pix := make([]byte, size), []float32(nil)
	frame, done := l.H*l.W*l.C, 0
	for g := range l.Groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Reset()
		z := b.Upload(l.Data[g*frame:(g+1)*frame], 1, 1, l.H, l.W, l.C)
		x := stream.pass(func(s *Stream) *tensor.Tensor { return m.Codec.Decode(b, z, g == 0, s) })
		if len(pix) != x.Len() {
			pix = make([]float32, x.Len())
		}
		b.Download(pix, x)
		for at := 0; at < len(pix) && done < l.Frames; at += size {
			toBytes(rgb, pix[at:at+size])
			if err := yield(rgb); err != nil {
				return err
			}
			done++
		}
	}
	return nil
}

// toBytes maps [-1, 1] to 0..255.
func toBytes(dst []byte, src []float32) {
	for i, v := range src {
		dst[i] = byte(max(0, min(255, v*127.5+128)))
	}
}
