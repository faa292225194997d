package token

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const fuzzText = "A red fox's  42 <s>[both] é語😀\n\t▁ab"

// use runs an accepted tokenizer: nothing it says may break it.
func use(t *testing.T, tok *Tokenizer, text string) {
	ids, err := tok.Encode(text, 0)
	if err != nil {
		return
	}
	for _, id := range ids {
		if id < 0 || int(id) >= tok.Size() {
			t.Fatalf("token %d is not in [0, %d)", id, tok.Size())
		}
	}
	want := tok.Decode(ids, false)
	if !utf8.ValidString(want) {
		t.Fatalf("%v is %q", ids, want)
	}
	d := tok.NewDecoder(false)
	var sb strings.Builder
	for _, id := range ids {
		sb.WriteString(d.Add(id))
	}
	if got := sb.String() + d.End(); got != want {
		t.Fatalf("%q one by one, %q at once", got, want)
	}
	if cut, err := tok.Encode(text, 3); err != nil || len(cut) > 3 {
		t.Fatalf("max 3 gives %v, %v", cut, err)
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add(tiny(nil), fuzzText)
	for _, parts := range []map[string]string{
		{"model": `{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["▁a",-1],["b",-2.5]]}`, "pre_tokenizer": `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}`, "decoder": `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}`},
		{"pre_tokenizer": `{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":true}]}`, "decoder": `{"type":"ByteLevel"}`, "normalizer": `{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"},{"type":"Lowercase"},{"type":"Strip","strip_left":true,"strip_right":true}]}`},
		{"model": `{"type":"BPE","unk_token":"a","fuse_unk":true,"vocab":{"a":0,"▁":1,"▁a":2},"merges":[["▁","a"]]}`, "normalizer": `{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"▁"}]}`, "decoder": `{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1}]}`},
		{"added_tokens": `[{"id":7,"content":"<s>","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":true}]`, "post_processor": `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[7],"tokens":["<s>"]}}}`},
		{"pre_tokenizer": `{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}`},
	} {
		f.Add(tiny(parts), fuzzText)
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if tok, err := ReadJSON(data); err == nil {
			use(t, tok, text)
		}
	})
}

func FuzzReadSentencePiece(f *testing.F) {
	unk := protoPiece("<unk>", 0, unknownPiece)
	some := slices.Concat(unk, protoPiece("</s>", 0, controlPiece), protoPiece("▁a", -1, normalPiece), protoPiece("b", -2, normalPiece), protoPiece("ab", -3, fixedPiece))
	f.Add(some, fuzzText)
	f.Add(slices.Concat(some, protobuf(2, protobuf(3, 2, 44, "?"), 3, protobuf(3, 0, 4, 1, 5, 0))), fuzzText)
	// A table whose only rule makes a space of a zero byte.
	f.Add(slices.Concat(some, protobuf(3, protobuf(2, "\x10\x00\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00 \x00"))), "\x00a")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if tok, err := ReadSentencePiece(data, Around{Begin: true, End: true}); err == nil {
			use(t, tok, text)
		}
	})
}

func FuzzFromGGUF(f *testing.F) {
	f.Add("gpt2", "qwen2", "a\nb\nab\nĠ\n<s>", []byte{1, 1, 1, 1, 3}, "a b", []byte(nil), fuzzText)
	f.Add("llama", "", "<unk>\n▁\na\n▁a\nab", []byte{2, 1, 1, 1, 4}, "", []byte(nil), fuzzText)
	f.Add("t5", "", "<unk>\n▁\na\n▁a\n</s>", []byte{2, 1, 1, 1, 3}, "", []byte("\x04\x00\x00\x00\x00\x04\x00\x00 \x00"), fuzzText)
	f.Fuzz(func(t *testing.T, model, pre, tokens string, types []byte, merges string, table []byte, text string) {
		g := GGUF{Model: model, Pre: pre, Tokens: strings.Split(tokens, "\n"), Merges: strings.Split(merges, "\n"), Charsmap: table}
		for i, b := range types {
			g.TokenType = append(g.TokenType, int32(int8(b)))
			g.Scores = append(g.Scores, -float32(i%7))
		}
		id := uint32(len(text))
		g.BOS, g.EOS = &id, &id
		if tok, err := FromGGUF(g); err == nil {
			use(t, tok, text)
		}
		g.BOS, g.EOS = nil, nil
		if tok, err := FromGGUF(g); err == nil {
			use(t, tok, text)
		}
	})
}

func FuzzTokenizer(f *testing.F) {
	for i, s := range goldenStrings(f) {
		if i%16 == 0 {
			f.Add(s)
		}
	}
	toks := map[string]*Tokenizer{}
	for _, name := range small {
		toks[name] = smallTokenizer(f, name)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range small {
			use(t, toks[name], s)
		}
		tok := toks["smollm.json"] // neither normalizes nor lacks a byte
		if ids, err := tok.Encode(s, 0); err == nil && !strings.Contains(s, "[both]") && tok.Decode(ids, false) != validText(s) {
			t.Fatalf("%q came back as %q", s, tok.Decode(ids, false))
		}
	})
}
