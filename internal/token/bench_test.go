package token

import (
	"os"
	"path/filepath"
	"testing"
)

// benchTexts is what encoding is timed on, as `tools/reference/tokens.py speed`
// times the reference: the strings that are UTF-8 and at least 20 bytes long.
func benchTexts(b *testing.B) (texts []string, size int) {
	for _, s := range goldenStrings(b) {
		if len(s) >= 20 && validText(s) == s {
			texts = append(texts, s)
			size += len(s)
		}
	}
	return texts, size
}

func BenchmarkEncode(b *testing.B) {
	texts, size := benchTexts(b)
	for _, name := range []string{"qwen3.json", "umt5.json", "t5.model", "llama2.json"} {
		b.Run(name, func(b *testing.B) {
			var tok *Tokenizer
			if name == "qwen3.json" {
				tok = largeTokenizer(b, name)
			} else {
				tok = smallTokenizer(b, name)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, s := range texts {
					if _, err := tok.Encode(s, 0); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkReadQwen3(b *testing.B) {
	data, err := os.ReadFile(filepath.Join(largeDir, "qwen3.json"))
	if err != nil {
		b.Skipf("%v: run `make tokenizers`", err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadJSON(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadLarge(b *testing.B) {
	hf, spiece := largeFiles(b, largePieces(largeSize))
	for _, file := range []struct {
		name string
		data []byte
	}{{"large.json", hf}, {"large.model", spiece}} {
		b.Run(file.name, func(b *testing.B) {
			b.SetBytes(int64(len(file.data)))
			b.ReportAllocs()
			for b.Loop() {
				readAny(b, file.name, file.data)
			}
		})
	}
}
