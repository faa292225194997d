package world

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// wordsTable is the vocabulary as docs/world.md lists it.
func wordsTable() string {
	var b strings.Builder
	b.WriteString("| kind | value | English | Chinese | Arabic |\n|---|---|---|---|---|\n")
	for _, k := range Vocabulary() {
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

// namesTable is the same in short, as docs/reel.md has it.
func namesTable() string {
	var b strings.Builder
	b.WriteString("| kind | what reel is taught |\n|---|---|\n")
	for _, k := range Vocabulary() {
		var names []string
		for _, v := range k.Values {
			names = append(names, v.Name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", k.Name, strings.Join(names, ", "))
	}
	return b.String()
}

// TestDocsSayTheWords keeps the tables of words true; KINORA_UPDATE writes them.
func TestDocsSayTheWords(t *testing.T) {
	for path, want := range map[string]string{"../../docs/world.md": wordsTable(), "../../docs/reel.md": namesTable()} {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- words -->\n", "<!-- end of words -->"
		before, rest, ok := strings.Cut(string(doc), begin)
		table, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no table of words between %q and %q", path, begin, end)
		}
		switch {
		case table == want:
		case os.Getenv("KINORA_UPDATE") != "":
			if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("the table of words of %s is not the code's: KINORA_UPDATE=1 go test -run TestDocsSayTheWords ./internal/world writes it", path)
		}
	}
}

// TestVocabulary: every value has words of each language, which captions use.
func TestVocabulary(t *testing.T) {
	counts := map[string]int{
		"subjects": NumSubjects, "colors": NumColors, "sizes": NumSizes, "counts": MaxCount, "places": NumPlaces, "motions": NumMotions,
		"times": NumDaytimes, "weather": NumWeathers, "camera": NumCameras, "relations": NumRelations - 1,
	}
	for _, k := range Vocabulary() {
		if len(k.Values) != counts[k.Name] {
			t.Errorf("%s has %d values, want %d", k.Name, len(k.Values), counts[k.Name])
		}
		delete(counts, k.Name)
		for _, v := range k.Values {
			for lang := range Lang(NumLangs) {
				list := v.Words[lang.String()]
				if len(list) == 0 && !(k.Name == "counts" && lang == Ar) {
					t.Errorf("%s: %s has no word in %v", k.Name, v.Name, lang)
				}
				for _, w := range list {
					if got := UnknownWords(w); got != nil || strings.ContainsAny(w, "@|~#") {
						t.Errorf("%s: %s in %v: %q has unknown words %q", k.Name, v.Name, lang, w, got)
					}
				}
			}
		}
	}
	if len(counts) > 0 {
		t.Errorf("kinds that are not there: %v", counts)
	}
}
