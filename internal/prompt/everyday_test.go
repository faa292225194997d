package prompt

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/world"
)

// TestEverydayPrompts: each of many everyday sentences becomes one that can be
// drawn, which the storybook reads as the same scene. testdata/drawn.txt has the
// sentences, to be read by people; KINORA_UPDATE writes it.
func TestEverydayPrompts(t *testing.T) {
	list, err := os.ReadFile("testdata/everyday.txt")
	if err != nil {
		t.Fatal(err)
	}
	var drawn strings.Builder
	n := 0
	for prompt := range strings.Lines(string(list)) {
		prompt = strings.TrimSpace(prompt)
		n++
		for e := world.FirstEdition; e <= world.Newest; e++ {
			d := Make(prompt, e)
			if d.Sentence == "" {
				t.Errorf("%q is not understood", prompt)
				continue
			}
			if u := e.UnknownWords(d.Sentence); u != nil {
				t.Errorf("%q: %q has the unknown words %q", prompt, d.Sentence, u)
			}
			if scene, ok := world.ReadSaid(d.Lang, d.Sentence); !ok || !reflect.DeepEqual(scene, d.Scene) {
				t.Errorf("%q: %q is read as\n%+v, not\n%+v", prompt, d.Sentence, scene, d.Scene)
			}
			if e == world.Newest {
				drawn.WriteString(prompt + "\n\t" + d.Sentence + "\n")
			}
		}
	}
	if n < 200 {
		t.Errorf("%d sentences", n)
	}
	const path = "testdata/drawn.txt"
	if os.Getenv("KINORA_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(drawn.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != drawn.String() {
		t.Errorf("%s is not what the sentences become (%v): KINORA_UPDATE=1 go test ./internal/prompt writes it; read what has changed", path, err)
	}
}
