package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/text"
	"github.com/kinora-video/kinora/internal/token"
	"github.com/kinora-video/kinora/internal/world"
)

// tiny is a model that trains quickly.
func tiny(t *testing.T) *reel.Model {
	t.Helper()
	bpe := token.Train(func(yield func(string) bool) { yield("a red cat bounces") }, 300)
	m, err := reel.New(reel.Config{
		Width: 64, Height: 32, FPS: 24,
		Codec: reel.CodecConfig{Latent: 4, EncWidth: 16, EncBlocks: 1, DecWidth: 16, DecBlocks: 1, DeepWidth: 16, EncDeep: 1, DecDeep: 1},
		Text:  reel.TextConfig{Vocab: bpe.Size(), Width: 16, Blocks: 1, Heads: 2, Max: 16},
		Flow:  reel.FlowConfig{Width: 24, Blocks: 2, Heads: 2, Hidden: 32, Softmax: 2, Experts: 4, TopK: 2, Groups: 2, Fine: 8, FineBlocks: 1},
	}, bpe, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func options(dir string, steps int) Options {
	return Options{Dir: dir, Steps: steps, LR: 1e-2, Warmup: 2, Cooldown: 0.5, Save: 1 << 60, Seed: 3}
}

func codecOptions() CodecOptions {
	co := DefaultCodec()
	co.Batch, co.Crop, co.Groups = 5, 32, 2
	return co
}

func flowOptions() FlowOptions {
	fo := DefaultFlow()
	fo.Batch, fo.Micro, fo.Chunks = 5, 2, 2
	return fo
}

// runs are the kinds of training by name.
var runs = map[string]func(ctx context.Context, m *reel.Model, o Options) error{
	"codec": func(ctx context.Context, m *reel.Model, o Options) error {
		return Codec(ctx, m, Storybook{Seed: 1}, o, codecOptions(), nil)
	},
	"text": func(ctx context.Context, m *reel.Model, o Options) error {
		return Text(ctx, m, o, 20)
	},
	"text-video": func(ctx context.Context, m *reel.Model, o Options) error {
		return TextVideo(ctx, m, Storybook{Seed: 1}, o, flowOptions(), nil)
	},
	"text-video, stills": func(ctx context.Context, m *reel.Model, o Options) error {
		fo := flowOptions()
		fo.Stills = 0.5
		return TextVideo(ctx, m, Storybook{Seed: 1}, o, fo, nil)
	},
	"few-steps": func(ctx context.Context, m *reel.Model, o Options) error {
		do := DefaultDistil()
		do.Batch, do.Micro, do.Next, do.Image = 5, 2, 0.5, 0.5
		student, err := m.FewSteps(4, 3, 9)
		if err != nil {
			return err
		}
		err = Distil(ctx, student, m, Storybook{Seed: 1}, o, do, nil)
		m.FlowParams.Adopt(student.FlowParams)
		return err
	},
}

func weights(m *reel.Model) []byte {
	var b bytes.Buffer
	for _, p := range []*nn.Params{m.CodecParams, m.FlowParams} {
		for _, name := range p.Names() {
			fmt.Fprint(&b, name, p.Get(name).Data())
		}
	}
	return b.Bytes()
}

// TestResume stops a run after some steps and continues it: the bytes are those
// of an uninterrupted run, for any number of threads.
func TestResume(t *testing.T) {
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			whole := tiny(t)
			if err := run(t.Context(), whole, options(t.TempDir(), 6)); err != nil {
				t.Fatal(err)
			}
			defer simd.SetThreads(simd.Threads())
			simd.SetThreads(3)
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			o := options(dir, 6)
			o.Progress = func(p Progress) {
				if p.Step == 3 {
					cancel()
				}
			}
			if err := run(ctx, tiny(t), o); !errors.Is(err, context.Canceled) {
				t.Fatalf("a stopped run returned %v", err)
			}
			again := tiny(t)
			first := 0
			o = options(dir, 6)
			o.Progress = func(p Progress) {
				if first == 0 {
					first = p.Step
				}
			}
			if err := run(t.Context(), again, o); err != nil {
				t.Fatal(err)
			}
			if first != 4 {
				t.Errorf("the second session began with step %d, want 4", first)
			}
			if !bytes.Equal(weights(whole), weights(again)) {
				t.Error("weights differ between one run and two")
			}
		})
	}
}

func TestTrainingLearns(t *testing.T) {
	for name, run := range runs {
		if name == "few-steps" {
			continue // an untrained teacher's losses differ by a hundred times: TestDistilLearns
		}
		t.Run(name, func(t *testing.T) {
			var losses []float64
			dir := t.TempDir()
			o := options(dir, 40)
			o.Progress = func(p Progress) { losses = append(losses, p.Loss) }
			if err := run(t.Context(), tiny(t), o); err != nil {
				t.Fatal(err)
			}
			mean := func(v []float64) (s float64) {
				for _, x := range v {
					s += x / float64(len(v))
				}
				return s
			}
			if early, late := mean(losses[:5]), mean(losses[35:]); !(late < 0.9*early) {
				t.Errorf("the loss went from %.4f to %.4f", early, late)
			}
			kind, _, _ := strings.Cut(name, ",")
			f, err := os.Open(filepath.Join(dir, kind+"-loss.png"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := png.Decode(f); err != nil {
				t.Errorf("the loss plot: %v", err)
			}
		})
	}
}

// TestStills checks that the requested share of steps uses single frames, as
// many as the windows of the other steps have groups, and that none of these is
// given as a first frame: that would teach nothing.
func TestStills(t *testing.T) {
	fo := flowOptions()
	fo.Stills, fo.Image = 0.5, 1
	m := tiny(t)
	fo.Groups = m.Config.Flow.Groups
	task := newFlowTask(m, Storybook{Seed: 1}, fo, 3)
	stills := 0
	for step := range 40 {
		batches, err := task.batch(t.Context(), step)
		if err != nil {
			t.Fatal(err)
		}
		frames, groups := 0, batches[0].shape[1]
		for _, b := range batches {
			frames += b.shape[0] * b.shape[1]
			if given := b.in.T[0] == 1; given != (groups > 1) {
				t.Errorf("step %d: windows of %d groups, the first given: %v", step, groups, given)
			}
		}
		if want := fo.Batch * 5; frames != want { // 2 chunks of 2 groups and the first frame
			t.Errorf("step %d has %d groups, want %d", step, frames, want)
		}
		if groups == 1 {
			stills++
		}
	}
	if stills < 10 || stills > 30 {
		t.Errorf("%d steps of 40 saw stills, half were asked for", stills)
	}
}

// TestAnchor checks that a new codec's first channels approach those of the
// anchor, which has two channels fewer, and that without an anchor they do not.
func TestAnchor(t *testing.T) {
	anchor := tiny(t)
	off := func(a *reel.Model) float64 {
		m := tiny(t)
		cfg := m.Config
		cfg.Codec.Latent += 2
		grown, err := reel.New(cfg, m.BPE, 1)
		if err != nil {
			t.Fatal(err)
		}
		co := codecOptions()
		co.Anchor, co.Hold = a, 100
		if err := Codec(t.Context(), grown, Storybook{Seed: 1}, options(t.TempDir(), 40), co, nil); err != nil {
			t.Fatal(err)
		}
		w, err := Storybook{Seed: 5}.Window(t.Context(), 1, reel.Frames(2), cfg.Width, cfg.Height, cfg.FPS)
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.Zeros(1, w.T, w.H, w.W, 3)
		w.pixels(x.Data(), 0, 0, w.W, w.H)
		o := backend.Exact()
		was := anchor.Codec.Encode(o, x, true, nil)
		is := o.Narrow(grown.Codec.Encode(o, x, true, nil), 4, 0, m.Config.Codec.Latent)
		return math.Sqrt(float64(tensor.Values(o, o.MeanSquare(o.Sub(is, was)))[0] / tensor.Values(o, o.MeanSquare(was))[0]))
	}
	// 40 steps bring the two about a factor of 2 apart, on every instruction set.
	if held, free := off(anchor), off(nil); !(free > 1.5*held) {
		t.Errorf("latents are off by %.2f of themselves with an anchor, by %.2f without", held, free)
	}
	m := tiny(t)
	cfg := m.Config
	cfg.Codec.Latent--
	small, err := reel.New(cfg, m.BPE, 1)
	if err != nil {
		t.Fatal(err)
	}
	co := codecOptions()
	co.Anchor = anchor
	err = Codec(t.Context(), small, Storybook{Seed: 1}, options(t.TempDir(), 1), co, nil)
	if err == nil || !strings.Contains(err.Error(), "4 channels, this one only of 3") {
		t.Errorf("an anchor of more channels: %v", err)
	}
}

// TestBrokenCheckpoint checks that a damaged or foreign file is refused and
// stays as it is.
func TestBrokenCheckpoint(t *testing.T) {
	dir := t.TempDir()
	if err := runs["codec"](t.Context(), tiny(t), options(dir, 2)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "codec.checkpoint.safetensors")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut": good[:len(good)/2], "garbage": []byte("not a checkpoint at all")} {
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		err := runs["codec"](t.Context(), tiny(t), options(dir, 4))
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v does not name the file", name, err)
		}
		if left, _ := os.ReadFile(path); !bytes.Equal(left, bad) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// TestUnwritableFolder checks that a failed save is reported and leaves the
// previous checkpoint.
func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	if err := runs["codec"](t.Context(), tiny(t), options(dir, 2)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "codec.checkpoint.safetensors")
	good, _ := os.ReadFile(path)
	o := options(dir, 4)
	aside := dir + "-aside"
	o.Progress = func(p Progress) {
		if p.Step == 3 { // remove the folder during the run
			if err := os.Rename(dir, aside); err != nil {
				t.Error(err)
			}
		}
	}
	err := runs["codec"](t.Context(), tiny(t), o)
	if err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("a checkpoint that could not be written: error %v", err)
	}
	if left, _ := os.ReadFile(filepath.Join(aside, filepath.Base(path))); !bytes.Equal(left, good) {
		t.Error("the checkpoint before was lost")
	}
}

func TestStream(t *testing.T) {
	m := tiny(t)
	o := StreamOptions{First: 4, Windows: 3, Groups: 3, Captions: 2, Seed: 1}
	write := func() []byte {
		var out bytes.Buffer
		if err := Stream(t.Context(), m, Storybook{Seed: 1}, &out, o); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	all := write()
	if !bytes.Equal(all, write()) {
		t.Error("a stream written again differs")
	}
	line, rest, _ := bytes.Cut(all, []byte("\n"))
	var h StreamHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Format != StreamFormat || h.Frames != 17 || h.Storybook != world.Newest || len(rest) != 3*h.Record {
		t.Fatalf("header %+v, %v, before %d bytes", h, err, len(rest))
	}
	w, err := Storybook{Seed: 1}.Window(t.Context(), 6, h.Frames, h.Width, h.Height, m.Config.FPS)
	if err != nil {
		t.Fatal(err)
	}
	last := rest[2*h.Record:]
	if !bytes.Equal(last[len(last)-len(w.Frames):], w.Frames) {
		t.Error("the last record does not end with the frames of window 6")
	}
	if got := math.Float32frombits(binary.LittleEndian.Uint32(last)); got != float32(w.Seconds) {
		t.Errorf("a video of %g s is reported as %g", w.Seconds, got)
	}
	caption := last[4+4*h.Groups:]
	if open := binary.LittleEndian.Uint16(caption); open != 1 {
		t.Errorf("a caption begins with token %d, not with the opening one", open)
	}
	actors := caption[2*h.Captions*h.Max:][:h.Groups*(h.Height/16)*(h.Width/16)]
	if slices.Max(actors) == 0 {
		t.Error("no latent shows an actor")
	}
}

func TestStreamStopsWhenItsReaderIsGone(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		io.CopyN(io.Discard, r, 1000)
		r.Close()
	}()
	err := Stream(t.Context(), tiny(t), Storybook{Seed: 1}, w, StreamOptions{Groups: 2, Captions: 1})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func TestLatentNoise(t *testing.T) {
	const rows, n = 64, 1000
	z := tensor.Zeros(rows, n)
	for i := range z.Data() {
		z.Data()[i] = 2
	}
	tape := autograd.NewTape(backend.Exact())
	noise := latentNoise(tape.Backend(), z, 0.25, stepRNG(1, 2, 3))
	least, most := math.Inf(1), 0.0
	for i := range rows {
		var sum float64
		for _, v := range tensor.Values(tape.Backend(), noise)[i*n : (i+1)*n] {
			sum += float64(v) * float64(v)
		}
		least, most = min(least, math.Sqrt(sum/n)), max(most, math.Sqrt(sum/n))
	}
	if least > 0.05 || most < 0.3 || most > 0.6 {
		t.Errorf("deviations from %.3f to %.3f, want almost 0 to almost a quarter of 2", least, most)
	}
}

func TestLossLogThins(t *testing.T) {
	var l lossLog
	for i := range 5000 {
		l.add(Progress{Loss: float64(i)})
	}
	if n := len(l.Points["loss"]); n >= logPoints || n < logPoints/2-1 {
		t.Errorf("%d points are kept", n)
	}
	if first := l.Points["loss"][0]; math.Abs(first-float64(l.Every-1)/2) > 1e-9 {
		t.Errorf("the first point is %g, want the mean of %d steps", first, l.Every)
	}
}

func TestRate(t *testing.T) {
	o := Options{LR: 1, Steps: 100, Warmup: 10, Cooldown: 0.2}
	for step, want := range map[int]float64{0: 0.1, 9: 1, 50: 1, 80: 1, 90: 0.5, 99: 0.05} {
		if got := o.rate(step); math.Abs(got-want) > 1e-9 {
			t.Errorf("step %d: rate %g, want %g", step, got, want)
		}
	}
}

// TestActorShares: an actor that moves from one latent to the next counts in
// both, in proportion to its time there. An actor outside the frame counts in
// none.
func TestActorShares(t *testing.T) {
	w := Window{T: 9, H: 32, W: 48}
	for i := range w.T {
		at := image.Rect(2, 2, 10, 10) // first and half of the group: upper left
		if i > 4 {
			at = image.Rect(12, 2, 20, 10) // then on the edge of two
		}
		w.Actors = append(w.Actors, []image.Rectangle{at, image.Rect(-40, 0, -20, 30)})
	}
	got := actorShares(w, 2, 2, 3)
	want := []float32{1, 0, 0, 0, 0, 0, 1, 0.5, 0, 0, 0, 0}
	if !slices.Equal(got, want) {
		t.Errorf("shares %v, want %v", got, want)
	}
}

// TestDecoderOnly trains the decoder alone: the encoder keeps its bytes, and
// the latents keep the statistics that a transformer was trained with.
func TestDecoderOnly(t *testing.T) {
	m, before := tiny(t), tiny(t)
	for _, m := range []*reel.Model{m, before} {
		m.Codec.SetStatistics([]float32{1, 2, 3, 4}, []float32{5, 6, 7, 8})
	}
	co := codecOptions()
	co.DecoderOnly = true
	if err := Codec(t.Context(), m, Storybook{Seed: 1}, options(t.TempDir(), 2), co, nil); err != nil {
		t.Fatal(err)
	}
	kept := []string{"codec.in", "codec.down", "codec.enc", "codec.to_latent", "codec.latent_"}
	for _, name := range m.CodecParams.Names() {
		keep := slices.ContainsFunc(kept, func(p string) bool { return strings.HasPrefix(name, p) })
		if same := slices.Equal(m.CodecParams.Get(name).Data(), before.CodecParams.Get(name).Data()); same != keep {
			t.Errorf("%s the same: %v, want %v", name, same, keep)
		}
	}
}

// TestCaptions: a byte order mark never becomes part of a caption, and an error
// names another encoding.
func TestCaptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	for in, want := range map[string][]string{
		text.Mark + "a red ball\r\na blue cat\r\n":     {"a red ball", "a blue cat"},
		"a red ball\n" + text.Mark + " a blue cat\n\n": {"a red ball", "a blue cat"}, // two files joined
	} {
		if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readCaptions(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"\xff\xfea\x00": "UTF-16, little-endian", "a\x00 \x00": "UTF-16", "a\ncaf\xe9": "line 2 holds the byte 0xE9", text.Mark + "\n": "holds no caption",
		strings.Repeat("a", MaxCaptions+1): "larger than",
	} {
		if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readCaptions(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.txt") {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
}
