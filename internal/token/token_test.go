package token

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var captions = []string{
	"a red ball bounces across a beach at sunset",
	"a red cat walks left across a meadow",
	"a blue cat walks right across a beach at night",
	"two blue birds fly up over the city, [Pan left] it rains",
	"First a red car moves right, then it stops.",
	"一只红色的球在海滩上弹跳",
	"一只红色的猫在草地上向左走",
	"两只蓝色的鸟在城市上空飞翔，夜晚",
	"كرة حمراء تقفز على الشاطئ عند الغروب",
	"قطة حمراء تمشي إلى اليسار على الشاطئ",
	"قطة زرقاء تمشي في المرج ليلًا",
}

func pieces(s string) []string {
	var out []string
	for len(s) > 0 {
		n := nextPiece(s)
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

func TestPieces(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"a red cat", []string{"a", " red", " cat"}},
		{"cat, [Pan left] 12 dogs!", []string{"cat", ",", " ", "[", "Pan", " left", "]", " 12", " dogs", "!"}},
		{"a  b", []string{"a", " ", " b"}},
		{"a \t b", []string{"a", " \t", " b"}},
		{"a  ", []string{"a", "  "}},
		{"a\n\nb", []string{"a", "\n", "\n", "b"}},
		{"\tb", []string{"\t", "b"}},
		{"一只猫，夜晚", []string{"一只猫", "，", "夜晚"}},
		{"猫cat2", []string{"猫", "cat", "2"}},
		{"【左】", []string{"【", "左", "】"}},
		{"ليلًا على", []string{"ليلًا", " على"}},
		{"\xff\xfe a", []string{"\xff\xfe", " a"}},
		{" ", []string{" "}},
	}
	for _, tt := range tests {
		if got := pieces(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("pieces(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, s := range []string{strings.Repeat("字", 400), strings.Repeat(" ", 1000), strings.Repeat("a", 1000)} {
		got := pieces(s)
		if strings.Join(got, "") != s {
			t.Errorf("the pieces of a run of %d bytes do not make it up", len(s))
		}
		for _, p := range got {
			if len(p) > MaxTokenBytes {
				t.Errorf("a piece has %d bytes", len(p))
			}
		}
	}
}

func TestTrainMerges(t *testing.T) {
	// "ab" occurs 5 times, "bc" and "abc" 3 times, nothing else twice.
	b := Train(slices.Values([]string{"abc", "abc", "abc", "ab", "ab", "xy"}), 1000)
	want := [][2]int32{
		{FirstByte + 'a', FirstByte + 'b'},
		{FirstMerge, FirstByte + 'c'},
	}
	if !slices.Equal(b.merges, want) {
		t.Fatalf("merges %v, want %v", b.merges, want)
	}
	if got, want := b.Encode("abc", 0), []int32{BOS, FirstMerge + 1, EOS}; !slices.Equal(got, want) {
		t.Errorf("Encode(abc) = %v, want %v", got, want)
	}
	if got, want := b.Encode("cab", 0), []int32{BOS, FirstByte + 'c', FirstMerge, EOS}; !slices.Equal(got, want) {
		t.Errorf("Encode(cab) = %v, want %v", got, want)
	}
}

// TestTrainAgainstSpecification compares the incremental trainer with one that
// counts every pair again after every merge.
func TestTrainAgainstSpecification(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		var texts []string
		for range 40 {
			w := make([]byte, 1+rng.IntN(9))
			for i := range w {
				w[i] = "aab "[rng.IntN(4)]
			}
			texts = append(texts, string(w))
		}
		got := Train(slices.Values(texts), 300)
		want := specTrain(texts, 300)
		if !slices.Equal(got.merges, want) {
			t.Fatalf("round %d: merges %v, want %v", round, got.merges, want)
		}
		rng.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		if again := Train(slices.Values(texts), 300); !slices.Equal(again.merges, want) {
			t.Fatalf("round %d: the order of the captions changed the vocabulary", round)
		}
	}
}

func specTrain(texts []string, vocab int) [][2]int32 {
	var words [][]int32
	for _, s := range texts {
		for _, p := range pieces(s) {
			var ids []int32
			for i := range len(p) {
				ids = append(ids, FirstByte+int32(p[i]))
			}
			words = append(words, ids)
		}
	}
	var merges [][2]int32
	for int(FirstMerge)+len(merges) < vocab {
		counts := map[uint64]int{}
		for _, w := range words {
			for i := range len(w) - 1 {
				counts[key(w[i], w[i+1])]++
			}
		}
		best, n := uint64(0), 1
		for k, c := range counts {
			if c > n || c == n && n > 1 && k < best {
				best, n = k, c
			}
		}
		if n < 2 {
			break
		}
		pair := [2]int32{int32(best >> 32), int32(uint32(best))}
		id := FirstMerge + int32(len(merges))
		merges = append(merges, pair)
		for i := range words {
			words[i] = replacePair(words[i], pair, id)
		}
	}
	return merges
}

func TestThreeLanguagesCompress(t *testing.T) {
	b := Train(slices.Values(captions), 512)
	for _, s := range []string{"a red cat walks across a beach", "一只红色的猫在海滩上", "قطة حمراء تمشي على الشاطئ"} {
		ids := b.Encode(s, 0)
		if got := b.Decode(ids); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if len(ids)-2 > len(s)/2 {
			t.Errorf("%q: %d tokens for %d bytes", s, len(ids)-2, len(s))
		}
	}
}

func TestVocabularyBounds(t *testing.T) {
	if got := Train(slices.Values(captions), 0).Size(); got != int(FirstMerge) {
		t.Errorf("vocab 0 gives %d tokens, want the %d of the bytes", got, FirstMerge)
	}
	if got := Train(slices.Values(captions), 300).Size(); got != 300 {
		t.Errorf("vocab 300 gives %d tokens", got)
	}
	long := Train(slices.Values([]string{strings.Repeat("a", 5000)}), 2000)
	for id := range int32(long.Size()) {
		if n := len(long.Token(id)); n > MaxTokenBytes {
			t.Fatalf("token %d has %d bytes", id, n)
		}
	}
}

func TestEncodeMax(t *testing.T) {
	b := Train(slices.Values(captions), 400)
	s := strings.Repeat(captions[0]+" ", 20)
	full := b.Encode(s, 0)
	for _, max := range []int{1, 2, 3, 7, 50, len(full) - 1, len(full), len(full) + 1} {
		got := b.Encode(s, max)
		if want := min(max, len(full)); len(got) != want {
			t.Fatalf("max %d gives %d ids, want %d", max, len(got), want)
		}
		if got[0] != BOS || max > 1 && got[len(got)-1] != EOS {
			t.Errorf("max %d: starts with %d, ends with %d", max, got[0], got[len(got)-1])
		}
		if n := len(got) - 1; max > 1 && !slices.Equal(got[:n], full[:n]) {
			t.Errorf("max %d: not the start of the whole encoding", max)
		}
	}
	if got := b.Encode("", 0); !slices.Equal(got, []int32{BOS, EOS}) {
		t.Errorf("the empty text encodes as %v", got)
	}
}

func TestDecodeForeignIDs(t *testing.T) {
	b := newBytes(0)
	ids := []int32{-5, Pad, BOS, FirstByte + 'o', 1 << 30, FirstByte + 'k', EOS}
	if got := b.Decode(ids); got != "ok" {
		t.Errorf("got %q", got)
	}
}

func TestRoundTripJSON(t *testing.T) {
	b := Train(slices.Values(captions), 450)
	got, err := Load(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.merges, b.merges) || !slices.Equal(got.text, b.text) {
		t.Error("the vocabulary changed on its way through JSON")
	}
	type holder struct{ Tokens *BPE }
	data, err := json.Marshal(holder{b})
	if err != nil {
		t.Fatal(err)
	}
	var h holder
	if err := json.Unmarshal(data, &h); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.Tokens.merges, b.merges) {
		t.Error("the vocabulary changed inside another struct")
	}
}

func TestLoadRefuses(t *testing.T) {
	doubling := make([]string, 9) // token i has 2^(i+1) bytes; the last has 512
	for i := range doubling {
		id := int(FirstMerge) + i - 1
		if i == 0 {
			id = int(FirstByte)
		}
		doubling[i] = fmt.Sprintf("[%d,%d]", id, id)
	}
	merges := func(s string) string { return `{"format":"kinora-bpe","version":1,"merges":[` + s + `]}` }
	tests := []struct{ name, in, want string }{
		{"empty", ``, "EOF"},
		{"not JSON", `{{`, "invalid character"},
		{"trailing", merges("") + `x`, "follows"},
		{"other format", `{"format":"x","version":1,"merges":[]}`, "says format"},
		{"other version", `{"format":"kinora-bpe","version":2,"merges":[]}`, "says format"},
		{"unknown field", `{"format":"kinora-bpe","version":1,"merges":[],"x":1}`, "unknown field"},
		{"short pair", merges(`[3]`), "instead of 2"},
		{"null pair", merges(`null`), "instead of 2"},
		{"long pair", merges(`[3,4,5]`), "instead of 2"},
		{"special", merges(`[1,4]`), "not in [3, 259)"},
		{"itself", merges(`[3,259]`), "not in [3, 259)"},
		{"negative", merges(`[-1,4]`), "not in"},
		{"overflow", merges(`[3,99999999999]`), "cannot unmarshal"},
		{"twice", merges(`[3,4],[3,4]`), "as an earlier merge does"},
		{"too long", merges(strings.Join(doubling, ",")), "512 bytes"},
		{"too big", strings.Repeat(" ", maxFileBytes+1), "more than"},
		{"too many", merges(strings.Repeat("[3,4],", MaxVocab) + "[3,4]"), "merges, more than"},
	}
	for _, tt := range tests {
		b, err := Load([]byte(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) || b != nil {
			t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
}

func FuzzReelEncode(f *testing.F) {
	for _, s := range captions {
		f.Add(s, 0)
	}
	f.Add("\xff\x00 \xe4\xb8", 3)
	b := Train(slices.Values(captions), 500)
	f.Fuzz(func(t *testing.T, s string, max int) {
		full := b.Encode(s, 0)
		if got := b.Decode(full); got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
		for _, id := range full[1 : len(full)-1] {
			if id < FirstByte || int(id) >= b.Size() {
				t.Fatalf("token %d is outside the vocabulary", id)
			}
		}
		if got := b.Encode(s, max); max > 0 && len(got) > max {
			t.Fatalf("max %d gives %d ids", max, len(got))
		}
	})
}

func FuzzReelLoad(f *testing.F) {
	f.Add(Train(slices.Values(captions), 300).Bytes())
	f.Add([]byte(`{"format":"kinora-bpe","version":1,"merges":[[3,4],[259,259]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Load(data)
		if err != nil {
			return
		}
		again, err := Load(b.Bytes())
		if err != nil || !slices.Equal(again.merges, b.merges) {
			t.Fatalf("an accepted vocabulary does not come back: %v", err)
		}
		const s = "a red cat 猫"
		if got := b.Decode(b.Encode(s, 0)); got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
	})
}

func BenchmarkReelEncode(b *testing.B) {
	bpe := Train(slices.Values(captions), 512)
	b.SetBytes(int64(len(captions[0])))
	b.ReportAllocs()
	for b.Loop() {
		bpe.Encode(captions[0], 64)
	}
}

func BenchmarkReelEncodeWorst(b *testing.B) {
	s := strings.Repeat("a", 1<<16)
	bpe := Train(slices.Values([]string{s}), 512)
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		bpe.Encode(s, 0)
	}
}
