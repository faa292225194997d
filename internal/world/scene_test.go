package world

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/text"
)

func TestSceneRoundTrip(t *testing.T) {
	for seed := range uint64(2000) {
		s := anyScene(seed, true)
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeScene(strings.NewReader(string(data)))
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(s, back) {
			t.Fatalf("%s came back as %+v", data, back)
		}
	}
}

func TestSceneDefaults(t *testing.T) {
	s, err := DecodeScene(strings.NewReader(`{"actors":[{"subject":"cat","color":"red"},{"subject":"dog","color":"blue"}],"events":["up"],"place":"space"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Scene{
		Version: 1, Duration: 6, Actors: []Actor{{Cat, Red, Medium, 1}, {Dog, Blue, Medium, 1}}, Relation: LeftOf,
		Events: []Motion{MoveUp}, Place: Space,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v", s)
	}
}

func TestSceneErrorsSayWhatToDo(t *testing.T) {
	const ok = `"actors":[{"subject":"cat","color":"red"}],"events":["up"],"place":"space"`
	for text, want := range map[string]string{
		`{"actors":[{"subject":"unicorn","color":"red"}],"events":["up"],"place":"space"}`: "choose one of cat, dog",
		`{` + ok + `,"wether":"rain"}`:                  "wether",
		`{` + ok + `} {}`:                               "more after",
		`{` + ok + `,"seconds":1e9}`:                    "0.5 to 600",
		`{` + ok + `,"seconds":-1}`:                     "0.5 to 600",
		`{` + ok + `,"version":2}`:                      "version 2",
		`{` + ok + `,"relation":"above"}`:               "two actors",
		`{"actors":[],"events":["up"],"place":"space"}`: "0 actors",
		`{"actors":[{"subject":"cat","color":"red","count":9}],"events":["up"],"place":"space"}`: "1 to 3",
		`{"actors":[{"subject":"cat","color":"red"}],"events":[],"place":"space"}`:               "0 events",
		`{"actors":[{"subject":"cat","color":"red"}],"events":["up","up","up"],"place":"space"}`: "3 events",
		`{"seed":-1,` + ok + `}`:                           "-1",
		strings.Repeat(" ", MaxSceneJSON) + `{` + ok + `}`: "larger than",
	} {
		_, err := DecodeScene(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s…: error is %v, want one with %q", text, err, want)
		}
	}
	if err := (Scene{Version: 1, Duration: 6, Actors: []Actor{{Subject: 99, Count: 1}}, Events: []Motion{Still}}).Validate(); err == nil {
		t.Error("a subject without a name is accepted")
	}
	if _, err := json.Marshal(Actor{Color: 77}); err == nil {
		t.Error("a colour without a name is written")
	}
}

// TestSceneErrors: an error says where the mistake is and what to write, in the
// terms of a scene and not of Go.
func TestSceneErrors(t *testing.T) {
	fields := func(v any) string {
		var names []string
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
		return strings.Join(names, ", ")
	}
	for text, want := range map[string]string{
		"":                            "it is empty",
		"{\"actors\": [":              "ends in the middle",
		"{\n\n\"actors\": [}":         "line 3 is not JSON",
		"[]":                          "line 1: a scene is an object",
		"{\n\"seconds\": \"6\"}":      "line 2: seconds cannot be a JSON string",
		`{"actors":[{"subject":3}]}`:  "actors.subject cannot be a JSON number",
		`{"colour":"red"}`:            `unknown field "colour": a scene has ` + fields(Scene{}),
		`{"actors":[{"kind":"cat"}]}`: "and an actor has " + fields(Actor{}),
		`{"seed":-1}`:                 "seed cannot be a JSON number -1",
	} {
		_, err := DecodeScene(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%q: error is %v, want one with %q", text, err, want)
		}
	}
}

// TestSceneEncodings: a byte order mark is not part of a scene, and an error
// names another encoding.
func TestSceneEncodings(t *testing.T) {
	const scene = `{"actors":[{"subject":"cat","color":"red","size":"large"}],"events":["right"],"place":"meadow"}`
	if s, err := DecodeScene(strings.NewReader(text.Mark + scene)); err != nil || s.Actors[0].Subject != Cat {
		t.Errorf("%+v, %v", s, err)
	}
	wide := ""
	for _, c := range []byte(scene) {
		wide += string([]byte{0, c})
	}
	for in, want := range map[string]string{"\xfe\xff" + wide: "UTF-16, big-endian", wide: "UTF-16, big-endian", "{\n\"caf\xe9\": 1}": "line 2 holds the byte 0xE9"} {
		if _, err := DecodeScene(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", in, err, want)
		}
	}
}

func TestLabels(t *testing.T) {
	s := Scene{
		Version: 1, Duration: 6, Actors: []Actor{{Cat, Red, Small, 2}, {Boat, White, Large, 1}}, Relation: Above,
		Events: []Motion{Circle, Still}, Place: City, Time: Sunset, Weather: Snow, Camera: ZoomOut,
	}
	want := map[string]string{
		"subject": "cat", "color": "red", "size": "small", "count": "2", "subject2": "boat", "color2": "white", "size2": "large",
		"count2": "1", "relation": "above", "motion": "circle", "motion2": "still", "place": "city", "time": "sunset",
		"weather": "snow", "camera": "zoom out",
	}
	if got := s.Labels(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSampleKeepsTheSplit(t *testing.T) {
	seen := map[pair]int{}
	for seed := range uint64(6000) {
		for _, simple := range []bool{true, false} {
			a := Sample(seed, SampleOptions{Simple: simple})
			b := Sample(seed, SampleOptions{Simple: simple, Split: Test})
			for _, s := range []Scene{a, b} {
				if err := s.Validate(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if simple && (len(s.Actors) != 1 || len(s.Events) != 1 || s.Actors[0].Count != 1) {
					t.Fatalf("seed %d: %+v is not simple", seed, s)
				}
			}
			if HeldOut(a) || !HeldOut(b) {
				t.Fatalf("seed %d: train holds %v, test holds %v", seed, a.Labels(), b.Labels())
			}
			if again := Sample(seed, SampleOptions{Simple: simple}); !reflect.DeepEqual(a, again) {
				t.Fatalf("seed %d: two samples differ", seed)
			}
			for _, p := range heldOutPairs {
				if p.in(b) {
					seen[p]++
				}
			}
		}
	}
	for _, p := range heldOutPairs {
		if seen[p] < 6000*2/len(heldOutPairs)/2 {
			t.Errorf("%v is in %d of 12000 test scenes", p, seen[p])
		}
	}
}

// TestHeldOutShare counts the held-out combinations of one actor, and checks
// that training still has every value with most of the others.
func TestHeldOutShare(t *testing.T) {
	held, all := 0, 0
	type value struct {
		what string
		i    int
	}
	free := map[value][2]int{}
	for a := range Subject(NumSubjects) {
		for c := range Color(NumColors) {
			for p := range Place(NumPlaces) {
				for m := range Motion(NumMotions) {
					for k := range Camera(NumCameras) {
						s := Scene{Actors: []Actor{{Subject: a, Color: c, Count: 1}}, Place: p, Events: []Motion{m}, Camera: k}
						all++
						h := HeldOut(s)
						if h {
							held++
						}
						for _, v := range []value{{"subject", int(a)}, {"color", int(c)}, {"place", int(p)}, {"motion", int(m)}, {"camera", int(k)}} {
							n := free[v]
							n[1]++
							if !h {
								n[0]++
							}
							free[v] = n
						}
					}
				}
			}
		}
	}
	t.Logf("%d of %d combinations are held out", held, all)
	if share := float64(held) / float64(all); share < 0.10 || share > 0.15 {
		t.Errorf("%.1f %% of the combinations are held out", 100*share)
	}
	for v, n := range free {
		if share := float64(n[0]) / float64(n[1]); share < 0.65 {
			t.Errorf("only %.0f %% of the videos with %v are left to training", 100*share, v)
		}
	}
}

// TestDocsNameThePairs keeps docs/world.md true.
func TestDocsNameThePairs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/world.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range heldOutPairs {
		if line := "| " + p.String() + " |"; !strings.Contains(string(doc), line) {
			t.Errorf("docs/world.md has no line %q", line)
		}
	}
	if n := strings.Count(string(doc), "| subject ×") + strings.Count(string(doc), "| place ×"); n != len(heldOutPairs) {
		t.Errorf("docs/world.md lists %d pairs, the rule has %d", n, len(heldOutPairs))
	}
	for _, names := range [][]string{subjectNames, colorNames, sizeNames, placeNames, daytimeNames, weatherNames, motionNames, cameraNames, relationNames[1:]} {
		for _, n := range names {
			if !strings.Contains(string(doc), fmt.Sprintf("`%s`", n)) {
				t.Errorf("docs/world.md does not name `%s`", n)
			}
		}
	}
	_, rest, _ := strings.Cut(string(doc), "```json\n")
	example, _, ok := strings.Cut(rest, "```")
	if _, err := DecodeScene(strings.NewReader(example)); !ok || err != nil {
		t.Errorf("the example of docs/world.md: %v", err)
	}
}

func FuzzScene(f *testing.F) {
	for seed := range uint64(12) {
		data, _ := json.Marshal(anyScene(seed, true))
		f.Add(string(data), 16, 10, 1.5)
	}
	f.Add(`{"actors":[{"subject":"cat","color":"red","count":3}],"events":["up"],"place":"space","seconds":1e-300}`, 8, 64, -1e300)
	f.Fuzz(func(t *testing.T, text string, w, h int, at float64) {
		s, err := DecodeScene(strings.NewReader(text))
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("decoded, but: %v", err)
		}
		for lang := range Lang(NumLangs) {
			Newest.UnknownWords(s.Caption(lang, s.Seed))
		}
		Newest.UnknownWords(text)
		w, h = 8+abs(w)%40, 8+abs(h)%40
		if CheckSize(w, h) != nil {
			t.Fatalf("size %d×%d", w, h)
		}
		buf := make([]byte, w*h*3)
		NewRenderer(s, w, h).Frame(buf, at)
	})
}

func abs(v int) int { return int(uint(v) >> 1) }
