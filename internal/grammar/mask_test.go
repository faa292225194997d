package grammar

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/token"
)

// smallTokenizer is one of 1,500 tokens that the tests of package token have.
var smallTokenizer = sync.OnceValues(func() (*token.Tokenizer, error) {
	f, err := os.Open(filepath.Join("..", "token", "testdata", "smollm.json.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	return token.ReadJSON(text)
})

// largeTokenizer is Qwen3's, where it is there.
var largeTokenizer = sync.OnceValues(func() (*token.Tokenizer, error) {
	text, err := os.ReadFile(cmp.Or(os.Getenv("KINORA_QWEN3"), filepath.Join("..", "..", ".cache", "tokenizers", "qwen3.json")))
	if err != nil {
		return nil, err
	}
	return token.ReadJSON(text)
})

// vocabularies are those to test with, by name, with a token that ends a text.
func vocabularies(t testing.TB) map[string]*token.Tokenizer {
	t.Helper()
	small, err := smallTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*token.Tokenizer{"small": small}
	if large, err := largeTokenizer(); err == nil && !testing.Short() {
		all["qwen3"] = large
	} else {
		t.Logf("without Qwen3's tokenizer (make tokenizers gets it): %v", err)
	}
	return all
}

// endOf returns a token that ends a text.
func endOf(t testing.TB, tok *token.Tokenizer) int32 {
	for _, s := range []string{"<|im_end|>", "<|endoftext|>"} {
		if id, ok := tok.ID(s); ok {
			return id
		}
	}
	t.Fatal("the tokenizer has no end")
	return 0
}

// shortest says of each rule how many bytes the shortest text that it derives
// has.
func shortest(g *Grammar) []int {
	least := slices.Repeat([]int{math.MaxInt32}, len(g.alts))
	for changed := true; changed; {
		changed = false
		for rule, alts := range g.alts {
			for _, at := range alts {
				if n := rest(g, least, at); n < least[rule] {
					least[rule], changed = n, true
				}
			}
		}
	}
	return least
}

// rest is how many bytes are at least to come in a rule, from a place in it.
func rest(g *Grammar, least []int, pos int32) (n int) {
	for ; g.syms[pos] != symEnd && n < math.MaxInt32; pos++ {
		if s := g.syms[pos]; s >= 0 {
			n += least[s]
		} else {
			n++
		}
	}
	return min(n, math.MaxInt32)
}

// distance is how many bytes are at least to come until the text may end.
func (m *Mask) distance(least []int, at int32) int {
	best := math.MaxInt32
	for _, top := range m.a.states[at].stacks {
		n := 0
		for ; top > 0; top = m.a.frames[top].under {
			n += rest(m.a.g, least, m.a.frames[top].pos)
		}
		best = min(best, n)
	}
	return best
}

// walker writes random texts: of the tokens that may come it takes any, and after
// so many the ones that bring the end nearer.
type walker struct {
	tok   *token.Tokenizer
	v     *Vocabulary
	end   int32
	r     *rand.Rand
	least []int
	free  int // tokens before it looks for the end
}

func (w *walker) walk(t testing.TB, g *Grammar) string {
	m := g.NewMask(w.v, []int32{w.end})
	var text strings.Builder
	for n := 0; ; n++ {
		if n > 5000 {
			t.Fatalf("no end is found: %.200q", text.String())
		}
		set := m.tokens()
		var ids []int32
		for word, bits := range set {
			for ; bits != 0; bits &= bits - 1 {
				ids = append(ids, int32(word*64+trailing(bits)))
			}
		}
		if len(ids) == 0 {
			t.Fatalf("nothing may follow %q: %v", text.String(), m.Err())
		}
		id := ids[w.r.IntN(len(ids))]
		if n >= w.free {
			best := math.MaxInt32
			for range 24 {
				one := ids[w.r.IntN(len(ids))]
				if d := w.distanceOf(m, one); d < best {
					id, best = one, d
				}
			}
			for _, s := range []string{`"`, "}", "]", ":", ",", ".", " "} {
				if one, ok := w.tok.ID(s); ok && m.Allows(one) {
					if d := w.distanceOf(m, one); d < best {
						id, best = one, d
					}
				}
			}
			if m.CanEnd() {
				id = w.end
			}
		}
		if !m.Allows(id) {
			t.Fatalf("token %d (%q) is in the set and not allowed after %q", id, w.v.text[id], text.String())
		}
		if other := int32(w.r.IntN(w.v.size)); m.Allows(other) != (set[other>>6]>>(other&63)&1 == 1) {
			t.Fatalf("token %d (%q) after %q: set and Allows do not agree", other, w.v.text[other], text.String())
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("after %q: %v", text.String(), err)
		}
		if id == w.end {
			return text.String()
		}
		text.WriteString(w.v.text[id])
	}
}

func (w *walker) distanceOf(m *Mask, id int32) int {
	if id == w.end {
		return 0
	}
	return m.distance(w.least, m.follow(id))
}

func trailing(bits uint64) (n int) {
	for ; bits&1 == 0; bits >>= 1 {
		n++
	}
	return n
}

// TestRandomContinuations: whatever tokens a mask lets come, what is written is
// JSON, or what its schema asks for, by other code than this package's.
func TestRandomContinuations(t *testing.T) {
	schema, err := FromSchema([]byte(personSchema))
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range vocabularies(t) {
		n := 150
		if name != "small" {
			n = 15
		}
		if os.Getenv("KINORA_WALKS") != "" {
			n = 10000 / 3
		}
		v := OfTokenizer(tok)
		for what, g := range map[string]*Grammar{"value": JSON(), "object": JSONObject(), "schema": schema} {
			w := &walker{tok: tok, v: v, end: endOf(t, tok), r: rand.New(rand.NewPCG(7, 7)), least: shortest(g)}
			bytes := 0
			for i := range n {
				w.free = i % 40
				text := w.walk(t, g)
				bytes += len(text)
				var got any
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatalf("%s, %s: %q: %v", name, what, text, err)
				}
				switch _, object := got.(map[string]any); {
				case what == "object" && !object:
					t.Fatalf("%s: %q is no object", name, text)
				case what == "schema":
					checkPerson(t, text)
				}
			}
			t.Logf("%s, %s: %d texts of %d bytes on average", name, what, n, bytes/n)
		}
	}
}

// TestLimit: all logits but those of the tokens that may come are -Inf, and a
// model may have more logits than there are tokens.
func TestLimit(t *testing.T) {
	words := []string{"ca", "t", "cat", "dog", "c", "\xc3", "\xa9", "é", ""}
	v := NewVocabulary(len(words), func(id int32) string { return words[id] })
	m := mustParse(t, `root ::= "cat" | "cé"`).NewMask(v, []int32{8})
	check := func(want ...int32) {
		t.Helper()
		logits := make([]float32, 12)
		m.Limit(logits)
		var got []int32
		for id, l := range logits {
			if !math.IsInf(float64(l), -1) {
				got = append(got, int32(id))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("may come: %v, want %v", got, want)
		}
	}
	accept := func(id int32) {
		t.Helper()
		if err := m.Accept(id); err != nil {
			t.Error(err)
		}
	}
	check(0, 2, 4)
	accept(4)
	check(5, 7)
	if err := m.Accept(3); err == nil || m.Accept(8) == nil || m.Accept(-1) == nil || m.Accept(99) == nil {
		t.Errorf("a token that must not come is taken: %v", err)
	}
	accept(5)
	check(6)
	if m.CanEnd() {
		t.Error("half a character is the end")
	}
	accept(6)
	check(8)
	accept(8)
	check()
	if m.Allows(0) || m.Accept(0) == nil || m.Err() != nil {
		t.Error("something follows the end")
	}
}

// TestTrim: an automaton that forgets its states goes on as before.
func TestTrim(t *testing.T) {
	a := newAutomaton(JSON())
	at := a.start()
	text := `{"a": [[[{"b": "x`
	for i := range len(text) {
		at = a.step(at, text[i])
	}
	a.bytes = keepBytes + 1
	at, trimmed := a.trim(at)
	if !trimmed || len(a.states) != 2 {
		t.Fatalf("%d states, trimmed %v", len(a.states), trimmed)
	}
	for _, b := range []byte(`y"}]]]}`) {
		if at = a.step(at, b); at == dead {
			t.Fatalf("%q does not go on", b)
		}
	}
	if !a.states[at].end {
		t.Error("the text has no end")
	}
}

// TestMemory: looking at all tokens takes bounded memory, whatever the grammar.
func TestMemory(t *testing.T) {
	var words []string
	for i := range 4000 {
		words = append(words, strings.Repeat("a", i%200+1)+string(rune('b'+i%20)))
	}
	v := NewVocabulary(len(words), func(id int32) string { return words[id] })
	m := mustParse(t, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"").NewMask(v, nil)
	logits := make([]float32, len(words))
	m.Limit(logits)
	if m.Err() == nil || !math.IsInf(float64(logits[0]), -1) {
		t.Errorf("the error is %v", m.Err())
	}
}

func BenchmarkMask(b *testing.B) {
	tok, err := largeTokenizer()
	if err != nil {
		b.Skip(err)
	}
	v := OfTokenizer(tok)
	in, err := tok.EncodePart(`{"name": "`)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			m := JSONObject().NewMask(v, nil)
			for _, id := range in {
				if err := m.Accept(id); err != nil {
					b.Fatal(err)
				}
			}
			m.tokens()
		}
	})
	m := JSONObject().NewMask(v, nil)
	for _, id := range in {
		if err := m.Accept(id); err != nil {
			b.Fatal(err)
		}
	}
	logits := make([]float32, v.size)
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			m.Limit(logits)
		}
	})
	b.Run("vocabulary", func(b *testing.B) {
		for b.Loop() {
			OfTokenizer(tok)
		}
	})
}
