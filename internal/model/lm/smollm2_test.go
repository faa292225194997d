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
// them where KINORA_SMOLLM2_ALL is set.
func TestSmolLM2(t *testing.T) {
	m, p := smollm2(t), readParity(t)
	for _, c := range []struct {
		b   tensor.Backend
		bar float64
	}{{backend.Fine(), 3e-3}, {backend.Exact(), 1e-4}} {
		n := len(p.Prompts)
		if os.Getenv("KINORA_SMOLLM2_ALL") == "" {
			if n = 4; c.b.Precision() == tensor.F32 || testing.Short() {
				n = 1 // the matrices are widened for each token
			}
		}
		same, worst := 0, 0.0
		for at := 0; at < n; at += gatherRows {
			s, w := p.follow(t, m.decoder, c.b, at, min(at+gatherRows, n))
			same, worst = same+s, max(worst, w)
		}
		t.Logf("%v: %d of %d answers are the same, logits differ by %.2g at most", c.b.Precision(), same, n, worst)
		if same < (95*n+99)/100 || !(worst <= c.bar) {
			t.Errorf("%v: %d of %d answers are the same, must be 95 %%; logits are %.3g away, must be at most %g", c.b.Precision(), same, n, worst, c.bar)
		}
	}
}

const gatherRows = 16

// follow feeds the prompts from lo to hi and then their answers, together. It returns
// how many answers the model would have given itself, and the largest difference of
// logits.
func (p *parity) follow(t *testing.T, d *decoder, b tensor.Backend, lo, hi int) (same int, worst float64) {
	t.Helper()
	runs := make([]run, hi-lo)
	equal := make([]bool, hi-lo)
	for i := range runs {
		runs[i] = run{d.newCaches(b), p.Prompts[lo+i], make([]float32, d.Vocabulary)}
		equal[i] = true
		if err := d.pass(t.Context(), b, runs[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]float32, len(p.Sample))
	for step := range p.Answers[0] {
		for i := range runs {
			l := runs[i].logits
			top := slices.Index(l, slices.Max(l))
			equal[i] = equal[i] && int32(top) == p.Answers[lo+i][step]
			if at := slices.Index(p.Steps, step); at >= 0 {
				for j, id := range p.Sample {
					got[j] = l[id]
				}
				want := ((lo+i)*len(p.Steps) + at) * len(p.Sample)
				worst = max(worst, relativeL2(got, p.logits[want:][:len(p.Sample)]))
			}
			runs[i].ids = p.Answers[lo+i][step : step+1]
		}
		if err := d.pass(t.Context(), b, runs); err != nil {
			t.Fatal(err)
		}
	}
	for i := range runs {
		if equal[i] {
			same++
		}
		for _, c := range runs[i].caches {
			b.FreeCache(c)
		}
	}
	return same, worst
}
