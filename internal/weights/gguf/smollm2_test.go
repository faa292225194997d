package gguf

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// digests is what tools/reference/quant.py writes of a file.
type digests struct {
	Metadata map[string]any
	Tensors  map[string]struct {
		Type   string
		Shape  []int
		SHA256 string
	}
}

// TestSmolLM2 reads every number and every entry of a file of released weights
// as the Python package does.
func TestSmolLM2(t *testing.T) {
	path := cmp.Or(os.Getenv("KINORA_SMOLLM2"), filepath.Join("..", "..", "..", ".cache", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("there is no SmolLM2 (%v): run scripts/smollm2, which gets it, or name the file in KINORA_SMOLLM2", err)
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "smollm2.json"))
	if err != nil {
		t.Fatalf("%v: tools/reference/README.md says how to make it, by quant.py", err)
	}
	var want digests
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Names()) != len(want.Tensors) || len(want.Tensors) != 272 || len(f.Keys()) != len(want.Metadata) {
		t.Errorf("%d tensors and %d entries, want %d and %d", len(f.Names()), len(f.Keys()), len(want.Tensors), len(want.Metadata))
	}
	for name, w := range want.Tensors {
		s, shape, err := f.Stored(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := digest(tensor.InPlace(s, shape...).Values()); got != w.SHA256 || !strings.EqualFold(s.DType.String(), w.Type) || !slices.Equal(shape, w.Shape) {
			t.Errorf("%s: %v %v with the digest %s, want %+v", name, s.DType, shape, got, w)
		}
		s.Source.Release(s.Bytes)
	}
	for key, w := range want.Metadata {
		if got := entryLike(t, f, key, w); fmt.Sprint(got) != fmt.Sprint(w) {
			t.Errorf("%s is %v, want %v", key, got, w)
		}
	}
}

// digest is the SHA-256 of numbers as little-endian f32.
func digest(x []float32) string {
	h := sha256.New()
	for part := range slices.Chunk(x, 1<<14) {
		b := make([]byte, 0, 1<<16)
		for _, v := range part {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// entryLike reads an entry by the method for what the golden has.
func entryLike(t *testing.T, f *File, key string, like any) any {
	t.Helper()
	var got any
	var err error
	switch like.(type) {
	case string:
		got, err = f.Text(key)
	case bool:
		got, err = f.Bool(key)
	case float64:
		got, err = f.Float(key)
	default:
		v, _ := f.Value(key)
		var list []string
		if v.Elem == Text {
			list, err = f.Texts(key)
		} else {
			var n []int64
			n, err = f.Ints(key)
			for _, n := range n {
				list = append(list, fmt.Sprint(n))
			}
		}
		sum := sha256.Sum256([]byte(strings.Join(list, "\x00")))
		got = map[string]any{"len": float64(len(list)), "sha256": hex.EncodeToString(sum[:])}
	}
	if err != nil {
		t.Error(err)
	}
	return got
}
