package grammar

import (
	"errors"
	"strings"
	"testing"
)

func mustParse(t *testing.T, text string) *Grammar {
	t.Helper()
	g, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return g
}

// TestParse: which texts a grammar has and which it does not.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		grammar string
		yes, no []string
	}{
		{`root ::= "a" "b"`, []string{"ab"}, []string{"", "a", "abc"}},
		{"root ::= word (\" \" word)* # words\nword ::= [a-c]+ |\n  [0-9]{2}\n", []string{"abc", "a 12 b"}, []string{"1", "123", "a ", "d"}},
		{"root ::= \"x\"\n  | \"y\"", []string{"x", "y"}, []string{"xy", ""}},
		{"root ::= (\n \"x\" # one\n | \"y\"\n)?", []string{"", "x", "y"}, []string{"xx"}},
		{`root ::= "a"{3}`, []string{"aaa"}, []string{"aa", "aaaa"}},
		{`root ::= "a"{2,}`, []string{"aa", "aaaaaa"}, []string{"a"}},
		{`root ::= "a"{,2} "."`, []string{".", "a.", "aa."}, []string{"aaa."}},
		{`root ::= ("ab" | "a"){1,3} "b"`, []string{"ab", "abb", "ababb", "aaab"}, []string{"b", "a"}},
		{`root ::= [^a-z\]é]`, []string{"A", "É", "字", "🎈", "\n"}, []string{"a", "]", "é", "", "\xff", "\xed\xa0\x80"}},
		{`root ::= [а-я]+`, []string{"привет"}, []string{"Привет", "hello"}},
		{`root ::= .`, []string{"a", "é", "🎈", "\U0010ffff"}, []string{"", "ab", "\xf4\x90\x80\x80", "\xc0\x80"}},
		{`root ::= "\x41\u00e9\U0001F388\n\t\"\\"`, []string{"Aé🎈\n\t\"\\"}, []string{"A"}},
		{`root ::= "(" root ")" | "x"`, []string{"x", "((x))"}, []string{"(x", "x)"}},
		{`root ::= a "." | b "!"` + "\n" + `a ::= "x" a "y" | "x"` + "\nb ::= [xy]+", []string{"xxy.", "xyxy!", "x."}, []string{"xyx.", "."}},
		{`root ::= [+*/\-]`, []string{"+", "-"}, []string{"."}},
		{`root ::= "a"+? "b"`, []string{"b", "aab"}, nil},
	} {
		g := mustParse(t, tt.grammar)
		for want, texts := range map[bool][]string{true: tt.yes, false: tt.no} {
			for _, text := range texts {
				if got, err := g.Match(text); got != want || err != nil {
					t.Errorf("%s: %q matches: %v, %v", tt.grammar, text, got, err)
				}
			}
		}
	}
}

// TestBadGrammars: what cannot be followed is refused, and the error says where.
func TestBadGrammars(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "no rules",
		`word ::= "a"`:                   `no rule "root"`,
		"root ::= \"a\"\nroot ::= \"b\"": `line 2: the rule "root" is there twice`,
		`root ::= other`:                 `the rule "root" uses "other", which is no rule`,
		`root ::= root "a" | "b"`:        `the rule "root" begins with itself (root → root)`,
		"root ::= a\na ::= \"\" b\nb ::= a \"x\" | \"y\"": `begins with itself`,
		`root ::= "a" root`:                   `the rule "root" never ends`,
		`root ::= ("a"?)*`:                    `the rule "root" repeats without end something that may be empty`,
		`root ::= ("a"* "b"*)+`:               `may be empty`,
		`root ::= "a"{3000}`:                  "at most 2000",
		`root ::= ((("a"{2000}){2000}){2000}`: "not closed",
		`root ::= "a"{5,2}`:                   "the smaller number comes first",
		`root ::= "a"{x}`:                     "write {2}",
		`root ::= [z-a]`:                      "the smaller character comes first",
		`root ::= []`:                         "is empty",
		`root ::= "abc`:                       "a quote is not closed",
		`root ::= [abc`:                       "a bracket is not closed",
		`root ::= ("a"`:                       "a parenthesis is not closed",
		`root ::= "a")`:                       "goes on with",
		`root = "a"`:                          "::= is expected",
		`root ::= "\q"`:                       `\q is not known`,
		`root ::= "\ud800"`:                   "is no character",
		`root ::= <think>`:                    "tokens by their name",
		"root ::= \"\xff\"":                   "UTF-8",
		"root ::= " + strings.Repeat("(", 300) + `"a"` + strings.Repeat(")", 300): "more than 200 parentheses",
		"root ::= \"" + strings.Repeat("a", MaxText) + "\"":                       "more than the",
		// Each rule holds the one before two thousand times: what is written out is
		// not, as rules are shared; a long text in each is.
		`root ::= "` + strings.Repeat("a", 200) + `" ("` + strings.Repeat("b", 150) + `" | "c"){2000} ` + strings.Repeat(`[a-z]{2000} `, 200): "symbols when repetitions are written out",
	} {
		if g, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, %v, want %q", text, g != nil, err, want)
		}
	}
}

// TestSharedRepetitions: repetitions of repetitions are rules of rules, not
// copies.
func TestSharedRepetitions(t *testing.T) {
	g := mustParse(t, `root ::= ((("ab"{50}){50}){50})`)
	if n := len(g.syms); n > 1000 {
		t.Errorf("%d symbols", n)
	}
	for n, want := range map[int]bool{125000: true, 124999: false} {
		if got, err := g.Match(strings.Repeat("ab", n)); got != want || err != nil {
			t.Errorf("%d times: %v, %v", n, got, err)
		}
	}
}

// TestAmbiguous: a grammar with ever more ways to read a text is given up with an
// error, and one whose stacks are shared is not.
func TestAmbiguous(t *testing.T) {
	g := mustParse(t, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"")
	if _, err := g.Match(strings.Repeat("a", 40)); err == nil || !strings.Contains(err.Error(), "ambiguous") {
		t.Errorf("got %v", err)
	}
	g = mustParse(t, `root ::= ([ab] | "a" | "ab" | "b")+`)
	if ok, err := g.Match(strings.Repeat("ab", 2000)); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

// TestDepth: what nests deeper than MaxDepth is not allowed, and what is open can
// be closed.
func TestDepth(t *testing.T) {
	g := mustParse(t, `root ::= "(" root ")" | "x"`)
	nested := func(n int) string { return strings.Repeat("(", n) + "x" + strings.Repeat(")", n) }
	for n, want := range map[int]bool{10: true, MaxDepth - 1: true, MaxDepth + 1: false} {
		if got, err := g.Match(nested(n)); got != want || err != nil {
			t.Errorf("%d deep: %v, %v", n, got, err)
		}
	}
}

// TestWords: many texts that share how they begin and end are one small rule.
func TestWords(t *testing.T) {
	var list []string
	for _, a := range []string{"red", "green", "blue", ""} {
		for _, b := range []string{"cat", "car", "dog", "cart"} {
			for _, c := range []string{" runs", " walks", ""} {
				list = append(list, a+b+c)
			}
		}
	}
	g, err := New("x", map[string]Expr{"x": Words(list...)})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(g.syms); n > 120 {
		t.Errorf("%d symbols for %d texts", n, len(list))
	}
	for _, w := range list {
		if ok, err := g.Match(w); !ok || err != nil {
			t.Errorf("%q: %v", w, err)
		}
	}
	for _, w := range []string{"", "red", "redcar ", "blackcat", "cat run"} {
		if ok, _ := g.Match(w); ok {
			t.Errorf("%q matches", w)
		}
	}
	list = append(list, "a \"quoted\" \\ line\n", "猫坐着", "猫站着", "狗坐着")
	g = mustParse(t, ListText(list))
	for _, w := range list {
		if ok, err := g.Match(w); !ok || err != nil {
			t.Errorf("as a text: %q: %v", w, err)
		}
	}
	for _, w := range []string{"猫", "狗站着", "red "} {
		if ok, _ := g.Match(w); ok {
			t.Errorf("as a text: %q matches", w)
		}
	}
	if _, err := New("x", map[string]Expr{"x": Words()}); err == nil {
		t.Error("a choice of nothing is a grammar")
	}
}

// FuzzParse: no text makes the reader fail in any way but by an error, and what
// it accepts can be followed.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`root ::= "a" [a-z]* (b | "c"){2,5}` + "\n" + `b ::= [^\n"] .`, `root ::= root`, `root ::= ((((`, `root ::= ("" | "a")+`,
		"root ::= [\U0001F388-\U0001F390é]", `root ::= "\x41" # x`, "root ::=\n|\n|",
	} {
		f.Add(s, "abc")
	}
	f.Fuzz(func(t *testing.T, text, try string) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		if len(try) > 200 {
			try = try[:200]
		}
		if _, err := g.Match(try); err != nil && !errors.Is(err, errNoMemory) {
			t.Fatal(err)
		}
	})
}
