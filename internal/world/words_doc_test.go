package world

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// wordsTable is the vocabulary as docs/world.md lists it.
func wordsTable() string {
	var b strings.Builder
	b.WriteString("| kind | value | English | Chinese | Arabic |\n|---|---|---|---|---|\n")
	for _, k := range Newest.Vocabulary() {
		for _, v := range k.Values {
			fmt.Fprintf(&b, "| %s | %s |", k.Name, v.Name)
			for lang := range Lang(NumLangs) {
				b.WriteString(" " + strings.Join(v.Words[lang.String()], ", ") + " |")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestDocsSayTheWords keeps the table of words true; KINORA_UPDATE writes it.
func TestDocsSayTheWords(t *testing.T) {
	const path, begin, end = "../../docs/world.md", "<!-- words -->\n", "<!-- end of words -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of words between %q and %q", path, begin, end)
	}
	switch want := wordsTable(); {
	case table == want:
	case os.Getenv("KINORA_UPDATE") != "":
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of words of %s is not the code's: KINORA_UPDATE=1 go test -run TestDocsSayTheWords ./internal/world writes it", path)
	}
}

// TestVocabulary: every value has words of each language, which captions of the
// edition use, and a later edition has all words of the one before.
func TestVocabulary(t *testing.T) {
	counts := map[string]int{
		"subjects": NumSubjects, "colors": NumColors, "sizes": NumSizes, "counts": MaxCount, "places": NumPlaces, "motions": NumMotions,
		"times": NumDaytimes, "weather": NumWeathers, "camera": NumCameras, "relations": NumRelations - 1,
	}
	for e := FirstEdition; e <= Newest; e++ {
		told := 0
		for _, k := range e.Vocabulary() {
			want := counts[k.Name]
			if k.Name == "colors" && e == FirstEdition {
				want = MeasuredColors
			}
			if len(k.Values) != want {
				t.Errorf("edition %d: %s has %d values, want %d", e, k.Name, len(k.Values), want)
			}
			told++
			for _, v := range k.Values {
				checkWords(t, e, k.Name, v)
			}
		}
		if told != len(counts) {
			t.Errorf("edition %d: %d kinds, want %d", e, told, len(counts))
		}
	}
	if got := NoEdition.Vocabulary(); got != nil {
		t.Errorf("a model that was taught nothing knows %v", got)
	}
	if got := len((Newest + 7).Vocabulary()); got != len(counts) {
		t.Errorf("weights of a later storybook know %d kinds of words", got)
	}
}

// checkWords checks the words of a value in an edition.
func checkWords(t *testing.T, e Edition, kind string, v Value) {
	for lang := range Lang(NumLangs) {
		list := v.Words[lang.String()]
		if len(list) == 0 && !(kind == "counts" && lang == Ar) {
			t.Errorf("edition %d, %s: %s has no word in %v", e, kind, v.Name, lang)
		}
		for _, w := range list {
			if got := e.UnknownWords(w); got != nil || strings.ContainsAny(w, "@|~#") {
				t.Errorf("edition %d, %s: %s in %v: %q has unknown words %q", e, kind, v.Name, lang, w, got)
			}
			later := ofValue(kind, v.Name, lang)
			if sideways := v.Name == "left" || v.Name == "right"; !slices.Contains(later, w) && !(kind == "motions" && sideways) { // told by other verbs now
				t.Errorf("%s: %s in %v: %q is in edition %d and not in the newest", kind, v.Name, lang, w, e)
			}
		}
	}
}
