package wan

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/sampler"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// short makes a story of few steps.
func short(s *story) *story {
	c := *s
	c.Steps = 3
	return &c
}

// notes opens the story's model and collects what it tells.
func (s *story) withNotes(t *testing.T, dir string, o engine.Options) (*model, *[]string) {
	t.Helper()
	var notes []string
	o.Note = func(line string) { notes = append(notes, line) }
	return s.open(t, dir, o, backend.New), &notes
}

// TestStreamedIsResident: with any number of parts of text encoder and transformer
// in memory, and with the prompts one after the other or side by side, latents are
// the same bytes.
func TestStreamedIsResident(t *testing.T) {
	all := pipelines(t)
	for _, name := range []string{"t2v", "two experts", "ti2v, image", "lora kohya", "clip, both frames"} {
		s := short(all[name])
		m, _ := s.withNotes(t, s.folder(t), s.options())
		for _, cache := range []float32{0, 0.4} {
			j := s.job(m)
			j.StepCache = cache
			want := sample(t, m, j)
			for _, p := range []plan{{}, {stay: 2, encoderLayers: 1, imageLayers: 1}, {together: true}, {stay: 9, encoderLayers: 9, imageLayers: 9, together: true}} {
				r, err := m.newRun(j)
				if err != nil {
					t.Fatal(err)
				}
				r.plan = p
				got, err := r.sample(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Data, want.Data) {
					t.Errorf("%s, step cache %v: other latents with %+v", name, cache, p)
				}
			}
		}
	}
}

// TestLayersAreTold: a job hears of each layer that reads the prompt, unless the prompt
// was read before, and of each layer of a step.
func TestLayersAreTold(t *testing.T) {
	for name, branches := range map[string]int{"t2v": 2, "clip, both frames": 2} {
		s := short(pipelines(t)[name])
		m, _ := s.withNotes(t, s.folder(t), engine.Options{Cache: t.TempDir()})
		j := s.job(m)
		text, image, parts := m.text.encoder.Layers.Len(), 0, m.experts[0].Parts.Len()
		if m.looks != nil {
			image = m.looks.Layers.Len()
		}
		var read, within []int
		j.Reading = func(done, total int) {
			if total != text+image || len(within) > 0 {
				t.Errorf("%s: %d of %d layers read, after %d of a step", name, done, total, len(within))
			}
			read = append(read, done)
		}
		j.Within = func(done, total int) {
			if total != branches*parts {
				t.Errorf("%s: %d of %d layers of a step", name, done, total)
			}
			within = append(within, done)
		}
		for again := range 2 {
			read, within = nil, nil
			sample(t, m, j)
			first := again * text // the second time, the prompts are known
			if want := upTo(first, text+image); !slices.Equal(read, want) {
				t.Errorf("%s: layers read %v, want %v", name, read, want)
			}
			step := upTo(0, branches*parts)
			if want := slices.Repeat(step, j.Steps); !slices.Equal(within, want) {
				t.Errorf("%s: layers of steps %v, want %v", name, within, want)
			}
		}
	}
}

// upTo are the numbers after lo up to hi.
func upTo(lo, hi int) []int {
	var out []int
	for i := lo + 1; i <= hi; i++ {
		out = append(out, i)
	}
	return out
}

// TestPlan: a larger limit keeps more parts in memory, the plan is told before
// anything is done, and the refusal of a limit names one that is enough.
func TestPlan(t *testing.T) {
	was := baseBytes
	defer func() { baseBytes = was }()
	baseBytes = 0
	s := short(pipelines(t)["two experts"])
	dir := s.folder(t)
	m, notes := s.withNotes(t, dir, engine.Options{Memory: 1})
	j := s.job(m)
	_, err := m.Sample(t.Context(), j, func(int, int) { t.Error("a step was taken") })
	refused, ok := errors.AsType[*engine.Refusal](err)
	var mib int64
	if !ok || refused.Field != "memory" || len(*notes) != 0 {
		t.Fatalf("a limit of one byte: %v, %q", err, *notes)
	}
	if _, err := fmt.Sscanf(refused.Hint, "--memory %dMiB", &mib); err != nil {
		t.Fatalf("%q: %v", refused.Hint, err)
	}
	m, notes = s.withNotes(t, dir, engine.Options{Memory: mib << 20})
	if _, err := m.Sample(t.Context(), j, func(int, int) {
		if len(*notes) != 1 || !strings.HasPrefix((*notes)[0], "memory, at most ") || !strings.Contains((*notes)[0], "drawing takes ") {
			t.Errorf("before the first step: %q", *notes)
		}
	}); err != nil {
		t.Fatal(err)
	}

	r, err := m.newRun(j)
	if err != nil {
		t.Fatal(err)
	}
	stay, d := m.fitExperts(r, 1, 1)
	need := d.total()
	if stay != 0 || need <= 1 || d.files == 0 {
		t.Errorf("within nothing, %d parts stay and %+v is needed", stay, d)
	}
	last := 0
	for limit := need; last < m.experts[0].Parts.Len(); limit += need / 50 {
		stay, d := m.fitExperts(r, limit, 1)
		if stay < last || d.total() > limit || limit > 1<<30 {
			t.Fatalf("within %d bytes %d parts stay and %+v is needed; within less, %d stayed", limit, stay, d, last)
		}
		last = stay
	}
	if _, two := m.fitExperts(r, 1, 2); two.total() <= need {
		t.Errorf("two prompts side by side need %d bytes, one %d", two.total(), need)
	}
}

// TestStepCache: without a threshold nothing is skipped; with one, steps are, and
// the latents stay near those of whole steps.
func TestStepCache(t *testing.T) {
	s := pipelines(t)["t2v"]
	s.Steps = 12
	m, notes := s.withNotes(t, s.folder(t), engine.Options{})
	want := sample(t, m, s.job(m))
	distances := []float64{}
	for _, threshold := range []float32{1e-6, 0.35, 0.6} {
		*notes = nil
		j := s.job(m)
		j.StepCache = threshold
		got := sample(t, m, j)
		d := goldentest.RelativeL2(got.Data, want.Data)
		distances = append(distances, d)
		t.Logf("threshold %g: relative L2 %.3g from whole steps; %s", threshold, d, *notes)
		if len(*notes) != 1 || !strings.Contains((*notes)[0], "the step cache") {
			t.Errorf("threshold %g: the gain is not told: %q", threshold, *notes)
		}
		if skipped := strings.Contains((*notes)[0], "of 12 steps"); skipped != (threshold > 0.01) {
			t.Errorf("threshold %g: %q", threshold, *notes)
		}
	}
	if distances[0] != 0 {
		t.Errorf("a threshold that no step meets changes the latents by %.3g", distances[0])
	}
	if !(distances[1] > 0 && distances[1] < 0.1 && distances[2] > distances[1] && distances[2] < 0.3) {
		t.Errorf("relative L2 of %.3g from whole steps", distances)
	}
}

// TestExpertsHaveTheirLoRAs: an adapter for one expert changes what that one does
// and nothing else; one for both is the two together.
func TestExpertsHaveTheirLoRAs(t *testing.T) {
	s := pipelines(t)["two experts"]
	dir := s.folder(t)
	lora := func(expert string) engine.LoRA {
		return engine.LoRA{Path: filepath.Join(pipelineData, "lora_original.safetensors"), Strength: 0.7, Expert: expert}
	}
	latents := func(loras ...engine.LoRA) []float32 {
		t.Helper()
		m, notes := s.withNotes(t, dir, engine.Options{LoRAs: loras})
		if len(*notes) != 0 {
			t.Errorf("notes %q", *notes)
		}
		return sample(t, m, s.job(m)).Data
	}
	none, high, low, both := latents(), latents(lora("high")), latents(lora("low")), latents(lora(""))
	for name, pair := range map[string][2][]float32{"none, high": {none, high}, "none, low": {none, low}, "high, low": {high, low}, "high, both": {high, both}, "low, both": {low, both}} {
		if slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: the same latents", name)
		}
	}
	if !slices.Equal(latents(lora("low"), lora("high")), both) {
		t.Error("one for each is not one for both")
	}
	off := lora("")
	off.Strength = 0
	if !slices.Equal(latents(off), none) {
		t.Error("at strength 0 it has an effect")
	}
}

// TestPromptsAreKept: the encoder is not needed for a prompt that it has seen, by
// this process or another one; a damaged file is as none.
func TestPromptsAreKept(t *testing.T) {
	s := short(pipelines(t)["t2v"])
	dir, cache := s.folder(t), t.TempDir()
	o := engine.Options{Cache: cache}
	m, _ := s.withNotes(t, dir, o)
	want := sample(t, m, s.job(m))
	if m.text.tokens == nil {
		t.Fatal("the first prompt was not cut into tokens")
	}
	files, err := filepath.Glob(filepath.Join(cache, "prompts", "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("the cache holds %q, %v; want the prompt and the negative one", files, err)
	}
	again := func(what string, reads bool) {
		t.Helper()
		m, _ := s.withNotes(t, dir, o)
		if got := sample(t, m, s.job(m)); !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s: other latents", what)
		}
		if (m.text.tokens != nil) != reads {
			t.Errorf("%s: the text encoder was used: %v", what, !reads)
		}
	}
	again("a second time", false)
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	again("with a damaged file", true)
	if err := os.WriteFile(filepath.Join(dir, tokenizerDir, "more.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	again("with another tokenizer", true)
}

// TestCacheIsBounded: the files used longest ago are removed, and nothing else.
func TestCacheIsBounded(t *testing.T) {
	c := &promptCache{dir: t.TempDir(), key: []byte("k")}
	other := filepath.Join(c.dir, "notes.txt")
	if err := os.WriteFile(other, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var size int64
	for i := range 5 {
		prompt := fmt.Sprint(i)
		if err := c.save(prompt, rows{make([]float32, 40), 8}); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i-10) * time.Minute)
		if i == 1 {
			at = now // used again
		}
		if err := os.Chtimes(c.path(prompt), at, at); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(c.path(prompt))
		if err != nil {
			t.Fatal(err)
		}
		size = info.Size()
	}
	if err := c.tidy(3 * size); err != nil {
		t.Fatal(err)
	}
	for i, kept := range []bool{false, true, false, true, true} {
		if _, ok := c.load(fmt.Sprint(i), 8); ok != kept {
			t.Errorf("prompt %d is kept: %v", i, ok)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("a file of another name was removed")
	}
}

// TestLatents: what is saved is what is loaded, and nothing in a file is believed.
func TestLatents(t *testing.T) {
	all := pipelines(t)
	s := short(all["t2v"])
	m, _ := s.withNotes(t, s.folder(t), engine.Options{})
	l := sample(t, m, s.job(m))
	path := filepath.Join(t.TempDir(), "x.latents")
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := m.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if g := got.(*Latents); !slices.Equal(g.Data, l.Data) || g.Video() != l.Video() || g.Origin() != l.Origin() {
		t.Errorf("saved %+v %+v, loaded %+v %+v", l.Video(), l.Origin(), g.Video(), g.Origin())
	}
	if !slices.EqualFunc(draw(t, m, got), draw(t, m, l), slices.Equal[[]byte]) {
		t.Error("loaded latents are drawn otherwise")
	}
	other := all["ti2v, text"]
	m22, _ := other.withNotes(t, other.folder(t), engine.Options{})
	if _, err := m22.Load(path); err == nil || !strings.Contains(err.Error(), "another model") {
		t.Errorf("latents of another model: %v", err)
	}
	for want, change := range map[string]func(l *Latents, meta map[string]string){
		"not latents of a Wan":    func(_ *Latents, meta map[string]string) { meta[formatKey] = "kinora-reel-1" },
		"is damaged":              func(_ *Latents, meta map[string]string) { meta[videoKey] = "{" },
		"for a video of 0 frames": func(_ *Latents, meta map[string]string) { meta[videoKey] = `{"Frames":0}` },
		"for a video of 900000": func(_ *Latents, meta map[string]string) {
			meta[videoKey] = `{"Frames":900000,"FPS":16,"Width":48,"Height":32}`
		},
		"or damaged": func(_ *Latents, meta map[string]string) {
			meta[videoKey] = `{"Frames":9,"FPS":16,"Width":49,"Height":32}`
		},
		"not finite":       func(l *Latents, _ map[string]string) { l.Data[3] = float32(math.NaN()) },
		"of another model": func(l *Latents, _ map[string]string) { l.C, l.W = l.C/2, 2*l.W },
	} {
		bad := *l
		bad.Data = slices.Clone(l.Data)
		meta := map[string]string{formatKey: latentsFormat, videoKey: `{"Frames":9,"FPS":16,"Width":48,"Height":32}`, originKey: "{}"}
		change(&bad, meta)
		x := safetensors.FromFloat32(latentsTensor, safetensors.F32, bad.Data, bad.T, bad.H, bad.W, bad.C)
		if err := safetensors.WriteFile(path, []safetensors.Tensor{x}, meta); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestOtherFiles opens the same weights as diffusers does not have them: under the
// names of ComfyUI, in shards with an index, and in a GGUF file.
func TestOtherFiles(t *testing.T) {
	s := short(pipelines(t)["t2v"])
	dir := s.folder(t)
	m, _ := s.withNotes(t, dir, engine.Options{})
	want := sample(t, m, s.job(m))
	part := filepath.Join(dir, transformerDir)
	file := filepath.Join(part, "model.safetensors")
	f := storyGoldens.Open(t, "t2v")
	aliases, err := TransformerAliases(f)
	if err != nil {
		t.Fatal(err)
	}
	layout := func(prefix string, i int) (out []safetensors.Tensor) {
		for _, name := range f.Names() {
			x, shape, err := f.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			all := aliases(name)
			n := strings.TrimPrefix(all[min(i, len(all)-1)], "model.diffusion_model.")
			out = append(out, safetensors.FromFloat32(prefix+n, safetensors.BF16, x, shape...))
		}
		return out
	}
	write := func(path string, tensors []safetensors.Tensor) {
		if err := safetensors.WriteFile(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string) {
		t.Helper()
		m, _ := s.withNotes(t, dir, engine.Options{})
		if got := sample(t, m, s.job(m)); !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s: other latents", what)
		}
	}
	write(file, layout("model.diffusion_model.", 1))
	check("ComfyUI")

	plain := layout("", 0)
	write(filepath.Join(part, "a-00001-of-00002.safetensors"), plain[:9])
	write(filepath.Join(part, "a-00002-of-00002.safetensors"), plain[9:])
	index := `{"weight_map":{"x":"a-00001-of-00002.safetensors","y":"a-00002-of-00002.safetensors"}}`
	if err := os.WriteFile(filepath.Join(part, "a.safetensors.index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	check("shards")
	for _, name := range []string{"model.safetensors", "a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors", "a.safetensors.index.json"} {
		if err := os.Remove(filepath.Join(part, name)); err != nil {
			t.Fatal(err)
		}
	}

	var blocks []gguf.Tensor
	for _, x := range layout("", 1) {
		blocks = append(blocks, gguf.Tensor{Name: x.Name, Type: gguf.BF16, Shape: x.Shape, Data: func(w io.Writer) error {
			_, err := w.Write(x.Data)
			return err
		}})
	}
	if err := gguf.WriteFile(filepath.Join(part, "x.gguf"), blocks, nil); err != nil {
		t.Fatal(err)
	}
	check("GGUF")
}

// TestPreview: previews are pictures of the video's size, seldom, and the video is
// the same without them.
func TestPreview(t *testing.T) {
	s := pipelines(t)["t2v"]
	s.Steps = 6
	m, _ := s.withNotes(t, s.folder(t), engine.Options{})
	want := sample(t, m, s.job(m))
	var given [][]byte
	clock := time.Now()
	j := s.job(m)
	j.Preview = func(rgb []byte) { given = append(given, rgb) }
	r, err := m.newRun(j)
	if err != nil {
		t.Fatal(err)
	}
	p := newPreviewer(r)
	p.now, p.last = func() time.Time { return clock }, clock
	noise := r.noise(sampler.NewTorch(1), nil)
	for i, due := range []bool{false, true, false, false, true} {
		clock = clock.Add(previewEvery - time.Duration(1-i%2))
		if due {
			p.last = clock.Add(-previewEvery)
		} else {
			p.last = clock.Add(1 - previewEvery)
		}
		before := len(given)
		p.offer(t.Context(), noise, want.Data, 1, false)
		if got := len(given) > before; got != due {
			t.Errorf("offer %d: drawn %v, want %v", i, got, due)
		}
	}
	p.last = clock.Add(-time.Hour)
	if p.offer(t.Context(), noise, want.Data, 1, true); len(given) != 2 {
		t.Errorf("%d previews, want 2 and none of the last step", len(given))
	}
	// With noise as both the latents and the velocity, nothing is left.
	p.offer(t.Context(), noise, noise, 1, false)
	clean := *want
	clean.Data = make([]float32, len(want.Data))
	if first := draw(t, m, &clean)[0]; len(given) != 3 || !slices.Equal(given[2], first) {
		t.Error("a preview is not the first frame of what is predicted")
	}
	if got := sample(t, m, j); !slices.Equal(got.Data, want.Data) {
		t.Error("with previews the video is another one")
	}
}

// TestCapabilities says of each kind of model what it takes.
func TestCapabilities(t *testing.T) {
	all := pipelines(t)
	for name, want := range map[string]struct {
		first, last, negative bool
		steps, rate           int
		guidance              float32
		experts               int
	}{
		"t2v":               {negative: true, steps: 50, rate: 16, guidance: 5},
		"two experts":       {negative: true, steps: 40, rate: 16, guidance: 4, experts: 2},
		"i2v":               {first: true, last: true, negative: true, steps: 50, rate: 16, guidance: 5},
		"clip":              {first: true, negative: true, steps: 50, rate: 16, guidance: 5},
		"clip, both frames": {first: true, last: true, negative: true, steps: 50, rate: 16, guidance: 5},
		"ti2v, text":        {first: true, negative: true, steps: 50, rate: 24, guidance: 5},
		"distilled":         {steps: 3, rate: 16, guidance: 1},
	} {
		spec, err := Spec("x", all[name].folder(t))
		if err != nil {
			t.Fatal(err)
		}
		c := spec.Capabilities()
		if c.FirstFrame != want.first || c.LastFrame != want.last || c.Negative != want.negative || c.Steps.Default != want.steps || c.Rates[0] != want.rate || c.Guidance.Default != want.guidance || len(c.Extras.Experts) != want.experts {
			t.Errorf("%s: %+v, want %+v", name, c, want)
		}
		if c.Name != "x" || !strings.HasPrefix(c.About, "Wan 2.") || !c.Extras.LoRA || !c.Extras.Memory || !c.Extras.StepCache || len(c.Extras.Decoders) != 0 {
			t.Errorf("%s: %+v", name, c)
		}
		if c.Cost.Memory <= 0 || c.Cost.CoreSeconds <= 0 || !(c.Cost.SamplingShare > 0 && c.Cost.SamplingShare < 1) {
			t.Errorf("%s: %+v", name, c.Cost)
		}
	}
}

// TestTinyDecoder draws with a tiny decoder, if there is one that fits.
func TestTinyDecoder(t *testing.T) {
	s := short(pipelines(t)["ti2v, text"])
	dir := s.folder(t)
	copyFile(t, "../tae/testdata/taew2_2.safetensors", filepath.Join(dir, tinyDir, "x.safetensors"))
	m, _ := s.withNotes(t, dir, engine.Options{Decoder: engine.TinyDecoder})
	if got := m.caps.Extras.Decoders; !slices.Equal(got, []engine.Decoder{engine.FullDecoder, engine.TinyDecoder}) {
		t.Errorf("the decoders are %v", got)
	}
	l := sample(t, m, s.job(m))
	tiny := draw(t, m, l)
	full, _ := s.withNotes(t, dir, engine.Options{})
	if other := draw(t, full, l); len(tiny) != s.Frames || len(other) != s.Frames || slices.Equal(tiny[0], other[0]) || len(tiny[0]) != len(other[0]) {
		t.Errorf("%d and %d frames by the two decoders", len(tiny), len(other))
	}
	// That of Wan 2.1 speaks of other latents.
	copyFile(t, "../tae/testdata/taew2_1.safetensors", filepath.Join(dir, tinyDir, "x.safetensors"))
	f, err := readFolder("x", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.openOn(t.Context(), engine.Options{}, backend.New); err == nil || !strings.Contains(err.Error(), "of another one") {
		t.Errorf("a tiny decoder of another model: %v", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRefusals: what only the open model knows is refused before it costs anything.
func TestRefusals(t *testing.T) {
	s := pipelines(t)["i2v"]
	m, _ := s.withNotes(t, s.folder(t), engine.Options{})
	j := s.job(m)
	j.First = nil
	var refused *engine.Refusal
	if _, err := m.Sample(t.Context(), j, nil); !errors.As(err, &refused) || refused.Field != "image" {
		t.Errorf("without a picture: %v", err)
	}
	for name, l := range map[string]engine.LoRA{
		"no such file": {Path: "nowhere.safetensors", Strength: 1}, "fits": {Path: filepath.Join(pipelineData, "t2v.safetensors"), Strength: 1},
	} {
		f, err := readFolder("x", m.dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.openOn(t.Context(), engine.Options{LoRAs: []engine.LoRA{l}}, backend.New)
		if !errors.As(err, &refused) || refused.Field != "LoRA" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
