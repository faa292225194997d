package reel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

// streamBar is the largest difference between a streamed and a whole pass: only
// the order of summation differs.
const streamBar = 2e-6

func gaussian(seed uint64, shape ...int) *tensor.Tensor {
	t, rng := tensor.Zeros(shape...), rand.New(rand.NewPCG(seed, 1))
	for i := range t.Data() {
		t.Data()[i] = float32(rng.NormFloat64())
	}
	return t
}

// inPieces runs f on consecutive runs of groups of x and joins the results.
func inPieces(x *tensor.Tensor, sizes []int, f func(piece *tensor.Tensor, start int, s *Stream) *tensor.Tensor) *tensor.Tensor {
	o := f32()
	s := NewStream(o)
	var out []*tensor.Tensor
	start := 0
	for _, n := range sizes {
		s.Record()
		out = append(out, f(o.Narrow(x, 1, start, start+n), start, s))
		s.Advance()
		start += n
	}
	return o.Concat(1, out...)
}

// TestStreamedFlow: chunk by chunk gives the same as one pass. There are three
// chunks, so that the last must have dropped the first.
func TestStreamedFlow(t *testing.T) {
	m, o := tiny(t), f32()
	chunks := []int{3, 2, 2}
	z := gaussian(1, 2, 7, 4, 6, 8)
	level, place := gaussian(2, 2, 7), gaussian(3, 2, 7)
	batch := func(z *tensor.Tensor, start int, chunks []int) Batch {
		end := start + z.Dim(1)
		return Batch{
			Z: z, T: values(o.Narrow(level, 1, start, end)), Place: values(o.Narrow(place, 1, start, end)),
			Seconds: []float32{6, 4.5}, Start: start, Chunks: chunks,
		}
	}
	text := m.Flow.Encode(o, [][]int32{m.Tokens("a cat"), m.Tokens("")})
	whole := m.Flow.Forward(o, batch(z, 0, chunks), text, nil, nil)
	pieces := inPieces(z, chunks, func(piece *tensor.Tensor, start int, s *Stream) *tensor.Tensor {
		return m.Flow.Forward(f32(), batch(piece, start, []int{piece.Dim(1)}), text, s, nil)
	})
	if d := goldentest.RelativeL2(values(pieces), values(whole)); !(d <= streamBar) {
		t.Errorf("chunk by chunk is %.3g from the whole at once, must be at most %g", d, streamBar)
	}
	lone := m.Flow.Forward(o, batch(o.Narrow(z, 1, 5, 7), 5, []int{2}), text, nil, nil)
	if d := goldentest.RelativeL2(values(lone), values(o.Narrow(whole, 1, 5, 7))); d < 1e-3 {
		t.Errorf("the last chunk is the same (%.3g) without its past: the test sees nothing", d)
	}
}

// TestChunksAreCausal: later groups change nothing in earlier ones, to the bit.
func TestChunksAreCausal(t *testing.T) {
	m, o := tiny(t), f32()
	z := gaussian(1, 1, 5, 4, 6, 8)
	run := func() *tensor.Tensor {
		b := Batch{Z: z, T: make([]float32, 5), Place: make([]float32, 5), Seconds: []float32{6}, Chunks: []int{3, 2}}
		return m.Flow.Forward(o, b, m.Flow.Encode(o, [][]int32{{1, 2}}), nil, nil)
	}
	before := run()
	for i := z.Len() * 3 / 5; i < z.Len(); i++ {
		z.Data()[i] += 1
	}
	after := run()
	if !bytes.Equal(raw(o.Narrow(before, 1, 0, 3)), raw(o.Narrow(after, 1, 0, 3))) {
		t.Error("the first chunk changed with the second")
	}
	if bytes.Equal(raw(before), raw(after)) {
		t.Error("nothing changed at all")
	}
}

// TestStreamedCodec: group by group gives the same as one pass, in both
// directions.
func TestStreamedCodec(t *testing.T) {
	m, o := tiny(t), f32()
	for _, sizes := range [][]int{{1, 1, 1, 1}, {2, 2}, {1, 3}} {
		z := gaussian(4, 2, 4, 2, 3, 8)
		whole := m.Codec.Decode(o, z, true, nil)
		pieces := inPieces(z, sizes, func(piece *tensor.Tensor, start int, s *Stream) *tensor.Tensor {
			return m.Codec.Decode(f32(), piece, start == 0, s)
		})
		if d := goldentest.RelativeL2(values(pieces), values(whole)); !(d <= streamBar) {
			t.Errorf("groups %v: decoded in pieces is %.3g from decoded at once, must be at most %g", sizes, d, streamBar)
		}
		again := m.Codec.Encode(o, whole, true, nil)
		at, s := 0, NewStream(o)
		var parts []*tensor.Tensor
		for i, n := range sizes {
			frames := groupSize * n
			if i == 0 {
				frames = Frames(n)
			}
			s.Record()
			parts = append(parts, m.Codec.Encode(o, o.Narrow(whole, 1, at, at+frames), i == 0, s))
			s.Advance()
			at += frames
		}
		if d := goldentest.RelativeL2(values(o.Concat(1, parts...)), values(again)); !(d <= streamBar) {
			t.Errorf("groups %v: encoded in pieces is %.3g from encoded at once, must be at most %g", sizes, d, streamBar)
		}
	}
}

func raw(t *tensor.Tensor) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, values(t))
	if err != nil {
		panic(err)
	}
	return b
}

// TestSameBytesForAnyThreads samples and decodes two chunks with guidance,
// from text and from a first frame.
func TestSameBytesForAnyThreads(t *testing.T) {
	m := tiny(t)
	before := simd.Threads()
	defer simd.SetThreads(before)
	image := values(gaussian(5, m.Config.Height, m.Config.Width, 3))
	for name, r := range map[string]Request{
		"text":  {Prompt: "a red ball", Frames: 30, Seed: 7, Steps: 3},
		"image": {Prompt: "a red ball", Frames: 17, Seed: 7, Steps: 2, Image: image},
	} {
		var latents, frames [][]byte
		for _, n := range []int{1, 2} {
			simd.SetThreads(n)
			l, err := m.Sample(t.Context(), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			var video []byte
			if err := m.Decode(t.Context(), l, func(frame []byte) error {
				video = append(video, frame...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if want := r.Frames * m.Config.Width * m.Config.Height * 3; len(video) != want {
				t.Fatalf("%s: the video has %d bytes, must have %d", name, len(video), want)
			}
			latents = append(latents, raw(tensor.New(l.Data, len(l.Data))))
			frames = append(frames, video)
		}
		if !bytes.Equal(latents[0], latents[1]) || !bytes.Equal(frames[0], frames[1]) {
			t.Errorf("%s: 1 and 2 threads give different bytes", name)
		}
	}
}

// TestSameGradientsForAnyThreads trains one step at the size of the embedded
// model, where every kernel splits its work.
func TestSameGradientsForAnyThreads(t *testing.T) {
	cfg := Default()
	cfg.Flow.Blocks, cfg.Flow.Softmax, cfg.Text.Blocks = 2, 2, 1
	before := simd.Threads()
	defer simd.SetThreads(before)
	var grads [][]byte
	for _, n := range []int{1, 2} {
		simd.SetThreads(n)
		p := nn.NewParams(1)
		f := NewFlow(p, cfg)
		x := Batch{
			Z: gaussian(6, 2, 2, 10, 16, cfg.Codec.Latent), T: []float32{0.5, 0.5, 0.25, 0.25},
			Place: make([]float32, 4), Seconds: []float32{6, 6}, Chunks: []int{2},
		}
		tape := autograd.NewTape(backend.Training())
		y := f.Forward(tape, x, f.Encode(tape, [][]int32{{1, 9, 2}, {1, 2}}), nil, nil)
		tape.Backward(tape.MSE(y, x.Z, nil), 1)
		var all []byte
		for _, name := range p.Names() {
			if v := p.Get(name); v.Needs() {
				all = append(all, raw(tensor.New(values(v.Grad()), v.Len()))...)
			}
		}
		grads = append(grads, all)
	}
	if !bytes.Equal(grads[0], grads[1]) {
		t.Error("1 and 2 threads give different gradients")
	}
}

// TestShortVideoBeginsALongerOne: a video below the range of lengths in
// training is the beginning of a video of the shortest length.
func TestShortVideoBeginsALongerOne(t *testing.T) {
	m := tiny(t)
	sample := func(frames int) []float32 {
		l, err := m.Sample(t.Context(), Request{Prompt: "a red cat", Frames: frames, Steps: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l.Data
	}
	short, long := sample(m.Config.FPS/2), sample(shortest*m.Config.FPS)
	if !slices.Equal(short, long[:len(short)]) {
		t.Error("half a second differs from the first half second of four")
	}
	if slices.Equal(long[:len(short)], sample(longest * m.Config.FPS)[:len(short)]) {
		t.Error("the length of a video changes nothing: this test shows nothing")
	}
}

// TestEncoder checks that an encoder gives the same latents for a video in
// pieces and in one piece, and that they are as its comment says.
func TestEncoder(t *testing.T) {
	m, o := tiny(t), f32()
	video := m.Codec.Decode(o, gaussian(4, 2, 4, 2, 3, 8), true, nil)
	z := m.Codec.Encode(o, video, true, nil)
	want := o.Sub(o.Scale(z, 2), m.Codec.Encode(o, m.Codec.Decode(o, z, true, nil), true, nil))
	if d := goldentest.RelativeL2(values(want), values(z)); d < 1e-3 {
		t.Fatalf("the correction is %.3g of the latents: too little to test by", d)
	}
	for _, sizes := range [][]int{{4}, {1, 1, 1, 1}, {2, 2}, {1, 3}} {
		at, e := 0, m.Codec.NewEncoder(o)
		var parts []*tensor.Tensor
		for i, n := range sizes {
			frames := groupSize * n
			if i == 0 {
				frames = Frames(n)
			}
			parts = append(parts, e.Next(o.Narrow(video, 1, at, at+frames)))
			at += frames
		}
		if d := goldentest.RelativeL2(values(o.Concat(1, parts...)), values(want)); !(d <= streamBar) {
			t.Errorf("groups %v: encoded in pieces is %.3g from encoded at once, must be at most %g", sizes, d, streamBar)
		}
	}
}
