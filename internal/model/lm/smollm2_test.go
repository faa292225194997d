package lm

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// smollm2 opens released weights, or skips the test.
func smollm2(t testing.TB) *Model {
	t.Helper()
	path := cmp.Or(os.Getenv("KINORA_SMOLLM2"), filepath.Join("..", "..", "..", ".cache", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("there is no SmolLM2 (%v): run scripts/smollm2, which gets it, or name the file in KINORA_SMOLLM2", err)
	}
	m, err := Open(path, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

const question = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"

// TestAnswer asks released weights a question.
func TestAnswer(t *testing.T) {
	m := smollm2(t)
	ids, err := m.Tokenizer().Encode(question, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := m.NewSession()
	defer s.Close()
	var sb strings.Builder
	r, err := s.Generate(t.Context(), ids, Options{MaxTokens: 64}, func(p Piece) error {
		sb.WriteString(p.Text)
		return nil
	})
	t.Logf("%+v", r)
	t.Log(m.Info(), m.EOS())
	if err != nil || !strings.Contains(r.Text, "Paris") || sb.String() != r.Text || r.Reason != Stop {
		t.Errorf("%+v, %v; pieces %q", r, err, sb.String())
	}
}

// parity is what tools/reference/lm.py writes: prompts and the 64 tokens that follow
// each, and the logits of some tokens after some of the steps.
type parity struct {
	Sample, Steps    []int
	Prompts, Answers [][]int32
	logits           []float32 // [prompts, steps, sample]
}

func readParity(t *testing.T) parity {
	t.Helper()
	const how = "make it with: python3 tools/reference/lm.py smollm2 --file .cache/models/SmolLM2-135M-Instruct.Q4_1.gguf --out internal/model/lm/testdata"
	var p parity
	data, err := os.ReadFile("testdata/smollm2.json")
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		t.Fatalf("%v; %s", err, how)
	}
	f, err := safetensors.Open("testdata/smollm2.safetensors")
	if err != nil {
		t.Fatalf("%v; %s", err, how)
	}
	defer f.Close()
	if p.logits, _, err = f.Float32("logits"); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSmolLM2 holds released weights against transformers: the logits, and how many
// answers are the same in all 64 tokens. It takes a few of the 100 prompts, and all of
// them where KINORA_SMOLLM2_ALL is set. Where nothing is rounded, the tokens of an
// answer are computed together, as each would else need all weights as f32.
func TestSmolLM2(t *testing.T) {
	m, p := smollm2(t), readParity(t)
	if testing.Short() {
		t.Skip("it computes a thousand tokens of a real model")
	}
	n := 4
	if os.Getenv("KINORA_SMOLLM2_ALL") != "" {
		n = len(p.Prompts)
	}
	for _, c := range []struct {
		b      tensor.Backend
		follow func(t *testing.T, d *decoder, b tensor.Backend, at int) (bool, float64)
		bar    float64
	}{{backend.Exact(), p.together, 1e-4}, {backend.Fine(), p.oneByOne, 3e-3}} {
		same, worst := 0, 0.0
		for i := range n {
			equal, off := c.follow(t, m.decoder, c.b, i)
			if worst = max(worst, off); equal {
				same++
			}
		}
		t.Logf("%v: %d of %d answers are the same, logits differ by %.2g at most", c.b.Precision(), same, n, worst)
		if same < (95*n+99)/100 || !(worst <= c.bar) {
			t.Errorf("%v: %d of %d answers are the same, must be 95 %%; logits are %.3g away, must be at most %g", c.b.Precision(), same, n, worst, c.bar)
		}
	}
}

// together feeds a prompt with its answer. It tells whether the model would have
// answered so, and the largest difference of logits.
func (p *parity) together(t *testing.T, d *decoder, b tensor.Backend, at int) (bool, float64) {
	answer := p.Answers[at]
	ids := append(slices.Clone(p.Prompts[at]), answer[:len(answer)-1]...)
	logits := make([]float32, len(answer)*d.Vocabulary)
	p.feed(t, d, b, run{d.newCaches(b), ids, logits})
	return p.compare(at, func(step int) []float32 { return logits[step*d.Vocabulary:][:d.Vocabulary] })
}

// oneByOne is together, token by token after the prompt.
func (p *parity) oneByOne(t *testing.T, d *decoder, b tensor.Backend, at int) (bool, float64) {
	r := run{d.newCaches(b), p.Prompts[at], make([]float32, d.Vocabulary)}
	return p.compare(at, func(step int) []float32 {
		p.feed(t, d, b, r)
		r.ids = p.Answers[at][step : step+1]
		return r.logits
	})
}

func (p *parity) feed(t *testing.T, d *decoder, b tensor.Backend, r run) {
	t.Helper()
	if err := d.pass(t.Context(), b, []run{r}); err != nil {
		t.Fatal(err)
	}
}

// compare holds the logits of each step of an answer against transformers.
func (p *parity) compare(at int, logits func(step int) []float32) (equal bool, worst float64) {
	equal = true
	got := make([]float32, len(p.Sample))
	for step, id := range p.Answers[at] {
		l := logits(step)
		equal = equal && slices.Index(l, slices.Max(l)) == int(id)
		if i := slices.Index(p.Steps, step); i >= 0 {
			for j, id := range p.Sample {
				got[j] = l[id]
			}
			want := (at*len(p.Steps) + i) * len(p.Sample)
			worst = max(worst, goldentest.RelativeL2(got, p.logits[want:][:len(p.Sample)]))
		}
	}
	return equal, worst
}
