package token

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// tiny returns a tokenizer.json whose parts are those given, or sound ones.
func tiny(parts map[string]string) []byte {
	all := map[string]string{
		"version": `"1.0"`, "added_tokens": `[]`, "normalizer": `null`, "pre_tokenizer": `null`, "post_processor": `null`, "decoder": `null`,
		"model": `{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`,
	}
	for name, text := range parts {
		all[name] = text
	}
	var sb strings.Builder
	for name, text := range all {
		fmt.Fprintf(&sb, ",%q:%s", name, text)
	}
	return []byte("{" + sb.String()[1:] + "}")
}

func TestReadJSONRefuses(t *testing.T) {
	part := func(name, text string) []byte { return tiny(map[string]string{name: text}) }
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "no '{'"},
		{"not UTF-8", []byte("{\"a\":\"\xff\"}"), "not UTF-8"},
		{"too large", make([]byte, MaxFileBytes+1), "more than"},
		{"trailing", append(part("version", `"1.0"`), 'x'), "follows"},
		{"part twice", []byte(`{"model":1,"model":2}`), "twice"},
		{"part", part("magic", `{}`), `"magic"`},
		{"deep", part("version", strings.Repeat("[", 100)+strings.Repeat("]", 100)), "deep"},
		{"surrogate", part("version", `"\ud800"`), "surrogate"},
		{"model", part("model", `null`), "no model"},
		{"model type", part("model", `{"type":"WordPiece","vocab":{}}`), "WordPiece"},
		{"model field", part("model", `{"type":"BPE","vocab":{},"merges":[],"spell":1}`), "spell"},
		{"dropout", part("model", `{"type":"BPE","dropout":0.1,"vocab":{},"merges":[]}`), "dropout"},
		{"suffix", part("model", `{"type":"BPE","end_of_word_suffix":"</w>","vocab":{},"merges":[]}`), "end_of_word_suffix"},
		{"merge", part("model", `{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}`), "not in the vocabulary"},
		{"merge of three", part("model", `{"type":"BPE","vocab":{"a":0},"merges":[["a","a","a"]]}`), "two tokens"},
		{"merge of one", part("model", `{"type":"BPE","vocab":{"a":0},"merges":["a"]}`), "two tokens"},
		{"number twice", part("model", `{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}`), "both"},
		{"number", part("model", `{"type":"BPE","vocab":{"a":99999999},"merges":[]}`), "99999999"},
		{"negative", part("model", `{"type":"BPE","vocab":{"a":-1},"merges":[]}`), "-1"},
		{"long token", part("model", `{"type":"BPE","vocab":{"`+strings.Repeat("a", MaxPieceBytes+1)+`":0},"merges":[]}`), "1025 bytes"},
		{"unknown token", part("model", `{"type":"BPE","unk_token":"u","vocab":{},"merges":[]}`), `"u"`},
		{"bytes", part("model", `{"type":"BPE","byte_fallback":true,"vocab":{"<0x00>":0},"merges":[]}`), "<0x01>"},
		{"unigram", part("model", `{"type":"Unigram","vocab":[["a",-1]]}`), "unk_id"},
		{"unigram score", part("model", `{"type":"Unigram","unk_id":0,"vocab":[["a",1e999]]}`), "1e999"},
		{"unigram pair", part("model", `{"type":"Unigram","unk_id":0,"vocab":[["a"]]}`), "score"},
		{"normalizer", part("normalizer", `{"type":"BertNormalizer"}`), "BertNormalizer"},
		{"normalizer field", part("normalizer", `{"type":"NFC","depth":1}`), "depth"},
		{"replace", part("normalizer", `{"type":"Replace","pattern":{"Regex":"(a+)+b"},"content":"x"}`), "(a+)+b"},
		{"replacement", part("normalizer", `{"type":"Replace","pattern":{"String":"a"},"content":"`+strings.Repeat("x", 99)+`"}`), "99 bytes"},
		{"charsmap", part("normalizer", `{"type":"Precompiled","precompiled_charsmap":"/////w=="}`), "trie"},
		{"sequences", part("normalizer", strings.Repeat(`{"type":"Sequence","normalizers":[`, 5)+strings.Repeat(`]}`, 5)), "depth"},
		{"pre-tokenizer", part("pre_tokenizer", `{"type":"UnicodeScripts"}`), "UnicodeScripts"},
		{"pattern", part("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"\\w+(?=x)"},"behavior":"Isolated","invert":false}`), "(?=x)"},
		{"inverted", part("pre_tokenizer", `{"type":"Split","pattern":{"String":"x"},"behavior":"Isolated","invert":true}`), "inverted"},
		{"behavior", part("pre_tokenizer", `{"type":"Split","pattern":{"String":"x"},"behavior":"Sideways"}`), "Sideways"},
		{"after bytes", part("pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}`), "Digits"},
		{"no decoder", part("pre_tokenizer", `{"type":"ByteLevel"}`), "no decoder"},
		{"scheme", part("pre_tokenizer", `{"type":"Metaspace","replacement":"_","prepend_scheme":"often"}`), "often"},
		{"decoder", part("decoder", `{"type":"CTC"}`), "CTC"},
		{"decoder of bytes", part("decoder", `{"type":"ByteLevel"}`), "does not go with"},
		{"post-processor", part("post_processor", `{"type":"Magic"}`), "Magic"},
		{"template", part("post_processor", `{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}}`), "Sequence A"},
		{"template token", part("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"x":{"id":"x","ids":[77],"tokens":["x"]}}}`), "token 77"},
		{"added number", part("added_tokens", `[{"id":5,"content":"a","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}]`), "and 0 in the vocabulary"},
		{"added twice", part("added_tokens", `[{"id":5,"content":"x"},{"id":5,"content":"y"}]`), "both have the number 5"},
		{"added length", part("added_tokens", `[{"id":5,"content":"`+strings.Repeat("x", MaxAddedBytes+1)+`"}]`), "257 bytes"},
	}
	for _, tt := range tests {
		tok, err := ReadJSON(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) || tok != nil {
			t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	if _, err := ReadJSON(tiny(nil)); err != nil {
		t.Errorf("the file that the others are made of: %v", err)
	}
}

func TestEscapedJSON(t *testing.T) {
	tok, err := ReadJSON(tiny(map[string]string{"model": `{"type":"BPE","vocab":{"\u0061":0,"\ud83d\ude00":1,"\n\/\"":2},"merges":[]}`}))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range []string{"a", "😀", "\n/\""} {
		if got := tok.Token(int32(id)); got != want {
			t.Errorf("token %d is %q, want %q", id, got, want)
		}
	}
}

// protobuf spells fields: a number, bytes, or a float32 for each tag.
func protobuf(tagsAndValues ...any) []byte {
	var b []byte
	for i := 0; i < len(tagsAndValues); i += 2 {
		tag := uint64(tagsAndValues[i].(int)) << 3
		switch v := tagsAndValues[i+1].(type) {
		case int:
			b = binary.AppendUvarint(binary.AppendUvarint(b, tag|wireVarint), uint64(v))
		case float32:
			b = binary.LittleEndian.AppendUint32(binary.AppendUvarint(b, tag|wireFixed32), math.Float32bits(v))
		case string:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, tag|wireBytes), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, tag|wireBytes), uint64(len(v))), v...)
		}
	}
	return b
}

func protoPiece(s string, score float32, kind pieceKind) []byte {
	return protobuf(1, protobuf(1, s, 2, score, 3, int(kind)))
}

func TestReadSentencePieceRefuses(t *testing.T) {
	unk, a := protoPiece("<unk>", 0, unknownPiece), protoPiece("a", -1, normalPiece)
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "0 pieces"},
		{"not a protobuf", []byte("version https://example"), "damaged"},
		{"damaged", []byte{0x0f}, "damaged"},
		{"cut short", slices.Concat(unk, a)[:len(unk)+4], "cut short"},
		{"too large", make([]byte, MaxFileBytes+1), "more than"},
		{"no unknown", a, "unknown text"},
		{"two unknown", slices.Concat(unk, protoPiece("u", 0, unknownPiece)), "both stand for"},
		{"twice", slices.Concat(unk, a, a), `both "a"`},
		{"empty piece", slices.Concat(unk, protoPiece("", 0, normalPiece)), "0 bytes"},
		{"long piece", slices.Concat(unk, protoPiece(strings.Repeat("a", MaxPieceBytes+1), 0, normalPiece)), "1025 bytes"},
		{"type", slices.Concat(unk, protoPiece("b", 0, 9)), "type 9"},
		{"score", slices.Concat(unk, protoPiece("b", float32(math.NaN()), normalPiece)), "not a number"},
		{"not UTF-8", slices.Concat(unk, protoPiece("\xff", 0, normalPiece)), "not UTF-8"},
		{"model", slices.Concat(unk, a, protobuf(2, protobuf(3, 4))), "type 4"},
		{"bytes", slices.Concat(unk, a, protobuf(2, protobuf(35, 1))), "<0x00>"},
		{"table", slices.Concat(unk, a, protobuf(3, protobuf(2, "abcdef"))), "table"},
		{"denormalizer", slices.Concat(unk, a, protobuf(5, protobuf(2, "abcdef"))), "denormalizer"},
		{"unused in BPE", slices.Concat(unk, protoPiece("b", 0, unusedPiece), protobuf(2, protobuf(3, 2))), "unused"},
	}
	for _, tt := range tests {
		tok, err := ReadSentencePiece(tt.in, Around{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || tok != nil {
			t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	tok, err := ReadSentencePiece(slices.Concat(unk, a, protoPiece("</s>", 0, controlPiece)), Around{Begin: true, End: true})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tok.Encode("a", 0) // no piece is the space before it
	if want := []int32{0, 1, 2}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("got %v, %v, want %v", ids, err, want)
	}
}

func TestDamagedCharsmap(t *testing.T) {
	m, p := &modelProto{}, gunzip(t, "t5.model.gz")
	if err := fields(p, m.field); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		b := slices.Clone(m.table)
		for range 200 { // in the trie, whose size stays
			b[4+rng.IntN(len(b)/2)] = byte(rng.Uint32())
		}
		c, err := readCharsmap(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range goldenStrings(t)[:200] {
			if got := c.normalize(validText(s)); !utf8.ValidString(got) {
				t.Fatalf("%q became %q", s, got)
			}
		}
	}
}

// largeSize is how many pieces UMT5 has.
const largeSize = 256_300

// largePieces makes up so many pieces, in several scripts.
func largePieces(size int) (text []string) {
	rng := rand.New(rand.NewPCG(3, 4))
	scripts := [][2]rune{{'a', 'z'}, {'а', 'я'}, {0x4e00, 0x9fa5}, {0x905, 0x939}, {0xac00, 0xd7a3}, {0x621, 0x64a}, {0xe01, 0xe2e}}
	seen := map[string]bool{}
	for len(text) < size {
		s := scripts[rng.IntN(len(scripts))]
		var sb strings.Builder
		if rng.IntN(2) == 0 {
			sb.WriteString(spaceMark)
		}
		for range 1 + rng.IntN(8) {
			sb.WriteRune(s[0] + rune(rng.IntN(int(s[1]-s[0]+1))))
		}
		if !seen[sb.String()] {
			seen[sb.String()] = true
			text = append(text, sb.String())
		}
	}
	return text
}

// largeFiles returns a tokenizer.json and a spiece.model with these pieces.
func largeFiles(t testing.TB, text []string) (hf, spiece []byte) {
	t.Helper()
	m := &modelProto{}
	if err := fields(gunzip(t, "t5.model.gz"), m.field); err != nil {
		t.Fatal(err)
	}
	vocab := [][2]any{{"<unk>", 0.0}}
	spiece = protoPiece("<unk>", 0, unknownPiece)
	for i, s := range text {
		score := -5 - float32(i)/50_000
		vocab = append(vocab, [2]any{s, score})
		spiece = append(spiece, protoPiece(s, score, normalPiece)...)
	}
	spiece = append(spiece, protobuf(3, protobuf(2, m.table))...)
	v, err := json.Marshal(vocab)
	if err != nil {
		t.Fatal(err)
	}
	hf = tiny(map[string]string{
		"normalizer":    `{"type":"Precompiled","precompiled_charsmap":"` + base64.StdEncoding.EncodeToString(m.table) + `"}`,
		"pre_tokenizer": `{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`,
		"model":         `{"type":"Unigram","unk_id":0,"vocab":` + string(v) + `}`,
	})
	return hf, spiece
}

func TestLargeVocabulary(t *testing.T) {
	size := largeSize
	if testing.Short() {
		size /= 16
	}
	text := largePieces(size)
	hf, spiece := largeFiles(t, text)
	a, b := readAny(t, "large.json", hf), readAny(t, "large.model", spiece)
	if a.Size() != len(text)+1 || b.Size() != len(text)+1 {
		t.Fatalf("%d and %d pieces, want %d", a.Size(), b.Size(), len(text)+1)
	}
	for i, s := range text {
		if id, ok := a.ID(s); !ok || id != int32(i)+1 {
			t.Fatalf("%q is %d, want %d", s, id, i+1)
		}
		if id, ok := b.ID(s); !ok || id != int32(i)+1 {
			t.Fatalf("%q is %d in the model, want %d", s, id, i+1)
		}
	}
}
