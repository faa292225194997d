package lm

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

const turn = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"

// TestAnswer asks released weights a question.
func TestAnswer(t *testing.T) {
	m := smollm2(t)
	ids, err := m.Tokenizer().Encode(turn, 0)
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
