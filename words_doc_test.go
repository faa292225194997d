package kinora

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/world"
)

// namesTable is the vocabulary of an edition in short, as docs/reel.md has it.
func namesTable(e world.Edition) string {
	var b strings.Builder
	b.WriteString("| kind | what reel is taught |\n|---|---|\n")
	for _, k := range e.Vocabulary() {
		var names []string
		for _, v := range k.Values {
			names = append(names, v.Name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", k.Name, strings.Join(names, ", "))
	}
	return b.String()
}

// TestDocsSayWhatReelKnows keeps docs/reel.md and the README true to what the weights
// inside the binary say that they were taught; KINORA_UPDATE writes the table.
func TestDocsSayWhatReelKnows(t *testing.T) {
	m, err := reel.Open(reel.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	known := m.Storybook
	const path, begin, end = "docs/reel.md", "<!-- words -->\n", "<!-- end of words -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of words between %q and %q", path, begin, end)
	}
	switch want := namesTable(known); {
	case table == want:
	case os.Getenv("KINORA_UPDATE") != "":
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of words of %s is not what the weights were taught: KINORA_UPDATE=1 go test -run TestDocsSayWhatReelKnows . writes it", path)
	}

	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ = strings.Cut(string(page), "- **in what colour**: ")
	listed, _, _ := strings.Cut(rest, ";")
	var colors []string
	for _, k := range known.Vocabulary() {
		if k.Name == "colors" {
			for _, v := range k.Values {
				colors = append(colors, v.Name)
			}
		}
	}
	if want := strings.Join(colors, ", "); listed != want {
		t.Errorf("README.md says that reel knows the colours %q, and it was taught %q", listed, want)
	}
}
