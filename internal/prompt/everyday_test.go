package prompt

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/grammar"
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

// TestChoices: what a language model may choose from keeps what was said, can be
// drawn and known, and is not too much for a grammar.
func TestChoices(t *testing.T) {
	most := 0
	for _, prompt := range []string{"my kitten is scared of the storm", "a shark", "qwertz", "一条鲨鱼", "قطتي خائفة من العاصفة", "a boy kicks a football in the park", "a red ball bounces on a beach at sunset"} {
		for e := world.FirstEdition; e <= world.Newest; e++ {
			d := Make(prompt, e)
			list := d.Choices()
			if len(list) == 0 || d.Sentence != "" && list[0] != d.Sentence {
				t.Fatalf("%q: %d choices, the draft is %q", prompt, len(list), d.Sentence)
			}
			most = max(most, len(list))
			for i, s := range list {
				if u := e.UnknownWords(s); u != nil {
					t.Errorf("%q has the unknown words %q", s, u)
				}
				if i%97 != 0 {
					continue
				}
				scene, ok := world.ReadSaid(d.Lang, s)
				if !ok || i > 0 && world.HeldOut(scene) {
					t.Errorf("%q is read as %+v, %v", s, scene, ok)
				}
				if prompt == "my kitten is scared of the storm" && (scene.Actors[0].Subject != world.Cat || scene.Weather != world.Rain) {
					t.Errorf("%q does not keep the kitten and the storm", s)
				}
			}
			g, err := grammar.Parse(grammar.ListText(list))
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := g.Match(list[len(list)-1]); !ok || err != nil {
				t.Errorf("%q is not in the grammar: %v", list[len(list)-1], err)
			}
		}
	}
	if most < 1000 || most > 10000 {
		t.Errorf("at most %d choices", most)
	}
	if got := Make("a cat", world.NoEdition); got.Sentence != "" || got.Choices() != nil {
		t.Errorf("a model without an edition: %+v", got)
	}
}

// TestMake: single rules.
func TestMake(t *testing.T) {
	for prompt, want := range map[string]string{
		"a big kitten":                                   "A big orange cat walks right in a meadow.",
		"a tiny shark in the city":                       "A tiny grey fish moves right in a city.",
		"my mom's cat sleeps":                            "An orange cat stays still in a meadow.",
		"no rain today, just a dog":                      "A brown dog walks right in a meadow by day.",
		"she drives home":                                "A red car drives right in a city.",
		"a man on a boat":                                "A white boat sails right on the ocean.",
		"a baby penguin":                                 "A small black bird flies right in a meadow in the snow.",
		"[Zoom in] an owl under a green tree":            "A blue bird flies right in a meadow at night. The camera zooms in.",
		"three purple wolves run left":                   "Three purple dogs run left in a meadow.",
		"a blue fish below a yellow boat":                "A blue fish is below a yellow boat, and they move right underwater.",
		"a red car, then a blue car":                     "A red car is to the left of a blue car, and they drive right in a city.",
		"the butterfly flies up and then circles around": "A yellow butterfly moves up in a meadow.",
		"a boat in a storm in space":                     "A white boat moves right in space.",
		"a buterfly on the beech":                        "A yellow butterfly moves in a circle on a beach.",
		"":                                               "",
		"🐶":                                              "",
		"the of and 17":                                  "",
	} {
		if got := Make(prompt, world.Newest).Sentence; got != want {
			t.Errorf("%q: %q, want %q", prompt, got, want)
		}
	}
}

// TestBetter: an answer of a language model is taken if it keeps what was said.
func TestBetter(t *testing.T) {
	const storm = "my kitten is scared of the storm"
	for _, tt := range []struct {
		prompt, answer, want string
	}{
		{storm, "A small white kitten stays still in a city at night in the rain.", "A small white kitten stays still in a city at night in the rain."},
		{storm, "a tiny white kitten hides in the street, while thunder rolls", "A tiny white kitten stays still in a city street in the rain."},
		{storm, "A small white dog stays still in a city at night in the rain.", ""}, // no kitten
		{storm, "A small white cat stays still in a city at night.", ""},             // no storm
		{storm, "I cannot do that!", ""},
		{storm, "", ""},
		{storm, "一只白色的小猫在城市里静止不动，下着雨。", ""}, // another language
		{"xyzzy", "A yellow bird flies left in the mountains.", "A yellow bird flies left in the mountains."},
		{"xyzzy", "plugh", ""},
		{"a dog runs", "A white dog runs left on a beach.", "A white dog runs left on a beach."},
		{"a dog runs", "A white dog sleeps on a beach.", ""},
	} {
		got, ok := Make(tt.prompt, world.Newest).Better(tt.answer)
		if ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%q for %q: %q, %v, want %q", tt.answer, tt.prompt, got, ok, tt.want)
		}
	}
}

// TestTable: a table that names what a scene has not is an error, with its line.
func TestTable(t *testing.T) {
	for table, want := range map[string]string{"[en]\nx = cat\ny = elephant": `line 3: "elephant"`, "[fr]": "line 1"} {
		if _, err := readTable(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", table, err)
		}
	}
}

func FuzzMake(f *testing.F) {
	for _, s := range []string{"my kitten is scared of the storm", "我的小猫害怕打雷", "قطتي خائفة من العاصفة", "the dog's 3 cats' x’s", "[Pan left] a red", "baby baby no no", "\xff\u0300ـ🐶"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for e := world.NoEdition; e <= world.Newest; e++ {
			d := Make(text, e)
			if d.Sentence == "" {
				continue
			}
			if err := d.Scene.Validate(); err != nil || e.UnknownWords(d.Sentence) != nil {
				t.Fatalf("%q: %q, %v", text, d.Sentence, err)
			}
		}
	})
}

// TestDocsSayWhatIsDrawn: the examples of docs/prompts.md are what the rules make.
func TestDocsSayWhatIsDrawn(t *testing.T) {
	page, err := os.ReadFile("../../docs/prompts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| prompt | what is drawn |\n|---|---|\n")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 2 {
			break
		}
		prompt, want := strings.TrimPrefix(cells[0], "| "), strings.TrimSuffix(cells[1], " |")
		for e := world.FirstEdition; e <= world.Newest; e++ {
			if got := Make(prompt, e).Sentence; got != want {
				t.Errorf("%q becomes %q, the page says %q", prompt, got, want)
			}
		}
		rows++
	}
	if rows < 5 || !strings.Contains(string(page), Make("my kitten is scared of the storm", world.FirstEdition).Sentence) {
		t.Errorf("%d rows", rows)
	}
}

func BenchmarkMake(b *testing.B) {
	for b.Loop() {
		Make("my kitten is scared of the storm", world.FirstEdition)
	}
}
