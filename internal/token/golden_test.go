package token

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The goldens say what Hugging Face's tokenizers and SentencePiece make of the
// strings in testdata/strings.gz.

const howGoldens = "write it with tools/reference/tokens.py, whose top says how"

// largeDir has the tokenizers that are too large for the repository.
var largeDir = filepath.Join("..", "..", ".cache", "tokenizers")

// small lists the checked-in tokenizers.
var small = []string{
	"gpt2.json", "smollm.json", "qwen.json", "llama3.json", "llama2.json", "lower.json",
	"umt5.json", "umt5bytes.json", "t5.model", "t5bytes.model", "spbpe.model",
}

// minStrings is how many strings must agree at least.
const minStrings = 2000

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatalf("%v: %s", err, howGoldens)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return data
}

func goldenStrings(t testing.TB) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(string(gunzip(t, "strings.gz"))) {
		s, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(s))
	}
	if len(out) < minStrings {
		t.Fatalf("%d strings, want %d at least", len(out), minStrings)
	}
	return out
}

func readAny(t testing.TB, name string, data []byte) *Tokenizer {
	t.Helper()
	var tok *Tokenizer
	var err error
	if strings.HasSuffix(name, ".model") {
		tok, err = ReadSentencePiece(data, Around{})
	} else {
		tok, err = ReadJSON(data)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tok
}

func smallTokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	return readAny(t, name, gunzip(t, name+".gz"))
}

// largeTokenizer returns a tokenizer that is not checked in. Where it is missing
// the test says how to get it, and fails in CI.
func largeTokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(largeDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("KINORA_TOKENIZERS") != "" {
			t.Fatalf("%v, though KINORA_TOKENIZERS is set: run `make tokenizers`", err)
		}
		t.Skipf("%s is not here: run `make tokenizers` (needs npm)", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return readAny(t, name, data)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func digestIDs(t testing.TB, ids []int32) string {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, ids); err != nil {
		t.Fatal(err)
	}
	return digest(b.Bytes())
}

func TestGoldenTokens(t *testing.T) {
	all := goldenStrings(t)
	for _, name := range small {
		t.Run(name, func(t *testing.T) { agree(t, smallTokenizer(t, name), name, all) })
	}
	for _, name := range []string{"qwen3.json"} {
		t.Run(name, func(t *testing.T) { agree(t, largeTokenizer(t, name), name, all) })
	}
}

// agree compares the ids of all strings, and what they decode to.
func agree(t *testing.T, tok *Tokenizer, name string, all []string) {
	lines := strings.Split(strings.TrimSuffix(string(gunzip(t, name+".golden.gz")), "\n"), "\n")
	if len(lines) != len(all) {
		t.Fatalf("the golden has %d lines for %d strings: %s", len(lines), len(all), howGoldens)
	}
	wrong := 0
	for i, s := range all {
		fields := strings.Fields(lines[i])
		ids, err := tok.Encode(s, 0)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		text := tok.Decode(ids, true)
		if digestIDs(t, ids) == fields[0] && digest([]byte(text)) == fields[1] {
			continue
		}
		if wrong++; wrong > 5 {
			continue
		}
		if len(fields) < 3 { // only digests are known
			t.Errorf("string %d, %q: got %v, %q; ids equal: %v, text equal: %v", i, s, ids, text,
				digestIDs(t, ids) == fields[0], digest([]byte(text)) == fields[1])
			continue
		}
		var want []int32
		if err := json.Unmarshal([]byte(fields[2]), &want); err != nil {
			t.Fatal(err)
		}
		wantText := ""
		if len(fields) > 3 {
			b, err := base64.StdEncoding.DecodeString(fields[3])
			if err != nil {
				t.Fatal(err)
			}
			wantText = string(b)
		}
		t.Errorf("string %d, %q: ids equal: %v: got %v, want %v; text %q, want %q", i, s, slices.Equal(ids, want), ids, want, text, wantText)
	}
	if wrong > 0 {
		t.Errorf("%d of %d strings differ", wrong, len(all))
	}
}
