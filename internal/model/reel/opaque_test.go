package reel

import (
	"os"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

// opened is the model of the goldens, opened for inference with its weights in
// place.
func opened(t *testing.T) *Model {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, makeGoldens)
	}
	m, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// passes runs every part of a model on b, whole and streamed, and returns the
// results.
func passes(m *Model, b tensor.Backend) map[string][]float32 {
	out := map[string][]float32{}
	note := func(name string, t *tensor.Tensor) { out[name] = tensor.Values(b, t) }
	up := func(t *tensor.Tensor) *tensor.Tensor { return b.Upload(t.Data(), t.Shape...) }

	video := up(gaussian(1, 2, Frames(3), 32, 48, 3))
	note("encode", m.Codec.Encode(b, video, true, nil))
	e := m.Codec.NewEncoder(b)
	note("encode streamed/0", e.Next(b.Narrow(video, 1, 0, 9)))
	note("encode streamed/1", e.Next(b.Narrow(video, 1, 9, 17)))
	e.Close()
	b.Reset()

	latents := func() *tensor.Tensor { return up(gaussian(2, 2, 3, 2, 3, 8)) }
	note("decode", m.Codec.Decode(b, latents(), true, nil))
	s := NewStream(b)
	for g := range 3 {
		b.Reset()
		note("decode streamed/"+string(rune('0'+g)), s.pass(func(s *Stream) *tensor.Tensor {
			return m.Codec.Decode(b, b.Narrow(latents(), 1, g, g+1), g == 0, s)
		}))
	}
	s.Close()
	b.Reset()

	text := m.Flow.Encode(b, [][]int32{m.Tokens("a cat"), m.Tokens("")})
	note("text", text.Tokens)
	note("text pooled", text.Pooled)
	text.Tokens, text.Pooled = b.Keep(text.Tokens), b.Keep(text.Pooled)
	z := gaussian(3, 2, 5, 4, 6, 8)
	level, place := gaussian(4, 2*5).Data(), gaussian(5, 2*5).Data()
	batch := func(lo, hi int, chunks []int) Batch {
		pick := func(v []float32) []float32 { return append(slices.Clone(v[lo:hi]), v[5+lo:5+hi]...) }
		return Batch{Z: b.Narrow(up(z), 1, lo, hi), T: pick(level), Place: pick(place), Seconds: []float32{6, 4}, Start: lo, Chunks: chunks}
	}
	note("flow", m.Flow.Forward(b, batch(0, 5, []int{3, 2}), text, nil, nil))
	s = NewStream(b)
	for i, c := range [][2]int{{0, 3}, {3, 5}} {
		b.Reset()
		note("flow streamed/"+string(rune('0'+i)), s.pass(func(s *Stream) *tensor.Tensor {
			return m.Flow.Forward(b, batch(c[0], c[1], []int{c[1] - c[0]}), text, s, nil)
		}))
	}
	s.Close()
	b.Free(text.Tokens)
	b.Free(text.Pooled)
	b.Reset()
	return out
}

// TestOnMemoryThatNobodySees runs the whole model on a backend whose tensors
// are opaque handles: the bytes must be those of the CPU.
func TestOnMemoryThatNobodySees(t *testing.T) {
	m := opened(t)
	want := passes(m, backend.New())
	o := tensortest.NewOpaque(backend.New())
	got := passes(m, o)
	if len(got) != len(want) || len(got) < 11 {
		t.Fatalf("%d results, the processor has %d", len(got), len(want))
	}
	for name, w := range want {
		if !slices.Equal(got[name], w) {
			t.Errorf("%s: other bytes than on the processor", name)
		}
	}
	parameters := o.Held()
	if passes(m, o); o.Held() != parameters || parameters > len(m.CodecParams.Names())+len(m.FlowParams.Names()) {
		t.Errorf("%d tensors are held after once, %d after twice", parameters, o.Held())
	}
}

// TestSampleOnMemoryThatNobodySees makes and decodes videos on that backend,
// from text and from an image, with previews.
func TestSampleOnMemoryThatNobodySees(t *testing.T) {
	m := opened(t)
	c := m.Config
	c.Flow.Steps, c.Flow.Guidance = 0, 0
	teacher, err := m.reshaped(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	image := gaussian(5, m.Config.Height, m.Config.Width, 3).Data()
	for name, r := range map[string]Request{
		"few steps": {Prompt: "a red ball", Frames: 17, Seed: 7},
		"text":      {Prompt: "a red ball", Frames: 30, Seed: 7, Steps: 3},
		"image":     {Prompt: "a red ball", Frames: 17, Seed: 7, Steps: 2, Image: image, Guidance: 1},
	} {
		m := teacher
		if name == "few steps" {
			m = opened(t)
		}
		run := func() (latents []float32, frames []byte) {
			l, err := m.Sample(t.Context(), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(t.Context(), l, func(rgb []byte) error {
				frames = append(frames, rgb...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return l.Data, frames
		}
		m.NewBackend = backend.New
		wantLatents, wantFrames := run()
		uploads := 0
		var made []*tensortest.Opaque
		m.NewBackend = func() tensor.Backend {
			made = append(made, tensortest.NewOpaque(backend.New()))
			return made[len(made)-1]
		}
		latents, frames := run()
		for _, o := range made {
			uploads += o.Uploads
		}
		if !slices.Equal(latents, wantLatents) || !slices.Equal(frames, wantFrames) {
			t.Errorf("%s: other bytes than on the processor", name)
		}
		if uploads < 10 {
			t.Errorf("%s: %d uploads: the other backend was hardly used", name, uploads)
		}
	}
}
